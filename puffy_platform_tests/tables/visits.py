"""Small histories of visits and purchases to test sessions and attribution: rows by hand, and random ones.

Day 0 is a Monday. What is expected of the rows is in the tests.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

import polars as pl
from hypothesis import strategies as st

from puffy_platform.table import DayRange

START = dt.datetime(2025, 2, 3, tzinfo=dt.UTC)
CHANNELS = ("Direct", "Paid Search", "Email", "Internal")
MICROSECOND = dt.timedelta(microseconds=1)
UTC_TIME = pl.Datetime("us", "UTC")

EVENTS: dict[str, Any] = {
    "day": pl.Date,
    "event_id": pl.String,
    "event_ts": UTC_TIME,
    "client_id": pl.String,
    "event_name": pl.String,
    "path": pl.String,
    "channel": pl.String,
    "utm_source": pl.String,
    "utm_medium": pl.String,
    "utm_campaign": pl.String,
    "referrer_host": pl.String,
    "device_class": pl.String,
    "browser": pl.String,
    "os": pl.String,
    "is_bot": pl.Boolean,
    "revenue_cents": pl.Int64,
    "transaction_id": pl.String,
    "email_hash": pl.String,
    "landing_day": pl.Date,
    "source_file": pl.String,
    "source_line": pl.Int64,
}
PURCHASES: dict[str, Any] = {
    "day": pl.Date,
    "event_id": pl.String,
    "purchased_at": UTC_TIME,
    "client_id": pl.String,
    "email_hash": pl.String,
    "transaction_id": pl.String,
    "revenue_cents": pl.Int64,
    "items_count": pl.Int64,
    "is_bot": pl.Boolean,
}
CONVERSIONS: dict[str, Any] = {
    "day": pl.Date,
    "event_id": pl.String,
    "transaction_id": pl.String,
    "client_id": pl.String,
    "converted_at": UTC_TIME,
    "revenue_cents": pl.Int64,
    "is_counted": pl.Boolean,
}
SESSIONS: dict[str, Any] = {
    "day": pl.Date,
    "session_id": pl.String,
    "client_id": pl.String,
    "started_at": UTC_TIME,
    "ended_at": UTC_TIME,
    "channel": pl.String,
    "is_bot": pl.Boolean,
}


def day(number: int) -> dt.date:
    return START.date() + dt.timedelta(days=number)


def days(first: int, last: int) -> DayRange:
    return DayRange(day(first), day(last))


def at(number: int, clock: str = "12:00") -> dt.datetime:
    """Time on a day: at(1, "23:59:30")."""
    return dt.datetime.combine(day(number), dt.time.fromisoformat(clock), tzinfo=dt.UTC)


def event(client: str | None, when: dt.datetime, name: str = "page_viewed", **more: Any) -> dict[str, Any]:
    """An ordinary desktop page view of the home page, unless told otherwise."""
    ordinary = {
        "day": when.date(),
        "event_ts": when,
        "client_id": client,
        "event_name": name,
        "path": "/",
        "channel": "Direct",
        "device_class": "desktop",
        "is_bot": False,
        "landing_day": when.date(),
        "source_file": f"events_{when:%Y%m%d}.csv",
    }
    return ordinary | more


def events(*rows: dict[str, Any]) -> pl.DataFrame:
    """Events with ids e0, e1, ... and lines in the order given, unless they say otherwise."""
    numbered = [{"event_id": f"e{n}", "source_line": n} | row for n, row in enumerate(rows)]
    return pl.DataFrame(numbered, schema=EVENTS)


def purchases_of(enriched: pl.DataFrame) -> pl.DataFrame:
    """The purchases table of these events, as far as conversions read it."""
    return (
        enriched.filter(pl.col("event_name") == "checkout_completed")
        .with_columns(purchased_at="event_ts", items_count=pl.lit(1, pl.Int64))
        .select(*PURCHASES)
    )


def purchase(name: str, when: dt.datetime, transaction: str, cents: int, **more: Any) -> dict[str, Any]:
    """A purchase without known buyer, unless told otherwise."""
    ordinary = {"items_count": 1, "is_bot": False, "day": when.date(), "purchased_at": when}
    return ordinary | {"event_id": name, "transaction_id": transaction, "revenue_cents": cents} | more


def conversion(name: str, client: str | None, when: dt.datetime, cents: int, **more: Any) -> dict[str, Any]:
    """A counted conversion, unless told otherwise."""
    row = {"day": when.date(), "event_id": name, "client_id": client, "converted_at": when}
    return row | {"transaction_id": f"order of {name}", "revenue_cents": cents, "is_counted": True} | more


def session(name: str, client: str, when: dt.datetime, channel: str, **more: Any) -> dict[str, Any]:
    """A session of ten minutes of a human, unless told otherwise."""
    row = {"day": when.date(), "session_id": name, "client_id": client, "channel": channel, "is_bot": False}
    return row | {"started_at": when, "ended_at": when + dt.timedelta(minutes=10)} | more


HISTORY = days(-1, 5)
HOUR = dt.timedelta(hours=1)
# For a timeout of four hours. Whole hours meet midnights exactly; only the second kind ends sessions.
SHORT_PAUSES = (2 * HOUR, 3 * HOUR, 4 * HOUR, 4 * HOUR - MICROSECOND, 4 * HOUR)
ALL_PAUSES = (0 * HOUR, HOUR, 4 * HOUR, 4 * HOUR + MICROSECOND, 5 * HOUR, 9 * HOUR, 26 * HOUR)


@st.composite
def histories(draw: st.DrawFn, clients: Sequence[str | None] = ("a", "b", None)) -> pl.DataFrame:
    """Events of the days of HISTORY: marathons of up to two days between visits with all kinds of pauses."""
    marathon = st.lists(st.sampled_from(SHORT_PAUSES), min_size=7, max_size=14)
    visits = st.lists(st.sampled_from(ALL_PAUSES), max_size=5)
    rows = []
    for client in clients:
        when = START + draw(st.integers(-6, 30)) * HOUR
        stretches = draw(st.lists(st.one_of(marathon, visits), max_size=4))
        for pause in (pause for stretch in stretches for pause in stretch):
            when += pause
            rows.append(draw(single_events(client, when)))
    return events(*draw(st.permutations(rows))).filter(HISTORY.covers())


def single_events(client: str | None, when: dt.datetime) -> st.SearchStrategy[dict[str, Any]]:
    """A page view, or a purchase of few order ids, buyers and amounts: repeats and collisions happen."""
    visit = st.fixed_dictionaries({"channel": st.sampled_from(CHANNELS), "is_bot": st.sampled_from((False, True))})
    sale = st.fixed_dictionaries(
        {
            "transaction_id": st.sampled_from(("o1", "o2", "o3", "o4", "o5", "o6")),
            "revenue_cents": st.sampled_from((-101, 0, 1, 9_999, 100_000)),
            "email_hash": st.sampled_from((None, "ann", "ben")),
            "channel": st.sampled_from(CHANNELS),
        }
    )
    return st.one_of(
        visit.map(lambda more: event(client, when, **more)),
        visit.map(lambda more: event(client, when, **more)),
        sale.map(lambda more: event(client, when, "checkout_completed", **more)),
    )
