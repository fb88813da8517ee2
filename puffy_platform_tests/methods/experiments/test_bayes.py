"""The Bayesian summary: against a closed form, and against drawing from the posteriors."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import betaln

from puffy_platform.methods.experiments.bayes import belief, chance_greater
from puffy_platform_tests.methods.experiments.samples import share_of


def closed_form(first: tuple[int, int], second: tuple[int, int]) -> float:
    """P(X > Y) for whole alphas: Miller (2015), Formulas for Bayesian A/B testing."""
    i = np.arange(first[0])
    terms = betaln(second[0] + i, second[1] + first[1]) - np.log(first[1] + i) - betaln(1 + i, first[1])
    return float(np.exp(terms - betaln(*second)).sum())


@settings(max_examples=60, deadline=None)
@given(
    first=st.tuples(st.integers(1, 300), st.integers(1, 300)),
    second=st.tuples(st.integers(1, 300), st.integers(1, 300)),
)
def test_the_chance_to_be_greater_is_that_of_the_closed_form(first: tuple[int, int], second: tuple[int, int]) -> None:
    found = chance_greater(first, second)
    assert found == pytest.approx(closed_form(first, second), abs=1e-7)
    assert found + chance_greater(second, first) == pytest.approx(1, abs=1e-7)


def test_large_and_lopsided_posteriors_are_no_trouble() -> None:
    assert chance_greater((2_001, 1e5), (2_001, 1e5)) == pytest.approx(0.5)
    # Nearly exponential and gamma: an exponential exceeds the sum of two with chance 1/4.
    assert chance_greater((1, 1e6), (2, 1e6)) == pytest.approx(0.25, abs=1e-5)
    assert chance_greater((1, 1), (5_000, 5)) == pytest.approx(5 / 5_005, rel=1e-4)


def test_chance_and_losses_are_what_draws_from_the_posteriors_show() -> None:
    rng = np.random.default_rng(4)
    control, treatment = rng.beta(101, 901, 400_000), rng.beta(131, 871, 400_000)
    found = belief(share_of(100, 1_000), share_of(130, 1_000))
    assert found.chance_better == pytest.approx((treatment > control).mean(), abs=0.002)
    assert found.loss_if_chosen == pytest.approx(np.maximum(control - treatment, 0).mean(), rel=0.05)
    assert found.loss_if_kept == pytest.approx(np.maximum(treatment - control, 0).mean(), rel=0.01)
    # They differ by the difference of the means.
    assert found.loss_if_kept - found.loss_if_chosen == pytest.approx(131 / 1_002 - 101 / 1_002)
