"""How churn_features is computed: every count is a running total of changes, for all days of a range at once.

A visit enters each window on the day it becomes known and leaves it when it has grown too old. Adding up the
changes gives every as-of day at the cost of the changes, and never expands a visit into the days that see it.
"""

from __future__ import annotations

import datetime as dt

import polars as pl

from puffy_platform.runs import sum_so_far
from puffy_platform.settings import Settings
from puffy_platform.table import DayRange, Inputs

__all__ = ["LONGEST_WINDOW_DAYS", "counted_orders", "describe_customers"]

LONGEST_WINDOW_DAYS = 90
# The window in days, and the columns of a visit that are added up over it.
TOTALS: dict[int, tuple[str, ...]] = {
    7: ("sessions", "active_days"),
    30: ("sessions", "active_days", "page_views", "add_to_carts"),
    60: ("sessions", "active_days"),
    LONGEST_WINDOW_DAYS: ("sessions", "active_days"),
}
ACTIVITY = tuple(f"{column}_{window}d" for window, columns in TOTALS.items() for column in columns)
COUNTS = ("frequency", "monetary_cents", "clients", *ACTIVITY)
LATEST = ("last_order_day", "last_active_day")
# GA4 names its paid channels "Paid Search", "Paid Social", ...; user rules that keep to that are understood.
PAID_PREFIX = "Paid"
DIRECT = "Direct"
ONE = pl.lit(1, pl.Int64)


def describe_customers(inputs: Inputs, days: DayRange, settings: Settings) -> pl.LazyFrame:
    """Each buyer on each of the days from the first purchase on, as known at the end of the day."""
    named_orders = counted_orders(inputs).collect().lazy()
    buyers = (
        named_orders.group_by("customer_id")
        .agg(first_order_day=pl.col("day").min())
        .sort("customer_id")
        .with_row_index("customer")
        .collect()
        .lazy()
    )
    # From here on customers are their numbers, in the order of their names.
    numbers = buyers.select("customer_id", "customer")
    orders = named_orders.join(numbers, on="customer_id").select("customer", "day", "revenue_cents")
    links = (
        inputs["identities"]
        .filter("is_primary")
        .join(numbers, on="customer_id")
        .select("client_id", "customer", known_day="day")
        .collect()
        .lazy()
    )
    # All that follows is made of these, which are few; in a plan of many parts, each would read and join for itself.
    visits = _visits(inputs, links, settings).collect().lazy()
    changes = [_order_changes(orders), _link_changes(links), *_visit_changes(visits)]
    to_date = _running(buyers, changes, ("customer",), COUNTS, LATEST, days)
    return (
        to_date.filter(pl.col("first_order_day") <= pl.col("day"))
        # Of each day the customers are in order already.
        .sort("day", maintain_order=True)
        .join(_channel_mix(visits, days), on=["customer", "day"], how="left", maintain_order="left")
        .with_columns(
            recency_days=_days_since("last_order_day"),
            tenure_days=_days_since("first_order_day"),
            # Half up, in whole numbers: money never passes through a float.
            average_order_cents=(2 * pl.col("monetary_cents") + pl.col("frequency")) // (2 * pl.col("frequency")),
            last_seen_days=pl.when(_days_since("last_active_day") < LONGEST_WINDOW_DAYS).then(
                _days_since("last_active_day")
            ),
            sessions_trend_30d=2 * pl.col("sessions_30d") - pl.col("sessions_60d"),
            active_days_trend_30d=2 * pl.col("active_days_30d") - pl.col("active_days_60d"),
            channels_90d=pl.col("channels_90d").fill_null(0),
        )
    )


def counted_orders(inputs: Inputs) -> pl.LazyFrame:
    """The conversions that count and whose customer is known."""
    return inputs["conversions"].filter(pl.col("is_counted") & pl.col("customer_id").is_not_null())


def _visits(inputs: Inputs, links: pl.LazyFrame, settings: Settings) -> pl.LazyFrame:
    """Client-days of the buyers' clients, with the day from which they are known to be the customer's."""
    client_days = inputs["client_days"]
    seen = client_days if settings.bots.include else client_days.filter(~pl.col("is_bot"))
    return (
        seen.rename({"day": "active_day"})
        .join(links, on="client_id")
        .with_columns(known_day=pl.max_horizontal("active_day", "known_day"))
    )


def _order_changes(orders: pl.LazyFrame) -> pl.LazyFrame:
    return orders.select("customer", "day", frequency=ONE, monetary_cents="revenue_cents", last_order_day="day")


def _link_changes(links: pl.LazyFrame) -> pl.LazyFrame:
    return links.select("customer", day="known_day", clients=ONE)


