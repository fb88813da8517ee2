"""Two variants compared in one metric: the difference, its interval, the relative lift, and a test."""

from __future__ import annotations

import math
from dataclasses import dataclass

from scipy.special import ndtr, ndtri, stdtr, stdtrit

from puffy_platform.methods.experiments.moments import Estimate, Kind, Moments, adjusted, estimate

__all__ = ["FEWEST_CLIENTS", "FEWEST_EVENTS", "Comparison", "compare"]

# Below these the normal distribution is no approximation, and the answer is that there is not enough data.
FEWEST_CLIENTS = 30  # of a variant
FEWEST_EVENTS = 10  # of a share: clients that did and clients that did not; of a ratio: its denominator


@dataclass(frozen=True)
class Comparison:
    """Treatment against control. Values and differences are in the metric's unit, the lift is relative to control.

    `p` is two-sided and for a single look. `z` is the standard normal statistic with that p, its sign the
    difference's. The intervals have the level 1 - alpha; the lift's bounds are None when control's value is not
    clearly other than 0. `variance_reduction` is the part of the difference's variance that the covariate took out;
    None without it.
    """

    control: float
    treatment: float
    difference: float
    standard_error: float
    low: float
    high: float
    lift: float | None
    lift_low: float | None
    lift_high: float | None
    z: float
    p: float
    variance_reduction: float | None = None

    def interval(self, bound: float) -> tuple[float, float]:
        """The repeated confidence interval of a look with this bound for |z|: all of them hold at once.

        Jennison and Turnbull (2000), chapter 9.
        """
        return self.difference - bound * self.standard_error, self.difference + bound * self.standard_error


def compare(
    control: Moments, treatment: Moments, kind: Kind, alpha: float = 0.05, *, covariate: bool = False
) -> Comparison | None:
    """None when there is not enough data (FEWEST_CLIENTS, FEWEST_EVENTS), or nothing varies.

    share: the two-proportion z test, its standard error pooled under the hypothesis of no difference; the interval
    with each variant's own (as R's prop.test without continuity correction). mean: Welch's t test. ratio: z by the
    delta method. With `covariate` (CUPED) a share is treated as a mean. The lift's interval is Fieller's (1954).
    """
    if not (_is_enough(control, kind) and _is_enough(treatment, kind)):
        return None
    plain = estimate(control), estimate(treatment)
    first, second = adjusted(control, treatment) if covariate else plain
    error = math.sqrt(first.variance + second.variance)
    if not error > 0:
        return None
    difference = second.value - first.value
    if kind == "share" and not covariate:
        p, critical = _pooled_p(control, treatment, difference), float(ndtri(1 - alpha / 2))
    elif kind == "ratio":
        p, critical = float(2 * ndtr(-abs(difference) / error)), float(ndtri(1 - alpha / 2))
    else:
        freedom = _welch_freedom(first, second)
        p, critical = float(2 * stdtr(freedom, -abs(difference) / error)), float(stdtrit(freedom, 1 - alpha / 2))
    lift_low, lift_high = _fieller(first, second, critical)
    return Comparison(
        control=first.value,
        treatment=second.value,
        difference=difference,
        standard_error=error,
        low=difference - critical * error,
        high=difference + critical * error,
        lift=difference / first.value if first.value else None,
        lift_low=lift_low,
        lift_high=lift_high,
        z=math.copysign(-float(ndtri(max(p, 1e-300) / 2)), difference),
        p=p,
        variance_reduction=1 - error**2 / (plain[0].variance + plain[1].variance) if covariate else None,
    )


def _is_enough(moments: Moments, kind: Kind) -> bool:
    if moments.clients < FEWEST_CLIENTS:
        return False
    if kind == "share":
        return FEWEST_EVENTS <= moments.y <= moments.clients - FEWEST_EVENTS
    return kind == "mean" or moments.d >= FEWEST_EVENTS


def _pooled_p(control: Moments, treatment: Moments, difference: float) -> float:
    share = (control.y + treatment.y) / (control.clients + treatment.clients)
    error = math.sqrt(share * (1 - share) * (1 / control.clients + 1 / treatment.clients))
    return float(2 * ndtr(-abs(difference) / error))


def _welch_freedom(first: Estimate, second: Estimate) -> float:
    """Welch (1947), Satterthwaite (1946)."""
    total = (first.variance + second.variance) ** 2
    return total / (first.variance**2 / (first.clients - 1) + second.variance**2 / (second.clients - 1))


def _fieller(control: Estimate, treatment: Estimate, critical: float) -> tuple[float | None, float | None]:
    """The interval of treatment / control - 1 for two independent, normal estimates; it holds 0 exactly when that of
    the difference does. Fieller (1954), JRSS B 16."""
    if not control.value:
        return None, None
    g = critical**2 * control.variance / control.value**2
    if g >= 1:
        return None, None
    ratio = treatment.value / control.value
    half = critical / abs(control.value) * math.sqrt(treatment.variance * (1 - g) + ratio**2 * control.variance)
    return (ratio - half) / (1 - g) - 1, (ratio + half) / (1 - g) - 1
