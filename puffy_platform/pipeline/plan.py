"""Which days of which tables are not current, and why: late files, corrections, settings, contracts.

A day is current when the hash of everything it depends on equals the one in the ledger.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from enum import Enum

from puffy_platform.pipeline.landing import Landing
from puffy_platform.pipeline.platform import Platform
from puffy_platform.table import DayRange, Reads, Table, ranges
from puffy_platform.warehouse import Ledger
from puffy_platform.warehouse.ledger import HELD_BACK, Entry

NO_FILES = Landing({}, {}, ())

__all__ = ["Fingerprints", "Plan", "Reason", "affected", "changed_repairs"]


class Reason(Enum):
    """Why a day must be computed."""

    NEW = "never computed"
    UNRECORDED = "a run was cut off after writing it"
    HELD_BACK = "a check failed when it was last computed"
    DEFINITION = "its settings or its definition changed"
    FILES = "its landing files changed"
    REPAIRS = "a repair of the day was added, changed or removed"
    ROWS = "rows it reads changed"
    UPSTREAM = "an upstream day will be computed and may change"


@dataclass
class Fingerprints:
    """The hash of everything a day of a table depends on, from one ledger and one look at the landing folder.

    Only the tables that ingest writes depend on the folder: for the others none need be given.
    """

    platform: Platform
    ledger: Ledger
    landing: Landing = NO_FILES
    _definitions: dict[str, str] = field(default_factory=dict)
    # By table, what it reads and how many days before and after a day.
    _reads: dict[str, list[tuple[Reads, dt.timedelta, dt.timedelta]]] = field(default_factory=dict)
    _days: dict[str, tuple[list[dt.date], list[str]]] = field(default_factory=dict)
    _histories: dict[str, tuple[list[dt.date], list[str]]] = field(default_factory=dict)

    def of(self, table: Table, day: dt.date) -> str:
        """Stable hash over the table's definition, its settings, and the content of all days it reads.

        Of a landing day with repairs, `+` and their names and hashes follow, so that a plan can name them.
        """
        digest = hashlib.sha256(self.definition(table).encode())
        if table.transform is None:
            assert self.landing is not NO_FILES
            for name, content in self.landing.fingerprint(day):
                digest.update(f"|{name}={content}".encode())
        for read, before, after in self._reads_of(table):
            digest.update(f"|{read.table}:{self._content_read(read, day, day - before, day + after)}".encode())
        repairs = self.landing.repairs_key(day) if table.transform is None else ""
        return digest.hexdigest()[:24] + (f"+{repairs}" if repairs else "")

    def definition(self, table: Table) -> str:
        """Stable hash of the table's definition and of the settings it uses."""
        if table.name not in self._definitions:
            self._definitions[table.name] = table.definition_fingerprint(self.platform.settings)
        return self._definitions[table.name]

    def _reads_of(self, table: Table) -> list[tuple[Reads, dt.timedelta, dt.timedelta]]:
        if table.name not in self._reads:
            offsets = [(read, *read.offsets(self.platform.settings)) for read in table.reads]
            self._reads[table.name] = [
                (read, dt.timedelta(days=before), dt.timedelta(days=after)) for read, before, after in offsets
            ]
        return self._reads[table.name]

    def _content_read(self, read: Reads, day: dt.date, first: dt.date, last: dt.date) -> str:
        if read.history:
            return self._history(read.table, day)
        if read.touching:
            entries = self.ledger.of(read.table)
            touched = [(each, entries[each].content(day)) for each in DayRange(first, last) if each in entries]
            return ",".join(f"{each}={content}" for each, content in touched if content is not None)
        days, named = self._whole_days(read.table)
        return ",".join(named[bisect_left(days, first) : bisect_right(days, last)])

    def _whole_days(self, table: str) -> tuple[list[dt.date], list[str]]:
        """The days of a table that have rows, and each with what names them."""
        if table not in self._days:
            contents = self.ledger.of(table).contents
            self._days[table] = list(contents), [f"{day}={content}" for day, content in contents.items()]
        return self._days[table]

    def _history(self, table: str, day: dt.date) -> str:
        """A chained hash over all days up to this one, so that 730 days cost 730 steps and not 730 squared."""
        if table not in self._histories:
            days, named = self._whole_days(table)
            chained, last = [], ""
            for content in named:
                last = hashlib.sha256(f"{last}|{content}".encode()).hexdigest()
                chained.append(last)
            self._histories[table] = (days, chained)
        days, chained = self._histories[table]
        place = bisect_right(days, day)
        return chained[place - 1] if place else ""


