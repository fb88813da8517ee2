"""An incident of a day, and the day as the rules look at it: its metrics, of which each is claimed by one incident.

The rules themselves are in technical.py and commercial.py; their order is in causes.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

from puffy_platform.monitoring.detect import Judgement
from puffy_platform.monitoring.metrics import METRICS
from puffy_platform.monitoring.panel import Series

__all__ = ["Day", "Rule", "Suspicion", "percent", "side"]

# A second metric that must agree with the first, in standard deviations.
AGREES = 1.5
VOLUMES = ("events", "sessions", "clients", "orders", "revenue", "landed_rows", "channel_revenue", "table_rows")


@dataclass(frozen=True)
class Suspicion:
    """One incident of one day. `key` is the same on every day it lasts; `lead` says it best; `claims` are all of the
    day's metrics that it explains; `severity`: `fail` when money or data is in doubt, `warn` when something changed and
    nothing is lost. `is_posted`: worth a message; else a line in the daily digest."""

    key: str
    cause: str
    sentence: str
    lead: Series
    claims: tuple[Series, ...]
    money_at_stake_cents: int
    severity: str = "fail"
    is_posted: bool = True


@dataclass
class Day:
    """One day of a judgement, with the metrics that no incident has claimed yet."""

    judgement: Judgement
    day: int
    claimed: set[Series] = field(default_factory=set)

    def place(self, series: Series) -> int | None:
        return self.judgement.panel.place.get(series)

    def _at(self, values: np.ndarray, series: Series) -> float:
        place = self.place(series)
        return 0.0 if place is None else float(values[place, self.day])

    def evidence(self, series: Series) -> float:
        return self._at(self.judgement.evidence, series)

    def change(self, series: Series) -> float:
        return self._at(self.judgement.change, series)

    def unusual(self, series: Series) -> int:
        return int(self._at(self.judgement.unusual, series))

    def was_unusual(self, series: Series) -> int:
        place = self.place(series)
        return 0 if place is None or not self.day else int(self.judgement.unusual[place, self.day - 1])

    def observed(self, series: Series) -> float:
        return self._at(self.judgement.panel.amount, series)

    def expected(self, series: Series) -> float:
        found = self._at(self.judgement.expectation.distribution.expected, series)
        return 0.0 if np.isnan(found) else found

    def points(self, series: Series) -> float:
        """Distance from the expected share, 0 to 1."""
        basis = self._at(self.judgement.expectation.distribution.basis, series)
        return (self.observed(series) - self.expected(series)) / basis if basis > 0 else 0.0

    def share(self, series: Series) -> float:
        basis = self._at(self.judgement.expectation.distribution.basis, series)
        return self.observed(series) / basis if basis > 0 else 0.0

    def of(self, metric: str) -> Iterator[Series]:
        """The unusual, unclaimed series of a metric."""
        panel = self.judgement.panel
        for place in panel.of(metric):
            series = panel.series[place]
            if self.judgement.unusual[place, self.day] and series not in self.claimed:
                yield series

    def unclaimed(self, *metrics: str) -> tuple[Series, ...]:
        return tuple(series for metric in metrics for series in self.of(metric))

    def traffic(self) -> tuple[Series, int] | None:
        """The leading volume and its side, when events and sessions agree; None otherwise."""
        pair = (("events", ""), ("sessions", ""))
        if any(series in self.claimed or series not in self.judgement.panel.place for series in pair):
            return None
        lead = max(pair, key=lambda series: abs(self.evidence(series)))
        other = pair[0] if lead == pair[1] else pair[1]
        sign = self.unusual(lead)
        least = self.judgement.rules.effect_factor * METRICS[lead[0]].least_change
        agrees = sign * self.evidence(other) >= AGREES and abs(self.change(other)) >= least
        return (lead, sign) if sign and agrees else None

    def volumes(self, sign: int) -> tuple[Series, ...]:
        """Everything that grows with traffic and moved to this side."""
        return tuple(series for series in self.unclaimed(*VOLUMES) if self.unusual(series) == sign)

    @property
    def revenue(self) -> float:
        """Expected revenue of the whole day."""
        place = self.place(("revenue", ""))
        if place is None:
            return 0.0
        distribution = self.judgement.expectation.distribution
        expected, basis = distribution.expected[place, self.day], distribution.basis[place, self.day]
        return 0.0 if np.isnan(expected) or basis <= 0 else float(expected / basis)

    def suspect(
        self,
        key: str,
        cause: str,
        sentence: str,
        lead: Series,
        also: tuple[Series, ...] = (),
        *,
        share_of_revenue: float,
        severity: str = "fail",
        is_posted: bool = True,
    ) -> Suspicion:
        claims = tuple(dict.fromkeys((lead, *also)))
        self.claimed.update(claims)
        stake = round(self.revenue * min(abs(share_of_revenue), 1.0) * (1 if share_of_revenue else 0))
        return Suspicion(key, cause, sentence, lead, claims, stake, severity, is_posted)


Rule = Callable[[Day], Iterator[Suspicion]]


def side(sign: int) -> str:
    return "down" if sign < 0 else "up"


def percent(change: float) -> str:
    return f"{abs(change):.0%} {'lower' if change < 0 else 'higher'}"
