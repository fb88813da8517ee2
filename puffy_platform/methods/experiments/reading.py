"""An experiment read on a day: balance first, then every metric, then what may be concluded.

Pure: from the rows of the table experiment_stats (or `additions`) and the design.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import polars as pl

from puffy_platform.methods.experiments.balance import MISMATCH_BELOW, sample_ratio_p
from puffy_platform.methods.experiments.bayes import Belief, belief
from puffy_platform.methods.experiments.compare import Comparison, compare
from puffy_platform.methods.experiments.moments import Moments
from puffy_platform.methods.experiments.outcomes import METRICS, SUMS
from puffy_platform.methods.experiments.sequential import spending_bounds
from puffy_platform.settings_model import Design

__all__ = ["Look", "MetricReading", "Reading", "Verdict", "read_experiment", "standard_design"]

Verdict = Literal[
    "sample_ratio_mismatch", "not_enough_data", "no_plan", "better", "worse", "undecided", "no_difference"
]


@dataclass(frozen=True)
class MetricReading:
    """A treatment against control in one metric. `comparison` is None for want of data, and when the sample ratio is
    off; so are then `p_adjusted` (Benjamini and Hochberg 1995, over all metrics and treatments) and `belief`, which
    only shares have."""

    metric: str
    variant: str
    comparison: Comparison | None
    p_adjusted: float | None = None
    belief: Belief | None = None


@dataclass(frozen=True)
class Look:
    """The primary metric at the end of a day: the share of the planned client-days that was in, the bound for |z|, and
    z; None for want of data."""

    day: dt.date
    information: float
    bound: float
    z: float | None

    @property
    def crossed(self) -> bool:
        return self.z is not None and abs(self.z) >= self.bound


@dataclass(frozen=True)
class Reading:
    """`verdicts` by treatment, on the primary metric:

    - sample_ratio_mismatch: the variants do not have their planned sizes, nothing else may be read;
    - not_enough_data; no_plan: no number of clients was planned, so p is for those who look only once;
    - better, worse: |z| has crossed its bound at a look; undecided: not yet; no_difference: nor at the last one.
    """

    experiment: str
    first_day: dt.date
    day: dt.date
    design: Design
    clients: dict[str, int]
    sample_ratio_p: float | None
    metrics: tuple[MetricReading, ...]
    looks: dict[str, tuple[Look, ...]]
    verdicts: dict[str, Verdict]

    @property
    def is_mismatch(self) -> bool:
        return self.sample_ratio_p is not None and self.sample_ratio_p < MISMATCH_BELOW

    def metric(self, name: str, variant: str) -> MetricReading:
        return next(found for found in self.metrics if (found.metric, found.variant) == (name, variant))


def standard_design(variants: list[str]) -> Design:
    """Of an experiment without one: equal shares, no plan; control is the variant of that name, else the first."""
    ordered = sorted(variants, key=lambda name: (name != "control", name))
    return Design(variants=tuple(ordered))


def read_experiment(
    rows: pl.DataFrame, design: Design, day: dt.date, outcome_days: int, *, covariate: bool = False
) -> Reading:
    """The result at the end of a day: the sum of all days up to it. `rows` are those of one experiment, some on or
    before the day. With `covariate` metrics are adjusted by what clients did before (CUPED). Raises ValueError when
    the design lacks a variant or names no known metric.
    """
    if design.primary not in METRICS:
        raise ValueError(f"there is no metric {design.primary!r}; there are: {', '.join(METRICS)}")
    past = rows.filter(pl.col("day") <= day)
    moments = _moments(past)
    clients = {variant: moments[variant, design.primary].clients for variant in _variants(past)}
    p = sample_ratio_p(clients, design.planned_shares)
    is_mismatch = p is not None and p < MISMATCH_BELOW
    control, treatments = design.variants[0], design.variants[1:]
    # Of several treatments each gets its part of alpha: the chance of any wrong verdict stays alpha.
    alpha = design.alpha / len(treatments)
    metrics = () if is_mismatch else _metrics(moments, control, treatments, design.alpha, covariate)
    looks: dict[str, tuple[Look, ...]] = {}
    if design.clients and not is_mismatch:
        looks = {variant: _looks(past, design, variant, alpha, day, outcome_days, covariate) for variant in treatments}
    verdicts = {
        variant: _verdict(is_mismatch, design, variant, metrics, looks.get(variant, ())) for variant in treatments
    }
    first_day = past["day"].min()
    assert isinstance(first_day, dt.date)
    return Reading(
        experiment=past["experiment"][0],
        first_day=first_day,
        day=day,
        design=design,
        clients={variant: clients.get(variant, 0) for variant in design.variants},
        sample_ratio_p=p,
        metrics=metrics,
        looks=looks,
        verdicts=verdicts,
    )


def _variants(rows: pl.DataFrame) -> list[str]:
    return rows["variant"].unique().sort().to_list()


def _moments(rows: pl.DataFrame) -> dict[tuple[str, str], Moments]:
    """By variant and metric. Sums of squared cents over years may pass 64 bits: they are added in 128."""
    summed = rows.group_by("variant", "metric").agg(pl.col(SUMS).cast(pl.Int128).sum())
    return {(variant, metric): Moments(*sums) for variant, metric, *sums in summed.iter_rows()}


def _metrics(
    moments: Mapping[tuple[str, str], Moments],
    control: str,
    treatments: tuple[str, ...],
    alpha: float,
    covariate: bool,
) -> tuple[MetricReading, ...]:
    from scipy.stats import false_discovery_control

    found = []
    for name, metric in METRICS.items():
        for variant in treatments:
            both = [moments.get((each, name), Moments()) for each in (control, variant)]
            comparison = compare(both[0], both[1], metric.kind, alpha, covariate=covariate)
            believed = belief(both[0], both[1]) if comparison and metric.kind == "share" else None
            found.append(MetricReading(name, variant, comparison, belief=believed))
    p_values = [reading.comparison.p for reading in found if reading.comparison]
    adjusted = iter(false_discovery_control(p_values)) if p_values else iter(())
    return tuple(
        MetricReading(r.metric, r.variant, r.comparison, float(next(adjusted)) if r.comparison else None, r.belief)
        for r in found
    )


def _looks(
    rows: pl.DataFrame, design: Design, variant: str, alpha: float, day: dt.date, outcome_days: int, covariate: bool
) -> tuple[Look, ...]:
    """A look at the end of every day from the first on, whether or not somebody looked.

    Information is counted in client-days: a client brings one on each of its outcome_days days. That is in by the
    calendar, not by the results, it goes on while outcomes still come in after the last assignment, and it is whole
    when the last planned client's time is over.
    """
    kind = METRICS[design.primary].kind
    of_metric = rows.filter(metric=design.primary)
    entered = dict(of_metric.group_by("day").agg(pl.col("clients").sum()).iter_rows())
    first = min(entered)
    days = [first + dt.timedelta(days=number) for number in range((day - first).days + 1)]
    client_days = [
        sum(count * min(outcome_days, (now - then).days + 1) for then, count in entered.items() if then <= now)
        for now in days
    ]
    information = [found / (design.clients * outcome_days) for found in client_days]
    # When everybody's time is over nothing new comes in.
    known = [n for n, share in enumerate(information) if share > (information[n - 1] if n else 0)]
    bounds = spending_bounds([information[n] for n in known], alpha, design.spending)
    looks = []
    for n, bound in zip(known, bounds, strict=True):
        moments = _moments(of_metric.filter(pl.col("day") <= days[n]))
        both = [moments.get((each, design.primary), Moments()) for each in (design.variants[0], variant)]
        comparison = compare(both[0], both[1], kind, alpha, covariate=covariate)
        looks.append(Look(days[n], information[n], bound, comparison.z if comparison else None))
        if information[n] >= 1:
            break
    return tuple(looks)


def _verdict(
    is_mismatch: bool, design: Design, variant: str, metrics: tuple[MetricReading, ...], looks: tuple[Look, ...]
) -> Verdict:
    if is_mismatch:
        return "sample_ratio_mismatch"
    crossing = next((look for look in looks if look.crossed), None)
    if crossing is not None:
        assert crossing.z is not None
        return "better" if crossing.z > 0 else "worse"
    if not any(found.comparison for found in metrics if (found.metric, found.variant) == (design.primary, variant)):
        return "not_enough_data"
    if not design.clients:
        return "no_plan"
    return "no_difference" if looks and looks[-1].information >= 1 else "undecided"
