"""The simulated shop as it really was: every event once, undamaged, with what is true of it.

`simulate` puts journeys, browsing and crawlers together. What goes wrong on the way into files is in `defects.py`.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from dataclasses import dataclass

import numpy as np
import polars as pl

from puffy_platform.demo.browsing import browse
from puffy_platform.demo.crawlers import crawl
from puffy_platform.demo.journeys import DAY_MS, Customers, Visits, make_journeys
from puffy_platform.demo.model import BASELINE, ShopModel
from puffy_platform.demo.orders import Orders, take_orders

__all__ = ["MIN_DAYS", "MIN_EVENTS_PER_DAY", "Shop", "simulate"]

MIN_DAYS = 10
MIN_EVENTS_PER_DAY = 200


@dataclass(frozen=True)
class Shop:
    """What happened, and why.

    `events`, in order of time, no two at the same millisecond: ts (milliseconds after `first_day`), the raw columns
    without the timestamp, is_bot, visit (-1 for crawlers), channel (through which the visit came; null for
    crawlers), order (row of `orders`, null when it is no purchase), revenue_cents.

    `orders`, a row an order: order, transaction_id, person, email_hash, ordered_at (ms), revenue_cents, items_total_cents
    (null when a line has no price), true_channel (the cause; `BASELINE` when none), last_channel (of the visit it
    was placed in), credit (expected share of every channel, the baseline last).

    `customers`, a row a person who ever bought and shows up: email_hash, since (ms), leaves (ms; may lie behind the
    last day), purchases_per_day, visits_per_day.
    """

    first_day: dt.date
    days: int
    seed: int
    events_per_day: int
    model: ShopModel
    events: pl.DataFrame
    orders: pl.DataFrame
    customers: pl.DataFrame
    sessions_of_people: int


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
    end = days * DAY_MS - 10_000
    visits, customers = make_journeys(rng, model, first_day.weekday(), days, events_per_day)
    people, visits = browse(rng, model, visits, end, seed, first_day)
    orders = take_orders(rng, model, people, first_day)
    people = orders.into(people)
    count = round(people.height * model.bot_share / (1 - model.bot_share))
    events = _in_order(pl.concat([people, crawl(rng, model, count, days, first_day)], how="diagonal"), end)
    emails = _emails(np.unique(np.concatenate([customers.person, people["email_of"].drop_nulls().to_numpy()])), seed)
    return Shop(
        first_day,
        days,
        seed,
        events_per_day,
        model,
        events,
        orders.frame,
        customers,
        int(events["visit"].n_unique()),
    )
