"""Gamma-Gamma: how much a customer's next purchase will bring, from the mean of those it has made again.

Fader and Hardie (2013), "The Gamma-Gamma Model of Monetary Value"; Colombo and Jiang (1999). A customer's purchases
scatter around its own mean (gamma: p, and a rate of its own), and the rates differ between customers (gamma: q, v). The
model takes it that how much a customer spends has nothing to do with how often it buys: `independence` looks.
"""

from __future__ import annotations

import math
from dataclasses import astuple, dataclass

import numpy as np
import polars as pl

from puffy_platform.methods.clv.fitting import Fit, Floats, maximise, require

__all__ = ["GammaGamma", "Independence", "expected_order_value", "fit_gamma_gamma", "independence", "log_likelihood"]

STARTS = ((1.0, 2.0, 1.0), (6.0, 4.0, 0.5), (0.5, 5.0, 5.0), (20.0, 20.0, 1.0))
# A correlation that is surely above this (95 %) is too strong for the model.
TOLERATED = 0.1
Z95 = 1.959964


@dataclass(frozen=True)
class GammaGamma:
    """p, q and v (in the unit of money of the data). The mean purchase of the population is p v / (q - 1), which is
    infinite for q of 1 or less."""

    p: float
    q: float
    v: float

    @property
    def mean(self) -> float:
        return self.p * self.v / (self.q - 1) if self.q > 1 else math.inf


@dataclass(frozen=True)
class Independence:
    """Pearson's correlation of frequency and monetary value among those who bought again, as the paper has it, with
    its 95 % interval (Fisher's z)."""

    correlation: float
    low: float
    high: float

    @property
    def holds(self) -> bool:
        """The correlation is not clearly stronger than 0.1, either way."""
        return self.low <= TOLERATED and self.high >= -TOLERATED


def fit_gamma_gamma(customers: pl.DataFrame) -> tuple[GammaGamma, Fit]:
    """The most likely model, and how well it is known; fit.parameters are in the order p, q, v.

    `customers` has the columns frequency (purchases after the first) and monetary (the mean of these). Those without a
    further purchase, or with a mean of 0 or less, say nothing and are left out. Raises ValueError when none is left.
    """
    require(customers, "frequency", "monetary")
    x, mean = _repeat(customers)
    if not len(x):
        raise ValueError("nobody has bought again for money: there is nothing to fit a model to")
    scale = float(mean.mean())
    m = mean / scale

    def likelihood(parameters: Floats) -> tuple[float, Floats]:
        values, slopes = _likelihoods(parameters, x, m)
        return float(values.sum()), np.array([slope.sum() for slope in slopes])

    fit = maximise(likelihood, STARTS, len(x))
    units = (1.0, 1.0, scale)
    scaled = Fit(
        tuple(value * unit for value, unit in zip(fit.parameters, units, strict=True)),
        tuple(error * unit for error, unit in zip(fit.standard_errors, units, strict=True)),
        fit.log_likelihood - len(x) * math.log(scale),
        fit.converged,
    )
    return GammaGamma(*scaled.parameters), scaled


def log_likelihood(model: GammaGamma, customers: pl.DataFrame) -> float:
    """Of the customers who bought again (as in `fit_gamma_gamma`) under this model: the density of their means."""
    x, mean = _repeat(customers)
    return float(_likelihoods(np.array(astuple(model)), x, mean)[0].sum())


def _likelihoods(parameters: Floats, x: Floats, mean: Floats) -> tuple[Floats, tuple[Floats, ...]]:
    """The log-likelihood of each customer, and its slopes in p, q and v."""
    from scipy.special import digamma, gammaln

    p, q, v = parameters
    total, shape = x * mean, p * x
    log_all = np.log(v + total)
    values = (
        gammaln(shape + q)
        - gammaln(shape)
        - gammaln(q)
        + q * np.log(v)
        + (shape - 1) * np.log(mean)
        + shape * np.log(x)
        - (shape + q) * log_all
    )
    slopes = (
        x * (digamma(shape + q) - digamma(shape) + np.log(mean) + np.log(x) - log_all),
        digamma(shape + q) - digamma(q) + np.log(v) - log_all,
        q / v - (shape + q) / (v + total),
    )
    return values, slopes


def expected_order_value(model: GammaGamma, frequency: Floats, monetary: Floats) -> Floats:
    """The mean of a customer's further purchases to come, in the unit of v: its own mean drawn towards that of all, the
    less the more it has bought. For one who has not bought again it is the mean of all; nan where that is infinite."""
    own = np.where((frequency > 0) & (monetary > 0), frequency, 0.0)
    weight = model.p * own + model.q - 1
    total = np.where(own > 0, own * monetary, 0.0)
    return np.where(weight > 0, model.p * (model.v + total) / np.where(weight > 0, weight, 1.0), np.nan)


def independence(customers: pl.DataFrame) -> Independence | None:
    """None with fewer than four who bought again, or when either does not vary."""
    x, mean = _repeat(customers)
    if len(x) < 4 or not (np.ptp(x) > 0 and np.ptp(mean) > 0):
        return None
    correlation = float(np.corrcoef(x, mean)[0, 1])
    z, half = math.atanh(max(-0.999999, min(0.999999, correlation))), Z95 / math.sqrt(len(x) - 3)
    return Independence(correlation, math.tanh(z - half), math.tanh(z + half))


def _repeat(customers: pl.DataFrame) -> tuple[Floats, Floats]:
    found = customers.select(pl.col("frequency", "monetary").cast(pl.Float64)).filter(
        (pl.col("frequency") > 0) & (pl.col("monetary") > 0)
    )
    ordered = found.sort("frequency", "monetary")
    return ordered["frequency"].to_numpy(), ordered["monetary"].to_numpy()
