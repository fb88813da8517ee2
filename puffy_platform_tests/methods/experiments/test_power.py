"""Sizes and power against R's own examples, and against simulated experiments."""

from __future__ import annotations

import math

import numpy as np
import pytest

from puffy_platform.methods.experiments.compare import compare
from puffy_platform.methods.experiments.power import (
    clients_for_mean,
    clients_for_share,
    detectable_mean,
    detectable_share,
    power_of_mean,
    power_of_share,
)
from puffy_platform_tests.methods.experiments.samples import share_of


def test_sizes_and_power_are_those_of_the_examples_of_r() -> None:
    """?power.prop.test and ?power.t.test."""
    assert power_of_share(0.50, 0.75, 50) == pytest.approx(0.7401659, abs=1e-7)
    assert clients_for_share(0.50, 0.75, power=0.90) == pytest.approx(76.7, abs=0.05)
    assert power_of_mean(1, 1, 20) == pytest.approx(0.8689528, abs=1e-7)
    assert clients_for_mean(1, 1, power=0.90) == pytest.approx(22.02110, abs=1e-5)


def test_what_is_detectable_takes_that_many_clients() -> None:
    rise = detectable_share(0.02, 80_000)
    assert rise is not None
    assert clients_for_share(0.02, 0.02 + rise) == pytest.approx(80_000, rel=1e-6)
    for clients in (50, 1e6):
        assert clients_for_mean(detectable_mean(3.0, clients), 3.0) == pytest.approx(clients, rel=1e-6)
    assert detectable_share(0.99, 10) is None


def test_many_clients_make_the_normal_distribution_of_students() -> None:
    below, above = (power_of_mean(0.0125, 1, clients) for clients in (99_999, 100_001))
    assert above == pytest.approx(below, abs=1e-4)


def test_the_power_is_the_share_of_experiments_that_find_the_effect() -> None:
    rng = np.random.default_rng(3)
    clients = round(clients_for_share(0.05, 0.08))
    found = 0
    for first, second in rng.binomial(clients, (0.05, 0.08), (1_000, 2)):
        result = compare(share_of(int(first), clients), share_of(int(second), clients), "share")
        found += result is not None and result.p < 0.05
    assert found / 1_000 == pytest.approx(0.8, abs=3 * math.sqrt(0.16 / 1_000))


def test_impossible_plans_are_refused() -> None:
    for base, other in ((0.0, 0.1), (0.1, 1.0), (0.1, 0.1)):
        with pytest.raises(ValueError, match="shares are between 0 and 1"):
            clients_for_share(base, other)
    with pytest.raises(ValueError, match="standard deviation is positive"):
        clients_for_mean(1, 0)
    with pytest.raises(ValueError, match="two clients at least"):
        detectable_mean(1, 1)
