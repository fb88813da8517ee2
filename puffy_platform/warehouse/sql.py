"""SQL over the tables as they are, or were at a moment: DuckDB views on the Parquet files that are or were live."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

import polars as pl

from puffy_platform.table import Table
from puffy_platform.warehouse.history import Past
from puffy_platform.warehouse.store import Warehouse

if TYPE_CHECKING:
    import duckdb

__all__ = ["SqlError", "query"]


class SqlError(ValueError):
    """The query cannot be run; the message is DuckDB's, or says what can be asked."""


def query(
    warehouse: Warehouse,
    tables: Iterable[Table],
    text: str,
    logs: Iterable[str] = (),
    past: Past | None = None,
) -> pl.DataFrame:
    """Run one query; every table is a view of its name over its newest version, and so are the `logs` (Delta
    tables outside the registry, each with a column recorded_at). With `past` all are as they were together at that
    moment. Only tables the text mentions are opened. Raises SqlError, and HistoryError for a past no longer kept.

    Only reading is possible: a statement that could write, attach or change anything is refused before it runs.
    """
    import duckdb

    words = set(re.findall(r"\w+", text.lower()))
    known = {table.name: table.empty() for table in tables} | dict.fromkeys(logs)
    with duckdb.connect() as connection:
        try:
            _refuse_writing(connection, text)
            connection.execute("SET TimeZone = 'UTC'")
            for name in known.keys() & words:
                _view(connection, warehouse, name, known[name], past)
            return _with_whole_numbers(connection.sql(text).pl())
        except duckdb.CatalogException as error:
            raise SqlError(_name_tables(str(error), known)) from None
        except duckdb.Error as error:
            raise SqlError(str(error)) from None


def _refuse_writing(connection: duckdb.DuckDBPyConnection, text: str) -> None:
    # A PIVOT that finds its columns itself is several statements to DuckDB, and COPY can hide in it.
    import duckdb

    statements = connection.extract_statements(text)
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        raise SqlError(
            "sql only reads: give one statement beginning with SELECT, FROM, WITH, DESCRIBE or SUMMARIZE "
            "(and name a PIVOT's columns: ... IN (...))"
        )


def _with_whole_numbers(rows: pl.DataFrame) -> pl.DataFrame:
    """DuckDB sums integers to 128 bits, which arrive as decimals without places: they are integers again."""
    whole = [name for name, dtype in rows.schema.items() if isinstance(dtype, pl.Decimal) and dtype.scale == 0]
    return rows.with_columns(pl.col(whole).cast(pl.Int128))


def _name_tables(message: str, known: Iterable[str]) -> str:
    """DuckDB knows only the views opened for the query; whoever mistypes a table wants to know which there are."""
    found = re.match(r"Catalog Error: Table with name (\S+) does not exist", message)
    if not found:
        return message
    close = difflib.get_close_matches(found[1], known, n=1)
    suggestion = f", did you mean {close[0]}?" if close else "."
    return f"there is no table {found[1]}{suggestion} There are: {', '.join(known)}"


def _view(
    connection: duckdb.DuckDBPyConnection,
    warehouse: Warehouse,
    name: str,
    empty: pl.DataFrame | None,
    past: Past | None,
) -> None:
    """A view of a table (`empty` has its columns), or of a log."""
    if past is not None and empty is not None:
        files, stored = past.files(name), past.columns(name)
    else:
        delta = warehouse.open(name)
        files = delta.file_uris() if delta is not None else []
        stored = {column.name for column in delta.schema().fields} if delta is not None else set()
    paths = ", ".join("'" + file.replace("'", "''") + "'" for file in sorted(files))
    if empty is None and files:
        until = f" WHERE recorded_at <= TIMESTAMPTZ '{past.moment.at.isoformat()}'" if past is not None else ""
        connection.execute(f"CREATE VIEW {name} AS FROM read_parquet([{paths}], union_by_name = true){until}")
    elif empty is not None and files:
        hive = "hive_partitioning = true, hive_types = {'day': DATE}"
        rows = f"FROM read_parquet([{paths}], {hive}, union_by_name = true)"
        if set(empty.columns) - stored:
            # The contract has grown and no file has the new columns: they are null.
            connection.register(f"{name}_columns", empty.to_arrow())
            rows = f"FROM ({rows} UNION ALL BY NAME FROM {name}_columns)"
        columns = ", ".join(f'"{column}"' for column in empty.columns)
        connection.execute(f"CREATE VIEW {name} AS SELECT {columns} {rows}")
    elif empty is not None:
        connection.register(name, empty.to_arrow())
