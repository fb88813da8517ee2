"""Simulated shops at the level of daily metrics: weekly season, trend, noise, sales, and what incidents do to them.

What is normal is in `ShopModel`, what was planted in planted.py, and what is measured of it in counts.py. The truth is
returned beside the panel and never enters it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from puffy_platform.monitoring.benchmark.counts import Expected, counted
from puffy_platform.monitoring.benchmark.planted import Planted, plant
from puffy_platform.monitoring.panel import Panel
from puffy_platform.monitoring.windows import Bools, Floats

__all__ = ["DAYS", "HISTORY_DAYS", "WEEKS", "ShopModel", "SimulatedShop", "simulate"]

WEEKS = 52
HISTORY_DAYS = 8 * 7  # before the year that is scored; incidents and sales happen here as well
DAYS = HISTORY_DAYS + WEEKS * 7


@dataclass(frozen=True)
class ShopModel:
    """What is normal in a simulated shop. `*_noise` is the standard deviation of a day's logarithm; where two numbers
    are given, each shop draws its own between them."""

    # Name, share of the sessions, orders a session relative to all.
    channels: tuple[tuple[str, float, float], ...] = (
        ("Direct", 0.24, 1.0),
        ("Organic Search", 0.20, 1.1),
        ("Paid Search", 0.19, 1.2),
        ("Paid Social", 0.14, 0.5),
        ("Email", 0.10, 1.7),
        ("Affiliates", 0.06, 1.2),
        ("Referral", 0.04, 0.9),
        ("Display", 0.03, 0.2),
    )
    hours: tuple[float, ...] = (
        2.9, 2.1, 1.5, 1.2, 1.1, 1.3, 1.9, 2.8, 3.7, 4.5, 5.0, 5.3,
        5.5, 5.5, 5.4, 5.3, 5.3, 5.4, 5.6, 5.9, 6.0, 5.7, 4.9, 3.9,
    )  # fmt: skip
    carts_per_session: float = 0.08
    checkouts_per_session: float = 0.04
    orders_per_checkout: float = 0.5

    weekday_spread: float = 0.10
    season_amplitude: float = 0.12
    growth_per_year: tuple[float, float] = (-0.25, 0.50)
    # Lasting changes of the level that are no incident: a campaign scaled up, a page that ranks better.
    level_shifts_per_year: float = 4.0
    level_shift: tuple[float, float] = (0.05, 0.15)

    demand_noise: tuple[float, float] = (0.03, 0.06)  # of all sessions together
    demand_memory: float = 0.35  # autocorrelation of that noise, by day
    channel_noise: tuple[float, float] = (0.03, 0.07)
    channel_memory: float = 0.5
    hour_noise: float = 0.06
    rate_noise: float = 0.03  # carts, checkouts, orders a checkout
    value_noise: float = 0.02
    share_noise: float = 0.15  # nulls, duplicates, quarantine
    memory: float = 0.3  # of the other noises

    sales_per_year: float = 8.0  # every other one is declared
    sale_days: tuple[int, int] = (2, 4)
    sale_sessions: tuple[float, float] = (1.20, 1.60)
    sale_checkouts: tuple[float, float] = (1.15, 1.60)
    sale_value: tuple[float, float] = (0.85, 0.97)

    @property
    def orders_per_session(self) -> float:
        return self.checkouts_per_session * self.orders_per_checkout


@dataclass(frozen=True)
class SimulatedShop:
    """A panel as the platform would measure it, and the truth: what was planted, and sales that nobody declared."""

    orders_per_day: int
    incidents_per_week: int
    seed: int
    panel: Panel
    undeclared_sale_days: Bools
    planted: tuple[Planted, ...] = field(repr=False)


def simulate(orders_per_day: int, incidents_per_week: int, seed: int, model: ShopModel | None = None) -> SimulatedShop:
    """One shop of 60 weeks, the first 8 of them only history. The same arguments give the same shop."""
    model = model or ShopModel()
    rng = np.random.default_rng([seed, orders_per_day, incidents_per_week])
    names, shares = [name for name, _, _ in model.channels], [share for _, share, _ in model.channels]
    planted = plant(rng, DAYS, incidents_per_week, names, shares)
    sale, declared, undeclared = _sales(rng, model)
    expected = _expected(rng, orders_per_day, model, sale)
    _suffer(expected, planted, names)
    panel = counted(rng, expected, names, declared)
    return SimulatedShop(orders_per_day, incidents_per_week, seed, panel, undeclared, planted)


def _expected(rng: np.random.Generator, orders_per_day: int, model: ShopModel, sale: dict[str, Floats]) -> Expected:
    """What every day would bring without incidents."""

    def noise(sigma: float, memory: float = model.memory) -> Floats:
        return np.exp(_autoregression(rng, sigma, memory))

    weekday = np.arange(DAYS) % 7
    demand = orders_per_day / model.orders_per_session * _level(rng, model)
    demand = demand * _weekdays(rng, model.weekday_spread)[weekday] * sale["sessions"]
    demand = demand * noise(rng.uniform(*model.demand_noise), model.demand_memory)
    shares = np.array([share for _, share, _ in model.channels])
    mix = shares[:, None] * np.stack(
        [noise(rng.uniform(*model.channel_noise), model.channel_memory) for _ in model.channels]
    )
    hours = np.array(model.hours)[:, None] * np.exp(rng.normal(0, model.hour_noise, (24, DAYS)))
    checkouts = model.checkouts_per_session * noise(model.rate_noise) * sale["checkouts"]
    return Expected(
        sessions=demand * mix / mix.sum(axis=0),
        buying=np.array([quality for _, _, quality in model.channels]),
        hours=hours / hours.sum(axis=0),
        carts=model.carts_per_session * noise(model.rate_noise) * np.sqrt(sale["checkouts"]),
        checkouts=checkouts * _weekdays(rng, 0.04)[weekday],
        completion=model.orders_per_checkout * noise(model.rate_noise),
        counted_twice=np.zeros(DAYS),
        value=noise(model.value_noise) * sale["value"],
        nulls={
            "raw_events.client_id": 0.01 * noise(model.share_noise),
            "raw_events.user_agent": 0.004 * noise(model.share_noise),
            "raw_events.referrer": 0.45 * noise(0.03),
        },
        small_shares={
            "unknown_channel_share": 0.004 * noise(model.share_noise),
            "duplicate_share": 0.02 * noise(model.share_noise),
            "quarantined_share": 0.002 * noise(model.share_noise),
            "collision_share": 0.012 * noise(model.share_noise),
        },
        page_noise=noise(0.015),
    )


def _suffer(expected: Expected, planted: Iterable[Planted], channels: list[str]) -> None:
    """What the incidents do to the expectations."""
    for each in planted:
        days = slice(each.first, each.last + 1)
        if each.kind == "traffic":
            expected.sessions[:, days] *= each.factor
        elif each.kind == "channel":
            expected.sessions[channels.index(each.segment), days] *= each.factor
        elif each.kind == "conversion" and each.direction == "drop":  # a broken checkout
            expected.completion[days] *= each.factor
        elif each.kind == "conversion":  # some orders are counted twice
            expected.counted_twice[days] = each.factor - 1
        elif each.kind == "order value":
            expected.value[days] *= each.factor
        elif each.kind == "lost tracking":  # visits arrive without referrer and parameters, as if direct
            lost = expected.sessions[1:, days] * each.severity
            expected.sessions[1:, days] -= lost
            expected.sessions[0, days] += lost.sum(axis=0)
            _add_nulls(expected.nulls["raw_events.referrer"], days, each.severity)
        elif each.kind == "missing hours":
            expected.hours[list(each.hours), days] = 0.0
        else:
            _add_nulls(expected.nulls[each.segment], days, each.severity)


def _add_nulls(share: Floats, days: slice, lost: float) -> None:
    share[days] += (1 - share[days]) * lost


def _autoregression(rng: np.random.Generator, sigma: float, memory: float) -> Floats:
    """A first-order autoregression with this standard deviation."""
    shocks = rng.normal(0, sigma * np.sqrt(1 - memory**2), DAYS)
    path = np.empty(DAYS)
    last = rng.normal(0, sigma)
    for day in range(DAYS):
        last = memory * last + shocks[day]
        path[day] = last
    return path


def _level(rng: np.random.Generator, model: ShopModel) -> Floats:
    """Growth, a yearly season and lasting shifts, around 1."""
    day = np.arange(DAYS)
    growth = np.exp(np.log1p(rng.uniform(*model.growth_per_year)) * day / 365)
    level: Floats = growth * np.exp(model.season_amplitude * np.sin(2 * np.pi * (day + rng.integers(365)) / 365))
    for _ in range(rng.poisson(model.level_shifts_per_year * DAYS / 365)):
        at, size = int(rng.integers(DAYS)), rng.uniform(*model.level_shift) * rng.choice([-1, 1])
        level[at:] *= 1 + size
    return level


def _weekdays(rng: np.random.Generator, spread: float) -> Floats:
    factors: Floats = np.exp(rng.normal(0, spread, 7))
    factors /= factors.mean()
    return factors


def _sales(rng: np.random.Generator, model: ShopModel) -> tuple[dict[str, Floats], Bools, Bools]:
    """What sales do to sessions, checkouts and the value of an order; which days are declared, and which are not."""
    effects = {name: np.ones(DAYS) for name in ("sessions", "checkouts", "value")}
    declared, undeclared = np.zeros(DAYS, np.bool_), np.zeros(DAYS, np.bool_)
    for number in range(rng.poisson(model.sales_per_year * DAYS / 365)):
        first = int(rng.integers(DAYS - max(model.sale_days)))
        days = slice(first, first + int(rng.integers(model.sale_days[0], model.sale_days[1] + 1)))
        effects["sessions"][days] *= rng.uniform(*model.sale_sessions)
        effects["checkouts"][days] *= rng.uniform(*model.sale_checkouts)
        effects["value"][days] *= rng.uniform(*model.sale_value)
        (declared if number % 2 else undeclared)[days] = True
    return effects, declared, undeclared & ~declared
