"""Experiment statistics: what each day adds to the sums from which any result of an experiment follows.

Contract, transform and checks. The sums are declared in methods/experiments/, the file of assignments is read by
ingest/assignments.py.
"""

from __future__ import annotations

import pandera.polars as pa
import polars as pl

from puffy_platform.ingest.assignments import load_assignments
from puffy_platform.methods.experiments.balance import MISMATCH_BELOW, sample_ratio_p
from puffy_platform.methods.experiments.moments import KINDS
from puffy_platform.methods.experiments.outcomes import METRICS, additions
from puffy_platform.settings import Settings
from puffy_platform.table import Check, DayRange, Inputs, Reads, Table

__all__ = ["TABLE", "additions_of"]

# Column of a deed -> the event that is one.
DEEDS = {
    "page_views": "page_viewed",
    "emails": "email_filled_on_popup",
    "carts": "product_added_to_cart",
    "checkouts": "checkout_started",
}


def _days_before(settings: Settings) -> int:
    return settings.experiments.outcome_days + settings.experiments.covariate_days


class ExperimentStatsContract(pa.DataFrameModel):
    """One row a day, experiment, variant and metric on which anything changed. All sums add up over days.

    The unit is the client: y is the metric, d what a ratio divides it by (else 1), x the covariate, the metric's y on
    the experiments.covariate_days before the assignment. Money is in minor units, its squares in their squares.
    """

    day: pl.Date = pa.Field(description="UTC date; sum all days up to one for the result on it.")
    experiment: str = pa.Field(description="Name of the experiment.")
    variant: str = pa.Field(description="The variant; of a client that got several, the first.")
    metric: str = pa.Field(isin=list(METRICS), description="Name of the metric.")
    kind: str = pa.Field(isin=KINDS, description="share (y is 0 or 1), mean, or ratio (sum of y by sum of d).")
    clients: pl.Int64 = pa.Field(ge=0, description="Clients that were assigned on the day.")
    y: pl.Int64 = pa.Field(description="What the day adds to the sum of y.")
    d: pl.Int64 = pa.Field(description="What it adds to the sum of d.")
    x: pl.Int64 = pa.Field(description="What it adds to the sum of x.")
    yy: pl.Int64 = pa.Field(description="What it adds to the sum of squares of y.")
    dd: pl.Int64 = pa.Field(description="What it adds to the sum of squares of d.")
    xx: pl.Int64 = pa.Field(description="What it adds to the sum of squares of x.")
    yd: pl.Int64 = pa.Field(description="What it adds to the sum of products of y and d.")
    yx: pl.Int64 = pa.Field(description="What it adds to the sum of products of y and x.")
    dx: pl.Int64 = pa.Field(description="What it adds to the sum of products of d and x.")

    class Config:
        strict = True


def transform(inputs: Inputs, days: DayRange, settings: Settings) -> pl.LazyFrame:
    """The additions of all experiments in the file of assignments."""
    return additions_of(load_assignments(settings).rows, inputs, days, settings)


def additions_of(assignments: pl.DataFrame, inputs: Inputs, days: DayRange, settings: Settings) -> pl.LazyFrame:
    """The rows of `days`: whoever's outcomes may fall on them, and what it did from its assignment on.

    `assignments` has the columns of ingest/assignments.ASSIGNED; `inputs` are those that the table reads for the days.
    """
    window = days.widen(before=settings.experiments.outcome_days)
    chosen = assignments.filter(window.covers(pl.col("assigned_at").dt.date()))
    assigned = _counted(chosen.lazy(), inputs, settings).collect()
    if assigned.is_empty():
        return TABLE.empty().lazy()
    clients = assigned.lazy().select("client_id").unique()
    human = pl.lit(settings.bots.include) | ~pl.col("is_bot")
    deeds = (
        inputs["events_enriched"]
        .filter(human & pl.col("event_name").is_in(list(DEEDS.values())))
        .join(clients, on="client_id", how="semi")
        .select(
            "client_id",
            pl.col("event_ts").alias("at"),
            *((pl.col("event_name") == event).cast(pl.Int64).alias(name) for name, event in DEEDS.items()),
            *(pl.lit(0, pl.Int64).alias(name) for name in ("orders", "revenue_cents")),
        )
    )
    orders = (
        inputs["conversions"]
        .filter("is_counted")
        .join(clients, on="client_id", how="semi")
        .select(
            "client_id",
            pl.col("converted_at").alias("at"),
            *(pl.lit(0, pl.Int64).alias(name) for name in DEEDS),
            pl.lit(1, pl.Int64).alias("orders"),
            "revenue_cents",
        )
    )
    lasting = settings.experiments
    added = additions(assigned.lazy(), pl.concat([deeds, orders]), lasting.outcome_days, lasting.covariate_days)
    return added.filter(days.covers())


def _counted(assignments: pl.LazyFrame, inputs: Inputs, settings: Settings) -> pl.LazyFrame:
    """Without the clients that were crawlers on the day of their assignment, unless those are included."""
    if settings.bots.include or assignments.limit(1).collect().is_empty():
        return assignments
    crawlers = inputs["events_enriched"].filter("is_bot").select("client_id", "day").unique()
    return (
        assignments.with_columns(day=pl.col("assigned_at").dt.date())
        .join(crawlers, on=["client_id", "day"], how="anti")
        .drop("day")
    )


def file_is_usable(frame: pl.DataFrame, inputs: Inputs, days: DayRange, settings: Settings) -> pl.DataFrame:
    """The file of assignments, if there is one, can be read and names its columns: else the day keeps what it had."""
    mistake = load_assignments(settings).mistake
    return _on_days_with_events(inputs).with_columns(
        passed=pl.lit(mistake is None) if settings.assignments.exists() else pl.lit(None, pl.Boolean),
        observed=pl.lit(mistake or "usable"),
        expected=pl.lit("a file with the columns client_id, experiment, variant, time"),
    )


