"""All tables as they were together at one moment: the ledger at one of its versions, and the rows its facts speak of.

A version of the platform is a version of the ledger. Rows that were written by then and not yet recorded do not count:
the day still had its old rows, as far as anyone could know.
"""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Collection
from dataclasses import dataclass, field
from itertools import accumulate

import polars as pl
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from puffy_platform.table import DayRange, Table, ranges
from puffy_platform.warehouse.ledger import NAME, ROLLED_BACK, SCHEMA, Entry, entry_of
from puffy_platform.warehouse.store import Warehouse, stored_days

__all__ = ["HistoryError", "Moment", "Past", "moment_at", "moments", "past_at"]


class HistoryError(ValueError):
    """The past asked for cannot be read; the message says how far back one can go."""


@dataclass(frozen=True)
class Moment:
    """One version of the platform: when it was recorded (UTC), by which run, of which tables and days.

    Maintenance of the ledger itself makes versions too; they have no tables.
    """

    version: int
    at: dt.datetime
    run_id: str = ""
    tables: tuple[str, ...] = ()
    days: DayRange | None = None

    def to_json(self) -> dict[str, object]:
        return {
            "version": self.version,
            "at": self.at.isoformat(),
            "run_id": self.run_id,
            "tables": list(self.tables),
            "days": None if self.days is None else {"from": str(self.days.first), "to": str(self.days.last)},
        }

    def __str__(self) -> str:
        return f"version {self.version} of {self.at:%Y-%m-%d %H:%M:%S} UTC"


def moments(warehouse: Warehouse) -> list[Moment]:
    """Every version of the platform that is still kept, oldest first.

    Clocks of several machines may disagree: a version is never earlier than the one before it.
    """
    ledger = warehouse.open(NAME)
    if ledger is None:
        return []
    commits = sorted(ledger.history(), key=lambda commit: commit["version"])
    times = accumulate((commit.get("timestamp", 0) for commit in commits), max)
    return [
        Moment(
            version=commit["version"],
            at=dt.datetime.fromtimestamp(milliseconds / 1000, dt.UTC),
            run_id=commit.get("puffy.run", ""),
            tables=tuple(commit["puffy.tables"].split(", ")) if "puffy.tables" in commit else (),
            days=DayRange.parse(commit["puffy.days"]) if "puffy.days" in commit else None,
        )
        for commit, milliseconds in zip(commits, times, strict=True)
    ]


def moment_at(warehouse: Warehouse, when: dt.datetime | int | None = None) -> Moment:
    """The version of this number, the last one recorded by this time, or the newest. Raises HistoryError."""
    known = moments(warehouse)
    if len(known) < 2 and (not known or known[0].version == 0):
        raise HistoryError("nothing has been recorded yet: there is no past to look at")
    if when is None:
        return known[-1]
    # Version 0 is the empty ledger, before anything was recorded.
    first = known[1] if known[0].version == 0 else known[0]
    is_all = known[0].version == 0
    if isinstance(when, int):
        found = [moment for moment in known if moment.version == when and moment.version >= first.version]
        reach = f"there are versions {first.version} to {known[-1].version}"
    else:
        found = [moment for moment in known if first.at <= moment.at <= when and moment.version >= first.version]
        reach = f"the first version was recorded at {_minute(first.at)} UTC"
    if not found:
        asked = f"version {when}" if isinstance(when, int) else f"{_minute(when)} UTC"
        gone = "" if is_all else "; older ones were removed by `puffy maintain` (maintain.retain_days)"
        raise HistoryError(f"there is nothing as of {asked}: {reach}{gone}")
    return found[-1]


def _minute(at: dt.datetime) -> str:
    return f"{at.astimezone(dt.UTC):%Y-%m-%d %H:%M}"


def past_at(warehouse: Warehouse, when: dt.datetime | int | None = None) -> Past:
    """All tables as of a time, a version, or the newest version. Raises HistoryError."""
    moment = moment_at(warehouse, when)
    try:
        ledger = DeltaTable(warehouse.uri(NAME), moment.version, storage_options=dict(warehouse.storage_options))
        facts = pl.scan_delta(ledger).select(list(SCHEMA)).collect()
    except (DeltaError, OSError):
        raise HistoryError(_no_longer_kept(f"the ledger of {moment}")) from None
    return Past(warehouse, moment, facts)


def _no_longer_kept(what: str) -> str:
    return f"{what} is no longer kept: `puffy maintain` removes what only times before maintain.retain_days need"


