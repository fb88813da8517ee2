"""Commands about the past: history, diff, rollback, maintain. (`puffy sql --as-of` is in look.)"""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from puffy_platform.cli.common import (
    AsJson,
    SettingsFile,
    app,
    console,
    day_option,
    moment_option,
    open_platform,
    parse_moment,
    stop,
)

if TYPE_CHECKING:
    from puffy_platform.pipeline import Platform
    from puffy_platform.table import DayRange, Table

TableName = Annotated[str, typer.Argument(metavar="TABLE", help="A table of the catalog, for example conversions.")]


@app.command()
def history(
    table: Annotated[
        str | None, typer.Argument(metavar="[TABLE]", help="Only versions that recorded this one.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many lines, the newest.")] = 20,
    settings_file: SettingsFile = None,
    as_json: AsJson = False,
) -> None:
    """The versions of the platform: when, by which run, of which tables and days. Each can be read with `--as-of`."""
    from puffy_platform.present_history import print_history
    from puffy_platform.warehouse.history import moments

    platform = open_platform(settings_file)
    if table is not None:
        _table(platform, table)
    known = [moment for moment in moments(platform.warehouse) if moment.tables]
    found = [moment for moment in known if table is None or table in moment.tables]
    if as_json:
        print(json.dumps([moment.to_json() for moment in found[-limit:]]))
    else:
        print_history(console, found, limit)


@app.command()
def diff(
    table: TableName,
    since: Annotated[str, moment_option("--from", "The earlier time (UTC) or version.")],
    until: Annotated[str | None, moment_option("--to", "The later one; default: now.")] = None,
    limit: Annotated[int, typer.Option(min=0, help="Show at most so many rows.")] = 20,
    settings_file: SettingsFile = None,
    as_json: AsJson = False,
) -> None:
    """Which rows and how much money changed between two times, and which file, setting and run did it."""
    from puffy_platform.pipeline.diff import diff as run_diff
    from puffy_platform.present_history import print_diff
    from puffy_platform.warehouse.history import HistoryError

    platform = open_platform(settings_file)
    before, after = parse_moment(since), None if until is None else parse_moment(until)
    try:
        found = run_diff(platform, _table(platform, table), before, after, max_rows=limit)
    except HistoryError as error:
        stop(str(error))
    if as_json:
        print(json.dumps(found.to_json(), default=str))
    else:
        print_diff(console, found)


@app.command()
def rollback(
    table: TableName,
    to_time: Annotated[str | None, moment_option("--to-time", "The time (UTC) or version to go back to.")] = None,
    undo: Annotated[bool, typer.Option("--undo", help="End it: the rows of before the rollback come back.")] = False,
    date: Annotated[dt.date | None, day_option("--date", "Only this day.")] = None,
    first: Annotated[dt.date | None, day_option("--from", "First day; default: all days.")] = None,
    last: Annotated[dt.date | None, day_option("--to", "Last day, included.")] = None,
    settings_file: SettingsFile = None,
    as_json: AsJson = False,
) -> None:
    """Put days of a table back to earlier rows, as a new version. They stay so until `--undo` or a forced run."""
    from puffy_platform.orchestration.rolled_back import report_restored
    from puffy_platform.orchestration.run import open_instance
    from puffy_platform.pipeline.rollback import roll_back, undo_rollback
    from puffy_platform.present_history import print_rollback
    from puffy_platform.warehouse.history import HistoryError

    platform = open_platform(settings_file)
    if (to_time is None) == (not undo):
        stop("give either --to-time, the time to go back to, or --undo")
    found, days = _table(platform, table), _days(date, first, last)
    when = None if to_time is None else parse_moment(to_time)
    try:
        restored = undo_rollback(platform, found, days) if when is None else roll_back(platform, found, days, when)
    except HistoryError as error:
        stop(str(error))
    if restored and (platform.settings.home / "dagster").exists():
        with open_instance(platform) as instance:
            report_restored(instance, restored, "the rollback ended" if undo else f"rolled back to {to_time}")
    if as_json:
        print(json.dumps([asdict(each) for each in restored], default=str))
    else:
        print_rollback(console, table, restored, undone=undo)


@app.command()
def maintain(
    retain_days: Annotated[
        int | None,
        typer.Option(min=1, help="Time travel reaches so far back; default: maintain.retain_days of the settings."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and change nothing.")] = False,
    settings_file: SettingsFile = None,
    as_json: AsJson = False,
) -> None:
    """Merge small files and remove what only older times need, of tables, logs and runs. Never the landing folder."""
    from puffy_platform.orchestration.maintenance import maintain_home
    from puffy_platform.orchestration.run import open_instance
    from puffy_platform.pipeline.maintain import maintain as maintain_tables
    from puffy_platform.present_history import print_maintained

    platform = open_platform(settings_file)
    days = retain_days or platform.settings.maintain.retain_days
    if (platform.settings.home / "dagster").exists():
        with open_instance(platform) as instance:
            done = maintain_home(platform, instance, days, dry_run=dry_run)
    else:
        done = maintain_tables(platform, days, dry_run=dry_run)
    if as_json:
        print(json.dumps(done.to_json()))
    else:
        print_maintained(console, done)


def _table(platform: Platform, name: str) -> Table:
    import difflib

    if name not in platform.tables:
        close = difflib.get_close_matches(name, platform.tables, n=1)
        meant = f", did you mean {close[0]}?" if close else "."
        stop(f"there is no table {name}{meant} There are: {', '.join(platform.tables)}")
    return platform.tables[name]


def _days(date: dt.date | None, first: dt.date | None, last: dt.date | None) -> DayRange | None:
    from puffy_platform.table import DayRange

    if date is not None and (first is not None or last is not None):
        stop("give either --date or --from and --to")
    if date is not None:
        return DayRange(date, date)
    if first is None and last is None:
        return None
    if first is not None and last is not None and first > last:
        stop(f"--from {first} is after --to {last}")
    return DayRange(first or dt.date.min, last or dt.date.max)
