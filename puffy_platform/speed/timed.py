"""One task in a process of its own: `python -m puffy_platform.speed.timed TASK SIZE` prints what it took as JSON."""

from __future__ import annotations

import json
import resource
import sys
import time
from dataclasses import dataclass

from puffy_platform.speed.measure import run
from puffy_platform.speed.tasks import TASKS, Task

__all__ = ["Timed", "measure_task"]


@dataclass(frozen=True)
class Timed:
    """What a task took: seconds and CPU seconds without making its sample, but `peak_mib` of the whole process, Python,
    libraries and the sample (`sample_mib`) included. `said` is what came out."""

    task: str
    size: int
    wall: float
    cpu: float
    peak_mib: float
    sample_mib: float
    said: dict[str, int | float]


def measure_task(task: Task, factor: float = 1.0) -> Timed:
    """The task at `factor` times its size, in a new process. Raises RuntimeError with its output when it fails."""
    size = max(1, round(task.size * factor))
    cost = run("puffy_platform.speed.timed", task.name, str(size))
    return Timed(task=task.name, size=size, peak_mib=cost.peak_mib, **cost.said)


def main(name: str, size: int) -> None:
    task = TASKS[name]
    sample = task.sample(size)
    before, began = resource.getrusage(resource.RUSAGE_SELF), time.monotonic()
    said = task.run(sample)
    wall, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(json.dumps({"wall": wall, "cpu": cpu, "sample_mib": sample.estimated_size("mb"), "said": said}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
