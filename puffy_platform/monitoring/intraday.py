"""The running day: its hours so far against the same hours of earlier days. Pure; the moment is an argument.

A sensor that wakes once an hour calls `running_day` with the hourly metrics of the running day (`measure` over its rows
so far) below those of daily_metrics for the REACH days before, and posts what comes out like any other incident.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

import polars as pl

from puffy_platform.monitoring.report import REACH, Event, anomalies
from puffy_platform.table import DayRange

__all__ = ["HOURLY", "running_day"]

# Hourly metric -> the daily one that its first hours of the day are judged as.
HOURLY = {
    "hour_events": "events",
    "hour_sessions": "sessions",
    "hour_orders": "orders",
    "hour_revenue": "revenue",
}


def running_day(metrics: pl.DataFrame, today: dt.date, hours: int, events: Iterable[Event] = ()) -> pl.DataFrame:
    """Rows of anomalies for the first `hours` complete UTC hours of `today`: the sums of events, sessions, orders and
    revenue so far and the rate between them, against the same hours of earlier days; and each hour on its own.

    Incidents come from the sums and from empty hours; a single odd hour is for the digest. `metrics` holds rows of
    daily_metrics: of today as far as it went, and of the REACH days before. The running hour must not be in `hours`: it
    is not over. Raises ValueError beyond 24.
    """
    if not 0 <= hours <= 24:
        raise ValueError("hours must be from 0 to 24: the complete hours of the day so far")
    days = DayRange(today, today)
    window = metrics.filter(days.widen(before=REACH).covers())
    return anomalies(pl.concat([_so_far(window, hours), _landed(window, today)]), days, events, tuple(HOURLY))


def _so_far(metrics: pl.DataFrame, hours: int) -> pl.DataFrame:
    """Hourly metrics up to the hour, added up under the names of the daily ones, and their ratios."""
    is_over = pl.col("segment").cast(pl.Int64, strict=False) < hours
    hourly = metrics.filter(pl.col("metric").is_in(list(HOURLY)))
    # Hours to come stay, as zeros on every day: what a usual day's hours make up is told by all 24.
    hourly = hourly.with_columns(
        pl.when(is_over).then(pl.col(name)).otherwise(pl.lit(0).cast(metrics.schema[name])).alias(name)
        for name in ("amount", "grain", "value")
    )
    # Revenue's grain is that of its hours, weighted by their money: the sum of squares over the sum again.
    grain = pl.when(pl.col("amount").sum() > 0).then(
        (pl.col("grain") * pl.col("amount")).sum() / pl.col("amount").sum()
    )
    sums = (
        hourly.with_columns(metric=pl.col("metric").replace_strict(HOURLY))
        .group_by("day", "metric")
        .agg(
            pl.col("kind").first(),
            pl.col("amount").sum(),
            basis=pl.lit(1, pl.Int64),
            grain=grain.fill_null(0.0),
        )
        .with_columns(segment=pl.lit(""), value=pl.col("amount").cast(pl.Float64))
    )
    wide = sums.pivot("metric", index="day", values="amount")
    if {"orders", "sessions"} <= set(wide.columns):
        rate = wide.select(
            "day",
            metric=pl.lit("conversion_rate"),
            segment=pl.lit(""),
            kind=pl.lit("share"),
            amount=pl.col("orders").fill_null(0),
            basis=pl.col("sessions").fill_null(0),
            grain=pl.lit(1.0),
            value=pl.lit(None, pl.Float64),
        )
        sums = pl.concat([sums.select(rate.columns), rate])
    columns = [name for name in metrics.columns if name in sums.columns]
    both = pl.concat([sums.select(columns), hourly.select(columns)])
    return both.select(pl.col(name).cast(metrics.schema[name]) for name in columns)


def _landed(metrics: pl.DataFrame, today: dt.date) -> pl.DataFrame:
    """The landing days; the running day counts as landed, for it is judged by what there is."""
    landed = metrics.filter(pl.col("metric") == "landed_files", pl.col("day") != today)
    row = pl.DataFrame(
        {
            "day": [today],
            "metric": ["landed_files"],
            "segment": [""],
            "kind": ["count"],
            "amount": [1],
            "basis": [1],
            "grain": [1.0],
            "value": [1.0],
        }
    ).select(pl.col(name).cast(dtype) for name, dtype in metrics.schema.items())
    return pl.concat([landed, row])
