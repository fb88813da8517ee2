"""All attribution models side by side over the same orders, and what each costs when the spend is known.

Reads what is stored; computes no attribution itself.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import polars as pl

from puffy_platform.methods.attribution import MODELS
from puffy_platform.methods.data_driven import model_names
from puffy_platform.methods.journeys import HIGHEST_ORDER
from puffy_platform.pipeline.platform import Platform
from puffy_platform.table import DayRange

__all__ = ["BASELINE_MODEL", "CompareError", "Comparison", "compare_attribution"]

BASELINE_MODEL = "last_touch"
DATA_DRIVEN = model_names(range(1, HIGHEST_ORDER + 1))
DECIMALS = 9


class CompareError(ValueError):
    """There is nothing to compare for what was asked; the message says what there is."""


@dataclass(frozen=True)
class Comparison:
    """The credit of every model over the orders of `days`, for one look-back window.

    `rows`: model, is_data_driven, channel, orders, revenue_cents, share, share_low, share_high, status (the last
    three of data-driven models only), moved_orders and moved_cents (more than last touch), and with a spend
    spend_cents, cost_per_order_cents and roas, null where they have no meaning. `converted_journeys` and
    `lost_journeys` are what the data-driven models learned from. `spend_days`: days of the range with spend.
    """

    days: DayRange
    window_days: int
    orders: int
    revenue_cents: int
    converted_journeys: int
    lost_journeys: int
    rows: pl.DataFrame
    has_spend: bool
    spend_days: int

    @property
    def models(self) -> list[str]:
        return self.rows["model"].unique(maintain_order=True).to_list()

    @property
    def disagreeing(self) -> list[str]:
        """Models whose credit does not add up to the same revenue: their days were computed from other data."""
        sums = self.rows.group_by("model", maintain_order=True).agg(pl.col("revenue_cents").sum())
        return sums.filter(pl.col("revenue_cents") != self.revenue_cents)["model"].to_list()

    @property
    def spent_without_credit(self) -> list[str]:
        """Channels with spend that no model credits with anything: perhaps they have another name here."""
        if not self.has_spend:
            return []
        by_channel = self.rows.group_by("channel").agg(pl.col("orders").abs().sum(), pl.col("spend_cents").first())
        nothing = by_channel.filter((pl.col("orders") == 0) & (pl.col("spend_cents") > 0))
        return sorted(nothing["channel"].to_list())


def compare_attribution(
    platform: Platform, day: dt.date | None, window_days: int | None, spend: pl.DataFrame | None = None
) -> Comparison:
    """The comparison as of a day (default: the newest there is) and a look-back window (default: the shortest).

    `spend` has the columns of `spend.SPEND_SCHEMA`. Raises CompareError when there is no data-driven attribution
    as of the day for the window.
    """
    windows = platform.settings.attribution.windows_days
    window = window_days or min(windows)
    if window not in windows:
        there = ", ".join(str(known) for known in windows)
        raise CompareError(f"a look-back of {window} days is not computed; attribution.windows_days has {there}")
    stored = platform.warehouse.read(platform.tables["attribution_data_driven"]).filter(pl.col("window_days") == window)
    as_of = day or stored.select(pl.col("day").max()).collect().item()
    data_driven = stored.filter(pl.col("day").eq_missing(pl.lit(as_of, pl.Date))).collect()
    if data_driven.is_empty():
        asked = f"as of {day}" if day else "yet"
        raise CompareError(
            f"there is no data-driven attribution {asked}: `puffy run` computes it, once there are orders"
        )
    rolling = int(data_driven["rolling_days"][0])
    days = DayRange(as_of - dt.timedelta(days=rolling - 1), as_of)
    credited = pl.concat([_rule_based(platform, days, window), _data_driven(data_driven)], how="diagonal")
    rows = _with_moves(_all_channels(credited, _in_range(spend, days)))
    return Comparison(
        days=days,
        window_days=window,
        orders=round(float(rows.filter(model=BASELINE_MODEL)["orders"].sum())),
        revenue_cents=int(rows.filter(model=BASELINE_MODEL)["revenue_cents"].sum()),
        converted_journeys=int(data_driven["converted_journeys"][0]),
        lost_journeys=int(data_driven["lost_journeys"][0]),
        rows=rows if spend is None else _with_cost(rows, _in_range(spend, days)),
        has_spend=spend is not None,
        spend_days=0 if spend is None else spend.filter(days.covers())["day"].n_unique(),
    )


def _rule_based(platform: Platform, days: DayRange, window: int) -> pl.DataFrame:
    columns = ("day", "model", "window_days", "channel", "weight", "revenue_cents")
    return (
        platform.warehouse.read(platform.tables["attribution"], days, columns)
        .filter(pl.col("window_days") == window)
        .group_by("model", "channel")
        .agg(orders=pl.col("weight").sum().round(DECIMALS), revenue_cents=pl.col("revenue_cents").sum())
        .with_columns(is_data_driven=pl.lit(False))
        .collect()
    )


def _data_driven(rows: pl.DataFrame) -> pl.DataFrame:
    kept = ("model", "channel", "orders", "revenue_cents", "share", "share_low", "share_high", "status")
    return rows.select(*kept, is_data_driven=pl.lit(True))


def _in_range(spend: pl.DataFrame | None, days: DayRange) -> pl.DataFrame:
    """channel, spend_cents of these days."""
    if spend is None:
        return pl.DataFrame(schema={"channel": pl.String, "spend_cents": pl.Int64})
    return spend.filter(days.covers()).group_by("channel").agg(spend_cents=pl.col("amount_cents").sum())


def _all_channels(credited: pl.DataFrame, spent: pl.DataFrame) -> pl.DataFrame:
    """Every model beside every channel, models in their order, channels by what last touch credits."""
    rank = {model: place for place, model in enumerate((*MODELS, *DATA_DRIVEN))}
    place = pl.col("model").replace_strict(rank, return_dtype=pl.Int64)
    models = credited.select("model", "is_data_driven").unique().sort(place)
    channels = pl.concat([credited.select("channel"), spent.select("channel")]).unique()
    last = credited.filter(model=BASELINE_MODEL).select("channel", last_orders="orders", last_cents="revenue_cents")
    return (
        models.with_row_index("model_place")
        .join(channels, how="cross")
        .join(credited.drop("is_data_driven"), on=["model", "channel"], how="left")
        .join(last, on="channel", how="left")
        .with_columns(
            pl.col("orders", "last_orders").fill_null(0.0), pl.col("revenue_cents", "last_cents").fill_null(0)
        )
        .sort(["model_place", "last_cents", "channel"], descending=[False, True, False])
    )


def _with_moves(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(
        moved_orders=(pl.col("orders") - pl.col("last_orders")).round(DECIMALS),
        moved_cents=pl.col("revenue_cents") - pl.col("last_cents"),
    ).drop("model_place", "last_orders", "last_cents")


def _with_cost(rows: pl.DataFrame, spent: pl.DataFrame) -> pl.DataFrame:
    """Spend of the channel, cost per credited order in cents, and revenue per unit spent (ROAS)."""
    spend, orders = pl.col("spend_cents"), pl.col("orders")
    return rows.join(spent, on="channel", how="left", maintain_order="left").with_columns(
        cost_per_order_cents=pl.when(orders > 0).then(spend / orders).round(0).cast(pl.Int64),
        roas=pl.when(spend > 0).then((pl.col("revenue_cents") / spend).round(4)),
    )
