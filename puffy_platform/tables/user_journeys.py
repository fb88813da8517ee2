"""User journeys: one row per counted conversion with its whole path in the longest look-back window.

Contract, transform and checks. What a touchpoint is, is decided in tables/attribution.py.
"""

from __future__ import annotations

from typing import Annotated

import pandera.polars as pa
import polars as pl

from puffy_platform.clients import of_few_clients
from puffy_platform.methods.attribution import days_between
from puffy_platform.settings import Settings
from puffy_platform.table import Check, DayRange, Inputs, Reads, Table, count_broken
from puffy_platform.tables.attribution import paths

__all__ = ["TABLE"]

ARROW = " > "


class UserJourneysContract(pa.DataFrameModel):
    """One row a counted conversion."""

    day: pl.Date = pa.Field(description="UTC date of the conversion.")
    event_id: str = pa.Field(description="The conversion.")
    transaction_id: str = pa.Field(description="Its order id.")
    client_id: str = pa.Field(
        nullable=True, description="The browser or device, if known.", metadata={"tags": ("pii",)}
    )
    converted_at: Annotated[pl.Datetime, "us", "UTC"] = pa.Field(description="Time of the conversion.")
    revenue_cents: pl.Int64 = pa.Field(description="Revenue; minor units of the shop's currency.")
    window_days: pl.Int64 = pa.Field(ge=1, description="The longest look-back window of the settings.")
    touchpoints: pl.Int64 = pa.Field(ge=0, description="Touchpoints in the window.")
    path: str = pa.Field(
        description="Their channels in order, joined by ' > ', repeats kept; or the unattributed channel."
    )
    channels: pl.Int64 = pa.Field(ge=0, description="Distinct channels among them.")
    first_touch_channel: str = pa.Field(nullable=True, description="Channel of the oldest touchpoint.")
    first_touch_at: Annotated[pl.Datetime, "us", "UTC"] = pa.Field(
        nullable=True, description="Start of the oldest touchpoint."
    )
    last_touch_channel: str = pa.Field(nullable=True, description="Channel of the newest touchpoint.")
    last_touch_at: Annotated[pl.Datetime, "us", "UTC"] = pa.Field(
        nullable=True, description="Start of the newest touchpoint."
    )
    sessions_to_convert: pl.Int64 = pa.Field(
        ge=0, description="The client's sessions started in the window, those of excluded channels too."
    )
    days_to_convert: pl.Float64 = pa.Field(
        ge=0, nullable=True, description="Days from the oldest touchpoint to the conversion."
    )
    converting_session_id: str = pa.Field(
        nullable=True,
        description="The session that holds the purchase, whatever its channel; bots' sessions too.",
    )

    class Config:
        strict = True


def transform(inputs: Inputs, days: DayRange, settings: Settings) -> pl.LazyFrame:
    """Fold each conversion's longest path into a row, and add its client's sessions around it."""
    conversions = inputs["conversions"].filter("is_counted")
    sessions = of_few_clients(inputs["sessions"], conversions).collect().lazy()
    longest = settings.attribution.longest_window_days
    is_touch = pl.col("touchpoint") > 0
    channel, touched_at = pl.col("channel"), pl.col("touched_at")
    of_conversion = ("day", "transaction_id", "client_id", "converted_at", "revenue_cents", "window_days")
    journeys = (
        paths(conversions, sessions, (longest,), settings)
        .group_by("event_id")
        .agg(
            pl.col(*of_conversion, "touchpoints").first(),
            path=channel.sort_by("touchpoint").str.join(ARROW),
            channels=channel.filter(is_touch).n_unique().cast(pl.Int64),
            first_touch_channel=channel.filter(pl.col("touchpoint") == 1).first(),
            first_touch_at=touched_at.min(),
            last_touch_channel=channel.filter(is_touch & (pl.col("touchpoint") == pl.col("touchpoints"))).first(),
            last_touch_at=touched_at.max(),
        )
        .with_columns(days_to_convert=days_between(pl.col("first_touch_at"), pl.col("converted_at")))
    )
    visits = visits_before(conversions, sessions, longest, settings)
    return journeys.join(visits, on="event_id", how="left").with_columns(pl.col("sessions_to_convert").fill_null(0))


