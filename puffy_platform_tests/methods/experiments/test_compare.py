"""Comparing two variants: by hand, against published results, and on simulated clients whose truth is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import ttest_ind

from puffy_platform.methods.experiments.balance import MISMATCH_BELOW, sample_ratio_p
from puffy_platform.methods.experiments.compare import compare
from puffy_platform.methods.experiments.moments import Moments, adjusted, estimate
from puffy_platform_tests.methods.experiments.samples import moments_of, share_of

# R's help page of sleep: extra hours of sleep of ten patients under each of two drugs.
SLEEP = ([0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0], [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4])


def test_the_example_of_the_documentation() -> None:
    """docs/methods/experiments.md: of 1,000 clients each 100 and 130 bought."""
    found = compare(share_of(100, 1_000), share_of(130, 1_000), "share")
    assert found is not None
    assert found.difference == pytest.approx(0.030)
    assert found.lift == pytest.approx(0.30)
    # Pooled share 0.115, standard error sqrt(0.115 * 0.885 * 2 / 1000) = 0.014267, so z = 2.1027.
    assert found.z == pytest.approx(2.1027, abs=1e-4)
    assert found.p == pytest.approx(0.03549, abs=1e-5)
    # Of its own each: sqrt(0.1 * 0.9 / 999 + 0.13 * 0.87 / 999) = 0.014258, times 1.95996 is 0.027946.
    assert (found.low, found.high) == (pytest.approx(0.002054, abs=1e-6), pytest.approx(0.057946, abs=1e-6))


def test_welch_is_that_of_r_on_the_sleep_data() -> None:
    """R: t.test(extra ~ group, data = sleep): t = -1.8608, df = 17.776, p = 0.07939, interval -3.3654832, 0.2054832."""
    repeated = [moments_of(list(drug)) for drug in SLEEP]
    assert compare(*repeated, "mean") is None  # ten patients are not enough here
    three_times = [moments + moments + moments for moments in repeated]
    found = compare(*three_times, "mean")
    expected = ttest_ind(SLEEP[1] * 3, SLEEP[0] * 3, equal_var=False)
    assert found is not None
    assert (found.p, found.difference) == (pytest.approx(expected.pvalue), pytest.approx(1.58))
    interval = expected.confidence_interval()
    assert (found.low, found.high) == (pytest.approx(interval.low), pytest.approx(interval.high))


def test_sums_of_days_or_machines_give_the_result_of_all_clients_at_once() -> None:
    rng = np.random.default_rng(1)
    y, d, x = rng.integers(0, 10**6, 100), rng.integers(1, 5, 100), rng.integers(0, 50, 100)
    whole = moments_of(y, d, x)
    parts = moments_of(y[:30], d[:30], x[:30]) + moments_of(y[30:31], d[30:31], x[30:31])
    parts += moments_of(y[31:], d[31:], x[31:])
    assert parts == whole
    assert whole.covariance("y", "y") == pytest.approx(np.var(y, ddof=1))
    assert whole.covariance("y", "x") == pytest.approx(np.cov(y, x)[0, 1])


def test_variances_of_huge_whole_numbers_are_exact() -> None:
    """A billion cents each but for one cent: floats would see no variance, or a negative one."""
    values = [10**11, 10**11, 10**11 + 1]
    moments = Moments(clients=3, y=sum(values), d=3, yy=sum(value**2 for value in values), dd=3, yd=sum(values))
    assert moments.covariance("y", "y") == pytest.approx(1 / 3)


def test_of_a_ratio_clients_are_independent_and_not_their_events() -> None:
    """Each client's 50 views are all alike. Counting views as independent would call nothing a discovery."""
    rng = np.random.default_rng(7)
    errors = 0
    for _ in range(300):
        views = np.full(200, 50)
        carts = [rng.binomial(1, 0.5, 200) * 50 for _ in range(2)]
        found = compare(*(moments_of(part, views) for part in carts), "ratio")
        assert found is not None
        errors += found.p < 0.05
    assert errors / 300 == pytest.approx(0.05, abs=3 * math.sqrt(0.05 * 0.95 / 300))


def test_the_delta_method_gives_the_spread_that_repeated_experiments_show() -> None:
    rng = np.random.default_rng(8)
    orders = rng.poisson(2, (2_000, 300)) + 1
    revenue = orders * rng.gamma(2, 50, (2_000, 300))
    ratios = revenue.sum(axis=1) / orders.sum(axis=1)
    one = estimate(moments_of(revenue[0], orders[0]))
    assert one.variance == pytest.approx(ratios.var(), rel=0.25)
    assert np.mean(
        [estimate(moments_of(*both)).variance for both in zip(revenue, orders, strict=True)]
    ) == pytest.approx(ratios.var(), rel=0.1)


