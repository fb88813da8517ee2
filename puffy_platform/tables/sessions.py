"""Sessions: the events of one client without a pause over the timeout, on the day they start.

Contract, transform and checks. What an event's client, channel or page is, events_enriched decides.
"""

from __future__ import annotations

import datetime as dt
from functools import reduce
from typing import Annotated

import numpy as np
import pandera.polars as pa
import polars as pl
import polars_hash as plh

from puffy_platform.clients import of_few_clients
from puffy_platform.ordering import merged_by
from puffy_platform.runs import fold_runs
from puffy_platform.settings import Settings
from puffy_platform.table import Check, DayRange, Inputs, Reads, Table, count_broken

__all__ = ["TABLE"]

# Column that counts them -> name of the event.
COUNTED_EVENTS = {
    "page_views": "page_viewed",
    "popup_emails": "email_filled_on_popup",
    "add_to_carts": "product_added_to_cart",
    "checkouts_started": "checkout_started",
    "purchases": "checkout_completed",
}
# Taken from the session's first event.
ENTRY_COLUMNS = (
    "channel",
    "utm_source",
    "utm_medium",
    "utm_campaign",
    "referrer_host",
    "device_class",
    "browser",
    "os",
    "is_bot",
)
# The order of a client's events; file and line decide between events of the same microsecond.
BY_CLIENT, TIES = ("client_id", "event_ts"), ("landing_day", "source_file", "source_line")
UTC = pl.Datetime("us", "UTC")
# Rounded: Polars divides a column of one row and a longer one by different last bits.
LASTED_SECONDS = ((pl.col("ended_at") - pl.col("started_at")).dt.total_microseconds() / 1e6).round(6)
READS = Reads(
    "events_enriched",
    before=2,
    after=1,
    columns=(
        "day",
        *BY_CLIENT,
        *TIES,
        "event_id",
        "event_name",
        "path",
        "revenue_cents",
        *ENTRY_COLUMNS,
    ),
)


class SessionsContract(pa.DataFrameModel):
    """One row a session."""

    day: pl.Date = pa.Field(description="UTC date on which the session started.")
    session_id: str = pa.Field(
        str_matches=r"^\d+$", description="Stable hash (XXH3, 128 bits, decimal) of the start and the client."
    )
    client_id: str = pa.Field(description="The browser or device.", metadata={"tags": ("pii",)})
    started_at: Annotated[pl.Datetime, "us", "UTC"] = pa.Field(description="Time of the first event.")
    ended_at: Annotated[pl.Datetime, "us", "UTC"] = pa.Field(description="Time of the last event.")
    duration_seconds: pl.Float64 = pa.Field(
        ge=0, description="From the first to the last event; 0 for a session of one event."
    )
    events: pl.Int64 = pa.Field(ge=1, description="Events of every kind.")
    page_views: pl.Int64 = pa.Field(ge=0, description="Events page_viewed.")
    popup_emails: pl.Int64 = pa.Field(ge=0, description="Events email_filled_on_popup.")
    add_to_carts: pl.Int64 = pa.Field(ge=0, description="Events product_added_to_cart.")
    checkouts_started: pl.Int64 = pa.Field(ge=0, description="Events checkout_started.")
    purchases: pl.Int64 = pa.Field(ge=0, description="Events checkout_completed, repeats included.")
    revenue_cents: pl.Int64 = pa.Field(
        description="Gross revenue of those purchases, repeats included; minor units of the shop's currency."
    )
    channel: str = pa.Field(description="Entry channel: of the first event.")
    utm_source: str = pa.Field(nullable=True, description="utm_source of the first event.")
    utm_medium: str = pa.Field(nullable=True, description="utm_medium of the first event.")
    utm_campaign: str = pa.Field(nullable=True, description="utm_campaign of the first event.")
    referrer_host: str = pa.Field(nullable=True, description="Host of the first event's referrer.")
    landing_path: str = pa.Field(description="Path of the page of the first event.")
    exit_path: str = pa.Field(description="Path of the page of the last event.")
    device_class: str = pa.Field(description="desktop, mobile, tablet, bot, other or unknown; of the first event.")
    browser: str = pa.Field(nullable=True, description="Browser family of the first event.")
    os: str = pa.Field(nullable=True, description="Operating system of the first event.")
    is_bot: bool = pa.Field(description="The first event's user agent is a crawler's.")
    crosses_midnight: bool = pa.Field(description="The last event is on a later UTC date than the first.")
    cut_at_midnight: bool = pa.Field(
        description="Starts only because a running session was cut: its client never paused the day before."
    )
    entry_event_id: str = pa.Field(description="event_id of the first event.")

    class Config:
        strict = True


def transform(inputs: Inputs, days: DayRange, settings: Settings) -> pl.LazyFrame:
    """Sort once, mark where sessions start, and fold each into a row."""
    timeout = pl.duration(minutes=settings.sessions.timeout_minutes)
    # Each day is stored in this order.
    events = merged_by(_that_matter(inputs["events_enriched"], days, timeout).collect(), BY_CLIENT, TIES)
    return fold(mark_starts(events.lazy(), timeout)).filter(days.covers())


