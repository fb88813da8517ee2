"""One folder (or object-store URL) of Delta tables, one a `Table`, each partitioned by `day`.

A range of days is replaced in one commit, so a reader sees the old rows or the new ones and nothing between.
"""

from __future__ import annotations

import datetime as dt
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import polars as pl
import polars_hash as plh
from deltalake import ColumnProperties, CommitProperties, DeltaTable, WriterProperties
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError

from puffy_platform.table import DayRange, Table

if TYPE_CHECKING:
    from pyarrow import RecordBatchReader

__all__ = ["StoredDay", "Warehouse", "WarehouseError", "retention", "stored_days", "stored_files"]

COMMIT_ATTEMPTS = 8
# A table is opened by reading its log from the last checkpoint on: with delta-rs' own 100 that took most of it.
COMMITS_A_CHECKPOINT = 10
ROWS_A_BATCH = 1 << 16
# After so many the small files of a log become one.
APPENDS_A_FILE = 64


class WarehouseError(RuntimeError):
    """A Delta table could not be read or written; the message never quotes row values."""


@dataclass(frozen=True)
class StoredDay:
    """What a snapshot holds of one day: `files` is a hash of the names of its data files, and names its rows too,
    for no two commits share a file name."""

    rows: int
    files: str


def stored_days(delta: DeltaTable | None, days: DayRange | None = None) -> dict[dt.date, StoredDay]:
    """Every day (of `days`) that has rows in this snapshot. Reads no data."""
    return {day: StoredDay(rows, files) for day, rows, files in stored_files(delta, days).iter_rows()}


def stored_files(delta: DeltaTable | None, days: DayRange | None = None) -> pl.DataFrame:
    """The same as a frame in order of `day`, with the `rows` and `files` of StoredDay."""
    if delta is None:
        return pl.DataFrame(schema={"day": pl.Date, "rows": pl.Int64, "files": pl.String})
    files = pl.LazyFrame(delta.get_add_actions(flatten=True)).rename({"partition.day": "day"})
    if days is not None:
        files = files.filter(days.covers())
    return (
        files.sort("path")
        .group_by("day")
        .agg(pl.col("path").str.join("|"), rows=pl.col("num_records").sum())
        .filter(pl.col("rows") > 0)
        .sort("day")
        .select("day", "rows", files=plh.col("path").chash.sha2_256().str.head(16))
        .collect()
    )


def retention(days: int) -> dict[str, str]:
    """The properties of a Delta table that can be read as of any time of the last `days`.

    Delta's own default forgets after 7 days which files were replaced; a vacuum then takes them for orphans. And
    delta-rs, trimming the log by itself, keeps the versions made since, but not the one that was current before them.
    """
    kept = f"interval {days} days"
    return {
        "delta.logRetentionDuration": kept,
        "delta.deletedFileRetentionDuration": kept,
        "delta.enableExpiredLogCleanup": "false",
    }


def _written_as(rows: pl.DataFrame, key: Sequence[str]) -> WriterProperties:
    """Statistics where a read can skip by them, on days, times and numbers; of text they cost much and help nothing.
    Numbers are packed by their differences. A text that is the key by itself does not repeat: no dictionary."""
    plain = ColumnProperties(statistics_enabled="NONE")
    unique = ColumnProperties(statistics_enabled="NONE", dictionary_enabled=False)
    packed = ColumnProperties(statistics_enabled="CHUNK", dictionary_enabled=False, encoding="DELTA_BINARY_PACKED")
    columns = {name: packed for name, dtype in rows.schema.items() if dtype.is_integer() or dtype.is_temporal()}
    if len(key) == 1:
        columns.setdefault(key[0], unique)
    return WriterProperties(compression="SNAPPY", default_column_properties=plain, column_properties=columns)


