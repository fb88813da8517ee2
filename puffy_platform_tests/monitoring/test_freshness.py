"""A promise is about one day by one deadline: late, missing, half delivered and late but whole are told apart."""

import datetime as dt
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from puffy_platform.monitoring.freshness import Delivery, deadline_of, freshness, newest_promised_day

DAY = dt.date(2025, 3, 4)


@dataclass(frozen=True)
class Promise:
    deadline: dt.time = dt.time(8)
    missing_after_hours: int = 24
    half_delivered_share: float = 0.6


def at(day: int, hour: int, minute: int = 0) -> dt.datetime:
    """A moment of March 2025, UTC."""
    return dt.datetime(2025, 3, day, hour, minute, tzinfo=dt.UTC)


def state(now: dt.datetime, *deliveries: Delivery, zone: str = "UTC") -> str:
    (found,) = freshness(["sessions"], deliveries, now, Promise(), zone, DAY)
    return found.state


WHOLE = Delivery("sessions", DAY, 1000, expected_rows=1050, newest=at(4, 23, 50), arrived=at(5, 6))


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (at(5, 7, 59), "not due"),
        (at(5, 8, 1), "late"),
        (at(6, 7), "late"),
        (at(6, 9), "missing"),
    ],
)
def test_a_day_that_is_not_there_is_not_due_then_late_then_missing(now: dt.datetime, expected: str) -> None:
    assert state(now) == expected


def test_a_whole_day_in_time_is_fresh_before_and_after_the_deadline() -> None:
    assert state(at(5, 7), WHOLE) == "fresh"
    assert state(at(9, 7), WHOLE) == "fresh"


def test_a_whole_day_after_the_deadline_came_late() -> None:
    late = Delivery("sessions", DAY, 1000, arrived=at(5, 10))
    (found,) = freshness(["sessions"], [late], at(5, 11), Promise(), "UTC", DAY)
    assert (found.state, found.is_good) == ("came late", False)
    assert found.explanation == "2025-03-04 came 2 hours after its deadline"


@pytest.mark.parametrize(
    ("delivery", "words"),
    [
        (Delivery("sessions", DAY, 500, expected_rows=1000), "500 rows instead of about 1,000"),
        (Delivery("sessions", DAY, 900, expected_rows=1000, empty_hours=(3, 2)), "no events in the hours 02, 03 UTC"),
        (Delivery("sessions", DAY, 900, expected_rows=1000, newest=at(4, 14, 30)), "no events after 14:30 UTC"),
    ],
    ids=["few rows", "missing hours", "missing end"],
)
def test_half_a_day_is_told_from_no_day(delivery: Delivery, words: str) -> None:
    (found,) = freshness(["sessions"], [delivery], at(5, 9), Promise(), "UTC", DAY)
    assert found.state == "half delivered"
    assert words in found.explanation


def test_without_rows_the_day_is_not_there() -> None:
    assert state(at(5, 9), Delivery("sessions", DAY, 0)) == "late"


def test_other_days_and_tables_make_nothing_fresh() -> None:
    yesterday = Delivery("sessions", DAY - dt.timedelta(days=1), 1000, arrived=at(5, 6))
    other = Delivery("events_enriched", DAY, 1000)
    assert state(at(5, 9), yesterday, other) == "late"


def test_the_deadline_is_kept_in_the_shops_time_zone() -> None:
    """The UTC day of 4 March is over at 16:00 of that day in Los Angeles: promised for the next 08:00 there."""
    assert deadline_of(DAY, Promise(), "America/Los_Angeles") == at(5, 16)
    assert deadline_of(DAY, Promise(), "Europe/Berlin") == at(5, 7)
    assert deadline_of(DAY, Promise(), "Pacific/Auckland") == at(5, 19)


def test_clocks_that_change_do_not_move_the_local_deadline() -> None:
    before, after = (deadline_of(dt.date(2025, 3, day), Promise(), "Europe/Berlin") for day in (28, 30))
    assert (before.hour, after.hour) == (7, 6)


def test_the_newest_promised_day_is_yesterday_after_the_deadline_and_the_day_before_until_then() -> None:
    assert newest_promised_day(at(5, 8, 1), Promise(), "UTC") == DAY
    assert newest_promised_day(at(5, 7, 59), Promise(), "UTC") == DAY - dt.timedelta(days=1)


def test_a_moment_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        freshness(["sessions"], [], dt.datetime(2025, 3, 5, 9), Promise(), "UTC")


@given(
    moment=st.datetimes(dt.datetime(2024, 1, 1), dt.datetime(2026, 12, 31)),
    zone=st.sampled_from(["UTC", "America/Los_Angeles", "Europe/Berlin", "Pacific/Auckland", "Asia/Kolkata"]),
    hour=st.integers(0, 23),
)
def test_the_deadline_of_a_day_is_after_its_end_and_within_two_days(moment: dt.datetime, zone: str, hour: int) -> None:
    promise = Promise(deadline=dt.time(hour))
    day = moment.date()
    over = dt.datetime.combine(day + dt.timedelta(days=1), dt.time(), dt.UTC)
    assert over <= deadline_of(day, promise, zone) <= over + dt.timedelta(hours=49)
    assert deadline_of(day, promise, zone) < deadline_of(day + dt.timedelta(days=1), promise, zone)
