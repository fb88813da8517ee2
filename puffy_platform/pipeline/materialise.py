"""Computes days of a derived table, checks them, writes the ones that changed, and records what they came from.

Inputs are read from the very snapshots the ledger describes: should an input change meanwhile, the recorded hash is
that of the rows that were read, and the day is simply computed again.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import polars as pl
from deltalake import DeltaTable

from puffy_platform.ordering import sorted_by
from puffy_platform.outcomes import blocked_days, evaluate
from puffy_platform.pipeline.chunks import chunks, rows_handled, rows_of, rows_read
from puffy_platform.pipeline.definition_log import remember_definition
from puffy_platform.pipeline.plan import Fingerprints
from puffy_platform.pipeline.platform import Platform
from puffy_platform.pipeline.reading import aligned, read_inputs
from puffy_platform.pipeline.report import DayResult, Report, record_outcomes
from puffy_platform.settings import Settings
from puffy_platform.table import DayRange, Inputs, Table, ranges
from puffy_platform.warehouse import Ledger
from puffy_platform.warehouse.ledger import HELD_BACK, Entry, content_hashes
from puffy_platform.warehouse.store import stored_days

__all__ = ["as_stored", "compute", "current_days", "materialise", "store", "write"]


def compute(table: Table, inputs: Inputs, days: DayRange, settings: Settings) -> pl.DataFrame:
    """The rows of `days`, with exactly the contract's columns, in storage order."""
    assert table.transform is not None
    return as_stored(table, table.transform(inputs, days, settings).filter(days.covers()).collect())


def as_stored(table: Table, rows: pl.DataFrame) -> pl.DataFrame:
    """Exactly the contract's columns and types, in storage order."""
    typed = aligned(rows).select(pl.col(name).cast(dtype) for name, dtype in table.schema.items())
    return sorted_by(typed, ("day", *table.sort))


def materialise(
    platform: Platform,
    table: Table,
    days: DayRange,
    *,
    run_id: str,
    force: bool = True,
) -> Report:
    """Compute a derived table for a range of days, chunk by chunk, each in one vectorised pass and one commit.

    Without `force` the days that are current are left alone. Days whose error-severity checks fail keep their
    old rows and are reported; the others are written. Never raises for bad data: see `Report.held_back`.
    """
    report, began = Report(table.name), time.monotonic()
    ledger = platform.ledger()
    read, held = rows_read(ledger, table, days), rows_of(ledger, table)
    rows = rows_handled(read, held, days)
    for chunk in chunks(days, rows, platform.settings.run):
        ledger = ledger.newest()
        prints = Fingerprints(platform, ledger)
        hashes = {day: prints.of(table, day) for day in chunk}
        current = set() if force else current_days(ledger, table, hashes)
        report.days += [DayResult.untouched(ledger.of(table.name)[day]) for day in current]
        for span in ranges(set(chunk) - current):
            _materialise_span(platform, ledger, table, span, hashes, report, run_id)
        made = next((done.rows for done in reversed(report.days) if done.day == chunk.last), None)
        rows |= rows_handled(read, held, days, made)
        if platform.on_progress:
            platform.on_progress(table.name, chunk)
    record_outcomes(platform, [report], run_id)
    report.finish(time.monotonic() - began)
    return report


def _materialise_span(
    platform: Platform,
    ledger: Ledger,
    table: Table,
    span: DayRange,
    hashes: Mapping[dt.date, str],
    report: Report,
    run_id: str,
) -> None:
    # A function of its own: what it holds is gone before the next span is read.
    inputs = read_inputs(platform, ledger, table, span)
    computed = compute(table, inputs, span, platform.settings)
    outcomes = evaluate(table, computed, inputs, span, platform.settings)
    report.days += store(platform, ledger, table, span, computed, hashes, run_id, blocked_days(outcomes))
    report.add(outcomes)


def current_days(ledger: Ledger, table: Table, hashes: Mapping[dt.date, str]) -> set[dt.date]:
    """The days whose recorded inputs hash is the one given, and those that are rolled back: they keep their rows."""
    entries = ledger.of(table.name)
    return {
        day
        for day, inputs_hash in hashes.items()
        if day in entries and (entries[day].inputs_hash == inputs_hash or entries[day].rolled_back_to)
    }


