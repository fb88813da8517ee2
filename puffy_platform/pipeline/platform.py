"""Everything a run needs, in one value: the settings, the registry of tables and the warehouse."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import polars as pl

from puffy_platform.ingest.repairs_file import load_repairs
from puffy_platform.pipeline.histories import Histories
from puffy_platform.pipeline.landing import Landing
from puffy_platform.rules.rules_file import load_rules
from puffy_platform.settings import Settings
from puffy_platform.table import DayRange, Table
from puffy_platform.tables import TABLES
from puffy_platform.warehouse import Ledger, Warehouse

__all__ = ["Platform", "Progress"]

Progress = Callable[[str, DayRange], None]

# Chunks fit into memory by design, and there this engine takes less CPU time than the streaming one.
pl.Config.set_engine_affinity("in-memory")


@dataclass(frozen=True)
class Platform:
    """Settings, tables and warehouse of one home.

    `landing_folder` and `warehouse_root` override those in the settings; `on_progress` hears of each finished
    chunk of a table. Raises RulesError when the channel rules cannot be used: a mistake there stops every command
    before any work.
    """

    settings: Settings
    tables: Mapping[str, Table] = field(default_factory=lambda: TABLES)
    landing_folder: Path | None = None
    warehouse_root: str | None = None
    on_progress: Progress | None = None

    def __post_init__(self) -> None:
        load_rules(self.settings)

    @cached_property
    def warehouse(self) -> Warehouse:
        root = self.warehouse_root or self.settings.warehouse
        return Warehouse(root, retain_days=self.settings.maintain.retain_days)

    def ledger(self) -> Ledger:
        """What is recorded now, held against the tables as they are now. What nobody has written to since the last
        time this was asked is not read again."""
        self._last_ledger[:] = [Ledger(self.warehouse, *self._last_ledger)]
        return self._last_ledger[0]

    @cached_property
    def histories(self) -> Histories:
        return Histories()

    @cached_property
    def _last_ledger(self) -> list[Ledger]:
        return []

    def landing(self) -> Landing:
        """A fresh look at the landing folder and the repairs. Raises RepairsError when those cannot be used."""
        folder = self.landing_folder or self.settings.landing
        return Landing.look(folder, self.settings.home / "landing_hashes.json", load_repairs(self.settings))

    @property
    def ingested(self) -> list[Table]:
        """The tables that ingest writes from files."""
        return [table for table in self.tables.values() if table.transform is None]

    @property
    def derived(self) -> list[Table]:
        """The tables computed from other tables, upstream first."""
        return [table for table in self.tables.values() if table.transform is not None]

    def start_day(self, landing: Landing | None = None) -> dt.date | None:
        """The first day of every table: the setting, else the first landing day less the days a row may be late."""
        if self.settings.partitions.start_day:
            return self.settings.partitions.start_day
        landing = landing or self.landing()
        if landing.days is None:
            return None
        return landing.days.first - dt.timedelta(days=self.settings.ingest.late_days)

    def final_until(self, ledger: Ledger) -> dict[str, dt.date | None]:
        """By table, the last day that is final: no landing day still to come can change it. None before any file."""
        newest = max(ledger.of("file_drift").contents, default=None)
        return {name: newest and newest - dt.timedelta(days=self._reach(name)) for name in self.tables}

    def _reach(self, name: str) -> int:
        """How many days after a day the raw files can still change it, by the declared reads alone."""
        table = self.tables[name]
        if table.transform is None:
            return 0
        return max(self._reach(read.table) + read.offsets(self.settings)[1] for read in table.reads)
