"""How the past looks in a terminal: versions, differences, rollbacks. Formats what it is given; computes nothing."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from itertools import groupby

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table as Grid

from puffy_platform.pipeline.diff import RowDiff, TableDiff
from puffy_platform.pipeline.maintain import Maintained
from puffy_platform.pipeline.rollback import Restored
from puffy_platform.present import money, titled_grid
from puffy_platform.table import DayRange, ranges
from puffy_platform.warehouse.history import Moment

__all__ = ["print_diff", "print_history", "print_maintained", "print_rollback"]

CAUSES_SHOWN = 3
RUN_ID_SHOWN = 8


def print_history(console: Console, moments: Sequence[Moment], limit: int) -> None:
    """One line for all versions that one run recorded one after the other."""
    if not moments:
        console.print("Nothing has been recorded yet.")
        return
    grid = Grid(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for name in ("versions", "recorded (UTC)", "run", "days", "tables"):
        grid.add_column(name, no_wrap=name != "tables")
    lines = [list(together) for _, together in groupby(moments, key=lambda moment: moment.run_id)]
    for line in lines[-limit:]:
        first, last = line[0], line[-1]
        versions = f"{first.version}" if first is last else f"{first.version}..{last.version}"
        days = [moment.days for moment in line if moment.days is not None]
        hull = DayRange(min(span.first for span in days), max(span.last for span in days)) if days else ""
        tables = {name for moment in line for name in moment.tables}
        told = ", ".join(tables) if len(tables) == 1 else f"{len(tables)} tables"
        grid.add_row(versions, f"{last.at:%Y-%m-%d %H:%M:%S}", _short(first.run_id), str(hull), told)
    console.print(grid, highlight=False)
    if len(lines) > limit:
        console.print(f"and {len(lines) - limit:,} earlier lines", style="dim")


def print_diff(console: Console, found: TableDiff) -> None:
    console.print(f"{found.table}: {found.before} -> {found.after}", highlight=False, soft_wrap=True)
    if not found.days:
        console.print("[green]No difference.[/]")
        return
    has_money = found.money_cents is not None
    columns = ["added", "removed", "changed", *(["before", "after", "difference"] if has_money else [])]
    grid = titled_grid("", "day", *columns)
    for day in found.days:
        amounts = [day.money_cents_before, day.money_cents_after, day.money_cents] if has_money else []
        counts = (f"{count:,}" for count in (day.added, day.removed, day.changed))
        grid.add_row(str(day.day), *counts, *(_amount(cents) for cents in amounts))
    console.print(grid, highlight=False)
    if found.money_cents is not None:
        console.print(f"Difference in money: [bold]{money(found.money_cents)}[/]", highlight=False)
    console.print("\n[bold]Because[/]")
    for days, causes, runs in _reasons(found):
        console.print(f"  {days}: {escape(causes)} ({escape(runs)})", highlight=False, soft_wrap=True)
    if found.rows:
        console.print("\n[bold]Rows[/]")
    for row in found.rows:
        console.print(f"  {escape(_row(row))}", highlight=False, soft_wrap=True)
    if found.row_count > len(found.rows):
        console.print(f"  and {found.row_count - len(found.rows):,} more rows", style="dim")


def _reasons(found: TableDiff) -> Iterator[tuple[str, str, str]]:
    """Days with the same causes and runs together: days, causes, runs."""
    days: dict[tuple[tuple[str, ...], tuple[str, ...]], list[dt.date]] = {}
    for day in found.days:
        days.setdefault((day.causes, day.runs), []).append(day.day)
    for (causes, runs), together in days.items():
        more = len(causes) - CAUSES_SHOWN
        told = "; ".join(causes[:CAUSES_SHOWN]) + (f"; and {more} more" if more > 0 else "")
        by = f"run {', '.join(_short(run) for run in runs)}" if runs else "no run recorded"
        yield ", ".join(str(span) for span in ranges(together)), told, by


def _row(row: RowDiff) -> str:
    key = ", ".join(f"{name}={value}" for name, value in row.key.items())
    amounts = ""
    if row.money_cents_before is not None or row.money_cents_after is not None:
        before, after = _amount(row.money_cents_before), _amount(row.money_cents_after)
        amounts = f"  {before} -> {after}" if before != after else f"  {after}"
    columns = "; ".join(f"{name}: {before} -> {after}" for name, (before, after) in row.columns.items())
    return f"{row.day} {row.change:<7} {key}{amounts}" + (f"  ({columns})" if columns else "")


def _amount(cents: int | None) -> str:
    return "-" if cents is None else money(cents)


def _short(run_id: str) -> str:
    prefix, _, rest = run_id.partition("rollback-")
    return f"rollback-{rest[:RUN_ID_SHOWN]}" if rest else prefix[:RUN_ID_SHOWN]


def print_rollback(console: Console, table: str, restored: Sequence[Restored], *, undone: bool) -> None:
    if not restored:
        nothing = f"No day of {table} is rolled back." if undone else f"{table} holds those rows already."
        console.print(f"{nothing} Nothing was changed.")
        return
    grid = titled_grid("", "table", "day", "rows before", "rows now", "money before", "money now")
    for each in restored:
        amounts = (_amount(each.money_cents_before), _amount(each.money_cents))
        grid.add_row(each.table, str(each.day), f"{each.rows_before:,}", f"{each.rows:,}", *amounts)
    console.print(grid, highlight=False)
    if undone:
        console.print("These days are no longer held. `puffy plan` says what is to be computed again.", highlight=False)
        return
    console.print(
        "These days hold their earlier rows, as a new version, and no run touches them until\n"
        f"`puffy rollback {table} --undo` or a run with --force. What reads them follows with the next run.",
        highlight=False,
        soft_wrap=True,
    )


def print_maintained(console: Console, done: Maintained) -> None:
    found = [each for each in done.tables if each]
    if found:
        grid = titled_grid("", "table", "files merged", "rows dropped", "files removed", "bytes")
        for each in found:
            counts = (each.merged_files, each.dropped_rows, each.removed_files, each.removed_bytes)
            grid.add_row(each.table, *(f"{count:,}" for count in counts))
        console.print(grid, highlight=False)
    for left in done.leftovers:
        console.print(f"{left.files:,} {left.kind}, {left.bytes:,} bytes", highlight=False)
    if done.runs:
        console.print(f"{done.runs:,} runs of Dagster with their events and logs", highlight=False)
    if not (found or done.leftovers or done.runs):
        console.print("Nothing to do.")
    if done.is_dry_run:
        console.print("This is what would be done. Nothing was changed.")
    console.print(f"Kept for time travel: everything since {done.since:%Y-%m-%d %H:%M} UTC.", highlight=False)
