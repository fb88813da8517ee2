"""SQL over the current snapshot of the tables: DuckDB views on the Parquet files Delta says are live."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

import polars as pl

from puffy_platform.table import Table
from puffy_platform.warehouse.store import Warehouse

if TYPE_CHECKING:
    import duckdb

__all__ = ["SqlError", "query"]


class SqlError(ValueError):
    """The query failed; the message is DuckDB's."""


def query(warehouse: Warehouse, tables: Iterable[Table], text: str, logs: Iterable[str] = ()) -> pl.DataFrame:
    """Run a query; every table is a view of its name over its newest version, and so are the `logs` (Delta
    tables outside the registry). Only tables the text mentions are opened. Raises SqlError."""
    import duckdb

    words = set(re.findall(r"\w+", text.lower()))
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        for table in tables:
            if table.name in words:
                _view(connection, warehouse, table.name, table.empty())
        for name in logs:
            if name in words:
                _view(connection, warehouse, name, None)
        try:
            relation = connection.sql(text)
            rows: pl.DataFrame = pl.DataFrame() if relation is None else relation.pl()
            return rows
        except duckdb.Error as error:
            raise SqlError(str(error)) from None


def _view(connection: duckdb.DuckDBPyConnection, warehouse: Warehouse, name: str, empty: pl.DataFrame | None) -> None:
    delta = warehouse.open(name)
    files = delta.file_uris() if delta is not None else []
    if files:
        paths = ", ".join("'" + file.replace("'", "''") + "'" for file in sorted(files))
        hive = "hive_partitioning = true, hive_types = {'day': DATE}, " if empty is not None else ""
        columns = ", ".join(f'"{column}"' for column in empty.columns) if empty is not None else "*"
        connection.execute(
            f"CREATE VIEW {name} AS SELECT {columns} FROM read_parquet([{paths}], {hive}union_by_name = true)"
        )
    elif empty is not None:
        connection.register(name, empty.to_arrow())
