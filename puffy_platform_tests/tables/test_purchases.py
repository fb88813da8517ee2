"""purchases: one row a completed purchase, its money to the cent, and what its lines say about it."""

from __future__ import annotations

import datetime as dt
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from puffy_platform.table import DayRange
from puffy_platform.tables import TABLES
from puffy_platform.tables.purchases import TABLE
from puffy_platform_tests.windows import assert_chunking_does_not_matter, compute, outcomes, settings_with

SETTINGS = settings_with()
EVENTS = TABLES["events_enriched"].schema
DAY = dt.date(2025, 2, 23)
DAYS = DayRange(DAY, DAY + dt.timedelta(days=1))


def line(cents: int | None, quantity: int | None = 1) -> dict[str, Any]:
    return {
        "item_id": "10",
        "item_name": "Pillow",
        "item_variant": None,
        "quantity": quantity,
        "line_total_cents": cents,
    }


def purchase(number: int, revenue_cents: int, *lines: dict[str, Any], **values: Any) -> dict[str, Any]:
    prices = [item["line_total_cents"] for item in lines]
    usual: dict[str, Any] = dict.fromkeys(EVENTS) | {
        "event_id": str(number),
        "day": DAY,
        "event_ts": dt.datetime.combine(DAY, dt.time(10, 0, number % 60), dt.UTC),
        "client_id": "ann",
        "event_name": "checkout_completed",
        "transaction_id": f"ORD-{number}",
        "revenue_cents": revenue_cents,
        "items": list(lines),
        "items_total_cents": None if None in prices else sum(prices),
        "channel": "Internal",
        "is_bot": False,
    }
    return usual | values


def frames(*rows: dict[str, Any]) -> dict[str, pl.DataFrame]:
    return {"events_enriched": pl.DataFrame(list(rows), schema=EVENTS)}


def test_a_purchase_of_two_lines() -> None:
    inputs = frames(
        purchase(1, 12_900, line(9_900), line(3_000, quantity=2), email_hash="ab12"),
        purchase(2, 500, event_name="checkout_started"),
    )
    (found,) = compute(TABLE, inputs, DAYS, SETTINGS).to_dicts()
    assert found == {
        "event_id": "1",
        "day": DAY,
        "purchased_at": dt.datetime(2025, 2, 23, 10, 0, 1, tzinfo=dt.UTC),
        "client_id": "ann",
        "email_hash": "ab12",
        "transaction_id": "ORD-1",
        "revenue_cents": 12_900,
        "items_total_cents": 12_900,
        "items_count": 2,
        "quantity": 3,
        "revenue_matches_items": True,
        "items": [line(9_900), line(3_000, quantity=2)],
        "is_zero_revenue": False,
        "channel": "Internal",
        "is_bot": False,
    }


@pytest.mark.parametrize(
    ("row", "matches", "count", "quantity"),
    [
        (purchase(1, 10_000, line(9_900)), False, 1, 1),
        (purchase(1, 9_900, line(9_900), line(None)), None, 2, 2),
        (purchase(1, 9_900, line(9_900, quantity=None)), True, 1, None),
        (purchase(1, 9_900), None, 0, None),
        (purchase(1, 9_900, items=None, items_total_cents=None), None, 0, None),
        (purchase(1, 0, line(0)), True, 1, 1),
    ],
)
def test_lines_agree_with_the_revenue_differ_from_it_or_cannot_say(
    row: dict[str, Any], matches: bool | None, count: int, quantity: int | None
) -> None:
    (found,) = compute(TABLE, frames(row), DAYS, SETTINGS).to_dicts()
    assert (found["revenue_matches_items"], found["items_count"], found["quantity"]) == (
        matches,
        count,
        quantity,
    )


def test_a_purchase_sent_twice_and_one_of_a_bot_without_client_are_all_here() -> None:
    inputs = frames(
        purchase(1, 100),
        purchase(2, 100, transaction_id="ORD-1"),
        purchase(3, 100, client_id=None, is_bot=True),
    )
    assert compute(TABLE, inputs, DAYS, SETTINGS)["event_id"].to_list() == ["1", "2", "3"]


def test_purchases_and_revenue_must_be_those_of_events_enriched() -> None:
    inputs = frames(purchase(1, 100), purchase(2, 200))
    rows = compute(TABLE, inputs, DAYS, SETTINGS)
    for wrong, status in (
        (rows, "pass"),
        (rows.head(1), "fail"),
        (rows.with_columns(pl.col("revenue_cents") + 1), "fail"),
    ):
        assert outcomes(TABLE, wrong, inputs, DAYS, SETTINGS)[DAY, "nothing_is_lost"] == status


@pytest.mark.parametrize(("different", "status"), [(1, "pass"), (2, "warn")])
def test_many_orders_that_differ_from_their_lines_are_a_warning(different: int, status: str) -> None:
    inputs = frames(*(purchase(n, 100 if n < different else 99, line(99)) for n in range(10)))
    rows = compute(TABLE, inputs, DAYS, SETTINGS)
    assert outcomes(TABLE, rows, inputs, DAYS, SETTINGS)[DAY, "revenue_matches_items"] == status


def test_orders_that_cannot_be_compared_are_skipped_not_passed() -> None:
    inputs = frames(purchase(1, 100, line(None)))
    rows = compute(TABLE, inputs, DAYS, SETTINGS)
    assert outcomes(TABLE, rows, inputs, DAYS, SETTINGS)[DAY, "revenue_matches_items"] == "skipped"


def test_an_order_without_revenue_is_a_warning() -> None:
    inputs = frames(purchase(1, 0), purchase(2, 100), purchase(3, 100, day=DAYS.last))
    rows = compute(TABLE, inputs, DAYS, SETTINGS)
    found = outcomes(TABLE, rows, inputs, DAYS, SETTINGS)
    assert (found[DAY, "no_zero_revenue"], found[DAYS.last, "no_zero_revenue"]) == ("warn", "pass")


ORDERS = st.tuples(
    st.integers(0, 1),
    st.integers(0, 10**6),
    st.lists(st.tuples(st.integers(0, 10**5) | st.none(), st.integers(0, 9) | st.none()), max_size=4),
)


@settings(deadline=None, max_examples=30)
@given(st.lists(ORDERS, max_size=12))
def test_every_purchase_is_one_row_and_no_cent_is_lost(orders: list[Any]) -> None:
    inputs = frames(
        *(
            purchase(n, cents, *(line(*each) for each in lines), day=DAY + dt.timedelta(days=day))
            for n, (day, cents, lines) in enumerate(orders)
        )
    )
    found = assert_chunking_does_not_matter(TABLE, inputs, DAYS, SETTINGS, chunks=(1,))
    assert found.height == len(orders)
    assert found["revenue_cents"].sum() == sum(cents for _, cents, _ in orders)
    assert "fail" not in outcomes(TABLE, found, inputs, DAYS, SETTINGS).values()
