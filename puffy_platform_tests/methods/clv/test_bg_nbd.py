"""BG/NBD against the paper's figures, against numerical integration, and on customers whose parameters are known."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import beta

from puffy_platform.methods.clv.bg_nbd import BgNbd, expected_purchases, fit_bg_nbd, log_likelihood, p_alive
from puffy_platform_tests.methods.clv.shoppers import CDNOW, CDNOW_SPEND, shoppers


def one(*values: float) -> list[np.ndarray]:
    return [np.array([value], dtype=float) for value in values]


def test_expected_purchases_of_the_papers_customer() -> None:
    """Fader, Hardie and Lee's worked example: x = 2, t_x = 30.43, T = 38.86 make 1.226 in the next 39 weeks."""
    assert expected_purchases(CDNOW, 39.0, *one(2, 30.43, 38.86))[0] == pytest.approx(1.226, abs=5e-4)


@pytest.mark.parametrize(
    ("weeks", "purchases"),
    [(0.1429, 0.0078), (1.0, 0.0532), (3.0, 0.1506), (31.8571, 1.0405), (32.0, 1.0437), (78.0, 1.8576)],
)
def test_expected_purchases_of_a_new_customer_are_those_of_the_papers_spreadsheet(
    weeks: float, purchases: float
) -> None:
    """The spreadsheet has more digits of the parameters than are printed."""
    assert expected_purchases(CDNOW, weeks, *one(0, 0, 0))[0] == pytest.approx(purchases, rel=2e-3, abs=5e-5)


def likelihood_of(model: BgNbd, x: int, tx: float, age: float) -> float:
    """Of one customer by integrating over its rate and its chance to drop out: the definition, without any formula."""
    scale = model.alpha**model.r / math.gamma(model.r)

    def given_drop(drop: float) -> float:
        def density(rate: float) -> float:
            alive = (1 - drop) ** x * rate**x * math.exp(-rate * age)
            gone = drop * (1 - drop) ** (x - 1) * rate**x * math.exp(-rate * tx) if x else 0.0
            return (alive + gone) * scale * rate ** (model.r - 1) * math.exp(-model.alpha * rate)

        return float(quad(density, 0, np.inf)[0])

    return float(quad(lambda drop: given_drop(drop) * beta.pdf(drop, model.a, model.b), 0, 1)[0])


@pytest.mark.parametrize("row", [(0, 0.0, 5.0), (1, 2.0, 6.0), (3, 4.0, 4.5), (2, 1.0, 6.0), (5, 5.5, 6.0)])
def test_the_likelihood_is_that_of_the_definition(row: tuple[int, float, float]) -> None:
    customers = pl.DataFrame([row], schema=["frequency", "recency", "T"], orient="row")
    assert log_likelihood(CDNOW, customers) == pytest.approx(math.log(likelihood_of(CDNOW, *row)), rel=1e-6)


@settings(max_examples=40, deadline=None)
@given(
    model=st.builds(
        BgNbd, st.floats(0.1, 5), st.floats(0.5, 50), st.one_of(st.floats(0.2, 4), st.just(1.0)), st.floats(0.3, 8)
    ),
    x=st.integers(0, 60),
    place=st.floats(0, 1),
    age=st.floats(0.1, 200),
    horizon=st.floats(0.5, 365),
)
def test_expectations_are_those_of_numerical_integration(
    model: BgNbd, x: int, place: float, age: float, horizon: float
) -> None:
    """Alive, a customer's rate is gamma and its drop-out beta distributed, and with both known it will make
    (1 - exp(-rate * drop * horizon)) / drop purchases."""
    tx = place * age if x else 0.0

    def given_drop(drop: float) -> float:
        z_per_drop = horizon / (model.alpha + age)
        z = drop * z_per_drop
        return -math.expm1(-(model.r + x) * math.log1p(z)) / drop if drop else (model.r + x) * z_per_drop

    if_alive = quad(lambda share: given_drop(float(beta.ppf(share, model.a, model.b + x))), 0, 1, limit=200)[0]
    found = expected_purchases(model, horizon, *one(x, tx, age))[0]
    assert found == pytest.approx(if_alive * p_alive(model, *one(x, tx, age))[0], rel=1e-4, abs=1e-9)


def test_the_chance_to_be_alive_by_the_printed_formula() -> None:
    x, tx, age = 3, 10.0, 20.0
    odds = CDNOW.a / (CDNOW.b + x - 1) * ((CDNOW.alpha + age) / (CDNOW.alpha + tx)) ** (CDNOW.r + x)
    assert p_alive(CDNOW, *one(x, tx, age))[0] == pytest.approx(1 / (1 + odds))
    assert p_alive(CDNOW, *one(0, 0, 20))[0] == 1.0


