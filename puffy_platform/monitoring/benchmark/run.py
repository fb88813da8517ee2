"""Runs the benchmark: shops of several sizes and numbers of incidents, each judged by the detector and the baselines.

The seeds that are reported are not those the detector was tuned on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import product

from puffy_platform.monitoring.benchmark.baselines import BASELINES
from puffy_platform.monitoring.benchmark.score import Score, detected, score
from puffy_platform.monitoring.benchmark.shops import SimulatedShop, simulate
from puffy_platform.monitoring.detect import judge
from puffy_platform.settings_model import Monitoring

__all__ = ["DETECTOR", "ORDERS_A_DAY", "PER_WEEK", "REPORTED_SEED", "TUNED_SEEDS", "AlertBenchmark", "run"]

ORDERS_A_DAY = (20, 200, 5_000)
PER_WEEK = (1, 2, 4)
# Thresholds were chosen on shops of these seeds; what is reported comes from others.
TUNED_SEEDS = range(101, 105)
REPORTED_SEED = 5_001
DETECTOR = "puffy"


@dataclass
class AlertBenchmark:
    """Scores added up over seeds: `whole` by (method, incidents a week, orders a day), `by_kind` of the detector by
    (kind, orders a day), and what its untrue messages said: (key of the incident, orders a day) -> how often."""

    seeds: tuple[int, ...]
    whole: dict[tuple[str, int, int], Score] = field(default_factory=dict)
    by_kind: dict[tuple[str, int], Score] = field(default_factory=dict)
    untrue: Counter[tuple[str, int]] = field(default_factory=Counter)

    def of(self, method: str, per_week: int | None = None) -> Score:
        """The score of a method over all sizes."""
        chosen = (score for (name, rate, _), score in self.whole.items() if name == method)
        if per_week is not None:
            chosen = (score for (name, rate, _), score in self.whole.items() if (name, rate) == (method, per_week))
        return sum(chosen, Score())


def run(
    seeds: Iterable[int],
    rules: Monitoring,
    orders_a_day: Iterable[int] = ORDERS_A_DAY,
    per_week: Iterable[int] = PER_WEEK,
    told: Callable[[int, int], None] = lambda done, of: None,
) -> AlertBenchmark:
    """One shop for every seed, size and number of incidents; `told` hears how many are done. The same arguments
    give the same result."""
    result = AlertBenchmark(tuple(seeds))
    plan = list(product(result.seeds, per_week, orders_a_day))
    for done, shop in enumerate(_shops(plan), start=1):
        _add(result, shop, rules)
        told(done, len(plan))
    return result


def _shops(plan: list[tuple[int, int, int]]) -> Iterator[SimulatedShop]:
    for seed, rate, size in plan:
        yield simulate(size, rate, seed)


def _add(result: AlertBenchmark, shop: SimulatedShop, rules: Monitoring) -> None:
    judgement = judge(shop.panel, rules)
    size, rate = shop.orders_per_day, shop.incidents_per_week
    for method, messages in {DETECTOR: detected, **BASELINES}.items():
        found = score(shop, messages(shop, judgement))
        key = (method, rate, size)
        result.whole[key] = result.whole.get(key, Score()) + found.whole
        if method == DETECTOR:
            for kind, part in found.by_kind.items():
                result.by_kind[kind, size] = result.by_kind.get((kind, size), Score()) + part
            result.untrue.update((message.key, size) for message in found.untrue)
