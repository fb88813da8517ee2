"""Gamma-Gamma: the note's own figures, the definition by integration, recovery of known parameters, and its premise."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest
from scipy.integrate import quad
from scipy.stats import gamma

from puffy_platform.methods.clv.gamma_gamma import (
    GammaGamma,
    expected_order_value,
    fit_gamma_gamma,
    independence,
    log_likelihood,
)
from puffy_platform_tests.methods.clv.shoppers import CDNOW, CDNOW_SPEND, shoppers


def test_the_mean_order_of_cdnow() -> None:
    """6.25 * 15.44 / 2.74; customers with two and seven further purchases of 22.35 and 73.74 on average."""
    assert CDNOW_SPEND.mean == pytest.approx(35.22, abs=0.005)
    found = expected_order_value(CDNOW_SPEND, np.array([0.0, 2.0, 7.0]), np.array([0.0, 22.35, 73.74]))
    # By hand: (15.44 + 2 * 22.35) * 6.25 / (12.5 + 2.74), and (15.44 + 7 * 73.74) * 6.25 / (43.75 + 2.74).
    assert found == pytest.approx([35.22, 24.66, 71.47], abs=0.005)


def test_the_expected_order_is_the_mean_over_what_the_customers_rate_may_be() -> None:
    """Each purchase is gamma(p) at a rate that is gamma(q, v): Bayes by integration, without any formula."""
    x, mean = 3, 40.0

    def weight(rate: float) -> float:
        prior = float(gamma.pdf(rate, CDNOW_SPEND.q, scale=1 / CDNOW_SPEND.v))
        return prior * float(gamma.pdf(x * mean, CDNOW_SPEND.p * x, scale=1 / rate))

    above = quad(lambda rate: weight(rate) * CDNOW_SPEND.p / rate, 0, 3)[0]
    expected = above / quad(weight, 0, 3)[0]
    assert expected_order_value(CDNOW_SPEND, np.array([float(x)]), np.array([mean]))[0] == pytest.approx(expected)


def test_the_parameters_of_simulated_customers_are_recovered_in_any_unit_of_money() -> None:
    customers = shoppers(CDNOW, CDNOW_SPEND, 12_000, 39, seed=2)
    model, fit = fit_gamma_gamma(customers)
    assert fit.converged
    for found, error, true in zip(fit.parameters, fit.standard_errors, (6.25, 3.74, 15.44), strict=True):
        assert abs(found - true) < 3 * error
    in_cents, cents_fit = fit_gamma_gamma(customers.with_columns(pl.col("monetary") * 100))
    assert in_cents.v == pytest.approx(100 * model.v, rel=1e-5)
    assert (in_cents.p, in_cents.q) == pytest.approx((model.p, model.q), rel=1e-5)
    repeat = customers.filter(pl.col("frequency") > 0).height
    assert cents_fit.log_likelihood == pytest.approx(fit.log_likelihood - repeat * math.log(100), rel=1e-9)


@pytest.mark.parametrize(("x", "mean"), [(1, 20.0), (2, 35.0), (7, 73.74), (3, 5.0)])
def test_the_likelihood_is_that_of_the_definition(x: int, mean: float) -> None:
    """The mean of x purchases is gamma(p x) at x times the rate; rates are gamma(q, v)."""

    def density(rate: float) -> float:
        of_mean = gamma.pdf(mean, CDNOW_SPEND.p * x, scale=1 / (rate * x))
        return float(of_mean * gamma.pdf(rate, CDNOW_SPEND.q, scale=1 / CDNOW_SPEND.v))

    expected = sum(quad(density, low, high)[0] for low, high in ((1e-12, 0.1), (0.1, 0.5), (0.5, 2), (2, 10)))
    customers = pl.DataFrame({"frequency": [x, 0], "monetary": [mean, 0.0]})
    assert log_likelihood(CDNOW_SPEND, customers) == pytest.approx(math.log(expected), rel=1e-6)


def test_who_has_not_bought_again_or_for_nothing_says_nothing() -> None:
    customers = shoppers(CDNOW, CDNOW_SPEND, 2_000, 39, seed=6)
    more = pl.DataFrame(
        {"frequency": [3, 2, 0], "recency": [1.0] * 3, "T": [2.0] * 3, "monetary": [0.0, None, 9.0]}, strict=False
    )
    assert fit_gamma_gamma(pl.concat([customers, more], how="vertical_relaxed")) == fit_gamma_gamma(customers)
    with pytest.raises(ValueError, match="nobody has bought again"):
        fit_gamma_gamma(more)


def test_a_heavy_tail_has_no_mean() -> None:
    assert GammaGamma(2.0, 0.9, 10.0).mean == math.inf
    assert np.isnan(expected_order_value(GammaGamma(2.0, 0.9, 10.0), np.array([0.0]), np.array([0.0]))[0])


def test_frequency_and_value_are_independent_where_they_are_and_not_where_they_are_not() -> None:
    customers = shoppers(CDNOW, CDNOW_SPEND, 3_000, 39, seed=8)
    found = independence(customers)
    assert found is not None
    assert found.holds
    assert found.low < 0 < found.high
    related = customers.with_columns(pl.col("monetary") * pl.col("frequency"))
    found = independence(related)
    assert found is not None
    assert not found.holds
    assert found.low > 0.1
    assert independence(customers.head(0)) is None
    same = pl.DataFrame({"frequency": [1, 1, 1, 1], "monetary": [1.0, 2.0, 3.0, 4.0]})
    assert independence(same) is None


def test_the_interval_of_a_correlation_by_hand() -> None:
    """Five customers with r = 0.5: atanh 0.5 = 0.5493, plus and minus 1.96 / sqrt 2 = 1.3859."""
    # Deviations (-2, -1, 0, 1, 2) and (0, -1, -1, -1, 3) + 0: covariance 6, variances 10 and 12.
    frame = pl.DataFrame({"frequency": [1, 2, 3, 4, 5], "monetary": [10.0, 9.0, 9.0, 9.0, 13.0]})
    found = independence(frame)
    assert found is not None
    assert found.correlation == pytest.approx(6 / math.sqrt(120))
    z = math.atanh(found.correlation)
    assert found.low == pytest.approx(math.tanh(z - 1.3859), abs=1e-4)
    assert found.high == pytest.approx(math.tanh(z + 1.3859), abs=1e-4)
