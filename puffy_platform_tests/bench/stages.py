"""What is not current in a home, computed table by table and without Dagster: prints what each stage took, as JSON."""

import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path

from puffy_platform.pipeline import Platform, materialise, materialise_ingest
from puffy_platform.pipeline.plan import Plan, affected
from puffy_platform.settings import load_settings
from puffy_platform.speed.measure import peak_mib


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main(home: Path, settings_file: Path | None = None) -> None:
    platform = Platform(load_settings(home, settings_file))
    found: dict[str, tuple[float, float, float]] = {}

    def stage(name: str, work: Callable[[], object]) -> None:
        wall, cpu = time.monotonic(), _cpu()
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
    print(json.dumps(found))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
