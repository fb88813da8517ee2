"""Computes tables in tests as the platform does: each input cut to its declared window, rows cut to the days.

No storage and no orchestrator here; expected values live in the tests.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

import polars as pl
from polars.testing import assert_frame_equal

from puffy_platform.outcomes import evaluate
from puffy_platform.settings import Settings, load_settings
from puffy_platform.table import DayRange, Inputs, Table

__all__ = [
    "assert_chunking_does_not_matter",
    "compute",
    "compute_in_chunks",
    "cut_to_windows",
    "outcomes",
    "settings_with",
]

Frames = Mapping[str, pl.DataFrame]


def settings_with(**sections: Mapping[str, Any]) -> Settings:
    """The default settings with some values changed: `settings_with(bots={"include": True})`; validated."""
    defaults = load_settings(home="unused", environment={})
    values = defaults.model_dump()
    for section, changes in sections.items():
        values[section] = {**values[section], **changes}
    return Settings(**values)


def cut_to_windows(
    table: Table, inputs: Frames, days: DayRange, settings: Settings, start: dt.date | None = None
) -> Inputs:
    """Of each full input only what the table declares to read for `days`: window, rows, columns."""
    cut = {}
    for read in table.reads:
        full = inputs[read.table].lazy()
        first_day = start or inputs[read.table]["day"].min() or days.first
        assert isinstance(first_day, dt.date)
        rows = full.filter(read.window(days, settings, first_day).covers())
        rows = rows.filter(days.covers(read.touching)) if read.touching else rows
        rows = rows.join(rows.filter(days.covers()), on=read.sharing, how="semi") if read.sharing else rows
        cut[read.table] = rows.select(read.columns) if read.columns else rows
    return cut


def compute(
    table: Table, inputs: Frames, days: DayRange, settings: Settings, start: dt.date | None = None
) -> pl.DataFrame:
    """The table's rows of `days` in one pass, in storage order; contract and key are validated."""
    return _validated(table, _computed(table, inputs, days, settings, start))


def compute_in_chunks(
    table: Table,
    inputs: Frames,
    days: DayRange,
    settings: Settings,
    chunk_days: int,
    start: dt.date | None = None,
) -> pl.DataFrame:
    """The same, `chunk_days` days at a time, each chunk from its own windows only."""
    return _validated(table, _in_chunks(table, inputs, days, settings, chunk_days, start))


def _in_chunks(
    table: Table, inputs: Frames, days: DayRange, settings: Settings, chunk_days: int, start: dt.date | None = None
) -> pl.DataFrame:
    chunks = [_computed(table, inputs, chunk, settings, start) for chunk in days.chunks(chunk_days)]
    return pl.concat(chunks).sort("day", *table.sort)


def _computed(table: Table, inputs: Frames, days: DayRange, settings: Settings, start: dt.date | None) -> pl.DataFrame:
    assert table.transform is not None
    found = table.transform(cut_to_windows(table, inputs, days, settings, start), days, settings)
    columns = [pl.col(name).cast(dtype) for name, dtype in table.schema.items()]
    return found.filter(days.covers()).select(columns).collect().sort("day", *table.sort)


def _validated(table: Table, rows: pl.DataFrame) -> pl.DataFrame:
    table.contract.validate(rows, lazy=True)
    key = list(dict.fromkeys(("day", *table.key)))
    assert not rows.select(key).is_duplicated().any(), f"{table.name}: key is not unique"
    return rows


def assert_chunking_does_not_matter(
    table: Table, inputs: Frames, days: DayRange, settings: Settings, chunks: tuple[int, ...] = (1, 2, 3)
) -> pl.DataFrame:
    """Day by day, in chunks, and in one pass give exactly the same rows (floats to the bit); returns them.

    The rows of one pass are validated; equal ones need not be.
    """
    whole = compute(table, inputs, days, settings)
    for size in chunks:
        in_chunks = _in_chunks(table, inputs, days, settings, size)
        assert_frame_equal(in_chunks.sort(table.key), whole.sort(table.key), check_exact=True)
    return whole


def outcomes(
    table: Table, rows: pl.DataFrame, inputs: Frames, days: DayRange, settings: Settings
) -> dict[tuple[dt.date, str], str]:
    """(day, check) -> pass | warn | fail | skipped, as the platform judges these rows."""
    judged = evaluate(table, rows, cut_to_windows(table, inputs, days, settings), days, settings)
    return {(row["day"], row["check"]): row["status"] for row in judged.iter_rows(named=True)}
