"""daily_metrics: what every day looked like, in numbers that can be compared with other days.

Contract, transform and checks. What each metric means is in monitoring/metrics.py, how it is measured in measure.py.
"""

from __future__ import annotations

import pandera.polars as pa
import polars as pl

from puffy_platform.methods.attribution import MODELS
from puffy_platform.monitoring.measure import ENRICHED_COLUMNS, RAW_COLUMNS, measure
from puffy_platform.monitoring.metrics import METRICS
from puffy_platform.settings import Settings
from puffy_platform.table import Check, DayRange, Inputs, Reads, Table

__all__ = ["TABLE"]

# Tables of which rows a day are compared with earlier days'. Cohorts and churn features grow by definition.
COUNTED_TABLES = (
    "events_enriched",
    "purchases",
    "identity_links",
    "sessions",
    "conversions",
    "attribution",
    "channel_summary",
    "user_journeys",
    "client_days",
)
SHARE_TOLERANCE = 1e-6


class DailyMetricsContract(pa.DataFrameModel):
    """One row for each day, metric and segment."""

    day: pl.Date = pa.Field(
        description="Landing day of what is measured of files and raw rows, event day of everything else."
    )
    metric: str = pa.Field(isin=list(METRICS), description="What is measured.")
    segment: str = pa.Field(description="Of which part: a channel, a column, an hour; empty for the whole.")
    kind: str = pa.Field(
        isin=["count", "share", "money", "mean", "state"],
        description="How it is judged: as a count, a part of a whole, cents, cents an order, or a state of the files.",
    )
    amount: pl.Int64 = pa.Field(description="What was counted, or cents.")
    basis: pl.Int64 = pa.Field(ge=0, description="Of what the amount is a part, or orders; 1 for counts and money.")
    grain: pl.Float64 = pa.Field(
        description="Size of an independent piece of the amount: 1 of counts, a typical order of money."
    )
    value: pl.Float64 = pa.Field(
        nullable=True, description="The metric: the amount, or amount / basis; null when the basis is 0."
    )

    class Config:
        strict = True


def transform(inputs: Inputs, days: DayRange, settings: Settings) -> pl.LazyFrame:
    """The metrics of each day, from that day's rows of every table."""
    return measure(inputs, settings, COUNTED_TABLES)


def shares_are_parts(frame: pl.DataFrame, inputs: Inputs, days: DayRange, settings: Settings) -> pl.DataFrame:
    """The shares of a whole by channel, device and event sum to 1."""
    wholes = ("channel_share", "device_share", "event_share")
    return (
        frame.filter(pl.col("metric").is_in(wholes), pl.col("basis") > 0)
        .group_by("day", "metric")
        .agg(distance=(pl.col("value").sum() - 1).abs())
        .group_by("day")
        .agg(pl.col("distance").max())
        .select(
            "day",
            passed=pl.col("distance") <= SHARE_TOLERANCE,
            observed=pl.format("farthest from 1 by {}", "distance"),
            expected=pl.lit(f"at most {SHARE_TOLERANCE}"),
        )
    )


def money_agrees(frame: pl.DataFrame, inputs: Inputs, days: DayRange, settings: Settings) -> pl.DataFrame:
    """Cents of the day: raw purchases = events = purchases = conversions; those that count = every model and window of
    the attribution = of the channel summary = the journeys."""

    def cents(table: str, *also: str, only: pl.Expr | bool = True) -> pl.LazyFrame:
        rows = inputs[table].filter(only).group_by("day", *also).agg(pl.col("revenue_cents").sum())
        return rows.select("day", cents="revenue_cents")

    view = ("model", "window_days")
    gross = pl.concat([cents("events_enriched"), cents("purchases"), cents("conversions")])
    counted = pl.concat(
        [
            cents("conversions", only=pl.col("is_counted")),
            cents("attribution", *view),
            cents("channel_summary", *view),
            cents("user_journeys"),
        ]
    )
    views = 2 + 2 * len(MODELS) * len(settings.attribution.windows_days)

    def apart(rows: pl.LazyFrame, name: str) -> pl.LazyFrame:
        # A day without purchases has no row in some of them, and 0 cents in all.
        return (
            rows.filter(pl.col("cents") != 0)
            .group_by("day")
            .agg(
                (pl.col("cents").max() - pl.col("cents").min()).alias(f"{name}_apart"),
                pl.len().alias(f"{name}_views"),
                pl.col("cents").max().alias(name),
            )
        )

    return (
        frame.lazy()
        .select(pl.col("day").unique())
        .join(apart(gross, "gross"), on="day", how="left")
        .join(apart(counted, "counted"), on="day", how="left")
        .with_columns(pl.exclude("day").fill_null(0))
        .select(
            "day",
            passed=(pl.col("gross_apart") == 0)
            & (pl.col("counted_apart") == 0)
            & pl.col("gross_views").is_in([0, 3])
            & pl.col("counted_views").is_in([0, views]),
            observed=pl.format(
                "gross in {} places {} cents apart, counted in {} views {} cents apart",
                "gross_views",
                "gross_apart",
                "counted_views",
                "counted_apart",
            ),
            expected=pl.format("{} cents gross in 3 places, {} counted in {} views", "gross", "counted", pl.lit(views)),
        )
        .collect()
    )


TABLE = Table(
    name="daily_metrics",
    description=(
        "Every day in numbers: rows, files, drift, duplicates, quarantine, nulls by column, events by kind, channel, "
        "device and hour; sessions, clients, rates, orders and revenue. What `anomalies` compares days by."
    ),
    owner="team:analytics",
    group="monitoring",
    contract=DailyMetricsContract,
    key=("day", "metric", "segment"),
    reads=(
        Reads("file_drift", columns=("day", "rows", "renamed", "missing", "added")),
        Reads("duplicate_events", columns=("day",)),
        Reads("quarantined_events", columns=("day", "rule")),
        Reads("raw_events", columns=("day", "timestamp_kind", *RAW_COLUMNS)),
        Reads(
            "events_enriched",
            columns=("day", "event_ts", "event_name", "channel", "is_bot", "revenue_cents", *ENRICHED_COLUMNS),
        ),
        Reads("purchases", columns=("day", "client_id", "email_hash", "is_zero_revenue", "revenue_cents")),
        Reads("identity_links", columns=("day",)),
        Reads(
            "sessions",
            columns=(
                "day",
                "client_id",
                "started_at",
                "add_to_carts",
                "checkouts_started",
                "channel",
                "device_class",
                "is_bot",
            ),
        ),
        Reads("conversions", columns=("day", "converted_at", "revenue_cents", "kind", "is_counted")),
        Reads("attribution", columns=("day", "model", "window_days", "revenue_cents")),
        Reads("channel_summary", columns=("day", "channel", "model", "window_days", "revenue_cents")),
        Reads("user_journeys", columns=("day", "revenue_cents")),
        Reads("client_days", columns=("day",)),
    ),
    transform=transform,
    settings_sections=("bots", "attribution"),
    checks=(
        Check("shares_are_parts", "Shares by channel, device and event sum to 1.", shares_are_parts),
        Check(
            "money_agrees",
            "The day's cents are the same in events, purchases and conversions; the counted ones in every model and "
            "window of attribution and channel_summary, and in user_journeys.",
            money_agrees,
            severity="warn",
        ),
    ),
    sort=("metric", "segment"),
    lineage={
        "amount": (
            ("file_drift", "rows"),
            ("events_enriched", "event_name"),
            ("sessions", "session_id"),
            ("conversions", "revenue_cents"),
            ("channel_summary", "revenue_cents"),
        ),
    },
)
