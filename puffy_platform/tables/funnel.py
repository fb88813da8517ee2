"""Funnel: of the clients that viewed a page on a day, how many went on to cart, checkout and purchase, by channel.

Contract, transform and checks. What an attempt is, methods/funnel.py says; `puffy funnel` answers other questions.
"""

from __future__ import annotations

import datetime as dt

import pandera.polars as pa
import polars as pl

from puffy_platform.methods.client_order import TIES
from puffy_platform.methods.funnel import Funnel, attempts
from puffy_platform.methods.funnel_question import Step, mark_steps
from puffy_platform.methods.funnel_steps import ENOUGH, fold, with_entry_session
from puffy_platform.settings import Settings
from puffy_platform.table import Check, DayRange, Inputs, Reads, Table, count_broken

__all__ = ["EVENT_COLUMNS", "STEPS", "TABLE"]

STEPS = tuple(map(Step, ("page_viewed", "product_added_to_cart", "checkout_started", "checkout_completed")))
# What an attempt is made of, besides the columns that conditions speak of.
EVENT_COLUMNS = ("day", "client_id", "event_ts", *TIES, "event_name", "revenue_cents", "is_bot")


class FunnelContract(pa.DataFrameModel):
    """One row a day, channel and step; every channel in which an attempt began has all four steps."""

    day: pl.Date = pa.Field(description="UTC date on which the attempts began, with a page view.")
    channel: str = pa.Field(description="Channel of the session in which they began.")
    step: pl.Int64 = pa.Field(ge=1, le=len(STEPS), description="Number of the step, from 1.")
    event: str = pa.Field(isin=[step.event for step in STEPS], description="The event that does the step.")
    reached: pl.Int64 = pa.Field(
        ge=0,
        description="Clients that did the step, in order, within funnel.within_days of a page view of the day. Adds "
        "up over channels; a client counts again on every day it comes, so not over days.",
    )
    dropped: pl.Int64 = pa.Field(ge=0, description="Of those, the ones that did not do the next step; 0 at the last.")
    rate: pl.Float64 = pa.Field(
        ge=0, le=1, nullable=True, description="reached / reached at the step before; null at step 1 and for 0 / 0."
    )
    rate_of_all: pl.Float64 = pa.Field(
        ge=0, le=1, nullable=True, description="reached / reached at step 1; null at step 1."
    )
    rate_low: pl.Float64 = pa.Field(
        ge=0, le=1, nullable=True, description="Lower bound of rate_of_all: Wilson interval, 95 %."
    )
    rate_high: pl.Float64 = pa.Field(ge=0, le=1, nullable=True, description="Upper bound of rate_of_all.")
    mean_seconds: pl.Float64 = pa.Field(
        ge=0, nullable=True, description="Mean time from the step before, of those that reached this one."
    )
    median_seconds: pl.Float64 = pa.Field(
        ge=0, nullable=True, description="Median time from the step before. Does not add up over channels or days."
    )
    revenue_cents: pl.Int64 = pa.Field(
        description="What the clients that reached the step brought with the purchase that completes it, gross; minor "
        "units. Nearly the same at every step. A purchase counts for every day that leads to it: do not add over days."
    )
    dropped_value_cents: pl.Int64 = pa.Field(
        nullable=True,
        description="What those that dropped would have brought at the average of those that went on. How much the "
        f"step holds, not how much can be won. Null when fewer than {ENOUGH} went on.",
    )

    class Config:
        strict = True


def transform(inputs: Inputs, days: DayRange, settings: Settings) -> pl.LazyFrame:
    """Mark the steps, make each client-day's best attempt, look up the channel of its session, and count."""
    funnel = Funnel(len(STEPS), dt.timedelta(days=settings.funnel.within_days), per_day=True)
    first, *others = [step.event for step in STEPS]
    does, counted = pl.col("event_name"), _counted(inputs, settings)
    today = counted.filter(days.covers(), does.is_in([first, *others])).collect()
    # Who does not begin on the days is no matter on later ones, nor is who begins again.
    entering = today.lazy().filter(does == first).select("client_id").unique()
    later = counted.filter(pl.col("day") > days.last, does.is_in(others)).join(entering, on="client_id", how="semi")
    events = mark_steps(pl.concat([today.lazy(), later]), STEPS).collect()
    begun = with_entry_session(attempts(events, funnel, days), inputs["sessions"], ["channel"])
    # Every client has a session; without one its sessions were held back, and the funnel need not be.
    named = begun.with_columns(pl.col("channel").fill_null("Unknown"), day=pl.col("entered_at").dt.date())
    names = pl.Series([first, *others])
    return (
        fold(named, len(STEPS), by=("day", "channel"))
        .lazy()
        .with_columns(event=pl.col("step").replace_strict(range(1, len(STEPS) + 1), names, return_dtype=pl.String))
    )


