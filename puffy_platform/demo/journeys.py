"""Who visits when, through which channel, and who buys because of what: the causal part of the simulation.

Numbers only, all of a round at once; what a visit looks like in a browser is the matter of `browsing.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from puffy_platform.demo.model import ShopModel

__all__ = ["DAY_MS", "HOUR_MS", "Customers", "Visits", "hours_of_day", "make_journeys"]

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
# No visit lasts longer (`browsing.py` sees to it), so visits this far apart are sessions of their own.
VISITS_APART_MS = 5 * HOUR_MS

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Visits:
    """One entry a visit. Times are milliseconds after the first day's midnight (UTC) and may be negative.

    `cause` is meaningful where `buys`: the index of the channel that brought the order about, or the number
    of channels for the baseline. `credit` holds the expected causes: each channel's share of the hazard, the
    baseline last.
    """

    person: Ints
    device: Ints
    start: Ints
    channel: Ints
    buys: Bools
    cause: Ints
    credit: Floats

    def where(self, kept: Bools | Ints) -> Visits:
        """Those of a mask, or at these places in this order."""
        return Visits(*(values[kept] for values in vars(self).values()))


@dataclass(frozen=True)
class Customers:
    """One entry a person who has bought: when that began, when they leave for good, and their true rates."""

    person: Ints
    since: Ints
    leaves: Ints
    purchases_per_day: Floats
    visits_per_day: Floats


def hours_of_day(rng: np.random.Generator, count: int, model: ShopModel) -> Ints:
    """Milliseconds after midnight, by the hour curve."""
    weights = np.asarray(model.hour)
    hour = rng.choice(24, size=count, p=weights / weights.sum())
    return np.asarray(hour * HOUR_MS + rng.integers(0, HOUR_MS, count), dtype=np.int64)


def make_journeys(
    rng: np.random.Generator, model: ShopModel, first_weekday: int, days: int, events_per_day: int
) -> tuple[Visits, Customers]:
    """The visits of people that start in the range, by person and time, and everyone who ever bought."""
    end = days * DAY_MS
    wooed, second_device = _prospects(rng, model, first_weekday, days, events_per_day)
    wooed = wooed.where(wooed.start < end)
    customers = _customers(rng, model, wooed, len(second_device), events_per_day)
    loyal = _customer_visits(rng, model, customers, end)
    parts = [wooed, loyal]
    visits = Visits(*(np.concatenate([vars(part)[name] for part in parts]) for name in vars(wooed)))
    has_second = np.zeros(max(customers.person.max(initial=0) + 1, len(second_device)), dtype=np.bool_)
    has_second[: len(second_device)] = second_device
    has_second[len(second_device) :] = rng.random(len(has_second) - len(second_device)) < model.second_device_share
    device = (has_second[visits.person] & (rng.random(len(visits.person)) < 0.3)).astype(np.int64)
    visits = Visits(**{**vars(visits), "device": device})
    in_range = (visits.start >= 0) & (visits.start < end)
    order = np.lexsort((visits.start, visits.person))
    return visits.where(order[in_range[order]]), customers


def _prospects(
    rng: np.random.Generator, model: ShopModel, first_weekday: int, days: int, events_per_day: int
) -> tuple[Visits, Bools]:
    """Visits of people until they buy or lose interest, one round of visits after the other."""
    all_days = np.arange(-model.warmup_days, days)
    season = np.asarray(model.weekday)[(first_weekday + all_days) % 7]
    count = round(model.prospects_per_event * events_per_day * len(all_days))
    arrival = rng.choice(all_days, size=count, p=season / season.sum()).astype(np.int64) * DAY_MS
    time = arrival + hours_of_day(rng, count, model)
    interest = rng.standard_normal(count)
    baseline = model.baseline_median * np.exp(model.baseline_sigma * interest)
    comes_back = np.clip(model.return_probability * (1 + 0.35 * interest), 0.02, 0.9)
    effects = np.array([channel.effect for channel in model.channels])
    first_mix = np.array([channel.first for channel in model.channels])
    again_mix = np.array([channel.again for channel in model.channels])

    person = np.arange(count)
    channel = rng.choice(len(effects), size=count, p=first_mix / first_mix.sum())
    left_behind = np.zeros((count, len(effects)))
    rounds: list[Visits] = []
    for _ in range(model.max_visits):
        left_behind[np.arange(len(person)), channel] += effects[channel]
        hazards = np.column_stack([left_behind, baseline[person]])
        hazard = hazards.sum(axis=1)
        buys = rng.random(len(person)) < -np.expm1(-hazard)
        cause = (hazards.cumsum(axis=1) < (rng.random(len(person)) * hazard)[:, None]).sum(axis=1)
        credit = hazards / hazard[:, None]
        rounds.append(Visits(person, np.zeros_like(person), time, channel, buys, cause, credit))

        stay = ~buys & (rng.random(len(person)) < comes_back[person]) & (time < days * DAY_MS)
        person, earlier, left_behind = person[stay], time[stay], left_behind[stay]
        if not len(person):
            break
        time = _next_visit(rng, model, earlier)
        faded = 0.5 ** ((time - earlier) / DAY_MS / model.effect_half_life_days)
        left_behind = left_behind * faded[:, None]
        channel = _again(rng, again_mix, interest[person])
    visits = Visits(*(np.concatenate([vars(part)[name] for part in rounds]) for name in vars(rounds[0])))
    return visits, rng.random(count) < model.second_device_share


def _next_visit(rng: np.random.Generator, model: ShopModel, earlier: Ints) -> Ints:
    """The same day for some, else at a usual hour some days later; never within a running session."""
    count = len(earlier)
    days_later = 1 + np.floor(rng.exponential(model.return_after_days_mean, count)).astype(np.int64)
    later = (earlier // DAY_MS + days_later) * DAY_MS + hours_of_day(rng, count, model)
    soon = earlier + VISITS_APART_MS + rng.integers(0, 3 * HOUR_MS, count)
    return np.maximum(np.where(rng.random(count) < 0.25, soon, later), earlier + VISITS_APART_MS)


def _again(rng: np.random.Generator, mix: Floats, interest: Floats) -> Ints:
    """Channels of later visits; the interested come directly (the first channel) more often."""
    direct = mix[0] * np.exp(0.4 * interest)
    others = mix[1:] / mix[1:].sum()
    chosen = 1 + rng.choice(len(others), size=len(interest), p=others)
    goes_direct = rng.random(len(interest)) < direct / (direct + mix[1:].sum())
    return np.where(goes_direct, 0, chosen).astype(np.int64)


def _customers(
    rng: np.random.Generator, model: ShopModel, wooed: Visits, first_free: int, events_per_day: int
) -> Customers:
    """Those who bought in the simulation, and those whom the shop had won before and not yet lost."""
    won = round(model.customers_won_per_event * events_per_day * model.history_days)
    since_past = -rng.integers(model.warmup_days * DAY_MS, model.history_days * DAY_MS, won)
    since = np.concatenate([wooed.start[wooed.buys], since_past])
    person = np.concatenate([wooed.person[wooed.buys], first_free + np.arange(won)])
    lifetime = rng.exponential(model.lifetime_mean_days, len(since))
    leaves = since + (lifetime * DAY_MS).astype(np.int64)
    shape = model.purchase_rate_shape
    purchases = rng.gamma(shape, model.purchase_rate_mean_per_day / shape, len(since))
    visits = rng.gamma(2.0, model.visit_rate_mean_per_day / 2.0, len(since))
    there = leaves > 0
    return Customers(person[there], since[there], leaves[there], purchases[there], visits[there])


def _customer_visits(rng: np.random.Generator, model: ShopModel, customers: Customers, end: int) -> Visits:
    """Visits and repeat orders while they stay: Poisson processes, at usual hours."""
    begin = np.maximum(customers.since + DAY_MS, 0)
    until = np.minimum(customers.leaves, end)
    days_there = np.maximum(until - begin, 0) / DAY_MS
    looks = rng.poisson(customers.visits_per_day * days_there)
    orders = rng.poisson(customers.purchases_per_day * days_there)
    who = np.concatenate([np.repeat(np.arange(len(looks)), looks), np.repeat(np.arange(len(orders)), orders)])
    buys = np.arange(len(who)) >= looks.sum()
    drawn = begin[who] + (rng.random(len(who)) * (until - begin)[who]).astype(np.int64)
    usual = drawn // DAY_MS * DAY_MS + hours_of_day(rng, len(who), model)
    start = np.where((usual >= begin[who]) & (usual < until[who]), usual, drawn)
    mix = np.array([channel.loyal for channel in model.channels])
    channel = rng.choice(len(mix), size=len(who), p=mix / mix.sum())
    baseline = len(mix)
    credit = np.zeros((len(who), baseline + 1))
    credit[:, baseline] = 1.0
    return Visits(
        person=customers.person[who],
        device=np.zeros(len(who), dtype=np.int64),
        start=start,
        channel=channel.astype(np.int64),
        buys=buys,
        cause=np.full(len(who), baseline),
        credit=credit,
    )