def _visit_changes(visits: pl.LazyFrame) -> list[pl.LazyFrame]:
    """What each day of a customer adds to the totals of every window, and takes away when it leaves it."""
    by_day = (
        visits.group_by("customer", "active_day", "known_day")
        .agg(pl.col("sessions", "page_views", "add_to_carts").sum())
        # A day on which two devices were active is one active day, known when the first of them is.
        .with_columns(
            active_days=(pl.col("known_day") == pl.col("known_day").min().over("customer", "active_day")).cast(pl.Int64)
        )
    )
    latest = by_day.select("customer", day="known_day", last_active_day="active_day")
    in_windows = [
        _in_window(by_day, window, ("customer",), {column: f"{column}_{window}d" for column in columns})
        for window, columns in TOTALS.items()
    ]
    return [latest, *in_windows]


def _in_window(visits: pl.LazyFrame, window_days: int, key: tuple[str, ...], names: dict[str, str]) -> pl.LazyFrame:
    """Changes of totals over a window: plus on the day a visit is known, minus when it is too old."""
    leaving_day = pl.col("active_day") + dt.timedelta(days=window_days)
    in_time = visits.filter(pl.col("known_day") < leaving_day)
    entering = in_time.select(*key, day="known_day", **{name: pl.col(column) for column, name in names.items()})
    leaving = in_time.select(*key, day=leaving_day, **{name: -pl.col(column) for column, name in names.items()})
    return pl.concat([entering, leaving])


def _running(
    who: pl.LazyFrame,
    changes: list[pl.LazyFrame],
    key: tuple[str, ...],
    counts: tuple[str, ...],
    latest: tuple[str, ...],
    days: DayRange,
) -> pl.LazyFrame:
    """Every `who` on each of the days: of all changes so far the counts added up, the latest dates."""
    # Numbers are compared instead of names, and each number's days stand below each other.
    numbered = who.sort(key).with_row_index("number").collect().lazy()
    changes_of_day = (
        pl.concat(changes, how="diagonal")
        .filter(pl.col("day") <= days.last)
        .with_columns(pl.max_horizontal("day", pl.lit(days.first)))
        .join(numbered.select(*key, "number"), on=key)
        .group_by("number", "day")
        .agg(pl.col(counts).sum(), pl.col(latest).max())
    )
    starts = pl.col("day") == days.first
    return (
        numbered.join(days.frame(), how="cross")
        .sort("number", "day")
        .join(changes_of_day, on=["number", "day"], how="left", maintain_order="left")
        .with_columns(
            *(sum_so_far(pl.col(name).fill_null(0), starts).alias(name) for name in counts),
            *(_latest_so_far(name) for name in latest),
        )
        .drop("number")
    )


def _latest_so_far(name: str) -> pl.Expr:
    """The latest date up to each row of its number; null before the first. Numbers ascend, and what is larger by far
    than any date keeps those of one number above those of the numbers before."""
    floor = pl.col("number").cast(pl.Int64) * 2**32
    days_since_1970 = pl.col(name).to_physical().cast(pl.Int64)
    latest = (floor + days_since_1970.fill_null(0)).cum_max() - floor
    return pl.when(latest > 0).then(latest).cast(pl.Int32).cast(pl.Date).alias(name)


def _channel_mix(visits: pl.LazyFrame, days: DayRange) -> pl.LazyFrame:
    """Per customer and day: main channel, number of channels, and shares of the sessions in 90 days."""
    by_channel = (
        visits.filter(pl.col("sessions") > 0)
        .group_by("customer", "channel", "active_day", "known_day")
        .agg(pl.col("sessions").sum())
    )
    key = ("customer", "channel")
    channels = by_channel.select(key).unique()
    changes = [_in_window(by_channel, LONGEST_WINDOW_DAYS, key, {"sessions": "sessions"})]
    return (
        _running(channels, changes, key, ("sessions",), (), days)
        .filter(pl.col("sessions") > 0)
        .sort("customer", "day", "sessions", "channel", descending=[False, False, True, False])
        .group_by("customer", "day", maintain_order=True)
        .agg(
            top_channel_90d=pl.col("channel").first(),
            channels_90d=pl.len().cast(pl.Int64),
            paid_share_90d=pl.col("sessions").filter(pl.col("channel").str.starts_with(PAID_PREFIX)).sum()
            / pl.col("sessions").sum(),
            direct_share_90d=pl.col("sessions").filter(pl.col("channel") == DIRECT).sum() / pl.col("sessions").sum(),
        )
    )


def _days_since(column: str) -> pl.Expr:
    return (pl.col("day") - pl.col(column)).dt.total_days()
