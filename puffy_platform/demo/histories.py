"""Years of customer histories of the simulated shop, without events and files: who visited, who bought, who has left.

The journeys are those of `journeys.py`. For methods that need more history than files can be written for.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import numpy as np
import polars as pl

from puffy_platform.demo.journeys import DAY_MS, make_journeys
from puffy_platform.demo.model import ShopModel

__all__ = ["CustomerHistories", "customer_histories"]


@dataclass(frozen=True)
class CustomerHistories:
    """The columns that customer tables read, of people who ever buy, and the truth.

    `client_days`: day, client_id, channel, sessions, page_views, add_to_carts, is_bot; `conversions`: day, customer_id,
    revenue_cents, is_counted; `identities`: day, client_id, customer_id, is_primary.

    `customers`: customer_id, leaves (UTC date of leaving for good; may be after the last day), purchases_per_day (while
    a customer).
    """

    first_day: dt.date
    days: int
    model: ShopModel
    client_days: pl.DataFrame
    conversions: pl.DataFrame
    identities: pl.DataFrame
    customers: pl.DataFrame


def customer_histories(
    first_day: dt.date, days: int, seed: int, events_per_day: int = 2_000, model: ShopModel | None = None
) -> CustomerHistories:
    """Simulate. The same arguments give the same histories; no clock is read."""
    model = model or ShopModel()
    rng = np.random.default_rng([seed, days, events_per_day, first_day.toordinal()])
    visits, customers = make_journeys(rng, model, first_day.weekday(), days, events_per_day)
    own = visits.where(np.isin(visits.person, customers.person))
    count = len(own.person)
    names = pl.Series([channel.name for channel in model.channels])
    rows = pl.DataFrame(
        {
            "day": _days(first_day, own.start),
            "customer_id": own.person,
            "device": own.device,
            "channel": names.gather(pl.Series(own.channel)),
            "buys": own.buys,
            "page_views": 1 + rng.poisson(1.5, count),
            "add_to_carts": (rng.random(count) < model.cart_probability) | own.buys,
            # Prices of mattresses and of pillows.
            "revenue_cents": np.round(np.exp(rng.normal(10.8, 0.9, count))).astype(np.int64),
        }
    ).with_columns(
        pl.format("customer {}", "customer_id").alias("customer_id"),
        client_id=pl.format("client {}-{}", "customer_id", "device"),
    )
    orders = rows.filter("buys")
    return CustomerHistories(
        first_day,
        days,
        model,
        client_days=rows.group_by("day", "client_id")
        .agg(
            pl.col("channel").first(),
            pl.col("page_views", "add_to_carts").cast(pl.Int64).sum(),
            sessions=pl.len().cast(pl.Int64),
        )
        .with_columns(is_bot=pl.lit(False))
        .sort("day", "client_id"),
        conversions=orders.select("day", "customer_id", "revenue_cents", is_counted=pl.lit(True)).sort(pl.all()),
        identities=orders.group_by("client_id", "customer_id")
        .agg(pl.col("day").min())
        .with_columns(is_primary=pl.lit(True))
        .sort("day", "client_id"),
        customers=pl.DataFrame(
            {
                "customer_id": customers.person,
                "leaves": _days(first_day, customers.leaves),
                "purchases_per_day": customers.purchases_per_day,
            }
        ).with_columns(pl.format("customer {}", "customer_id").alias("customer_id")),
    )


def _days(first_day: dt.date, milliseconds: np.ndarray) -> pl.Series:
    return pl.select(pl.lit(first_day) + pl.duration(days=pl.lit(pl.Series(milliseconds // DAY_MS)))).to_series()
