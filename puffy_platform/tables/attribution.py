"""Attribution: counted conversions, their touchpoints inside each look-back window, and each one's credit.

Contract, transform and checks. The models and the division of cents are in methods/attribution.py.
"""

from __future__ import annotations

import datetime as dt
from typing import Annotated

import pandera.polars as pa
import polars as pl

from puffy_platform.methods.attribution import MODELS, allocated_cents, model_weights
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
    touchpoint: pl.Int64 = pa.Field(ge=0, description="1 is the oldest; 0: there is none, the order is unattributed.")
    touchpoints: pl.Int64 = pa.Field(ge=0, description="Touchpoints of the conversion in the window.")
    session_id: str = pa.Field(nullable=True, description="The touchpoint; null when unattributed.")
    touched_at: Annotated[pl.Datetime, "us", "UTC"] = pa.Field(
        nullable=True, description="Start of that session; null when unattributed."
    )
    channel: str = pa.Field(description="Its channel, or the one in attribution.unattributed_channel.")
    weight: pl.Float64 = pa.Field(gt=0, le=1, description="Share of the conversion; sums to 1 per model and window.")
    revenue_cents: pl.Int64 = pa.Field(
        description="Share of the revenue; sums exactly to it per model and window. Minor units of the currency."
    )

    class Config:
        strict = True


def transform(inputs: Inputs, days: DayRange, settings: Settings) -> pl.LazyFrame:
    """Paths, a weight for each model, and the cents by weight. Touchpoints of weight 0 have no row."""
    counted = inputs["conversions"].filter("is_counted")
    all_paths = paths(counted, inputs["sessions"], settings.attribution.windows_days, settings)
    weights = model_weights(
        position=pl.col("touchpoint"),
        touchpoints=pl.col("touchpoints"),
        channel=pl.col("channel"),
        age_days=(pl.col("converted_at") - pl.col("touched_at")) / dt.timedelta(days=1),
        half_life_days=settings.attribution.half_life_days,
        over="path",
    )
    credit = (
        all_paths.filter(pl.col("touchpoint") > 0)
        .with_columns(**weights)
        .unpivot(MODELS, index=["path", "touchpoint"], variable_name="model", value_name="weight")
    )
    nobody = (
        all_paths.filter(pl.col("touchpoint") == 0)
        .select("path", "touchpoint", weight=pl.lit(1.0))
        .join(pl.LazyFrame({"model": MODELS}), how="cross")
    )
