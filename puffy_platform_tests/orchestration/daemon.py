"""A real Dagster daemon on a home of its own, for tests: started, killed with everything it started, started again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable

from puffy_platform.pipeline import Platform

__all__ = ["Daemon"]


class Daemon:
    """`dagster-daemon run` with the platform's definitions, in a process group of its own."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        self.log = platform.settings.home / "daemon.log"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        home = self.platform.settings.home
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PUFFY_")}
        environment |= {"PUFFY_HOME": str(home), "DAGSTER_HOME": str(home / "dagster")}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "dagster._daemon", "run", "-m", "puffy_platform.definitions"],
                env=environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def kill(self) -> None:
        """As a power cut would: the daemon, its code server and its runs at once."""
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None

    def wait_for(self, what: str, is_there: Callable[[], bool], seconds: float) -> None:
        """Until it is there; fails with the end of the daemon's log when it does not come in time."""
        deadline = time.monotonic() + seconds
        while not is_there():
            assert self.process is not None
            assert self.process.poll() is None, f"the daemon ended by itself:\n{self._end_of_log()}"
            assert time.monotonic() < deadline, f"no {what} within {seconds} seconds:\n{self._end_of_log()}"
            time.sleep(0.5)

    def _end_of_log(self) -> str:
        return "\n".join(self.log.read_text("utf-8", "replace").splitlines()[-60:])
