"""How good a score is at telling who churned: AUC with its interval, Brier score, calibration, lift.

`score` is higher for who is more likely to churn, `churned` says who did; both have an entry a customer. No model here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from puffy_platform.methods.proportions import Z_95, wilson_interval

__all__ = [
    "Bools",
    "Estimate",
    "Floats",
    "auc",
    "auc_gain",
    "brier",
    "calibration",
    "calibration_error",
    "lift_in_top_decile",
]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
DECILES = 10


@dataclass(frozen=True)
class Estimate:
    """A number and its 95 % interval."""

    value: float
    low: float
    high: float

    @classmethod
    def normal(cls, value: float, variance: float) -> Estimate:
        spread = Z_95 * float(np.sqrt(max(variance, 0.0)))
        return cls(value, value - spread, value + spread)


def auc(score: Floats, churned: Bools) -> Estimate:
    """The chance that of a random churned and a random other customer the churned one has the higher score, ties half.

    The interval is DeLong's. Needs two customers of either kind. Source: DeLong, DeLong and Clarke-Pearson (1988),
    Biometrics 44; by ranks as in Sun and Xu (2014), IEEE Signal Processing Letters 21.
    """
    of_churned, of_others = _components(score, churned)
    return _estimate(of_churned, of_others)


def auc_gain(score: Floats, other: Floats, churned: Bools) -> Estimate:
    """AUC of `score` less that of `other`, on the same customers: that both err on the same ones is taken into account.

    The same source: the variance of the paired difference.
    """
    mine, theirs = _components(score, churned), _components(other, churned)
    return _estimate(mine[0] - theirs[0], mine[1] - theirs[1])


def _components(score: Floats, churned: Bools) -> tuple[Floats, Floats]:
    """For every churned customer the part of the others that score lower; for every other the part of the churned that
    score higher."""
    ranks = _ranks(score)
    high, low = score[churned], score[~churned]
    if min(len(high), len(low)) < 2:
        raise ValueError("an AUC needs two customers who churned and two who did not")
    below = (ranks[churned] - _ranks(high)) / len(low)
    above = 1 - (ranks[~churned] - _ranks(low)) / len(high)
    return below, above


def _ranks(values: Floats) -> Floats:
    """1 for the lowest; equal values share the mean of their ranks."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    found: Floats = (last - (counts - 1) / 2)[place]
    return found


def _estimate(of_churned: Floats, of_others: Floats) -> Estimate:
    variance = of_churned.var(ddof=1) / len(of_churned) + of_others.var(ddof=1) / len(of_others)
    return Estimate.normal(float(of_churned.mean()), float(variance))


def brier(probability: Floats, churned: Bools) -> float:
    """Mean squared error of the probabilities: 0 is perfect, p (1 - p) what knowing nothing but the share p gives.

    Source: Brier (1950), Monthly Weather Review 78.
    """
    return float(np.mean((probability - churned) ** 2))


def lift_in_top_decile(score: Floats, churned: Bools) -> float:
    """Share of churned among the tenth with the highest scores, over the share among all; 1 is no better than chance.

    It cannot be above 1 / share. The tenth is rounded up; of equal scores at its border each counts in part.
    """
    top = -(-len(score) // DECILES)
    border = np.partition(score, len(score) - top)[len(score) - top]
    above, at_border = score > border, score == border
    found = churned[above].sum() + churned[at_border].mean() * (top - above.sum())
    return float(found / top / churned.mean())


def calibration(probability: Floats, churned: Bools) -> pl.DataFrame:
    """By tenth of the probabilities, lowest first: up_to (the highest in it), customers, expected (mean probability),
    observed (share that churned) and the Wilson interval of that, low to high.

    Equal probabilities are in one group, so there may be fewer than ten.
    """
    borders = np.unique(np.quantile(probability, np.arange(1, DECILES + 1) / DECILES, method="inverted_cdf"))
    low, high = wilson_interval("churned", "customers")
    return (
        pl.DataFrame({"up_to": borders[np.searchsorted(borders, probability)], "p": probability, "churned": churned})
        .group_by("up_to")
        .agg(customers=pl.len().cast(pl.Int64), expected=pl.col("p").mean(), churned=pl.col("churned").sum())
        .sort("up_to")
        .select(
            "up_to",
            "customers",
            "expected",
            observed=pl.col("churned") / pl.col("customers"),
            low=low,
            high=high,
        )
    )


def calibration_error(groups: pl.DataFrame) -> float:
    """How far expected and observed shares of `calibration` are apart, on average over customers."""
    apart = np.abs(groups["expected"].to_numpy() - groups["observed"].to_numpy())
    return float(np.average(apart, weights=groups["customers"].to_numpy()))
