"""Which rows of a table differ between two moments, how much money that is, and why. No personal value leaves here."""

from __future__ import annotations

import datetime as dt
from dataclasses import asdict, dataclass
from typing import Any

import polars as pl

from puffy_platform.pipeline.causes import Causes
from puffy_platform.pipeline.chunks import chunks, rows_of
from puffy_platform.pipeline.platform import Platform
from puffy_platform.table import Table, ranges
from puffy_platform.warehouse import Ledger
from puffy_platform.warehouse.history import HistoryError, Moment, past_at

__all__ = ["DayDiff", "RowDiff", "TableDiff", "diff"]

CHANGE = pl.Enum(["changed", "removed", "added"])
HIDDEN = "(personal)"


@dataclass(frozen=True)
class DayDiff:
    """One day whose rows differ. Money is in cents, None for a table without money."""

    day: dt.date
    added: int
    removed: int
    changed: int
    money_cents_before: int | None
    money_cents_after: int | None
    runs: tuple[str, ...]
    causes: tuple[str, ...]

    @property
    def money_cents(self) -> int | None:
        """By how much the money changed."""
        if self.money_cents_before is None or self.money_cents_after is None:
            return None
        return self.money_cents_after - self.money_cents_before


@dataclass(frozen=True)
class RowDiff:
    """One row by its key; of a changed one, every column that differs with both values, personal ones without."""

    day: dt.date
    change: str
    key: dict[str, Any]
    money_cents_before: int | None
    money_cents_after: int | None
    columns: dict[str, tuple[Any, Any]]


@dataclass(frozen=True)
class TableDiff:
    """Everything that differs in a table between two moments. `rows` are at most as many as were asked for, those
    that move the most money first."""

    table: str
    before: Moment
    after: Moment
    days: tuple[DayDiff, ...]
    rows: tuple[RowDiff, ...]

    @property
    def row_count(self) -> int:
        return sum(day.added + day.removed + day.changed for day in self.days)

    @property
    def money_cents(self) -> int | None:
        """By how much the money of all days changed; None for a table without money."""
        found = [day.money_cents for day in self.days if day.money_cents is not None]
        return sum(found) if found else None

    def to_json(self) -> dict[str, object]:
        return {
            "table": self.table,
            "from": {"version": self.before.version, "at": self.before.at},
            "to": {"version": self.after.version, "at": self.after.at},
            "money_cents": self.money_cents,
            "days": [{**asdict(day), "money_cents": day.money_cents} for day in self.days],
            "rows": [asdict(row) for row in self.rows],
            "rows_left_out": self.row_count - len(self.rows),
        }


def diff(
    platform: Platform,
    table: Table,
    since: dt.datetime | int,
    until: dt.datetime | int | None = None,
    *,
    max_rows: int = 20,
) -> TableDiff:
    """Compare a table at two times or versions of the platform (`until` None: now). Raises HistoryError.

    Two rows are the same row when their keys are equal. Memory is bounded by the chunks (`run` in the settings).
    """
    before, after = past_at(platform.warehouse, since), past_at(platform.warehouse, until)
    if before.moment.version > after.moment.version:
        raise HistoryError(f"{before.moment} is later than {after.moment}: give the earlier one first")
    causes = Causes(platform, before, after)
    runs = causes.runs(table)
    days: list[DayDiff] = []
    rows: list[RowDiff] = []
    rows_by_day = rows_of(Ledger(platform.warehouse), table)
    for span in ranges(causes.changed_days(table.name)):
        for chunk in chunks(span, rows_by_day, platform.settings.run):
            old, new = (past.read(table, chunk).collect() for past in (before, after))
            found = _compare(table, old, new)
            for row in _by_day(table, found, old, new).iter_rows(named=True):
                day = row["day"]
                days.append(DayDiff(**row, runs=runs.get(day, ()), causes=causes.of(table, day)))
            rows += _rows(table, found, old, new, max_rows)
    rows.sort(key=lambda row: (-abs((row.money_cents_after or 0) - (row.money_cents_before or 0)), row.day))
    return TableDiff(table.name, before.moment, after.moment, tuple(days), tuple(rows[:max_rows]))


def _key(table: Table) -> list[str]:
    return list(dict.fromkeys(("day", *table.key)))


def _compare(table: Table, old: pl.DataFrame, new: pl.DataFrame) -> pl.DataFrame:
    """One row for every row that differs: its key, the kind of change, the money before and after."""
    money = pl.col(table.money) if table.money else pl.lit(None, pl.Int64)
    there = [
        rows.select(*_key(table), money.alias(f"money_{name}"), row=rows.hash_rows(seed=1)).rename({"row": name})
        for name, rows in (("old", old), ("new", new))
    ]
    change = (
        pl.when(pl.col("old").is_null())
        .then(pl.lit("added"))
        .when(pl.col("new").is_null())
        .then(pl.lit("removed"))
        .otherwise(pl.lit("changed"))
    )
    return (
        there[0]
        .join(there[1], on=_key(table), how="full", coalesce=True, nulls_equal=True)
        .filter(pl.col("old").ne_missing(pl.col("new")))
        .select(*_key(table), "money_old", "money_new", change=change.cast(CHANGE))
    )


def _by_day(table: Table, found: pl.DataFrame, old: pl.DataFrame, new: pl.DataFrame) -> pl.DataFrame:
    counts = found.group_by("day").agg((pl.col("change") == name).sum().alias(name) for name in CHANGE.categories)
    for name, rows in (("money_cents_before", old), ("money_cents_after", new)):
        if table.money:
            money = rows.group_by("day").agg(pl.col(table.money).sum().alias(name))
            counts = counts.join(money, on="day", how="left").with_columns(pl.col(name).fill_null(0))
        else:
            counts = counts.with_columns(pl.lit(None, pl.Int64).alias(name))
    return counts.sort("day")


def _rows(table: Table, found: pl.DataFrame, old: pl.DataFrame, new: pl.DataFrame, most: int) -> list[RowDiff]:
    """The rows that move the most money, with what differs in them."""
    moved = (pl.col("money_new").fill_null(0) - pl.col("money_old").fill_null(0)).abs()
    chosen = found.sort(moved, "day", "change", *table.key, descending=[True, False, False, *[False] * len(table.key)])
    chosen, key = chosen.head(most), _key(table)
    versions = [
        chosen.select(key).join(rows, on=key, how="left", nulls_equal=True, maintain_order="left")
        for rows in (old, new)
    ]
    personal = {*table.columns_tagged("pii"), *table.columns_tagged("identity")}
    pairs = zip(chosen.iter_rows(named=True), *(rows.iter_rows(named=True) for rows in versions), strict=True)
    return [
        RowDiff(
            day=row["day"],
            change=row["change"],
            key={name: HIDDEN if name in personal else row[name] for name in key if name != "day"},
            money_cents_before=row["money_old"],
            money_cents_after=row["money_new"],
            columns={
                name: (HIDDEN, HIDDEN) if name in personal else (before[name], after[name])
                for name in before
                if row["change"] == "changed" and before[name] != after[name]
            },
        )
        for row, before, after in pairs
    ]