def visits_before(
    conversions: pl.LazyFrame, sessions: pl.LazyFrame, window_days: int, settings: Settings
) -> pl.LazyFrame:
    """Per conversion: sessions_to_convert, of every channel, and converting_session_id."""
    converted_at, started_at = pl.col("converted_at"), pl.col("started_at")
    is_in_window = started_at >= converted_at - pl.duration(days=window_days)
    is_visitor = pl.lit(settings.bots.include) | ~pl.col("session_is_bot")
    holds_purchase = converted_at <= pl.col("ended_at")
    return (
        conversions.select("event_id", "client_id", "converted_at")
        .join(
            sessions.select("client_id", "session_id", "started_at", "ended_at", session_is_bot="is_bot"),
            on="client_id",
        )
        .filter(started_at <= converted_at)
        .group_by("event_id")
        .agg(
            sessions_to_convert=(is_in_window & is_visitor).sum().cast(pl.Int64),
            converting_session_id=pl.col("session_id").filter(holds_purchase).first(),
        )
    )


def every_order_has_a_journey(frame: pl.DataFrame, inputs: Inputs, days: DayRange, settings: Settings) -> pl.DataFrame:
    """As many rows, and as much revenue, as counted conversions."""
    orders = (
        inputs["conversions"]
        .filter("is_counted")
        .group_by("day")
        .agg(orders=pl.len(), revenue=pl.col("revenue_cents").sum())
    )
    journeys = frame.lazy().group_by("day").agg(journeys=pl.len(), credited=pl.col("revenue_cents").sum())
    return (
        orders.join(journeys, on="day", how="full", coalesce=True)
        .with_columns(pl.exclude("day").fill_null(0))
        .select(
            "day",
            passed=(pl.col("orders") == pl.col("journeys")) & (pl.col("revenue") == pl.col("credited")),
            observed=pl.format("{} journeys, {} cents", "journeys", "credited"),
            expected=pl.format("{} orders, {} cents", "orders", "revenue"),
        )
        .collect()
    )


def paths_agree(frame: pl.DataFrame, inputs: Inputs, days: DayRange, settings: Settings) -> pl.DataFrame:
    """Touches in order and inside the window, no more of them than sessions; nulls where there is none."""
    has_touch = pl.col("touchpoints") > 0
    is_inside = pl.col("first_touch_at") >= pl.col("converted_at") - pl.duration(days="window_days")
    is_ordered = (pl.col("first_touch_at") <= pl.col("last_touch_at")) & (
        pl.col("last_touch_at") <= pl.col("converted_at")
    )
    is_counted = (pl.col("sessions_to_convert") >= pl.col("touchpoints")) & (
        pl.col("channels") <= pl.col("touchpoints")
    )
    agrees = (
        pl.when(has_touch)
        .then((is_inside & is_ordered & is_counted).fill_null(False))
        .otherwise(pl.all_horizontal(pl.col("first_touch_at", "last_touch_at", "days_to_convert").is_null()))
    )
    return count_broken(frame, ~agrees, "{} journeys do not agree with themselves", "0 journeys")


TABLE = Table(
    name="user_journeys",
    description=(
        "How each counted conversion came about: the ordered path of touchpoints in the longest look-back "
        "window, first and last touch, sessions and days to convert, and the session that holds the purchase."
    ),
    owner="team:marketing",
    group="marts",
    contract=UserJourneysContract,
    key=("event_id",),
    reads=(
        Reads(
            "conversions",
            columns=(
                "day",
                "event_id",
                "transaction_id",
                "client_id",
                "converted_at",
                "revenue_cents",
                "is_counted",
            ),
        ),
        Reads(
            "sessions",
            before=lambda settings: settings.attribution.longest_window_days,
            columns=("day", "session_id", "client_id", "started_at", "ended_at", "channel", "is_bot"),
        ),
    ),
    transform=transform,
    together="client_id",
    settings_sections=("attribution", "bots"),
    checks=(
        Check(
            "every_order_has_a_journey",
            "As many journeys, and as much revenue, as counted conversions of the day.",
            every_order_has_a_journey,
        ),
        Check("paths_agree", "Touches are in order, inside the window and before the conversion.", paths_agree),
    ),
    sort=("converted_at", "event_id"),
    money="revenue_cents",
    lineage={
        "event_id": (("conversions", "event_id"),),
        "transaction_id": (("conversions", "transaction_id"),),
        "client_id": (("conversions", "client_id"),),
        "converted_at": (("conversions", "converted_at"),),
        "revenue_cents": (("conversions", "revenue_cents"),),
        "touchpoints": (("sessions", "started_at"), ("conversions", "converted_at")),
        "path": (("sessions", "channel"), ("sessions", "started_at")),
        "first_touch_channel": (("sessions", "channel"),),
        "last_touch_channel": (("sessions", "channel"),),
        "first_touch_at": (("sessions", "started_at"),),
        "last_touch_at": (("sessions", "started_at"),),
        "sessions_to_convert": (("sessions", "session_id"),),
        "days_to_convert": (("sessions", "started_at"), ("conversions", "converted_at")),
        "converting_session_id": (("sessions", "session_id"), ("sessions", "ended_at")),
    },
)
