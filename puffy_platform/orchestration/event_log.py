"""Dagster's SQLite event log, with the events of a range run written in one transaction instead of one by one."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
from dagster._core.storage.event_log.sqlite.sqlite_event_log import INDEX_SHARD_NAME, SqliteEventLogStorage
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS
from sqlalchemy import create_engine
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.pool import NullPool

__all__ = ["BATCH_SIZE", "BatchedSqliteEventLogStorage"]

# Events of one step held in memory before they are written.
BATCH_SIZE = 500
# A database a run and one for all; more runs than this are not written to at once.
ENGINES_KEPT = 16


class BatchedSqliteEventLogStorage(SqliteEventLogStorage):
    """`SqliteEventLogStorage`, in the same files, whose `store_event_batch` is one transaction a database.

    A materialisation and its plan are two events for every table and day, and each costs three transactions with a
    connection and an engine of their own, which compiles its statements anew; that is most of the time of a run over
    many near-empty days. A crash loses at most the events of one batch from Dagster's log: what the tables hold is in
    the warehouse's own ledger.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        # Every process that opens the instance comes by here; without it Dagster stores events one by one.
        os.environ.setdefault("DAGSTER_EVENT_BATCH_SIZE", str(BATCH_SIZE))
        self._held = threading.local()
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

    def store_event_batch(self, events: Sequence[dg.EventLogEntry]) -> None:
        """Store the events; either all of them are in a database afterwards, or none."""
        with ExitStack() as stack:
            for shard in sorted({event.run_id for event in events} | {INDEX_SHARD_NAME}):
                stack.enter_context(self._hold(shard))
            super().store_event_batch(events)

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
            engine = self._engine(shard)
            with self._db_lock, engine.connect() as connection, connection.begin():
                yield connection

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
            engine = create_engine(url, poolclass=NullPool, connect_args=timeout)
        with self._engines_lock:
            self._engines[shard] = engine
            while len(self._engines) > ENGINES_KEPT:
                del self._engines[next(iter(self._engines))]
        return engine

    def _connections(self) -> dict[str, Connection]:
        if not hasattr(self._held, "connections"):
            self._held.connections = {}
        connections: dict[str, Connection] = self._held.connections
        return connections
