"""Freshness: is the day that was promised there, whole, and on time? Told apart: late, missing, delivered in half.

A promise is about one day of one table, by a deadline in the shop's time zone, so a backfill of old days makes nothing
look fresh. The moment is an argument; whoever calls knows the clock.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, Protocol
from zoneinfo import ZoneInfo

__all__ = ["Delivery", "Freshness", "State", "deadline_of", "freshness", "newest_promised_day"]

State = Literal["fresh", "not due", "late", "missing", "half delivered", "came late"]


class Promise(Protocol):
    """The settings section `freshness`."""

    @property
    def deadline(self) -> dt.time: ...
    @property
    def missing_after_hours(self) -> int: ...
    @property
    def half_delivered_share(self) -> float: ...


@dataclass(frozen=True)
class Delivery:
    """What is there of one day of a table. `expected_rows` is what earlier days let expect (None: not known yet);
    `newest` the time of its newest event; `arrived` when it was last written; `empty_hours` UTC hours without events.
    """

    table: str
    day: dt.date
    rows: int
    expected_rows: float | None = None
    newest: dt.datetime | None = None
    arrived: dt.datetime | None = None
    empty_hours: tuple[int, ...] = ()


@dataclass(frozen=True)
class Freshness:
    """The verdict on one day of a table. `is_good` when there is nothing to say; `due` is the deadline."""

    table: str
    day: dt.date
    state: State
    due: dt.datetime
    explanation: str

    @property
    def is_good(self) -> bool:
        return self.state in ("fresh", "not due")


def deadline_of(day: dt.date, promise: Promise, time_zone: str) -> dt.datetime:
    """When `day` (a UTC date) must be there: at the deadline, local time, of the first local day on which it is over.

    A local time that does not exist (clocks go forward) is the moment after; of one that exists twice, the first.
    """
    over = dt.datetime.combine(day + dt.timedelta(days=1), dt.time(), dt.UTC)
    local_day = over.astimezone(ZoneInfo(time_zone)).date()
    due = dt.datetime.combine(local_day, promise.deadline, ZoneInfo(time_zone)).astimezone(dt.UTC)
    return due if due >= over else due + dt.timedelta(days=1)


def newest_promised_day(now: dt.datetime, promise: Promise, time_zone: str) -> dt.date:
    """The last day whose deadline is over at this moment."""
    day = now.astimezone(dt.UTC).date()
    while deadline_of(day, promise, time_zone) > now:
        day -= dt.timedelta(days=1)
    return day


def freshness(
    tables: Iterable[str],
    deliveries: Iterable[Delivery],
    now: dt.datetime,
    promise: Promise,
    time_zone: str,
    day: dt.date | None = None,
) -> list[Freshness]:
    """One verdict a table on `day`, by default the newest day promised by now.

    - not due: the deadline is still to come and the day is not there;
    - late: the deadline is over and the day is not there; missing: for more than `missing_after_hours`;
    - half delivered: it is there with far fewer rows than usual, or with hours without any event;
    - came late: it is whole, but was not there at the deadline;
    - fresh: it is whole and was there in time.

    `now` must know its zone. Raises ValueError when it does not.
    """
    if now.tzinfo is None:
        raise ValueError("now must carry its time zone")
    day = newest_promised_day(now, promise, time_zone) if day is None else day
    due = deadline_of(day, promise, time_zone)
    there = {delivery.table: delivery for delivery in deliveries if delivery.day == day and delivery.rows > 0}
    return [_verdict(table, day, there.get(table), now, due, promise) for table in tables]


def _verdict(
    table: str, day: dt.date, delivery: Delivery | None, now: dt.datetime, due: dt.datetime, promise: Promise
) -> Freshness:
    if delivery is None:
        if now < due:
            return Freshness(table, day, "not due", due, f"{day} is promised by {due:%Y-%m-%d %H:%M} UTC")
        hours = (now - due).total_seconds() / 3600
        state: State = "missing" if hours > promise.missing_after_hours else "late"
        return Freshness(table, day, state, due, f"{day} is not there, {hours:.0f} hours after its deadline")
    reasons = _gaps(delivery, promise)
    if reasons:
        return Freshness(table, day, "half delivered", due, f"{day} is there with {' and '.join(reasons)}")
    if delivery.arrived is not None and delivery.arrived > due:
        hours = (delivery.arrived - due).total_seconds() / 3600
        return Freshness(table, day, "came late", due, f"{day} came {hours:.0f} hours after its deadline")
    return Freshness(table, day, "fresh", due, f"{day} is there with {delivery.rows:,} rows")


def _gaps(delivery: Delivery, promise: Promise) -> list[str]:
    reasons = []
    if delivery.expected_rows and delivery.rows < promise.half_delivered_share * delivery.expected_rows:
        reasons.append(f"{delivery.rows:,} rows instead of about {delivery.expected_rows:,.0f}")
    if delivery.empty_hours:
        hours = ", ".join(f"{hour:02d}" for hour in sorted(delivery.empty_hours))
        reasons.append(f"no events in the hours {hours} UTC")
    end = dt.datetime.combine(delivery.day + dt.timedelta(days=1), dt.time(), dt.UTC)
    if not reasons and delivery.newest is not None and end - delivery.newest > LONGEST_SILENCE:
        reasons.append(f"no events after {delivery.newest:%H:%M} UTC")
    return reasons


# A day's newest event is this close to its end, else the end of the day is missing.
LONGEST_SILENCE = dt.timedelta(hours=6)