@dataclass(frozen=True)
class Plan:
    """The days to compute, by table in the registry's order, each with its reason."""

    days: dict[str, dict[dt.date, Reason]]
    # By landing day, the names of the repairs that make it stale.
    repairs: dict[dt.date, tuple[str, ...]] = field(default_factory=dict)
    # Days that are rolled back, by table, with the time whose rows they hold: nothing but a person computes them.
    rolled_back: dict[str, dict[dt.date, str]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return any(self.days.values())

    def spans(self) -> Iterator[tuple[str, Reason, DayRange]]:
        """Table, reason and range, in order."""
        for table, days in self.days.items():
            for reason in Reason:
                for span in ranges(day for day, why in days.items() if why is reason):
                    yield table, reason, span

    def why(self, reason: Reason, span: DayRange) -> str:
        """The reason in words, with the names of the repairs when it is they."""
        names = sorted({name for day in span for name in self.repairs.get(day, ())}) if reason is Reason.REPAIRS else []
        return f"{reason.value}: {', '.join(names)}" if names else reason.value

    def holds(self) -> Iterator[tuple[str, str, DayRange]]:
        """Table, range and the time whose rows it holds, of the days that are rolled back and left as they are."""
        for table, days in self.rolled_back.items():
            for at in sorted(set(days.values())):
                for span in ranges(day for day, held in days.items() if held == at):
                    yield table, at, span

    def to_json(self) -> list[dict[str, str]]:
        """What would be computed and why; then what would not, with the time it is rolled back to."""
        return [
            {"table": table, "from": str(span.first), "to": str(span.last), "why": self.why(reason, span)}
            for table, reason, span in self.spans()
        ] + [
            {"table": table, "from": str(span.first), "to": str(span.last), "rolled_back_to": at}
            for table, at, span in self.holds()
        ]

    def all_days(self) -> set[dt.date]:
        """The days on which anything is to be computed."""
        return {day for days in self.days.values() for day in days}

    def hull(self) -> DayRange | None:
        """The smallest range that holds all of its days."""
        found = self.all_days()
        return DayRange(min(found), max(found)) if found else None


def affected(platform: Platform, within: DayRange, tables: Collection[str] | None = None) -> Plan:
    """What is not current among the days of `within` and all days computed before, for these tables (or all).

    Follows the declared reads: a landing day with new files, then the days that read it, table by table. The
    days marked UPSTREAM are a bound: when an upstream day comes out unchanged they are left as they are. A day that
    a check held back is expected to be so again: should it pass, the days that read it are affected by its new rows.
    """
    ledger = platform.ledger()
    prints = Fingerprints(platform, ledger, platform.landing())
    held_back = {day for name in platform.tables for day in ledger.of(name).with_inputs(HELD_BACK)}
    planned: dict[str, dict[dt.date, Reason]] = {}
    repairs: dict[dt.date, tuple[str, ...]] = {}
    rolled_back: dict[str, dict[dt.date, str]] = {}
    for table in platform.tables.values():
        if tables is not None and table.name not in tables:
            continue
        known = ledger.of(table.name)
        wanted = set(within) | set(known)
        reasons: dict[dt.date, Reason] = {}
        may_change = set()
        if wanted:
            hull = DayRange(min(wanted), max(wanted))
            may_change = _readers(platform, table, planned, hull, held_back)
        held_at = known.rolled_back()
        if held_at:
            rolled_back[table.name] = held_at
        for day in sorted(wanted - held_at.keys()):
            if day not in known:
                reasons[day] = Reason.NEW
            elif (recorded := known.inputs_hashes[day]) is None:
                reasons[day] = Reason.UNRECORDED
            elif recorded != (now := prints.of(table, day)):
                reasons[day] = _why(table, known[day], now, prints)
                if reasons[day] is Reason.REPAIRS:
                    repairs[day] = changed_repairs(recorded, now)
            elif day in may_change:
                reasons[day] = Reason.UPSTREAM
        planned[table.name] = reasons
    return Plan(planned, repairs, rolled_back)


def _why(table: Table, entry: Entry, now: str, prints: Fingerprints) -> Reason:
    if entry.inputs_hash == HELD_BACK:
        return Reason.HELD_BACK
    if entry.definition_hash != prints.definition(table):
        return Reason.DEFINITION
    if entry.inputs_hash.partition("+")[2] != now.partition("+")[2]:
        return Reason.REPAIRS
    return Reason.FILES if table.transform is None else Reason.ROWS


def changed_repairs(recorded: str, now: str) -> tuple[str, ...]:
    """The repairs that are in only one of two hashes; when just their order changed, all of them."""
    before, after = (set(hashed.partition("+")[2].split(",")) - {""} for hashed in (recorded, now))
    return tuple(sorted({repair.partition("=")[0] for repair in before ^ after or before}))


def _readers(
    platform: Platform,
    table: Table,
    planned: dict[str, dict[dt.date, Reason]],
    within: DayRange,
    held_back: Collection[dt.date],
) -> set[dt.date]:
    """The days of the table that read a planned upstream day, other than one held back."""
    days: set[dt.date] = set()
    for read in table.reads:
        for upstream_day in planned.get(read.table, {}).keys() - held_back:
            reading = read.read_by(DayRange(upstream_day, upstream_day), platform.settings, within.last).clip(within)
            days.update(reading or ())
    return days
