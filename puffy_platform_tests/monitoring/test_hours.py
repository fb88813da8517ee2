"""A running day is judged by its complete hours, against the same hours of earlier days; the example of the docs."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping, Sequence

import polars as pl
import pytest

from puffy_platform.monitoring.hours import CAUTION, complete_hours, judge_running_day, until
from puffy_platform.monitoring.metrics import METRICS
from puffy_platform.tables.daily_metrics import TABLE as DAILY
from puffy_platform.tables.hourly_metrics import TABLE
from puffy_platform_tests.monitoring.histories import MONDAY, RULES

DAYS = 84
TODAY = MONDAY + dt.timedelta(days=DAYS)
NOTHING_DELIVERED = DAILY.empty().drop("kind", "value")


def shop(usual: Mapping[str, Sequence[int]], today: Mapping[str, Sequence[int]]) -> pl.DataFrame:
    """Counts by hour from midnight on: the same on each of 84 days, and those of today so far."""
    rows = [
        (MONDAY + dt.timedelta(days=day), hour, metric, "", amount, 1, 1.0)
        for day in range(DAYS + 1)
        for metric, amounts in (usual if day < DAYS else today).items()
        for hour, amount in enumerate(amounts)
    ]
    return pl.DataFrame(rows, schema=TABLE.schema, orient="row")


def judged(hours: pl.DataFrame, metric: str) -> dict[str, object]:
    _, found = judge_running_day(hours, NOTHING_DELIVERED, TODAY, RULES)
    (row,) = found.filter(metric=metric).to_dicts()
    return row


def deviation_by_hand(observed: int, usual: int) -> float:
    """As in docs/monitoring.md: Wilson and Hilferty's cube root of pieces as large as the variance over the mean."""
    piece = 1 + 0.02**2 * usual
    pieces, mean = observed / piece + 0.5, usual / piece
    return 3 * math.sqrt(pieces) * (1 - 1 / (9 * pieces) - (mean / pieces) ** (1 / 3))


@pytest.mark.parametrize(("an_hour", "by_hand", "status"), [(1, -2.02, "pass"), (20, -8.74, "warn")])
def test_half_the_orders_until_two_are_judged_as_the_page_says(an_hour: int, by_hand: float, status: str) -> None:
    """20 orders in each hour of 84 days make 280 until 14:00; today there were 140. With one an hour: 7 of 14."""
    usual, today = 14 * an_hour, 7 * an_hour
    orders = [an_hour] * 7 + [0] * 7 + [an_hour]
    hours = shop({"events": [500] * 24, "orders": [an_hour] * 24}, {"events": [500] * 15, "orders": orders})
    row = judged(hours, "orders")
    assert (row["observed"], row["expected"]) == (today, pytest.approx(usual))
    assert deviation_by_hand(today, usual) == pytest.approx(by_hand, abs=0.005)
    assert row["deviation"] == pytest.approx(by_hand, rel=0.01)
    assert row["status"] == status
    assert (abs(by_hand) > CAUTION * METRICS["orders"].sigmas) == (status == "warn")
    if status == "warn":
        assert row["explanation"] == "until 14:00 UTC: orders: 140 instead of 280"


def test_a_quiet_morning_is_compared_with_mornings() -> None:
    morning, evening = [10] * 12, [500] * 12
    row = judged(shop({"events": morning + evening}, {"events": morning}), "events")
    assert (row["observed"], row["expected"], row["status"]) == (110, pytest.approx(110), "pass")


def test_a_fall_of_traffic_is_an_incident_with_the_hour_in_its_words() -> None:
    usual = {"events": [500] * 24, "sessions": [100] * 24, "revenue": [10_000] * 24}
    row = judged(shop(usual, {"events": [200] * 15, "sessions": [40] * 15, "revenue": [10_000] * 15}), "sessions")
    assert (row["status"], row["incident"], row["is_posted"]) == ("fail", "traffic down", True)
    assert row["explanation"] == "until 14:00 UTC: sessions are 60% lower, in all channels alike"
    assert row["money_at_stake_cents"] == pytest.approx(0.6 * 14 * 10_000, rel=0.01)


