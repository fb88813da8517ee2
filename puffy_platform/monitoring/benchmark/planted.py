"""Incidents that are planted into simulated shops: kinds, sizes, when, and which metrics they move. The truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["KINDS", "Planted", "plant"]

# Kind of incident -> how often, relative to the others. Half of all are drops and jumps of business numbers.
KINDS = {
    "traffic": 1,
    "channel": 1,
    "conversion": 1,
    "order value": 1,
    "lost tracking": 2,
    "missing hours": 2,
    "nulls": 2,
}
DROPS_AND_JUMPS = ("traffic", "channel", "conversion", "order value")
DROP_OR_JUMP = (0.25, 0.70)
SIZES = {
    **dict.fromkeys(DROPS_AND_JUMPS, DROP_OR_JUMP),
    "lost tracking": (0.25, 0.70),  # of the visits with a source; half of the time all of them
    "missing hours": (2.0, 9.0),
    "nulls": (0.05, 0.50),  # of the column's values
}
# How many days an incident lasts, and how often.
LASTS = {1: 0.5, 2: 0.25, 3: 0.15, 5: 0.1}
# Two incidents of one kind (and segment) closer than this would be one to anybody who looks.
APART_DAYS = 4
# Nothing can be said about one channel while the sources of all are lost.
HIDING = {"channel", "lost tracking"}
# Only channels that matter can have an incident of their own.
LEAST_CHANNEL_SHARE = 0.08
NULL_COLUMNS = ("raw_events.client_id", "raw_events.user_agent")


@dataclass(frozen=True)
class Planted:
    """One incident: days first..last, both included; `factor` multiplies what it hits (drops < 1 < jumps)."""

    kind: str
    segment: str
    first: int
    last: int
    severity: float
    factor: float
    hours: tuple[int, ...] = ()

    @property
    def direction(self) -> str:
        return {True: "drop", False: "jump"}[self.factor < 1] if self.kind in DROPS_AND_JUMPS else ""

    def moves(self, metric: str, segment: str) -> bool:
        """Whether a message about this metric speaks of this incident."""
        total = {"events", "sessions", "clients", "orders", "revenue", "landed_rows"}
        if self.kind == "traffic":
            return metric in total or metric == "channel_revenue"
        if self.kind == "channel":
            return metric in ("channel_share", "channel_revenue") and segment == self.segment
        if self.kind == "conversion":
            return metric in (
                "orders",
                "revenue",
                "conversion_rate",
                "checkout_completion",
                "channel_revenue",
            ) or (metric, segment) == ("event_share", "checkout_completed")
        if self.kind == "order value":
            return metric in ("capped_order_value", "revenue", "channel_revenue")
        if self.kind == "lost tracking":
            return metric in ("channel_share", "channel_revenue") or (metric, segment) == (
                "null_share",
                "raw_events.referrer",
            )
        if self.kind == "missing hours":
            return metric in total or metric == "hour_events"
        return metric == "null_share" and segment == self.segment


def plant(
    rng: np.random.Generator, days: int, per_week: int, channels: Sequence[str], shares: Sequence[float]
) -> tuple[Planted, ...]:
    """`per_week` incidents begin in every week, on random days."""
    names, weights = list(KINDS), np.array(list(KINDS.values()))
    able = [channel for channel, share in zip(channels, shares, strict=True) if share >= LEAST_CHANNEL_SHARE]
    found: list[Planted] = []
    for week in range(days // 7):
        for _ in range(per_week):
            while True:
                kind = names[rng.choice(len(names), p=weights / weights.sum())]
                segment = {
                    "channel": lambda: str(rng.choice(able)),
                    "nulls": lambda: str(rng.choice(NULL_COLUMNS)),
                }.get(kind, lambda: "")()
                first = week * 7 + int(rng.integers(7))
                last = min(first + int(rng.choice(list(LASTS), p=list(LASTS.values()))) - 1, days - 1)
                if all(
                    ((each.kind, each.segment) != (kind, segment) and {each.kind, kind} != HIDING)
                    or first > each.last + APART_DAYS
                    or last < each.first - APART_DAYS
                    for each in found
                ):
                    break
            severity = 1.0 if kind == "lost tracking" and rng.random() < 0.5 else float(rng.uniform(*SIZES[kind]))
            factor = 1 + severity * (1 if rng.random() < 0.5 else -1) if kind in DROPS_AND_JUMPS else 1.0
            hours: tuple[int, ...] = ()
            if kind == "missing hours":
                start = int(rng.integers(0, 24 - int(severity) + 1))
                hours = tuple(range(start, start + int(severity)))
            found.append(Planted(kind, segment, first, last, severity, factor, hours))
    return tuple(sorted(found, key=lambda each: (each.first, each.kind, each.segment)))
