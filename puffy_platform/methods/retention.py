"""Retention: of the members who came first on some day, how many came on, in, or after a later one.

Pure. Who is a member and what is coming, the caller decides. Definitions, with an example by hand:
docs/methods/retention.md. The table `cohorts` holds the calendar days, weeks and months of all members, kept daily.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import polars as pl

from puffy_platform.methods.proportions import share, wilson_interval

__all__ = ["ALL", "Clock", "Cohort", "Mark", "RetentionError", "read_marks", "retention"]

Clock = Literal["calendar", "rolling"]
Cohort = Literal["day", "week", "month"]
MOST_MARKS = 12
LATEST_DAY = 3_660
# The cohort of the rows over all members.
ALL = "all"
LENGTHS = {"day": "1d", "week": "1w", "month": "1mo"}
MICROSECONDS_A_DAY = 86_400_000_000
UTC_TIME = pl.Datetime("us", "UTC")


class RetentionError(ValueError):
    """The question cannot be asked; the message says what is wrong and how it can be said."""


@dataclass(frozen=True)
class Mark:
    """The days after the first one in which a member must come to be retained: from `first` to `last`, both included;
    without `last` on any day from `first` on. Day 0 is the first one itself."""

    first: int
    last: int | None

    def __post_init__(self) -> None:
        if not 0 <= self.first <= (self.first if self.last is None else self.last) <= LATEST_DAY:
            raise RetentionError(f"days run upwards from 0 to {LATEST_DAY}: {self}")

    def __str__(self) -> str:
        if self.last is None:
            return f"{self.first}+"
        return f"{self.first}" if self.first == self.last else f"{self.first}-{self.last}"

    @property
    def must_be_over(self) -> int:
        """The day that a member must have lived through to be in the denominator: the last one; of an open end the
        first."""
        return self.first if self.last is None else self.last


def read_marks(text: str) -> tuple[Mark, ...]:
    """Marks with commas between: `7` (on day 7), `1-7` (on any of days 1 to 7), `7+` (on day 7 or after).

    Raises RetentionError.
    """
    parts = [part.strip() for part in text.split(",")]
    if len(parts) > MOST_MARKS:
        raise RetentionError(f"at most {MOST_MARKS} marks at once, not {len(parts)}")
    return tuple(dict.fromkeys(map(_read_mark, parts)))


def _read_mark(part: str) -> Mark:
    found = re.fullmatch(r"(\d{1,4})(?:\s*-\s*(\d{1,4})|(\+))?", part)
    if not found:
        raise RetentionError(f"{part!r}: write 7 for on day 7, 1-7 for on any of days 1 to 7, 7+ for on day 7 or after")
    first = int(found[1])
    return Mark(first, None if found[3] else int(found[2] or first))


def retention(
    births: pl.LazyFrame,
    activity: pl.LazyFrame,
    marks: Sequence[Mark],
    last_day: dt.date,
    clock: Clock = "calendar",
    cohort: Cohort | None = "week",
) -> pl.DataFrame:
    """For each cohort (of the first UTC day, its week from Monday, or its month) and over all, a row a mark.

    `births` has a row a member: member, born_at; `activity` at least all times since at which members of them came:
    member, at. Nothing is known after `last_day`.

    The days after the first are UTC dates (`calendar`: day 1 is the next date), or periods of 24 hours since born_at
    (`rolling`: day 1 begins 24 hours after). A member whose last day of the mark (of an open end: the first) was not
    over by the end of `last_day` is not in its denominator. So members of one cohort drop out of the later marks, and
    every rate is of people who had the time.

    Columns: cohort (ISO date of its first day, or ALL); mark; members, born in the cohort; reached, those of them who
    had the time; retained; retention = retained / reached with its 95 % Wilson interval low, high, null when nobody
    reached it.
    """
    members = _members(births, activity, marks, last_day, clock)
    return pl.concat(
        [
            *(_rows(members, mark, cohort) for mark in marks if cohort is not None),
            *(_rows(members, mark, None) for mark in marks),
        ]
    )


def _members(
    births: pl.LazyFrame, activity: pl.LazyFrame, marks: Sequence[Mark], last_day: dt.date, clock: Clock
) -> pl.DataFrame:
    """A row a member: born_on, and for each mark two flags: had the time, and came."""
    born, at, end = pl.col("born_at"), pl.col("at"), pl.lit(last_day + dt.timedelta(days=1)).cast(UTC_TIME)
    if clock == "calendar":
        days, lived = (
            _whole_days(at.dt.truncate("1d") - born.dt.truncate("1d")),
            _whole_days(end - born.dt.truncate("1d")),
        )
    else:
        days, lived = _whole_days(at - born), _whole_days(end - born)
    came = (
        activity.join(births, on="member")
        .with_columns(day=days)
        .group_by("member")
        .agg(_is_in(mark, pl.col("day")).any().alias(f"came {mark}") for mark in marks)
    )
    return (
        births.join(came, on="member", how="left")
        .select(
            *((lived > mark.must_be_over).alias(f"reached {mark}") for mark in marks),
            pl.col([f"came {mark}" for mark in marks]).fill_null(False),
            born_on=born.dt.date(),
        )
        .collect()
    )


def _whole_days(time: pl.Expr) -> pl.Expr:
    """Rounded down, of negative times as well."""
    return time.dt.total_microseconds() // MICROSECONDS_A_DAY


def _is_in(mark: Mark, day: pl.Expr) -> pl.Expr:
    return day >= mark.first if mark.last is None else day.is_between(mark.first, mark.last)


def _rows(members: pl.DataFrame, mark: Mark, cohort: Cohort | None) -> pl.DataFrame:
    """A mark's row for each cohort in order, or for all members."""
    first_day = pl.lit(ALL) if cohort is None else pl.col("born_on").dt.truncate(LENGTHS[cohort]).cast(pl.String)
    reached = pl.col(f"reached {mark}")
    low, high = wilson_interval("retained", "reached")
    return (
        members.with_columns(cohort=first_day)
        .group_by("cohort")
        .agg(
            mark=pl.lit(str(mark)),
            members=pl.len().cast(pl.Int64),
            reached=reached.sum().cast(pl.Int64),
            retained=(reached & pl.col(f"came {mark}")).sum().cast(pl.Int64),
        )
        .sort("cohort")
        .with_columns(retention=share("retained", "reached"), low=low, high=high)
    )
