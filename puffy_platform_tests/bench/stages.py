"""What is not current in a home, computed table by table and without Dagster: prints what each stage took, as JSON.

Wall and CPU seconds and the peak memory until then; and of each stage what its checks and its writes took.
"""

import json
import resource
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

from puffy_platform.pipeline import Platform, materialise, materialise_ingest
from puffy_platform.pipeline.plan import Plan, affected
from puffy_platform.settings import load_settings
from puffy_platform.speed.measure import peak_mib

# What the stages have in common, by the name under which both of these modules call it.
MODULES = ("puffy_platform.pipeline.ingesting", "puffy_platform.pipeline.materialise")
PARTS = {"evaluate": "checks", "store": "Delta writes"}


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


@contextmanager
def _measuring(parts: dict[str, tuple[float, float]]) -> Iterator[None]:
    """Add to `parts` what checks and writes take: hashes of days, data files, commits and the ledger."""

    def measured(work: Callable[..., Any], name: str) -> Callable[..., Any]:
        def measure(*args: Any, **named: Any) -> Any:
            began, cpu = time.monotonic(), _cpu()
            result = work(*args, **named)
            wall_so_far, cpu_so_far = parts.get(name, (0.0, 0.0))
            parts[name] = (wall_so_far + time.monotonic() - began, cpu_so_far + _cpu() - cpu)
            return result

        return measure

    with ExitStack() as patches:
        for module in MODULES:
            for called, name in PARTS.items():
                work = getattr(sys.modules[module], called)
                patches.enter_context(patch(f"{module}.{called}", measured(work, name)))
        yield


def main(home: Path, settings_file: Path | None = None) -> None:
    platform = Platform(load_settings(home, settings_file))
    found: dict[str, tuple[float, float, float]] = {}
    parts: dict[str, dict[str, tuple[float, float]]] = {}

    def stage(name: str, work: Callable[[], object]) -> None:
        wall, cpu = time.monotonic(), _cpu()
        with _measuring(parts.setdefault(name, {})):
            work()
        found[name] = (time.monotonic() - wall, _cpu() - cpu, peak_mib())

    plans: list[Plan] = []

    def plan() -> None:
        days = platform.landing().days
        assert days is not None
        plans.append(affected(platform, days))

    stage("plan", plan)
    planned = plans[0].hull()
    assert planned is not None
    stage("ingest", lambda: materialise_ingest(platform, planned, run_id="bench", force=False))
    for table in platform.derived:
        stage(table.name, lambda table=table: materialise(platform, table, planned, run_id="bench", force=False))
    print(json.dumps({"stages": found, "parts": parts}))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
