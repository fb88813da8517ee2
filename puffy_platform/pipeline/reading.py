"""What a table is computed from: the declared rows of other tables, read as far as they are needed."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

import polars as pl

from puffy_platform.pipeline.platform import Platform
from puffy_platform.table import DayRange, Inputs, Reads, Table
from puffy_platform.warehouse import Ledger

__all__ = ["aligned", "read_inputs"]


def read_inputs(platform: Platform, ledger: Ledger, table: Table, span: DayRange) -> Inputs:
    """By table the rows that `span` reads, of the very snapshots that the ledger describes."""
    start = platform.start_day() or span.first
    return {read.table: _read(platform, ledger, read, span, start) for read in table.reads}


def _read(platform: Platform, ledger: Ledger, read: Reads, span: DayRange, start: dt.date) -> pl.LazyFrame:
    """The rows of the declared window. Few are read at once: a transform and its checks ask for them many times, and
    each time every day's file would be opened again. Many stay on disk, to be read as far as they are needed; so do
    those of which few days are looked at."""
    window = read.window(span, platform.settings, start)
    snapshot, stored = ledger.snapshot(read.table), ledger.of(read.table).rows

    def are_few(days: Iterable[dt.date]) -> bool:
        return sum(stored.get(day, 0) for day in days) <= platform.settings.run.chunk_rows

    def scan(columns: tuple[str, ...] | None) -> pl.LazyFrame:
        return platform.warehouse.read_snapshot(snapshot, platform.tables[read.table], window, columns)

    alike = _read_whole(platform, read.table)
    if snapshot is not None and read in alike and len(alike) > 1 and are_few(window):
        # Once for all of these tables, with what each of them wants.
        found = platform.histories.rows(
            read.table, snapshot, window, lambda: aligned(scan(_columns_of(alike)).collect())
        )
        return found.lazy().select(read.columns or pl.all())
    rows = scan(read.columns)
    if read.touching:
        rows = rows.filter(span.covers(read.touching))
    if read.sparse:
        return rows
    if not read.sharing:
        return aligned(rows.collect()).lazy() if are_few(window) else rows
    # Told from that column alone. Of the days of years few hold such rows, and only these days are read whole.
    wanted = rows.filter(span.covers()).select(read.sharing).unique().collect().lazy()
    sharing = rows.join(wanted, on=read.sharing, how="semi")
    days = sharing.select(pl.col("day").unique()).collect()["day"]
    rows = sharing.filter(pl.col("day").is_in(days.implode()))
    return aligned(rows.collect()).lazy() if are_few(days) else rows


def _read_whole(platform: Platform, name: str) -> list[Reads]:
    """How the tables that read all rows of all days of this one read it."""
    reads = (read for table in platform.tables.values() for read in table.reads if read.table == name)
    return [read for read in reads if read.history and not (read.sharing or read.touching or read.sparse)]


def _columns_of(reads: Iterable[Reads]) -> tuple[str, ...] | None:
    """What these read, together; None is all columns."""
    named = [read.columns for read in reads]
    return None if None in named else tuple(dict.fromkeys(name for columns in named for name in columns or ()))


def aligned(frame: pl.DataFrame) -> pl.DataFrame:
    """The frame with its columns in the same pieces: where they are not, whatever is asked of it copies all of it."""
    return frame if len(set(frame.n_chunks("all"))) <= 1 else frame.rechunk()
