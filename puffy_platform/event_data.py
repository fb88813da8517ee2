"""Typed reading of the `event_data` JSON: the purchase of a checkout_completed, the hashed email. A leaf, pure.

Ingest uses it to decide whether a row can be accepted, events_enriched to type what was accepted.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

import polars as pl

from puffy_platform.distinct import places_among

__all__ = [
    "EMAIL_EVENTS",
    "ITEMS",
    "PURCHASE",
    "cents",
    "email_hash",
    "is_json_object",
    "purchase_fields",
    "purchase_money",
]

PURCHASE = "checkout_completed"
EMAIL_EVENTS = ("checkout_completed", "email_filled_on_popup")
# Amounts beyond this are no shop's, and JSON numbers of that size no longer hold exact cents.
MAX_AMOUNT = 10**11

ITEMS = pl.List(
    pl.Struct(
        {
            "item_id": pl.String,
            "item_name": pl.String,
            "item_variant": pl.String,
            "quantity": pl.Int64,
            "line_total_cents": pl.Int64,
        }
    )
)
MONEY_FIELDS = {"transaction_id": pl.String(), "revenue_cents": pl.Int64()}
PURCHASE_FIELDS = {**MONEY_FIELDS, "items": ITEMS, "items_total_cents": pl.Int64()}
_ITEM_FIELDS = ("item_id", "item_name", "item_variant", "quantity", "item_price")
_RAW_ITEMS = pl.List(pl.Struct(dict.fromkeys(_ITEM_FIELDS, pl.String)))


def is_json_object(text: pl.Expr) -> pl.Expr:
    """True where the text is one well-formed JSON object, false otherwise, null where there is no text."""
    # The second half alone would take a JSON string that holds an object for one: the match comes without quotes.
    is_object = text.str.contains(r"^\s*\{") & text.str.json_path_match("$").is_not_null()
    return pl.when(text.is_not_null()).then(is_object)


def cents(amount: pl.Expr) -> pl.Expr:
    """Decimal text ("1049.6", "349", "1e3") to integer cents; null when it is not an amount.

    Exact for two decimals; further decimals are rounded half away from zero.
    """
    text = amount.str.strip_chars()
    exponent = pl.when(text.str.contains("[eE]")).then(text.cast(pl.Float64, strict=False))
    spelled_out = pl.when(exponent.abs() < MAX_AMOUNT).then(exponent.cast(pl.Decimal(30, 6), strict=False))
    exact = pl.coalesce(text.cast(pl.Decimal(30, 6), strict=False), spelled_out)
    in_range = pl.when(exact.abs() < pl.lit(MAX_AMOUNT).cast(pl.Decimal(30, 6))).then(exact)
    return (in_range * 100).round(0, mode="half_away_from_zero").cast(pl.Int64, strict=False)


def email_hash(event_name: pl.Expr, event_data: pl.Expr) -> pl.Expr:
    """The hashed email of a purchase or of a filled popup, lower case; null elsewhere and where there is none."""
    found = pl.when(event_name.is_in(EMAIL_EVENTS)).then(event_data).str.json_path_match("$.user_email")
    return _text(found).str.to_lowercase()


def purchase_fields(frame: pl.LazyFrame) -> pl.LazyFrame:
    """Add transaction_id, revenue_cents, items (with line totals in cents) and items_total_cents.

    They are null on rows that are no purchase, and where the JSON does not say them readably. An item's
    `item_price` is the total of its line. items_total_cents is null when any line has no readable price.
    """
    return _add(frame, _purchases, PURCHASE_FIELDS)


def purchase_money(frame: pl.LazyFrame) -> pl.LazyFrame:
    """Add transaction_id and revenue_cents alone, as `purchase_fields` has them."""
    return _add(frame, _money, MONEY_FIELDS)


def _add(
    frame: pl.LazyFrame, read: Callable[[pl.Series], pl.DataFrame], fields: Mapping[str, pl.DataType]
) -> pl.LazyFrame:
    """What `read` finds in the texts of purchases. Most rows are none and never seen by it."""

    def spread(data: pl.Series) -> pl.Series:
        is_there = data.is_not_null()
        return read(data.filter(is_there)).to_struct().gather(places_among(is_there))

    data = pl.when(pl.col("event_name") == PURCHASE).then(pl.col("event_data"))
    return frame.with_columns(purchase=data.map_batches(spread, return_dtype=pl.Struct(fields))).unnest("purchase")


def _money(data: pl.Series) -> pl.DataFrame:
    # Taken out of the JSON first: an expression that asks for its input several times would read the JSON as often.
    text = pl.col("data").str
    found = pl.DataFrame({"data": data}).select(
        transaction_id=text.json_path_match("$.transaction_id"), revenue=text.json_path_match("$.revenue")
    )
    return found.select(_text(pl.col("transaction_id")), revenue_cents=cents(pl.col("revenue")))


def _purchases(data: pl.Series) -> pl.DataFrame:
    line = pl.element().struct
    quantity = line.field("quantity").cast(pl.Float64, strict=False).cast(pl.Int64, strict=False)
    items = (
        pl.lit(data)
        .str.json_path_match("$.items")
        .map_batches(_decode_items, return_dtype=_RAW_ITEMS)
        .list.eval(
            pl.struct(
                line.field("item_id"),
                line.field("item_name"),
                line.field("item_variant"),
                quantity.alias("quantity"),
                cents(line.field("item_price")).alias("line_total_cents"),
            )
        )
        .cast(ITEMS)
    )
    totals = pl.col("items").list.eval(pl.element().struct.field("line_total_cents"))
    all_priced = totals.list.eval(pl.element().is_not_null().all()).list.first()
    total = pl.when(pl.col("items").is_not_null() & all_priced.fill_null(True)).then(totals.list.sum())
    return _money(data).with_columns(items=items).with_columns(items_total_cents=total)


def _text(value: pl.Expr) -> pl.Expr:
    stripped = value.str.strip_chars()
    return pl.when(stripped != "").then(stripped)


def _decode_items(texts: pl.Series) -> pl.Series:
    """Lists of items; null where `items` is not a list. Lines that are not objects are lines without fields."""
    lists = texts.set(~texts.str.starts_with("[").fill_null(False), None)
    try:
        return lists.str.json_decode(_RAW_ITEMS)
    except pl.exceptions.ComputeError:
        # Some list holds something other than objects; rare, so those are taken apart one by one.
        return pl.Series(lists.name, [_one_list(text) for text in lists], dtype=_RAW_ITEMS)


def _one_list(text: str | None) -> list[dict[str, str | None]] | None:
    if text is None:
        return None
    lines = [line if isinstance(line, dict) else {} for line in json.loads(text)]
    return [{field: _as_text(line.get(field)) for field in _ITEM_FIELDS} for line in lines]


def _as_text(value: object) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value)
