"""What a day's metrics should be, by earlier days only: level, weekday season, and the scatter around them.

What is expected of day t is made of the days t-level_days..t-1 (beside facts of the day that the metric is relative
to: its basis, its hours). The scatter is that of the errors such expectations had on the days t-scatter_days..t-1. So
a day's judgement depends on the days of both before it and on nothing else, in whatever order days are computed.

Weekday factors are robust means of each day over the week around it (ratio to moving average, as in X-11: Shiskin,
Young and Musgrave 1967); the level is an exponentially weighted mean with Tukey's biweight (Beaton and Tukey 1974), so
that past incidents weigh nothing; it starts from the median of the last two weeks and so follows a lasting shift in one
or two weeks. Errors are pooled in time, with a prior for a young shop, after clipping the ones that are no noise.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from puffy_platform.monitoring.metrics import REFERRER, UNIDENTIFIED
from puffy_platform.monitoring.panel import Panel
from puffy_platform.monitoring.surprise import Distribution
from puffy_platform.monitoring.windows import Bools, Floats, before, divided, median
from puffy_platform.settings_model import Monitoring

__all__ = ["Expectation", "expect"]

WEEK = 7

# Weekday factors
AROUND = 3  # days on either side: a week around a day
LEAST_OF_WEEK = 4
SEASON_SPREAD = 0.15  # how far apart weekdays are believed to be; noisier factors are drawn to 1
IMAGINED_WEEKS = 2  # weeks without season that the middle of a weekday's ratios is taken with
LEAST_WEEKS = 1.5

# Level
HALF_LIFE_DAYS = 12.0
START_DAYS = 14
CUT = 4.0  # standard deviations beyond which a day does not count
LEAST_NOISE = 0.03

# Scatter: relative variance beyond chance
# Relative variance beyond chance: what is believed before anything is seen, and how far that may be off.
PRIOR = {"business": (0.05**2, 0.004), "quality": (0.10**2, 0.02), "delivery": (0.10**2, 0.02)}
LEAST_SCATTER = 0.02**2
CLIP = 3.0
CLIPPED_AWAY = 1.03  # the variance that clipping at CLIP takes from a normal
ROUNDS = 4
LEAST_ERROR = 0.01

# A day this much of the distance away was about as far.
AS_FAR = 0.8

# Hours: one is empty when it has less than this of what is usual, if that would be enough events to tell.
EMPTY = 0.1
LEAST_IN_HOUR = 8.0
# Days with so much more nulls in the referrer than usual say nothing about sources.
LOST_POINTS = 0.08
LOST_SPREADS = 5.0

NORMAL = 1.4826  # median of absolute deviations -> standard deviation
BLOCK = 48  # days computed at once: the windows then fit into a processor's cache


@dataclass(frozen=True)
class Expectation:
    """What was expected of each series on each day, NaN without history.

    `history`: usable days behind it; `seen`: the share of them that were about as far on the same side. `coverage`
    by day: the part of a usual day that the hours with events make up; `empty_hours` [24, T].
    """

    distribution: Distribution
    history: Floats
    seen: Floats
    coverage: Floats
    empty_hours: Bools


def expect(panel: Panel, rules: Monitoring) -> Expectation:
    """The expectation of every series and day of the panel."""
    blocks = [
        _level(panel, first, min(first + BLOCK, panel.days), rules.level_days) for first in range(0, panel.days, BLOCK)
    ]
    expected, basis, grain, history, seen, coverage, empty = (
        np.concatenate(part, axis=-1) for part in zip(*blocks, strict=True)
    )
    scatter, errors = _scatter(panel, expected, basis, grain, rules.scatter_days)
    is_share = np.broadcast_to(panel.is_share[:, None], expected.shape)
    return Expectation(Distribution(expected, basis, grain, scatter, errors, is_share), history, seen, coverage, empty)


def _past(panel: Panel, first: int, last: int, level_days: int) -> Panel:
    """The days first-level_days..last-1, days before the panel's first as absent."""
    missing = max(level_days - first, 0)
    part = slice(max(first - level_days, 0), last)

    def cut(values: np.ndarray) -> np.ndarray:
        padding = np.zeros((*values.shape[:-1], missing), dtype=values.dtype)
        return np.concatenate([padding, values[..., part]], axis=-1)

    return Panel(
        panel.series,
        cut(panel.amount),
        cut(panel.basis),
        cut(panel.grain),
        cut(panel.there),
        cut(panel.event),
        cut(panel.weekday),
    )


