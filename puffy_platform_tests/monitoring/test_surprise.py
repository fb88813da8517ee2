"""A deviation is as rare as it says: against the exact Poisson and binomial tails, and against its own limits."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from puffy_platform.monitoring.surprise import Distribution, deviation, limits

MANY = 10_000.0  # days of errors: the scatter is known


def counts(expected: float, *, scatter: float = 0.0, grain: float = 1.0, errors: float = MANY) -> Distribution:
    return Distribution(
        *(np.array([value]) for value in (expected, 1.0, grain, scatter, errors)), is_share=np.array([False])
    )


def shares(expected: float, basis: float, scatter: float = 0.0) -> Distribution:
    return Distribution(
        *(np.array([value]) for value in (expected, basis, 1.0, scatter, MANY)), is_share=np.array([True])
    )


def sigmas(amount: float, of: Distribution) -> float:
    return float(deviation(np.array([amount]), of)[0])


def normal_tail(probability: float) -> float:
    """Standard deviations beyond which a normal is with this probability on one side."""
    low, high = 0.0, 40.0
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if math.erfc(middle / math.sqrt(2)) / 2 > probability else (low, middle)
    return low


def poisson_mid_p(amount: int, mean: float) -> float:
    """Probability of the amount or farther on its side, the amount itself counted half."""
    mass = [math.exp(-mean + k * math.log(mean) - math.lgamma(k + 1)) for k in range(4 * int(mean) + 60)]
    side = mass[: amount + 1] if amount < mean else mass[amount:]
    return sum(side) - mass[amount] / 2


def binomial_mid_p(amount: int, trials: int, share: float) -> float:
    mass = [math.comb(trials, k) * share**k * (1 - share) ** (trials - k) for k in range(trials + 1)]
    side = mass[: amount + 1] if amount < trials * share else mass[amount:]
    return sum(side) - mass[amount] / 2


@pytest.mark.parametrize(("amount", "mean"), [(0, 10), (2, 10), (23, 10), (29, 50), (78, 50), (85, 50), (874, 1000)])
def test_counts_are_judged_as_poisson(amount: int, mean: float) -> None:
    sign = -1 if amount < mean else 1
    assert sigmas(amount, counts(mean)) == pytest.approx(sign * normal_tail(poisson_mid_p(amount, mean)), abs=0.06)


@pytest.mark.parametrize(
    ("amount", "trials", "share"), [(4, 40, 0.5), (36, 40, 0.5), (2, 400, 0.02), (20, 400, 0.02), (20, 500, 0.01)]
)
def test_shares_are_judged_as_binomial(amount: int, trials: int, share: float) -> None:
    sign = -1 if amount < trials * share else 1
    exact = normal_tail(binomial_mid_p(amount, trials, share))
    assert sigmas(amount, shares(trials * share, trials)) == pytest.approx(sign * exact, abs=0.08)


def test_twenty_orders_instead_of_thirty_are_chance_and_two_thousand_instead_of_three_are_not() -> None:
    assert abs(sigmas(20, counts(30))) < 2
    assert sigmas(2000, counts(3000)) < -15


def test_a_share_and_the_rest_of_it_are_equally_surprising() -> None:
    half_empty = Distribution(*(np.array([value]) for value in (80.0, 100.0, 1.0, 0.0, MANY)), np.array([True]))
    assert sigmas(60, half_empty) == pytest.approx(-sigmas(40, shares(20, 100)), abs=1e-9)


def test_money_is_as_uncertain_as_the_few_orders_it_comes_from() -> None:
    """Half the revenue of 20 orders of 100 cents each is as surprising as 10 orders instead of 20."""
    assert sigmas(1000, counts(2000, grain=100)) == pytest.approx(sigmas(10, counts(20)), abs=1e-9)


def test_days_that_scatter_anyway_surprise_less() -> None:
    assert sigmas(700, counts(1000)) < -9
    assert -4 < sigmas(700, counts(1000, scatter=0.1**2)) < -2.5


def test_a_scatter_known_from_few_days_gives_fat_tails() -> None:
    sure, unsure = (sigmas(600, counts(1000, scatter=0.1**2, errors=days)) for days in (MANY, 5))
    assert sure < -4
    assert sure < unsure < -3


@settings(deadline=None)
@given(
    mean=st.floats(0.5, 1e6),
    scatter=st.floats(0, 0.2),
    amounts=st.tuples(st.floats(0, 2e6), st.floats(0, 2e6)),
)
def test_more_is_never_a_smaller_deviation(mean: float, scatter: float, amounts: tuple[float, float]) -> None:
    """Within six standard deviations; beyond, the approximation may stay where it is, far out."""
    of = counts(mean, scatter=scatter)
    less, more = (sigmas(amount, of) for amount in sorted(amounts))
    assert less <= more + 1e-9 or max(less, more) < -6


@settings(deadline=None, max_examples=40)
@given(
    expected=st.floats(1, 1e5),
    scatter=st.floats(0.0004, 0.1),
    usual=st.floats(2, 6),
    kind=st.sampled_from(["count", "share"]),
)
def test_the_limits_are_where_the_deviation_reaches_them(
    expected: float, scatter: float, usual: float, kind: str
) -> None:
    of = counts(expected, scatter=scatter) if kind == "count" else shares(expected, expected * 3, scatter)
    low, high = limits(of, usual)
    assert 0 <= low[0] <= expected <= high[0]
    for edge, side in ((low, -1), (high, 1)):
        if 1e-6 < edge[0] < (of.basis[0] * (1 - 1e-6) if kind == "share" else np.inf):
            assert sigmas(edge[0], of) == pytest.approx(side * usual, abs=1e-3)
        else:  # the usual range reaches the end of what is possible
            assert abs(sigmas(edge[0], of)) <= usual + 1e-3
