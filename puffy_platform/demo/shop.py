"""The simulated shop as it really was: every event once, undamaged, with what is true of it.

`simulate` puts journeys, browsing, orders and crawlers together. What goes wrong on the way into files is in
`defects.py`.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import numpy as np
import polars as pl

from puffy_platform.demo.browsing import CHECKOUT_COMPLETED, EVENT_NAMES, POPUP, browse
from puffy_platform.demo.crawlers import crawl
from puffy_platform.demo.journeys import DAY_MS, Customers, Visits, make_journeys
from puffy_platform.demo.model import BASELINE, ShopModel
from puffy_platform.demo.orders import email_hashes, reloaded, take_orders, with_event_data

__all__ = ["MIN_DAYS", "MIN_EVENTS_PER_DAY", "Shop", "simulate"]

MIN_DAYS = 10
MIN_EVENTS_PER_DAY = 200
PURCHASE = EVENT_NAMES[CHECKOUT_COMPLETED]


@dataclass(frozen=True)
class Shop:
    """What happened, and why. Times `ts` are milliseconds after the first day's midnight, UTC.

    `events`, in order of time, no two in the same millisecond: ts, the raw columns without the timestamp,
    visit, person and channel (of the visit; null for crawlers), is_bot, and for purchases order, is_reload,
    transaction_id, revenue_cents, items_total_cents.

    `orders`, a row an order: order, ts, person, email_hash, transaction_id, revenue_cents, items_total_cents
    (null when a line has no price), kind (what is peculiar: free, mismatch, null_line, collision or nothing),
    is_reloaded, true_channel (the cause; `BASELINE` when it was no channel), last_channel (of the visit it
    was placed in), credit (expected causes: a list in the order of the model's channels, the baseline last).

    `customers`, a row a person who ever bought and is seen: person, email_hash, since, leaves (may be after
    the last day), purchases_per_day, visits_per_day.
    """

    first_day: dt.date
    days: int
    seed: int
    events_per_day: int
    model: ShopModel
    events: pl.DataFrame
    orders: pl.DataFrame
    customers: pl.DataFrame

    @property
    def sessions_of_people(self) -> int:
        """Visits of people: none pauses for 30 minutes, and those of a client are further apart."""
        return self.events["visit"].drop_nulls().n_unique()


def simulate(
    first_day: dt.date, days: int, seed: int, events_per_day: int = 10_000, model: ShopModel | None = None
) -> Shop:
    """Simulate about `events_per_day` events a day. The same arguments give the same shop; no clock is read.

    Raises ValueError below 10 days or 200 events a day: then not every defect would find its place.
    """
    if days < MIN_DAYS or events_per_day < MIN_EVENTS_PER_DAY:
        raise ValueError(f"the shop needs at least {MIN_DAYS} days and {MIN_EVENTS_PER_DAY} events a day")
    model = model or ShopModel()
    rng = np.random.default_rng([seed, days, events_per_day, first_day.toordinal()])
    # Nothing happens in the last seconds, so that moving events apart moves none into the next day.
    end = days * DAY_MS - 60_000
    visits, customers = make_journeys(rng, model, first_day.weekday(), days, events_per_day)
    people = browse(rng, model, visits, customers, end, first_day)
    is_purchase = pl.col("event_name") == PURCHASE
    people = people.with_columns(order=pl.when(is_purchase).then(is_purchase.cum_sum()), is_reload=pl.lit(False))
    again = reloaded(rng, model, people, end)
    bots = crawl(rng, model, round(people.height * model.bot_share / (1 - model.bot_share)), days, first_day)
    events = _in_order(
        pl.concat([people.with_columns(is_bot=pl.lit(False)), again.with_columns(is_bot=pl.lit(False)),
                   bots.with_columns(is_bot=pl.lit(True), is_reload=pl.lit(False))], how="diagonal"), end
    )  # fmt: skip

    emails = email_hashes(
        pl.concat(
            [
                events.filter(pl.col("event_name").is_in((PURCHASE, EVENT_NAMES[POPUP])))["person"],
                pl.Series("person", customers.person),
            ]
        ),
        seed,
    )
    orders = take_orders(rng, model, _purchases(events, visits, emails, model), first_day)
    return Shop(
        first_day,
        days,
        seed,
        events_per_day,
        model,
        with_event_data(events, orders, emails),
        orders.drop("event_data"),
        _seen(customers, emails, events),
    )


def _in_order(events: pl.DataFrame, end: int) -> pl.DataFrame:
    """By time, everything after the end left out, and no two events in the same millisecond.

    Moved events move the ones after them: ts - place may only grow. Orders are numbered again, by time.
    """
    place = pl.int_range(pl.len(), dtype=pl.Int64)
    ordered = events.filter(pl.col("ts") < end).sort("ts", "client_id", maintain_order=True)
    ordered = ordered.with_columns(ts=(pl.col("ts") - place).cum_max() + place)
    first = pl.when(pl.col("order").is_not_null()).then(pl.col("ts").min().over("order"))
    return ordered.with_columns(order=first.rank("dense").cast(pl.Int64) - 1)


def _purchases(events: pl.DataFrame, visits: Visits, emails: pl.DataFrame, model: ShopModel) -> pl.DataFrame:
    names = pl.Series([*(channel.name for channel in model.channels), BASELINE])
    purchases = events.filter(pl.col("order").is_not_null())
    reloads = purchases.filter("is_reload")["order"].implode()
    first = (
        purchases.filter(~pl.col("is_reload"))
        .select("order", "ts", "person", "visit", last_channel="channel")
        .with_columns(is_reloaded=pl.col("order").is_in(reloads))
        .sort("order")
    )
    visit = first["visit"].to_numpy()
    return (
        first.drop("visit")
        .join(emails, on="person", how="left", maintain_order="left")
        .with_columns(
            true_channel=names.gather(pl.Series(visits.cause[visit])),
            credit=pl.Series(visits.credit[visit].tolist(), dtype=pl.List(pl.Float64)),
        )
    )


def _seen(customers: Customers, emails: pl.DataFrame, events: pl.DataFrame) -> pl.DataFrame:
    everyone = pl.DataFrame(
        {
            "person": customers.person,
            "since": customers.since,
            "leaves": customers.leaves,
            "purchases_per_day": customers.purchases_per_day,
            "visits_per_day": customers.visits_per_day,
        }
    )
    seen = everyone.join(events.select("person").drop_nulls().unique(), on="person", how="semi", maintain_order="left")
    return seen.join(emails, on="person", how="left", maintain_order="left").sort("person")