def _that_matter(events: pl.LazyFrame, days: DayRange, timeout: pl.Expr) -> pl.LazyFrame:
    """The events of the days, and of the days around them those of clients that may have run over a midnight.

    Without an event within the timeout before the first midnight, a client's first event of the days starts a session
    whatever was before; without one before the last midnight, its next event starts a session of a later day.
    """
    ts, day, known = pl.col("event_ts"), pl.col("day"), events.filter(pl.col("client_id").is_not_null())

    def of_clients_active_late(on: dt.date, rows: pl.LazyFrame) -> pl.LazyFrame:
        """Of clients that may run over the midnight after the day."""
        return of_few_clients(rows, known.filter(day == on, ts >= pl.lit(on).cast(UTC) + pl.duration(days=1) - timeout))

    eve = days.first - dt.timedelta(days=1)
    # Of the day before the day before, what lies further back than one timeout cannot reach the next day.
    before = known.filter(day < days.first, ts >= pl.lit(eve).cast(UTC) - timeout)
    return pl.concat(
        [
            of_clients_active_late(eve, before.select("day", *BY_CLIENT, *TIES, "event_name", "revenue_cents")),
            known.filter(days.covers()),
            of_clients_active_late(days.last, known.filter(day > days.last)),
        ],
        # What a session's row takes from its first and last event is not asked of sessions of earlier days.
        how="diagonal",
    )


def mark_starts(events: pl.LazyFrame, timeout: pl.Expr) -> pl.LazyFrame:
    """Adds `starts` (a session starts at this event) and `is_cut` (only because midnight cut a running one).

    A session starts after a pause of more than the timeout. At midnight a running session is cut only if the
    client did not pause in the whole calendar day before, that is: no session started by a pause on that day.
    So no session spans two midnights, and a day can be computed from its neighbours alone.
    """
    is_new_client = pl.col("client_id").ne_missing(pl.col("client_id").shift())
    is_after_pause = is_new_client | (pl.col("event_ts") - pl.col("event_ts").shift() > timeout)
    is_new_day = is_new_client | (pl.col("day") != pl.col("day").shift())
    pauses_before_day = pl.when("is_new_day").then(pl.col("pauses") - pl.col("is_after_pause")).forward_fill()
    is_running = pl.col("is_new_day") & ~pl.col("is_after_pause")
    return (
        events.with_columns(is_after_pause=is_after_pause, is_new_day=is_new_day)
        .with_columns(pauses=pl.col("is_after_pause").cum_sum().cast(pl.Int64))
        .with_columns(pauses_today=pl.col("pauses") - pauses_before_day)
        .with_columns(is_cut=is_running & (pl.col("pauses_today").shift() == 0))
        .with_columns(starts=pl.col("is_after_pause") | pl.col("is_cut"))
    )


def fold(events: pl.LazyFrame) -> pl.LazyFrame:
    """One row for each session, of events in order: what its first event says, its last one, and its counts."""
    counts = {name: (pl.col("event_name") == event).cast(pl.Int64) for name, event in COUNTED_EVENTS.items()}
    sessions = fold_runs(
        events,
        pl.col("starts"),
        first={
            **{name: pl.col(name) for name in ("client_id", *ENTRY_COLUMNS)},
            "started_at": pl.col("event_ts"),
            "landing_path": pl.col("path"),
            "cut_at_midnight": pl.col("is_cut"),
            "entry_event_id": pl.col("event_id"),
        },
        last={"ended_at": pl.col("event_ts"), "exit_path": pl.col("path")},
        summed={"events": pl.lit(1, pl.Int64), "revenue_cents": pl.col("revenue_cents").fill_null(0), **counts},
    )
    identity = pl.concat_str(pl.col("started_at").dt.epoch("us"), "client_id", separator=" ")
    return sessions.with_columns(
        day=pl.col("started_at").dt.date(),
        session_id=identity,
        duration_seconds=LASTED_SECONDS,
        crosses_midnight=pl.col("ended_at").dt.date() > pl.col("started_at").dt.date(),
    ).with_columns(session_id=plh.col("session_id").nchash.xxh3_128().cast(pl.String))


def times_agree(frame: pl.DataFrame, inputs: Inputs, days: DayRange, settings: Settings) -> pl.DataFrame:
    """started_at <= ended_at, duration is their difference, and the row is on its start's day."""
    lasted = LASTED_SECONDS
    agrees = (lasted >= 0) & (lasted == pl.col("duration_seconds")) & (pl.col("started_at").dt.date() == pl.col("day"))
    return _sessions_that_break_it(frame, ~agrees)


def counts_agree(frame: pl.DataFrame, inputs: Inputs, days: DayRange, settings: Settings) -> pl.DataFrame:
    """The counted kinds are no more than all events, and only sessions with a purchase have revenue."""
    is_over = pl.sum_horizontal(*COUNTED_EVENTS) > pl.col("events")
    return _sessions_that_break_it(frame, is_over | ((pl.col("purchases") == 0) & (pl.col("revenue_cents") != 0)))


