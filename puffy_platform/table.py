"""The one concept: a `Table` says what is true of one table and knows no orchestrator and no storage.

Assets, partition mappings, checks, catalog, affected days and the generic tests are derived from it.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import polars as pl

from puffy_platform.settings import Settings

if TYPE_CHECKING:
    from pandera.polars import DataFrameModel

__all__ = ["Check", "DayRange", "Inputs", "Reads", "Table", "count_broken", "ranges", "share_within"]

Inputs = Mapping[str, pl.LazyFrame]
Severity = Literal["error", "warn"]
Offset = int | Callable[[Settings], int]


@dataclass(frozen=True, order=True)
class DayRange:
    """The days first..last, both included."""

    first: dt.date
    last: dt.date

    def __iter__(self) -> Iterator[dt.date]:
        return (self.first + dt.timedelta(days=n) for n in range(len(self)))

    def __len__(self) -> int:
        return (self.last - self.first).days + 1

    def __contains__(self, day: object) -> bool:
        return isinstance(day, dt.date) and self.first <= day <= self.last

    def __str__(self) -> str:
        return str(self.first) if self.first == self.last else f"{self.first}..{self.last}"

    @classmethod
    def parse(cls, text: str) -> DayRange:
        """The range whose `str` this is."""
        first, _, last = text.partition("..")
        return cls(dt.date.fromisoformat(first), dt.date.fromisoformat(last or first))

    def widen(self, before: int = 0, after: int = 0) -> DayRange:
        return DayRange(self.first - dt.timedelta(days=before), self.last + dt.timedelta(days=after))

    def clip(self, to: DayRange) -> DayRange | None:
        """The part inside `to`, or None when there is none."""
        first, last = max(self.first, to.first), min(self.last, to.last)
        return DayRange(first, last) if first <= last else None

    def chunks(self, days: int) -> Iterator[DayRange]:
        for start in range(0, len(self), days):
            first = self.first + dt.timedelta(days=start)
            yield DayRange(first, min(self.last, first + dt.timedelta(days=days - 1)))

    def covers(self, column: str | pl.Expr = "day") -> pl.Expr:
        """A filter: the column's date is inside this range."""
        column = pl.col(column) if isinstance(column, str) else column
        return column.is_between(pl.lit(self.first), pl.lit(self.last))

    def frame(self) -> pl.LazyFrame:
        """One column `day`, a row a day."""
        return pl.LazyFrame({"day": list(self)}, schema={"day": pl.Date})


def ranges(days: Iterable[dt.date]) -> list[DayRange]:
    """The fewest ranges that hold exactly these days, in order."""
    found: list[DayRange] = []
    for day in sorted(set(days)):
        if found and day - found[-1].last == dt.timedelta(days=1):
            found[-1] = DayRange(found[-1].first, day)
        else:
            found.append(DayRange(day, day))
    return found


@dataclass(frozen=True)
class Reads:
    """Which days of an upstream table one day needs.

    `before` and `after` are whole days, fixed or from the settings; `history` means all days up to and
    including the day. With `touching`, only rows whose date in that column is the day itself are read
    (`events_enriched` reads the landing days around a day, and of those the rows of that event day). `sparse` says that
    the transform looks at few of the window's days or rows, by a filter: the others are then not read from disk.
    With `sharing`, only rows are read whose value in that column, never null, a row of the days themselves has too: no
    other row of history can matter to them (`identities` reads the links of the clients that were linked on the day).
    """

    table: str
    before: Offset = 0
    after: Offset = 0
    history: bool = False
    touching: str | None = None
    columns: tuple[str, ...] | None = None
    sparse: bool = False
    sharing: str | None = None

    def offsets(self, settings: Settings) -> tuple[int, int]:
        """How many days are read before the day, and how many after it; the days of `history` are not counted."""
        before, after = (each if isinstance(each, int) else each(settings) for each in (self.before, self.after))
        return before, after

    def window(self, days: DayRange, settings: Settings, start: dt.date) -> DayRange:
        """The upstream days that `days` read; `start` is the first day of every table."""
        if self.history:
            return DayRange(min(start, days.first), days.last)
        return days.widen(*self.offsets(settings))

    def read_by(self, days: DayRange, settings: Settings, end: dt.date) -> DayRange:
        """The days that read any of `days`: the inverse of `window`; `end` is the last day there is."""
        if self.history:
            return DayRange(days.first, max(end, days.last))
        before, after = self.offsets(settings)
        return days.widen(before=after, after=before)


