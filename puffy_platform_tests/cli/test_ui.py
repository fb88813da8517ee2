"""`puffy ui`: webserver and daemon on this machine only, and none of them left when it ends."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from puffy_platform.tables import TABLES
from puffy_platform_tests.command import environment, puffy

PROCESSES = Path("/proc")
needs_proc = pytest.mark.skipif(not (PROCESSES / "net" / "tcp").exists(), reason="looks at processes in /proc")
LOOPBACK = "0100007F"
LISTENING = "0A"
START_SECONDS, END_SECONDS = 240, 60
QUESTION = {"query": "{ assetNodes { assetKey { path } } }"}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def processes_of(home: Path) -> dict[int, str]:
    """Process id -> command line of all processes that work on this home."""
    found = {}
    for folder in PROCESSES.iterdir():
        if folder.name.isdigit():
            try:
                if f"PUFFY_HOME={home}".encode() in (folder / "environ").read_bytes().split(b"\0"):
                    found[int(folder.name)] = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue  # it has just ended
    return found


def listening_addresses(port: int) -> set[str]:
    """The local addresses, in hexadecimal, on which anybody listens to the port; in IPv6 as well."""
    lines = [line for name in ("tcp", "tcp6") for line in (PROCESSES / "net" / name).read_text().splitlines()[1:]]
    local = [line.split()[1].split(":") for line in lines if line.split()[3] == LISTENING]
    return {address for address, hexadecimal in local if int(hexadecimal, 16) == port}


def asset_names(url: str) -> set[str]:
    """The assets of the code location as the page gets them; none until it is up and has loaded them."""
    request = urllib.request.Request(
        f"{url}/graphql", json.dumps(QUESTION).encode(), {"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            nodes = json.load(answer)["data"]["assetNodes"]
    except OSError:
        return set()
    return {node["assetKey"]["path"][-1] for node in nodes}


def wait_until(is_so: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if is_so():
            return True
        time.sleep(0.3)
    return False


@contextmanager
def running_ui(home: Path, port: int) -> Iterator[subprocess.Popen[str]]:
    """`puffy ui`; whatever is left of it in the end is killed, and fails the test."""
    command = [sys.executable, "-m", "puffy_platform.cli", "ui", "--port", str(port)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    with subprocess.Popen(command, env=environment(home), **pipes) as process:
        try:
            yield process
        finally:
            left = processes_of(home)
            for number in left:
                os.kill(number, signal.SIGKILL)
    assert not left


@needs_proc
def test_the_ui_answers_on_loopback_only_and_ctrl_c_leaves_no_process_behind(tmp_path: Path) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with running_ui(tmp_path, port) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "Starting the Dagster UI (webserver and daemon) ...\n"
        assert process.stdout.readline() == f"Dagster UI: {url}   (Ctrl-C stops it)\n"
        assert wait_until(lambda: asset_names(url) >= set(TABLES), START_SECONDS), "no assets on the page"
        with urllib.request.urlopen(url, timeout=10) as page:
            assert "dagster" in page.read().decode().lower()
        assert listening_addresses(port) == {LOOPBACK}
        commands = " ".join(processes_of(tmp_path).values())
        assert "dagster_webserver" in commands
        assert "dagster._daemon" in commands
        os.kill(process.pid, signal.SIGINT)
        said, _ = process.communicate(timeout=END_SECONDS)
    assert process.returncode == 0, said


@needs_proc
def test_a_service_managers_stop_while_the_ui_still_starts_leaves_no_process_behind(tmp_path: Path) -> None:
    with running_ui(tmp_path, free_port()) as process:
        assert wait_until(lambda: "dagster dev" in " ".join(processes_of(tmp_path).values()), START_SECONDS)
        os.kill(process.pid, signal.SIGTERM)
        said, _ = process.communicate(timeout=END_SECONDS)
    assert process.returncode == 0, said


def test_a_port_that_is_taken_is_said_to_be_with_another_to_try(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        finished = puffy(tmp_path, "ui", "--port", str(port))
    assert finished.code == 2
    assert f"port {port} is in use; choose another: puffy ui --port {port + 1}" in " ".join(finished.out.split())