def _level(panel: Panel, first: int, last: int, level_days: int) -> tuple[np.ndarray, ...]:
    """Expected amount, basis, grain, history, seen, coverage and empty hours of the days first..last-1."""
    part = _past(panel, first, last, level_days)
    today = slice(level_days, None)

    def past(values: np.ndarray, fill: float | bool = 0.0) -> np.ndarray:
        return before(values, level_days, fill)[..., level_days:, :]

    past_basis, basis, usable, coverage, empty = _exposure(part, level_days)
    rate = divided(past(part.amount), past_basis)
    usable = usable & (past_basis > 1e-9)
    season = _season(rate, usable)
    level_of = rate / np.tile(np.maximum(season, 0.02), -(-level_days // WEEK))[..., -level_days:]
    grain = np.where(part.is_share[:, None], 1.0, part.grain)
    usual_grain = median(past(grain), usable & (past(grain) > 0), 1.0)
    level, is_known = _robust_level(level_of, usable, past_basis, usual_grain, part.is_share)
    expected = np.where(is_known, level * season[..., 0] * basis, np.nan)
    # How many of the days before were about as far on the same side, season apart.
    now = divided(part.amount[:, today], basis) / np.maximum(season[..., 0], 0.02)
    as_far = (level + AS_FAR * (now - level))[..., None]
    is_as_far = np.where((now >= level)[..., None], level_of >= as_far, level_of <= as_far)
    history = usable.sum(axis=-1).astype(np.float64)
    seen = divided((is_as_far & usable).sum(axis=-1), history)
    return expected, basis, usual_grain, history, seen, coverage, empty


def _exposure(panel: Panel, level_days: int) -> tuple[Floats, Floats, Bools, Floats, Bools]:
    """The basis of the days before and of the day itself, corrected for missing hours and missing client ids; which
    days are history; coverage and empty hours of the day."""
    today = slice(level_days, None)

    def past(values: np.ndarray, fill: float | bool) -> np.ndarray:
        return before(values, level_days, fill)[..., level_days:, :]

    past_basis, basis = past(panel.basis, 0.0).copy(), panel.basis[:, today].copy()
    usable = past(panel.usable, False).copy()
    days = panel.days - level_days
    coverage, empty = np.ones(days), np.zeros((24, days), dtype=np.bool_)
    hours = panel.of("hour_events")
    if len(hours) == 24:
        amount = panel.amount[hours]
        total = amount.sum(axis=0)
        profile = median(past(divided(amount, total), 0.0), past(np.broadcast_to(total > 0, amount.shape), False), 0.0)
        profile = divided(profile, profile.sum(axis=0))
        past_coverage, _ = _covered(past(amount, 0.0), past(total, 0.0)[None], profile[..., None])
        coverage, empty = _covered(amount[:, today], total[None, today], profile)
        for place, metric in enumerate(panel.metrics):
            if metric.is_covered:
                past_basis[place] *= past_coverage
                basis[place] *= coverage
    if UNIDENTIFIED in panel.place:
        place = panel.place[UNIDENTIFIED]
        known = np.maximum(1 - divided(panel.amount[place], panel.basis[place]), 0.02)
        past_known = past(known, 1.0)
        for place, metric in enumerate(panel.metrics):
            if metric.identified == "amount":
                past_basis[place] *= past_known
                basis[place] *= known[today]
            elif metric.identified == "basis":
                past_basis[place] /= past_known
                basis[place] /= known[today]
    if REFERRER in panel.place:
        place = panel.place[REFERRER]
        share = past(divided(panel.amount[place], panel.basis[place]), 0.0)
        is_there = past(panel.usable[place], False)
        middle = median(share, is_there, 0.0)
        spread = NORMAL * median(np.abs(share - middle[:, None]), is_there, 0.0)
        is_lost = share > (middle + np.maximum(LOST_POINTS, LOST_SPREADS * spread))[:, None]
        needs_source = np.array([metric.needs_source for metric in panel.metrics], dtype=np.bool_)
        usable &= ~(needs_source[:, None, None] & is_lost)
    return past_basis, basis, usable, coverage, empty


def _covered(amount: Floats, total: Floats, profile: Floats) -> tuple[Floats, Bools]:
    """The part of a usual day made up by the hours that have events, and which hours are empty."""
    covered = np.ones(np.broadcast(amount, profile).shape[1:])
    empty = np.zeros(np.broadcast(amount, profile).shape, dtype=np.bool_)
    for _ in range(2):  # with hours missing, a usual hour is a larger part of what is left
        usual = profile * total / np.maximum(covered, 0.05)
        empty = (amount <= EMPTY * usual) & (usual >= LEAST_IN_HOUR)
        covered = 1 - np.where(empty, profile, 0.0).sum(axis=0)
    return covered, empty


def _season(rate: Floats, usable: Bools) -> Floats:
    """Factor of the weekday of each of the seven last days' successors: [..., 0] is that of the day itself."""
    rate, usable = _whole_weeks(rate, 0.0), _whole_weeks(usable, False)
    shape = (*rate.shape[:-1], rate.shape[-1] // WEEK, WEEK)
    around, is_around = _weeks_around(rate, 0.0), _weeks_around(usable, False)
    local = median(around, is_around, 0.0)
    known = usable & (is_around.sum(axis=-1) >= LEAST_OF_WEEK) & (local > 0)
    ratio = np.where(known, divided(rate, local), 0.0).reshape(shape)
    known = known.reshape(shape)
    count = known.sum(axis=-2)
    imagined = (*rate.shape[:-1], IMAGINED_WEEKS, WEEK)
    middle = median(
        np.concatenate([ratio, np.ones(imagined)], axis=-2),
        np.concatenate([known, np.ones(imagined, dtype=np.bool_)], axis=-2),
        1.0,
        axis=-2,
    )
    apart = np.abs(ratio - middle[..., None, :])
    noise = NORMAL * 1.15 * median(apart.reshape(rate.shape), known.reshape(rate.shape), 0.0) + LEAST_ERROR
    weight = np.where(known, _biweight(apart / (CUT * noise[..., None, None])), 0.0)
    total = weight.sum(axis=-2)
    factor = divided((ratio * weight).sum(axis=-2), total, 1.0)
    factor = divided(factor, factor.mean(axis=-1, keepdims=True), 1.0)
    trust = SEASON_SPREAD**2 / (SEASON_SPREAD**2 + noise[..., None] ** 2 / np.maximum(count, 1))
    return 1 + np.where(total >= LEAST_WEEKS, trust, 0.0) * (factor - 1)


def _whole_weeks(values: np.ndarray, fill: float | bool) -> np.ndarray:
    """The window with days put before it, so that it begins on the weekday of the day it is for."""
    padding = np.full((*values.shape[:-1], -values.shape[-1] % WEEK), fill, dtype=values.dtype)
    return np.concatenate([padding, values], axis=-1)


def _weeks_around(values: np.ndarray, fill: float | bool) -> np.ndarray:
    """[..., days] -> [..., days, 7]: the week around each day, as far as it lies in the window."""
    padding = np.full((*values.shape[:-1], AROUND), fill, dtype=values.dtype)
    padded = np.concatenate([padding, values, padding], axis=-1)
    return np.lib.stride_tricks.sliding_window_view(padded, WEEK, axis=-1)


def _robust_level(rate: Floats, usable: Bools, basis: Floats, grain: Floats, is_share: Bools) -> tuple[Floats, Bools]:
    """Exponentially weighted mean of the days that are not far from the middle of the last two weeks, and whether
    there is any."""
    recent, is_recent = rate[..., -START_DAYS:], usable[..., -START_DAYS:]
    start = median(recent, is_recent, median(rate, usable))
    is_known = np.isfinite(start)
    start = np.where(is_known, start, 0.0)
    spread = NORMAL * median(np.abs(recent - start[..., None]), is_recent, 0.0)
    rest = np.where(is_share[:, None], np.clip(1 - start, 0.02, 1.0), 1.0)
    basis = np.maximum(basis, 1e-9)
    chance = np.maximum(start[..., None] * basis, 0.5 * grain[..., None]) * (grain * rest)[..., None] / basis**2
    variance = np.maximum(chance + (LEAST_NOISE * start[..., None]) ** 2, (spread**2)[..., None])
    near = _biweight(np.abs(rate - start[..., None]) / (CUT * np.sqrt(variance)))
    scale = np.where(start > 0, start, 1.0)[..., None] ** 2
    decay = 0.5 ** (np.arange(rate.shape[-1], 0, -1) / HALF_LIFE_DAYS)
    weight = np.where(usable, near, 0.0) * decay * scale / variance
    total = weight.sum(axis=-1)
    return np.where(total > 0, divided((rate * weight).sum(axis=-1), total), start), is_known


def _biweight(distance: Floats) -> Floats:
    """Tukey's weight of a distance in units of the cut."""
    return np.where(distance < 1, (1 - distance**2) ** 2, 0.0)


def _scatter(panel: Panel, expected: Floats, basis: Floats, grain: Floats, scatter_days: int) -> tuple[Floats, Floats]:
    """Relative variance beyond chance of the last expectations' errors, and how many days it is estimated from."""
    usable = panel.usable & (np.nan_to_num(expected) > 0)
    amount = np.where(usable, expected, 1.0)
    error = np.where(usable, panel.amount / amount - 1, 0.0)
    rest = np.where(panel.is_share[:, None], np.clip(1 - divided(amount, basis), 0.0, 1.0), 1.0)
    prior, belief = (np.array([PRIOR[metric.layer][place] for metric in panel.metrics])[:, None] for place in (0, 1))
    scatter, count = np.empty_like(amount), np.empty_like(amount)
    for first in range(0, panel.days, BLOCK):
        days = slice(first, min(first + BLOCK, panel.days))
        errors, is_error = before(error, scatter_days, 0.0)[:, days], before(usable, scatter_days, False)[:, days]
        chance = grain[:, days, None] * before(rest / amount, scatter_days, 0.0)[:, days]
        size, keep = np.abs(errors), is_error
        for _ in range(ROUNDS):
            spread = np.maximum(NORMAL * median(size, keep, 0.0), LEAST_ERROR)
            keep = is_error & (size <= CLIP * spread[..., None])
        kept, days_there = keep.sum(axis=-1), is_error.sum(axis=-1)
        variance = CLIPPED_AWAY * divided(np.where(keep, errors**2, 0.0).sum(axis=-1), kept)
        by_chance = divided(np.where(keep, chance, 0.0).sum(axis=-1), kept)
        # Where chance is most of the error, the rest is hardly seen: the less sure it is, the more the prior counts.
        error_of_variance = np.maximum(variance, by_chance) ** 2 * 2 / np.maximum(kept, 1)
        trust = np.where(kept > 1, belief**2 / (belief**2 + error_of_variance), 0.0)
        pooled = trust * (variance - by_chance) + (1 - trust) * prior
        scatter[:, days] = np.maximum(pooled, LEAST_SCATTER)
        count[:, days] = days_there
    return scatter, count
