"""What several tables read from the first day on, kept from one to the next: years are as many files to open."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import polars as pl
from deltalake import DeltaTable

from puffy_platform.table import DayRange

__all__ = ["Histories"]


@dataclass(frozen=True)
class _Kept:
    snapshot: DeltaTable
    version: int
    window: DayRange
    rows: pl.DataFrame

    def holds(self, snapshot: DeltaTable, window: DayRange) -> bool:
        # A snapshot may be moved on to a later version.
        return self.snapshot is snapshot and self.version == snapshot.version() and window.clip(self.window) == window


@dataclass(frozen=True)
class Histories:
    """By table the rows that were read last, of one snapshot. They are as many as fit into a chunk."""

    _kept: dict[str, _Kept] = field(default_factory=dict)

    def rows(
        self, table: str, snapshot: DeltaTable, window: DayRange, read: Callable[[], pl.DataFrame]
    ) -> pl.DataFrame:
        """The rows of the window: those kept when they are this snapshot's and of these days, else what `read` gives.

        `read` must always give the same columns of a table.
        """
        known = self._kept.get(table)
        if known is None or not known.holds(snapshot, window):
            known = self._kept[table] = _Kept(snapshot, snapshot.version(), window, read())
        return known.rows if known.window == window else known.rows.filter(window.covers())
