"""Each customer's probability to churn as of each day, by the model in force, and how such scores did on the holdout.

Contract, transform and checks. The model comes from churn_models; how it is applied is in methods/churn/.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandera.polars as pa
import polars as pl

from puffy_platform.methods.churn.customers import COLUMNS, at_risk
from puffy_platform.methods.churn.learners import apply
from puffy_platform.settings import Settings
from puffy_platform.table import Check, DayRange, Inputs, Reads, Table, count_broken

__all__ = ["STATUSES", "TABLE"]

STATUSES = ("scored", "no_model")


class ChurnScoresContract(pa.DataFrameModel):
    """One row per customer at risk and day; who is lost already has none."""

    day: pl.Date = pa.Field(description="Only what was known at the end of this UTC date; the horizon begins after it.")
    customer_id: str = pa.Field(description="The customer: the hashed email.", metadata={"tags": ("pii", "identity")})
    status: str = pa.Field(isin=STATUSES, description="scored; no_model: none is in force, churn_models says why.")
    version: str = pa.Field(nullable=True, description="The model: a version of churn_models; null without one.")
    churn_probability: pl.Float64 = pa.Field(
        ge=0, le=1, nullable=True, description="Probability to do nothing of the kind in churn.horizon_days."
    )
    risk_group: pl.Int64 = pa.Field(
        ge=1,
        le=10,
        nullable=True,
        description="Tenth of the holdout with such probabilities; the last is most at risk.",
    )
    group_observed: pl.Float64 = pa.Field(
        ge=0, le=1, nullable=True, description="Share of that group that did churn in the holdout."
    )
    group_low: pl.Float64 = pa.Field(ge=0, le=1, nullable=True, description="Lower end of its 95 % interval.")
    group_high: pl.Float64 = pa.Field(ge=0, le=1, nullable=True, description="Upper end of it.")

    class Config:
        strict = True


def transform(inputs: Inputs, days: DayRange, settings: Settings) -> pl.LazyFrame:
    """Apply each version in force to the customers of its days."""
    promoted = inputs["churn_models"].filter(days.covers(), pl.col("status") == "promoted").collect()
    customers = inputs["churn_features"].filter(days.covers(), at_risk(settings.churn)).select(COLUMNS).collect()
    in_force = promoted.select("day", "version")
    parts = [_unscored(customers.join(in_force, on="day", how="anti"))]
    for (version,), rows in promoted.partition_by("version", as_dict=True).items():
        own = customers.join(rows.select("day"), on="day", how="semi")
        if own.height:
            parts.append(_scored(own, str(version), rows.row(0, named=True)))
    return pl.concat(parts).lazy()


def _unscored(customers: pl.DataFrame) -> pl.DataFrame:
    return customers.select(
        "day",
        "customer_id",
        status=pl.lit("no_model"),
        **{name: pl.lit(None, dtype) for name, dtype in TABLE.schema.items() if name not in _KNOWN},
    ).select(list(TABLE.schema))


_KNOWN = ("day", "customer_id", "status")


def _scored(customers: pl.DataFrame, version: str, model: dict[str, Any]) -> pl.DataFrame:
    probability = apply(json.loads(model["parameters"]), customers)
    groups = pl.DataFrame(model["calibration"])
    # Above all that the holdout had is its last group.
    place = np.minimum(np.searchsorted(groups["up_to"].to_numpy(), probability), groups.height - 1)
    found = groups.select("observed", "low", "high")[place.tolist()]
    return (
        customers.select("day", "customer_id", status=pl.lit("scored"), version=pl.lit(version))
        .with_columns(churn_probability=pl.Series(probability), risk_group=pl.Series(place, dtype=pl.Int64) + 1)
        .hstack(found.rename({"observed": "group_observed", "low": "group_low", "high": "group_high"}))
        .select(list(TABLE.schema))
    )


def everybody_at_risk_once(frame: pl.DataFrame, inputs: Inputs, days: DayRange, settings: Settings) -> pl.DataFrame:
    """The rows of a day are the customers at risk on it."""
    counts = inputs["churn_features"].filter(at_risk(settings.churn)).group_by("day").len("expected").collect()
    rows = frame.group_by("day").agg(held=pl.col("customer_id").n_unique())
    return (
        counts.join(rows, on="day", how="full", coalesce=True)
        .with_columns(pl.col("held", "expected").fill_null(0))
        .select(
            "day",
            passed=pl.col("held") == pl.col("expected"),
            observed=pl.format("{} customers", "held"),
            expected=pl.format("{} customers at risk", "expected"),
        )
    )


def scored_or_said_why(frame: pl.DataFrame, inputs: Inputs, days: DayRange, settings: Settings) -> pl.DataFrame:
    """With a model in force everybody has a probability, a group and the version; without one nobody has."""
    filled = pl.col("version", "churn_probability", "risk_group", "group_observed").is_not_null()
    promoted = inputs["churn_models"].filter(pl.col("status") == "promoted").select("day", in_force="version").collect()
    is_right = (
        pl.when(pl.col("in_force").is_null())
        .then(~pl.any_horizontal(filled))
        .otherwise(pl.all_horizontal(filled) & (pl.col("version") == pl.col("in_force")))
    )
    scored = frame.join(promoted, on="day", how="left")
    return count_broken(scored, ~is_right.fill_null(False), "{} customers scored by another model, or by none", "none")


TABLE = Table(
    name="churn_scores",
    description=(
        "Each customer at risk as of each day: the probability to churn by the model in force, its version, and what "
        "share of customers with such a score did churn in the holdout; without a model it says no_model."
    ),
    owner="team:marketing",
    group="customers",
    contract=ChurnScoresContract,
    key=("day", "customer_id"),
    reads=(
        Reads("churn_features", columns=COLUMNS),
        Reads("churn_models", columns=("day", "version", "status", "parameters", "calibration")),
    ),
    transform=transform,
    settings_sections=("churn",),
    checks=(
        Check("everybody_at_risk_once", "The rows of a day are the customers at risk on it.", everybody_at_risk_once),
        Check(
            "scored_or_said_why",
            "With a model in force everybody is scored by it; without one nobody is.",
            scored_or_said_why,
        ),
    ),
    sort=("customer_id",),
    lineage={
        "customer_id": (("churn_features", "customer_id"),),
        "version": (("churn_models", "version"),),
        "churn_probability": (
            ("churn_models", "parameters"),
            *(("churn_features", name) for name in COLUMNS if name not in ("day", "customer_id")),
        ),
        "group_observed": (("churn_models", "calibration"),),
    },
)
