"""Plans: sizes with looks, several treatments and a covariate, and what a number of clients finds."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from puffy_platform.methods.experiments.plan import Baseline, Terms, detectable_lift, needed, plan_for
from puffy_platform.methods.experiments.power import clients_for_mean, clients_for_share

SHARE = Baseline("share", 0.10, 0.3)
MEAN = Baseline("mean", 20.0, 100.0)


def test_one_look_takes_the_fixed_size() -> None:
    """?power.prop.test: 3840.847 a variant for 10 % against 12 %."""
    found = needed(SHARE, 0.2, Terms(), daily=500)
    assert (found.each, found.all, found.days) == (3_841, 7_682, 16)
    assert needed(MEAN, 0.1, Terms()).each == math.ceil(clients_for_mean(2, 100))
    assert needed(MEAN, 0.1, Terms()).days is None


def test_looking_costs_little_with_obrien_fleming_and_more_with_pocock() -> None:
    fixed = needed(SHARE, 0.2, Terms()).each
    daily = needed(SHARE, 0.2, Terms(looks=30)).each / fixed
    pocock = needed(SHARE, 0.2, Terms(looks=30, spending="pocock")).each / fixed
    assert 1.02 < daily < 1.06
    assert 1.2 < pocock < 1.3


def test_each_treatment_gets_its_part_of_alpha_and_a_covariate_saves_its_part() -> None:
    three = needed(SHARE, 0.2, Terms(variants=3))
    assert three.each == math.ceil(clients_for_share(0.10, 0.12, alpha=0.025))
    assert three.all == 3 * three.each
    saved = needed(SHARE, 0.2, Terms(variance_reduction=0.25))
    assert saved.each == math.ceil(0.75 * clients_for_share(0.10, 0.12))


@pytest.mark.parametrize("base", [SHARE, MEAN])
@pytest.mark.parametrize("terms", [Terms(), Terms(looks=14, variants=3, variance_reduction=0.1)])
def test_what_is_detectable_needs_those_clients(base: Baseline, terms: Terms) -> None:
    lift = detectable_lift(base, 30_000, terms)
    assert lift is not None
    assert needed(base, lift, terms).all == pytest.approx(30_000, abs=3)
    assert detectable_lift(base, 3, terms) is None


def test_impossible_plans_are_refused() -> None:
    with pytest.raises(ValueError, match="a share is between 0 and 1"):
        Baseline("share", 2.0, 0)
    with pytest.raises(ValueError, match="standard deviation are positive"):
        Baseline("mean", 2.0, 0)
    for wrong in ({"alpha": 0.6}, {"power": 0.01}):
        with pytest.raises(ValueError, match="alpha is between"):
            replace(Terms(), **wrong)
    for wrong in ({"variants": 1}, {"looks": 0}, {"variance_reduction": 1.0}):
        with pytest.raises(ValueError, match="two variants and one look"):
            replace(Terms(), **wrong)
    with pytest.raises(ValueError, match="shares are between 0 and 1, and differ"):
        needed(SHARE, 10, Terms())


def test_a_plan_says_what_weeks_find_when_the_traffic_is_known() -> None:
    plan = plan_for(SHARE, 0.2, Terms(), daily=500)
    assert plan.daily_looks == needed(SHARE, 0.2, Terms(looks=16), daily=500)
    first, *_ = plan.detectable
    assert (first.weeks, first.clients) == (1, 3_500)
    assert first.daily_looks == detectable_lift(SHARE, 3_500, Terms(looks=7))
    without = plan_for(SHARE, 0.2, Terms())
    assert without.daily_looks == needed(SHARE, 0.2, Terms(looks=30))
    assert not without.detectable
