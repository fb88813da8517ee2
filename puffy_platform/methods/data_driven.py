"""Data-driven attribution of one set of journeys: shares, intervals, orders and money, or a plain "not enough data".

The models are in shapley.py and markov.py, the samples in bootstrap.py; which journeys, the tables decide.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from puffy_platform.methods.attribution import allocated_cents
from puffy_platform.methods.bootstrap import Samples, draw, is_unstable, share_interval
from puffy_platform.methods.journeys import Floats, Ints, Journeys
from puffy_platform.methods.markov import MarkovChain
from puffy_platform.methods.shapley import ConversionRateGame, SumGame

__all__ = ["CREDIT_SCHEMA", "STATUSES", "Evidence", "attribute", "model_names"]

OK, UNSTABLE, NOT_ENOUGH = STATUSES = ("ok", "unstable", "not_enough_data")
SHAPLEY_RATE, SHAPLEY_SUM, MARKOV = "shapley_rate", "shapley_sum", "markov_"
# Far below anything an order or a share means; the last bits of a float decide nothing.
DECIMALS = 9

CREDIT_SCHEMA = {
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
    """Journeys with a touchpoint, and the orders (with their money) that have none."""

    journeys: Journeys
    unattributed_orders: int
    unattributed_cents: int

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
    evidence: Evidence,
    *,
    models: Sequence[str],
    min_conversions: int,
    draws: int,
    seed: tuple[int, ...],
    unattributed_channel: str,
) -> pl.DataFrame:
    """model, channel, share with its interval, orders, revenue_cents, status: CREDIT_SCHEMA.

    `share` is of all orders, those without touchpoint included; under each model the shares sum to 1, the orders
    to all orders and the money exactly to all revenue. Orders without touchpoint are a row of their own. With
    fewer than `min_conversions` orders that have a touchpoint, or for shapley_rate and Markov without a single
    journey that did not convert, a model says not_enough_data: one row that leaves all orders unattributed.
    Money goes by what the orders of a path brought, not by the share of orders. No orders: no rows.
    """
    if not evidence.orders:
        return pl.DataFrame(schema=CREDIT_SCHEMA)
    is_thin = evidence.attributable_orders < min_conversions
    samples = None if is_thin else draw(evidence.journeys, draws, seed)
    without = None if is_thin else np.random.default_rng((*seed, 1)).poisson(evidence.unattributed_orders, draws)
    parts = []
    for model in models:
        if samples is None or without is None or (model != SHAPLEY_SUM and not evidence.lost_journeys):
            parts.append(_not_enough_data(evidence, model, unattributed_channel))
        else:
            parts.append(_credited(evidence, model, samples, without, unattributed_channel))
    return _with_whole_cents(pl.concat(parts), evidence)


def _game(model: str, journeys: Journeys) -> ConversionRateGame | SumGame | MarkovChain:
    if model == SHAPLEY_RATE:
        return ConversionRateGame(journeys)
    if model == SHAPLEY_SUM:
        return SumGame(journeys)
    return MarkovChain(journeys, int(model.removeprefix(MARKOV)))


def _credited(evidence: Evidence, model: str, samples: Samples, without: Ints, unattributed: str) -> pl.DataFrame:
    journeys, orders = evidence.journeys, evidence.orders
    game = _game(model, journeys)
    counts = (journeys.converted + journeys.lost)[:, None]
    credited = game.credit(counts, journeys.converted[:, None])[:, 0]
    sampled = game.credit(samples.converted + samples.lost, samples.converted)
    money_share = _money_share(game.credit(counts, journeys.revenue_cents[:, None])[:, 0], credited, evidence)
    low, high = share_interval(np.vstack([sampled, without]), samples.converted.sum(axis=0) + without)
    share = np.append(credited, evidence.unattributed_orders) / orders
    status = np.where(is_unstable(share, low, high), UNSTABLE, OK)
    found = pl.DataFrame(
        {
            "model": model,
            "channel": [*journeys.channels, unattributed],
            "share": share,
            "share_low": low,
            "share_high": high,
            "orders": share * orders,
            "money_share": [*money_share, None],
            "status": status,
        }
    )
    return found if evidence.unattributed_orders else found.head(-1)


def _money_share(credited_cents: Floats, credited: Floats, evidence: Evidence) -> Floats:
    """Each channel's part of the attributable money; of the orders, when the money cannot be divided by itself."""
    total = float(credited_cents.sum())
    if abs(total) >= 1 and np.isfinite(credited_cents).all():
        return credited_cents / total
    return credited / evidence.attributable_orders


def _not_enough_data(evidence: Evidence, model: str, unattributed: str) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "model": [model],
            "channel": [unattributed],
            "share": [None],
            "share_low": [None],
            "share_high": [None],
            "orders": [float(evidence.orders)],
            "money_share": [None],
            "status": [NOT_ENOUGH],
        },
        schema_overrides=dict.fromkeys(("share", "share_low", "share_high", "money_share"), pl.Float64),
    )


def _with_whole_cents(found: pl.DataFrame, evidence: Evidence) -> pl.DataFrame:
    """Money in whole cents that sum exactly, by largest remainder; the row without money share has what is left."""
    is_channel = pl.col("money_share").is_not_null()
    cents = allocated_cents(pl.col("cents"), pl.col("money_share"), pl.col("place"), over=("model",))
    channels = (
        found.filter(is_channel)
        .with_columns(cents=pl.lit(evidence.attributable_cents), place=pl.int_range(pl.len()))
        .with_columns(revenue_cents=cents)
        .drop("cents", "place")
    )
    rest = found.filter(~is_channel).with_columns(
        revenue_cents=pl.when(pl.col("status") == NOT_ENOUGH)
        .then(evidence.revenue_cents)
        .otherwise(evidence.unattributed_cents)
        .cast(pl.Int64)
    )
    rounded = pl.col("share", "share_low", "share_high", "orders").round(DECIMALS)
    return pl.concat([channels, rest]).with_columns(rounded).select(*CREDIT_SCHEMA)
