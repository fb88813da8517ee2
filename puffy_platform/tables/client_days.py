"""client_days: what each client did on each UTC day; cohorts and churn features are made of it.

One row a client and day. Nothing after midnight enters it, so it is fit for point-in-time features.
"""

from __future__ import annotations

from typing import Annotated

import pandera.polars as pa
import polars as pl

from puffy_platform.runs import differs, fold_runs
from puffy_platform.settings import Settings
from puffy_platform.table import Check, DayRange, Inputs, Reads, Table

__all__ = ["TABLE", "ClientDaysContract"]

EVENT_ORDER = ("event_ts", "landing_day", "source_file", "source_line")
CLIENT_DAY = ("day", "client_id")
EVENT_COUNTS = {
    "page_views": "page_viewed",
    "popup_emails": "email_filled_on_popup",
    "add_to_carts": "product_added_to_cart",
    "checkouts_started": "checkout_started",
    "purchases": "checkout_completed",
}


class ClientDaysContract(pa.DataFrameModel):
    """A client with at least one event on the day. Source: events_enriched and sessions of the same day."""

    day: pl.Date = pa.Field(description="UTC date of the events")
    client_id: str = pa.Field(description="The browser or device", metadata={"tags": ("pii",)})
    events: pl.Int64 = pa.Field(ge=1, description="Events of the client that day, of all kinds")
    page_views: pl.Int64 = pa.Field(ge=0, description="page_viewed events")
    add_to_carts: pl.Int64 = pa.Field(ge=0, description="product_added_to_cart events")
    checkouts_started: pl.Int64 = pa.Field(ge=0, description="checkout_started events")
    purchases: pl.Int64 = pa.Field(
        ge=0, description="checkout_completed events; gross: an order id sent twice counts twice"
    )
    revenue_cents: pl.Int64 = pa.Field(description="Gross revenue of those purchases, in minor units")
    popup_emails: pl.Int64 = pa.Field(ge=0, description="email_filled_on_popup events")
    sessions: pl.Int64 = pa.Field(
        ge=0, description="Sessions started that day; 0 when only one that began before midnight went on"
    )
    channel: str = pa.Field(
        description="Channel of the first session started that day; without one, of the day's first event"
    )
    first_event_at: Annotated[pl.Datetime, "us", "UTC"] = pa.Field(description="Time of the day's first event")
    is_bot: bool = pa.Field(description="At least one event of the day is a bot's")

    class Config:
        strict = True


def summarise(inputs: Inputs, days: DayRange, settings: Settings) -> pl.LazyFrame:
    """Counts per client and day of its events, and of the sessions it started. Bots are kept, and flagged."""
    counts = {name: (pl.col("event_name") == event).cast(pl.Int64) for name, event in EVENT_COUNTS.items()}
    # Each day of both is stored by client and time: a stable sort has next to nothing to do.
    events = fold_runs(
        _events_of_clients(inputs).filter(days.covers()).sort(*CLIENT_DAY, *EVENT_ORDER, maintain_order=True),
        differs(*CLIENT_DAY),
        first={
            **{name: pl.col(name) for name in CLIENT_DAY},
            "first_event_at": pl.col("event_ts"),
            "event_channel": pl.col("channel"),
        },
        summed={
            "events": pl.lit(1, pl.Int64),
            "bot_events": pl.col("is_bot").cast(pl.Int64),
            "revenue_cents": pl.col("revenue_cents").fill_null(0),
            **counts,
        },
    )
    sessions = fold_runs(
        inputs["sessions"].filter(days.covers()).sort(*CLIENT_DAY, "started_at", "session_id", maintain_order=True),
        differs(*CLIENT_DAY),
        first={**{name: pl.col(name) for name in CLIENT_DAY}, "session_channel": pl.col("channel")},
        summed={"sessions": pl.lit(1, pl.Int64)},
    )
    # A client whose one session runs over from the day before has the channel of its first event.
    return events.join(sessions, on=CLIENT_DAY, how="left", maintain_order="left").with_columns(
        pl.col("sessions").fill_null(0),
        channel=pl.coalesce("session_channel", "event_channel"),
        is_bot=pl.col("bot_events") > 0,
    )


def _events_of_clients(inputs: Inputs) -> pl.LazyFrame:
    return inputs["events_enriched"].filter(pl.col("client_id").is_not_null())


def _measure_events(frame: pl.DataFrame, inputs: Inputs, days: DayRange, settings: Settings) -> pl.DataFrame:
    totals = (pl.len().cast(pl.Int64).alias("events"), pl.col("revenue_cents").sum())
    return _compare_totals(frame, _events_of_clients(inputs).group_by("day").agg(totals), ("events", "revenue_cents"))


def _measure_sessions(frame: pl.DataFrame, inputs: Inputs, days: DayRange, settings: Settings) -> pl.DataFrame:
    sessions = inputs["sessions"].group_by("day").agg(pl.len().cast(pl.Int64).alias("sessions"))
    return _compare_totals(frame, sessions, ("sessions",))


def _compare_totals(frame: pl.DataFrame, source: pl.LazyFrame, columns: tuple[str, ...]) -> pl.DataFrame:
    """One row a day of the table or its source: do the columns add up to the same?"""
    held = frame.lazy().group_by("day").agg(pl.col(columns).sum())
    words = ", ".join(f"{{}} {name}" for name in columns)
    return (
        source.join(held, on="day", how="full", coalesce=True, suffix="_held")
        .with_columns(pl.exclude("day").fill_null(0))
        .select(
            "day",
            passed=pl.all_horizontal(pl.col(name) == pl.col(f"{name}_held") for name in columns),
            observed=pl.format(words, *(f"{name}_held" for name in columns)),
            expected=pl.format(words, *columns),
        )
        .collect()
    )


TABLE = Table(
    name="client_days",
    description="Per client and UTC day: events by kind, sessions started, gross revenue, entry channel.",
    owner="team:analytics",
    group="customers",
    contract=ClientDaysContract,
    key=("day", "client_id"),
    reads=(
        Reads(
            "events_enriched",
            columns=("day", "client_id", "event_name", "channel", "revenue_cents", "is_bot", *EVENT_ORDER),
        ),
        Reads("sessions", columns=("day", "client_id", "session_id", "started_at", "channel")),
    ),
    transform=summarise,
    together="client_id",
    checks=(
        Check(
            name="every_event_of_a_client_counted",
            description="Events and gross revenue add up to those of events_enriched with a client id.",
            measure=_measure_events,
        ),
        Check(
            name="every_session_counted",
            description="Sessions add up to the sessions started that day.",
            measure=_measure_sessions,
        ),
    ),
    sort=("client_id",),
    money="revenue_cents",
    lineage={
        "client_id": (("events_enriched", "client_id"),),
        **{name: (("events_enriched", "event_name"),) for name in EVENT_COUNTS},
        "revenue_cents": (("events_enriched", "revenue_cents"),),
        "sessions": (("sessions", "session_id"),),
        "channel": (("sessions", "channel"), ("events_enriched", "channel")),
        "first_event_at": (("events_enriched", "event_ts"),),
        "is_bot": (("events_enriched", "is_bot"),),
    },
)