def test_an_hour_without_events_is_missing_while_those_to_come_are_not() -> None:
    hours = shop({"events": [500] * 24}, {"events": [500] * 5 + [0] * 3 + [500] * 4})
    _, found = judge_running_day(hours, NOTHING_DELIVERED, TODAY, RULES)
    lead = found.filter("is_lead")
    assert lead["incident"].to_list() == ["missing hours"]
    assert lead["explanation"].item().startswith("until 11:00 UTC: no events from 05:00 to 08:00 UTC")


def test_a_segment_without_rows_in_an_hour_is_a_part_of_it_all_the_same() -> None:
    """40 of 100 sessions at nine and none of 100 at ten are 40 of 200."""
    rows = [
        (TODAY, 9, "channel_share", "Email", 40, 100, 1.0),
        (TODAY, 9, "channel_share", "Direct", 60, 100, 1.0),
        (TODAY, 10, "channel_share", "Direct", 100, 100, 1.0),
    ]
    found = until(pl.DataFrame(rows, schema=TABLE.schema, orient="row"), 24)
    (row,) = found.filter(segment="Email").select("amount", "basis").rows()
    assert row == (40, 200)


def test_two_orders_of_two_hours_are_typically_the_sum_of_squares_over_the_sum() -> None:
    rows = [(TODAY, 9, "revenue", "", 100, 1, 100.0), (TODAY, 10, "revenue", "", 900, 1, 900.0)]
    found = until(pl.DataFrame(rows, schema=TABLE.schema, orient="row"), 24)
    assert found.filter(metric="revenue")["grain"].item() == (100**2 + 900**2) / 1000


@pytest.mark.parametrize(
    ("events", "hours"),
    [
        ([], 0),
        ([2], 0),
        ([500], 0),
        ([500, 500], 1),
        ([500, 500, 2], 1),
        ([500, 500, 3], 1),
        ([500, 100, 4, 0, 4], 4),
        ([500] * 14 + [40] + [0] * 8 + [2], 14),
        ([500] * 24, 23),
    ],
)
def test_hours_are_complete_before_the_last_that_has_begun(events: list[int], hours: int) -> None:
    """An hour has begun with three events and one in 200: a few clocks that run ahead begin none."""
    assert complete_hours(shop({}, {"events": events}), TODAY) == hours


def test_days_after_it_change_nothing() -> None:
    hours = shop({"events": [500] * 24}, {"events": [300] * 12})
    later = hours.with_columns(day=pl.col("day").dt.offset_by("1d"), amount=pl.lit(9, pl.Int64))
    before = hours.filter(pl.col("day") <= TODAY)
    with_later = pl.concat([before, later.filter(pl.col("day") > TODAY)])
    rows = [judge_running_day(each, NOTHING_DELIVERED, TODAY, RULES)[1] for each in (before, with_later)]
    assert rows[0].equals(rows[1])


def test_of_an_order_value_only_what_orders_differ_by_is_left_to_chance() -> None:
    """Orders of 100 and 900 cents in two hours: 500 each on average, and (100^2 + 900^2) / 1000 - 500 = 320."""
    rows = [(TODAY, 9, "capped_order_value", "", 100, 1, 100.0), (TODAY, 10, "capped_order_value", "", 900, 1, 900.0)]
    found = until(pl.DataFrame(rows, schema=TABLE.schema, orient="row"), 24).filter(metric="capped_order_value")
    assert found.select("amount", "basis", "grain").row(0) == (1000, 2, 320.0)


@pytest.mark.parametrize(("today", "status"), [(30, "pass"), (15, "warn")])
def test_carts_of_a_running_day_are_judged_by_the_sessions_of_its_hours(today: int, status: str) -> None:
    """30 of 100 sessions of every hour of 84 days came to a cart; today half as many."""
    rows = [
        (MONDAY + dt.timedelta(days=day), hour, metric, "", amount, basis, 1.0)
        for day in range(DAYS + 1)
        for hour in range(24 if day < DAYS else 15)
        for metric, amount, basis in (
            ("events", 500, 1),
            ("add_to_cart_rate", 30 if day < DAYS else today, 100),
        )
    ]
    row = judged(pl.DataFrame(rows, schema=TABLE.schema, orient="row"), "add_to_cart_rate")
    assert (row["status"], row["observed"], row["expected"]) == (status, today / 100, pytest.approx(0.30))
