"""Brings landing days into the tables that ingest writes: each file is read once, all its rows end in one place."""

from __future__ import annotations

import datetime as dt
import time

import polars as pl

from puffy_platform.ingest.accept import index, ingest
from puffy_platform.outcomes import blocked_days, evaluate
from puffy_platform.pipeline.chunks import chunks, rows_in_files
from puffy_platform.pipeline.landing import Landing
from puffy_platform.pipeline.materialise import as_stored, current_days, store
from puffy_platform.pipeline.plan import Fingerprints
from puffy_platform.pipeline.platform import Platform
from puffy_platform.pipeline.report import DayResult, Report, record_outcomes
from puffy_platform.table import DayRange, ranges
from puffy_platform.warehouse import Ledger

__all__ = ["days_before", "materialise_ingest"]


def materialise_ingest(
    platform: Platform,
    days: DayRange,
    *,
    run_id: str,
    force: bool = True,
) -> dict[str, Report]:
    """Read the landing files of these days into the tables that ingest writes.

    Rows are compared with the landing days before, whose index is made from the files first where it is not
    current; so the tables of a day are the same whichever day is ingested first. A day on which a blocking check
    of any of the tables fails keeps its old rows in all of them.
    """
    reports = {table.name: Report(table.name) for table in platform.ingested}
    began = time.monotonic()
    ledger = platform.ledger()
    landing = platform.landing()
    for number, chunk in enumerate(chunks(days, rows_in_files(landing), platform.settings.run)):
        ledger = ledger.newest()
        # Files may have come while the chunks before were read.
        landing = platform.landing() if number else landing
        _indexdays_before(platform, chunk, ledger, landing, run_id)
        todo = set(chunk) if force else _days_to_read(platform, chunk, ledger, landing)
        for name, report in reports.items():
            report.days += [DayResult.untouched(ledger.of(name)[day]) for day in set(chunk) - todo]
        for span in ranges(todo):
            _ingest_span(platform, span, ledger, landing, reports, run_id)
        if platform.on_progress:
            platform.on_progress("ingest", chunk)
    record_outcomes(platform, reports.values(), run_id)
    for report in reports.values():
        report.finish(time.monotonic() - began)
    return reports


def _ingest_span(
    platform: Platform,
    span: DayRange,
    ledger: Ledger,
    landing: Landing,
    reports: dict[str, Report],
    run_id: str,
) -> None:
    settings = platform.settings
    snapshot = ledger.snapshot("row_index")
    earlier = platform.warehouse.read_snapshot(snapshot, platform.tables["row_index"], days_before(platform, span))
    frames = {
        name: as_stored(platform.tables[name], rows)
        for name, rows in ingest(landing.of(span), span, earlier, settings, landing.repairs).items()
    }
    inputs = {name: rows.lazy() for name, rows in frames.items()}
    outcomes = {table.name: evaluate(table, frames[table.name], inputs, span, settings) for table in platform.ingested}
    torn = _changed_while_read(frames["file_drift"], landing)
    held_back = {day for found in outcomes.values() for day in blocked_days(found)}
    for table in platform.ingested:
        # The index comes first in the registry and the other tables' hashes cover it.
        prints = Fingerprints(platform, ledger, landing)
        hashes = {day: torn.get(day, "") + prints.of(table, day) for day in span}
        report = reports[table.name]
        report.days += store(platform, ledger, table, span, frames[table.name], hashes, run_id, held_back)
        report.add(outcomes[table.name])


def _changed_while_read(file_drift: pl.DataFrame, landing: Landing) -> dict[dt.date, str]:
    """The days of files whose bytes as read are not those seen in the folder before, with a mark that no inputs hash
    has: such a day is not current, whatever the file holds when it is looked at next."""
    seen = {path.name: content for path, content in landing.hashes.items()}
    read = file_drift.select("day", "source_file", "content_hash").iter_rows()
    return {day: "changed while read|" for day, name, content in read if seen.get(name) != content}


def days_before(platform: Platform, days: DayRange) -> DayRange:
    """The earlier landing days in which a row of these days may have come before."""
    return DayRange(
        days.first - dt.timedelta(days=platform.settings.ingest.late_days + 1),
        days.first - dt.timedelta(days=1),
    )


def _indexdays_before(platform: Platform, days: DayRange, ledger: Ledger, landing: Landing, run_id: str) -> None:
    table = platform.tables["row_index"]
    prints = Fingerprints(platform, ledger, landing)
    hashes = {
        day: prints.of(table, day)
        for day in days_before(platform, days)
        if day in landing.files or ledger.get(table.name, day)
    }
    for span in ranges(set(hashes) - current_days(ledger, table, hashes)):
        rows: pl.DataFrame = index(landing.of(span), platform.settings, landing.repairs)
        store(platform, ledger, table, span, as_stored(table, rows), hashes, run_id)


def _days_to_read(platform: Platform, chunk: DayRange, ledger: Ledger, landing: Landing) -> set[dt.date]:
    """The days that are not current, and those after them whose duplicates they may decide."""
    prints = Fingerprints(platform, ledger, landing)
    stale: set[dt.date] = set()
    for table in platform.ingested:
        hashes = {day: prints.of(table, day) for day in chunk}
        stale |= set(chunk) - current_days(ledger, table, hashes)
    reach = dt.timedelta(days=platform.settings.ingest.late_days + 1)
    rolled_back = {day for table in platform.ingested for day in ledger.of(table.name).rolled_back()}
    return {day for day in chunk if any(earlier <= day <= earlier + reach for earlier in stale)} - rolled_back
