"""Starts Dagster's webserver and daemon on this machine only, on the home's own instance."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

from rich.console import Console

from puffy_platform.orchestration.run import dagster_home
from puffy_platform.pipeline import Platform

__all__ = ["serve"]

HOST = "127.0.0.1"
START_SECONDS = 120


def serve(platform: Platform, port: int, console: Console) -> int:
    """Run until interrupted; returns the exit code. Says so when the port is taken."""
    with socket.socket() as probe:
        if probe.connect_ex((HOST, port)) == 0:
            console.print(f"[bold red]puffy:[/] port {port} is in use; choose another: puffy ui --port {port + 1}")
            return 2
    environment = os.environ | {
        "DAGSTER_HOME": str(dagster_home(platform)),
        "PUFFY_HOME": str(platform.settings.home),
    }
    command = [
        sys.executable,
        "-m",
        "dagster",
        "dev",
        "-m",
        "puffy_platform.definitions",
        "-h",
        HOST,
        "-p",
        str(port),
    ]
    url = f"http://{HOST}:{port}"
    console.print("Starting the Dagster UI (webserver and daemon) ...")
    process = subprocess.Popen(
        [*command, "--log-level", "warning"],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    try:
        if _answers(url, process):
            console.print(f"[bold green]Dagster UI:[/] {url}   (Ctrl-C stops it)")
            console.print(f"  the graph of all tables: {url}/asset-groups", highlight=False)
        return process.wait()
    except KeyboardInterrupt:
        process.terminate()
        process.wait(timeout=30)
        return 0


def _answers(url: str, process: subprocess.Popen[bytes]) -> bool:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{url}/server_info", timeout=2):
                return True
        except (urllib.error.URLError, OSError):
            time.sleep(0.5)
    return False
