"""Data-driven attribution of one set of journeys: shares, intervals, orders and money, or a plain "not enough data".

The models are in shapley.py and markov.py, the samples in bootstrap.py; which journeys, the tables decide.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from puffy_platform.methods.attribution import allocated_cents
from puffy_platform.methods.bootstrap import Samples, draw, is_unstable, share_interval
from puffy_platform.methods.journeys import Floats, Journeys

if TYPE_CHECKING:
    from puffy_platform.methods.markov import MarkovChain
    from puffy_platform.methods.shapley import ConversionRateGame, SumGame

__all__ = ["CREDIT_SCHEMA", "STATUSES", "Evidence", "attribute", "model_names"]

OK, UNSTABLE, NOT_ENOUGH = STATUSES = ("ok", "unstable", "not_enough_data")
SHAPLEY_RATE, SHAPLEY_SUM, MARKOV = "shapley_rate", "shapley_sum", "markov_"
# Far below anything an order or a share means; the last bits of a float decide nothing.
DECIMALS = 9
SHARES = ("share", "share_low", "share_high")

Columns = dict[str, NDArray[Any]]

CREDIT_SCHEMA: dict[str, type[pl.DataType]] = {
    "case": pl.Int64,
    "model": pl.String,
    "channel": pl.String,
    "share": pl.Float64,
    "share_low": pl.Float64,
    "share_high": pl.Float64,
    "orders": pl.Float64,
    "revenue_cents": pl.Int64,
    "status": pl.String,
}


@dataclass(frozen=True)
class Evidence:
    """Journeys with a touchpoint, and the orders (with their money) that have none; `seed` is for the samples."""

    journeys: Journeys
    unattributed_orders: int
    unattributed_cents: int
    seed: tuple[int, ...] = (0,)

    @property
    def attributable_orders(self) -> int:
        return int(self.journeys.converted.sum())

    @property
    def attributable_cents(self) -> int:
        return int(self.journeys.revenue_cents.sum())

    @property
    def orders(self) -> int:
        return self.attributable_orders + self.unattributed_orders

    @property
    def revenue_cents(self) -> int:
        return self.attributable_cents + self.unattributed_cents

    @property
    def lost_journeys(self) -> int:
        return int(self.journeys.lost.sum())


def model_names(markov_orders: Sequence[int]) -> tuple[str, ...]:
    """shapley_rate, shapley_sum and markov_1 to markov_4, those asked for."""
    return (SHAPLEY_RATE, SHAPLEY_SUM, *(f"{MARKOV}{order}" for order in markov_orders))


def attribute(
    cases: Iterable[Evidence],
    *,
    models: Sequence[str],
    min_conversions: int,
    draws: int,
    unattributed_channel: str,
) -> pl.DataFrame:
    """For each case (its place in `cases`) and model the credit of each channel: CREDIT_SCHEMA.

    `share` is of all orders, those without touchpoint included; under each model the shares sum to 1, the orders
    to all orders and the money exactly to all revenue. Orders without touchpoint are a row of their own. With
    fewer than `min_conversions` orders that have a touchpoint, or for shapley_rate and Markov without a single
    journey that did not convert, a model says not_enough_data: one row that leaves all orders unattributed.
    Money goes by what the orders of a path brought, not by the share of orders. No orders: no rows.
    """
    parts: list[dict[str, Any]] = []
    for case, evidence in enumerate(cases):
        if not evidence.orders:
            continue
        is_thin = evidence.attributable_orders < min_conversions
        samples = None if is_thin else draw(evidence.journeys, evidence.unattributed_orders, draws, evidence.seed)
        for model in models:
            if samples is None or (model != SHAPLEY_SUM and not evidence.lost_journeys):
                found = _not_enough_data(evidence)
            else:
                found = _credited(evidence, _game(model, evidence.journeys), samples, unattributed_channel)
            names = [*(evidence.journeys.channels if len(found["share"]) > 1 else ()), unattributed_channel]
            labels = {"case": [case] * len(names), "model": [model] * len(names), "channel": names}
            parts.append(labels | found | _money(evidence, len(names)))
    return _one_row_a_channel(_with_whole_cents(_stacked(parts)))


def _one_row_a_channel(found: pl.DataFrame) -> pl.DataFrame:
    """Orders of no channel join the channel of that name, if there is one; its share and interval hold both."""
    known = (pl.when(pl.col(name).count() > 0).then(pl.col(name).sum()).alias(name) for name in SHARES)
    return (
        found.group_by("case", "model", "channel", maintain_order=True)
        .agg(*known, pl.col("orders", "revenue_cents").sum(), pl.col("status").first())
        .select(*CREDIT_SCHEMA)
    )


def _game(model: str, journeys: Journeys) -> ConversionRateGame | SumGame | MarkovChain:
    from puffy_platform.methods.markov import MarkovChain
    from puffy_platform.methods.shapley import ConversionRateGame, SumGame

    if model == SHAPLEY_RATE:
        return ConversionRateGame(journeys)
    if model == SHAPLEY_SUM:
        return SumGame(journeys)
    return MarkovChain(journeys, int(model.removeprefix(MARKOV)))


def _credited(
    evidence: Evidence, game: ConversionRateGame | SumGame | MarkovChain, samples: Samples, unattributed_channel: str
) -> Columns:
    """Of each channel, and last of no channel: share, interval, orders, part of the attributable money, status.

    Orders of no channel count with the channel of that name, if there is one.
    """
    journeys = evidence.journeys
    counts = (journeys.converted + journeys.lost)[:, None]
    credited = game.credit(counts, journeys.converted[:, None])[:, 0]
    sampled = game.credit(samples.converted + samples.lost, samples.converted)
    all_sampled = np.vstack([sampled, samples.without_path])
    all_credited = np.append(credited, evidence.unattributed_orders)
    if unattributed_channel in journeys.channels:
        same = journeys.channels.index(unattributed_channel)
        for rows in (all_sampled, all_credited):
            rows[same] += rows[-1]
            rows[-1] = 0.0
    low, high = share_interval(all_sampled, samples.orders)
    share = all_credited / evidence.orders
    money = _money_share(game.credit(counts, journeys.revenue_cents[:, None])[:, 0], credited)
    return {
        "share": share,
        "share_low": low,
        "share_high": high,
        "orders": all_credited,
        "money_share": np.append(money, np.nan),
        "status": np.where(is_unstable(share, low, high), UNSTABLE, OK),
    }


def _money_share(credited_cents: Floats, credited: Floats) -> Floats:
    """Each channel's part of the attributable money; of the orders, when the money cannot be divided by itself."""
    total = credited_cents.sum()
    return np.asarray(credited_cents / total if abs(total) >= 1 else credited / credited.sum(), dtype=np.float64)


