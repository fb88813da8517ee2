"""daily_metrics: every metric of a small day counted by hand, and any chunking the same rows."""

from __future__ import annotations

import datetime as dt
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings

from puffy_platform.monitoring.measure import ENRICHED_COLUMNS
from puffy_platform.tables import (
    TABLES,
    attribution,
    channel_summary,
    client_days,
    conversions,
    sessions,
    user_journeys,
)
from puffy_platform.tables.daily_metrics import TABLE
from puffy_platform_tests.tables.visits import days, histories, purchases_of
from puffy_platform_tests.windows import Frames, assert_chunking_does_not_matter, compute, outcomes, settings_with

DEFAULTS = settings_with(attribution={"windows_days": (1, 3)})
DAY = dt.date(2025, 2, 6)
ONE_DAY = days(3, 3)


def at(clock: str) -> dt.datetime:
    return dt.datetime.fromisoformat(f"{DAY} {clock}+00:00")


def rows(table: str, *given: dict[str, Any]) -> pl.DataFrame:
    """Rows of a table with these columns set and the others null."""
    schema = TABLES[table].schema
    return pl.DataFrame([dict.fromkeys(schema) | {"day": DAY} | row for row in given], schema=schema)


def nothing() -> dict[str, pl.DataFrame]:
    return {read.table: TABLES[read.table].empty() for read in TABLE.reads}


def small_day() -> Frames:
    """Two files with 10 rows, a third is read again; three people and a crawler; two orders, one of them twice."""
    event = {"event_ts": at("09:10"), "event_name": "page_viewed", "channel": "Direct", "is_bot": False}
    person = {"channel": "Direct", "device_class": "mobile", "is_bot": False, "add_to_carts": 0, "checkouts_started": 0}
    order = {"kind": "unique", "is_counted": True, "converted_at": at("21:00"), "revenue_cents": 100}
    summary = {"model": "last_non_direct", "window_days": 3}
    return nothing() | {
        "file_drift": rows(
            "file_drift",
            {"rows": 7, "renamed": [{"seen": "clientId", "meant": "client_id"}], "missing": [], "added": []},
            {"rows": 3, "renamed": [], "missing": ["referrer"], "added": ["consent"]},
        ),
        "duplicate_events": rows("duplicate_events", {}, {}),
        "quarantined_events": rows(
            "quarantined_events", {"rule": "broken_json"}, {"rule": "in_future"}, {"rule": "in_future"}
        ),
        "raw_events": rows(
            "raw_events",
            *[{"timestamp_kind": "utc", "client_id": "a", "referrer": None, "user_agent": "x"}] * 4,
            {"timestamp_kind": "naive", "client_id": None, "referrer": "r", "user_agent": "x"},
        ),
        "events_enriched": rows(
            "events_enriched",
            event,
            event | {"event_name": "product_added_to_cart", "channel": "Unknown"},
            event | {"event_ts": at("23:59"), "utm_source": "news"},
            event | {"is_bot": True},
        ),
        "purchases": rows(
            "purchases",
            {"client_id": "a", "email_hash": "e", "is_zero_revenue": False, "revenue_cents": 100},
            {"client_id": None, "email_hash": "f", "is_zero_revenue": True, "revenue_cents": 0},
            {"client_id": "a", "email_hash": None, "is_zero_revenue": False, "revenue_cents": 900},
        ),
        "sessions": rows(
            "sessions",
            person | {"client_id": "a", "started_at": at("09:00"), "add_to_carts": 2, "checkouts_started": 3},
            person | {"client_id": "a", "started_at": at("21:00"), "channel": "Email"},
            person | {"client_id": "b", "started_at": at("21:30"), "device_class": "desktop"},
            person | {"client_id": "bot", "started_at": at("03:00"), "is_bot": True},
        ),
        "conversions": rows(
            "conversions",
            order,
            order | {"revenue_cents": 900, "converted_at": at("09:30")},
            order | {"kind": "collision", "is_counted": False, "revenue_cents": 900},
        ),
        "channel_summary": rows(
            "channel_summary",
            summary | {"channel": "Direct", "revenue_cents": 1000},
            summary | {"channel": "Email", "revenue_cents": 0},
            summary | {"channel": "Direct", "revenue_cents": 700, "model": "linear"},
        ),
        "user_journeys": rows("user_journeys", {}, {}),
    }


