"""GREEN, YELLOW or RED for every table on a day, and why. From the ledger, the landing folder and the check log."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import polars as pl

from puffy_platform.outcomes import check_names
from puffy_platform.pipeline.plan import Fingerprints
from puffy_platform.pipeline.platform import Platform
from puffy_platform.pipeline.report import check_results
from puffy_platform.pipeline.running import running_sentences
from puffy_platform.table import DayRange, Table
from puffy_platform.warehouse.ledger import HELD_BACK, Entry

__all__ = ["GREEN", "RED", "YELLOW", "Status", "TableStatus", "days_that_read", "declared", "status_of"]

GREEN, YELLOW, RED = "GREEN", "YELLOW", "RED"
_ORDER = (GREEN, YELLOW, RED)
HELD_BACK_SHOWN = 3


@dataclass
class TableStatus:
    """One table on one day. `reasons` is empty exactly when it is GREEN; a day that was never computed is not final."""

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

    RED: the day is missing though its files are there, or a check of error severity failed: its rows were held back.
    YELLOW: it is not current, is rolled back, rests on a day that was held back or rolled back, no file landed for it,
    or a check of severity warn has something to say, an anomaly for example: the rows are there and as computed. A
    skipped check, or one without enough history, changes no colour and is not a passed one.
    """
    landing, ledger = platform.landing(), platform.ledger()
    if day is None:
        if landing.days is None:
            return None
        day = landing.days.last
    prints = Fingerprints(platform, ledger, landing)
    outcomes = declared(platform, check_results(platform).filter(pl.col("status").is_in(["fail", "warn"])))
    held_back = outcomes.filter(pl.col("status") == "fail", pl.col("severity") == "error")
    failed = held_back.select("table", "day").unique().sort("day", "table")
    rolled_back = sorted(((each.table, each.day) for each in ledger if each.rolled_back_to), key=lambda root: root[1])
    doubts = _doubts(platform, failed.iter_rows(), day, "rests on what a check held back")
    holds = _doubts(platform, rolled_back, day, "rests on rows that are rolled back")
    final_until = platform.final_until(ledger)
    tables = []
    for table in platform.tables.values():
        entry, until = _computed(ledger.get(table.name, day)), final_until[table.name]
        is_final = entry is not None and until is not None and day <= until
        found = TableStatus(table.name, GREEN, entry.rows if entry else None, is_final)
        for row in outcomes.filter(table=table.name, day=day).iter_rows(named=True):
            colour = RED if row["status"] == "fail" and row["severity"] == "error" else YELLOW
            _add(found, colour, f"{row['check']}: {row['observed']} (expected {row['expected']})")
        if entry is not None and entry.rolled_back_to is not None:
            _add(found, YELLOW, _rolled_back(entry))
        elif table.transform is None and day not in landing.files:
            _add(found, YELLOW, "no file landed for this day")
        elif entry is None:
            _add(found, RED, "never computed for this day")
        elif entry.inputs_hash != prints.of(table, day):
            _add(found, YELLOW, _out_of_date(entry))
        for rests_on in (doubts, holds):
            if table.name in rests_on:
                _add(found, YELLOW, rests_on[table.name])
        tables.append(found)
    notes = [f"{file.path.name} was left alone: {file.reason}" for file in landing.ignored]
    notes += running_sentences(platform)
    return Status(day, max((t.colour for t in tables), key=_ORDER.index), tables, notes)


def _add(status: TableStatus, colour: str, reason: str) -> None:
    status.colour = max(status.colour, colour, key=_ORDER.index)
    status.reasons.append(reason)


def _computed(entry: Entry | None) -> Entry | None:
    """The entry, unless it says that the day was held back and never had rows before."""
    return None if entry is not None and entry.inputs_hash == HELD_BACK and not entry.version else entry


def _out_of_date(entry: Entry) -> str:
    if entry.inputs_hash == HELD_BACK:
        return "these are the old rows: a failed check held the new ones back"
    return "not current: its files, repairs, settings or upstream rows changed since"


def _rolled_back(entry: Entry) -> str:
    return (
        f"rolled back: it holds its rows of {entry.rolled_back_to}, whatever its files and settings say now; "
        f"`puffy rollback {entry.table} --undo` ends that"
    )


def declared(platform: Platform, outcomes: pl.DataFrame) -> pl.DataFrame:
    """Without the outcomes of checks that no longer exist: nothing will ever judge those again."""
    names = [(table.name, check) for table in platform.tables.values() for check in check_names(table)]
    return outcomes.join(
        pl.DataFrame(names, schema=["table", "check"], orient="row"), on=["table", "check"], how="semi"
    )


def _doubts(platform: Platform, doubtful: Iterable[tuple[str, dt.date]], day: dt.date, words: str) -> dict[str, str]:
    """By table, the doubtful days of other tables that `day` rests on, directly or through others, in words."""
    roots: dict[str, list[str]] = {}
    for name, held_back in doubtful:
        reached = {name: DayRange(held_back, held_back)}
        for table in platform.derived:
            reading = days_that_read(platform, table, reached, max(day, held_back))
            if reading is not None and table.name != name:
                reached[table.name] = reading
        for reader in reached.keys() - {name}:
            if day in reached[reader]:
                roots.setdefault(reader, []).append(f"{name} {held_back}")
    return {table: f"{words}: {_some(found)}" for table, found in roots.items()}


def days_that_read(platform: Platform, table: Table, reached: Mapping[str, DayRange], end: dt.date) -> DayRange | None:
    """The days of the table that read any of the days reached so far, `end` being the last day there is."""
    found = [read.read_by(reached[read.table], platform.settings, end) for read in table.reads if read.table in reached]
    return DayRange(min(days.first for days in found), max(days.last for days in found)) if found else None


def _some(names: list[str]) -> str:
    more = len(names) - HELD_BACK_SHOWN
    return ", ".join(names[:HELD_BACK_SHOWN]) + (f" and {more} more" if more > 0 else "")
