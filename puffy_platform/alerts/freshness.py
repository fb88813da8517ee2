"""Freshness: is the promised day there, whole, and on time? Late, missing and half delivered are told apart. Pure.

A promise is about one day by a deadline in the shop's time zone, so a backfill of old days makes nothing look fresh.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import median
from zoneinfo import ZoneInfo

from puffy_platform.alerts.incidents import Finding, Key, Seen
from puffy_platform.settings_model import Freshness

__all__ = [
    "WATCHED_DAYS",
    "Delivered",
    "deadline_of",
    "late_findings",
    "newest_promised_day",
    "part_findings",
    "usual_rows",
]

# So many promised days are watched; what has not come by then is no news any more.
WATCHED_DAYS = 7
# "Usual" is the median of at least so many days with files.
MIN_HISTORY = 7
# From so many days of the same weekday on, only those are compared with.
MIN_WEEKDAYS = 3
# An hour without events is a gap when there usually are so many: by chance it would be empty once in 20,000 hours.
MIN_HOURLY_EVENTS = 10.0


def deadline_of(day: dt.date, promise: Freshness, time_zone: str) -> dt.datetime:
    """When `day` (a UTC date) must be there: at the deadline, local time, of the first local day on which it is over.

    A local time that does not exist (clocks go forward) is the moment after; of one that exists twice, the first.
    """
    over = dt.datetime.combine(day + dt.timedelta(days=1), dt.time(), dt.UTC)
    local_day = over.astimezone(ZoneInfo(time_zone)).date()
    due = dt.datetime.combine(local_day, promise.deadline, ZoneInfo(time_zone)).astimezone(dt.UTC)
    return due if due >= over else due + dt.timedelta(days=1)


def newest_promised_day(now: dt.datetime, promise: Freshness, time_zone: str) -> dt.date:
    """The last day whose deadline is over at this moment. Raises ValueError when `now` has no time zone."""
    if now.tzinfo is None:
        raise ValueError("now must carry its time zone")
    day = now.astimezone(dt.UTC).date()
    while deadline_of(day, promise, time_zone) > now:
        day -= dt.timedelta(days=1)
    return day


@dataclass(frozen=True)
class Delivered:
    """What is there of one table: the days computed, and those of which a check holds back the only rows there are."""

    days: frozenset[dt.date]
    held_back: frozenset[dt.date] = frozenset()


def late_findings(
    reads: Mapping[str, Iterable[str]],
    delivered: Mapping[str, Delivered],
    days: Iterable[dt.date],
    now: dt.datetime,
    promise: Freshness,
    time_zone: str,
) -> list[Finding]:
    """The tables whose promised days are not there: late, or missing for more than `missing_after_hours`.

    `reads` names what each table is made from, upstream first. Of a chain of tables without a day only the first is
    named: the others wait for it. Days held back are told by their checks.
    """
    found = []
    for day in days:
        due = deadline_of(day, promise, time_zone)
        absent: set[str] = set()
        for table, upstream in reads.items():
            is_there = day in delivered[table].days
            if is_there or now < due:
                continue
            absent.add(table)
            if not absent.isdisjoint(upstream) or day in delivered[table].held_back:
                continue
            hours = (now - due).total_seconds() / 3600
            state = "missing" if hours > promise.missing_after_hours else "late"
            since = f"{hours:.0f} hours after its deadline" if state == "missing" else "its deadline is over"
            seen = Seen(f"{state}: {day} is not there, {since}", f"by {due:%Y-%m-%d %H:%M} UTC", state)
            found.append(Finding(Key(table, "freshness", "delivery"), day, "error", seen))
    return found


def usual_rows(rows: Mapping[dt.date, float], day: dt.date) -> float | None:
    """What earlier days let expect: the median of the same weekday, or of all days. None without enough of them."""
    earlier = {each: count for each, count in rows.items() if 0 < (day - each).days <= 4 * 7}
    if len(earlier) < MIN_HISTORY:
        return None
    same = [count for each, count in earlier.items() if each.weekday() == day.weekday()]
    return median(same if len(same) >= MIN_WEEKDAYS else earlier.values())


def part_findings(
    table: str,
    days: Iterable[dt.date],
    rows: Mapping[dt.date, float],
    hourly: Mapping[dt.date, Mapping[int, int]],
    promise: Freshness,
) -> list[Finding]:
    """The days that are there in part: far fewer rows than usual, or whole hours without any.

    `hourly` holds events by UTC hour, of these days and of the weeks before them.
    """
    found = []
    for day in days:
        if day not in rows:
            continue
        reasons = []
        usual = usual_rows(rows, day)
        if usual and rows[day] < promise.half_delivered_share * usual:
            reasons.append(f"{rows[day]:,.0f} rows instead of about {usual:,.0f}")
        gaps = _empty_hours(hourly, day)
        if gaps:
            reasons.append(f"no events in the hours {', '.join(f'{hour:02d}' for hour in gaps)} UTC")
        if reasons:
            seen = Seen(f"half delivered: {' and '.join(reasons)}", "a whole day", "half delivered")
            found.append(Finding(Key(table, "freshness", "delivery"), day, "error", seen))
    return found


def _empty_hours(hourly: Mapping[dt.date, Mapping[int, int]], day: dt.date) -> list[int]:
    earlier = [counts for each, counts in hourly.items() if 0 < (day - each).days <= 2 * 7]
    if len(earlier) < MIN_HISTORY or day not in hourly:
        return []
    usual = {hour: median(counts.get(hour, 0) for counts in earlier) for hour in range(24)}
    return [hour for hour in range(24) if usual[hour] >= MIN_HOURLY_EVENTS and not hourly[day].get(hour)]
