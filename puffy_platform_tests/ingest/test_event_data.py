"""event_data: whatever the text, reading it never raises, and money is exact."""

from __future__ import annotations

import decimal
import json

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from puffy_platform.event_data import ITEMS, cents, email_hash, is_json_object, purchase_fields

PURCHASE = "checkout_completed"
CENT = decimal.Decimal("0.01")


def read(*data: str | None, name: str = PURCHASE) -> pl.DataFrame:
    rows = [(name, text) for text in data]
    frame = pl.DataFrame(rows, {"event_name": pl.String, "event_data": pl.String}, orient="row")
    return purchase_fields(frame.lazy()).collect()


def cents_of(*amounts: str | None) -> list[int | None]:
    frame = pl.DataFrame({"amount": amounts}, {"amount": pl.String})
    return frame.select(cents(pl.col("amount")))["amount"].to_list()


def json_objects(*texts: str | None) -> list[bool | None]:
    frame = pl.DataFrame({"text": texts}, {"text": pl.String})
    return frame.select(is_json_object(pl.col("text")))["text"].to_list()


def test_a_purchase_is_read_into_cents_items_and_its_line_totals() -> None:
    data = {
        "transaction_id": " ORD-7 ",
        "revenue": 1049.6,
        "items": [
            {"item_id": "M-1", "item_name": "Bed", "item_variant": "Q", "quantity": 2, "item_price": 1000.5},
            {"item_id": 7, "item_name": None, "item_variant": "", "quantity": "3.0", "item_price": "49.10"},
        ],
    }
    row = read(json.dumps(data)).row(0, named=True)
    assert row["transaction_id"] == "ORD-7"
    assert row["revenue_cents"] == 1_049_60
    assert row["items_total_cents"] == 1_049_60
    assert row["items"] == [
        {
            "item_id": "M-1",
            "item_name": "Bed",
            "item_variant": "Q",
            "quantity": 2,
            "line_total_cents": 1_000_50,
        },
        {"item_id": "7", "item_name": None, "item_variant": "", "quantity": 3, "line_total_cents": 49_10},
    ]


@pytest.mark.parametrize(
    ("items", "lines", "total"),
    [
        ([], 0, 0),
        (None, None, None),
        ("M-1", None, None),
        ({"item_id": "M-1"}, None, None),
        ([{"item_price": None}], 1, None),
        ([{"item_price": 1}, {"item_price": "?"}], 2, None),
        ([{}, 5, None], 3, None),
        ([[{"item_price": 1}]], 1, None),
        ([{"item_price": 1}, {"item_price": -0.5}], 2, 50),
    ],
)
def test_items_are_counted_and_added_up_only_when_every_line_has_its_price(
    items: object, lines: int | None, total: int | None
) -> None:
    # A second purchase whose items are a list of everything makes the whole column take the careful way.
    for others in ([], [json.dumps({"items": [1, "x", None, {}]})]):
        row = read(json.dumps({"transaction_id": "1", "items": items}), *others).row(0, named=True)
        assert (None if row["items"] is None else len(row["items"])) == lines
        assert row["items_total_cents"] == total


def test_events_other_than_purchases_have_no_purchase_fields() -> None:
    found = read('{"transaction_id": "1", "revenue": 5, "items": []}', name="checkout_started")
    fields = found.select("transaction_id", "revenue_cents", "items", "items_total_cents")
    assert fields.rows() == [(None, None, None, None)]


@pytest.mark.parametrize(
    ("amount", "expected"),
    [
        ("349", 349_00),
        (" 349.00 ", 349_00),
        ("1049.6", 1_049_60),
        ("0", 0),
        ("-0.00", 0),
        ("-20.01", -20_01),
        ("10.075", 10_08),
        ("-10.075", -10_08),
        ("10.0749", 10_07),
        ("1e3", 1_000_00),
        ("1.5E-1", 15),
        ("99999999999.99", 99_999_999_999_99),
        ("100000000000", None),
        ("1e400", None),
        ("NaN", None),
        ("inf", None),
        ("$5", None),
        ("5 USD", None),
        ("1,000", None),
        ("1_000", None),
        ("0x10", None),
        ("", None),
        ("true", None),
        (None, None),
    ],
)
def test_an_amount_is_exact_cents_or_nothing(amount: str | None, expected: int | None) -> None:
    assert cents_of(amount) == [expected]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.decimals(-(10**10), 10**10, places=2), min_size=1))