EXPECTED = {
    # metric, segment: amount, basis
    ("landed_files", ""): (2, 1),
    ("landed_rows", ""): (10, 1),
    ("column_drift", "client_id renamed to clientId"): (1, 2),
    ("column_drift", "referrer missing"): (1, 2),
    ("column_drift", "consent is new"): (1, 2),
    ("duplicate_share", ""): (2, 10),
    ("quarantined_share", "broken_json"): (1, 10),
    ("quarantined_share", "in_future"): (2, 10),
    ("naive_timestamp_share", ""): (1, 5),
    ("null_share", "raw_events.client_id"): (1, 5),
    ("null_share", "raw_events.referrer"): (4, 5),
    ("null_share", "raw_events.user_agent"): (0, 5),
    ("null_share", "events_enriched.utm_source"): (3, 4),
    ("null_share", "purchases.client_id"): (1, 3),
    ("null_share", "purchases.email_hash"): (1, 3),
    ("events", ""): (3, 1),
    ("hour_events", "09"): (2, 1),
    ("hour_events", "23"): (1, 1),
    ("hour_events", "12"): (0, 1),
    ("event_share", "page_viewed"): (2, 3),
    ("event_share", "product_added_to_cart"): (1, 3),
    ("unknown_channel_share", ""): (1, 4),
    ("bot_share", ""): (1, 4),
    ("sessions", ""): (3, 1),
    ("clients", ""): (2, 1),
    ("device_share", "mobile"): (2, 3),
    ("device_share", "desktop"): (1, 3),
    ("channel_share", "Direct"): (2, 3),
    ("channel_share", "Email"): (1, 3),
    ("add_to_cart_rate", ""): (1, 3),
    ("checkout_rate", ""): (1, 3),
    ("orders", ""): (2, 1),
    ("revenue", ""): (1000, 1),
    ("average_order_value", ""): (1000, 2),
    ("conversion_rate", ""): (2, 3),
    ("checkout_completion", ""): (2, 3),
    ("collision_share", ""): (1, 3),
    ("repeat_share", ""): (0, 3),
    ("zero_revenue_share", ""): (1, 3),
    ("channel_revenue", "Direct"): (1000, 1),
    ("channel_revenue", "Email"): (0, 1),
    ("table_rows", "sessions"): (4, 1),
    ("table_rows", "user_journeys"): (2, 1),
}


@pytest.fixture(scope="module")
def small() -> pl.DataFrame:
    return compute(TABLE, small_day(), ONE_DAY, DEFAULTS)


@pytest.mark.parametrize("series", EXPECTED, ids=" ".join)
def test_a_small_day_is_counted(small: pl.DataFrame, series: tuple[str, str]) -> None:
    (row,) = small.filter(metric=series[0], segment=series[1]).select("amount", "basis").rows()
    assert row == EXPECTED[series]


def test_the_value_is_the_count_the_share_or_the_mean(small: pl.DataFrame) -> None:
    value = {(metric, segment): value for metric, segment, value in small.select("metric", "segment", "value").rows()}
    assert value["sessions", ""] == 3
    assert value["duplicate_share", ""] == 0.2
    assert value["average_order_value", ""] == 500
    assert value["conversion_rate", ""] == round(2 / 3, 9)


def test_a_typical_order_is_the_sum_of_squares_over_the_sum(small: pl.DataFrame) -> None:
    """Orders of 1 and 9 dollars: (100² + 900²) / 1000 = 820 cents of revenue come and go together."""
    grain = {metric: grain for metric, grain in small.filter(segment="").select("metric", "grain").rows()}
    assert grain["revenue"] == 820
    assert grain["average_order_value"] == 820 - 500
    assert grain["orders"] == 1


