"""`python -m puffy_platform_tests.bench.pipeline --events 5000000`: what the platform costs, in ratios of one run.

Every contender is a process of its own over the same files: the floor (CSV to Parquet and nothing else), the bare
pipeline by stage, its files alone, `puffy run` with Dagster and all, a pandas script as an analyst would write it (on
fewer events) and DuckDB SQL for the same core steps. Prints Markdown; docs/performance.md is made of it.

`--days 730 --events 36500000 --only pipeline` is a backfill of two years: nothing else is run, and the files are the
only thing that grows with the days.
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import platform
import shutil
import tempfile
from collections.abc import Callable, Collection, Iterable, Sequence
from importlib.metadata import version
from pathlib import Path

from puffy_platform.speed.measure import Cost, median, run
from puffy_platform.tables import TABLES

BENCH = "puffy_platform_tests.bench"
DAYS = 14
FIRST_DAY = dt.date(2025, 10, 1)
CONTENDERS = {
    "floor": "floor: CSV to Parquet",
    "sql": "DuckDB SQL, core steps only",
    "pipeline": "bare pipeline, all tables, checked and committed",
    "files": "of it the core tables' files alone: parsed, read and written again, nothing computed",
    "run": "`puffy run`, Dagster and marts included",
    "pandas": "pandas script, core steps only",
}
CORE = {
    "plan",
    "ingest",
    "events_enriched",
    "purchases",
    "identity_links",
    "identities",
    "sessions",
    "conversions",
    "attribution",
    "channel_summary",
}


def make_home(root: Path, events: int, days: int = DAYS) -> tuple[Path, int]:
    """A home with `days` days of files and nothing computed; and how many rows they hold."""
    root.mkdir(parents=True, exist_ok=True)
    rows = run(f"{BENCH}.files", str(root / "landing"), str(events), str(days)).said["rows"]
    (root / "puffy.toml").write_text(f"[partitions]\nstart_day = {FIRST_DAY}\n", "utf-8")
    return root, rows


def forget(home: Path) -> None:
    """Remove everything that was computed, and what is remembered of the files."""
    for name in ("warehouse", "dagster", "floor"):
        shutil.rmtree(home / name, ignore_errors=True)
    for name in ("marts.duckdb", "landing_hashes.json"):
        (home / name).unlink(missing_ok=True)


def puffy_run(home: Path, days: int = DAYS, first: dt.date = FIRST_DAY) -> Cost:
    last = first + dt.timedelta(days=days - 1)
    command = ("run", "--from", str(first), "--to", str(last), "--json")
    return run("puffy_platform.cli", *command, environment={"PUFFY_HOME": str(home)})


def measured(
    home: Path, days: int, repetitions: int, pandas_rows: int, only: Collection[str]
) -> dict[str, tuple[Cost, int]]:
    """The median cost of each contender that was asked for, and for pandas over how many events; 0 for all of them."""
    landing = str(home / "landing")
    contenders: dict[str, Callable[[], Cost]] = {
        "floor": lambda: run(f"{BENCH}.floor", landing, str(home / "floor")),
        "sql": lambda: run(f"{BENCH}.by_duckdb", landing),
        "pipeline": lambda: run(f"{BENCH}.stages", str(home)),
        "files": lambda: run(f"{BENCH}.files_alone", str(home), *_core_tables()),
        "run": lambda: puffy_run(home, days),
    }
    costs: dict[str, list[Cost]] = {name: [] for name in contenders if name in only}
    for _ in range(repetitions):
        for name, found in costs.items():
            if name != "files":  # its files are those of the pipeline, which is before it
                forget(home)
            found.append(contenders[name]())
    all_found = {name: (median(found), 0) for name, found in costs.items()}
    if "pandas" in only:
        small, small_rows = make_home(home / "small", pandas_rows)
        script = median([run(f"{BENCH}.by_pandas", str(small / "landing")) for _ in range(repetitions)])
        all_found["pandas"] = (script, small_rows)
    return all_found


def report(
    root: Path, events: int, days: int, repetitions: int, pandas_events: int, only: Collection[str], *, compare: bool
) -> Iterable[str]:
    """The Markdown, line by line. Without the floor there are no ratios."""
    home, rows = make_home(root / "home", events, days)
    size = sum(file.stat().st_size for file in (home / "landing").iterdir())
    yield f"{rows:,} events over {days} days, {size / 2**20:,.0f} MiB of CSV; {machine()}; medians of {repetitions}.\n"
    found = measured(home, days, repetitions, min(events, pandas_events), only)
    floor = found["floor"][0] if "floor" in found else None
    yield "| process | wall s | of the floor | CPU s | of the floor | peak MiB |"
    yield "|---|--:|--:|--:|--:|--:|"
    for key, name in CONTENDERS.items():
        if key in found:
            cost, part = found[key]
            times = rows / part if part else 1.0
            told = f" (measured at {part:,} events, scaled)" if part else ""
            wall, cpu = cost.wall * times, cost.cpu * times
            yield _row(f"{name}{told}", floor, wall, cpu, cost.peak_mib)
    if {"pipeline", "run"} <= found.keys():
        bare, whole = found["pipeline"][0], found["run"][0]
        more = (whole.wall - bare.wall, whole.cpu - bare.cpu, whole.peak_mib - bare.peak_mib)
        yield _row("what Dagster and the marts add to it", floor, *more)
    if "pipeline" in found:
        yield from stage_rows(found["pipeline"][0].said["stages"], found["pipeline"][0].said["parts"], floor)
    if compare:
        forget(home)
        yield f"\nRows that differ from the DuckDB SQL: {run(f'{BENCH}.compare', str(home)).said}"


def _core_tables() -> list[str]:
    return [name for name, table in TABLES.items() if name in CORE or table.transform is None]


def stage_rows(
    said: dict[str, tuple[float, float, float]], parts: dict[str, dict[str, tuple[float, float]]], floor: Cost | None
) -> Iterable[str]:
    """A row a stage, and what those up to the core tables take together, and their checks and their writes."""
    yield "\n| stage | wall s | of the floor | CPU s | of the floor | peak MiB so far |\n|---|--:|--:|--:|--:|--:|"
    core = {name: said[name] for name in said if name in CORE}
    for title, among in (("core tables (plan to channel_summary)", core), ("all tables", said)):
        yield _row(title, floor, *_sums(among.values()), max(peak for _, _, peak in among.values()))
        for part in sorted({part for name in among for part in parts[name]}):
            yield _row(f"- of them {part}", floor, *_sums(parts[name].get(part, (0.0, 0.0)) for name in among))
    for name, (wall, cpu, peak) in said.items():
        yield _row(name, floor, wall, cpu, peak)


def _sums(costs: Iterable[Sequence[float]]) -> tuple[float, float]:
    """Wall and CPU seconds together."""
    found = list(costs)
    return sum(cost[0] for cost in found), sum(cost[1] for cost in found)


def _row(name: str, floor: Cost | None, wall: float, cpu: float, peak: float | None = None) -> str:
    memory = "" if peak is None else f"{peak:,.0f}"
    return (
        f"| {name} | {wall:.2f} | {_ratio(wall, floor and floor.wall)} "
        f"| {cpu:.2f} | {_ratio(cpu, floor and floor.cpu)} | {memory} |"
    )


def _ratio(value: float, floor: float | None) -> str:
    return f"{value / floor:.2f}" if floor else "-"


def machine() -> str:
    return f"{os.cpu_count()} cores, Python {platform.python_version()}, Polars {version('polars')}"


def print_report(report: Callable[[Path], Iterable[str]]) -> None:
    """Print a benchmark's lines as they become known; it works in a folder that is removed afterwards."""
    with tempfile.TemporaryDirectory() as scratch:
        for line in report(Path(scratch)):
            print(line, flush=True)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--events", type=int, default=1_000_000)
    options.add_argument("--days", type=int, default=DAYS)
    options.add_argument("--repetitions", type=int, default=3)
    options.add_argument("--only", nargs="+", choices=CONTENDERS, default=list(CONTENDERS), help="run only these")
    options.add_argument("--pandas-events", type=int, default=500_000)
    options.add_argument("--compare", action="store_true", help="also compare the tables with DuckDB's, row for row")
    asked = options.parse_args()
    if "files" in asked.only and "pipeline" not in asked.only:
        options.error("files are those of the pipeline: ask for it too")
    print_report(lambda root: report(root, **vars(asked)))


if __name__ == "__main__":
    main()