def _not_enough_data(evidence: Evidence) -> Columns:
    nothing = np.array([np.nan])
    unknown = dict.fromkeys(("share", "share_low", "share_high", "money_share"), nothing)
    return unknown | {"orders": np.array([evidence.orders], dtype=np.float64), "status": np.array([NOT_ENOUGH])}


def _money(evidence: Evidence, rows: int) -> dict[str, Any]:
    """What the channels share, and what the last row has: the money of no channel."""
    of_no_channel = evidence.unattributed_cents if rows > 1 else evidence.revenue_cents
    return {"shared_cents": [evidence.attributable_cents] * rows, "own_cents": [of_no_channel] * rows}


def _stacked(parts: list[dict[str, Any]]) -> pl.DataFrame:
    schema = CREDIT_SCHEMA | {"money_share": pl.Float64, "shared_cents": pl.Int64, "own_cents": pl.Int64}
    del schema["revenue_cents"]
    columns = {name: [value for part in parts for value in part[name]] for name in schema}
    return pl.DataFrame(columns, schema=schema)


def _with_whole_cents(found: pl.DataFrame) -> pl.DataFrame:
    """Money in whole cents that sum exactly, by largest remainder; without rows of nothing."""
    is_channel = pl.col("money_share").is_not_nan()
    view = ("case", "model")
    channels = found.filter(is_channel).with_columns(place=pl.int_range(pl.len()))
    cents = allocated_cents(pl.col("shared_cents"), pl.col("money_share"), pl.col("place"), over=view)
    no_channel = found.filter(~is_channel).filter((pl.col("orders") > 0) | (pl.col("own_cents") != 0))
    return (
        pl.concat(
            [channels.with_columns(revenue_cents=cents), no_channel.with_columns(revenue_cents="own_cents")],
            how="diagonal",
        )
        .with_columns(
            pl.col("share", "share_low", "share_high").fill_nan(None).round(DECIMALS), pl.col("orders").round(DECIMALS)
        )
        .select(*CREDIT_SCHEMA)
    )
