"""BG/NBD: how often a customer will buy again, and whether it is still one, from frequency, recency and age alone.

Fader, Hardie and Lee (2005), "Counting Your Customers the Easy Way", Marketing Science 24(2). While alive a customer
buys at its own rate (Poisson; rates are gamma distributed: r, alpha); after each purchase it stays away for good with
its own probability (beta distributed: a, b).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import astuple, dataclass, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from puffy_platform.methods.clv.fitting import Fit, Floats, maximise, require

__all__ = ["BgNbd", "expected_purchases", "fit_bg_nbd", "log_likelihood", "p_alive"]

Places = NDArray[np.intp]
STARTS = ((1.0, 1.0, 1.0, 1.0), (0.3, 0.3, 0.5, 2.0), (2.0, 5.0, 0.1, 1.0), (0.1, 0.1, 2.0, 10.0))
# The formula for expected purchases has a removable gap at a = 1; this close to it both sides are averaged.
NEAR_ONE = 1e-5


@dataclass(frozen=True)
class BgNbd:
    """The four parameters: r and alpha (in the time unit of the data) of the purchase rates, mean r / alpha; a and b of
    the chance to drop out after a purchase, mean a / (a + b)."""

    r: float
    alpha: float
    a: float
    b: float


def fit_bg_nbd(customers: pl.DataFrame) -> tuple[BgNbd, Fit]:
    """The most likely model of customers, and how well it is known; fit.parameters are in the order r, alpha, a, b.

    `customers` has the columns frequency (purchases after the first), recency (from the first purchase to the last) and
    T (from the first purchase to now), the latter two in any one unit, which becomes alpha's. The time unit does not
    matter, nor does the order of rows. Raises ValueError for an empty frame, negative or missing values, recency beyond
    T, or a recency without purchases after the first.
    """
    x, tx, age, count = _distinct(customers)
    scale = float((age * count).sum() / count.sum()) or 1.0
    tx, age = tx / scale, age / scale
    numbers, place = np.unique(x, return_inverse=True)

    def likelihood(parameters: Floats) -> tuple[float, Floats]:
        values, slopes = _likelihoods(parameters, numbers, place, tx, age)
        return float(count @ values), np.array([count @ slope for slope in slopes])

    fit = maximise(likelihood, STARTS, int(count.sum()))
    units = (1.0, scale, 1.0, 1.0)
    scaled = Fit(
        tuple(value * unit for value, unit in zip(fit.parameters, units, strict=True)),
        tuple(error * unit for error, unit in zip(fit.standard_errors, units, strict=True)),
        # A density per unit of time: each of the x purchases of a customer counts the unit once.
        fit.log_likelihood - float(count @ x) * float(np.log(scale)),
        fit.converged,
    )
    return BgNbd(*scaled.parameters), scaled


def log_likelihood(model: BgNbd, customers: pl.DataFrame) -> float:
    """Of these customers (as in `fit_bg_nbd`) under this model: equation (6) of the paper."""
    x, tx, age, count = _distinct(customers)
    numbers, place = np.unique(x, return_inverse=True)
    return float(count @ _likelihoods(np.array(astuple(model)), numbers, place, tx, age)[0])


def _likelihoods(
    parameters: Floats, numbers: Floats, place: Places, tx: Floats, age: Floats
) -> tuple[Floats, tuple[Floats, ...]]:
    """The log-likelihood of each customer, and its slopes in r, alpha, a and b. In logarithms throughout: either the
    customer is alive, or it left after its last purchase. `numbers[place]` are the customers' frequencies: there are
    few different ones, and what depends on nothing else takes long to tell."""
    from scipy.special import digamma, gammaln

    def of_each(function: Callable[[Floats], Floats], shape: float) -> Floats:
        return np.asarray(function(shape + numbers)[place])

    r, alpha, a, b = parameters
    x = numbers[place]
    has = x > 0
    again = np.where(has, x, 1.0)
    log_age, log_tx = np.log(alpha + age), np.log(alpha + tx)
    alive = -(r + x) * log_age
    left = np.where(has, np.log(a) - np.log(b + again - 1) - (r + x) * log_tx, -np.inf)
    either = np.logaddexp(alive, left)
    rates = of_each(gammaln, r) - gammaln(r) + r * np.log(alpha)
    stays = gammaln(a + b) - of_each(gammaln, a + b) + of_each(gammaln, b) - gammaln(b)
    is_alive, is_gone = np.exp(alive - either), np.exp(left - either)
    drops = digamma(a + b) - of_each(digamma, a + b)
    slopes = (
        of_each(digamma, r) - digamma(r) + np.log(alpha) - is_alive * log_age - is_gone * log_tx,
        r / alpha - (r + x) * (is_alive / (alpha + age) + is_gone / (alpha + tx)),
        drops + is_gone / a,
        drops + of_each(digamma, b) - digamma(b) - is_gone / (b + again - 1),
    )
    return rates + stays + either, slopes


def _distinct(customers: pl.DataFrame) -> tuple[Floats, Floats, Floats, Floats]:
    """Frequency, recency, T, and how many customers share them: days are whole, so there are far fewer of these."""
    require(customers, "frequency", "recency", "T")
    columns = pl.col("frequency", "recency", "T").cast(pl.Float64)
    found = customers.select(columns).group_by("frequency", "recency", "T").len("count").sort(pl.all())
    if found.is_empty():
        raise ValueError("there are no customers to fit a model to")
    numbers = pl.col("frequency", "recency", "T")
    is_possible = (
        pl.all_horizontal(numbers.is_not_null() & numbers.is_finite() & (numbers >= 0))
        & (pl.col("recency") <= pl.col("T"))
        & ((pl.col("frequency") > 0) | (pl.col("recency") == 0))
    )
    impossible = int(found.filter(~is_possible.fill_null(False))["count"].sum())
    if impossible:
        raise ValueError(
            "every customer needs frequency >= 0 and 0 <= recency <= T, with recency 0 when frequency is 0; "
            f"{impossible} have other values"
        )
    x, tx, age, count = (found[name].cast(pl.Float64).to_numpy() for name in ("frequency", "recency", "T", "count"))
    return x, tx, age, count


def p_alive(model: BgNbd, frequency: Floats, recency: Floats, age: Floats) -> Floats:
    """The chance that a customer with this history has not dropped out. Always 1 for one purchase: only who buys again
    can show that it stays away."""
    from scipy.special import expit

    again = np.maximum(frequency, 1.0)
    odds_gone = (
        np.log(model.a)
        - np.log(model.b + again - 1)
        + (model.r + frequency) * (np.log(model.alpha + age) - np.log(model.alpha + recency))
    )
    return np.where(frequency > 0, expit(-odds_gone), 1.0)


def expected_purchases(model: BgNbd, horizon: float, frequency: Floats, recency: Floats, age: Floats) -> Floats:
    """Purchases expected in the `horizon` after now, given the history: equation (10) of the paper.

    In Euler's form, (1 - z)^(a-1) 2F1(a+b-1-r, a-1; a+b+x-1; z), the terms stay near 1 for heavy buyers, where the
    printed form multiplies a vanishing number by an infinite one. With frequency, recency and T of 0 it is the
    expectation for a new customer.
    """
    sides = [model.a]
    if abs(model.a - 1) < NEAR_ONE:
        sides = [1 - 2 * NEAR_ONE, 1 + 2 * NEAR_ONE]
    found = [_if_alive(replace(model, a=a), horizon, frequency, age) for a in sides]
    mean: Floats = np.maximum(sum(found[1:], found[0]) / len(found), 0.0)
    return mean * p_alive(model, frequency, recency, age)


def _if_alive(model: BgNbd, horizon: float, frequency: Floats, age: Floats) -> Floats:
    from scipy.special import hyp2f1

    r, a, b = model.r, model.a, model.b
    z = horizon / (model.alpha + age + horizon)
    c = a + b + frequency - 1
    with np.errstate(all="ignore"):
        stays = np.exp((a - 1) * np.log1p(-z)) * hyp2f1(a + b - 1 - r, a - 1, c, z)
        # Where customers hardly differ (a and b large) that is nothing times infinity; before Euler's transformation
        # the same function is of the size of one.
        plain = np.exp((r + frequency) * np.log1p(-z)) * hyp2f1(r + frequency, b + frequency, c, z)
    found: Floats = c / (a - 1) * (1 - np.where(np.isfinite(stays), stays, plain))
    return found