def every_line_is_used(frame: pl.DataFrame, inputs: Inputs, days: DayRange, settings: Settings) -> pl.DataFrame:
    """No line of the file near the day's assignments had to be left out; those that had are named."""
    problems = load_assignments(settings).problems
    named = problems.with_columns(text=pl.format("line {}: {}", "line", "rule")).group_by("day").agg("text")
    return (
        _on_days_with_events(inputs)
        .join(named, on="day", how="left")
        .select(
            "day",
            passed=pl.lit(None, pl.Boolean) if not settings.assignments.exists() else pl.col("text").is_null(),
            observed=pl.when(pl.col("text").is_null())
            .then(pl.lit("0 lines"))
            .otherwise(
                pl.format("{} lines: {}", pl.col("text").list.len(), pl.col("text").list.head(5).list.join(", "))
            ),
            expected=pl.lit("0 lines left out"),
        )
    )


def everyone_assigned_enters(frame: pl.DataFrame, inputs: Inputs, days: DayRange, settings: Settings) -> pl.DataFrame:
    """As many clients enter each experiment on a day as were assigned on it, in every metric; crawlers apart."""
    assigned = (
        _counted(load_assignments(settings).rows.lazy(), inputs, settings)
        .group_by(pl.col("assigned_at").dt.date().alias("day"), "experiment")
        .agg(assigned=pl.len().cast(pl.Int64))
    )
    entered = frame.lazy().group_by("day", "experiment", "metric").agg(pl.col("clients").sum())
    return (
        entered.join(assigned, on=["day", "experiment"], how="left")
        .with_columns(pl.col("assigned").fill_null(0))
        .group_by("day")
        .agg(
            broken=(pl.col("clients") != pl.col("assigned")).sum(),
            metrics=pl.col("metric").n_unique(),
        )
        .select(
            "day",
            passed=(pl.col("broken") == 0) & (pl.col("metrics") == len(METRICS)),
            observed=pl.format("{} metrics, {} with other clients", "metrics", "broken"),
            expected=pl.lit(f"{len(METRICS)} metrics with the assigned clients"),
        )
        .collect()
    )


def sample_ratios(frame: pl.DataFrame, inputs: Inputs, days: DayRange, settings: Settings) -> pl.DataFrame:
    """The variants have the planned sizes over all assignments up to the day, in the experiments that still assign."""
    rows = load_assignments(settings).rows.with_columns(day=pl.col("assigned_at").dt.date())
    found = []
    for day, experiments in (
        frame.filter(pl.col("clients") > 0).group_by("day").agg(pl.col("experiment").unique()).iter_rows()
    ):
        ratios = {
            name: _ratio_p(rows.filter(pl.col("day") <= day, experiment=name), name, settings) for name in experiments
        }
        judged = {name: p for name, p in ratios.items() if p is not None}
        text = ", ".join(f"{name}: p = {p:.2g}" for name, p in sorted(judged.items()))
        found.append((day, all(p >= MISMATCH_BELOW for p in judged.values()) if judged else None, text))
    return pl.DataFrame(
        found, schema={"day": pl.Date, "passed": pl.Boolean, "observed": pl.String}, orient="row"
    ).with_columns(expected=pl.lit(f"p of at least {MISMATCH_BELOW} in every experiment"))


def _ratio_p(rows: pl.DataFrame, experiment: str, settings: Settings) -> float | None:
    clients = dict(rows.group_by("variant").agg(pl.len()).sort("variant").iter_rows())
    design = settings.designs.get(experiment)
    shares = design.planned_shares if design else dict.fromkeys(clients, 1.0)
    return sample_ratio_p({name: count for name, count in clients.items() if name in shares}, shares)


def _on_days_with_events(inputs: Inputs) -> pl.DataFrame:
    return inputs["events_enriched"].select("day").unique().collect()


TABLE = Table(
    name="experiment_stats",
    description=(
        "Experiments: what each day adds to the sums of clients, outcomes after their assignment, covariates from "
        "before it, their squares and products, by variant and metric. The sum of all days up to one is the result on "
        "it: `puffy experiment read`. Assignments come from the file experiments.assignments_file; no client is named."
    ),
    owner="team:analytics",
    group="marts",
    contract=ExperimentStatsContract,
    key=("day", "experiment", "variant", "metric"),
    reads=(
        Reads(
            "events_enriched",
            before=_days_before,
            columns=("day", "client_id", "event_ts", "event_name", "is_bot"),
        ),
        Reads(
            "conversions",
            before=_days_before,
            columns=("day", "client_id", "converted_at", "revenue_cents", "is_counted"),
        ),
    ),
    transform=transform,
    settings_sections=("experiments", "bots", "shop"),
    checks=(
        Check("file_is_usable", "The file of assignments can be read and names its columns.", file_is_usable),
        Check(
            "every_line_is_used",
            "No line of the file of assignments had to be left out.",
            every_line_is_used,
            severity="warn",
        ),
        Check(
            "everyone_assigned_enters",
            "In every metric as many clients enter on a day as were assigned on it.",
            everyone_assigned_enters,
        ),
        Check(
            "sample_ratios",
            f"The variants have the planned sizes (chi-square, p at least {MISMATCH_BELOW}).",
            sample_ratios,
            severity="warn",
        ),
    ),
    sort=("experiment", "variant", "metric"),
    lineage={
        "clients": (("events_enriched", "client_id"),),
        "y": (("events_enriched", "event_name"), ("conversions", "revenue_cents")),
        "x": (("events_enriched", "event_name"), ("conversions", "revenue_cents")),
    },
)