def store(
    platform: Platform,
    ledger: Ledger,
    table: Table,
    span: DayRange,
    rows: pl.DataFrame,
    hashes: Mapping[dt.date, str],
    run_id: str,
    held_back: set[dt.date] | None = None,
) -> list[DayResult]:
    """Write the days whose content changed, then record all that were computed.

    The order matters: rows that are written and not recorded are found and computed again, a record of rows that
    are not there would never be questioned. `held_back` days keep their rows, and are not current from now on,
    whatever is done: even when the bad file is taken back they are judged again. Days that a person has rolled back
    while they were computed are left alone.
    """
    rolled_back = _rolled_back_meanwhile(platform, ledger, table, span)
    held = (held_back or set()) - rolled_back
    good = [day for day in span if day not in held and day not in rolled_back]
    definition, began = remember_definition(platform, table), dt.datetime.now(dt.UTC)
    nothing = Entry(table.name, span.first, 0, "", {}, definition, "", "", 0, None, run_id, began)
    known = {day: ledger.get(table.name, day) or replace(nothing, day=day) for day in span}
    contents = _contents(table, span, rows)
    changed = [day for day in good if contents[day]["content_hash"] != known[day].content_hash]
    snapshot, written = write(platform, table, changed, rows, run_id)
    recorded: dict[str, Any] = {"run_id": run_id, "recorded_at": dt.datetime.now(dt.UTC)}
    entries = []
    for day in good:
        version, files = written.get(day, (known[day].version, known[day].files))
        computed: dict[str, Any] = {**contents[day], "definition_hash": definition, "inputs_hash": hashes[day]}
        entries.append(replace(known[day], **computed, **recorded, version=version, files=files))
    kept = [replace(known[day], inputs_hash=HELD_BACK, **recorded) for day in held if known[day].is_recorded]
    ledger.record(entries + kept, snapshot)
    return [DayResult(e.day, e.rows, e.money_cents, e.day in written, recomputed=True) for e in entries]


def _contents(table: Table, span: DayRange, rows: pl.DataFrame) -> dict[dt.date, dict[str, Any]]:
    """What an Entry says of the rows of each day: how many, their hashes and, where the table has money, their sum."""
    hashes = {row["day"]: row for row in content_hashes(table, rows).iter_rows(named=True)}
    money = dict(rows.group_by("day").agg(pl.col(table.money).sum()).iter_rows()) if table.money else {}
    nothing = {"rows": 0, "content_hash": "", "parts": []}
    found = {day: hashes.get(day, nothing) for day in span}
    return {
        day: {
            "rows": of_day["rows"],
            "content_hash": of_day["content_hash"],
            "parts": {part["part"]: part["hash"] for part in of_day["parts"]},
            "money_cents": money.get(day, 0) if table.money else None,
        }
        for day, of_day in found.items()
    }


def write(
    platform: Platform, table: Table, days: Iterable[dt.date], rows: pl.DataFrame, run_id: str
) -> tuple[DeltaTable | None, dict[dt.date, tuple[int, str]]]:
    """Replace these days by their part of `rows`; returns the table after it, and by day the commit and its files."""
    snapshot, written = None, {}
    for part in ranges(days):
        snapshot = platform.warehouse.replace(table, part, rows.filter(part.covers()), {"puffy.run": run_id})
        stored = stored_days(snapshot, part)
        for day in part:
            written[day] = (snapshot.version(), stored[day].files if day in stored else "")
    return snapshot, written


def _rolled_back_meanwhile(platform: Platform, ledger: Ledger, table: Table, span: DayRange) -> set[dt.date]:
    if not ledger.has_moved_on():
        return set()
    now = Ledger(platform.warehouse).of(table.name)
    rolled_back = {day for day in span if day in now and now[day].rolled_back_to}
    return {day for day in rolled_back if (known := ledger.get(table.name, day)) is None or not known.rolled_back_to}
