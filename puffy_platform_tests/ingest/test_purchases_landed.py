"""Unknown events and purchases: which are accepted, and what a broken one is called."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from puffy_platform.event_data import purchase_fields
from puffy_platform_tests.ingest.delivery import ITEM, NAME, as_csv, drift_of, event, land, purchase, rules_of

NOT_SAID = object()


def order(**fields: Any) -> str:
    usual = {"transaction_id": "ORD-1", "revenue": 349, "items": [ITEM], "user_email": "f" * 64}
    return json.dumps({name: value for name, value in (usual | fields).items() if value is not NOT_SAID})


@pytest.mark.parametrize("name", ["page_view", "PAGE_VIEWED", "purchase", "page_viewed ", "page_viewed,x"])
def test_an_event_the_contract_does_not_know_is_an_unknown_event(tmp_path: Path, name: str) -> None:
    tables = land(tmp_path, {NAME: as_csv([event(event_name=name), event()])})
    assert rules_of(tables) == {"unknown_event": 1}
    assert tables["quarantined_events"]["column"].item() == "event_name"
    assert tables["raw_events"].height == 1


@pytest.mark.parametrize("column", ["page_url", "timestamp", "event_name"])
def test_a_row_without_a_value_every_event_needs_is_a_missing_value(tmp_path: Path, column: str) -> None:
    tables = land(tmp_path, {NAME: as_csv([event(**{column: ""}), event()])})
    assert rules_of(tables) == {"missing_value": 1}
    assert tables["quarantined_events"]["column"].item() == column


@pytest.mark.parametrize("value", [NOT_SAID, None, "", "  "])
def test_a_purchase_without_transaction_id_is_quarantined_with_its_money(tmp_path: Path, value: object) -> None:
    tables = land(tmp_path, {NAME: as_csv([purchase(order(transaction_id=value))])})
    assert rules_of(tables) == {"purchase_without_transaction_id": 1}
    assert tables["quarantined_events"]["revenue_cents"].item() == 349_00
    assert drift_of(tables)["revenue_cents"] == 349_00


def test_a_purchase_without_any_event_data_is_one_without_transaction_id(tmp_path: Path) -> None:
    tables = land(tmp_path, {NAME: as_csv([purchase("")])})
    assert rules_of(tables) == {"purchase_without_transaction_id": 1}
    assert tables["quarantined_events"]["revenue_cents"].item() is None


@pytest.mark.parametrize(
    "value",
    [NOT_SAID, None, "", "free", "$349", "1,049.00", True, [349], {"amount": 349}, "NaN", "1e400"],
)
def test_a_revenue_that_is_no_amount_is_unreadable_revenue(tmp_path: Path, value: object) -> None:
    tables = land(tmp_path, {NAME: as_csv([purchase(order(revenue=value))])})
    assert rules_of(tables) == {"unreadable_revenue": 1}
    assert tables["quarantined_events"]["column"].item() == "event_data"
    assert drift_of(tables)["revenue_cents"] == 0


@pytest.mark.parametrize(
    ("value", "cents"), [(0, 0), (0.0, 0), ("0.00", 0), (-20, -20_00), ("1049.60", 1_049_60), (1e3, 1_000_00)]
)
def test_zero_revenue_refunds_and_amounts_in_text_are_accepted(tmp_path: Path, value: object, cents: int) -> None:
    tables = land(tmp_path, {NAME: as_csv([purchase(order(revenue=value))])})
    assert tables["raw_events"].height == 1
    assert drift_of(tables)["revenue_cents"] == cents


@pytest.mark.parametrize(
    "items",
    [
        [ITEM | {"item_price": 999}],
        [ITEM | {"item_price": None}],
        [dict.fromkeys(ITEM)],
        [],
        None,
        NOT_SAID,
        "none",
        [None, 5],
    ],
)
def test_a_revenue_unlike_its_items_is_accepted(tmp_path: Path, items: object) -> None:
    tables = land(tmp_path, {NAME: as_csv([purchase(order(items=items))])})
    assert rules_of(tables) == {}
    assert purchase_fields(tables["raw_events"].lazy()).collect()["revenue_cents"].to_list() == [349_00]


def test_two_customers_with_the_same_transaction_id_are_both_accepted(tmp_path: Path) -> None:
    rows = [purchase(client_id="c-1"), purchase(client_id="c-2")]
    tables = land(tmp_path, {NAME: as_csv(rows)})
    assert tables["raw_events"].height == 2
    assert drift_of(tables)["revenue_cents"] == 2 * 349_00


def test_a_row_that_breaks_several_rules_is_named_by_the_first(tmp_path: Path) -> None:
    row = purchase("no json", event_name="bought", timestamp="yesterday")
    assert rules_of(land(tmp_path, {NAME: as_csv([row])})) == {"unknown_event": 1}


def test_the_money_of_a_purchase_quarantined_for_its_time_is_still_known(tmp_path: Path) -> None:
    tables = land(tmp_path, {NAME: as_csv([purchase(timestamp="2099-01-01T00:00:00Z"), purchase()])})
    assert rules_of(tables) == {"in_future": 1}
    assert tables["quarantined_events"]["revenue_cents"].item() == 349_00
    assert drift_of(tables)["revenue_cents"] == 2 * 349_00
