"""hourly_metrics: the hours of a small day counted by hand; they add up to the day, in any chunking."""

from __future__ import annotations

import datetime as dt
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings

from puffy_platform.tables import TABLES, conversions, sessions
from puffy_platform.tables.hourly_metrics import TABLE
from puffy_platform_tests.tables.visits import days, histories, purchases_of
from puffy_platform_tests.windows import assert_chunking_does_not_matter, compute, outcomes, settings_with

DEFAULTS = settings_with()
DAY = dt.date(2025, 2, 6)
ONE_DAY = days(3, 3)


def at(clock: str) -> dt.datetime:
    return dt.datetime.fromisoformat(f"{DAY} {clock}+00:00")


def rows(table: str, *given: dict[str, Any]) -> pl.DataFrame:
    """Rows of a table with these columns set and the others null."""
    schema = TABLES[table].schema
    return pl.DataFrame([dict.fromkeys(schema) | {"day": DAY} | row for row in given], schema=schema)


def small_day() -> dict[str, pl.DataFrame]:
    """Three people and a crawler; `a` comes at nine and at ten; two orders at ten, one of them is sent again."""
    event = {"event_ts": at("09:10"), "event_name": "page_viewed", "channel": "Direct", "client_id": "a"}
    event |= {"referrer": None, "is_bot": False}
    visit = {"client_id": "a", "channel": "Direct", "device_class": "mobile", "is_bot": False}
    order = {"converted_at": at("10:20"), "revenue_cents": 100, "is_counted": True}
    return {
        "events_enriched": rows(
            "events_enriched",
            event,
            event | {"channel": "Unknown", "client_id": None, "referrer": "r"},
            event | {"is_bot": True},
            event | {"event_ts": at("10:00"), "event_name": "checkout_started"},
        ),
        "sessions": rows(
            "sessions",
            visit | {"started_at": at("09:10")},
            visit | {"started_at": at("10:00"), "channel": "Email"},
            visit | {"started_at": at("10:59"), "client_id": "b"},
            visit | {"started_at": at("03:00"), "client_id": "bot", "is_bot": True},
        ),
        "conversions": rows(
            "conversions",
            order,
            order | {"revenue_cents": 900},
            order | {"revenue_cents": 900, "is_counted": False},
        ),
    }


EXPECTED = {
    # hour, metric, segment: amount, basis
    (9, "events", ""): (2, 1),
    (10, "events", ""): (1, 1),
    (9, "event_share", "page_viewed"): (2, 2),
    (10, "event_share", "checkout_started"): (1, 1),
    (9, "null_share", "raw_events.client_id"): (1, 3),
    (9, "null_share", "raw_events.referrer"): (2, 3),
    (9, "unknown_channel_share", ""): (1, 3),
    (9, "sessions", ""): (1, 1),
    (10, "sessions", ""): (2, 1),
    (9, "clients", ""): (1, 1),
    (10, "clients", ""): (1, 1),
    (10, "channel_share", "Direct"): (1, 2),
    (10, "device_share", "mobile"): (2, 2),
    (10, "orders", ""): (2, 1),
    (10, "revenue", ""): (1000, 1),
    (10, "conversion_rate", ""): (2, 2),
    (9, "conversion_rate", ""): (0, 1),
    (10, "checkout_completion", ""): (2, 1),
}


@pytest.mark.parametrize("series", EXPECTED, ids=str)
def test_the_hours_of_a_small_day_are_counted(series: tuple[int, str, str]) -> None:
    found = compute(TABLE, small_day(), ONE_DAY, DEFAULTS)
    (row,) = found.filter(hour=series[0], metric=series[1], segment=series[2]).select("amount", "basis").rows()
    assert row == EXPECTED[series]


def test_a_typical_order_of_an_hour_is_the_sum_of_squares_over_the_sum() -> None:
    found = compute(TABLE, small_day(), ONE_DAY, DEFAULTS)
    assert found.filter(hour=10, metric="revenue")["grain"].item() == (100**2 + 900**2) / 1000


def test_hours_that_do_not_add_up_to_the_day_stop_it() -> None:
    inputs = small_day()
    good = compute(TABLE, inputs, ONE_DAY, DEFAULTS)
    bad = good.with_columns(amount=pl.col("amount") + (pl.col("metric") == "orders").cast(pl.Int64))
    for frame, status in ((good, "pass"), (bad, "fail")):
        assert outcomes(TABLE, frame, inputs, ONE_DAY, DEFAULTS)[DAY, "hours_add_up"] == status


@settings(max_examples=5, deadline=None)
@given(history=histories())
def test_hours_add_up_in_any_chunking(history: pl.DataFrame) -> None:
    span = days(-1, 5)
    inputs = {"events_enriched": history.with_columns(referrer=pl.lit(None, pl.String))}
    inputs |= {"purchases": purchases_of(history)}
    for module in (sessions, conversions):
        inputs[module.TABLE.name] = compute(module.TABLE, inputs, span, DEFAULTS)
    found = assert_chunking_does_not_matter(TABLE, inputs, span, DEFAULTS, chunks=(1, 3))
    assert "fail" not in outcomes(TABLE, found, inputs, span, DEFAULTS).values()
