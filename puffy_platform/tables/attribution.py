"""Attribution: counted conversions, their touchpoints inside each look-back window, and each one's credit.

Contract, transform and checks. The models and the division of cents are in methods/attribution.py.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Annotated

import pandera.polars as pa
import polars as pl

from puffy_platform.clients import of_few_clients
from puffy_platform.methods.attribution import MODELS, allocated_cents, days_between, model_weights
from puffy_platform.settings import Settings
from puffy_platform.table import Check, DayRange, Inputs, Reads, Table

__all__ = ["TABLE", "paths"]

# A conversion within one look-back window, and its credit under one model.
PATH = ("event_id", "window_days")
CREDIT = (*PATH, "model")

WEIGHT_TOLERANCE = 1e-9
# With fewer conversions a day, all of them without a touchpoint is no news.
FEWEST_TO_JUDGE = 5


class AttributionContract(pa.DataFrameModel):
    """One row for each conversion, look-back window, model and touchpoint that the model gives a weight."""

    day: pl.Date = pa.Field(description="UTC date of the conversion.")
    event_id: str = pa.Field(description="The conversion.")
    transaction_id: str = pa.Field(description="The conversion's order id.")
    model: str = pa.Field(isin=MODELS, description="Attribution model.")
    window_days: pl.Int64 = pa.Field(ge=1, description="Look-back window, days before the conversion.")
    touchpoint: pl.Int64 = pa.Field(ge=0, description="1 is the oldest; 0: there is none.")
    touchpoints: pl.Int64 = pa.Field(ge=0, description="Touchpoints of the conversion in the window.")
    session_id: str = pa.Field(nullable=True, description="The touchpoint; null when unattributed.")
    touched_at: Annotated[pl.Datetime, "us", "UTC"] = pa.Field(
        nullable=True, description="Start of that session; null when unattributed."
    )
    channel: str = pa.Field(description="Its channel, or the one in attribution.unattributed_channel.")
    weight: pl.Float64 = pa.Field(gt=0, le=1, description="Share of the conversion; sums to 1 per model and window.")
    revenue_cents: pl.Int64 = pa.Field(
        description="Share of the revenue, minor units; sums exactly to it per model and window."
    )

    class Config:
        strict = True


def transform(inputs: Inputs, days: DayRange, settings: Settings) -> pl.LazyFrame:
    """Paths, a weight for each model, and the cents by weight. Touchpoints of weight 0 have no row."""
    counted = inputs["conversions"].filter("is_counted")
    weights = model_weights(
        position=pl.col("touchpoint"),
        touchpoints=pl.col("touchpoints"),
        channel=pl.col("channel"),
        age_days=days_between(pl.col("touched_at"), pl.col("converted_at")),
        half_life_days=settings.attribution.half_life_days,
        over="path",
    )
    is_unattributed = pl.col("touchpoint") == 0
    kept = [name for name in TABLE.schema if name not in ("model", "weight")]
    return (
        paths(counted, inputs["sessions"], settings.attribution.windows_days, settings)
        .with_columns(
            pl.when(is_unattributed).then(1.0).otherwise(weight).alias(model) for model, weight in weights.items()
        )
        .unpivot(MODELS, index=[*kept, "path"], variable_name="model", value_name="weight")
        .filter(pl.col("weight") > 0)
        .with_columns(
            revenue_cents=allocated_cents(
                pl.col("revenue_cents"), pl.col("weight"), pl.col("touchpoint"), over=("path", "model")
            )
        )
    )


def paths(
    conversions: pl.LazyFrame, sessions: pl.LazyFrame, windows_days: Sequence[int], settings: Settings
) -> pl.LazyFrame:
    """The touchpoints of each conversion and window in order; one row without a session where there is none.

    A touchpoint is a session of the same client that started at most the window before the conversion and not
    after it, of a channel that counts, and not a bot's unless bots are included. Those that started together
    are in the order of their ids. Adds to the conversion's columns: window_days, session_id, touched_at,
    channel, touchpoint (from 1; 0 for the row without a session), touchpoints, and `path`, a number for
    conversion and window that holds only within this frame.
    """
    windows = pl.LazyFrame({"window_days": windows_days}, schema={"window_days": pl.Int64})
    candidates = (
        of_few_clients(sessions, conversions)
        .filter(
            ~pl.col("channel").is_in(settings.attribution.excluded_channels),
            pl.lit(settings.bots.include) | ~pl.col("is_bot"),
        )
        .select("client_id", "session_id", "channel", touched_at="started_at")
    )
    age = pl.col("converted_at") - pl.col("touched_at")
    touches = (
        conversions.select("event_id", "client_id", "converted_at")
        .join(candidates, on="client_id")
        .filter(age >= dt.timedelta(), age <= pl.duration(days=max(windows_days)))
        .join(windows, how="cross")
        .filter(age <= pl.duration(days="window_days"))
        .select(*PATH, "session_id", "touched_at", "channel")
    )
    is_new_path = pl.any_horizontal(pl.col(PATH).ne_missing(pl.col(PATH).shift()))
    is_touch = pl.col("session_id").is_not_null()
    return (
        conversions.join(windows, how="cross")
        .join(touches, on=PATH, how="left")
        .sort(*PATH, "touched_at", "session_id")
        .with_columns(path=is_new_path.cum_sum())
        .with_columns(
            touchpoint=is_touch.cast(pl.Int64).cum_sum().over("path"),
            touchpoints=is_touch.cast(pl.Int64).sum().over("path"),
            channel=pl.col("channel").fill_null(settings.attribution.unattributed_channel),
        )
    )


def weights_sum_to_one(frame: pl.DataFrame, inputs: Inputs, days: DayRange, settings: Settings) -> pl.DataFrame:
    """Over a conversion's touchpoints, for each model and window, within 1e-9."""
    return (
        frame.group_by("day", *CREDIT)
        .agg(distance=(pl.col("weight").sum() - 1).abs())
        .group_by("day")
        .agg(pl.col("distance").max())
        .select(
            "day",
            passed=pl.col("distance") <= WEIGHT_TOLERANCE,
            observed=pl.format("farthest from 1 by {}", "distance"),
            expected=pl.lit(f"at most {WEIGHT_TOLERANCE}"),
        )
    )


