"""What an experiment has measured in a variant, in sums that add up: over clients, over days, over machines.

The unit is the client. Of each it takes y, the metric; d, what it is divided by (1 for a share or a mean); and x, the
covariate from before the exposure.
"""

from __future__ import annotations

import math
from dataclasses import astuple, dataclass
from typing import Literal

__all__ = ["KINDS", "Estimate", "Kind", "Moments", "adjusted", "estimate"]

# share: y is 0 or 1. mean: any y a client. ratio: the sum of y by the sum of d, where d varies between clients.
Kind = Literal["share", "mean", "ratio"]
KINDS = ("share", "mean", "ratio")


@dataclass(frozen=True)
class Moments:
    """The number of clients, and over them the sums of y, d and x, of their squares and of their products.

    Sums of whole numbers stay exact.
    """

    clients: int = 0
    y: float = 0
    d: float = 0
    x: float = 0
    yy: float = 0
    dd: float = 0
    xx: float = 0
    yd: float = 0
    yx: float = 0
    dx: float = 0

    def __add__(self, other: Moments) -> Moments:
        return Moments(*(mine + theirs for mine, theirs in zip(astuple(self), astuple(other), strict=True)))

    def mean(self, name: str) -> float:
        return float(getattr(self, name) / self.clients)

    def covariance(self, one: str, other: str) -> float:
        """The sample covariance; of a name with itself the variance. nan for fewer than two clients."""
        if self.clients < 2:
            return math.nan
        product = getattr(self, one + other)
        # Of whole numbers the difference is exact, however large the sums are.
        centred = self.clients * product - getattr(self, one) * getattr(self, other)
        return float(centred / (self.clients * (self.clients - 1)))


@dataclass(frozen=True)
class Estimate:
    """A metric's value in a variant, and the variance of that value (not of a client's)."""

    value: float
    variance: float
    clients: int


def estimate(moments: Moments) -> Estimate:
    """y by d. The variance is that of the mean of (y - value * d) / mean d: exact for shares and means, where d is 1;
    for ratios the delta method (Deng, Knoblich and Lu 2018, KDD), since clients, not their events, are independent.

    nan when the sum of d is 0.
    """
    if not moments.clients or not moments.d:
        return Estimate(math.nan, math.nan, moments.clients)
    value = float(moments.y / moments.d)
    return Estimate(value, _linear(moments, value, "y") / moments.clients, moments.clients)


def adjusted(control: Moments, treatment: Moments) -> tuple[Estimate, Estimate]:
    """Both estimates with what the covariate explains taken out: CUPED.

    value - theta * (mean x - mean x of both), theta = cov(linearised y, x) / var x pooled within the variants, which
    leaves the smallest variance. It does not bias the difference, because x is from before the exposure and so has
    the same expectation in both. Source: Deng, Xu, Kohavi and Walker (2013), WSDM. A constant covariate changes
    nothing.
    """
    both = (control, treatment)
    values = [estimate(moments) for moments in both]
    weights = [moments.clients - 1 for moments in both]
    explained = sum(
        weight * _linear(moments, found.value, "x")
        for weight, moments, found in zip(weights, both, values, strict=True)
    )
    spread = sum(weight * moments.covariance("x", "x") for weight, moments in zip(weights, both, strict=True))
    if not spread > 0 or math.isnan(explained):
        return values[0], values[1]
    theta = explained / spread
    centre = (control.x + treatment.x) / (control.clients + treatment.clients)
    first, second = (
        Estimate(
            found.value - theta * (moments.mean("x") - centre),
            found.variance
            + (theta**2 * moments.covariance("x", "x") - 2 * theta * _linear(moments, found.value, "x"))
            / moments.clients,
            moments.clients,
        )
        for moments, found in zip(both, values, strict=True)
    )
    return first, second


def _linear(moments: Moments, value: float, other: str) -> float:
    """Over clients, the variance of z = (y - value * d) / mean d, or with "x" its covariance with x."""
    mean = moments.mean("d")
    if other == "x":
        return (moments.covariance("y", "x") - value * moments.covariance("d", "x")) / mean
    spread = moments.covariance("y", "y") - 2 * value * moments.covariance("y", "d")
    return (spread + value**2 * moments.covariance("d", "d")) / mean**2
