"""Before the start: how many clients an experiment takes, what it can find, and with what chance.

Two variants of equal size, a two-sided test, one look; for more looks multiply by sequential.inflation.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from scipy.optimize import brentq
from scipy.special import ndtr, ndtri

__all__ = [
    "clients_for_mean",
    "clients_for_share",
    "detectable_mean",
    "detectable_share",
    "power_of_mean",
    "power_of_share",
]

MOST_CLIENTS = 1e12
# From here on Student's t is the normal distribution to six digits, and its noncentral form costs nothing to avoid.
LARGE = 1e5


def power_of_share(base: float, other: float, clients: float, alpha: float = 0.05) -> float:
    """The chance to find that a share is `other` and not `base`, with so many clients in each variant.

    The test's error is pooled under the null (R's power.prop.test; Fleiss 1981).
    """
    pooled = math.sqrt((base + other) * (1 - (base + other) / 2))
    own = math.sqrt(base * (1 - base) + other * (1 - other))
    return float(ndtr((math.sqrt(clients) * abs(other - base) - ndtri(1 - alpha / 2) * pooled) / own))


def power_of_mean(difference: float, deviation: float, clients: float, alpha: float = 0.05) -> float:
    """The chance to find that a mean differs by so much, with a standard deviation of clients in each variant.

    Student's t test, noncentral (R's power.t.test).
    """
    shift = math.sqrt(clients / 2) * abs(difference) / deviation
    if clients > LARGE:
        return float(ndtr(shift - ndtri(1 - alpha / 2)))
    from scipy.stats import nct, t

    freedom = 2 * (clients - 1)
    return float(nct.sf(t.isf(alpha / 2, freedom), freedom, shift))


def clients_for_share(base: float, other: float, alpha: float = 0.05, power: float = 0.8) -> float:
    """Clients in each variant, not rounded."""
    _require(0 < base < 1 and 0 < other < 1 and base != other, "shares are between 0 and 1, and differ")
    return _smallest(lambda clients: power_of_share(base, other, clients, alpha) - power)


def clients_for_mean(difference: float, deviation: float, alpha: float = 0.05, power: float = 0.8) -> float:
    """Clients in each variant, not rounded."""
    _require(difference != 0 and deviation > 0, "the difference is not 0, and the standard deviation is positive")
    return _smallest(lambda clients: power_of_mean(difference, deviation, clients, alpha) - power)


def detectable_share(base: float, clients: float, alpha: float = 0.05, power: float = 0.8) -> float | None:
    """The smallest rise of a share that is found with this power; None when no rise is."""
    _require(0 < base < 1 and clients >= 2, "the share is between 0 and 1, and there are two clients at least")

    def missing(rise: float) -> float:
        return power_of_share(base, base + rise, clients, alpha) - power

    most = (1 - base) * (1 - 1e-9)
    return float(brentq(missing, 1e-12, most, xtol=1e-12)) if missing(most) > 0 else None


def detectable_mean(deviation: float, clients: float, alpha: float = 0.05, power: float = 0.8) -> float:
    """The smallest difference of a mean that is found with this power."""
    _require(deviation > 0 and clients >= 2, "the standard deviation is positive, and there are two clients at least")
    return float(brentq(lambda d: power_of_mean(d, deviation, clients, alpha) - power, 1e-9, 100 * deviation))


def _smallest(missing: Callable[[float], float]) -> float:
    return float(brentq(missing, 2.0, MOST_CLIENTS, xtol=1e-6)) if missing(2.0) < 0 else 2.0


def _require(holds: bool, what: str) -> None:
    if not holds:
        raise ValueError(what)