def test_one_bulk_order_is_no_change_of_prices() -> None:
    """Five orders of 100, 110, 120, 130 and 9,000: the last counts as four times 120."""
    order = {"kind": "unique", "is_counted": True, "converted_at": at("10:00")}
    values = (100, 110, 120, 130, 9000)
    inputs = nothing() | {"conversions": rows("conversions", *(order | {"revenue_cents": cents} for cents in values))}
    found = compute(TABLE, inputs, ONE_DAY, DEFAULTS)
    assert found.filter(metric="capped_order_value")["amount"].item() == 100 + 110 + 120 + 130 + 480
    assert found.filter(metric="average_order_value")["amount"].item() == sum(values)


def test_crawlers_count_when_bots_are_included() -> None:
    with_bots = settings_with(attribution={"windows_days": (1, 3)}, bots={"include": True})
    found = compute(TABLE, small_day(), ONE_DAY, with_bots)
    assert found.filter(metric="sessions")["amount"].item() == 4
    assert found.filter(metric="events")["amount"].item() == 4


def test_all_24_hours_are_there_and_a_day_without_orders_has_none_of_them() -> None:
    visit = {
        "client_id": "a",
        "started_at": at("09:00"),
        "channel": "Direct",
        "device_class": "mobile",
        "is_bot": False,
    }
    quiet = rows("sessions", visit | {"add_to_carts": 0, "checkouts_started": 0})
    view = {"event_ts": at("09:00"), "event_name": "page_viewed", "channel": "Direct", "is_bot": False}
    events = rows("events_enriched", view)
    found = compute(TABLE, nothing() | {"sessions": quiet, "events_enriched": events}, ONE_DAY, DEFAULTS)
    assert found.filter(metric="hour_events").height == 24
    assert found.filter(metric="orders")["amount"].to_list() == [0]
    assert found.filter(metric="average_order_value").select("amount", "basis", "value").rows() == [(0, 0, None)]


def test_a_day_without_anything_has_no_metrics() -> None:
    assert compute(TABLE, nothing(), ONE_DAY, DEFAULTS).is_empty()


HISTORY = days(-1, 5)


def shop(history: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """All tables downstream of a random history of events; ingest's tables are empty but for one file a day."""
    unread = {name: pl.lit(None, pl.String) for name in ENRICHED_COLUMNS if name not in history.columns}
    bought = purchases_of(history).with_columns(is_zero_revenue=pl.col("revenue_cents") == 0)
    inputs: dict[str, pl.DataFrame] = nothing() | {
        "events_enriched": history.with_columns(**unread),
        "purchases": bought,
    }
    inputs["file_drift"] = pl.concat(
        [rows("file_drift", {"day": day, "rows": 5, "renamed": [], "missing": [], "added": []}) for day in HISTORY]
    )
    for module in (sessions, conversions, attribution, channel_summary, user_journeys, client_days):
        table = module.TABLE
        inputs[table.name] = compute(table, inputs, HISTORY, DEFAULTS)
    return inputs


@settings(max_examples=3, deadline=None)
@given(history=histories())
def test_any_chunking_gives_the_same_metrics_and_the_money_agrees(history: pl.DataFrame) -> None:
    inputs = shop(history)
    found = assert_chunking_does_not_matter(TABLE, inputs, HISTORY, DEFAULTS, chunks=(1, 3))
    verdicts = outcomes(TABLE, found, inputs, HISTORY, DEFAULTS)
    assert not {key for key, status in verdicts.items() if status in ("warn", "fail")}
    counted = inputs["conversions"].filter("is_counted")
    assert found.filter(metric="revenue")["amount"].sum() == counted["revenue_cents"].sum()


@settings(max_examples=2, deadline=None)
@given(history=histories())
def test_money_that_one_table_lost_is_seen(history: pl.DataFrame) -> None:
    inputs = shop(history)
    found = compute(TABLE, inputs, HISTORY, DEFAULTS)
    paid = inputs["conversions"].filter(pl.col("is_counted") & (pl.col("revenue_cents") > 0))
    if paid.is_empty():
        return
    day = paid["day"][0]
    for broken in ("user_journeys", "channel_summary", "purchases"):
        kept = inputs[broken].filter(pl.col("day") != day)
        verdicts = outcomes(TABLE, found, inputs | {broken: kept}, HISTORY, DEFAULTS)
        assert verdicts[day, "money_agrees"] == "warn", broken