@dataclass(frozen=True)
class Check:
    """A statement about each day of a table, computed from frames in hand.

    `measure(frame, inputs, days, settings)` gets the computed rows (eager, all days of the range), the table's
    inputs, the range and the settings, and returns one row a day: `day` (Date), `passed` (Boolean; null = could
    not be judged), `observed` and `expected` (String, no personal values). A day of the range that it does not
    return is reported as skipped, never as passed; other days it may leave out, though the inputs hold them. Severity
    `error` stops the day from being written; `warn` reports. With a column `status` (String) it names the status
    itself, for example `not enough history`; null leaves it to `passed`.
    """

    name: str
    description: str
    measure: Callable[[pl.DataFrame, Inputs, DayRange, Settings], pl.DataFrame]
    severity: Severity = "error"


def count_broken(rows: pl.DataFrame, is_broken: pl.Expr, observed: str, expected: str) -> pl.DataFrame:
    """What `Check.measure` returns of a rule that each row keeps or breaks: a day passes when none of its rows breaks
    it. `observed` holds the place of their number: "{} sessions end before they start"."""
    return (
        rows.select("day", broken=is_broken)
        .group_by("day")
        .agg(pl.col("broken").sum())
        .select(
            "day",
            passed=pl.col("broken") == 0,
            observed=pl.format(observed, "broken"),
            expected=pl.lit(expected),
        )
    )


def share_within(rows: pl.DataFrame, is_counted: pl.Expr, limit: float) -> pl.DataFrame:
    """The same of a rule that some rows may break: a day passes when at most `limit` of its rows (0 to 1) do."""
    share = pl.col("share")
    return (
        rows.select("day", share=is_counted)
        .group_by("day")
        .agg(share.mean())
        .select(
            "day",
            passed=share <= limit,
            observed=pl.format("{}%", (share * 100).round(2)),
            expected=pl.lit(f"at most {limit:.2%}"),
        )
    )


@dataclass(frozen=True)
class Table:
    """One table: what it holds, for whom, from what, and how it is computed and checked.

    Invariant: for any days, in any order or chunking, the union of `transform` over them equals `transform`
    over all days at once. It holds when the transform depends only on the declared windows.

    `transform(inputs, days, settings)` is pure. Each input holds the union of the windows of all `days` (days
    outside the data are simply absent); the result must hold all rows whose `day` is in `days`, and may hold
    others, which are dropped. `settings_sections` names all that it may use of the settings.
    """

    name: str
    description: str
    owner: str
    group: str
    contract: type[DataFrameModel]
    key: tuple[str, ...]
    reads: tuple[Reads, ...] = ()
    transform: Callable[[Inputs, DayRange, Settings], pl.LazyFrame] | None = None
    together: str | None = None
    settings_sections: tuple[str, ...] = ()
    checks: tuple[Check, ...] = ()
    sort: tuple[str, ...] = ()
    hash_by: str | None = None
    money: str | None = None
    version: int = 1
    lineage: Mapping[str, tuple[tuple[str, str], ...]] = field(default_factory=dict)

    @cached_property
    def schema(self) -> dict[str, pl.DataType]:
        """Column names and Polars types, in the contract's order."""
        return {name: column.dtype.type for name, column in self.contract.to_schema().columns.items()}

    def columns_tagged(self, tag: str) -> list[str]:
        """The columns whose contract metadata lists the tag (`pii`, `identity`)."""
        columns = self.contract.to_schema().columns
        return [name for name, column in columns.items() if tag in (column.metadata or {}).get("tags", ())]

    def describe(self) -> list[dict[str, Any]]:
        """Name, type, description, nullability and tags of every column."""
        return [
            {
                "name": name,
                "type": str(column.dtype.type).replace("Datetime(time_unit='us', time_zone='UTC')", "Datetime, UTC"),
                "description": column.description or "",
                "nullable": column.nullable,
                "tags": list((column.metadata or {}).get("tags", ())),
            }
            for name, column in self.contract.to_schema().columns.items()
        ]

    def definition(self, settings: Settings) -> dict[str, Any]:
        """What `definition_fingerprint` is the hash of, to be read by people: how two definitions differ."""
        return {
            "version": self.version,
            "columns": {name: str(dtype) for name, dtype in self.schema.items()},
            "reads": {r.table: "all days" if r.history else list(r.offsets(settings)) for r in self.reads},
            "settings": settings.values_of(self.settings_sections),
            "settings_fingerprint": settings.fingerprint(self.settings_sections),
        }

    def definition_fingerprint(self, settings: Settings) -> str:
        """Stable hash of what the rows depend on beside the inputs: version, columns, reads and settings."""
        parts = [
            self.version,
            [(name, str(dtype)) for name, dtype in self.schema.items()],
            [(r.table, *r.offsets(settings), r.history, r.touching) for r in self.reads],
            settings.fingerprint(self.settings_sections),
        ]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]

    def empty(self) -> pl.DataFrame:
        return pl.DataFrame(schema=self.schema)
