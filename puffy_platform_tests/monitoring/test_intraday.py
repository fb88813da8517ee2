"""The running day is judged by its complete hours against the same hours of earlier days."""

import datetime as dt

import polars as pl
import pytest

from puffy_platform.monitoring.intraday import running_day
from puffy_platform_tests.monitoring.histories import MONDAY, metric_rows

DAYS = 45
TODAY = MONDAY + dt.timedelta(days=DAYS - 1)
# Nights are quiet, evenings are not.
EVENTS = [20] * 6 + [100] * 12 + [180] * 6


def history(today: list[int]) -> pl.DataFrame:
    """45 days with the same hours, of which the last went as `today` so far; five events a session, 2 % order."""
    rows = []
    for day in range(DAYS):
        hours = EVENTS if day < DAYS - 1 else today + [0] * (24 - len(today))
        for hour, events in enumerate(hours):
            segment = f"{hour:02d}"
            rows += [
                (day, "hour_events", segment, events, 1),
                (day, "hour_sessions", segment, events // 5, 1),
                (day, "hour_orders", segment, events // 50, 1),
                (day, "hour_revenue", segment, events // 50 * 10_000, 1),
            ]
        if day < DAYS - 1:
            rows.append((day, "landed_files", "", 1, 1))
    return metric_rows(rows)


def incidents(frame: pl.DataFrame) -> set[str]:
    return set(frame.filter("is_posted")["incident"])


def test_a_morning_as_ever_has_nothing_to_say() -> None:
    found = running_day(history(EVENTS[:10]), TODAY, 10)
    assert set(found.filter(pl.col("metric") == "events")["observed"]) == {6 * 20 + 4 * 100}
    assert set(found["status"]) == {"pass"}


def test_hours_to_come_are_not_missing() -> None:
    for hours in (1, 6, 12, 23):
        assert incidents(running_day(history(EVENTS[:hours]), TODAY, hours)) == set()


def test_half_the_traffic_is_seen_by_noon() -> None:
    half = [events // 2 for events in EVENTS[:12]]
    found = running_day(history(half), TODAY, 12)
    assert incidents(found) == {"traffic down"}


def test_an_outage_since_eight_is_seen_at_ten() -> None:
    found = running_day(history([*EVENTS[:8], 0, 0]), TODAY, 10)
    assert incidents(found) == {"missing hours"}
    assert set(found.filter("is_posted")["segment"]) == {"08", "09"}


def test_the_hour_that_runs_is_not_judged() -> None:
    assert incidents(running_day(history([*EVENTS[:10], 3]), TODAY, 10)) == set()


def test_each_hour_is_compared_with_the_same_hour() -> None:
    """An evening's traffic at night is odd, for the digest; the sum of the day says nothing yet."""
    found = running_day(history([20, 20, 60, 20, 20, 20, *EVENTS[6:14]]), TODAY, 14)
    odd = found.filter(pl.col("status") == "warn")
    assert set(odd.filter(pl.col("metric") == "hour_events")["segment"]) == {"02"}
    assert incidents(found) == set()


@pytest.mark.parametrize("hours", [-1, 25])
def test_a_day_has_24_hours(hours: int) -> None:
    with pytest.raises(ValueError, match="0 to 24"):
        running_day(history(EVENTS[:3]), TODAY, hours)
