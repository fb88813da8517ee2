"""What people do during a visit: pages, popup, cart, checkout, and how it looks in URL, referrer and browser.

Crawlers and the contents of orders are elsewhere; here a purchase is an event like any other.
"""

from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl

from puffy_platform.demo.agents import PEOPLE_AGENTS
from puffy_platform.demo.journeys import Customers, Ints, Visits
from puffy_platform.demo.model import ShopModel
from puffy_platform.demo.vocabulary import CHECKOUT, LANDINGS, PAGES, SHOP

__all__ = [
    "CART",
    "CHECKOUT_COMPLETED",
    "CHECKOUT_STARTED",
    "EVENT_NAMES",
    "PAGE",
    "POPUP",
    "browse",
    "client_ids",
    "tokens",
]

EVENT_NAMES = (
    "page_viewed",
    "email_filled_on_popup",
    "product_added_to_cart",
    "checkout_started",
    "checkout_completed",
)
PAGE, POPUP, CART, CHECKOUT_STARTED, CHECKOUT_COMPLETED = range(len(EVENT_NAMES))
# With at most 10 pages and 4 other events a visit stays under the distance that `journeys.py` keeps.
MAX_PAGES = 10
MAX_PAUSE_MS = 15 * 60_000
# More than the default session timeout of 30 minutes, even after a page is opened again at the end, so that
# visits are sessions.
BETWEEN_VISITS_MS = 75 * 60_000
PRODUCTS = np.array([number for number, path in enumerate(PAGES.texts) if path.startswith("/products/")])

