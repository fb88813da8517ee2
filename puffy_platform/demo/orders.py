"""The contents of orders and the emails people leave: the `event_data` of the events that carry any.

Also what a real shop does to its order ids: pages reloaded after the purchase, and ids given out twice.
"""

from __future__ import annotations

import datetime as dt
import hashlib

import numpy as np
import polars as pl

from puffy_platform.demo.browsing import CHECKOUT_COMPLETED, EVENT_NAMES, POPUP
from puffy_platform.demo.journeys import DAY_MS
from puffy_platform.demo.model import ShopModel
from puffy_platform.demo.vocabulary import CATALOGUE

__all__ = ["email_hashes", "reloaded", "take_orders", "with_event_data"]

PURCHASE = EVENT_NAMES[CHECKOUT_COMPLETED]


def email_hashes(persons: pl.Series, seed: int) -> pl.DataFrame:
    """person, email_hash: the SHA-256 of an invented address, as a shop would send it."""
    people = persons.unique().sort()
    digests = [hashlib.sha256(f"shopper{number}.{seed}@example.com".encode()).hexdigest() for number in people]
    return pl.DataFrame({"person": people, "email_hash": pl.Series(digests, dtype=pl.String)})


def reloaded(rng: np.random.Generator, model: ShopModel, events: pl.DataFrame, end: int) -> pl.DataFrame:
    """Purchases that are sent again, minutes later, because the thank-you page was opened again."""
    purchases = events.filter(event_name=PURCHASE)
    chosen = rng.permutation(purchases.height)[: max(1, round(model.repeat_share * purchases.height))]
    later = pl.Series(rng.integers(30_000, 20 * 60_000, len(chosen)))
    again = purchases[chosen].with_columns(ts=pl.col("ts") + later, is_reload=pl.lit(True))
    return again.filter(pl.col("ts") < end)


