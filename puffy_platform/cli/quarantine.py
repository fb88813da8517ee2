"""puffy quarantine: the rows that could not be accepted."""

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
    open_platform,
    stop,
)

quarantine_app = typer.Typer(help="Rows that could not be accepted: see them, and replay them.", no_args_is_help=True)
app.add_typer(quarantine_app, name="quarantine")


@quarantine_app.command("list")
def quarantine_list(settings_file: SettingsFile = None, as_json: AsJson = False) -> None:
    """How many rows wait, by landing day, file and rule."""
    from puffy_platform.present import print_frame

    platform = open_platform(settings_file)
    rows = (
        platform.warehouse.read(platform.tables["quarantined_events"], columns=("day", "source_file", "rule"))
        .group_by("day", "source_file", "rule")
        .len("rows")
        .sort("day", "source_file", "rule")
        .collect()
    )
    if as_json:
        print(rows.write_json())
    elif rows.is_empty():
        console.print("Nothing is quarantined.")
    else:
        print_frame(console, rows)


@quarantine_app.command("show")
def quarantine_show(
    rule: Annotated[str | None, typer.Option(help="Only rows of this rule.")] = None,
    date: Annotated[dt.date | None, day_option("--date", "Only rows of this landing day.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many rows.")] = 20,
    raw: Annotated[bool, typer.Option("--raw", help="Also the raw text, which may hold personal data.")] = False,
    settings_file: SettingsFile = None,
    as_json: AsJson = False,
) -> None:
    """The rows themselves: file, line, what is wrong and what to do."""
    import polars as pl

    platform = open_platform(settings_file)
    rows = platform.warehouse.read(platform.tables["quarantined_events"]).sort("day", "source_file", "source_line")
    if rule:
        rows = rows.filter(pl.col("rule") == rule)
    if date:
        rows = rows.filter(pl.col("day") == date)
    columns = ["day", "source_file", "source_line", "rule", "message", *(["raw"] if raw else [])]
    found = rows.select(columns).head(limit).collect()
    if as_json:
        print(found.write_json())
    elif found.is_empty():
        console.print("No such rows are quarantined.")
    else:
        for row in found.iter_rows(named=True):
            place = f"{row['source_file']} line {row['source_line']}" if row["source_line"] else row["source_file"]
            console.print(f"{row['day']}  {place}  [bold]{row['rule']}[/]", highlight=False, soft_wrap=True)
            for text in [row["message"], row.get("raw")]:
                if text is not None:
                    console.print(f"  {text}", markup=False, highlight=False, soft_wrap=True)


@quarantine_app.command("replay")
def quarantine_replay(
    landing: LandingFolder = None, settings_file: SettingsFile = None, as_json: AsJson = False
) -> None:
    """Run every quarantined row through today's contract, settings and repairs. Twice changes nothing."""
    from puffy_platform.orchestration.replay import replay
    from puffy_platform.orchestration.run import RunFailed
    from puffy_platform.present import print_replay

    platform = open_platform(settings_file, landing)
    try:
        result = replay(platform)
    except RunFailed as error:
        stop(str(error), code=1)
    if as_json:
        print(json.dumps(result.to_json()))
    elif not result.before and not result.repaired:
        console.print("Nothing is quarantined: there is nothing to replay.")
    else:
        print_replay(console, result)
