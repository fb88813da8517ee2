"""GREEN, YELLOW or RED for every table on a day, and why. From the ledger, the landing folder and the check log."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field

import polars as pl

from puffy_platform.pipeline.plan import Fingerprints
from puffy_platform.pipeline.platform import Platform
from puffy_platform.pipeline.report import check_results
from puffy_platform.warehouse import Ledger

__all__ = ["GREEN", "RED", "YELLOW", "Status", "TableStatus", "status_of"]

GREEN, YELLOW, RED = "GREEN", "YELLOW", "RED"
_ORDER = (GREEN, YELLOW, RED)


@dataclass
class TableStatus:
    """One table on one day. `reasons` is empty exactly when it is GREEN."""

    table: str
    colour: str
    rows: int | None
    is_final: bool
    reasons: list[str] = field(default_factory=list)


@dataclass
class Status:
    """All tables on a day; `colour` is the worst of theirs."""

    day: dt.date
    colour: str
    tables: list[TableStatus]
    notes: list[str]


def status_of(platform: Platform, day: dt.date | None = None) -> Status | None:
    """The state of `day` (default: the newest landing day). None when nothing has ever landed.

    RED: the day is missing though its files are there, or a check of error severity failed. YELLOW: it is not
    current, no file landed for it, or a check warns. A skipped check changes no colour and is not a passed one.
    """
    landing, ledger = platform.landing(), Ledger(platform.warehouse)
    if day is None:
        if landing.days is None:
            return None
        day = landing.days.last
    prints = Fingerprints(platform, ledger, landing)
    outcomes = check_results(platform).filter(pl.col("day") == day)
    final_until = platform.final_until(ledger)
    tables = []
    for table in platform.tables.values():
        entry = ledger.get(table.name, day)
        until = final_until[table.name]
        found = TableStatus(table.name, GREEN, entry.rows if entry else None, until is not None and day <= until)
        if entry is None and (day in landing.files or table.transform is not None):
            _add(found, RED, "never computed for this day")
        elif entry is not None and entry.inputs_hash != prints.of(table, day):
            _add(found, YELLOW, "not current: its files, repairs, settings or upstream rows changed since")
        if table.transform is None and day not in landing.files:
            _add(found, YELLOW, "no file landed for this day")
        for row in outcomes.filter(
            (pl.col("table") == table.name) & pl.col("status").is_in(["fail", "warn"])
        ).iter_rows(named=True):
            colour = RED if row["status"] == "fail" else YELLOW
            _add(found, colour, f"{row['check']}: {row['observed']} (expected {row['expected']})")
        tables.append(found)
    notes = [f"{file.path.name} was left alone: {file.reason}" for file in landing.ignored]
    return Status(day, max((t.colour for t in tables), key=_ORDER.index), tables, notes)


def _add(status: TableStatus, colour: str, reason: str) -> None:
    status.colour = max(status.colour, colour, key=_ORDER.index)
    status.reasons.append(reason)
