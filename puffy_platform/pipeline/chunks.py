"""Cuts a range of days into chunks by what they read, so that memory grows neither with the range nor with history."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping

from puffy_platform.pipeline.landing import Landing
from puffy_platform.settings_model import Run
from puffy_platform.table import DayRange, Table
from puffy_platform.warehouse import Ledger

__all__ = ["chunks", "rows_handled", "rows_in_files", "rows_of", "rows_read"]

# About how many bytes of a file one row takes; only the size of chunks depends on it.
BYTES_OF_A_ROW = {"csv": 250, "ndjson": 350, "parquet": 60, "csv.gz": 40, "ndjson.gz": 40}


def chunks(days: DayRange, rows: Mapping[dt.date, int], run: Run) -> Iterator[DayRange]:
    """`days` in order, cut where a chunk would exceed run.chunk_days, or run.chunk_rows of `rows` (by day).

    A chunk is at least one day, however many rows that has. `rows` is looked at as it is when a chunk is asked for.
    """
    first, read = days.first, 0
    for day in days:
        is_full = (day - first).days >= run.chunk_days or read + rows.get(day, 0) > run.chunk_rows
        if day > first and is_full:
            yield DayRange(first, day - dt.timedelta(days=1))
            first, read = day, 0
        read += rows.get(day, 0)
    yield DayRange(first, days.last)


def rows_read(ledger: Ledger, table: Table, days: DayRange) -> dict[dt.date, int]:
    """How many rows each of these days has in the largest of the tables that this one reads, of those it reads day by
    day.

    What is read from the first day on is read whole for a chunk of any size: cutting it finer only reads it more often.
    """
    read_daily = [ledger.of(read.table).rows for read in table.reads if not read.history]
    return {day: max(rows.get(day, 0) for rows in read_daily) for day in days} if read_daily else {}


def rows_handled(
    read: Mapping[dt.date, int], held: Mapping[dt.date, int], days: DayRange, made: int | None = None
) -> dict[dt.date, int]:
    """How many rows are read for each day, or made, if these are more: as many as it has, else as the day before had.

    A table with a row for every customer of all history on every day soon makes more rows than it reads. `made` is
    what the day computed last has; before there is one, the newest day of the table before these says it.
    """
    if made is None:
        made = held[max(before)] if (before := [day for day in held if day < days.first]) else 0
    return {day: max(read.get(day, 0), held.get(day, made)) for day in days}


def rows_of(ledger: Ledger, table: Table) -> dict[dt.date, int]:
    """How many rows each day of the table has."""
    return ledger.of(table.name).rows


def rows_in_files(landing: Landing) -> dict[dt.date, int]:
    """About how many rows the files of each landing day hold, by their size."""
    return {
        day: sum(file.size // BYTES_OF_A_ROW[file.format] for file in files) for day, files in landing.files.items()
    }
