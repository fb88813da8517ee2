"""A plan for an experiment: how many clients and days it takes to find a lift, and what a number of weeks can find."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from puffy_platform.methods.experiments.moments import Kind
from puffy_platform.methods.experiments.power import (
    clients_for_mean,
    clients_for_share,
    detectable_mean,
    detectable_share,
)
from puffy_platform.methods.experiments.sequential import Spending, inflation, spending_bounds

__all__ = ["Baseline", "Detectable", "Needed", "Plan", "Terms", "detectable_lift", "needed", "plan_for"]

# More looks cost next to nothing: the bounds of 60 are those of a look at every instant, nearly.
MOST_LOOKS = 60
# The weeks of which a plan says what they can find.
WEEKS = (1, 2, 3, 4, 6, 8)
# Daily looks of an experiment of which nobody knows how long it takes.
USUAL_DAYS = 30


@dataclass(frozen=True)
class Baseline:
    """A metric as it is: its value, and how much clients differ in it (the standard deviation of one client's)."""

    kind: Kind
    value: float
    deviation: float

    def __post_init__(self) -> None:
        if self.kind == "share" and not 0 < self.value < 1:
            raise ValueError(f"a share is between 0 and 1, not {self.value}")
        if self.kind != "share" and not (self.value > 0 and self.deviation > 0):
            raise ValueError("a mean and its standard deviation are positive")


@dataclass(frozen=True)
class Terms:
    """alpha (two-sided), power, variants (control among them; each treatment gets its part of alpha), looks (evenly
    spaced; 1 is the end only) and the part of the variance that a covariate takes out."""

    alpha: float = 0.05
    power: float = 0.8
    variants: int = 2
    looks: int = 1
    spending: Spending = "obrien_fleming"
    variance_reduction: float = 0.0

    def __post_init__(self) -> None:
        if not (0 < self.alpha < 0.5 and self.alpha < self.power < 1):
            raise ValueError("alpha is between 0 and 0.5, and power between alpha and 1")
        if self.variants < 2 or self.looks < 1 or not 0 <= self.variance_reduction < 1:
            raise ValueError("there are two variants and one look at least, and the reduction is from 0 to below 1")

    @property
    def alpha_each(self) -> float:
        return self.alpha / (self.variants - 1)

    @property
    def factor(self) -> float:
        """By what the looks and the covariate change the size."""
        looks = min(self.looks, MOST_LOOKS)
        if looks == 1:
            return 1 - self.variance_reduction
        information = [number / looks for number in range(1, looks + 1)]
        bounds = spending_bounds(information, self.alpha_each, self.spending)
        return inflation(information, bounds, self.alpha_each, self.power) * (1 - self.variance_reduction)


@dataclass(frozen=True)
class Needed:
    """Clients in each variant and in all, and the days until the last of them is assigned (None without traffic)."""

    each: int
    all: int
    days: int | None


def needed(base: Baseline, lift: float, terms: Terms, daily: float | None = None) -> Needed:
    """To find a relative lift (0.1 is ten per cent more) with `daily` new clients a day. Raises ValueError when the
    lift is none or leads out of a share's bounds."""
    if base.kind == "share":
        clients = clients_for_share(base.value, base.value * (1 + lift), terms.alpha_each, terms.power)
    else:
        clients = clients_for_mean(base.value * lift, base.deviation, terms.alpha_each, terms.power)
    each = math.ceil(clients * terms.factor)
    days = math.ceil(each * terms.variants / daily) if daily else None
    return Needed(each, each * terms.variants, days)


def detectable_lift(base: Baseline, clients: int, terms: Terms) -> float | None:
    """The smallest relative rise that so many clients over all variants find; None when they find none."""
    each = clients / terms.variants / terms.factor
    if each < 2:
        return None
    if base.kind == "share":
        rise = detectable_share(base.value, each, terms.alpha_each, terms.power)
    else:
        rise = detectable_mean(base.deviation, each, terms.alpha_each, terms.power)
    return None if rise is None else rise / base.value


@dataclass(frozen=True)
class Detectable:
    """The smallest relative rise that the clients of so many weeks find, with one look at the end and with a look every
    day; None when they find none."""

    weeks: int
    clients: int
    one_look: float | None
    daily_looks: float | None


@dataclass(frozen=True)
class Plan:
    """What it takes to find a lift on the terms of one look at the end, and when one looks every day; and what a number
    of weeks can find, if `daily`, the new clients a day, is known."""

    baseline: Baseline
    daily: float | None
    lift: float
    terms: Terms
    one_look: Needed
    daily_looks: Needed
    detectable: tuple[Detectable, ...]


def plan_for(base: Baseline, lift: float, terms: Terms, daily: float | None = None) -> Plan:
    """The plan on these terms, those of one look. Raises ValueError as `needed` does."""
    one_look = needed(base, lift, terms, daily)
    every_day = replace(terms, looks=max(2, one_look.days or USUAL_DAYS))
    found = tuple(_detectable(base, weeks, terms, daily) for weeks in WEEKS) if daily else ()
    return Plan(base, daily, lift, terms, one_look, needed(base, lift, every_day, daily), found)


def _detectable(base: Baseline, weeks: int, terms: Terms, daily: float) -> Detectable:
    clients = round(daily * 7 * weeks)
    every_day = replace(terms, looks=7 * weeks)
    return Detectable(weeks, clients, detectable_lift(base, clients, terms), detectable_lift(base, clients, every_day))
