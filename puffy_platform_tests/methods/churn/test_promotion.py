"""Which version comes into force: only what clearly beats both baselines, and then only what clearly beats the last."""

from __future__ import annotations

import numpy as np
import pytest

from puffy_platform.methods.churn.promotion import Verdict, decide

RANDOM = np.random.default_rng(5)
TRUTH = RANDOM.normal(size=2_000)
CHURNED = RANDOM.random(2_000) < 1 / (1 + np.exp(-TRUTH))


def told(noise: float, seed: int = 7) -> np.ndarray:
    """Probabilities of who sees the truth through so much noise."""
    shrunk = 1 / (1 + noise**2)
    return np.asarray(1 / (1 + np.exp(-shrunk * (TRUTH + noise * np.random.default_rng(seed).normal(size=2_000)))))


BASELINES = {"recency": told(2.0), "p_alive": told(3.0)}


def judge(**versions: np.ndarray) -> dict[str, Verdict]:
    return decide(versions, BASELINES, {}, CHURNED)


def statuses(found: dict[str, Verdict]) -> list[str]:
    return [verdict.status for verdict in found.values()]


def test_the_first_that_beats_both_baselines_is_in_force_and_an_equal_later_one_is_not() -> None:
    found = judge(old=told(0.5), new=told(0.5))
    assert statuses(found) == ["promoted", "candidate"]
    assert found["new"].why.startswith("beats both baselines, but is not clearly better than old (AUC +0.000")
    assert found["old"].gains["recency"].low > 0


def test_a_clearly_better_one_takes_over_whatever_its_place() -> None:
    found = judge(old=told(1.0), better=told(0.1), later=told(0.5))
    assert statuses(found) == ["candidate", "promoted", "candidate"]
    assert found["old"].why.startswith("better is clearly better")


def test_who_beats_only_one_baseline_is_rejected_and_told_which() -> None:
    found = judge(poor=told(2.5), bad=told(4.0))
    assert statuses(found) == ["rejected", "rejected"]
    assert found["poor"].why.startswith("AUC not clearly above that of recency alone (-0.")
    assert "P(alive)" in found["bad"].why


def test_a_little_better_is_not_better() -> None:
    """Other noise of nearly the same strength: a higher AUC, by chance or not, nobody can tell."""
    found = judge(little=told(1.8, seed=8))
    assert found["little"].gains["recency"].value > 0
    assert statuses(found) == ["rejected"]
    found = judge(old=told(0.5, seed=9), little=told(0.45, seed=8))
    assert statuses(found) == ["promoted", "candidate"]


def test_a_rejected_version_cannot_be_the_one_to_beat() -> None:
    assert statuses(judge(bad=told(4.0), good=told(0.5))) == ["rejected", "promoted"]


def test_a_good_ranking_with_worse_probabilities_is_rejected() -> None:
    found = judge(boasting=told(0.1) ** 8)
    assert statuses(found) == ["rejected"]
    assert found["boasting"].why.startswith("Brier score 0.")


@pytest.mark.parametrize("missing", ["recency", "p_alive"])
def test_a_baseline_that_could_not_be_fitted_is_not_taken_for_beaten(missing: str) -> None:
    left = {name: values for name, values in BASELINES.items() if name != missing}
    found = decide({"good": told(0.1)}, left, {missing: "too few bought again"}, CHURNED)
    assert statuses(found) == ["rejected"]
    assert "could not be fitted (too few bought again), so it is not beaten" in found["good"].why
