"""The ledger: facts of the form "these data files of a day hold rows of this hash, computed from inputs of that hash".

A day is current exactly when a fact about the files it has now names the inputs of now. All of "what must be
recomputed" follows from that; nothing else keeps state.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl
from deltalake import DeltaTable

from puffy_platform.table import DayRange, Table
from puffy_platform.warehouse.store import StoredDay, Warehouse, stored_days

__all__ = ["HELD_BACK", "ROLLED_BACK", "Entry", "Ledger", "content_hashes", "entry_of"]

NAME = "_ledger"
# Recorded as the inputs hash of a day whose new rows failed a check; no inputs have this hash.
HELD_BACK = "held back"
# Begins the inputs hash of a day that a person has put back to earlier rows; the time they are of follows.
ROLLED_BACK = "rolled back to "
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


@dataclass(frozen=True)
class Entry:
    """What is known of one day of one table. `parts` holds a hash per date of the table's `hash_by` column; `files`
    says which data files the entry is about (StoredDay.files; empty for none), `version` which commit made them."""

    table: str
    day: dt.date
    rows: int
    content_hash: str
    parts: dict[dt.date, str]
    definition_hash: str
    inputs_hash: str
    files: str
    version: int
    money_cents: int | None
    run_id: str
    recorded_at: dt.datetime | None

    @property
    def is_recorded(self) -> bool:
        """False for rows that are there, but that no run has recorded: a run was cut off, or still is at work."""
        return self.recorded_at is not None

    @property
    def rolled_back_to(self) -> str | None:
        """The time whose rows the day was put back to, and holds until that is undone; None for any other day."""
        return self.inputs_hash.removeprefix(ROLLED_BACK) if self.inputs_hash.startswith(ROLLED_BACK) else None

    def content(self, part: dt.date | None = None) -> str | None:
        """What names the day's rows, or of those the rows of one part; None when there are none."""
        if not self.rows:
            return None
        return self.content_hash if part is None or not self.is_recorded else self.parts.get(part)


@dataclass
class _View:
    """One table as found at one moment: the snapshot, and what is known of each of its days."""

    snapshot: DeltaTable | None
    entries: dict[dt.date, Entry]


@dataclass
class Ledger:
    """What was recorded up to one moment, held against the data files of each table when it is first asked for.

    The facts are read first, the tables after. So a day whose rows another process has written in between is seen
    as not recorded, never as what it was; and `snapshot` gives the very rows the entries speak of.
    """

    warehouse: Warehouse
    _version: int | None = field(init=False)
    _facts: pl.DataFrame = field(init=False)
    _views: dict[str, _View] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        delta = self.warehouse.open(NAME)
        self._version = None if delta is None else delta.version()
        facts = pl.LazyFrame(schema=SCHEMA) if delta is None else pl.scan_delta(delta).select(list(SCHEMA))
        self._facts = (
            facts.sort("recorded_at", maintain_order=True)
            .unique(["table", "day", "files"], keep="last", maintain_order=True)
            .collect()
        )

    def get(self, table: str, day: dt.date) -> Entry | None:
        return self.of(table).get(day)

    def of(self, table: str) -> dict[dt.date, Entry]:
        """What is known of a table, by day, in order: of every day that has rows or was ever computed."""
        return self._view(table).entries

    def __iter__(self) -> Iterator[Entry]:
        """What is known of every table of which anything was recorded."""
        return (entry for table in self._facts["table"].unique().sort() for entry in self.of(table).values())

    def snapshot(self, table: str) -> DeltaTable | None:
        """The table as the entries describe it; None when it was never written."""
        return self._view(table).snapshot

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
        known, version = self._version or 0, self.warehouse.append(NAME, facts, _note(by_table))
        self._version = version if version == known + 1 else known
        self._facts = pl.concat([self._facts, facts])
        for table in by_table:
            view = self._views.pop(table, None)
            if view is not None:
                self._views[table] = self._match(table, snapshot or view.snapshot)

    @property
    def last_recorded(self) -> dt.datetime | None:
        """When anything about any table was recorded last."""
        found = self._facts["recorded_at"].max()
        return found if isinstance(found, dt.datetime) else None

    def has_moved_on(self) -> bool:
        """Whether anyone else has recorded something since this ledger was read."""
        return self.warehouse.version(NAME) != self._version

    def newest(self) -> Ledger:
        """This ledger while nobody else has recorded anything since it was read, else one that knows of it."""
        return Ledger(self.warehouse) if self.has_moved_on() else self

    def _view(self, table: str) -> _View:
        if table not in self._views:
            self._views[table] = self._match(table, self.warehouse.open(table))
        return self._views[table]

    def _match(self, table: str, snapshot: DeltaTable | None) -> _View:
        """Of the facts about each day, the newest about the files it has in this snapshot."""
        stored = stored_days(snapshot)
        facts = self._facts.filter(pl.col("table") == table)
        days = sorted({*stored, *facts["day"]})
        now = pl.DataFrame(
            [(day, stored[day].files if day in stored else "") for day in days],
            schema={"day": pl.Date, "files": pl.String},
            orient="row",
        )
        matching = facts.join(now, on=["day", "files"], how="semi").unique("day", keep="last", maintain_order=True)
        known = {row["day"]: entry_of(row) for row in matching.iter_rows(named=True)}
        version = 0 if snapshot is None else snapshot.version()
        return _View(
            snapshot, {day: known.get(day) or _unrecorded(table, day, stored.get(day), version) for day in days}
        )


def _note(by_table: Mapping[str, Sequence[Entry]]) -> dict[str, str]:
    """What the commit says of itself, so that the history of the platform can be told from the log alone."""
    entries = [entry for found in by_table.values() for entry in found]
    days = sorted(entry.day for entry in entries)
    return {
        "puffy.run": ", ".join(sorted({entry.run_id for entry in entries})),
        "puffy.tables": ", ".join(by_table),
        "puffy.days": str(DayRange(days[0], days[-1])),
    }


def entry_of(row: dict[str, Any]) -> Entry:
    """A row of the ledger as an Entry."""
    return Entry(**{**row, "parts": {part["part"]: part["hash"] for part in row["parts"]}})


def _unrecorded(table: str, day: dt.date, stored: StoredDay | None, version: int) -> Entry:
    """Rows that no fact is about. Their files name them, so what is computed from them is not taken for current."""
    return Entry(
        table=table,
        day=day,
        rows=stored.rows if stored else 0,
        content_hash=f"files {stored.files}" if stored else "",
        parts={},
        definition_hash="",
        inputs_hash="",
        files=stored.files if stored else "",
        version=version,
        money_cents=None,
        run_id="",
        recorded_at=None,
    )


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
