"""Channel summary: a day's sessions, clients, conversions and revenue by channel, model and look-back window.

Contract, transform and checks; only adds up what sessions and attribution say.
"""

from __future__ import annotations

import pandera.polars as pa
import polars as pl

from puffy_platform.methods.attribution import MODELS
from puffy_platform.settings import Settings
from puffy_platform.table import Check, DayRange, Inputs, Reads, Table

__all__ = ["TABLE"]

# Sums of weights are rounded here, so that the order of adding does not show in their last bits.
DECIMALS = 9
CONVERSION_TOLERANCE = 1e-6
VIEW = ("model", "window_days")


class ChannelSummaryContract(pa.DataFrameModel):
    """One row for each day, channel, model and look-back window."""

    day: pl.Date = pa.Field(description="UTC date on which sessions started and conversions happened.")
    channel: str = pa.Field(description="Channel seen on the day, in sessions or in credit.")
    model: str = pa.Field(isin=MODELS, description="Attribution model.")
    window_days: pl.Int64 = pa.Field(ge=1, description="Look-back window, days before the conversion.")
    sessions: pl.Int64 = pa.Field(ge=0, description="Sessions of the channel; the same for every model and window.")
    clients: pl.Int64 = pa.Field(
        ge=0, description="Distinct clients of those sessions. Do not add over channels or days."
    )
    conversions: pl.Float64 = pa.Field(ge=0, description="Conversions credited to the channel; sums of weights.")
    revenue_cents: pl.Int64 = pa.Field(description="Revenue credited to it; minor units of the shop's currency.")
    conversion_rate: pl.Float64 = pa.Field(
        ge=0,
        nullable=True,
        description=("conversions / sessions of the day; null without sessions. May pass 1: credit looks back."),
    )

    class Config:
        strict = True


def transform(inputs: Inputs, days: DayRange, settings: Settings) -> pl.LazyFrame:
    """Traffic by channel, credit by channel, model and window, side by side for every channel seen."""
    traffic = (
        inputs["sessions"]
        .filter(pl.lit(settings.bots.include) | ~pl.col("is_bot"))
        .group_by("day", "channel")
        .agg(sessions=pl.len().cast(pl.Int64), clients=pl.col("client_id").n_unique().cast(pl.Int64))
    )
    credit = (
        inputs["attribution"]
        .group_by("day", "channel", *VIEW)
        .agg(
            conversions=pl.col("weight").sum().round(DECIMALS),
            revenue_cents=pl.col("revenue_cents").sum(),
        )
    )
    windows = pl.LazyFrame({"window_days": settings.attribution.windows_days}, schema={"window_days": pl.Int64})
    views = pl.LazyFrame({"model": MODELS}).join(windows, how="cross")
    seen = pl.concat([traffic.select("day", "channel"), credit.select("day", "channel")]).unique()
    conversions, sessions = pl.col("conversions"), pl.col("sessions")
    return (
        seen.join(views, how="cross")
        .join(traffic, on=["day", "channel"], how="left")
        .join(credit, on=["day", "channel", *VIEW], how="left")
        .with_columns(pl.col("sessions", "clients", "revenue_cents").fill_null(0), conversions.fill_null(0.0))
        .with_columns(conversion_rate=pl.when(sessions > 0).then((conversions * (1 / sessions)).round(DECIMALS)))
    )


def credit_is_complete(frame: pl.DataFrame, inputs: Inputs, days: DayRange, settings: Settings) -> pl.DataFrame:
    """Each model and window adds up to the day's orders, and exactly to their revenue."""
    orders = (
        inputs["attribution"]
        .filter(pl.col("model") == "linear", pl.col("window_days") == settings.attribution.longest_window_days)
        .group_by("day")
        .agg(orders=pl.col("event_id").n_unique(), revenue=pl.col("revenue_cents").sum())
    )
    views = frame.lazy().group_by("day", *VIEW).agg(pl.col("conversions", "revenue_cents").sum())
    return (
        views.join(orders, on="day", how="left")
        .with_columns(pl.col("orders", "revenue").fill_null(0))
        .with_columns(
            is_broken=((pl.col("conversions") - pl.col("orders")).abs() > CONVERSION_TOLERANCE)
            | (pl.col("revenue_cents") != pl.col("revenue"))
        )
        .group_by("day")
        .agg(
            broken=pl.col("is_broken").sum(),
            orders=pl.col("orders").first(),
            revenue=pl.col("revenue").first(),
        )
        .select(
            "day",
            passed=pl.col("broken") == 0,
            observed=pl.format("{} (model, window) differ", "broken"),
            expected=pl.format("each {} orders, {} cents", "orders", "revenue"),
        )
        .collect()
    )


def sessions_are_complete(frame: pl.DataFrame, inputs: Inputs, days: DayRange, settings: Settings) -> pl.DataFrame:
    """For each model and window the channels' sessions add up to the day's."""
    counted = inputs["sessions"].filter(pl.lit(settings.bots.include) | ~pl.col("is_bot"))
    expected = counted.group_by("day").agg(expected=pl.len())
    views = frame.lazy().group_by("day", *VIEW).agg(pl.col("sessions").sum())
    return (
        views.join(expected, on="day", how="left")
        .with_columns(pl.col("expected").fill_null(0))
        .group_by("day")
        .agg(broken=(pl.col("sessions") != pl.col("expected")).sum(), expected=pl.col("expected").first())
        .select(
            "day",
            passed=pl.col("broken") == 0,
            observed=pl.format("{} (model, window) differ", "broken"),
            expected=pl.format("each {} sessions", "expected"),
        )
        .collect()
    )


TABLE = Table(
    name="channel_summary",
    description=(
        "What each channel brought on a day: sessions and clients, and conversions and revenue under every "
        "model and look-back window. Choose one model and one window before adding up; clients do not add up."
    ),
    owner="team:marketing",
    group="marts",
    contract=ChannelSummaryContract,
    key=("day", "channel", *VIEW),
    reads=(
        Reads("sessions", columns=("day", "client_id", "channel", "is_bot")),
        Reads(
            "attribution",
            columns=("day", "event_id", "channel", "model", "window_days", "weight", "revenue_cents"),
        ),
    ),
    transform=transform,
    together="channel",
    settings_sections=("attribution", "bots"),
    checks=(
        Check(
            "credit_is_complete",
            "Under each model and window, conversions sum to the day's orders and revenue exactly to theirs.",
            credit_is_complete,
        ),
        Check("sessions_are_complete", "The channels' sessions sum to the day's.", sessions_are_complete),
    ),
    sort=("model", "window_days", "channel"),
    lineage={
        "channel": (("sessions", "channel"), ("attribution", "channel")),
        "sessions": (("sessions", "channel"),),
        "clients": (("sessions", "client_id"),),
        "conversions": (("attribution", "weight"),),
        "revenue_cents": (("attribution", "revenue_cents"),),
        "conversion_rate": (("attribution", "weight"), ("sessions", "channel")),
    },
)
