"""Data-driven attribution as of each day: what models that learn from journeys with and without an order credit.

Contract, transform and checks. The models, their intervals and the division of cents are in methods/data_driven.py.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

import numpy as np
import pandera.polars as pa
import polars as pl
from numpy.typing import NDArray

from puffy_platform.distinct import places_among
from puffy_platform.methods.data_driven import STATUSES, Evidence, attribute, model_names
from puffy_platform.methods.journeys import HIGHEST_ORDER, SEPARATOR, Journeys
from puffy_platform.settings import Settings
from puffy_platform.table import Check, DayRange, Inputs, Reads, Table

__all__ = ["TABLE"]

VIEW = ("model", "window_days")
# Every model there may be, whatever the settings choose.
MODELS = model_names(range(1, HIGHEST_ORDER + 1))
# Bootstrap samples depend on this, the day and the window alone, so that a day always comes out the same.
SEED = 2018
TOLERANCE = 1e-6


class AttributionDataDrivenContract(pa.DataFrameModel):
    """One row for each as-of day, model, look-back window and channel."""

    day: pl.Date = pa.Field(description="As-of day: the last of the rolling window; only what was known then counts.")
    model: str = pa.Field(
        isin=MODELS, description="shapley_rate, shapley_sum, or markov_1 to markov_4 by the order of the chain."
    )
    window_days: pl.Int64 = pa.Field(ge=1, description="Look-back window, days before the end of a journey.")
    rolling_days: pl.Int64 = pa.Field(ge=1, description="Days of journeys that were looked at.")
    channel: str = pa.Field(
        description="Channel on a journey; the unattributed one for orders without touchpoint or without enough data."
    )
    share: pl.Float64 = pa.Field(
        nullable=True, description="Part of all orders of the window; may be negative under shapley_rate. Sums to 1."
    )
    share_low: pl.Float64 = pa.Field(nullable=True, description="Lower end of the share's 90 % bootstrap interval.")
    share_high: pl.Float64 = pa.Field(nullable=True, description="Upper end of it.")
    orders: pl.Float64 = pa.Field(description="Orders credited; sum to all orders per model and window.")
    revenue_cents: pl.Int64 = pa.Field(
        description="Revenue credited, minor units; sums exactly to all revenue per model and window."
    )
    status: str = pa.Field(
        isin=STATUSES,
        description="ok; unstable: the interval is wider than the share is large; or not_enough_data, without a share.",
    )
    converted_journeys: pl.Int64 = pa.Field(ge=0, description="Orders with a touchpoint: what there was to learn from.")
    lost_journeys: pl.Int64 = pa.Field(ge=0, description="Journeys that had not led to an order by the end of the day.")

    class Config:
        strict = True


def transform(inputs: Inputs, days: DayRange, settings: Settings) -> pl.LazyFrame:
    """For each look-back window count the journeys as of each day in one pass, then ask every model about each."""
    chosen = settings.data_driven
    journeys = in_order(inputs["paths"])
    cases = [
        (day, window, evidence)
        for window in settings.attribution.windows_days
        for day, evidence in evidence_as_of(journeys, days, window, chosen.rolling_days)
    ]
    del journeys  # much, and counted: the models need the room
    credited = attribute(
        (evidence for _, _, evidence in cases),
        models=model_names(chosen.markov_orders),
        min_conversions=chosen.min_conversions,
        draws=chosen.draws,
        unattributed_channel=settings.attribution.unattributed_channel,
    )
    described = pl.DataFrame(
        {
            "day": [day for day, _, _ in cases],
            "window_days": [window for _, window, _ in cases],
            "converted_journeys": [evidence.attributable_orders for _, _, evidence in cases],
            "lost_journeys": [evidence.lost_journeys for _, _, evidence in cases],
        },
        schema_overrides=dict.fromkeys(("window_days", "converted_journeys", "lost_journeys"), pl.Int64),
    ).with_columns(case=pl.int_range(pl.len(), dtype=pl.Int64), rolling_days=pl.lit(chosen.rolling_days, pl.Int64))
    return credited.join(described, on="case").lazy()


def in_order(paths: pl.LazyFrame) -> pl.DataFrame:
    """The journeys by client and time, each with `next_day` and `next_after` (the time until) of the client's next.

    Adds what path_names asks for: `name`, its channels joined by SEPARATOR, as a category, and `oldest`, the time of
    its first one; both null when it has none.
    """
    is_same = pl.col("client_id") == pl.col("client_id").shift(-1)
    after = pl.col("ended_at").shift(-1) - pl.col("ended_at")
    first, touches = pl.col("touches").list.first().struct, pl.col("touches").list
    # Each day is stored in this order: a stable sort merges what is sorted. What comes after an order is not asked.
    journeys = (
        paths.sort("client_id", "ended_at", "is_converted", maintain_order=True)
        .with_columns(
            next_day=pl.when(is_same).then(pl.col("day").shift(-1)),
            next_after=pl.when(is_same).then(after),
            oldest=first.field("touched_at"),
            name=first.field("channel"),
        )
        .collect()
    )
    # Most have one touchpoint, whose channel is the name.
    has_more = journeys.select(touches.len() > 1).to_series()
    channels = touches.eval(pl.element().struct.field("channel")).list.join(SEPARATOR)
    joined = journeys.select("touches").filter(has_more).select(channels).to_series().gather(places_among(has_more))
    names = journeys["name"].zip_with(~has_more, joined)
    return journeys.with_columns(name=names.cast(pl.Categorical(pl.Categories.random())))


def evidence_as_of(
    journeys: pl.DataFrame, days: DayRange, window_days: int, rolling_days: int
) -> Iterator[tuple[dt.date, Evidence]]:
    """Each of the days, and the journeys that ended (or last went on) in the rolling window, as known at its end.

    An open journey counts until the client's next one goes on with it, that is, begins within the look-back window;
    it counted on the days before. So a journey is counted once on each day, as it last stood.
    """
    window = dt.timedelta(days=window_days)
    day_number, next_number = ((pl.col(name) - days.first).dt.total_days() for name in ("day", "next_day"))
    last_number = day_number + (rolling_days - 1)
    went_on = ~pl.col("is_converted") & (pl.col("next_after") <= window).fill_null(False)
    spans = journeys.select(
        "is_converted",
        revenue_cents=pl.col("revenue_cents").fill_null(0),
        name=path_names(journeys, window),
        begins=day_number.clip(lower_bound=0),
        ends=(
            pl.when(went_on)
            .then(pl.min_horizontal(last_number, next_number - 1))
            .otherwise(last_number)
            .clip(upper_bound=len(days) - 1)
        ),
    ).filter(pl.col("begins") <= pl.col("ends"))
    counted = (
        spans.group_by("name", "is_converted", "begins", "ends")
        .agg(pl.col("revenue_cents").sum(), journeys=pl.len().cast(pl.Int64))
        .with_columns(pl.col("name").cast(pl.String))
    )
    names = counted["name"].drop_nulls().unique().sort()
    # The last row of each count is of the journeys without touchpoint.
    place = pl.col("name").replace_strict(names, range(len(names)), default=len(names), return_dtype=pl.Int64)
    counted = counted.with_columns(place=place)
    converted = _standing(counted.filter("is_converted"), "journeys", len(names) + 1, len(days))
    lost = _standing(counted.filter(~pl.col("is_converted")), "journeys", len(names) + 1, len(days))
    cents = _standing(counted, "revenue_cents", len(names) + 1, len(days))
    nothing = np.zeros(len(names), dtype=np.int64)
    all_paths = Journeys.from_names(names, nothing, nothing, nothing)
    for number, day in enumerate(days):
        yield (
            day,
            Evidence(
                all_paths.walked(converted[:-1, number], lost[:-1, number], cents[:-1, number]),
                unattributed_orders=int(converted[-1, number]),
                unattributed_cents=int(cents[-1, number]),
                seed=(SEED, day.toordinal(), window_days),
            ),
        )


def path_names(journeys: pl.DataFrame, window: dt.timedelta) -> pl.Series:
    """Of each journey (in_order) its channels inside the window, joined by SEPARATOR; null when there is none.

    Almost all are `name`: only where the oldest touchpoint lies before the window are the touchpoints looked at.
    """
    touch = pl.col("touches").struct
    is_cut = journeys.select((pl.col("ended_at") - pl.col("oldest") > window).fill_null(False)).to_series()
    cut = journeys.select("ended_at", "touches").filter(is_cut).with_row_index("row")
    inside = (
        cut.explode("touches")
        .filter(pl.col("ended_at") - touch.field("touched_at") <= window)
        .group_by("row", maintain_order=True)
        .agg(channels=touch.field("channel"))
        .select("row", name=pl.col("channels").list.join(SEPARATOR))
    )
    cut_names = cut.select("row").join(inside, on="row", how="left", maintain_order="left")["name"]
    all_names = journeys["name"]
    return all_names.zip_with(~is_cut, cut_names.cast(all_names.dtype).gather(places_among(is_cut)))


def _standing(spans: pl.DataFrame, amount: str, places: int, days: int) -> NDArray[np.int64]:
    """By place and day, the sum of a column over the spans that stand on that day: what began less what ended."""
    changes, amounts = np.zeros((places, days + 1), dtype=np.int64), spans[amount].to_numpy()
    np.add.at(changes, (spans["place"].to_numpy(), spans["begins"].to_numpy()), amounts)
    np.subtract.at(changes, (spans["place"].to_numpy(), spans["ends"].to_numpy() + 1), amounts)
    return changes[:, :-1].cumsum(axis=1)


def credit_is_complete(frame: pl.DataFrame, inputs: Inputs, days: DayRange, settings: Settings) -> pl.DataFrame:
    """Each model and window adds up to the orders of the rolling window, and exactly to their revenue."""
    views = frame.group_by("day", *VIEW).agg(pl.col("orders").sum(), pl.col("revenue_cents").sum()).lazy()
    orders = (
        inputs["paths"]
        .filter("is_converted")
        .group_by(order_day="day")
        .agg(expected=pl.len(), expected_cents=pl.col("revenue_cents").sum())
    )
    first_day = pl.col("day").dt.offset_by(f"-{settings.data_driven.rolling_days - 1}d")
    expected = (
        views.select("day")
        .unique()
        .with_columns(first_day=first_day)
        .join_where(orders, pl.col("order_day") >= pl.col("first_day"), pl.col("order_day") <= pl.col("day"))
        .group_by("day")
        .agg(pl.col("expected", "expected_cents").sum())
    )
    is_broken = ((pl.col("orders") - pl.col("expected")).abs() > TOLERANCE) | (
        pl.col("revenue_cents") != pl.col("expected_cents")
    )
    return (
        views.join(expected, on="day", how="left")
        .with_columns(pl.col("expected", "expected_cents").fill_null(0))
        .group_by("day")
        .agg(broken=is_broken.sum(), expected=pl.col("expected").first(), cents=pl.col("expected_cents").first())
        .select(
            "day",
            passed=pl.col("broken") == 0,
            observed=pl.format("{} (model, window) differ", "broken"),
            expected=pl.format("each {} orders, {} cents", "expected", "cents"),
        )
        .collect()
    )


def shares_sum_to_one(frame: pl.DataFrame, inputs: Inputs, days: DayRange, settings: Settings) -> pl.DataFrame:
    """Over the channels of each model and window that has shares, within 1e-6; without enough data there is none."""
    has_none = (pl.col("status") == "not_enough_data") == pl.col("share").is_null()
    return (
        frame.group_by("day", *VIEW)
        .agg(distance=(pl.col("share").sum() - 1).abs(), known=pl.col("share").count(), agrees=has_none.all())
        .group_by("day")
        .agg(
            distance=pl.col("distance").filter(pl.col("known") > 0).max().fill_null(0.0), agrees=pl.col("agrees").all()
        )
        .select(
            "day",
            passed=(pl.col("distance") <= TOLERANCE) & pl.col("agrees"),
            observed=pl.format("farthest from 1 by {}", "distance"),
            expected=pl.lit(f"at most {TOLERANCE}, and a share exactly where there is enough data"),
        )
    )


TABLE = Table(
    name="attribution_data_driven",
    description=(
        "What data-driven models credit to each channel, as of each day, for the orders of a rolling window and every "
        "look-back window: share with its bootstrap interval, orders, revenue, and how far it can be trusted. Choose "
        "one day, model and window before adding up: the days overlap."
    ),
    owner="team:marketing",
    group="attribution",
    contract=AttributionDataDrivenContract,
    key=("day", *VIEW, "channel"),
    reads=(
        Reads(
            "paths",
            before=lambda settings: settings.data_driven.rolling_days - 1,
            columns=("day", "client_id", "is_converted", "ended_at", "revenue_cents", "touches"),
        ),
    ),
    transform=transform,
    settings_sections=("attribution", "data_driven"),
    checks=(
        Check(
            "credit_is_complete",
            "Under each model and window, orders and revenue are exactly those of the rolling window.",
            credit_is_complete,
        ),
        Check(
            "shares_sum_to_one",
            "The shares of a model and window sum to 1, or there is not enough data and no share.",
            shares_sum_to_one,
        ),
    ),
    sort=("model", "window_days", "channel"),
    lineage={
        "channel": (("paths", "touches"),),
        "share": (("paths", "touches"), ("paths", "is_converted"), ("paths", "ended_at")),
        "share_low": (("paths", "touches"), ("paths", "is_converted")),
        "share_high": (("paths", "touches"), ("paths", "is_converted")),
        "orders": (("paths", "touches"), ("paths", "is_converted"), ("paths", "ended_at")),
        "revenue_cents": (("paths", "revenue_cents"), ("paths", "touches")),
        "status": (("paths", "touches"), ("paths", "is_converted")),
        "converted_journeys": (("paths", "is_converted"),),
        "lost_journeys": (("paths", "is_converted"), ("paths", "ended_at")),
    },
)
