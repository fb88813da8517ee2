"""Puts rows by hand into a warehouse, for tests of what is asked of stored tables."""

from __future__ import annotations

import polars as pl

from puffy_platform.pipeline import Platform
from puffy_platform.table import Table
from puffy_platform_tests.tables.visits import days

__all__ = ["store"]


def store(platform: Platform, table: Table, rows: pl.DataFrame) -> None:
    """Write rows that have some of the table's columns; the others are null."""
    missing = (pl.lit(None, dtype).alias(name) for name, dtype in table.schema.items() if name not in rows.columns)
    platform.warehouse.replace(table, days(0, 30), rows.with_columns(missing), {})
