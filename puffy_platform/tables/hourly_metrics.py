"""hourly_metrics: the hours of every day in numbers that add up, so that a running day has something to compare with.

Contract, transform and checks. How hours are measured, and a running day is judged by them, is in monitoring/hours.py.
"""

from __future__ import annotations

import pandera.polars as pa
import polars as pl

from puffy_platform.monitoring.hours import HOURLY, measure_hours
from puffy_platform.settings import Settings
from puffy_platform.table import Check, DayRange, Inputs, Reads, Table

__all__ = ["TABLE"]


class HourlyMetricsContract(pa.DataFrameModel):
    """One row for each day, hour, metric and segment that there was any of."""

    day: pl.Date = pa.Field(description="Event day.")
    hour: pl.Int64 = pa.Field(ge=0, le=23, description="UTC hour in which it happened, or in which a session began.")
    metric: str = pa.Field(isin=list(HOURLY), description="What is measured, as in daily_metrics.")
    segment: str = pa.Field(description="Of which part: a channel, a column; empty for the whole.")
    amount: pl.Int64 = pa.Field(description="What was counted, or cents. Amounts of a day's hours add up to the day's.")
    basis: pl.Int64 = pa.Field(ge=0, description="Of what the amount is a part; 1 for counts and money.")
    grain: pl.Float64 = pa.Field(description="Size of a typical order in cents, of money; 1 of counts.")

    class Config:
        strict = True


def transform(inputs: Inputs, days: DayRange, settings: Settings) -> pl.LazyFrame:
    """The hours of each day, from that day's rows alone."""
    return measure_hours(inputs, settings)


def hours_add_up(frame: pl.DataFrame, inputs: Inputs, days: DayRange, settings: Settings) -> pl.DataFrame:
    """Events, sessions, clients, orders and cents of a day's hours are those of the day."""
    people = pl.lit(settings.bots.include) | ~pl.col("is_bot")
    sessions = inputs["sessions"].filter(people).group_by("day")
    orders = inputs["conversions"].filter("is_counted").group_by("day")
    parts = {
        "events": inputs["events_enriched"].filter(people).group_by("day").agg(whole=pl.len()),
        "sessions": sessions.agg(whole=pl.len()),
        "clients": sessions.agg(whole=pl.col("client_id").n_unique()),
        "orders": orders.agg(whole=pl.len()),
        "revenue": orders.agg(whole=pl.col("revenue_cents").sum()),
    }
    whole = pl.concat(
        rows.select("day", pl.lit(name).alias("metric"), pl.col("whole").cast(pl.Int64)) for name, rows in parts.items()
    ).collect()
    return (
        frame.filter(pl.col("metric").is_in(list(parts)))
        .group_by("day", "metric")
        .agg(pl.col("amount").sum())
        .join(whole, on=["day", "metric"], how="full", coalesce=True)
        .with_columns(apart=(pl.col("amount").fill_null(0) - pl.col("whole").fill_null(0)).abs())
        .group_by("day")
        .agg(pl.col("apart").sum())
        .select(
            "day",
            passed=pl.col("apart") == 0,
            observed=pl.format("{} apart", "apart"),
            expected=pl.lit("0 apart"),
        )
    )


TABLE = Table(
    name="hourly_metrics",
    description=(
        "Every hour in numbers: events, sessions, clients, carts, orders, revenue, sources, devices, nulls. What the "
        "running day, as far as it has landed, is compared by: with the same hours of the twelve weeks before it."
    ),
    owner="team:analytics",
    group="monitoring",
    contract=HourlyMetricsContract,
    key=("day", "hour", "metric", "segment"),
    reads=(
        Reads(
            "events_enriched",
            columns=("day", "event_ts", "event_name", "channel", "client_id", "referrer", "is_bot"),
        ),
        Reads(
            "sessions",
            columns=(
                "day",
                "started_at",
                "client_id",
                "channel",
                "device_class",
                "is_bot",
                "add_to_carts",
                "checkouts_started",
            ),
        ),
        Reads("conversions", columns=("day", "converted_at", "revenue_cents", "is_counted")),
    ),
    transform=transform,
    settings_sections=("bots",),
    checks=(
        Check(
            "hours_add_up",
            "Events, sessions, clients, orders and cents of the hours are those of the day.",
            hours_add_up,
        ),
    ),
    sort=("metric", "segment", "hour"),
    lineage={
        "amount": (
            ("events_enriched", "event_ts"),
            ("sessions", "started_at"),
            ("conversions", "revenue_cents"),
        ),
    },
)