def test_amounts_with_two_decimals_are_exact_as_text_and_as_json_numbers(
    amounts: list[decimal.Decimal],
) -> None:
    expected = [int(amount * 100) for amount in amounts]
    assert cents_of(*(str(amount) for amount in amounts)) == expected
    numbers = [f'{{"transaction_id": "1", "revenue": {amount}}}' for amount in amounts]
    assert read(*numbers)["revenue_cents"].to_list() == expected
    as_floats = [json.dumps({"transaction_id": "1", "revenue": float(amount)}) for amount in amounts]
    assert read(*as_floats)["revenue_cents"].to_list() == expected


@settings(max_examples=60, deadline=None)
@given(st.decimals(-(10**9), 10**9, places=5))
def test_further_decimals_are_rounded_half_away_from_zero(amount: decimal.Decimal) -> None:
    rounded = amount.quantize(CENT, decimal.ROUND_HALF_UP)
    assert cents_of(f"{amount:f}") == [int(rounded * 100)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{}", True),
        (' {"a": [1, {"b": null}]} ', True),
        ("[]", False),
        ('"{}"', False),
        ('"{\\"a\\": 1}"', False),
        ("null", False),
        ("{", False),
        ('{"a": 1,}', False),
        ('{"a": 1} {"b": 2}', False),
        ('{"a": NaN}', False),
        ('{"a": "\\ud800"}', False),
        ("{'a': 1}", False),
        ("", False),
        (None, None),
    ],
)
def test_a_json_object_is_one_whole_object(text: str | None, expected: bool | None) -> None:
    assert json_objects(text) == [expected]


def test_json_nested_too_deeply_is_no_json_object() -> None:
    deep = '{"a":' * 5_000 + "1" + "}" * 5_000
    assert json_objects(deep) == [False]
    assert read(deep)["revenue_cents"].to_list() == [None]


def test_the_hashed_email_is_read_in_lower_case_of_purchases_and_popups_only() -> None:
    data = ' {"user_email": " ABCDEF "} '
    frame = pl.DataFrame(
        {
            "name": [PURCHASE, "email_filled_on_popup", "page_viewed", PURCHASE, PURCHASE],
            "data": [data, data, data, '{"user_email": ""}', None],
        }
    )
    found = frame.select(hash=email_hash(pl.col("name"), pl.col("data")))["hash"].to_list()
    assert found == ["abcdef", "abcdef", None, None, None]


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
lines = st.fixed_dictionaries(
    {}, optional={name: values for name in ("item_id", "item_name", "item_variant", "quantity", "item_price")}
)
orders = st.fixed_dictionaries(
    {},
    optional={
        "transaction_id": values,
        "revenue": values,
        "items": st.lists(lines | values, max_size=3) | values,
    },
).map(json.dumps)
texts = st.none() | st.text(max_size=40) | orders | orders.map(lambda text: text[:-3])


@settings(max_examples=80, deadline=None)
@given(st.lists(texts, min_size=1, max_size=6))
def test_no_text_makes_reading_a_purchase_raise(data: list[str | None]) -> None:
    found = read(*data)
    assert found.height == len(data)
    assert found.schema["items"] == ITEMS
    assert found.schema["revenue_cents"] == pl.Int64
    assert len(json_objects(*data)) == len(data)


@settings(max_examples=40, deadline=None)
@given(st.lists(orders, min_size=1, max_size=4))
def test_a_purchase_is_read_the_same_alone_and_among_others(data: list[str]) -> None:
    assert read(*data).equals(pl.concat(read(one) for one in data))
