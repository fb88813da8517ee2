"""AUC, its interval, Brier score, lift, calibration and drift: by hand, and against the slow way."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from puffy_platform.methods.churn.drift import psi
from puffy_platform.methods.churn.measures import (
    auc,
    auc_gain,
    brier,
    calibration,
    calibration_error,
    lift_in_top_decile,
)

# Three who churned and two who did not: docs/methods/churn.md.
SCORES = np.array([0.9, 0.8, 0.4, 0.7, 0.3])
CHURNED = np.array([True, True, True, False, False])


def test_the_example_of_the_documentation() -> None:
    found = auc(SCORES, CHURNED)
    assert found.value == pytest.approx(5 / 6)
    # 1, 1 and 1/2 of the others are below the churned; 2/3 and 1 of the churned are above the others.
    assert (found.high - found.low) / 2 == pytest.approx(1.96 * math.sqrt(1 / 12 / 3 + 1 / 18 / 2), rel=1e-4)
    assert brier(SCORES, CHURNED) == pytest.approx((0.01 + 0.04 + 0.36 + 0.49 + 0.09) / 5)
    assert lift_in_top_decile(SCORES, CHURNED) == pytest.approx(1 / 0.6)
    p, q = np.array([80.5, 20.5]) / 101, 0.5
    by_hand = (q - p[0]) * math.log(q / p[0]) + (q - p[1]) * math.log(q / p[1])
    assert psi(np.array([80.0, 20.0]), np.array([50.0, 50.0])) == pytest.approx(by_hand)
    assert by_hand == pytest.approx(0.406, abs=0.0005)


def test_equal_scores_are_half_right_and_half_in_the_top_tenth() -> None:
    nothing = np.full(5, 0.6)
    assert auc(nothing, CHURNED).value == 0.5
    assert lift_in_top_decile(nothing, CHURNED) == pytest.approx(1.0)
    # The top tenth of 20 is two: the one above, who stayed, and half of the two at the border, of whom one churned.
    scores = np.array([0.9, 0.5, 0.5, *[0.1] * 17])
    churned = np.array([False, True, False, *[True] * 9, *[False] * 8])
    assert lift_in_top_decile(scores, churned) == pytest.approx(0.5 / 2 / 0.5)


def test_an_auc_needs_two_of_either_kind() -> None:
    with pytest.raises(ValueError, match="two customers"):
        auc(SCORES, np.array([True, True, True, True, False]))


scores = st.lists(st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0]), min_size=4, max_size=12)


@settings(deadline=None, max_examples=60)
@given(mine=scores, data=st.data())
def test_intervals_are_delongs_by_his_own_double_sum(mine: list[float], data: st.DataObject) -> None:
    count = len(mine)
    theirs = data.draw(st.lists(st.sampled_from([0.0, 0.5, 1.0]), min_size=count, max_size=count))
    churned = np.array(
        [True, True, False, False, *data.draw(st.lists(st.booleans(), min_size=count - 4, max_size=count - 4))]
    )

    def wins(values: list[float]) -> np.ndarray:
        high, low = np.array(values)[churned], np.array(values)[~churned]
        return np.array([[1.0 if a > b else 0.5 if a == b else 0.0 for b in low] for a in high])

    difference = wins(mine) - wins(theirs)
    variance = (
        difference.mean(axis=1).var(ddof=1) / churned.sum() + difference.mean(axis=0).var(ddof=1) / (~churned).sum()
    )
    gain = auc_gain(np.array(mine), np.array(theirs), churned)
    assert gain.value == pytest.approx(difference.mean())
    assert gain.high - gain.value == pytest.approx(1.959964 * math.sqrt(variance), rel=1e-5, abs=1e-9)
    assert auc(np.array(mine), churned).value == pytest.approx(wins(mine).mean())


def test_calibration_groups_hold_everybody_and_equal_probabilities_together() -> None:
    probability = np.array([0.1] * 30 + [0.5] * 10 + [0.9] * 10)
    churned = np.array([True] * 3 + [False] * 27 + [True] * 4 + [False] * 6 + [True] * 10)
    groups = calibration(probability, churned)
    assert groups["up_to"].to_list() == [0.1, 0.5, 0.9]
    assert groups["customers"].to_list() == [30, 10, 10]
    assert groups["observed"].to_list() == pytest.approx([0.1, 0.4, 1.0])
    assert groups["expected"].to_list() == pytest.approx([0.1, 0.5, 0.9])
    # 0, 0.1 and 0.1 apart, of 30, 10 and 10 customers.
    assert calibration_error(groups) == pytest.approx(0.04)
    assert (groups["low"] <= groups["observed"]).all()
    assert (groups["high"] >= groups["observed"]).all()


def test_who_has_not_moved_has_no_drift_and_empty_groups_are_finite() -> None:
    assert psi(np.array([10.0, 20.0]), np.array([10.0, 20.0])) == 0
    assert 1 < psi(np.array([100.0, 0.0]), np.array([0.0, 100.0])) < 20