@pytest.mark.parametrize("x", [500, 5_000, 100_000])
def test_heavy_buyers_get_numbers_and_not_nan(x: int) -> None:
    """The printed form has infinity times zero here; who buys every day so far and did so to the end goes on."""
    for a in (0.3, 0.793, 1.0, 2.5):
        model = BgNbd(0.243, 4.414, a, 2.426)
        still, gone = (one(x, tx, 400.0) for tx in (400.0, 200.0))
        assert p_alive(model, *still)[0] > 0.9
        assert p_alive(model, *gone)[0] == pytest.approx(0, abs=1e-12)
        expected = expected_purchases(model, 10.0, *still)[0]
        assert 0.5 * x * 10 / 400 < expected < 1.01 * x * 10 / 400
        assert expected_purchases(model, 365.0, *gone)[0] == pytest.approx(0, abs=1e-6)
    customers = pl.concat(
        [
            shoppers(CDNOW, CDNOW_SPEND, 500, 39, seed=1).select("frequency", "recency", "T").cast(pl.Float64),
            pl.DataFrame({"frequency": [float(x)], "recency": [38.9], "T": [39.0]}),
        ]
    )
    fit = fit_bg_nbd(customers)[1]
    assert math.isfinite(fit.log_likelihood)


def test_the_parameters_of_simulated_customers_are_recovered() -> None:
    model, fit = fit_bg_nbd(shoppers(CDNOW, CDNOW_SPEND, 8_000, 39, seed=7))
    assert fit.converged
    truth = (CDNOW.r, CDNOW.alpha, CDNOW.a, CDNOW.b)
    for found, error, true in zip(fit.parameters, fit.standard_errors, truth, strict=True):
        assert abs(found - true) < 3 * error
        assert error < 0.3 * true
    assert (model.r, model.alpha, model.a, model.b) == fit.parameters


def test_standard_errors_are_as_wide_as_the_estimates_scatter() -> None:
    fits = [fit_bg_nbd(shoppers(CDNOW, CDNOW_SPEND, 1_500, 39, seed=100 + 2 * n))[1] for n in range(12)]
    logs = np.log([fit.parameters for fit in fits])
    claimed = np.mean([np.divide(fit.standard_errors, fit.parameters) for fit in fits], axis=0)
    assert np.all(logs.std(axis=0, ddof=1) / claimed < 2)
    assert np.all(logs.std(axis=0, ddof=1) / claimed > 0.5)


def test_the_unit_of_time_does_not_matter() -> None:
    weeks = shoppers(CDNOW, CDNOW_SPEND, 1_000, 39, seed=5)
    days = weeks.with_columns(pl.col("recency", "T") * 7)
    (first, first_fit), (second, second_fit) = fit_bg_nbd(weeks), fit_bg_nbd(days)
    assert second.alpha == pytest.approx(7 * first.alpha, rel=1e-5)
    assert (second.r, second.a, second.b) == pytest.approx((first.r, first.a, first.b), rel=1e-5)
    purchases = int(weeks["frequency"].sum())
    assert second_fit.log_likelihood == pytest.approx(first_fit.log_likelihood - purchases * math.log(7), rel=1e-9)


def test_who_never_drops_out_leaves_no_maximum_and_it_says_so() -> None:
    """Everybody buys at one steady rate to the very end: a / (a + b) goes to 0 and r to infinity."""
    customers = pl.DataFrame({"frequency": [10] * 200, "recency": [10.0] * 200, "T": [10.0] * 200})
    assert not fit_bg_nbd(customers)[1].converged


@pytest.mark.parametrize(
    "row", [(-1, 0.0, 5.0), (1, 6.0, 5.0), (0, 1.0, 5.0), (1, None, 5.0), (1, math.nan, 5.0), (1, 1.0, math.inf)]
)
def test_impossible_customers_are_refused(row: tuple[float, float | None, float]) -> None:
    customers = pl.DataFrame([(1, 1.0, 5.0), row], schema=["frequency", "recency", "T"], orient="row", strict=False)
    with pytest.raises(ValueError, match=r"0 <= recency <= T, .*; 1 have other values"):
        fit_bg_nbd(customers)
    with pytest.raises(ValueError, match="no customers"):
        fit_bg_nbd(customers.clear())
    with pytest.raises(ValueError, match="need the columns frequency, recency, T; T missing, there are frequency, rec"):
        fit_bg_nbd(customers.drop("T"))


@pytest.mark.parametrize("size", [1e2, 1e3, 1e4, 1e6])
def test_of_customers_who_hardly_differ_in_how_soon_they_leave_the_expectation_is_that_of_one_share(
    size: float,
) -> None:
    # Of those alive one in eleven leaves after each purchase; a rate is gamma distributed, and integrated over.
    r, alpha, share = 0.3, 20.0, 1 / 11
    frequency, recency, age = np.array([0.0, 1.0, 3.0]), np.array([0.0, 9.0, 300.0]), np.array([700.0, 100.0, 400.0])
    model = BgNbd(r, alpha, size, 10 * size)
    for horizon in (90, 365):
        alive = (1 - (1 + share * horizon / (alpha + age)) ** -(r + frequency)) / share
        expected = alive * p_alive(model, frequency, recency, age)
        assert expected_purchases(model, horizon, frequency, recency, age) == pytest.approx(expected, rel=0.02)
