"""`puffy demo`: a simulated shop with known defects goes through the whole platform, and the result meets the truth."""

from __future__ import annotations

import datetime as dt
import json
import shutil
import sys
from pathlib import Path

from rich.console import Console

from puffy_platform.pipeline import Platform
from puffy_platform.present import run_with_progress
from puffy_platform.present_summary import print_demo_truth, print_next_commands, print_summary
from puffy_platform.settings import Settings, load_settings
from puffy_platform.table import DayRange

__all__ = ["DemoRefused", "run_demo"]

MARKER = "demo.json"


class DemoRefused(RuntimeError):
    """The home holds data that is not a demo's; nothing was touched."""


def run_demo(console: Console, *, days: int, events_per_day: int, seed: int) -> bool:
    """Make the shop's files, land and compute everything, print the summary and what to type next.

    The last day is yesterday (UTC), so that the tables are as fresh as a real shop's. A home that was not made
    by the demo is refused; one that was is made anew. True when the platform found exactly what was planted.
    """
    from puffy_platform.demo import write_landing
    from puffy_platform.orchestration.names import last_partition
    from puffy_platform.pipeline.summary import summarise

    settings = Platform(load_settings()).settings
    _clear(settings)
    last = last_partition()
    span = DayRange(last - dt.timedelta(days=days - 1), last)
    _prepare(settings.home, span)
    settings = load_settings()
    with console.status(f"Simulating {days} days of a shop ..."):
        truth = write_landing(settings.landing, span.first, days, seed, events_per_day)
    console.print(
        f"Wrote {len(truth.by_file)} files with {truth.rows:,} rows to {_short(settings.landing)}, "
        "defects planted and known."
    )
    platform = Platform(settings)
    seconds = run_with_progress(console, platform, span)
    summary = summarise(platform, span)
    print_summary(console, summary, seconds)
    is_exact = print_demo_truth(console, summary, truth) and summary.reconciles
    print_next_commands(console, span, _program())
    return is_exact


def _program() -> str:
    """How the user called puffy: the plain name when the shell would find this very program under it."""
    called = Path(sys.argv[0])
    found = shutil.which("puffy")
    return "puffy" if found and Path(found).samefile(called) else _short(called)


def _clear(settings: Settings) -> None:
    """Remove an earlier demo's data, and only that."""
    marker = settings.home / MARKER
    written = (settings.landing, settings.home / "dagster", settings.home / "puffy.toml")
    if not marker.exists():
        found = [path for path in (*written, settings.marts) if path.exists()]
        if found or ("://" not in settings.warehouse and (settings.home / settings.paths.warehouse).exists()):
            raise DemoRefused(
                f"{_short(settings.home)} already holds data that is not a demo's, and it was left untouched. "
                "Choose another home: PUFFY_HOME=/tmp/puffy puffy demo"
            )
        return
    for path in (
        *written,
        settings.home / settings.paths.warehouse,
        settings.marts,
        settings.home / "landing_hashes.json",
    ):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _prepare(home: Path, span: DayRange) -> None:
    home.mkdir(parents=True, exist_ok=True)
    (home / MARKER).write_text(json.dumps({"made_by": "puffy demo", "from": str(span.first), "to": str(span.last)}))
    (home / "puffy.toml").write_text(
        f"# Written by `puffy demo`; yours to change.\n[partitions]\nstart_day = {span.first}\n", "utf-8"
    )


def _short(path: Path) -> str:
    here = Path().absolute()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
