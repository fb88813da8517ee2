"""Dagster's SQLite event log, with the events of a run written many in a transaction instead of one by one."""

from __future__ import annotations

import os
import shutil
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import dagster as dg
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus
from dagster._core.storage.event_log.base import AssetRecord
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable
from dagster._core.storage.event_log.sqlite.sqlite_event_log import INDEX_SHARD_NAME, SqliteEventLogStorage
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS
from dagster._serdes import serialize_value
from sqlalchemy import create_engine
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.pool import QueuePool

__all__ = ["BATCH_SIZE", "BatchedSqliteEventLogStorage", "gathered_events"]

# Events held in memory before they are written, and for how long at most.
BATCH_SIZE = 500
GATHERED_SECONDS = 1.0
# A database a run and one for all; more runs than this are not written to at once.
ENGINES_KEPT = 16


class BatchedSqliteEventLogStorage(SqliteEventLogStorage):
    """`SqliteEventLogStorage`, in the same files, whose `store_event_batch` is one transaction a database.

    A materialisation and its plan are two events for every table and day, and each costs three transactions with a
    connection and an engine of their own, which compiles its statements anew; that is most of the time of a run over
    many near-empty days. A crash loses at most the events of one batch from Dagster's log: what the tables hold is in
    the warehouse's own ledger.

    Within `gather` all events of this process go in batches, those that come one by one as well.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        # Every process that opens the instance comes by here; without it Dagster stores events one by one.
        os.environ.setdefault("DAGSTER_EVENT_BATCH_SIZE", str(BATCH_SIZE))
        self._held = threading.local()
        # Events to be written; None while nothing gathers them.
        self._waiting: list[dg.EventLogEntry] | None = None
        self._written_at = time.monotonic()
        self._waiting_lock = threading.RLock()
        # What was found of assets since gathering began, until an event of theirs comes.
        self._records: dict[dg.AssetKey, AssetRecord] = {}
        self._tables_there: set[str] = set()
        self._columns_there: set[str] = set()
        self._migrations_done: set[str] = set()
        # The least recently used first.
        self._engines: dict[str, Engine] = {}
        self._engines_lock = threading.Lock()
        super().__init__(*args, **kwargs)
        # A batch holds the databases of its run and the index at once.
        self._db_lock = threading.RLock()  # type: ignore[assignment]

    @classmethod
    def from_config_value(cls, inst_data: Any, config_value: Any) -> BatchedSqliteEventLogStorage:
        """`base_dir` is DAGSTER_HOME; the databases lie where Dagster's own storage would put them."""
        return cls(base_dir=str(Path(config_value["base_dir"]) / "history" / "runs"), inst_data=inst_data)

    @contextmanager
    def gather(self) -> Iterator[None]:
        """Hold events back and write them together: before anything is read here, when a run's status changes or a step
        starts, and with the next event after a second. What a process that is killed had not written is lost from
        Dagster's log.
        """
        self._waiting = []
        try:
            yield
        finally:
            try:
                self._write_waiting()
            finally:
                self._waiting = None
                self._records.clear()
                with self._db_lock:
                    for engine in self._engines.values():
                        engine.dispose()

    def store_event(self, event: dg.EventLogEntry) -> None:
        """Store the event; within `gather`, a little later."""
        with self._waiting_lock:
            self._forget_records([event])
            if self._waiting is None:
                super().store_event(event)
                return
            self._waiting.append(event)
            is_over = time.monotonic() - self._written_at > GATHERED_SECONDS
            told = event.dagster_event
            is_seen = told is not None and (told.is_job_event or told.is_step_start)
            if is_over or is_seen or len(self._waiting) >= BATCH_SIZE:
                self._write_waiting()

    def store_event_batch(self, events: Sequence[dg.EventLogEntry]) -> None:
        """Store the events, and before them those that wait; either all of these are in a database afterwards, or none.
        When they cannot be stored, those that waited are nevertheless."""
        with self._waiting_lock:
            waiting = self._waiting or []
            if waiting:
                self._waiting = []
            try:
                self._write([*waiting, *events])
            except Exception:
                if waiting and events:
                    self._write(waiting)
                raise

    def _write(self, events: Sequence[dg.EventLogEntry]) -> None:
        self._forget_records(events)
        with ExitStack() as stack:
            for shard in sorted({event.run_id for event in events} | {INDEX_SHARD_NAME}):
                stack.enter_context(self._hold(shard))
            for event in events:
                super().store_event(event)
        self._written_at = time.monotonic()

    def _write_waiting(self) -> None:
        with self._waiting_lock:
            if self._waiting:
                self.store_event_batch(())

    def _initdb(self, engine: Engine, for_index_shard: bool = False) -> None:
        """A new run's database is a copy of an empty one: its tables are not made one by one."""
        path, empty = Path(str(engine.url.database)), Path(self._base_dir) / f"empty-{dg.__version__}"
        if for_index_shard or path.exists():
            super()._initdb(engine, for_index_shard)
            return
        partial = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
        if empty.exists():
            shutil.copyfile(empty, partial)
            try:
                os.link(partial, path)
            except FileExistsError:
                pass  # another process has just made it
            except OSError:  # a file system without links
                super()._initdb(engine)
            finally:
                partial.unlink()
            return
        super()._initdb(engine)
        with closing(sqlite3.connect(path)) as made:
            made.execute("vacuum into ?", (str(partial),))
        with closing(sqlite3.connect(partial)) as copied:
            copied.execute("pragma journal_mode = wal")
        partial.replace(empty)

    def get_asset_records(self, asset_keys: Sequence[dg.AssetKey] | None = None) -> Sequence[AssetRecord]:
        """Dagster asks this in every step of all that it reads; within `gather`, once an asset and event of it."""
        if self._waiting is None or asset_keys is None:
            return super().get_asset_records(asset_keys)
        unknown = [key for key in asset_keys if key not in self._records]
        for record in super().get_asset_records(unknown) if unknown else ():
            self._records[record.asset_entry.asset_key] = record
        return [self._records[key] for key in asset_keys if key in self._records]

    def _forget_records(self, events: Sequence[dg.EventLogEntry]) -> None:
        for event in events if self._records else ():
            if event.dagster_event is not None and event.dagster_event.asset_key is not None:
                self._records.pop(event.dagster_event.asset_key, None)

    def has_table(self, table_name: str) -> bool:
        """Dagster asks this for every event; a table that is there stays there."""
        if table_name not in self._tables_there and super().has_table(table_name):
            self._tables_there.add(table_name)
        return table_name in self._tables_there

    def _has_asset_key_col_on_connection(self, conn: Connection, column_name: str) -> bool:
        """So does a column."""
        if column_name not in self._columns_there and super()._has_asset_key_col_on_connection(conn, column_name):
            self._columns_there.add(column_name)
        return column_name in self._columns_there

    def has_asset_key_col(self, column_name: str) -> bool:
        """For this, Dagster would open the database first."""
        return column_name in self._columns_there or super().has_asset_key_col(column_name)

    def has_secondary_index(self, name: str) -> bool:
        """A migration that is done stays done."""
        if name not in self._migrations_done and super().has_secondary_index(name):
            self._migrations_done.add(name)
        return name in self._migrations_done

    def _store_asset_check_evaluation_planned(self, event: dg.EventLogEntry, event_id: int | None) -> None:
        """The rows Dagster would write, one a day of the run. It makes the same text of the event for each of them, and
        a statement that names them all and cannot be used again; in the run of a range that is much of the time."""
        assert event.dagster_event is not None
        planned = event.dagster_event.asset_check_planned_data
        row = {
            "asset_key": planned.asset_key.to_string(),
            "check_name": planned.check_name,
            "run_id": event.run_id,
            "execution_status": AssetCheckExecutionRecordStatus.PLANNED.value,
            "evaluation_event": serialize_value(event),
            "evaluation_event_timestamp": self._event_insert_timestamp(event),  # type: ignore[no-untyped-call]
            "evaluation_event_storage_id": event_id,
        }
        days = planned.partitions_subset.get_partition_keys() if planned.partitions_subset else [None]
        with self.index_connection() as connection:
            connection.execute(AssetCheckExecutionsTable.insert(), [{**row, "partition": day} for day in days])

    @contextmanager
    def _hold(self, shard: str) -> Iterator[None]:
        """Let every statement of this thread on the shard share one connection and transaction."""
        with self._connect(shard) as connection:
            self._connections()[shard] = connection
            try:
                yield
            finally:
                del self._connections()[shard]

    @contextmanager
    def _connect(self, shard: str) -> Iterator[Connection]:
        held = self._connections().get(shard)
        if held is not None:
            yield held
        else:
            self._write_waiting()
            engine = self._engine(shard)
            with self._db_lock:
                try:
                    with engine.connect() as connection, connection.begin():
                        yield connection
                finally:
                    # Within `gather` it stays open: else SQLite folds its log into the file and starts another.
                    if self._waiting is None:
                        engine.dispose()

    def _engine(self, shard: str) -> Engine:
        """The engine of a database that is used again and again: a new one would compile every statement anew."""
        # Never held while a database is opened: that waits for who holds one, and who holds one comes by here.
        with self._engines_lock:
            engine = self._engines.pop(shard, None)
        if engine is None:
            with super()._connect(shard):
                pass  # Dagster's own makes the database where there is none
            url = self.conn_string_for_shard(shard)
            timeout = {"timeout": SQLITE_BUSY_TIMEOUT_SECONDS}
            engine = create_engine(url, poolclass=QueuePool, pool_size=1, connect_args=timeout)
        with self._engines_lock:
            self._engines[shard] = engine
            while len(self._engines) > ENGINES_KEPT:
                self._engines.pop(next(iter(self._engines))).dispose()
        return engine

    def _connections(self) -> dict[str, Connection]:
        if not hasattr(self._held, "connections"):
            self._held.connections = {}
        connections: dict[str, Connection] = self._held.connections
        return connections


def gathered_events(instance: dg.DagsterInstance) -> AbstractContextManager[None]:
    """`BatchedSqliteEventLogStorage.gather` of this instance; nothing for one whose events are kept elsewhere."""
    log = instance.event_log_storage
    return log.gather() if isinstance(log, BatchedSqliteEventLogStorage) else nullcontext()
