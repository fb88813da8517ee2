"""A promise is about one day by one deadline: late, missing and half delivered are told apart."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from puffy_platform.alerts.freshness import (
    Delivered,
    deadline_of,
    late_findings,
    newest_promised_day,
    part_findings,
    usual_rows,
)
from puffy_platform.settings_model import Freshness

DAY = dt.date(2025, 3, 4)
PROMISE = Freshness(deadline=dt.time(8), missing_after_hours=24, half_delivered_share=0.5)
# file -> events -> sessions, and marketing beside them.
READS = {"file": (), "events": ("file",), "sessions": ("events",), "spend": ()}


def at(day: int, hour: int, minute: int = 0) -> dt.datetime:
    """A moment of March 2025, UTC."""
    return dt.datetime(2025, 3, day, hour, minute, tzinfo=dt.UTC)


def late(now: dt.datetime, *there: str, held_back: str = "") -> list[tuple[str, str]]:
    """(table, state) of what is not there."""
    delivered = {
        name: Delivered(frozenset({DAY} if name in there else ()), frozenset({DAY} if name == held_back else ()))
        for name in READS
    }
    found = late_findings(READS, delivered, [DAY], now, PROMISE, "UTC")
    return [(each.key.table, each.seen.state) for each in found]


@pytest.mark.parametrize(
    ("now", "state"), [(at(5, 7, 59), None), (at(5, 8, 1), "late"), (at(6, 7), "late"), (at(6, 9), "missing")]
)
def test_a_day_that_is_not_there_is_not_due_then_late_then_missing(now: dt.datetime, state: str | None) -> None:
    assert late(now, "file", "events", "spend") == ([("sessions", state)] if state else [])


def test_of_a_chain_only_the_first_is_told_since_the_others_wait_for_it() -> None:
    assert late(at(5, 9)) == [("file", "late"), ("spend", "late")]
    assert late(at(5, 9), "file", "spend") == [("events", "late")]


def test_a_day_that_a_check_holds_back_is_told_by_the_check_alone() -> None:
    assert late(at(5, 9), "file", "spend", held_back="events") == []


def test_other_days_make_nothing_fresh() -> None:
    delivered = {"file": Delivered(frozenset({DAY - dt.timedelta(days=1), DAY + dt.timedelta(days=1)}))}
    assert len(late_findings({"file": ()}, delivered, [DAY], at(6, 1), PROMISE, "UTC")) == 1


def parts(rows: dict[dt.date, float], hourly: dict[dt.date, dict[int, int]] | None = None) -> list[str]:
    found = part_findings("events", [DAY], rows, hourly or {}, PROMISE)
    assert all(each.seen.state == "half delivered" for each in found)
    return [each.seen.observed for each in found]


def earlier(days: int, rows: float = 1_000) -> dict[dt.date, float]:
    return {DAY - dt.timedelta(days=number): rows for number in range(1, days + 1)}


def test_far_fewer_rows_than_usual_are_half_a_day() -> None:
    assert parts({**earlier(20), DAY: 400}) == ["half delivered: 400 rows instead of about 1,000"]
    assert parts({**earlier(20), DAY: 600}) == []


def test_without_a_week_of_earlier_days_nothing_is_usual() -> None:
    assert parts({**earlier(6), DAY: 1}) == []
    assert usual_rows(earlier(7), DAY) == 1_000


def test_a_weekday_is_compared_with_its_own_kind() -> None:
    """Sundays of this shop are small: 100 instead of 1,000 rows."""
    sunday = dt.date(2025, 3, 9)
    rows = {day: 100.0 if day.weekday() == 6 else 1_000.0 for day in (sunday - dt.timedelta(n) for n in range(1, 28))}
    assert usual_rows(rows, sunday) == 100
    assert usual_rows(rows, sunday - dt.timedelta(days=1)) == 1_000


def test_an_hour_without_events_is_a_gap_where_there_usually_are_many() -> None:
    busy = {hour: 40 if hour >= 6 else 2 for hour in range(24)}
    hourly = {day: busy for day in earlier(14)}
    gappy = {hour: count for hour, count in busy.items() if hour not in (3, 14, 15)}
    rows = {**earlier(14), DAY: 900}
    assert parts(rows, {**hourly, DAY: gappy}) == ["half delivered: no events in the hours 14, 15 UTC"]
    assert parts(rows, {**hourly, DAY: busy}) == []


def test_the_deadline_is_kept_in_the_shops_time_zone() -> None:
    """The UTC day of 4 March is over at 16:00 of that day in Los Angeles: promised for the next 08:00 there."""
    assert deadline_of(DAY, PROMISE, "America/Los_Angeles") == at(5, 16)
    assert deadline_of(DAY, PROMISE, "Europe/Berlin") == at(5, 7)
    assert deadline_of(DAY, PROMISE, "Pacific/Auckland") == at(5, 19)


def test_clocks_that_change_do_not_move_the_local_deadline() -> None:
    before, after = (deadline_of(dt.date(2025, 3, day), PROMISE, "Europe/Berlin") for day in (28, 30))
    assert (before.hour, after.hour) == (7, 6)


def test_the_newest_promised_day_is_yesterday_after_the_deadline_and_the_day_before_until_then() -> None:
    assert newest_promised_day(at(5, 8, 1), PROMISE, "UTC") == DAY
    assert newest_promised_day(at(5, 7, 59), PROMISE, "UTC") == DAY - dt.timedelta(days=1)


def test_a_moment_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        newest_promised_day(dt.datetime(2025, 3, 5, 9), PROMISE, "UTC")


@given(
    moment=st.datetimes(dt.datetime(2024, 1, 1), dt.datetime(2026, 12, 31)),
    zone=st.sampled_from(["UTC", "America/Los_Angeles", "Europe/Berlin", "Pacific/Auckland", "Asia/Kolkata"]),
    hour=st.integers(0, 23),
)
def test_the_deadline_of_a_day_is_after_its_end_and_within_two_days(moment: dt.datetime, zone: str, hour: int) -> None:
    promise = PROMISE.model_copy(update={"deadline": dt.time(hour)})
    day = moment.date()
    over = dt.datetime.combine(day + dt.timedelta(days=1), dt.time(), dt.UTC)
    assert over <= deadline_of(day, promise, zone) <= over + dt.timedelta(hours=49)
    assert deadline_of(day, promise, zone) < deadline_of(day + dt.timedelta(days=1), promise, zone)
