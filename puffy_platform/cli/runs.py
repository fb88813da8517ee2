"""Commands that compute: demo, run, plan, verify, ui."""

from __future__ import annotations

import datetime as dt
import json
import sys
import time
from typing import TYPE_CHECKING, Annotated

import typer

from puffy_platform.cli.common import (
    AsJson,
    FirstDay,
    LandingFolder,
    LastDay,
    SettingsFile,
    app,
    console,
    day_option,
    days_between,
    errors,
    open_platform,
    stop,
)

if TYPE_CHECKING:
    from puffy_platform.pipeline import Platform
    from puffy_platform.table import DayRange


@app.command()
def demo(
    days: Annotated[int, typer.Option(min=10, max=366, help="How many days of a shop to simulate.")] = 30,
    events_per_day: Annotated[int, typer.Option(min=200, max=1_000_000, help="Mean events a day.")] = 10_000,
    seed: Annotated[int, typer.Option(help="The same seed gives the same shop.")] = 7,
    ask: Annotated[bool, typer.Option("--ask/--no-ask", help="Offer to open the Dagster UI at the end.")] = True,
) -> None:
    """Simulate a shop with known defects, run everything, and show what came out."""
    from puffy_platform.cli.demo import DemoRefused, run_demo
    from puffy_platform.orchestration.run import RunFailed

    try:
        is_exact = run_demo(console, days=days, events_per_day=events_per_day, seed=seed)
    except DemoRefused as error:
        stop(str(error))
    except RunFailed as error:
        stop(str(error), code=1)
    if not is_exact:
        raise typer.Exit(1)
    if ask and sys.stdin.isatty() and sys.stdout.isatty():
        typer.prompt("Press Enter to open the Dagster UI (Ctrl-C to leave)", default="", show_default=False)
        ui()


@app.command()
def run(
    first: Annotated[dt.date, day_option("--from", "First day.")],
    last: Annotated[dt.date, day_option("--to", "Last day, included.")],
    landing: LandingFolder = None,
    settings_file: SettingsFile = None,
    force: Annotated[bool, typer.Option("--force", help="Compute days that are current as well.")] = False,
    as_json: AsJson = False,
) -> None:
    """Land and compute every table for a range of days, and whatever else they change.

    Exit code 1 when a check held a day back, or rows or money do not reconcile.
    """
    from puffy_platform.orchestration.run import DaysHeldBack, RunFailed
    from puffy_platform.pipeline.rollback import rolled_back_days
    from puffy_platform.pipeline.summary import summarise
    from puffy_platform.present import print_holds, run_with_progress
    from puffy_platform.present_summary import print_summary
    from puffy_platform.table import DayRange

    if first > last:
        stop(f"--from {first} is after --to {last}")
    platform = open_platform(settings_file, landing)
    days = _computable(platform, DayRange(first, last))
    began, held_back = time.monotonic(), ""
    try:
        run_with_progress(errors if as_json else console, platform, days, force=force)
    except DaysHeldBack as error:
        held_back = str(error)
    except RunFailed as error:
        stop(str(error), code=1)
    seconds, summary = time.monotonic() - began, summarise(platform, days)
    if as_json:
        told = {"seconds": round(seconds, 1), "held_back": held_back.splitlines()}
        print(json.dumps({**summary.to_json(), **told}, default=str))
    else:
        print_summary(console, summary, seconds)
        print_holds(console, rolled_back_days(platform, days))
    if held_back:
        stop(
            f"{held_back}\nThe other days were computed. When the cause is mended, the same command completes these.", 1
        )
    if not summary.reconciles:
        raise typer.Exit(1)


def _computable(platform: Platform, days: DayRange) -> DayRange:
    """The range, or a clear stop when it lies outside the platform's days."""
    from puffy_platform.orchestration.names import last_partition

    landing = platform.landing()
    start = platform.start_day(landing)
    if start is None:
        stop(f"no landing files in {platform.landing_folder or platform.settings.landing}: nothing to compute")
    if days.first < start:
        stop(f"--from {days.first} is before the first day of the tables, {start}; partitions.start_day sets another")
    if days.last > last_partition():
        stop(f"--to {days.last} is not over yet: the last complete day is {last_partition()} (UTC)")
    return days


@app.command()
def plan(
    first: FirstDay = None,
    last: LastDay = None,
    landing: LandingFolder = None,
    settings_file: SettingsFile = None,
    as_json: AsJson = False,
) -> None:
    """What a run of these days (default: all landing days) would compute, and why. Computes nothing."""
    from puffy_platform.pipeline import affected
    from puffy_platform.present import print_plan

    platform = open_platform(settings_file, landing)
    found = affected(platform, days_between(platform, first, last))
    if as_json:
        print(json.dumps(found.to_json()))
    else:
        print_plan(console, found)


@app.command()
def verify(
    first: FirstDay = None,
    last: LastDay = None,
    landing: LandingFolder = None,
    settings_file: SettingsFile = None,
    as_json: AsJson = False,
) -> None:
    """The audit: compute everything again from the raw files and compare row by row. Exit code 1 on a difference."""
    from dataclasses import asdict

    from puffy_platform.orchestration.names import last_partition
    from puffy_platform.pipeline.rollback import rolled_back_days
    from puffy_platform.pipeline.verify import verify as run_verify
    from puffy_platform.present import print_differences, print_holds

    platform = open_platform(settings_file, landing)
    days = days_between(platform, first, last)
    with errors.status(f"Computing {days} again from the raw files ..."):
        differences = run_verify(platform, days, over=last_partition())
    if as_json:
        print(json.dumps([asdict(found) for found in differences], default=str))
    else:
        print_differences(console, days, differences, len(platform.tables))
        print_holds(console, rolled_back_days(platform, days))
    raise typer.Exit(1 if differences else 0)


@app.command()
def ui(port: Annotated[int, typer.Option(help="Port on this machine.")] = 3000) -> None:
    """Open the Dagster UI (webserver and daemon, on this machine only) on this home's instance."""
    from puffy_platform.orchestration.ui import serve

    sys.exit(serve(open_platform(), port, console))
