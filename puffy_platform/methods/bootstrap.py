"""Bootstrap samples of journeys, and what they say of a share: how far it would move with other visitors.

Efron, "Bootstrap Methods: Another Look at the Jackknife" (1979); with Poisson weights instead of drawing with
replacement: Chamandy et al., "Estimating Uncertainty for Massive Data Streams" (2012).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from puffy_platform.methods.journeys import Floats, Ints, Journeys

__all__ = ["LEVEL", "Samples", "draw", "is_unstable", "share_interval"]

# Of the samples, this part lies inside an interval; the rest half below and half above it.
LEVEL = 0.9


@dataclass(frozen=True)
class Samples:
    """How often each distinct path (row) was walked in each sample (column), and orders without a path."""

    converted: Ints
    lost: Ints
    without_path: Ints

    @property
    def orders(self) -> Ints:
        """All orders of each sample."""
        return np.asarray(self.converted.sum(axis=0) + self.without_path, dtype=np.int64)


def draw(journeys: Journeys, without_path: int, draws: int, seed: tuple[int, ...]) -> Samples:
    """`draws` samples of journeys and of orders without a path; the same arguments give the same samples.

    Every journey is taken a Poisson(1) number of times, so n equal ones together a Poisson(n) number: what is
    drawn does not grow with the journeys, only with the distinct paths.
    """
    rng = np.random.default_rng(seed)

    def sampled(counts: Ints) -> Ints:
        walked = np.zeros((len(counts), draws), dtype=np.int64)
        some = counts > 0
        walked[some] = rng.poisson(counts[some, None], (int(some.sum()), draws))
        return walked

    return Samples(sampled(journeys.converted), sampled(journeys.lost), rng.poisson(without_path, draws))


def share_interval(credited: Floats, orders: Ints) -> tuple[Floats, Floats]:
    """The lower and upper end of each row's share of all orders, from its credit in each sample.

    Samples without an order say nothing and are left out.
    """
    share = credited[:, orders > 0] / orders[orders > 0]
    if not share.shape[1]:
        return np.full(len(credited), np.nan), np.full(len(credited), np.nan)
    low, high = np.quantile(share, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=1)
    return low, high


def is_unstable(share: Floats, low: Floats, high: Floats) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """The interval is wider than the share is large: not even its size is known, nor always its sign."""
    return np.asarray(high - low > np.abs(share), dtype=np.bool_)
