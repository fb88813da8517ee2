"""One folder (or object-store URL) of Delta tables, one a `Table`, each partitioned by `day`.

A range of days is replaced in one commit, so a reader sees the old rows or the new ones and nothing between.
"""

from __future__ import annotations

import datetime as dt
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl
import polars_hash as plh
from deltalake import ColumnProperties, CommitProperties, DeltaTable, WriterProperties
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError

from puffy_platform.table import DayRange, Table
from puffy_platform.warehouse.files import write_days

__all__ = ["StoredDay", "Warehouse", "WarehouseError", "retention", "stored_days", "stored_files"]

COMMIT_ATTEMPTS = 8
# A table is opened by reading its log from the last checkpoint on: with delta-rs' own 100 that took most of it.
COMMITS_A_CHECKPOINT = 10
# Of a log's columns no read is narrowed by their least and largest values.
LOG_FILES = WriterProperties(
    compression="SNAPPY", default_column_properties=ColumnProperties(statistics_enabled="NONE")
)
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


def _refused(name: str, error: Exception) -> WarehouseError:
    # Their messages may quote row values, so only the kind of error is passed on.
    return WarehouseError(f"{name}: the rows were refused ({type(error).__name__}); the old data stays")


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


def statistics(schema: pl.Schema) -> dict[str, str]:
    """The property that says of which columns a commit's log keeps the least and largest value of every file: of days
    only, as `write_days` tells them."""
    dates = [name for name, dtype in schema.items() if dtype == pl.Date]
    return {"delta.dataSkippingStatsColumns": ",".join(dates)} if dates else {"delta.dataSkippingNumIndexedCols": "0"}


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
        kept = rows.select(list(table.schema))
        try:
            files = write_days(self.uri(table.name), kept, self.storage_options)
        except pl.exceptions.PolarsError as error:
            raise _refused(table.name, error) from None
        partitions = [("day", "in", [str(day) for day in days])]

        def commit(delta: DeltaTable) -> None:
            version = delta.version() + 1
            delta.create_write_transaction(
                files,
                mode="overwrite",
                schema=delta.schema(),
                partition_by=["day"],
                partition_filters=partitions,
                # Whoever was quicker may have written the same days: only a commit right after what was looked at is
                # sure to replace all of their files, and a later one is tried anew.
                commit_properties=CommitProperties(custom_metadata=dict(note), max_commit_retries=0),
            )
            delta.load_as_version(version)

        return self._committed(table.name, kept, commit, partition_by=["day"])

    def append(self, name: str, rows: pl.DataFrame, note: Mapping[str, str] | None = None) -> range:
        """Add rows to an unpartitioned log table, in one commit carrying `note`; appends never conflict.

        Returns the versions this made, with nobody's between: the commit's, and that of tidying up after some.
        """
        # Taken out meanwhile: no two threads write by one of them.
        known = self._appended.pop(name, None)
        from deltalake import write_deltalake

        def commit(delta: DeltaTable) -> None:
            # It leaves the table at this commit's version, whatever others have committed since.
            write_deltalake(
                delta,
                rows.to_arrow(compat_level=pl.CompatLevel.newest()),
                mode="append",
                commit_properties=CommitProperties(custom_metadata=dict(note or {})),
                writer_properties=LOG_FILES,
            )

        delta = self._committed(name, rows, commit, known=known)
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

    def _committed(
        self,
        name: str,
        rows: pl.DataFrame,
        commit: Callable[[DeltaTable], None],
        *,
        partition_by: list[str] | None = None,
        known: DeltaTable | None = None,
    ) -> DeltaTable:
        """The table as of the very version that `commit` makes, tried again while other writers are quicker.

        `known` is the table, if it is at hand, which is used while it is the newest.
        """
        for attempt in range(1, COMMIT_ATTEMPTS + 1):
            try:
                delta = self._ready(name, rows, partition_by, known if attempt == 1 else None)
                commit(delta)
                return delta
            except CommitFailedError as error:
                if attempt == COMMIT_ATTEMPTS:
                    raise WarehouseError(f"{name}: other writers kept winning after {attempt} attempts") from error
                time.sleep(random.uniform(0.02, 0.05) * 2**attempt)
            except DeltaError as error:
                raise _refused(name, error) from None
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
