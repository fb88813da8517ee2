"""The ledger: facts of the form "these data files of a day hold rows of this hash, computed from inputs of that hash".

A day is current exactly when a fact about the files it has now names the inputs of now. All of "what must be
recomputed" follows from that; nothing else keeps state.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import InitVar, dataclass, field

import polars as pl
from deltalake import DeltaTable

from puffy_platform.table import DayRange, Table
from puffy_platform.warehouse.entries import ROLLED_BACK, Entries, Entry, entry_of
from puffy_platform.warehouse.store import Warehouse, stored_files

__all__ = ["HELD_BACK", "ROLLED_BACK", "Entry", "Ledger", "content_hashes", "entry_of"]

NAME = "_ledger"
# Recorded as the inputs hash of a day whose new rows failed a check; no inputs have this hash.
HELD_BACK = "held back"
SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "table": pl.String,
    "day": pl.Date,
    "rows": pl.Int64,
    "content_hash": pl.String,
    "parts": pl.List(pl.Struct({"part": pl.Date, "hash": pl.String})),
    "definition_hash": pl.String,
    "inputs_hash": pl.String,
    "files": pl.String,
    "version": pl.Int64,
    "money_cents": pl.Int64,
    "run_id": pl.String,
    "recorded_at": pl.Datetime("us", "UTC"),
}


@dataclass
class Ledger:
    """What was recorded up to one moment, held against the data files of each table when it is first asked for.

    The facts are read first, the tables after. So a day whose rows another process has written in between is seen
    as not recorded, never as what it was; and `snapshot` gives the very rows the entries speak of.

    `earlier` is a ledger read before: what nobody has committed to since then is taken from it, not read again.
    """

    warehouse: Warehouse
    earlier: InitVar[Ledger | None] = None
    _version: int | None = field(init=False)
    _facts: pl.DataFrame = field(init=False)
    _snapshots: dict[str, DeltaTable | None] = field(init=False, default_factory=dict)
    _entries: dict[str, Entries] = field(init=False, default_factory=dict)
    # Of the earlier ledger, with the same facts: the tables as it knew them.
    _known: dict[str, tuple[DeltaTable, Entries | None]] = field(init=False, default_factory=dict)

    def __post_init__(self, earlier: Ledger | None) -> None:
        if earlier is not None and not earlier.has_moved_on():
            self._version, self._facts = earlier._version, earlier._facts
            looked_at = {
                table: (snapshot, earlier._entries.get(table))
                for table, snapshot in earlier._snapshots.items()
                if snapshot is not None
            }
            self._known = earlier._known | looked_at
            return
        delta = self.warehouse.open(NAME)
        self._version = None if delta is None else delta.version()
        facts = pl.LazyFrame(schema=SCHEMA) if delta is None else pl.scan_delta(delta).select(list(SCHEMA))
        self._facts = facts.sort("recorded_at", maintain_order=True).collect()

    def get(self, table: str, day: dt.date) -> Entry | None:
        return self.of(table).get(day)

    def of(self, table: str) -> Entries:
        """What is known of a table, by day, in order: of every day that has rows or was ever computed."""
        if table not in self._entries:
            # Taking the snapshot may find the entries of before.
            snapshot = self.snapshot(table)
            self._entries[table] = self._entries.get(table) or self._match(table, snapshot)
        return self._entries[table]

    def __iter__(self) -> Iterator[Entry]:
        """What is known of every table of which anything was recorded."""
        return (entry for table in self._facts["table"].unique().sort() for entry in self.of(table).values())

    def snapshot(self, table: str) -> DeltaTable | None:
        """The table as the entries describe it; None when it was never written."""
        if table not in self._snapshots:
            snapshot, entries = self._known.get(table, (None, None))
            if snapshot is not None and self.warehouse.is_newest(table, snapshot.version()):
                self._snapshots[table] = snapshot
                if entries is not None:
                    self._entries[table] = entries
            else:
                self._snapshots[table] = self.warehouse.open(table)
        return self._snapshots[table]

    def record(self, entries: Iterable[Entry], snapshot: DeltaTable | None = None) -> None:
        """Append facts in one commit. `snapshot` is the table after the last write of its days, if there was one.

        Called after the data's own commit: after a crash between the two the days have files that no fact is
        about, and they are computed again.
        """
        by_table: dict[str, list[Entry]] = {}
        for entry in entries:
            by_table.setdefault(entry.table, []).append(entry)
        if not by_table:
            return
        rows = [
            {**vars(entry), "parts": [{"part": part, "hash": h} for part, h in sorted(entry.parts.items())]}
            for found in by_table.values()
            for entry in found
        ]
        facts = pl.DataFrame(rows, schema=SCHEMA)
        known, made = self._version or 0, self.warehouse.append(NAME, facts, _note(by_table))
        self._version = made[-1] if made[0] == known + 1 else known
        self._facts = pl.concat([self._facts, facts])
        for table in by_table:
            self._entries.pop(table, None)
            self._known.pop(table, None)
            if snapshot is not None:
                self._snapshots[table] = snapshot

    @property
    def last_recorded(self) -> dt.datetime | None:
        """When anything about any table was recorded last."""
        found = self._facts["recorded_at"].max()
        return found if isinstance(found, dt.datetime) else None

    def has_moved_on(self) -> bool:
        """Whether anyone else has recorded something since this ledger was read."""
        if self._version is None:
            return self.warehouse.version(NAME) is not None
        return not self.warehouse.is_newest(NAME, self._version)

    def newest(self) -> Ledger:
        """This ledger while nobody else has recorded anything since it was read, else one that knows of it."""
        return Ledger(self.warehouse) if self.has_moved_on() else self

    def _match(self, table: str, snapshot: DeltaTable | None) -> Entries:
        """Of the facts about each day, the newest about the files it has in this snapshot."""
        facts = (
            self._facts.lazy()
            .filter(pl.col("table") == table)
            .unique(["day", "files"], keep="last", maintain_order=True)
        )
        stored = stored_files(snapshot).lazy().rename({"rows": "stored"})
        gone = facts.select("day").unique().join(stored, on="day", how="anti")
        now = pl.concat([stored, gone], how="diagonal").with_columns(pl.col("files").fill_null(""))
        version = 0 if snapshot is None else snapshot.version()
        told = now.join(facts, on=["day", "files"], how="left")
        return Entries(told.select(_or_unrecorded(table, version)).sort("day").collect())


def _note(by_table: Mapping[str, Sequence[Entry]]) -> dict[str, str]:
    """What the commit says of itself, so that the history of the platform can be told from the log alone."""
    entries = [entry for found in by_table.values() for entry in found]
    days = sorted(entry.day for entry in entries)
    return {
        "puffy.run": ", ".join(sorted({entry.run_id for entry in entries})),
        "puffy.tables": ", ".join(by_table),
        "puffy.days": str(DayRange(days[0], days[-1])),
    }


def _or_unrecorded(table: str, version: int) -> list[pl.Expr]:
    """The ledger's columns, also of days that no fact is about. Their files name them, so what is computed from them is
    not taken for current."""
    named = pl.when(pl.col("files") != "").then(pl.lit("files ") + pl.col("files")).otherwise(pl.lit(""))
    unrecorded = {
        "table": pl.lit(table),
        "rows": pl.col("stored").fill_null(0),
        "content_hash": named,
        "parts": pl.lit([], SCHEMA["parts"]),
        "version": pl.lit(version),
        "definition_hash": pl.lit(""),
        "inputs_hash": pl.lit(""),
        "run_id": pl.lit(""),
    }
    is_told = pl.col("recorded_at").is_not_null()
    return [
        (pl.when(is_told).then(name).otherwise(unrecorded[name]) if name in unrecorded else pl.col(name))
        .cast(dtype)
        .alias(name)
        for name, dtype in SCHEMA.items()
    ]


def content_hashes(table: Table, frame: pl.DataFrame) -> pl.DataFrame:
    """Per day: `rows`, `content_hash` and `parts` (per date of `hash_by`), independent of the order of rows.

    The sum (mod 2^64) of 64-bit row hashes, with the count: equal sets of rows give equal hashes, and a
    repeated row does not cancel out.
    """
    by = ["day", table.hash_by] if table.hash_by else ["day"]
    per_part = (
        frame.select(*by, h=frame.hash_rows(seed=20_250_223))
        .group_by(by)
        .agg(total=_wrapping_sum("h"), n=pl.len())
        .with_columns(hash=pl.concat_str("n", pl.lit("-"), "total"), part=pl.col(by[-1]))
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
    low = pl.col(column) & (2**32 - 1)
    high = pl.col(column) // 2**32
    return pl.concat_str((high.sum() % 2**32).cast(pl.String), pl.lit("."), low.sum().cast(pl.String))
