"""Group-sequential bounds: how large a test statistic must be at each look, for those who look more than once.

Two-sided and symmetric. By numerical integration along the looks, after Armitage, McPherson and Rowe (1969), JRSS A
132; Jennison and Turnbull (2000), Group Sequential Methods, chapters 2, 7 and 19.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import ndtr, ndtri

__all__ = [
    "SPENDING",
    "Spending",
    "inflation",
    "obrien_fleming_constant",
    "pocock_constant",
    "spending_bounds",
    "spent",
]

Spending = Literal["obrien_fleming", "pocock"]
Floats = NDArray[np.float64]
# A statistic beyond this is never expected: 2 * (1 - Phi(8)) is about 1e-15.
FURTHEST = 8.0
NODES, WEIGHTS = np.polynomial.legendre.leggauss(12)


def _obrien_fleming(alpha: float, information: float) -> float:
    return float(4 * ndtr(ndtri(alpha / 4) / math.sqrt(information)))


def _pocock(alpha: float, information: float) -> float:
    return alpha * math.log(1 + (math.e - 1) * information)


SPENDING: dict[str, Callable[[float, float], float]] = {"obrien_fleming": _obrien_fleming, "pocock": _pocock}


def spent(spending: Spending, alpha: float, information: float) -> float:
    """The part of alpha that may be spent by the time this share of the information is in.

    obrien_fleming: 4 (1 - Phi(z(1 - alpha/4) / sqrt t)), each tail as for alpha / 2; almost nothing early, so that the
    last look is nearly that of a test with one. pocock: alpha ln(1 + (e - 1) t); evenly. Source: Lan and DeMets (1983),
    Biometrika 70.
    """
    return SPENDING[spending](alpha, min(1.0, information)) if information > 0 else 0.0


def spending_bounds(information: Sequence[float], alpha: float, spending: Spending) -> list[float]:
    """The bound for |z| at each look. `information` is its share of the planned maximum at each look, ascending.

    Bounds of past looks do not depend on those to come, so one may look whenever one likes, as long as the data do not
    decide when. From the first look on at which all information is in, alpha is spent and later looks have an infinite
    bound. Raises ValueError when the shares do not ascend from above 0.
    """
    if not all(before < after for before, after in pairwise([0.0, *information])):
        raise ValueError("the shares of information ascend from above 0")
    bounds: list[float] = []
    walk = _Walk()
    for share in information:
        before = spent(spending, alpha, walk.information)
        to_spend = spent(spending, alpha, share) - before
        if walk.information >= 1:
            bounds.append(math.inf)
            continue
        bound = walk.bound_that_spends(share, to_spend)
        walk = walk.go_on(share, bound)
        bounds.append(bound)
    return bounds


def pocock_constant(looks: int, alpha: float) -> float:
    """Pocock (1977): the bound that is the same at every one of `looks` evenly spaced looks."""
    return _constant(alpha, lambda constant: [(k / looks, constant) for k in range(1, looks + 1)])


def obrien_fleming_constant(looks: int, alpha: float) -> float:
    """O'Brien and Fleming (1979): the c of the bounds c * sqrt(looks / k) at look k of evenly spaced ones."""
    return _constant(alpha, lambda c: [(k / looks, c * math.sqrt(looks / k)) for k in range(1, looks + 1)])


def inflation(information: Sequence[float], bounds: Sequence[float], alpha: float, power: float) -> float:
    """By what the sample of a test with one look is multiplied, to have its power at the same alpha with these looks.

    The R of Jennison and Turnbull: the last look has so much more. Power is the chance to cross on the side of the
    effect. 1 for one look.
    """
    looks = list(zip(information, bounds, strict=True))
    fixed = ndtri(1 - alpha / 2) + ndtri(power)

    def missing(drift: float) -> float:
        return _crossed_above(looks, drift) - power

    return float((brentq(missing, 0.5 * fixed, 3 * fixed, xtol=1e-8) / fixed) ** 2 / information[-1])


def _constant(alpha: float, bounds: Callable[[float], list[tuple[float, float]]]) -> float:
    return float(brentq(lambda c: 2 * _crossed_above(bounds(c), 0.0) - alpha, 0.5, FURTHEST, xtol=1e-9))


def _crossed_above(looks: Sequence[tuple[float, float]], drift: float) -> float:
    """The chance that z passes the upper bound at one of the looks (share of information, bound), and none before."""
    walk, crossed = _Walk(drift=drift), 0.0
    for share, bound in looks:
        crossed += walk.chance_above(share, bound)
        walk = walk.go_on(share, bound)
    return crossed


@dataclass(frozen=True)
class _Walk:
    """Where a Brownian motion may be at a look, if it was inside all bounds so far.

    At the share `information` it is at `places` with `chances` (density times quadrature weight); z is the place
    divided by the root of the share. `drift` is its expected place when all information is in.
    """

    drift: float = 0.0
    information: float = 0.0
    places: Floats = field(default_factory=lambda: np.zeros(1))
    chances: Floats = field(default_factory=lambda: np.ones(1))

    def chance_above(self, information: float, bound: float) -> float:
        """The chance to be inside so far and above `bound` at the next look."""
        if math.isinf(bound):
            return 0.0
        limit, middle, step = self._next(information, bound)
        return float(self.chances @ ndtr((middle - limit) / step))

    def bound_that_spends(self, information: float, to_spend: float) -> float:
        """Without drift: the bound of the next look beyond which, on both sides, lies exactly the chance `to_spend`;
        infinite when that is next to nothing."""

        def too_much(bound: float) -> float:
            return 2 * self.chance_above(information, bound) - to_spend

        return math.inf if too_much(FURTHEST) >= 0 else float(brentq(too_much, 0.0, FURTHEST, xtol=1e-10))

    def go_on(self, information: float, bound: float) -> _Walk:
        """Inside the bound of the next look as well: Gauss and Legendre's rule on panels of two steps."""
        limit, middle, step = self._next(information, bound)
        centre, reach = self.drift * information, FURTHEST * math.sqrt(information)
        low, high = max(-limit, centre - reach), min(limit, centre + reach)
        panels = max(1, math.ceil((high - low) / (2 * step)))
        width = (high - low) / panels
        places = ((low + width * (np.arange(panels) + 0.5))[:, None] + NODES * width / 2).ravel()
        density = (
            np.exp(-0.5 * ((places[:, None] - middle) / step) ** 2) @ self.chances / (step * math.sqrt(2 * math.pi))
        )
        return _Walk(self.drift, information, places, density * np.tile(WEIGHTS * width / 2, panels))

    def _next(self, information: float, bound: float) -> tuple[float, Floats, float]:
        """The bound as a place, the expected places, and their standard deviation at the next look."""
        more = information - self.information
        return bound * math.sqrt(information), self.places + self.drift * more, math.sqrt(more)