@dataclass
class Past:
    """The tables as of one moment. `facts` is everything recorded up to it."""

    warehouse: Warehouse
    moment: Moment
    facts: pl.DataFrame
    _entries: dict[str, dict[dt.date, Entry]] = field(init=False, default_factory=dict)
    _snapshots: dict[str, list[tuple[DeltaTable, list[dt.date]]]] = field(init=False, default_factory=dict)

    def of(self, table: str) -> dict[dt.date, Entry]:
        """What was recorded of each day of a table: of two facts the one about the later commit."""
        if table not in self._entries:
            newest = (
                self.facts.filter(pl.col("table") == table)
                .sort("version", "recorded_at", maintain_order=True)
                .unique("day", keep="last", maintain_order=True)
                .sort("day")
            )
            self._entries[table] = {row["day"]: entry_of(row) for row in newest.iter_rows(named=True)}
        return self._entries[table]

    def get(self, table: str, day: dt.date) -> Entry | None:
        return self.of(table).get(day)

    def until(self, recorded_at: dt.datetime | None) -> Past:
        """The same at an earlier time: what had been recorded by then."""
        facts = self.facts if recorded_at is None else self.facts.filter(pl.col("recorded_at") <= recorded_at)
        return self if facts.height == self.facts.height else Past(self.warehouse, self.moment, facts)

    def without_rollbacks(self) -> Past:
        """The same, as if no day had ever been rolled back."""
        return Past(self.warehouse, self.moment, self.facts.filter(~pl.col("inputs_hash").str.starts_with(ROLLED_BACK)))

    def read(self, table: Table, days: Collection[dt.date] | None = None) -> pl.LazyFrame:
        """The rows the table had then, of these days or of all; columns it did not have yet are null."""
        found = [
            self.warehouse.read_snapshot(snapshot, table).filter(
                pl.any_horizontal(span.covers() for span in ranges(wanted))
            )
            for snapshot, there in self._pieces(table.name)
            if (wanted := [day for day in there if days is None or day in days])
        ]
        return pl.concat(found) if found else table.empty().lazy()

    def files(self, name: str) -> list[str]:
        """The data files that held the rows of a table then."""
        return [file for snapshot, days in self._pieces(name) for file in _files_of(snapshot, days)]

    def columns(self, name: str) -> set[str]:
        """The columns those files may have."""
        return {column.name for snapshot, _ in self._pieces(name) for column in snapshot.schema().fields}

    def _pieces(self, name: str) -> list[tuple[DeltaTable, list[dt.date]]]:
        """Snapshots, each with the days to be read from it. As a rule it is one: that of the last recorded commit.
        Only a day that another process had written by then, and not yet recorded, is read from an older one."""
        if name not in self._snapshots:
            entries = {day: entry for day, entry in self.of(name).items() if entry.rows}
            pieces: list[tuple[DeltaTable, list[dt.date]]] = []
            missing = set(entries)
            while missing:
                snapshot = self._open(name, max(entries[day].version for day in missing))
                stored = stored_days(snapshot)
                there = [day for day in sorted(missing) if day in stored and stored[day].files == entries[day].files]
                if not there:
                    raise HistoryError(_no_longer_kept(f"{name} {min(missing)} as of {self.moment}"))
                pieces.append((snapshot, there))
                missing -= set(there)
            self._refuse_missing_files(name, pieces)
            self._snapshots[name] = pieces
        return self._snapshots[name]

    def _open(self, name: str, version: int) -> DeltaTable:
        options = dict(self.warehouse.storage_options)
        try:
            return DeltaTable(self.warehouse.uri(name), version, storage_options=options)
        except DeltaError:
            raise HistoryError(_no_longer_kept(f"{name} as of {self.moment}")) from None

    def _refuse_missing_files(self, name: str, pieces: list[tuple[DeltaTable, list[dt.date]]]) -> None:
        """A vacuum removes files; better one clear sentence now than a half-read table later."""
        if "://" in self.warehouse.root:
            return  # there a missing file is an error of the store's own when it is read
        for snapshot, days in pieces:
            if not all(os.path.exists(file) for file in _files_of(snapshot, days)):
                raise HistoryError(_no_longer_kept(f"{name} as of {self.moment}"))


def _files_of(snapshot: DeltaTable, days: Collection[dt.date]) -> list[str]:
    return snapshot.file_uris(file_pruning_predicate=[("day", "in", [str(day) for day in days])])