_ALPHABET = np.frombuffer(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", dtype=np.uint8)


def tokens(rng: np.random.Generator, count: int, length: int) -> pl.Series:
    """Random URL-safe texts of a length, as the web is full of them."""
    letters = _ALPHABET[rng.integers(0, len(_ALPHABET), (count, length))]
    return pl.Series(np.ascontiguousarray(letters).view(f"S{length}").ravel(), dtype=pl.Binary).cast(pl.String)


def client_ids(rng: np.random.Generator, first_seen: Ints, first_day: dt.date) -> pl.Series:
    """First-party cookies: the second a client was first seen, and a token."""
    midnight = int(dt.datetime(first_day.year, first_day.month, first_day.day, tzinfo=dt.UTC).timestamp())
    seconds = pl.Series("seconds", midnight + first_seen // 1000).cast(pl.String)
    return pl.select(pl.concat_str([seconds, tokens(rng, len(first_seen), 12)], separator="-")).to_series()


def browse(
    rng: np.random.Generator,
    model: ShopModel,
    visits: Visits,
    customers: Customers,
    end: int,
    first_day: dt.date,
) -> pl.DataFrame:
    """All events of people before `end`: ts, visit, person, channel and the raw columns without event_data.

    The first event of a visit shows its channel in URL and referrer. Visits of one client are kept apart by
    more than a session timeout, later ones pushed back if need be.
    """
    count = len(visits.person)
    pages = np.minimum(rng.geometric(1 - model.extra_pages_continue, count), MAX_PAGES)
    bought = visits.buys.astype(np.int64)
    cart = np.maximum(rng.random(count) < model.cart_probability, bought)
    checkout = np.maximum(cart * (rng.random(count) < model.checkout_probability), bought)
    popup = (rng.random(count) < model.popup_probability).astype(np.int64)
    lengths = pages + popup + cart + checkout + bought

    visit = np.repeat(np.arange(count), lengths)
    place = np.arange(lengths.sum()) - np.repeat(lengths.cumsum() - lengths, lengths)
    from_end = lengths[visit] - 1 - place
    tail = np.column_stack([bought, bought + checkout, bought + checkout + cart])[visit]
    event = np.full(len(visit), PAGE)
    event[(place == 1) & (popup[visit] == 1)] = POPUP
    for limit, code in zip(tail.T[::-1], (CART, CHECKOUT_STARTED, CHECKOUT_COMPLETED), strict=True):
        event[from_end < limit] = code
    pause = np.minimum(np.exp(rng.normal(np.log(40_000), 1.1, len(visit))), MAX_PAUSE_MS).astype(np.int64) + 1_000
    pause[place == 0] = 0
    passed = pause.cumsum()
    passed -= passed[lengths.cumsum() - lengths][visit]
    duration = passed[lengths.cumsum() - 1]

    client = visits.person * 2 + visits.device
    start = _kept_apart(client, visits.start, duration)
    ts = start[visit] + passed
    clients = _clients(rng, client, start, customers, first_day)
    landing = (place == 0) | (event == POPUP)
    url, referrer = _addresses(rng, visits.channel, visit, event, landing, model)
    events = pl.DataFrame(
        {
            "ts": ts,
            "visit": visit,
            "client": client[visit],
            "person": visits.person[visit],
            "event_name": pl.Series(EVENT_NAMES).gather(pl.Series(event)),
            "channel": pl.Series([channel.name for channel in model.channels]).gather(pl.Series(visits.channel[visit])),
            "page_url": url,
            "referrer": referrer,
        }
    )
    return (
        events.filter(pl.col("ts") < end).join(clients, on="client", how="left", maintain_order="left").drop("client")
    )


def _kept_apart(client: Ints, start: Ints, duration: Ints) -> Ints:
    """Starts, pushed back where a visit would begin within reach of the client's previous one.

    With c = the time all earlier visits of the client take, start - c may only grow: a running maximum.
    """
    needed = duration + BETWEEN_VISITS_MS
    ordered = pl.DataFrame({"client": client, "start": start, "needed": needed}).with_row_index("place")
    taken = (pl.col("needed").cum_sum() - pl.col("needed")).over("client")
    return (
        ordered.sort("client", "start", "place")
        .with_columns(taken=taken)
        .with_columns(start=(pl.col("start") - pl.col("taken")).cum_max().over("client") + pl.col("taken"))
        .sort("place")["start"]
        .to_numpy()
    )


def _clients(
    rng: np.random.Generator, client: Ints, start: Ints, customers: Customers, first_day: dt.date
) -> pl.DataFrame:
    """client, client_id, user_agent. Cookies of customers are as old as their first order."""
    since = pl.DataFrame({"client": customers.person * 2, "since": customers.since})
    clients = (
        pl.DataFrame({"client": client, "start": start})
        .group_by("client")
        .agg(pl.col("start").min())
        .join(since.group_by("client").agg(pl.col("since").min()), on="client", how="left")
        .with_columns(first_seen=pl.min_horizontal("start", "since"))
        .sort("client")
    )
    agent = rng.choice(len(PEOPLE_AGENTS.texts), size=clients.height, p=PEOPLE_AGENTS.probabilities)
    return clients.select(
        "client",
        client_ids(rng, clients["first_seen"].to_numpy(), first_day).alias("client_id"),
        pl.Series(PEOPLE_AGENTS.texts).gather(pl.Series(agent)).alias("user_agent"),
    )


def _addresses(
    rng: np.random.Generator, channel: Ints, visit: Ints, event: Ints, landing: np.ndarray, model: ShopModel
) -> tuple[pl.Series, pl.Series]:
    """page_url and referrer (null when there is none) of every event."""
    way = _ways(rng, channel, model)
    ways = pl.DataFrame([(w.prefix, w.suffix, w.click_id, w.referrer) for w in LANDINGS], orient="row",
                        schema=["prefix", "suffix", "has_id", "from"])  # fmt: skip
    arrival = ways.select(pl.all().gather(pl.Series(way))).with_columns(click=tokens(rng, len(way), 22))
    query = pl.when(pl.col("prefix") != "").then(
        pl.concat_str(pl.lit("?"), "prefix", pl.when("has_id").then("click").otherwise(pl.lit("")), "suffix")
    )
    arrival = arrival.select(
        query.fill_null("").alias("query"),
        pl.col("from").replace("", None),
        checkout=tokens(rng, len(way), 32),
    )

    page = rng.choice(len(PAGES.texts), size=len(visit), p=PAGES.probabilities)
    page[event == CART] = rng.choice(PRODUCTS, size=int((event == CART).sum()))
    # The popup opens on the page the visit began with.
    page[event == POPUP] = page[np.flatnonzero(event == POPUP) - 1]
    internal = pl.Series(rng.random(len(visit)) < 0.3)
    events = arrival.select(pl.all().gather(pl.Series(visit))).with_columns(
        path=pl.Series(PAGES.texts).gather(pl.Series(page)),
        landing=pl.Series(landing),
        event=pl.Series(event),
        internal=internal,
    )
    checkout = pl.concat_str(pl.lit(CHECKOUT), "checkout")
    result = events.select(
        url=pl.when(pl.col("event") == CHECKOUT_COMPLETED)
        .then(pl.concat_str(checkout, pl.lit("/thank-you")))
        .when(pl.col("event") == CHECKOUT_STARTED)
        .then(pl.concat_str(checkout, pl.lit("?locale=en-US&skip_shop_pay=true")))
        .when("landing")
        .then(pl.concat_str(pl.lit(SHOP), "path", "query"))
        .otherwise(pl.concat_str(pl.lit(SHOP), "path")),
        referrer=pl.when("landing").then("from").when("internal").then(pl.lit(f"{SHOP}/")),
    )
    return result["url"], result["referrer"]


def _ways(rng: np.random.Generator, channel: Ints, model: ShopModel) -> Ints:
    """For every visit one of the ways in which its channel arrives."""
    way = np.zeros(len(channel), dtype=np.int64)
    for number, described in enumerate(model.channels):
        own = np.array([place for place, way_in in enumerate(LANDINGS) if way_in.channel == described.name])
        weights = np.array([LANDINGS[place].weight for place in own])
        here = channel == number
        way[here] = rng.choice(own, size=int(here.sum()), p=weights / weights.sum())
    return way
