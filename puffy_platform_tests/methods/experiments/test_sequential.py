"""Group-sequential bounds against the tables of the field, and against random walks."""

from __future__ import annotations

import math

import numpy as np
import pytest

from puffy_platform.methods.experiments.sequential import (
    Spending,
    inflation,
    obrien_fleming_constant,
    pocock_constant,
    spending_bounds,
    spent,
)

FIFTHS = [0.2, 0.4, 0.6, 0.8, 1.0]


@pytest.mark.parametrize(
    ("looks", "alpha", "pocock", "obrien_fleming"),
    [
        (1, 0.05, 1.960, 1.960),
        (2, 0.05, 2.178, 1.977),
        (3, 0.05, 2.289, 2.004),
        (4, 0.05, 2.361, 2.024),
        (5, 0.05, 2.413, 2.040),
        (10, 0.05, 2.555, 2.087),
        (20, 0.05, 2.672, 2.126),
        (5, 0.01, 2.986, 2.621),
    ],
)
def test_the_constants_are_those_of_jennison_and_turnbull(
    looks: int, alpha: float, pocock: float, obrien_fleming: float
) -> None:
    """Group Sequential Methods (2000), tables 2.1 and 2.3."""
    assert round(pocock_constant(looks, alpha), 3) == pytest.approx(pocock, abs=0.0011)
    assert round(obrien_fleming_constant(looks, alpha), 3) == pytest.approx(obrien_fleming, abs=0.0011)


@pytest.mark.parametrize(
    ("spending", "alpha", "published", "close"),
    [
        # Reboussin, DeMets, Kim and Lan (2000), Controlled Clinical Trials 21; R package ldbounds.
        ("obrien_fleming", 0.05, [4.8769, 3.3569, 2.6803, 2.2898, 2.0310], 2e-4),
        ("pocock", 0.05, [2.4380, 2.4268, 2.4101, 2.3966, 2.3859], 2e-4),
        # Julia package SeqBounds, one-sided at 0.05: a tail of two-sided 0.10, which may leave on the other side too.
        ("obrien_fleming", 0.10, [math.nan, math.nan, math.nan, math.nan, 1.73966], 2e-4),
    ],
)
def test_spending_bounds_are_the_published_ones(
    spending: Spending, alpha: float, published: list[float], close: float
) -> None:
    found = spending_bounds(FIFTHS, alpha, spending)
    assert all(math.isnan(theirs) or abs(ours - theirs) < close for ours, theirs in zip(found, published, strict=True))


def test_looking_costs_the_published_part_of_the_sample() -> None:
    """Jennison and Turnbull (2000), tables 2.2 and 2.4: R for five looks at alpha 0.05, power 0.8 and 0.9."""
    pocock = [pocock_constant(5, 0.05)] * 5
    obrien_fleming = [obrien_fleming_constant(5, 0.05) * math.sqrt(5 / look) for look in range(1, 6)]
    found = [inflation(FIFTHS, bounds, 0.05, power) for bounds in (pocock, obrien_fleming) for power in (0.8, 0.9)]
    assert [round(value, 3) for value in found] == [1.229, 1.207, 1.028, 1.026]
    assert inflation([1.0], [1.959964], 0.05, 0.8) == pytest.approx(1, abs=1e-6)


def test_one_look_at_the_end_is_the_ordinary_test() -> None:
    for spending in ("obrien_fleming", "pocock"):
        assert spending_bounds([1.0], 0.05, spending) == [pytest.approx(1.959964, abs=1e-6)]  # type: ignore[list-item]
        assert spent(spending, 0.05, 1.0) == pytest.approx(0.05)  # type: ignore[arg-type]


def test_bounds_of_past_looks_do_not_depend_on_those_to_come() -> None:
    some = spending_bounds([0.1, 0.35, 0.4], 0.05, "obrien_fleming")
    more = spending_bounds([0.1, 0.35, 0.4, 0.41, 0.9, 1.0], 0.05, "obrien_fleming")
    assert more[:3] == some


def test_after_all_information_is_in_nothing_is_left_to_spend() -> None:
    found = spending_bounds([0.5, 1.02, 1.1], 0.05, "pocock")
    assert math.isfinite(found[1])
    assert found[2] == math.inf


def test_a_first_look_at_almost_nothing_can_never_stop() -> None:
    assert spending_bounds([0.001], 0.05, "obrien_fleming") == [math.inf]


@pytest.mark.parametrize("shares", [[0.0, 1.0], [0.5, 0.5], [0.6, 0.4], [-0.1]])
def test_shares_of_information_ascend(shares: list[float]) -> None:
    with pytest.raises(ValueError, match="ascend from above 0"):
        spending_bounds(shares, 0.05, "pocock")


@pytest.mark.parametrize("spending", ["obrien_fleming", "pocock"])
def test_daily_looks_reject_a_true_null_as_often_as_alpha_says(spending: Spending) -> None:
    """100,000 random walks with thirty looks: 5 % cross; of those who ignore the looks, a third would."""
    shares = np.arange(1, 31) / 30
    steps = np.random.default_rng(5).standard_normal((100_000, 30)) * math.sqrt(1 / 30)
    statistics = np.abs(steps.cumsum(axis=1)) / np.sqrt(shares)
    crossed = (statistics > np.array(spending_bounds(list(shares), 0.05, spending))).any(axis=1).mean()
    assert crossed == pytest.approx(0.05, abs=3 * math.sqrt(0.05 * 0.95 / 100_000))
    assert (statistics > 1.96).any(axis=1).mean() > 0.25
