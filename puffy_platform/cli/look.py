"""Commands that look: status, sql, settings show."""

from __future__ import annotations

import datetime as dt
import json
from typing import Annotated

import typer

from puffy_platform.cli.common import (
    AsJson,
    LandingFolder,
    SettingsFile,
    app,
    console,
    day_option,
    moment_option,
    open_platform,
    parse_moment,
    stop,
)

settings_app = typer.Typer(help="What the platform runs with, and where each value comes from.", no_args_is_help=True)
app.add_typer(settings_app, name="settings")


@app.command()
def status(
    date: Annotated[dt.date | None, day_option("--date", "Default: the newest landing day that is over.")] = None,
    settings_file: SettingsFile = None,
    landing: LandingFolder = None,
    as_json: AsJson = False,
) -> None:
    """GREEN, YELLOW or RED per table and why, and open incidents. Exit code 1 when anything is RED."""
    from dataclasses import asdict

    from puffy_platform.alerts.overview import overview
    from puffy_platform.orchestration.names import last_partition
    from puffy_platform.pipeline.running import running_rows
    from puffy_platform.pipeline.status import RED, status_of
    from puffy_platform.present import print_status
    from puffy_platform.present_alerts import print_overview

    platform = open_platform(settings_file, landing)
    start = platform.start_day()
    if start is not None and date is not None and date < start:
        stop(f"{date} is before the first day of the tables, {start}")
    if date is not None and date > last_partition():
        running = running_rows(platform)
        if running is None or running["day"][0] != date:
            stop(f"{date} is not over yet: the last complete day is {last_partition()} (UTC)")
        date = None  # its verdicts are a note to the last day that is over
    landed = platform.landing().days
    # Today's files are of a day that no table has yet.
    newest = min(landed.last, last_partition()) if landed else None
    found = status_of(platform, date or newest)
    if found is None:
        stop(f"nothing has landed yet in {platform.landing_folder or platform.settings.landing}; try `puffy demo`")
    alerts = overview(platform.settings)
    if as_json:
        print(json.dumps({**asdict(found), "alerts": alerts.to_json()}, default=str))
    else:
        print_status(console, found)
        print_overview(console, alerts)
    raise typer.Exit(1 if found.colour == RED else 0)


@app.command()
def sql(
    query: str,
    as_of: Annotated[
        str | None, moment_option("--as-of", "Read all tables as they were together at this time (UTC) or version.")
    ] = None,
    settings_file: SettingsFile = None,
    as_json: AsJson = False,
) -> None:
    """Query the tables, as they are or were, for example: `puffy sql "select channel, sum(sessions) from ..."`."""
    from puffy_platform.pipeline.report import CHECK_RESULTS
    from puffy_platform.pipeline.running import RUNNING_DAY
    from puffy_platform.present import print_frame
    from puffy_platform.warehouse.history import HistoryError, past_at
    from puffy_platform.warehouse.sql import SqlError
    from puffy_platform.warehouse.sql import query as run_query

    platform = open_platform(settings_file)
    try:
        past = None if as_of is None else past_at(platform.warehouse, parse_moment(as_of))
        rows = run_query(
            platform.warehouse, platform.tables.values(), query, logs=(CHECK_RESULTS, RUNNING_DAY), past=past
        )
    except (SqlError, HistoryError) as error:
        stop(str(error))
    if as_json:
        print(rows.write_json())
    else:
        print_frame(console, rows)


@settings_app.command("show")
def settings_show(settings_file: SettingsFile = None, as_json: AsJson = False) -> None:
    """Every setting in force."""
    from puffy_platform.present import print_settings

    settings = open_platform(settings_file).settings
    if as_json:
        print(settings.model_dump_json(indent=2))
    else:
        print_settings(console, settings)
