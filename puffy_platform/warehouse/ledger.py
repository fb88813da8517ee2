"""The ledger: for every table and day, which rows it holds (a hash) and from which inputs they were computed (a hash).

A day is current exactly when its recorded inputs hash is the one computed from today's inputs, definition and
settings. All of "what must be recomputed" follows from that; nothing else keeps state.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import polars as pl

from puffy_platform.table import Table
from puffy_platform.warehouse.store import Warehouse

__all__ = ["Entry", "Ledger", "content_hashes"]

NAME = "_ledger"
SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "table": pl.String,
    "day": pl.Date,
    "rows": pl.Int64,
    "content_hash": pl.String,
    "parts": pl.List(pl.Struct({"part": pl.Date, "hash": pl.String})),
    "definition_hash": pl.String,
    "inputs_hash": pl.String,
    "version": pl.Int64,
    "money_cents": pl.Int64,
    "run_id": pl.String,
    "recorded_at": pl.Datetime("us", "UTC"),
}


@dataclass(frozen=True)
class Entry:
    """What is known of one day of one table. `parts` holds a hash per date of the table's `hash_by` column."""

    table: str
    day: dt.date
    rows: int
    content_hash: str
    parts: dict[dt.date, str]
    definition_hash: str
    inputs_hash: str
    version: int
    money_cents: int | None
    run_id: str
    recorded_at: dt.datetime


class Ledger:
    """The newest entry of every (table, day), as read at one moment; `record` appends and updates this copy."""

    def __init__(self, warehouse: Warehouse):
        self.warehouse = warehouse
        self._entries: dict[str, dict[dt.date, Entry]] = {}
        self.refresh()

    def refresh(self) -> None:
        """Read again: entries of other processes appear. The one of the highest data version wins."""
        self._entries = {}
        delta = self.warehouse.open(NAME)
        if delta is None:
            return
        newest = (
            pl.scan_delta(delta)
            .sort("version", "recorded_at", maintain_order=True)
            .unique(["table", "day"], keep="last", maintain_order=True)
            .collect()
        )
        for row in newest.iter_rows(named=True):
            row["parts"] = {part["part"]: part["hash"] for part in row["parts"]}
            self._put(Entry(**row))

    def _put(self, entry: Entry) -> None:
        self._entries.setdefault(entry.table, {})[entry.day] = entry

    def get(self, table: str, day: dt.date) -> Entry | None:
        return self._entries.get(table, {}).get(day)

    def of(self, table: str) -> dict[dt.date, Entry]:
        """All entries of a table by day."""
        return self._entries.get(table, {})

    def __iter__(self) -> Iterator[Entry]:
        return (entry for days in self._entries.values() for entry in days.values())

    def record(self, entries: Iterable[Entry]) -> None:
        """Append entries in one commit. Called after the data's own commit: a crash between the two leaves the
        old entry, and the day is computed again."""
        entries = list(entries)
        if not entries:
            return
        rows = [
            {**vars(entry), "parts": [{"part": part, "hash": h} for part, h in sorted(entry.parts.items())]}
            for entry in entries
        ]
        self.warehouse.append(NAME, pl.DataFrame(rows, schema=SCHEMA))
        for entry in entries:
            self._put(entry)


def content_hashes(table: Table, frame: pl.DataFrame) -> pl.DataFrame:
    """Per day: `rows`, `content_hash` and `parts` (per date of `hash_by`), independent of the order of rows.

    The sum (mod 2^64) of 64-bit row hashes, with the count: equal sets of rows give equal hashes, and a
    repeated row does not cancel out.
    """
    by = table.hash_by or "day"
    hashed = frame.select(
        pl.col("day"), pl.col(by).alias("part"), h=frame.hash_rows(seed=20_250_223).reinterpret(signed=True)
    )
    per_part = (
        hashed.group_by("day", "part")
        .agg(total=_wrapping_sum("h"), n=pl.len())
        .with_columns(hash=pl.concat_str("n", pl.lit("-"), "total"))
        .sort("day", "part")
    )
    parts = pl.struct("part", "hash") if table.hash_by else pl.struct("part", "hash").head(0)
    return per_part.group_by("day", maintain_order=True).agg(
        rows=pl.col("n").sum().cast(pl.Int64),
        content_hash=pl.col("hash").str.join(","),
        parts=parts,
    )


def _wrapping_sum(column: str) -> pl.Expr:
    """Sum modulo 2^64 as two halves, since Polars does not promise how Int64 sums overflow."""
    low = pl.col(column).reinterpret(signed=False) % 2**32
    high = pl.col(column).reinterpret(signed=False) // 2**32
    return pl.concat_str((high.sum() % 2**32).cast(pl.String), pl.lit("."), low.sum().cast(pl.String))
