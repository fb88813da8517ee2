"""Small histories of clients and customers to test the customer tables with: rows by hand, and random ones.

Day 0 is a Monday, and the month ends on day 4. What is expected of them is in the tests.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

import polars as pl
from hypothesis import strategies as st

from puffy_platform.table import DayRange

START = dt.date(2025, 1, 27)
UTC_TIME = pl.Datetime("us", "UTC")
CLIENTS = ("ann-phone", "ann-laptop", "ben", "cat", "library")
CUSTOMERS = ("ann", "ben", "cat")
CHANNELS = ("Direct", "Email", "Paid Search", "Paid Social")

CLIENT_DAYS: dict[str, Any] = {
    "day": pl.Date,
    "client_id": pl.String,
    "channel": pl.String,
    "sessions": pl.Int64,
    "page_views": pl.Int64,
    "add_to_carts": pl.Int64,
    "is_bot": pl.Boolean,
}
CONVERSIONS: dict[str, Any] = {
    "day": pl.Date,
    "client_id": pl.String,
    "customer_id": pl.String,
    "revenue_cents": pl.Int64,
    "is_counted": pl.Boolean,
}
IDENTITIES: dict[str, Any] = {
    "day": pl.Date,
    "client_id": pl.String,
    "customer_id": pl.String,
    "is_primary": pl.Boolean,
}
LINKS: dict[str, Any] = {
    "day": pl.Date,
    "client_id": pl.String,
    "customer_id": pl.String,
    "first_seen_at": UTC_TIME,
}


def day(number: int) -> dt.date:
    return START + dt.timedelta(days=number)


def days(first: int, last: int) -> DayRange:
    return DayRange(day(first), day(last))


def at(number: int, clock: str = "12:00") -> dt.datetime:
    """A time on a day, in UTC."""
    return dt.datetime.combine(day(number), dt.time.fromisoformat(clock), dt.UTC)


def client_days(*rows: dict[str, Any]) -> pl.DataFrame:
    """Rows of client_days; what is not given is one session of one page view, direct, of a human."""
    usual = {"channel": "Direct", "sessions": 1, "page_views": 1, "add_to_carts": 0, "is_bot": False}
    return pl.DataFrame([{**usual, **row} for row in rows], schema=CLIENT_DAYS)


def visits(client_id: str, *numbers: int, **values: Any) -> list[dict[str, Any]]:
    """The client's visits on these days, all alike."""
    return [{"day": day(number), "client_id": client_id, **values} for number in numbers]


def conversions(*rows: tuple[int, str | None, str | None, int, bool]) -> pl.DataFrame:
    """Conversions: day, client, customer, cents, counted."""
    dated = [(day(number), *rest) for number, *rest in rows]
    return pl.DataFrame(dated, schema=CONVERSIONS, orient="row")


def identities(*rows: tuple[int, str, str, bool]) -> pl.DataFrame:
    """Links: day first seen, client, customer, primary."""
    dated = [(day(number), *rest) for number, *rest in rows]
    return pl.DataFrame(dated, schema=IDENTITIES, orient="row")


def links(*rows: tuple[int, str, str, str]) -> pl.DataFrame:
    """identity_links: day, client, customer, clock."""
    dated = [(day(number), client, customer, at(number, clock)) for number, client, customer, clock in rows]
    return pl.DataFrame(dated, schema=LINKS, orient="row")


@st.composite
def random_links(draw: st.DrawFn, last_day: int) -> pl.DataFrame:
    """identity_links: shared devices, several devices, pairs seen again, and ties within a minute."""
    minutes = st.sampled_from(("00:00", "12:00", "12:01"))
    row = st.tuples(st.integers(0, last_day), st.sampled_from(CLIENTS), st.sampled_from(CUSTOMERS), minutes)
    drawn = draw(st.lists(row, min_size=3, max_size=25, unique_by=lambda pair: pair[:3]))
    return links(*drawn)


@st.composite
def random_client_days(draw: st.DrawFn, last_day: int) -> pl.DataFrame:
    """Visits of several clients on some of the days, some of them a bot's."""
    row = st.fixed_dictionaries(
        {
            "day": st.integers(0, last_day).map(day),
            "client_id": st.sampled_from(CLIENTS),
            "channel": st.sampled_from(CHANNELS),
            "sessions": st.integers(0, 3),
            "page_views": st.integers(0, 5),
            "add_to_carts": st.integers(0, 2),
            "is_bot": st.sampled_from((False, False, False, True)),
        }
    )
    drawn = draw(st.lists(row, min_size=8, max_size=40, unique_by=lambda visit: (visit["day"], visit["client_id"])))
    return client_days(*drawn)


@st.composite
def random_conversions(draw: st.DrawFn, last_day: int) -> pl.DataFrame:
    """Purchases, some without a client or a customer, some that do not count."""
    row = st.tuples(
        st.integers(0, last_day),
        st.sampled_from((*CLIENTS, None)),
        st.sampled_from((*CUSTOMERS, None)),
        st.integers(0, 100_000),
        st.sampled_from((True, True, True, False)),
    )
    return conversions(*draw(st.lists(row, min_size=3, max_size=15)))