def _counted(inputs: Inputs, settings: Settings) -> pl.LazyFrame:
    """The events of clients, without crawlers unless they are included."""
    human = pl.lit(settings.bots.include) | ~pl.col("is_bot")
    return inputs["events_enriched"].filter(pl.col("client_id").is_not_null() & human)


def every_viewer_enters(frame: pl.DataFrame, inputs: Inputs, days: DayRange, settings: Settings) -> pl.DataFrame:
    """Step 1 holds, over all channels, exactly the clients that viewed a page on the day."""
    viewers = (
        _counted(inputs, settings)
        .filter(pl.col("day").is_between(frame["day"].min(), frame["day"].max()))
        .filter(pl.col("event_name") == STEPS[0].event)
        .group_by("day")
        .agg(viewers=pl.col("client_id").n_unique())
    )
    entered = frame.lazy().filter(pl.col("step") == 1).group_by("day").agg(entered=pl.col("reached").sum())
    return (
        entered.join(viewers, on="day", how="left")
        .with_columns(pl.col("viewers").fill_null(0))
        .select(
            "day",
            passed=pl.col("entered") == pl.col("viewers"),
            observed=pl.format("{} clients at step 1", "entered"),
            expected=pl.format("{} clients viewed a page", "viewers"),
        )
        .collect()
    )


def steps_narrow(frame: pl.DataFrame, inputs: Inputs, days: DayRange, settings: Settings) -> pl.DataFrame:
    """Nobody reaches a step without the one before; who dropped is who did not go on; all steps are there."""
    went_on = pl.col("reached").shift(-1).over("day", "channel")
    is_last = pl.col("step") == len(STEPS)
    agrees = (
        pl.when(is_last)
        .then(pl.col("dropped") == 0)
        .otherwise((went_on <= pl.col("reached")) & (pl.col("dropped") == pl.col("reached") - went_on))
    )
    is_broken = ~agrees.fill_null(False) | (pl.len().over("day", "channel") != len(STEPS))
    steps = frame.sort("day", "channel", "step")
    return count_broken(steps, is_broken, "{} steps that do not agree with the next", "0 steps")


TABLE = Table(
    name="funnel",
    description=(
        "The shop's standard funnel: of the clients that viewed a page on a day, those that added a product to the "
        "cart, started a checkout and completed it, in this order and within funnel.within_days, by entry channel, "
        "with times, money and where they stopped. Crawlers are left out unless bots.include says otherwise."
    ),
    owner="team:marketing",
    group="marts",
    contract=FunnelContract,
    key=("day", "channel", "step"),
    reads=(
        Reads("events_enriched", after=lambda settings: settings.funnel.within_days, columns=EVENT_COLUMNS),
        Reads("sessions", before=1, columns=("day", "client_id", "started_at", "channel")),
    ),
    transform=transform,
    settings_sections=("funnel", "bots"),
    checks=(
        Check(
            "every_viewer_enters",
            "Step 1 counts exactly the clients that viewed a page on the day.",
            every_viewer_enters,
        ),
        Check("steps_narrow", "Each step holds no more than the one before, and all steps are there.", steps_narrow),
    ),
    sort=("channel", "step"),
    lineage={
        "channel": (("sessions", "channel"), ("sessions", "started_at")),
        "reached": (("events_enriched", "event_name"), ("events_enriched", "event_ts")),
        "dropped": (("events_enriched", "event_name"), ("events_enriched", "event_ts")),
        "median_seconds": (("events_enriched", "event_ts"),),
        "mean_seconds": (("events_enriched", "event_ts"),),
        "revenue_cents": (("events_enriched", "revenue_cents"),),
        "dropped_value_cents": (("events_enriched", "revenue_cents"), ("events_enriched", "event_name")),
    },
)
