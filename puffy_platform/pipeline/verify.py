"""The audit: everything computed again from the raw files, into a scratch warehouse, and compared row by row.

The scratch pass goes over the whole history once, in order and in chunks, and shares no state with the warehouse it
checks: neither its ledger nor its rows.
"""

from __future__ import annotations

import datetime as dt
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace

import polars as pl

from puffy_platform.pipeline.chunks import chunks, rows_of
from puffy_platform.pipeline.ingesting import materialise_ingest
from puffy_platform.pipeline.materialise import materialise
from puffy_platform.pipeline.platform import Platform
from puffy_platform.table import DayRange, Table
from puffy_platform.warehouse import Ledger
from puffy_platform.warehouse.ledger import content_hashes

__all__ = ["Difference", "verify"]


@dataclass(frozen=True)
class Difference:
    """One day of one table: rows only in the warehouse, rows only in the recomputation, and the money between them.

    `rolled_back_to` is the time whose rows the day holds because someone rolled it back; such a day may differ.
    """

    table: str
    day: dt.date
    only_stored: int
    only_recomputed: int
    money_cents: int | None
    rolled_back_to: str | None = None


def verify(platform: Platform, days: DayRange, over: dt.date | None = None) -> list[Difference]:
    """Every difference between the warehouse and one computation over all raw files; none means identical.

    `over` is the last day that is over: of later days no table has rows, and of their files only what was read already
    counts. None when all days with files are over.
    Memory is bounded by the chunks (`run` in the settings); the scratch warehouse lives in a temporary folder.
    """
    landing = platform.landing()
    start = platform.start_day(landing) or days.first
    landed = landing.days.last if landing.days else days.last
    last = max(days.last, min(landed, over or landed))
    with tempfile.TemporaryDirectory(prefix="puffy-verify-") as scratch_root:
        scratch = replace(platform, warehouse_root=scratch_root)
        history = DayRange(min(start, days.first), last)
        ledger = Ledger(platform.warehouse)
        read = [day for table in platform.ingested for day in ledger.of(table.name) if day <= landed]
        materialise_ingest(scratch, DayRange(history.first, max([last, *read])), run_id="verify")
        for table in scratch.derived:
            materialise(scratch, table, history, run_id="verify")
        return [
            replace(found, rolled_back_to=entry.rolled_back_to if entry else None)
            for table in platform.tables.values()
            for chunk in chunks(days, rows_of(ledger, table), platform.settings.run)
            for found in _compare(table, platform, scratch, chunk)
            for entry in [ledger.get(table.name, found.day)]
        ]


def _compare(table: Table, platform: Platform, scratch: Platform, days: DayRange) -> Iterator[Difference]:
    stored = platform.warehouse.read(table, days).collect()
    recomputed = scratch.warehouse.read(table, days).collect()
    hashes = (
        dict(content_hashes(table, rows).select("day", "content_hash").iter_rows()) for rows in (stored, recomputed)
    )
    stored_hash, recomputed_hash = hashes
    for day in days:
        if stored_hash.get(day) != recomputed_hash.get(day):
            mine, theirs = stored.filter(pl.col("day") == day), recomputed.filter(pl.col("day") == day)
            money = None
            if table.money:
                money = int(mine[table.money].sum() or 0) - int(theirs[table.money].sum() or 0)
            yield Difference(table.name, day, _only_in(mine, theirs), _only_in(theirs, mine), money)


def _only_in(rows: pl.DataFrame, others: pl.DataFrame) -> int:
    """Rows, counted with their repetitions, that the other frame does not have."""
    counts = rows.hash_rows(seed=1).rename("row").value_counts(name="n")
    other_counts = others.hash_rows(seed=1).rename("row").value_counts(name="others")
    surplus = counts.join(other_counts, on="row", how="left").select(
        pl.col("n").cast(pl.Int64) - pl.col("others").fill_null(0).cast(pl.Int64)
    )
    return int(surplus.select(pl.col("n").clip(lower_bound=0).sum()).item())
