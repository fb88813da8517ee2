"""anomalies: rows, statuses and checks of days by hand; the same rows in any chunking, whatever comes later."""

from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from puffy_platform.monitoring.metrics import METRICS
from puffy_platform.outcomes import evaluate
from puffy_platform.table import DayRange
from puffy_platform.tables.anomalies import CHECKS, TABLE
from puffy_platform_tests.monitoring.histories import MONDAY, metric_rows
from puffy_platform_tests.windows import assert_chunking_does_not_matter, compute, outcomes, settings_with

DEFAULTS = settings_with()
DAYS = 45
LAST = MONDAY + dt.timedelta(days=DAYS - 1)


def day(number: int) -> dt.date:
    return MONDAY + dt.timedelta(days=number)


def history(sessions: dict[int, int], *, without_file: tuple[int, ...] = ()) -> pl.DataFrame:
    """45 days of 1,000 sessions and 5,000 events, those of `sessions` with another number; a tenth have no client."""
    rows = []
    for number in range(DAYS):
        count = sessions.get(number, 1000)
        rows += [
            (number, "sessions", "", count, 1),
            (number, "events", "", count * 5, 1),
            (number, "revenue", "", 2_000_000, 1),
            (number, "null_share", "raw_events.client_id", count // 2, count * 5),
        ]
        if number not in without_file:
            rows.append((number, "landed_files", "", 1, 1))
    return metric_rows(rows)


def judged(metrics: pl.DataFrame, first: int = 0, last: int = DAYS - 1, **sections: dict[str, object]) -> pl.DataFrame:
    return compute(TABLE, {"daily_metrics": metrics}, DayRange(day(first), day(last)), settings_with(**sections))


def test_a_fall_is_a_row_with_its_limits_its_incident_and_the_money_at_stake() -> None:
    found = judged(history({DAYS - 1: 500}), DAYS - 1)
    (row,) = found.filter(metric="sessions").to_dicts()
    assert (row["status"], row["incident"], row["table"], row["is_posted"]) == (
        "fail",
        "traffic down",
        "sessions",
        True,
    )
    assert (row["observed"], row["expected"]) == (500, pytest.approx(1000, rel=0.01))
    assert 800 < row["low"] < 950 < 1050 < row["high"] < 1250
    assert row["deviation"] < -5
    assert row["money_at_stake_cents"] == pytest.approx(1_000_000, rel=0.01)
    assert row["explanation"] == "sessions are 50% lower, in all channels alike"


def test_an_ordinary_day_passes_and_lies_inside_its_limits() -> None:
    found = judged(history({}), DAYS - 1)
    assert set(found["status"]) == {"pass"}
    assert found.filter((pl.col("observed") < pl.col("low")) | (pl.col("observed") > pl.col("high"))).is_empty()
    assert found["incident"].null_count() == found.height


def test_young_metrics_say_how_much_history_they_lack() -> None:
    found = judged(history({}), 10, 10)
    assert found.filter(metric="sessions").select("status", "explanation").rows() == [
        ("not enough history", "10 of 21 days of history")
    ]
    assert found.filter(metric="null_share")["status"].to_list() == ["pass"]


def test_a_day_without_a_file_is_skipped_and_days_before_the_first_are_nobodys() -> None:
    metrics = history({30: 0}, without_file=(0, 1, 2, 30))
    found = judged(metrics)
    assert found["day"].min() == day(3)
    assert set(found.filter(day=day(30))["status"]) == {"skipped"}
    assert set(found.filter(day=day(31))["status"]) == {"pass"}


def test_a_declared_sale_passes_and_the_same_days_undeclared_do_not() -> None:
    metrics = history({40: 2500, 41: 2400})
    sale = {"name": "spring", "first": day(40), "last": day(41)}
    assert set(judged(metrics, 40, 41, monitoring={"known_events": [sale]})["status"]) == {"pass"}
    assert "fail" in set(judged(metrics, 40, 41)["status"])


def test_a_check_says_the_worst_of_its_metrics_and_stops_nothing() -> None:
    metrics = history({DAYS - 1: 500})
    found = judged(metrics)
    verdicts = outcomes(TABLE, found, {"daily_metrics": metrics}, DayRange(day(0), LAST), DEFAULTS)
    assert verdicts[LAST, "traffic_is_usual"] == "fail"
    assert verdicts[LAST, "columns_are_usual"] == "skipped"
    assert verdicts[day(10), "traffic_is_usual"] == "not enough history"
    assert verdicts[day(30), "traffic_is_usual"] == "pass"
    assert all(check.severity == "warn" for check in TABLE.checks)


def test_every_judged_metric_belongs_to_one_check() -> None:
    named = [metric for _, metrics in CHECKS.values() for metric in metrics]
    judged_or_looked_at = {name for name, metric in METRICS.items() if metric.is_judged} | {"hour_events"}
    assert sorted(named) == sorted(judged_or_looked_at)


def test_an_outcome_names_what_is_off_in_words() -> None:
    metrics = history({DAYS - 1: 500})
    rows = evaluate(TABLE, judged(metrics), {"daily_metrics": metrics.lazy()}, DayRange(LAST, LAST), DEFAULTS)
    (row,) = rows.filter(check="traffic_is_usual").to_dicts()
    assert row["observed"] == "1 of 1 metrics: sessions are 50% lower, in all channels alike"
    assert (row["severity"], row["status"]) == ("warn", "fail")
    assert row["explanation"]


def test_no_metrics_no_anomalies() -> None:
    assert judged(metric_rows([])).is_empty()


@st.composite
def shops(draw: st.DrawFn) -> pl.DataFrame:
    """A hundred days of a noisy shop with sales, outages, days without file and columns that come and go."""
    rng = np.random.default_rng(draw(st.integers(0, 100_000)))
    rows = []
    for number in range(100):
        level = rng.choice([0.2, 1, 1, 1, 1, 1, 1, 1, 2]) * (1 + 0.3 * (number % 7 > 4))
        for hour in range(24):
            rows.append(
                (number, "hour_events", f"{hour:02d}", int(rng.poisson(30 * level)) * int(rng.random() > 0.02), 1)
            )
        events = sum(amount for at, metric, _, amount, _ in rows[-24:] if metric == "hour_events")
        sessions = int(rng.poisson(150 * level))
        rows += [
            (number, "events", "", events, 1),
            (number, "sessions", "", sessions, 1),
            (number, "conversion_rate", "", int(rng.binomial(sessions, 0.05)), sessions),
            (number, "checkout_completion", "", int(rng.binomial(40, 0.4)), 40),
            (
                number,
                "null_share",
                "raw_events.client_id",
                int(rng.binomial(events, rng.choice([0.01, 0.3], p=[0.9, 0.1]))),
                events,
            ),
            (
                number,
                "null_share",
                "raw_events.referrer",
                int(rng.binomial(events, rng.choice([0.4, 1.0], p=[0.95, 0.05]))),
                events,
            ),
            (number, "channel_share", "Direct", int(rng.binomial(sessions, 0.4)), sessions),
        ]
        if rng.random() < 0.1:
            rows.append((number, "column_drift", "referrer missing", 1, 1))
        if rng.random() > 0.05:
            rows.append((number, "landed_files", "", 1, 1))
    return metric_rows(rows)


@settings(max_examples=2, deadline=None)
@given(metrics=shops())
def test_days_in_any_chunking_are_the_same_and_later_days_change_nothing(metrics: pl.DataFrame) -> None:
    whole = assert_chunking_does_not_matter(
        TABLE, {"daily_metrics": metrics}, DayRange(day(85), day(99)), DEFAULTS, chunks=(1, 7)
    )
    before = metrics.filter(pl.col("day") <= day(92))
    assert_frame_equal(
        compute(TABLE, {"daily_metrics": before}, DayRange(day(85), day(92)), DEFAULTS),
        whole.filter(pl.col("day") <= day(92)),
    )