def take_orders(
    rng: np.random.Generator, model: ShopModel, purchases: pl.DataFrame, first_day: dt.date
) -> pl.DataFrame:
    """The orders of these purchases (order, ts, person, email_hash, is_reloaded), in order of time.

    Adds transaction_id, revenue_cents, items_total_cents (null when a line has no price), and `event_data`.
    Few orders are free, few have a revenue that is not the sum of the lines, few have a line that is all
    null, and few carry the id of an earlier order. No order has two of these peculiarities, and none that is
    reloaded has any.
    """
    count = purchases.height
    counts = {
        name: max(1, round(share * count))
        for name, share in (
            ("free", model.zero_revenue_share),
            ("mismatch", model.mismatch_share),
            ("null_line", model.null_item_share),
            ("collision", model.collision_share),
        )
    }
    plain = rng.permutation(np.flatnonzero(~purchases["is_reloaded"].to_numpy()))
    kind = np.full(count, "", dtype="U9")
    bounds = np.cumsum([0, *counts.values()])
    for name, begin, stop in zip(counts, bounds[:-1], bounds[1:], strict=True):
        kind[plain[begin:stop]] = name

    lines = _lines(rng, count, kind)
    orders = (
        purchases.with_columns(kind=pl.Series(kind))
        .join(lines, on="order", how="left", maintain_order="left")
        .with_columns(
            transaction_id=pl.concat_str(
                pl.lit("ORD-"),
                (pl.lit(first_day) + pl.duration(days=pl.col("ts") // DAY_MS)).dt.strftime("%Y%m%d"),
                pl.lit("-"),
                (pl.int_range(pl.len()).over(pl.col("ts") // DAY_MS) + 1).cast(pl.String).str.zfill(5),
            ),
            # A voucher that the tracker does not know of.
            revenue_cents=pl.when(pl.col("kind") == "mismatch")
            .then(pl.col("lines_cents") * 9 // 10)
            .otherwise("lines_cents"),
        )
    )
    orders = orders.with_columns(transaction_id=_with_collisions(rng, orders))
    return orders.with_columns(
        items_total_cents=pl.when(pl.col("kind") != "null_line").then("lines_cents"),
        event_data=pl.concat_str(
            pl.lit('{"transaction_id":"'), "transaction_id", pl.lit('","revenue":'), _amount("revenue_cents"),
            pl.lit(',"items":['), "lines", pl.lit('],"user_email":"'), "email_hash", pl.lit('"}'),
        ),
    ).drop("lines", "lines_cents")  # fmt: skip


def with_event_data(events: pl.DataFrame, orders: pl.DataFrame, emails: pl.DataFrame) -> pl.DataFrame:
    """Add event_data, and of purchases transaction_id, revenue_cents and items_total_cents."""
    popup = pl.concat_str(pl.lit('{"user_email":"'), "email_hash", pl.lit('"}'))
    return (
        events.join(emails, on="person", how="left", maintain_order="left")
        .join(
            orders.select("order", "transaction_id", "revenue_cents", "items_total_cents", purchase_data="event_data"),
            on="order",
            how="left",
            maintain_order="left",
        )
        .with_columns(
            event_data=pl.when(pl.col("event_name") == EVENT_NAMES[POPUP]).then(popup).otherwise("purchase_data")
        )
        .drop("purchase_data")
    )


def _lines(rng: np.random.Generator, count: int, kind: np.ndarray) -> pl.DataFrame:
    """order, lines (JSON objects), lines_cents."""
    catalogue = pl.DataFrame(
        {
            "item": [
                f'{{"item_id":"{item.item_id}","item_name":"{item.name}","item_variant":"'
                + item.variant.replace('"', '\\"')
                + '","quantity":'
                for item in CATALOGUE
            ],
            "price_cents": [item.price_cents for item in CATALOGUE],
        }
    )
    weights = np.array([item.weight for item in CATALOGUE])
    lines_of = 1 + (rng.random(count) < 0.25) + (rng.random(count) < 0.08)
    order = np.repeat(np.arange(count), lines_of)
    item = rng.choice(len(CATALOGUE), size=len(order), p=weights / weights.sum())
    quantity = 1 + (rng.random(len(order)) < 0.09)
    free = pl.Series(kind[order] == "free")
    lines = catalogue.select(pl.all().gather(pl.Series(item))).with_columns(
        order=pl.Series(order), quantity=pl.Series(quantity, dtype=pl.Int64)
    )
    nothing = ",".join(f'"{name}":null' for name in ("item_id", "item_name", "item_variant", "quantity", "item_price"))
    return (
        lines.with_columns(cents=pl.when(free).then(0).otherwise(pl.col("price_cents") * pl.col("quantity")))
        .with_columns(
            text=pl.concat_str(
                "item",
                pl.col("quantity").cast(pl.String),
                pl.lit(',"item_price":'),
                _amount("cents"),
                pl.lit("}"),
            )
        )
        .group_by("order", maintain_order=True)
        .agg(lines=pl.col("text").str.join(","), lines_cents=pl.col("cents").sum())
        .with_columns(
            lines=pl.when(pl.Series(kind == "null_line"))
            .then(pl.concat_str("lines", pl.lit(f",{{{nothing}}}")))
            .otherwise("lines")
        )
        .with_columns(pl.col("order").cast(pl.Int64))
    )


def _amount(column: str) -> pl.Expr:
    """Cents as JSON writes amounts: 349, 249.5, 64.99."""
    cents = pl.col(column)
    rest = (cents % 100).cast(pl.String).str.zfill(2).str.strip_chars_end("0")
    whole = (cents // 100).cast(pl.String)
    return pl.when(rest == "").then(whole).otherwise(pl.concat_str(whole, pl.lit("."), rest))


def _with_collisions(rng: np.random.Generator, orders: pl.DataFrame) -> pl.Series:
    """Orders of kind `collision` get the id of an earlier plain order of somebody else, each at most once."""
    ids = orders["transaction_id"].to_list()
    persons = orders["person"].to_list()
    kinds, is_reloaded = orders["kind"].to_list(), orders["is_reloaded"].to_list()
    plain = [place for place, kind in enumerate(kinds) if kind == "" and not is_reloaded[place]]
    for place in [place for place, kind in enumerate(kinds) if kind == "collision"]:
        earlier = [other for other in plain if other < place and persons[other] != persons[place]]
        if earlier:
            other = earlier[int(rng.integers(max(0, len(earlier) - 300), len(earlier)))]
            ids[place] = ids[other]
            plain.remove(other)
    return pl.Series("transaction_id", ids)