def money_is_conserved(frame: pl.DataFrame, inputs: Inputs, days: DayRange, settings: Settings) -> pl.DataFrame:
    """Every counted conversion is credited under each model and window, in all exactly its revenue."""
    windows = pl.LazyFrame({"window_days": settings.attribution.windows_days}, schema={"window_days": pl.Int64})
    expected = (
        inputs["conversions"]
        .filter("is_counted")
        .select("day", "event_id", "revenue_cents")
        .join(windows, how="cross")
        .join(pl.LazyFrame({"model": MODELS}), how="cross")
    )
    credited = frame.lazy().group_by("day", *CREDIT).agg(credited_cents=pl.col("revenue_cents").sum())
    return (
        expected.join(credited, on=["day", *CREDIT], how="full", coalesce=True)
        .group_by("day")
        .agg(
            broken=pl.col("revenue_cents").ne_missing(pl.col("credited_cents")).sum(),
            credits=pl.len(),
        )
        .select(
            "day",
            passed=pl.col("broken") == 0,
            observed=pl.format("{} of {} (conversion, model, window) differ", "broken", "credits"),
            expected=pl.lit("0 differ"),
        )
        .collect()
    )


def some_are_attributed(frame: pl.DataFrame, inputs: Inputs, days: DayRange, settings: Settings) -> pl.DataFrame:
    """Conversions without a touchpoint in the longest window: not all of the day's, when there are enough."""
    longest = settings.attribution.longest_window_days
    return (
        frame.filter(pl.col("window_days") == longest, pl.col("model") == "first_touch")
        .group_by("day")
        .agg(unattributed=(pl.col("touchpoints") == 0).sum(), conversions=pl.len())
        .select(
            "day",
            passed=(pl.col("unattributed") < pl.col("conversions")) | (pl.col("conversions") < FEWEST_TO_JUDGE),
            observed=pl.format("{} of {} conversions unattributed", "unattributed", "conversions"),
            expected=pl.lit(f"not all, of {FEWEST_TO_JUDGE} or more"),
        )
    )


TABLE = Table(
    name="attribution",
    description=(
        "Credit for every counted conversion under six models and every look-back window at once. For each "
        "conversion, model and window, weights sum to 1 and money exactly to the revenue; without touchpoint "
        "there is one row for the unattributed channel. Choose one model and window before adding up."
    ),
    owner="team:marketing",
    group="attribution",
    contract=AttributionContract,
    key=(*CREDIT, "touchpoint"),
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
            columns=("day", "session_id", "client_id", "started_at", "channel", "is_bot"),
        ),
    ),
    transform=transform,
    together="client_id",
    settings_sections=("attribution", "bots"),
    checks=(
        Check(
            "weights_sum_to_one",
            "The weights of a conversion sum to 1 under each model and window.",
            weights_sum_to_one,
        ),
        Check(
            "money_is_conserved",
            "The money credited for a conversion is exactly its revenue, under each model and window.",
            money_is_conserved,
        ),
        Check(
            "some_are_attributed",
            "Not every conversion of the day is without a touchpoint; reports the share.",
            some_are_attributed,
            severity="warn",
        ),
    ),
    sort=("event_id", "window_days", "model", "touchpoint"),
    lineage={
        "event_id": (("conversions", "event_id"),),
        "transaction_id": (("conversions", "transaction_id"),),
        "session_id": (("sessions", "session_id"),),
        "touched_at": (("sessions", "started_at"),),
        "channel": (("sessions", "channel"),),
        "touchpoint": (
            ("sessions", "started_at"),
            ("conversions", "converted_at"),
            ("conversions", "client_id"),
        ),
        "weight": (("sessions", "started_at"), ("sessions", "channel"), ("conversions", "converted_at")),
        "revenue_cents": (("conversions", "revenue_cents"),),
    },
)
