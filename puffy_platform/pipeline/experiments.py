"""Experiments over the stored tables: which there are, what they say on a day, and how a metric behaves without one."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from puffy_platform.ingest.assignments import Assignments, load_assignments
from puffy_platform.methods.experiments.moments import Moments, adjusted, estimate
from puffy_platform.methods.experiments.outcomes import METRICS, SUMS
from puffy_platform.methods.experiments.plan import Baseline
from puffy_platform.methods.experiments.reading import Reading, read_experiment, standard_design
from puffy_platform.pipeline.funnels import event_days
from puffy_platform.pipeline.platform import Platform
from puffy_platform.settings import Settings
from puffy_platform.table import DayRange, Inputs
from puffy_platform.tables.experiment_stats import TABLE, additions_of
from puffy_platform.warehouse import Ledger

__all__ = ["ExperimentError", "Read", "Usual", "experiments_in", "read_stored", "usual", "with_file"]


class ExperimentError(ValueError):
    """The experiment cannot be read or planned; the message says what is missing and what there is."""


@dataclass(frozen=True)
class Read:
    """A reading, and what one must know of its sources. `not_counted`: clients of the file, assigned by that day, that
    are not in the sums (crawlers, or days that the tables do not hold); `crossed`: clients that got another variant
    later; `is_stale`: the file or the settings have changed since the day was computed."""

    reading: Reading
    assignments: Assignments
    not_counted: int
    crossed: int
    is_stale: bool


@dataclass(frozen=True)
class Usual:
    """A metric as it is, measured as if an experiment with one variant had begun on the first of these days and been
    read on the last, every client assigned with its first event in them."""

    days: DayRange
    clients: int
    baseline: Baseline
    variance_reduction: float

    @property
    def daily(self) -> float:
        return self.clients / len(self.days)


def with_file(settings: Settings, file: Path | None) -> Settings:
    """The settings with another file of assignments."""
    if file is None:
        return settings
    changed = settings.experiments.model_copy(update={"assignments_file": str(file.absolute())})
    return settings.model_copy(update={"experiments": changed})


def experiments_in(assignments: Assignments) -> list[str]:
    return assignments.rows["experiment"].unique().sort().to_list()


def read_stored(
    platform: Platform, name: str, day: dt.date | None = None, file: Path | None = None, *, covariate: bool = False
) -> Read:
    """The experiment at the end of a day (default: the last with events), from the table of daily sums, or, of another
    file than the settings', computed here. Raises ExperimentError."""
    settings = with_file(platform.settings, file)
    known = event_days(platform)
    assignments = load_assignments(settings)
    if assignments.mistake:
        raise ExperimentError(f"{settings.assignments.name}: {assignments.mistake}")
    names = experiments_in(assignments)
    if name not in names:
        there = f"there are: {', '.join(names)}" if names else f"there is none in {settings.assignments}"
        raise ExperimentError(f"no experiment {name!r}; {there}")
    if known is None:
        raise ExperimentError("there are no events yet: `puffy demo` or `puffy run` makes them")
    day = day or known.last
    own = assignments.rows.filter(experiment=name)
    rows = _stored(platform, name) if file is None else _computed(platform, settings, own, known)
    if rows.filter(pl.col("day") <= day).is_empty():
        first = _first_day(own)
        hint = "`puffy run` computes experiment_stats" if file is None else f"the tables hold {known}"
        raise ExperimentError(
            f"experiment {name!r} has no sums up to {day} (its first assignment is on {first}): {hint}"
        )
    design = settings.designs.get(name) or standard_design(own["variant"].unique().to_list())
    try:
        reading = read_experiment(rows, design, day, settings.experiments.outcome_days, covariate=covariate)
    except ValueError as error:
        raise ExperimentError(f"designs.{name}: {error}") from None
    by_day = own.filter(pl.col("assigned_at").dt.date() <= day).height
    crossed = assignments.crossed.filter(experiment=name)["clients"].sum()
    is_stale = file is None and _is_stale(platform, day)
    return Read(reading, assignments, by_day - sum(reading.clients.values()), int(crossed), is_stale)


def _stored(platform: Platform, name: str) -> pl.DataFrame:
    return platform.warehouse.read(TABLE).filter(experiment=name).sort("day").collect()


def _computed(platform: Platform, settings: Settings, own: pl.DataFrame, known: DayRange) -> pl.DataFrame:
    """The rows of one experiment, over all days with events from its first assignment on."""
    first = _first_day(own)
    days = DayRange(max(first, known.first), known.last) if first <= known.last else DayRange(first, first)
    return additions_of(own, _inputs(platform, settings, days), days, settings).collect().sort("day")


def _first_day(assigned: pl.DataFrame) -> dt.date:
    first = assigned["assigned_at"].dt.date().min()
    assert isinstance(first, dt.date)
    return first


def _inputs(platform: Platform, settings: Settings, days: DayRange) -> Inputs:
    """What the table experiment_stats reads for these days."""
    return {
        read.table: platform.warehouse.read(
            platform.tables[read.table], read.window(days, settings, days.first), read.columns
        )
        for read in TABLE.reads
    }


def _is_stale(platform: Platform, day: dt.date) -> bool:
    entry = Ledger(platform.warehouse).get(TABLE.name, day)
    return entry is None or entry.definition_hash != TABLE.definition_fingerprint(platform.settings)


def usual(platform: Platform, metric: str) -> Usual:
    """The metric over the last outcome_days with events, without any experiment. Raises ExperimentError."""
    if metric not in METRICS:
        raise ExperimentError(f"there is no metric {metric!r}; there are: {', '.join(METRICS)}")
    known = event_days(platform)
    if known is None:
        raise ExperimentError("there are no events yet: give --base, --daily and, of a mean, --deviation")
    settings = platform.settings
    lasting = settings.experiments.outcome_days
    days = DayRange(max(known.first, known.last - dt.timedelta(days=lasting - 1)), known.last)
    inputs = _inputs(platform, settings, days)
    entered = (
        inputs["events_enriched"]
        .filter(days.covers() & pl.col("client_id").is_not_null())
        .group_by("client_id")
        .agg(assigned_at=pl.col("event_ts").min())
        .select(pl.lit("usual").alias("experiment"), pl.lit("all").alias("variant"), "client_id", "assigned_at")
        .collect()
    )
    rows = additions_of(entered, inputs, days, settings).filter(metric=metric).collect()
    moments = Moments(*rows.select(pl.col(SUMS).cast(pl.Int128).sum()).row(0))
    found = estimate(moments)
    if not found.variance > 0:
        raise ExperimentError(f"{metric} does not vary over {days}: give --base, --daily and, of a mean, --deviation")
    explained = 1 - adjusted(moments, moments)[0].variance / found.variance
    deviation = (found.variance * moments.clients) ** 0.5
    return Usual(days, moments.clients, Baseline(METRICS[metric].kind, found.value, deviation), max(0.0, explained))
