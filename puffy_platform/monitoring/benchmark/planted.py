"""Incidents that are planted into simulated shops: kinds, sizes, days, and which metrics they move. The truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["DROPS_AND_JUMPS", "KINDS", "Planted", "plant"]

DROPS_AND_JUMPS = ("traffic", "channel", "conversion", "order value")
# Kind of incident -> how often, relative to the others: drops, jumps, lost tracking, missing hours and nulls alike.
KINDS = {
    **dict.fromkeys(DROPS_AND_JUMPS, 1.0),
    "lost tracking": 2.0,
    "missing hours": 2.0,
    "nulls": 2.0,
}
SIZES = {
    **dict.fromkeys(DROPS_AND_JUMPS, (0.25, 0.70)),  # of what it hits
    "lost tracking": (0.25, 0.70),  # of the visits with a source; half of the time all of them
    "missing hours": (2.0, 9.0),  # hours in a row
    "nulls": (0.05, 0.50),  # of the column's values
}
ALL_TRACKING_LOST = 0.5
# How many days an incident lasts -> how often.
LASTS = {1: 0.5, 2: 0.25, 3: 0.15, 5: 0.1}
# Two incidents of one kind (and segment) closer than this would be one to anybody who looks.
APART_DAYS = 4
# Nothing can be said about one channel while the sources of all are lost.
HIDING = {"channel", "lost tracking"}
# A channel smaller than this has no incident of its own: nobody would want to be woken for it.
LEAST_CHANNEL_SHARE = 0.08
NULL_COLUMNS = ("raw_events.client_id", "raw_events.user_agent")

VOLUMES = frozenset({"events", "sessions", "clients", "orders", "revenue"})
MOVED = {
    "traffic": VOLUMES | {"channel_revenue"},
    "conversion": frozenset({"orders", "revenue", "conversion_rate", "checkout_completion", "channel_revenue"}),
    "order value": frozenset({"capped_order_value", "revenue", "channel_revenue"}),
    "missing hours": VOLUMES | {"hour_events"},
}


@dataclass(frozen=True)
class Planted:
    """One incident on the days first..last, both included.

    `severity` is a share, or hours; `factor` multiplies what a drop (under 1) or a jump (over 1) hits.
    """

    kind: str
    segment: str
    first: int
    last: int
    severity: float
    factor: float = 1.0
    hours: tuple[int, ...] = ()

    @property
    def direction(self) -> str:
        """drop or jump; empty for the other kinds."""
        if self.kind not in DROPS_AND_JUMPS:
            return ""
        return "drop" if self.factor < 1 else "jump"

    def lasts_on(self, day: int) -> bool:
        return self.first <= day <= self.last

    def is_meant_by(self, metric: str, segment: str, side: int) -> bool:
        """Whether a message led by this metric, on this side of the usual, speaks of this incident."""
        if self.direction and (side < 0) != (self.direction == "drop"):
            return False
        if self.kind == "channel":
            return metric in ("channel_share", "channel_revenue") and segment == self.segment
        if self.kind == "lost tracking":
            return metric in ("channel_share", "channel_revenue") or (metric, segment) == (
                "null_share",
                "raw_events.referrer",
            )
        if self.kind == "nulls":
            return metric == "null_share" and segment == self.segment
        if self.kind == "conversion" and (metric, segment) == ("event_share", "checkout_completed"):
            return True
        return metric in MOVED[self.kind]


def plant(
    rng: np.random.Generator, days: int, per_week: int, channels: Sequence[str], shares: Sequence[float]
) -> tuple[Planted, ...]:
    """`per_week` incidents begin in every week, on random days."""
    large = [channel for channel, share in zip(channels, shares, strict=True) if share >= LEAST_CHANNEL_SHARE]
    found: list[Planted] = []
    for week in range(days // 7):
        for _ in range(per_week):
            drawn = _draw(rng, week, days, large)
            while any(_is_too_close(drawn, other) for other in found):
                drawn = _draw(rng, week, days, large)
            found.append(drawn)
    return tuple(sorted(found, key=lambda each: (each.first, each.kind, each.segment)))


def _draw(rng: np.random.Generator, week: int, days: int, channels: Sequence[str]) -> Planted:
    kinds, weights = list(KINDS), np.array(list(KINDS.values()))
    kind = kinds[rng.choice(len(kinds), p=weights / weights.sum())]
    first = week * 7 + int(rng.integers(7))
    last = min(first + int(rng.choice(list(LASTS), p=list(LASTS.values()))) - 1, days - 1)
    severity = float(rng.uniform(*SIZES[kind]))
    if kind in DROPS_AND_JUMPS:
        factor = 1 + severity * int(rng.choice([-1, 1]))
        return Planted(kind, str(rng.choice(channels)) if kind == "channel" else "", first, last, severity, factor)
    if kind == "missing hours":
        start = int(rng.integers(0, 25 - int(severity)))
        return Planted(kind, "", first, last, severity, hours=tuple(range(start, start + int(severity))))
    if kind == "nulls":
        return Planted(kind, str(rng.choice(NULL_COLUMNS)), first, last, severity)
    return Planted(kind, "", first, last, 1.0 if rng.random() < ALL_TRACKING_LOST else severity)


def _is_too_close(one: Planted, other: Planted) -> bool:
    is_near = one.first <= other.last + APART_DAYS and one.last >= other.first - APART_DAYS
    is_alike = (one.kind, one.segment) == (other.kind, other.segment) or {one.kind, other.kind} == HIDING
    return is_near and is_alike
