"""Starts Dagster's webserver and daemon on this machine only, on the home's own instance, and ends them with itself."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from rich.console import Console

from puffy_platform.orchestration.run import dagster_home, open_instance
from puffy_platform.pipeline import Platform

__all__ = ["serve"]

HOST = "127.0.0.1"
START_SECONDS = 180
# Dagster ends its servers in two or three seconds; what is still there after this is killed.
END_SECONDS = 20
POLL_SECONDS = 0.1
LOG_LINES_SHOWN = 15


def serve(platform: Platform, port: int, console: Console) -> int:
    """Run until interrupted or terminated; returns the exit code. Says so when the port is taken.

    What Dagster's processes print goes to `dagster/ui.log` in the home.
    """
    with socket.socket() as probe:
        if probe.connect_ex((HOST, port)) == 0:
            console.print(f"[bold red]puffy:[/] port {port} is in use; choose another: puffy ui --port {port + 1}")
            return 2
    with open_instance(platform):
        # Made here, for webserver and daemon would both make the databases of a new home.
        home, url = dagster_home(platform), f"http://{HOST}:{port}"
    log = home / "ui.log"
    console.print("Starting the Dagster UI (webserver and daemon) ...")
    with _dagster_dev(platform, home, port, log) as process:
        try:
            if _answers(url, process):
                console.print(f"[bold green]Dagster UI:[/] {url}   (Ctrl-C stops it)")
                console.print(f"  the graph of all tables: {url}/asset-groups", highlight=False)
            elif process.poll() is None:
                console.print(f"It has not answered for {START_SECONDS} seconds; what it says is in {log}")
            # Polars' handler of SIGINT lets a blocking wait go on, so that Ctrl-C would not be heard.
            while process.poll() is None:
                time.sleep(POLL_SECONDS)
        except KeyboardInterrupt:
            return 0
    console.print(f"[bold red]puffy:[/] the Dagster UI ended by itself; the end of {log}:", highlight=False)
    console.print("\n".join(_last_lines(log)), markup=False, highlight=False)
    return process.returncode or 1


@contextmanager
def _dagster_dev(platform: Platform, home: Path, port: int, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """`dagster dev` in a process group of its own, all of which has ended when this ends.

    SIGTERM interrupts like Ctrl-C, so that a service manager's stop leaves nothing behind either.
    """
    command = [sys.executable, "-m", "dagster", "dev", "-m", "puffy_platform.definitions"]
    command += ["-h", HOST, "-p", str(port), "--log-level", "warning"]
    environment = os.environ | {"DAGSTER_HOME": str(home), "PUFFY_HOME": str(platform.settings.home)}
    before = signal.signal(signal.SIGTERM, _interrupt)
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=output, start_new_session=True)
    try:
        yield process
    finally:
        # A second Ctrl-C must not leave the servers behind.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        _end_group(process)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, before)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _end_group(process: subprocess.Popen[bytes]) -> None:
    """Interrupt every process of the group, as a terminal's Ctrl-C does, and kill those that stay."""
    deadline, number = time.monotonic() + END_SECONDS, int(signal.SIGINT)
    try:
        while time.monotonic() < deadline:
            os.killpg(process.pid, number)
            number = 0  # asks only whether the group is still there
            time.sleep(POLL_SECONDS)
            process.poll()
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


def _answers(url: str, process: subprocess.Popen[bytes]) -> bool:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{url}/server_info", timeout=2):
                return True
        except (urllib.error.URLError, OSError):
            time.sleep(0.5)
    return False


def _last_lines(log: Path) -> list[str]:
    return log.read_text("utf-8", errors="replace").splitlines()[-LOG_LINES_SHOWN:]