def test_a_covariate_takes_out_what_it_explains_and_leaves_the_effect() -> None:
    """A correlation of 0.8 takes out 64 % of the variance; the mean estimate stays at the true effect, 1.0."""
    rng = np.random.default_rng(9)
    effects, reductions = [], []
    for _ in range(200):
        before = rng.standard_normal((2, 400))
        after = 0.8 * before + 0.6 * rng.standard_normal((2, 400)) + [[10.0], [11.0]]
        found = compare(*(moments_of(y, x=x) for y, x in zip(after, before, strict=True)), "mean", covariate=True)
        assert found is not None
        assert found.variance_reduction is not None
        effects.append(found.difference)
        reductions.append(found.variance_reduction)
    assert np.mean(effects) == pytest.approx(1.0, abs=3 * 0.06 / math.sqrt(200) * 1.5)
    assert np.mean(reductions) == pytest.approx(0.64, abs=0.02)


def test_a_constant_covariate_changes_nothing() -> None:
    control, treatment = (
        moments_of([1.0, 2.0, 6.0] * 20, x=[4.0] * 60),
        moments_of([2.0, 3.0, 6.0] * 20, x=[4.0] * 60),
    )
    assert adjusted(control, treatment) == (estimate(control), estimate(treatment))


@pytest.mark.parametrize("kind", ["share", "mean", "ratio"])
def test_a_true_null_is_rejected_as_often_as_alpha_says_and_the_intervals_hold_the_truth(kind: str) -> None:
    rng = np.random.default_rng(11)
    rejected = missed = 0
    for _ in range(1_000):
        first, second = (_clients(kind, rng) for _ in range(2))
        found = compare(first, second, kind, covariate=kind == "mean")  # type: ignore[arg-type]
        assert found is not None
        assert found.lift_low is not None
        assert found.lift_high is not None
        rejected += found.p < 0.05
        missed += not found.low <= 0 <= found.high
        # Fieller's interval holds no lift exactly when the other one holds no difference.
        assert (found.lift_low <= 0 <= found.lift_high) == (found.low <= 0 <= found.high)
    for count in (rejected, missed):
        assert count / 1_000 == pytest.approx(0.05, abs=3.5 * math.sqrt(0.05 * 0.95 / 1_000))


def _clients(kind: str, rng: np.random.Generator) -> Moments:
    if kind == "share":
        return share_of(int(rng.binomial(600, 0.1)), 600)
    if kind == "mean":
        before = rng.gamma(2, 1, 300)
        return moments_of(before + rng.gamma(2, 1, 300), x=before)
    orders = rng.poisson(2, 300) + 1
    return moments_of(orders * rng.gamma(3, 10, 300), orders)


def test_with_too_few_clients_or_events_the_answer_is_that_there_is_not_enough_data() -> None:
    assert compare(share_of(9, 1_000), share_of(50, 1_000), "share") is None
    assert compare(share_of(10, 1_000), share_of(991, 1_000), "share") is None
    assert compare(share_of(10, 29), share_of(10, 1_000), "share") is None
    assert compare(moments_of([1.0] * 40), moments_of([1.0] * 40), "mean") is None  # nothing varies
    assert compare(moments_of([1.0] * 40, [0.0] * 40), moments_of([1.0] * 40), "ratio") is None
    assert compare(Moments(), Moments(), "mean") is None


def test_the_lift_has_no_interval_when_control_is_not_clearly_other_than_nothing() -> None:
    around_zero = moments_of([-1.0, 1.1] * 50)
    found = compare(around_zero, moments_of([5.0, 6.0] * 50), "mean")
    assert found is not None
    assert (found.lift_low, found.lift_high) == (None, None)


def test_a_sample_ratio_is_tested_against_the_planned_shares() -> None:
    """By hand: (5000 - 5100)^2 / 5100 + (5200 - 5100)^2 / 5100 = 3.9216, one degree of freedom: p = 0.0477."""
    assert sample_ratio_p({"a": 5_000, "b": 5_200}, {"a": 1, "b": 1}) == pytest.approx(0.0477, abs=5e-5)
    mismatch = sample_ratio_p({"a": 50_000, "b": 52_000}, {"a": 1, "b": 1})
    assert mismatch is not None
    assert mismatch < MISMATCH_BELOW
    assert sample_ratio_p({"a": 9_000, "b": 1_000}, {"a": 0.9, "b": 0.1}) == pytest.approx(1)
    assert sample_ratio_p({"a": 100}, {"a": 0.5, "b": 0.5}) < MISMATCH_BELOW  # type: ignore[operator]
    assert sample_ratio_p({}, {"a": 1, "b": 1}) is None
    assert sample_ratio_p({"a": 5}, {"a": 1}) is None
    with pytest.raises(ValueError, match="no share is planned for c"):
        sample_ratio_p({"a": 1, "c": 1}, {"a": 1, "b": 1})
