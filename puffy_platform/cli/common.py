"""What every command shares: the app itself, its consoles, common options, and how it stops with a message."""

from __future__ import annotations

import datetime as dt
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.markup import escape

if TYPE_CHECKING:
    from puffy_platform.pipeline import Platform
    from puffy_platform.table import DayRange

__all__ = [
    "AsJson",
    "AsOfDay",
    "FirstDay",
    "LandingFolder",
    "LastDay",
    "SettingsFile",
    "app",
    "console",
    "day_option",
    "days_between",
    "days_of_events",
    "errors",
    "moment_option",
    "open_platform",
    "parse_moment",
    "stop",
]

app = typer.Typer(
    name="puffy",
    help="E-commerce analytics you can bet a budget on: raw event files in, checked tables out.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)

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


def parse_day(text: str) -> dt.date:
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a day of the calendar; write it like 2025-03-01.") from None


def day_option(name: str, text: str) -> Any:
    """An option that takes a day of the calendar, for `Annotated[dt.date, ...]`."""
    return typer.Option(name, parser=parse_day, metavar="YYYY-MM-DD", help=text)


FirstDay = Annotated[dt.date | None, day_option("--from", "First day; default: the first landing day.")]
LastDay = Annotated[dt.date | None, day_option("--to", "Last day, included; default: the last landing day.")]
AsOfDay = Annotated[dt.date | None, day_option("--date", "As of the end of this day; default: the newest there is.")]


def moment_option(name: str, text: str) -> Any:
    """An option that takes a time or a version of the platform as text, to be read with `parse_moment`."""
    return typer.Option(name, metavar="TIME|VERSION", help=text)


def parse_moment(text: str) -> dt.datetime | int:
    """A version of the platform by its number, or a time; without an offset it is UTC."""
    if text.isdecimal():
        return int(text)
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError:
        stop(f"{text!r} is neither a time like 2025-03-04T08:00 (UTC) nor a version number")
    moment = moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)
    if moment > dt.datetime.now(dt.UTC):
        stop(f"{text} lies in the future")
    return moment


def stop(message: str, code: int = 2) -> NoReturn:
    """End with one message: code 2 when puffy cannot do what was asked, 1 when the data is not as it should be."""
    errors.print(f"[bold red]puffy:[/] {escape(message)}", highlight=False, soft_wrap=True)
    sys.exit(code)


def open_platform(settings_file: Path | None = None, landing: Path | None = None) -> Platform:
    from puffy_platform.pipeline import Platform
    from puffy_platform.settings import load_settings

    if landing is not None and not landing.is_dir():
        stop(f"landing folder {landing} does not exist")
    return Platform(load_settings(file=settings_file), landing_folder=landing and landing.absolute())


def days_between(platform: Platform, first: dt.date | None, last: dt.date | None) -> DayRange:
    """The range asked for; open ends are the first and the last landing day that is over: no table has today's."""
    from puffy_platform.orchestration.names import last_partition
    from puffy_platform.table import DayRange

    there = platform.landing().days
    if there is None and (first is None or last is None):
        stop(f"no landing files in {platform.landing_folder or platform.settings.landing}; give --from and --to")
    end = last or min(there.last, last_partition())  # type: ignore[union-attr]
    begin = first or min(there.first, end)  # type: ignore[union-attr]
    if begin > end:
        stop(f"--from {begin} is after --to {end}")
    return DayRange(begin, end)


def days_of_events(platform: Platform, first: dt.date | None, last: dt.date | None) -> DayRange:
    """The range asked for; open ends are the first and the last day with events."""
    from puffy_platform.pipeline.funnels import event_days
    from puffy_platform.table import DayRange

    there = event_days(platform)
    if there is None:
        stop("there are no events yet: `puffy demo` or `puffy run` makes them")
    begin, end = first or there.first, last or there.last
    if begin > end:
        stop(f"--from {begin} is after --to {end}")
    return DayRange(begin, end)
