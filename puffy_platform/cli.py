"""The `puffy` command: thin and human, over the same functions the assets call."""

from __future__ import annotations

import datetime as dt
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer
from rich.console import Console

if TYPE_CHECKING:
    from puffy_platform.pipeline import Platform
    from puffy_platform.table import DayRange

app = typer.Typer(
    name="puffy",
    help="E-commerce analytics you can bet a budget on: raw event files in, checked tables out.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)
quarantine_app = typer.Typer(help="Rows that could not be accepted: see them, and replay them.", no_args_is_help=True)
settings_app = typer.Typer(help="What the platform runs with, and where each value comes from.", no_args_is_help=True)
app.add_typer(quarantine_app, name="quarantine")
app.add_typer(settings_app, name="settings")

console = Console()
errors = Console(stderr=True)

SettingsFile = Annotated[
    Path | None,
    typer.Option("--settings", help="A TOML file over the defaults; default: puffy.toml in the home."),
]
LandingFolder = Annotated[
    Path | None,
    typer.Option("--landing", help="Read raw files from here instead of the home's landing folder."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]
Day = Annotated[dt.datetime, typer.Option(formats=["%Y-%m-%d"], metavar="YYYY-MM-DD")]


def main() -> None:
    """Entry point: an error a user can act on is one message and exit code 2, never a traceback."""
    from puffy_platform.settings import SettingsError

    try:
        app()
    except SettingsError as error:
        _stop(str(error))


def _stop(message: str) -> NoReturn:
    errors.print(f"[bold red]puffy:[/] {message}", highlight=False, soft_wrap=True)
    sys.exit(2)


def _platform(settings_file: Path | None = None, landing: Path | None = None) -> Platform:
    from puffy_platform.pipeline import Platform
    from puffy_platform.settings import load_settings

    if landing is not None and not landing.is_dir():
        _stop(f"landing folder {landing} does not exist")
    return Platform(load_settings(file=settings_file), landing_folder=landing and landing.absolute())


@app.command()
def demo(
    days: Annotated[int, typer.Option(min=10, max=366, help="How many days of a shop to simulate.")] = 30,
    events_per_day: Annotated[int, typer.Option(min=200, max=1_000_000, help="Mean events a day.")] = 10_000,
    seed: Annotated[int, typer.Option(help="The same seed gives the same shop.")] = 7,
    ask: Annotated[bool, typer.Option("--ask/--no-ask", help="Offer to open the Dagster UI at the end.")] = True,
) -> None:
    """Simulate a shop with known defects, run everything, and show what came out."""
    from puffy_platform.cli_demo import DemoRefused, run_demo

    try:
        run_demo(console, days=days, events_per_day=events_per_day, seed=seed)
    except DemoRefused as error:
        _stop(str(error))
    if ask and sys.stdin.isatty() and sys.stdout.isatty():
        typer.prompt("Press Enter to open the Dagster UI (Ctrl-C to leave)", default="", show_default=False)
        ui()


@app.command()
def run(
    first: Annotated[dt.datetime, typer.Option("--from", formats=["%Y-%m-%d"], help="First day.")],
    last: Annotated[dt.datetime, typer.Option("--to", formats=["%Y-%m-%d"], help="Last day, included.")],
    landing: LandingFolder = None,
    settings_file: SettingsFile = None,
    force: Annotated[bool, typer.Option("--force", help="Compute days that are current as well.")] = False,
    as_json: AsJson = False,
) -> None:
    """Land and compute every table for a range of days, and whatever else they change."""
    from puffy_platform.orchestration.run import RunFailed
    from puffy_platform.pipeline.summary import summarise
    from puffy_platform.present import print_summary, run_with_progress
    from puffy_platform.table import DayRange

    if first > last:
        _stop(f"--from {first.date()} is after --to {last.date()}")
    platform = _platform(settings_file, landing)
    days = _computable(platform, DayRange(first.date(), last.date()))
    try:
        seconds = run_with_progress(errors if as_json else console, platform, days, force=force)
    except RunFailed as error:
        _stop(str(error))
    summary = summarise(platform, days)
    if as_json:
        print(json.dumps({**summary.to_json(), "seconds": round(seconds, 1)}, default=str))
    else:
        print_summary(console, summary, seconds)
    if not summary.reconciles:
        raise typer.Exit(1)


def _computable(platform: Platform, days: DayRange) -> DayRange:
    """The range, or a clear stop when it lies outside the platform's days."""
    from puffy_platform.orchestration.names import last_partition

    landing = platform.landing()
    start = platform.start_day(landing)
    if start is None:
        _stop(f"no landing files in {platform.landing_folder or platform.settings.landing}: nothing to compute")
    if days.first < start:
        _stop(f"--from {days.first} is before the first day of the tables, {start} (partitions.start_day)")
    if days.last > last_partition():
        _stop(f"--to {days.last} is not over yet: the last complete day is {last_partition()} (UTC)")
    return days


@app.command()
def plan(
    first: Annotated[dt.datetime | None, typer.Option("--from", formats=["%Y-%m-%d"], help="First day.")] = None,
    last: Annotated[dt.datetime | None, typer.Option("--to", formats=["%Y-%m-%d"], help="Last day, included.")] = None,
    landing: LandingFolder = None,
    settings_file: SettingsFile = None,
    as_json: AsJson = False,
) -> None:
    """What a run of these days (default: all landing days) would compute, and why. Computes nothing."""
    from puffy_platform.pipeline import affected
    from puffy_platform.present import print_plan

    platform = _platform(settings_file, landing)
    found = affected(platform, _days(platform, first, last))
    if as_json:
        print(json.dumps(found.to_json()))
    else:
        print_plan(console, found)


@app.command()
def verify(
    first: Annotated[dt.datetime | None, typer.Option("--from", formats=["%Y-%m-%d"], help="First day.")] = None,
    last: Annotated[dt.datetime | None, typer.Option("--to", formats=["%Y-%m-%d"], help="Last day, included.")] = None,
    landing: LandingFolder = None,
    settings_file: SettingsFile = None,
    as_json: AsJson = False,
) -> None:
    """The audit: compute everything again from the raw files and compare row by row. Exit code 1 on a difference."""
    from dataclasses import asdict

    from puffy_platform.pipeline.verify import verify as run_verify
    from puffy_platform.present import print_differences

    platform = _platform(settings_file, landing)
    days = _days(platform, first, last)
    with errors.status(f"Computing {days} again from the raw files ..."):
        differences = run_verify(platform, days)
    if as_json:
        print(json.dumps([asdict(found) for found in differences], default=str))
    else:
        print_differences(console, days, differences, len(platform.tables))
    raise typer.Exit(1 if differences else 0)


def _days(platform: Platform, first: dt.datetime | None, last: dt.datetime | None) -> DayRange:
    """The range asked for; open ends are the first and the last landing day."""
    from puffy_platform.table import DayRange

    there = platform.landing().days
    if there is None and (first is None or last is None):
        _stop(f"no landing files in {platform.landing_folder or platform.settings.landing}; give --from and --to")
    begin = first.date() if first else there.first  # type: ignore[union-attr]
    end = last.date() if last else there.last  # type: ignore[union-attr]
    if begin > end:
        _stop(f"--from {begin} is after --to {end}")
    return DayRange(begin, end)


@app.command()
def ui(port: Annotated[int, typer.Option(help="Port on this machine.")] = 3000) -> None:
    """Open the Dagster UI (webserver and daemon, on this machine only) on this home's instance."""
    from puffy_platform.orchestration.ui import serve

    sys.exit(serve(_platform(), port, console))


@app.command()
def status(
    date: Annotated[
        dt.datetime | None,
        typer.Option("--date", formats=["%Y-%m-%d"], help="Default: the newest landing day."),
    ] = None,
    settings_file: SettingsFile = None,
    landing: LandingFolder = None,
    as_json: AsJson = False,
) -> None:
    """GREEN, YELLOW or RED per table and why. Exit code 1 when anything is RED."""
    from dataclasses import asdict

    from puffy_platform.pipeline.status import RED, status_of
    from puffy_platform.present import print_status

    platform = _platform(settings_file, landing)
    found = status_of(platform, date.date() if date else None)
    if found is None:
        _stop(f"nothing has landed yet in {platform.landing_folder or platform.settings.landing}; try `puffy demo`")
    if as_json:
        print(json.dumps(asdict(found), default=str))
    else:
        print_status(console, found)
    raise typer.Exit(1 if found.colour == RED else 0)


@app.command()
def sql(query: str, settings_file: SettingsFile = None, as_json: AsJson = False) -> None:
    """Query the tables as they are now, for example: `puffy sql "select channel, sum(sessions) from ..."`."""
    from puffy_platform.pipeline.report import CHECK_RESULTS
    from puffy_platform.present import print_frame
    from puffy_platform.warehouse.sql import SqlError
    from puffy_platform.warehouse.sql import query as run_query

    platform = _platform(settings_file)
    try:
        rows = run_query(platform.warehouse, platform.tables.values(), query, logs=(CHECK_RESULTS,))
    except SqlError as error:
        _stop(str(error))
    if as_json:
        print(json.dumps(rows.to_dicts(), default=str))
    else:
        print_frame(console, rows)


@quarantine_app.command("list")
def quarantine_list(settings_file: SettingsFile = None, as_json: AsJson = False) -> None:
    """How many rows wait, by landing day, file and rule."""
    from puffy_platform.present import print_frame

    platform = _platform(settings_file)
    rows = (
        platform.warehouse.read(platform.tables["quarantined_events"], columns=("day", "source_file", "rule"))
        .group_by("day", "source_file", "rule")
        .len("rows")
        .sort("day", "source_file", "rule")
        .collect()
    )
    if as_json:
        print(json.dumps(rows.to_dicts(), default=str))
    elif rows.is_empty():
        console.print("Nothing is quarantined.")
    else:
        print_frame(console, rows)


@quarantine_app.command("show")
def quarantine_show(
    rule: Annotated[str | None, typer.Option(help="Only rows of this rule.")] = None,
    date: Annotated[dt.datetime | None, typer.Option("--date", formats=["%Y-%m-%d"], help="Landing day.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many rows.")] = 20,
    raw: Annotated[bool, typer.Option("--raw", help="Also the raw text, which may hold personal data.")] = False,
    settings_file: SettingsFile = None,
    as_json: AsJson = False,
) -> None:
    """The rows themselves: file, line, what is wrong and what to do."""
    import polars as pl

    from puffy_platform.present import print_frame

    platform = _platform(settings_file)
    rows = platform.warehouse.read(platform.tables["quarantined_events"]).sort("day", "source_file", "source_line")
    if rule:
        rows = rows.filter(pl.col("rule") == rule)
    if date:
        rows = rows.filter(pl.col("day") == date.date())
    columns = ["day", "source_file", "source_line", "rule", "message", *(["raw"] if raw else [])]
    found = rows.select(columns).head(limit).collect()
    if as_json:
        print(json.dumps(found.to_dicts(), default=str))
    elif found.is_empty():
        console.print("No such rows are quarantined.")
    else:
        print_frame(console, found)


@quarantine_app.command("replay")
def quarantine_replay(
    landing: LandingFolder = None, settings_file: SettingsFile = None, as_json: AsJson = False
) -> None:
    """Run every quarantined row through today's contract and settings again. Twice changes nothing."""
    from puffy_platform.orchestration.replay import replay
    from puffy_platform.orchestration.run import RunFailed
    from puffy_platform.present import print_replay

    platform = _platform(settings_file, landing)
    try:
        result = replay(platform)
    except RunFailed as error:
        _stop(str(error))
    if as_json:
        print(json.dumps(result.to_json()))
    else:
        print_replay(console, result)


@settings_app.command("show")
def settings_show(settings_file: SettingsFile = None, as_json: AsJson = False) -> None:
    """Every setting in force."""
    from puffy_platform.present import print_settings
    from puffy_platform.settings import load_settings

    settings = load_settings(file=settings_file)
    if as_json:
        print(settings.model_dump_json(indent=2))
    else:
        print_settings(console, settings)


if __name__ == "__main__":
    main()
