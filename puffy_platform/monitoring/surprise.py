"""How surprising an amount is: standard deviations of a normal that are as rare, and the limits of the usual.

Counts are judged as overdispersed Poisson, shares as overdispersed binomial, money as a compound Poisson sum. One
formula covers them: the variance of an amount is `grain * expected * (1 - share) + scatter * expected^2`. Dividing
amount and expectation by the variance-to-mean ratio gives an effective count with Poisson (binomial) tails, the
quasi-likelihood of Wedderburn (1974) and McCullagh and Nelder, Generalized Linear Models (1989), 6.2 and 9.2.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from puffy_platform.monitoring.windows import Bools, Floats, divided

__all__ = ["Distribution", "deviation", "limits"]

LEAST = 1e-9
# A scatter estimated from few days gives fat tails. This many days' worth of prior knowledge stand behind it, and the
# robust estimate is worth this share of its days.
PRIOR_DAYS = 12.0
EFFICIENCY = 0.7
BISECTIONS = 40


@dataclass(frozen=True)
class Distribution:
    """What amounts may be, element by element.

    `expected` of `basis`; `grain`: size of an independent piece; `scatter`: relative variance beyond chance;
    `errors`: how many days that scatter was estimated from; `is_share`: the amount is a part of the basis.
    """

    expected: Floats
    basis: Floats
    grain: Floats
    scatter: Floats
    errors: Floats
    is_share: Bools

    def at(self, place: Bools) -> Distribution:
        """The same for some elements."""
        shape = self.expected.shape
        return Distribution(
            expected=self.expected[place],
            basis=np.broadcast_to(self.basis, shape)[place],
            grain=np.broadcast_to(self.grain, shape)[place],
            scatter=np.broadcast_to(self.scatter, shape)[place],
            errors=np.broadcast_to(self.errors, shape)[place],
            is_share=np.broadcast_to(self.is_share, shape)[place],
        )


def deviation(amount: Floats, of: Distribution) -> Floats:
    """Signed deviation in standard deviations: a normal variable is beyond it as seldom as the amount is.

    Mid-P values (Lancaster 1961). Tails: Poisson by Wilson and Hilferty's cube root (1931), binomial by Paulson's
    (1942; Abramowitz and Stegun 26.5.22). A scatter estimated from few days is allowed for by Student's t, turned to a
    normal by Wallace (1959). Increases with the amount, as far as six standard deviations at least.
    """
    # Of a share beyond one half the rest is judged, whose relative scatter says more.
    is_flipped = of.is_share & (of.expected > 0.5 * of.basis)
    amount = np.where(is_flipped, of.basis - amount, amount)
    expected = np.maximum(np.where(is_flipped, of.basis - of.expected, of.expected), LEAST)
    scatter = np.where(is_flipped, of.scatter * (of.expected / expected) ** 2, of.scatter)
    share = np.where(of.is_share, np.clip(divided(expected, of.basis), LEAST, 0.5), 0.0)
    per_piece = np.where(of.is_share, 1.0, of.grain) + scatter * expected / (1 - share)
    pieces = np.maximum(amount, 0) / per_piece + 0.5
    mean = expected / per_piece
    normal = np.where(
        of.is_share,
        _binomial(pieces, np.maximum(of.basis - np.maximum(amount, 0), 0) / per_piece + 0.5, share),
        _poisson(pieces, mean),
    )
    # The part of the variance that was estimated decides how fat the tails are.
    estimated = np.maximum(1 - divided(np.where(of.is_share, 1.0, of.grain), per_piece), 0.05)
    freedom = EFFICIENCY * (of.errors + PRIOR_DAYS) / estimated**2
    wallace = np.sqrt(freedom * np.log1p(normal**2 / freedom)) * (1 - 3 / (4 * freedom + 3))
    found = np.sign(normal) * wallace
    signed: Floats = np.where(is_flipped, -found, found)
    return signed


def _poisson(pieces: Floats, mean: Floats) -> Floats:
    found: Floats = 3 * np.sqrt(pieces) * (1 - 1 / (9 * pieces) - np.cbrt(mean / pieces))
    return found


def _binomial(pieces: Floats, others: Floats, share: Floats) -> Floats:
    inner, outer = np.cbrt(others * share), np.cbrt(pieces * (1 - share))
    gap = outer * (1 - 1 / (9 * pieces)) - inner * (1 - 1 / (9 * others))
    found: Floats = 3 * gap / np.sqrt(np.maximum(inner**2 / others + outer**2 / pieces, LEAST))
    return found


def limits(of: Distribution, usual: float | Floats) -> tuple[Floats, Floats]:
    """The amounts between which the deviation stays within `usual`, by bisection of `deviation`."""
    expected = np.asarray(of.expected, np.float64)
    zero = np.zeros_like(expected)
    top = np.where(of.is_share, of.basis, np.maximum(expected * 2, of.grain * 4))
    for _ in range(60):
        is_inside = ~of.is_share & (deviation(top, of) < usual)
        if not is_inside.any():
            break
        top = np.where(is_inside, top * 2, top)
    return _root(of, zero, expected, -np.asarray(usual)), _root(of, expected, top, np.asarray(usual))


def _root(of: Distribution, low: Floats, high: Floats, wanted: Floats) -> Floats:
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        is_below = deviation(middle, of) < wanted
        low, high = np.where(is_below, middle, low), np.where(is_below, high, middle)
    return (low + high) / 2
