"""Which metrics of which days are unusual: the expectation, the evidence against it, and the size of the effect.

Only earlier days speak about a day. What several unusual metrics of a day have in common is in `causes.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from puffy_platform.monitoring.expect import Expectation, expect
from puffy_platform.monitoring.panel import Panel
from puffy_platform.monitoring.surprise import deviation, limits
from puffy_platform.monitoring.windows import Bools, Floats, before, divided, shifted
from puffy_platform.settings_model import Monitoring

__all__ = ["Judgement", "judge", "reach"]

# Days in a row that are off on the same side add up: a fall too small to be sure of on one day is sure on the third.
RUN_DAYS = 3
# Only while the day itself is off by this much, and with a handicap for having looked several times.
LEAST_TODAY = 2.0
HANDICAP = 0.3
# What was at least as far on this share of the days before is a habit of the shop.
HABIT = 0.3


def reach(rules: Monitoring) -> int:
    """Days before a day that its judgement depends on."""
    return rules.level_days + rules.scatter_days + RUN_DAYS - 1


@dataclass(frozen=True)
class Judgement:
    """The panel judged. `deviation`: of the day alone, in standard deviations; `evidence`: with the days before.
    `unusual`: -1 far too low, 1 far too high, 0 neither; of every series and day. `is_young`: not enough history."""

    panel: Panel
    rules: Monitoring
    expectation: Expectation
    deviation: Floats
    evidence: Floats
    unusual: npt.NDArray[np.int64]
    is_young: Bools

    @cached_property
    def change(self) -> Floats:
        """Relative distance of the amount from the expected one."""
        return _change(self.panel.amount, self.expectation)

    def usual_limits(self, days: slice) -> tuple[Floats, Floats]:
        """The amounts of these days between which nothing would have been unusual for its rarity."""
        place = np.zeros(self.panel.amount.shape, dtype=np.bool_)
        place[:, days] = True
        sigmas = self.rules.sigma_factor * np.array([metric.sigmas for metric in self.panel.metrics])
        wanted = np.broadcast_to(sigmas[:, None], place.shape)[place]
        low, high = limits(self.expectation.distribution.at(place), wanted)
        shape = (len(self.panel.series), place[0].sum())
        return low.reshape(shape), high.reshape(shape)


def judge(panel: Panel, rules: Monitoring) -> Judgement:
    """Judge every series on every day of the panel."""
    expectation = expect(panel, rules)
    distribution = expectation.distribution
    is_known = np.isfinite(distribution.expected) & panel.there[None, :]
    alone = np.where(is_known, deviation(panel.amount, distribution), 0.0)
    evidence = _evidence(panel, alone)
    least = {
        name: np.array([getattr(metric, name) for metric in panel.metrics])[:, None]
        for name in ("sigmas", "least_change", "least_points", "least_amount", "least_days", "up_only", "is_judged")
    }
    gap = np.abs(panel.amount - np.nan_to_num(distribution.expected))
    is_large = (
        (np.abs(_change(panel.amount, expectation)) >= rules.effect_factor * least["least_change"])
        & (divided(gap, distribution.basis) >= least["least_points"])
        & (gap >= least["least_amount"] * distribution.grain)
    )
    is_old_enough = expectation.history >= np.minimum(least["least_days"], rules.least_days)
    is_expected_up = panel.feels_events[:, None] & panel.event[None, :] & (evidence > 0)
    is_unusual = (
        is_known
        & is_old_enough
        & is_large
        & least["is_judged"]
        & (np.abs(evidence) > rules.sigma_factor * least["sigmas"])
        & ~(least["up_only"] & (evidence < 0))
        & (expectation.seen < HABIT)
        & ~is_expected_up
    )
    unusual = np.where(is_unusual, np.sign(evidence), 0).astype(np.int64)
    is_young = ~is_old_enough & panel.there[None, :]
    states = [place for place, metric in enumerate(panel.metrics) if metric.kind == "state"]
    if states:
        unusual[states], is_young[states] = _new_states(panel, states, rules.level_days)
    return Judgement(panel, rules, expectation, alone, evidence, unusual, is_young)


def _change(amount: Floats, expectation: Expectation) -> Floats:
    expected = np.nan_to_num(expectation.distribution.expected)
    return divided(amount - expected, np.maximum(expected, 1e-9))


def _evidence(panel: Panel, alone: Floats) -> Floats:
    """The farthest of today, the last two and the last three days together (Stouffer's sum over its root)."""
    is_mix = np.array([metric.needs_source for metric in panel.metrics])[:, None]
    strongest = alone
    total = alone
    for days in range(2, RUN_DAYS + 1):
        total = total + shifted(alone, days - 1)
        run = total / np.sqrt(days)
        run = np.sign(run) * np.maximum(np.abs(run) - HANDICAP, 0)
        is_one_sided = (np.sign(run) == np.sign(alone)) & (np.abs(alone) >= LEAST_TODAY) & ~is_mix
        strongest = np.where(is_one_sided & (np.abs(run) > np.abs(strongest)), run, strongest)
    return strongest


def _new_states(panel: Panel, states: list[int], level_days: int) -> tuple[npt.NDArray[np.int64], Bools]:
    """A state is unusual on the day it appears: the landing day before did not show it."""
    shows = panel.amount[states] > 0
    past = before(panel.there, level_days, False)
    latest = level_days - 1 - np.argmax(past[:, ::-1], axis=-1)
    showed = np.take_along_axis(before(shows, level_days, False), latest[None, :, None], axis=-1)[..., 0]
    has_past = past.any(axis=-1)
    is_new = shows & ~showed & (has_past & panel.there)[None, :]
    return is_new.astype(np.int64), np.broadcast_to(~has_past & panel.there, shows.shape).copy()