def statistics(schema: pl.Schema) -> dict[str, str]:
    """The property that says of which columns a commit's log keeps the least and largest value of every file.

    Days are what reads are narrowed to. Of the other columns a file of a day holds about every value there is: theirs
    were most of the log, and of what opening a table of two years cost.
    """
    dates = [name for name, dtype in schema.items() if dtype == pl.Date]
    return {"delta.dataSkippingStatsColumns": ",".join(dates)} if dates else {"delta.dataSkippingNumIndexedCols": "0"}


def _batches(rows: pl.DataFrame) -> RecordBatchReader:
    """The rows bit by bit: what is handed over whole is copied whole, a gibibyte for a million events."""
    from pyarrow import RecordBatchReader

    arrow = rows.to_arrow(compat_level=pl.CompatLevel.newest())
    return RecordBatchReader.from_batches(arrow.schema, arrow.to_batches(max_chunksize=ROWS_A_BATCH))


@dataclass(frozen=True)
class Warehouse:
    """The Delta tables under `root`, a folder or an object-store URL (`storage_options` as delta-rs takes them).

    `retain_days` is what new tables promise to time travel: for so long their log remembers the files they replaced.
    """

    root: str
    storage_options: Mapping[str, str] = field(default_factory=dict)
    retain_days: int = 30
    # The logs that this process has appended to, as of its own last commit.
    _appended: dict[str, DeltaTable] = field(init=False, default_factory=dict, compare=False, repr=False)

    def uri(self, name: str) -> str:
        return f"{self.root.rstrip('/')}/{name}"

    def open(self, name: str) -> DeltaTable | None:
        """The Delta table at its newest version, or None when it was never written."""
        try:
            return DeltaTable(self.uri(name), storage_options=dict(self.storage_options))
        except TableNotFoundError:
            return None

    def version(self, name: str) -> int | None:
        delta = self.open(name)
        return None if delta is None else delta.version()

    def is_newest(self, name: str, version: int) -> bool:
        """Whether nobody has committed to the table since this version of it.

        In a folder two looks at file names tell: the versions of a log have no gaps. A version whose own file is gone
        (the log was trimmed, the table made anew) is not taken for the newest.
        """
        if "://" in self.root:
            return self.version(name) == version
        log = Path(self.uri(name)) / "_delta_log"
        return (log / f"{version:020}.json").exists() and not (log / f"{version + 1:020}.json").exists()

    def read(self, table: Table, days: DayRange | None = None, columns: tuple[str, ...] | None = None) -> pl.LazyFrame:
        """The rows of these days (all days when None); no rows when the table or the days do not exist yet.

        Columns that older files lack come back null, so that a contract may grow.
        """
        return self.read_snapshot(self.open(table.name), table, days, columns)

    def read_snapshot(
        self,
        delta: DeltaTable | None,
        table: Table,
        days: DayRange | None = None,
        columns: tuple[str, ...] | None = None,
    ) -> pl.LazyFrame:
        """The same, of the table as it was when `delta` was opened."""
        names = list(columns or table.schema)
        if delta is None:
            return table.empty().lazy().select(names)
        rows = pl.scan_delta(delta)
        if days is not None:
            rows = rows.filter(days.covers())
        stored = delta.schema().fields
        missing = [name for name in names if name not in {column.name for column in stored}]
        return rows.with_columns(pl.lit(None, table.schema[name]).alias(name) for name in missing).select(names)

    def replace(self, table: Table, days: DayRange, rows: pl.DataFrame, note: Mapping[str, str]) -> DeltaTable:
        """Replace exactly these days by `rows`, in one commit carrying `note`, and return the table as of this commit.

        Rows outside the days are refused and the old data stays. A concurrent writer of other days does not
        disturb; one of the same days makes this commit wait its turn and try again.
        """
        foreign = rows.filter(~days.covers()).height
        if foreign:
            raise WarehouseError(f"{table.name}: {foreign} rows lie outside {days}; nothing was written")
        return self._commit(
            table.name,
            rows.select(list(table.schema)),
            key=tuple(name for name in table.key if name != "day"),
            mode="overwrite",
            predicate=f"day >= '{days.first}' AND day <= '{days.last}'",
            partition_by=["day"],
            note=note,
        )

    def append(self, name: str, rows: pl.DataFrame, note: Mapping[str, str] | None = None) -> range:
        """Add rows to an unpartitioned log table, in one commit carrying `note`; appends never conflict.

        Returns the versions this made, with nobody's between: the commit's, and that of tidying up after some.
        """
        # Taken out meanwhile: no two threads write by one of them.
        known = self._appended.pop(name, None)
        delta = self._commit(name, rows, mode="append", predicate=None, partition_by=None, note=note or {}, known=known)
        version = delta.version()
        if version and version % APPENDS_A_FILE == 0:
            try:
                delta.optimize.compact()
            except CommitFailedError:
                # Another process compacts right now: once is enough.
                return range(version, version + 1)
        self._appended[name] = delta
        is_next = delta.version() <= version + 1
        return range(version, delta.version() + 1 if is_next else version + 1)

    def _commit(
        self,
        name: str,
        rows: pl.DataFrame,
        *,
        key: Sequence[str] = (),
        mode: Literal["append", "overwrite"],
        predicate: str | None,
        partition_by: list[str] | None,
        note: Mapping[str, str],
        known: DeltaTable | None = None,
    ) -> DeltaTable:
        """Commit, and return the table as of this very commit. `known` is the table, if it is at hand, which is used
        while it is the newest."""
        from deltalake import write_deltalake

        properties = CommitProperties(custom_metadata=dict(note))
        options: dict[str, Any] = {
            "mode": mode,
            "predicate": predicate,
            "commit_properties": properties,
            "writer_properties": _written_as(rows, key),
        }
        for attempt in range(1, COMMIT_ATTEMPTS + 1):
            try:
                delta = self._ready(name, rows, partition_by, known if attempt == 1 else None)
                # A column that the contract no longer has stays in the table, null in new rows.
                is_dropped = {column.name for column in delta.schema().fields} - set(rows.columns)
                write_deltalake(delta, _batches(rows), schema_mode="merge" if is_dropped else None, **options)
                # delta-rs leaves the table at this commit's version, whatever others have committed since.
                return delta
            except CommitFailedError as error:
                if attempt == COMMIT_ATTEMPTS:
                    raise WarehouseError(f"{name}: other writers kept winning after {attempt} attempts") from error
                time.sleep(random.uniform(0.02, 0.05) * 2**attempt)
            except DeltaError as error:
                # delta-rs quotes row values in its messages, so only the kind of error is passed on.
                raise WarehouseError(
                    f"{name}: Delta refused the rows ({type(error).__name__}); the old data stays"
                ) from None
        raise AssertionError("the last attempt returns or raises")

    def _ready(
        self, name: str, rows: pl.DataFrame, partition_by: list[str] | None, known: DeltaTable | None
    ) -> DeltaTable:
        """The newest version of the table, made empty when it is not there, and with all columns of `rows`.

        Making it first keeps two processes that both find nothing from overwriting each other's first days.
        """
        from deltalake import write_deltalake

        is_newest = known is not None and self.is_newest(name, known.version())
        delta = known if is_newest else self.open(name)
        if delta is None:
            delta = DeltaTable.create(
                self.uri(name),
                schema=rows.clear().to_arrow(compat_level=pl.CompatLevel.oldest()).schema,
                mode="ignore",
                partition_by=partition_by,
                storage_options=dict(self.storage_options),
                configuration=retention(self.retain_days)
                | statistics(rows.schema)
                | {"delta.checkpointInterval": str(COMMITS_A_CHECKPOINT)},
            )
        if set(rows.columns) - {column.name for column in delta.schema().fields}:
            no_rows = rows.clear().to_arrow(compat_level=pl.CompatLevel.oldest())
            write_deltalake(delta, no_rows, mode="append", schema_mode="merge")
        return delta
