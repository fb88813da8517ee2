"""`python -m puffy_platform_tests.bench.pipeline --events 5000000`: what the platform costs, in ratios of one run.

Every contender is a process of its own over the same files: the floor (CSV to Parquet and nothing else), the bare
pipeline by stage, `puffy run` with Dagster and all, a pandas script as an analyst would write it (on fewer events)
and DuckDB SQL for the same core steps. Prints Markdown; docs/performance.md is made of it.
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import platform
import shutil
import tempfile
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path

# Nothing heavy is imported here: a child's peak memory counts from what its parent held.
from puffy_platform.speed.measure import Cost, median, run

BENCH = "puffy_platform_tests.bench"
DAYS = 14
FIRST_DAY = dt.date(2025, 10, 1)


def make_home(root: Path, events: int, days: int = DAYS) -> tuple[Path, int]:
    """A home with `days` days of files and nothing computed; and how many rows they hold."""
    root.mkdir(parents=True, exist_ok=True)
    rows = run(f"{BENCH}.files", str(root / "landing"), str(events), str(days)).said["rows"]
    (root / "puffy.toml").write_text(f"[partitions]\nstart_day = {FIRST_DAY}\n", "utf-8")
    return root, rows


def forget(home: Path) -> None:
    """Remove everything that was computed."""
    for name in ("warehouse", "dagster", "floor"):
        shutil.rmtree(home / name, ignore_errors=True)
    (home / "marts.duckdb").unlink(missing_ok=True)


def puffy_run(home: Path, days: int = DAYS) -> Cost:
    last = FIRST_DAY + dt.timedelta(days=days - 1)
    command = ("run", "--from", str(FIRST_DAY), "--to", str(last), "--json")
    return run("puffy_platform.cli", *command, environment={"PUFFY_HOME": str(home)})


def report(home: Path, rows: int, repetitions: int, pandas_rows: int) -> Iterable[str]:
    """The Markdown, line by line, as it becomes known."""
    landing = str(home / "landing")
    size = sum(file.stat().st_size for file in (home / "landing").iterdir())
    yield f"{rows:,} events over {DAYS} days, {size / 2**20:,.0f} MiB of CSV; {_machine()}; medians of {repetitions}.\n"
    floors, stages, runs, sqls = [], [], [], []
    for _ in range(repetitions):
        forget(home)
        floors.append(run(f"{BENCH}.floor", landing, str(home / "floor")))
        sqls.append(run(f"{BENCH}.by_duckdb", landing))
        stages.append(run(f"{BENCH}.stages", str(home)))
        forget(home)
        runs.append(puffy_run(home))
    floor = median(floors)
    small, small_rows = make_home(home / "small", pandas_rows)
    pandas = median([run(f"{BENCH}.by_pandas", str(small / "landing")) for _ in range(repetitions)])
    scaled = Cost(pandas.wall * rows / small_rows, pandas.cpu * rows / small_rows, pandas.peak_mib)
    yield "| process | wall s | of the floor | CPU s | of the floor | peak MiB |"
    yield "|---|--:|--:|--:|--:|--:|"
    for name, cost in (
        ("floor: CSV to Parquet", floor),
        ("DuckDB SQL, core steps only", median(sqls)),
        ("bare pipeline, all tables, checked and committed", median(stages)),
        ("`puffy run`, Dagster and marts included", median(runs)),
        (f"pandas script, core steps only (measured at {small_rows:,} events, scaled)", scaled),
    ):
        yield (
            f"| {name} | {cost.wall:.1f} | {cost.wall / floor.wall:.1f} | {cost.cpu:.1f} | {cost.cpu / floor.cpu:.1f} "
            f"| {cost.peak_mib:,.0f} |"
        )
    yield "\n| stage | wall s | CPU s | CPU of the floor | peak MiB so far |\n|---|--:|--:|--:|--:|"
    for name, (wall, cpu, peak) in stages[-1].said.items():
        yield f"| {name} | {wall:.2f} | {cpu:.2f} | {cpu / floor.cpu:.2f} | {peak:,.0f} |"


def _machine() -> str:
    return f"{os.cpu_count()} cores, Python {platform.python_version()}, Polars {version('polars')}"


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--events", type=int, default=1_000_000)
    options.add_argument("--repetitions", type=int, default=3)
    options.add_argument("--pandas-events", type=int, default=500_000)
    options.add_argument("--compare", action="store_true", help="also compare the tables with DuckDB's, row for row")
    asked = options.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        home, rows = make_home(Path(scratch) / "home", asked.events)
        for line in report(home, rows, asked.repetitions, min(asked.events, asked.pandas_events)):
            print(line, flush=True)
        if asked.compare:
            forget(home)
            print("\nRows that differ from the DuckDB SQL:", run(f"{BENCH}.compare", str(home)).said)


if __name__ == "__main__":
    main()