def _sessions_that_break_it(frame: pl.DataFrame, is_broken: pl.Expr) -> pl.DataFrame:
    return count_broken(frame, is_broken, "{} sessions do not", "every session does")


def events_in_one_session(frame: pl.DataFrame, inputs: Inputs, days: DayRange, settings: Settings) -> pl.DataFrame:
    """Every event with a client id is inside exactly one session, and sessions hold nothing else.

    Counted anew: an event belongs to its client's last session started at or before it, and may not lie after
    that session's end. Without such a session it must run on from a session of the day before the range, so
    the client must have an event within the timeout before that midnight.
    """
    known = inputs["events_enriched"].filter(pl.col("client_id").is_not_null())
    events = known.select("day", "client_id", "event_ts").collect()
    midnight = pl.col("day").cast(UTC).dt.offset_by("1d")
    late_evening = pl.col("event_ts") >= midnight - pl.duration(minutes=settings.sessions.timeout_minutes)
    running_on = events.filter(late_evening).select("client_id", day=pl.col("day").dt.offset_by("1d")).unique()
    may_run_on = pl.col("client_id").is_in(running_on["client_id"].implode())
    # On days without sessions no other events can be in one.
    placeable = events.filter(pl.col("day").is_between(frame["day"].min(), frame["day"].max()) | may_run_on)
    sessions = frame.select("client_id", event_ts="started_at").with_row_index("session")
    # Of a session's start and an event at the same time, the start stays first.
    placed = (
        pl.concat([sessions, placeable], how="diagonal")
        .sort("client_id", "event_ts", maintain_order=True)
        .with_columns(pl.col("session").forward_fill())
        .filter(pl.col("day").is_not_null())
    )
    own = frame.select(owner="client_id", ended_at="ended_at")[placed["session"]]
    placed = placed.hstack(own).select(
        "day",
        "client_id",
        "session",
        has_started=pl.col("owner").eq_missing(pl.col("client_id")),
        has_ended=pl.col("event_ts") > pl.col("ended_at"),
    )
    excused = placed.filter(~pl.col("has_started"), may_run_on).join(running_on, on=["client_id", "day"], how="semi")
    inside = placed.filter("has_started", ~pl.col("has_ended"))
    found = np.bincount(inside["session"], minlength=frame.height)
    miscounted = frame.filter(pl.col("events") != pl.Series(found))
    per_day = [
        events.group_by("day").agg(events=pl.len()),
        inside.group_by("day").agg(inside=pl.len()),
        excused.group_by("day").agg(excused=pl.len()),
        miscounted.group_by("day").agg(miscounted=pl.len()),
    ]
    return (
        reduce(lambda left, right: left.join(right, on="day", how="left"), per_day)
        .with_columns(pl.exclude("day").fill_null(0).cast(pl.Int64))
        .with_columns(outside=pl.col("events") - pl.col("inside") - pl.col("excused"))
        .select(
            "day",
            passed=(pl.col("outside") == 0) & (pl.col("miscounted") == 0),
            observed=pl.format(
                "of {} events {} in no session, {} sessions with other events",
                "events",
                "outside",
                "miscounted",
            ),
            expected=pl.lit("0 events, 0 sessions"),
        )
    )


TABLE = Table(
    name="sessions",
    description=(
        "Visits: the events of one client without a pause of more than the timeout, bots' too (flagged). "
        "A session belongs to the UTC day it starts, and may cross one midnight. At midnight a running one "
        "is cut only if its client did not pause the whole day before. Events without client id have none."
    ),
    owner="team:analytics",
    group="sessions",
    contract=SessionsContract,
    key=("session_id",),
    reads=(READS,),
    transform=transform,
    together="client_id",
    settings_sections=("sessions",),
    checks=(
        Check(
            "events_in_one_session",
            "Every event with a client id is in exactly one session, and a session counts its own events.",
            events_in_one_session,
        ),
        Check("times_agree", "A session ends no earlier than it starts, on whose day it is.", times_agree),
        Check(
            "counts_agree",
            "Counted kinds of events are no more than all; revenue needs a purchase.",
            counts_agree,
        ),
    ),
    sort=("client_id", "started_at"),
    money="revenue_cents",
    lineage={
        "session_id": (("events_enriched", "client_id"), ("events_enriched", "event_ts")),
        "client_id": (("events_enriched", "client_id"),),
        "started_at": (("events_enriched", "event_ts"),),
        "ended_at": (("events_enriched", "event_ts"),),
        "events": (("events_enriched", "event_id"),),
        "revenue_cents": (("events_enriched", "revenue_cents"),),
        "landing_path": (("events_enriched", "path"),),
        "exit_path": (("events_enriched", "path"),),
        "entry_event_id": (("events_enriched", "event_id"),),
        **{count: (("events_enriched", "event_name"),) for count in COUNTED_EVENTS},
        **{column: (("events_enriched", column),) for column in ENTRY_COLUMNS},
    },
)
