"""What every command shares: the app itself, its consoles, common options, and how it stops with a message."""

from __future__ import annotations

import datetime as dt
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer
from rich.console import Console

if TYPE_CHECKING:
    from puffy_platform.pipeline import Platform
    from puffy_platform.table import DayRange

__all__ = [
    "AsJson",
    "FirstDay",
    "LandingFolder",
    "LastDay",
    "SettingsFile",
    "app",
    "console",
    "days_between",
    "errors",
    "open_platform",
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
FirstDay = Annotated[dt.datetime | None, typer.Option("--from", formats=["%Y-%m-%d"], help="First day.")]
LastDay = Annotated[dt.datetime | None, typer.Option("--to", formats=["%Y-%m-%d"], help="Last day, included.")]


def stop(message: str) -> NoReturn:
    errors.print(f"[bold red]puffy:[/] {message}", highlight=False, soft_wrap=True)
    sys.exit(2)


def open_platform(settings_file: Path | None = None, landing: Path | None = None) -> Platform:
    from puffy_platform.pipeline import Platform
    from puffy_platform.settings import load_settings

    if landing is not None and not landing.is_dir():
        stop(f"landing folder {landing} does not exist")
    return Platform(load_settings(file=settings_file), landing_folder=landing and landing.absolute())


def days_between(platform: Platform, first: dt.datetime | None, last: dt.datetime | None) -> DayRange:
    """The range asked for; open ends are the first and the last landing day."""
    from puffy_platform.table import DayRange

    there = platform.landing().days
    if there is None and (first is None or last is None):
        stop(f"no landing files in {platform.landing_folder or platform.settings.landing}; give --from and --to")
    begin = first.date() if first else there.first  # type: ignore[union-attr]
    end = last.date() if last else there.last  # type: ignore[union-attr]
    if begin > end:
        stop(f"--from {begin} is after --to {end}")
    return DayRange(begin, end)
