"""Whole processes, measured: wall and CPU seconds and peak memory, children included."""

from __future__ import annotations

import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["Cost", "median", "peak_mib", "run"]

# Seconds between two looks at the memory of a running process.
LOOKED_AT = 0.02


@dataclass(frozen=True)
class Cost:
    """What one process took; `said` is the JSON of its last line, if any."""

    wall: float
    cpu: float
    peak_mib: float
    said: Any = None


def run(module: str, *arguments: str, environment: Mapping[str, str] | None = None) -> Cost:
    """Run `python -m module arguments` and wait for it. Raises RuntimeError with its output when it fails."""
    began = time.monotonic()
    with tempfile.TemporaryFile("w+") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            stdout=out,
            stderr=subprocess.STDOUT,
            env=os.environ | dict(environment or {}),
        )
        peak, reaped = 0.0, 0
        while not reaped:
            time.sleep(LOOKED_AT)
            peak = peak_mib(process.pid) or peak
            reaped, status, usage = os.wait4(process.pid, os.WNOHANG)
        process.returncode = os.waitstatus_to_exitcode(status)
        wall = time.monotonic() - began
        out.seek(0)
        text = out.read()
    if process.returncode:
        raise RuntimeError(f"{module} failed:\n{text}")
    last = text.strip().splitlines()[-1] if text.strip() else ""
    said = json.loads(last) if last.startswith(("{", "[")) else None
    return Cost(wall, usage.ru_utime + usage.ru_stime, peak or usage.ru_maxrss / 1024, said)


def peak_mib(process: int | str = "self") -> float:
    """The most memory that a running process has had; 0 where it cannot be told.

    What the system says of an ended process is at least what its parent had, for it began as a copy of that.
    """
    try:
        status = Path(f"/proc/{process}/status").read_text("utf-8")
    except OSError:
        return 0.0
    found = re.search(r"VmHWM:\s+([0-9]+) kB", status)
    return int(found[1]) / 1024 if found else 0.0


def median(costs: Sequence[Cost]) -> Cost:
    """The median of each figure; of what the processes said, the last."""
    return Cost(
        statistics.median(cost.wall for cost in costs),
        statistics.median(cost.cpu for cost in costs),
        statistics.median(cost.peak_mib for cost in costs),
        costs[-1].said,
    )
