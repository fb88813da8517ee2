"""RFM: what is known of each customer at the end of a day, in the terms of Fader and Hardie.

From orders to a frame of customers; no model.
"""

from __future__ import annotations

import polars as pl

from puffy_platform.runs import differs, first_of_run, fold_runs, sum_so_far

__all__ = ["SCORES", "rfm_of", "with_scores"]

SCORES = 5


def rfm_of(orders: pl.LazyFrame, as_of: pl.LazyFrame) -> pl.LazyFrame:
    """For every day of `as_of` (column day) a row for each customer with an order up to it, in order of both.

    `orders`: day, customer_id, revenue_cents; the orders of one customer on one day are one purchase. The columns:

    - first_purchase_day; frequency: purchase days after the first; recency: days from the first to the last purchase;
      T: days from the first purchase to the day; all Int64;
    - monetary: mean revenue of the purchases after the first, in cents; null without any;
    - total_cents: revenue of all purchases.
    """
    is_last = pl.col("is_first").shift(-1, fill_value=True)
    purchases = (
        fold_runs(
            orders.sort("customer_id", "day"),
            differs("customer_id", "day"),
            first={name: pl.col(name) for name in ("customer_id", "day")},
            summed={"cents": pl.col("revenue_cents")},
        )
        .rename({"cents": "revenue_cents"})
        .with_columns(is_first=differs("customer_id"))
        .with_columns(
            until=pl.when(~is_last).then(pl.col("day").shift(-1)),
            first_purchase_day=first_of_run(pl.col("day"), pl.col("is_first")),
            frequency=sum_so_far((~pl.col("is_first")).cast(pl.Int64), pl.col("is_first")),
            total_cents=sum_so_far(pl.col("revenue_cents"), pl.col("is_first")),
            first_cents=first_of_run(pl.col("revenue_cents"), pl.col("is_first")),
        )
        .rename({"day": "last_purchase_day"})
        .with_row_index("place")
    )
    stands = pl.col("until").is_null() | (pl.col("until") > pl.col("day"))
    repeat_cents = pl.col("total_cents") - pl.col("first_cents")
    return (
        as_of.select("day")
        .join_where(purchases, pl.col("last_purchase_day") <= pl.col("day"))
        .filter(stands)
        .sort("day", "place")
        .select(
            "day",
            "customer_id",
            "first_purchase_day",
            "frequency",
            recency=(pl.col("last_purchase_day") - pl.col("first_purchase_day")).dt.total_days(),
            T=(pl.col("day") - pl.col("first_purchase_day")).dt.total_days(),
            monetary=pl.when(pl.col("frequency") > 0).then(repeat_cents / pl.col("frequency")),
            total_cents="total_cents",
        )
    )


def with_scores(customers: pl.LazyFrame) -> pl.LazyFrame:
    """Adds recency_score, frequency_score and monetary_score, 1 to 5: the fifth of the day's customers that one is in,
    5 being the latest purchase, the most purchases, the most revenue. Equal customers have equal scores (that of the
    lowest of them), so where most have bought once the frequency score knows two or three values.
    """
    last_purchase = pl.col("recency") - pl.col("T")
    scored = {
        "recency_score": last_purchase,
        "frequency_score": pl.col("frequency"),
        "monetary_score": pl.col("total_cents"),
    }
    return customers.with_columns(
        ((value.rank("min").over("day") - 1) * SCORES // pl.len().over("day") + 1).cast(pl.Int64).alias(name)
        for name, value in scored.items()
    )
