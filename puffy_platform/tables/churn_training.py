"""The churn models as they were trained: on each retraining day both learners and both baselines, or why not.

Contract, transform and checks. Learners are in methods/churn/learners.py; which of them is used is in churn_models.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from typing import Any

import pandera.polars as pa
import polars as pl

from puffy_platform.methods.churn.customers import COLUMNS, at_risk, labelled, on_days
from puffy_platform.methods.churn.drift import reference
from puffy_platform.methods.churn.learners import BASELINES, LEARNERS, CannotFit, code_hash, fit
from puffy_platform.settings import Settings
from puffy_platform.settings_model import Churn
from puffy_platform.table import Check, DayRange, Inputs, Reads, Table

__all__ = ["STATUSES", "TABLE", "training_days"]

STATUSES = ("trained", "cannot_fit", "not_enough_data")
REFERENCE = pl.Struct({"feature": pl.String, "up_to": pl.List(pl.Float64), "customers": pl.List(pl.Int64)})


class ChurnTrainingContract(pa.DataFrameModel):
    """One row per retraining day and learner; no rows on other days, nor on days before the first customer."""

    day: pl.Date = pa.Field(description="The retraining: UTC date up to whose end everything was known.")
    learner: str = pa.Field(
        isin=(*LEARNERS, *BASELINES),
        description="logistic, gradient_boosting (models); recency, p_alive (baselines).",
    )
    version: str = pa.Field(
        description="Learner, retraining day, and a hash of the learner, the customers learned from, code and settings."
    )
    status: str = pa.Field(isin=STATUSES, description="trained; cannot_fit; not_enough_data.")
    why: str = pa.Field(description="The reason in words; empty when trained.")
    first_snapshot: pl.Date = pa.Field(description="First day whose customers it learned from, as known at its end.")
    last_snapshot: pl.Date = pa.Field(description="The last of these days.")
    snapshots: pl.Int64 = pa.Field(ge=1, description="How many days.")
    labels_until: pl.Date = pa.Field(description="Last day of which it knows who came; the holdout begins after it.")
    customers: pl.Int64 = pa.Field(ge=0, description="Customers at risk on these days; one on two days counts twice.")
    churned: pl.Int64 = pa.Field(ge=0, description="Of these, who did not come in the horizon.")
    data_hash: str = pa.Field(description="Of all it learned from.")
    code_hash: str = pa.Field(description="Of method, constants, features and library version.")
    settings_hash: str = pa.Field(description="Of the settings of [churn].")
    parameters: str = pa.Field(nullable=True, description="The model as a JSON object; null unless trained.")
    reference: pl.List(REFERENCE) = pa.Field(  # type: ignore[valid-type]
        nullable=True,
        description="By feature the training customers up to each border: what drift is measured against.",
    )

    class Config:
        strict = True


def training_days(retrained_on: dt.date, churn: Churn) -> list[dt.date]:
    """The snapshots that a retraining learns from: their labels end where the label of its holdout begins."""
    last = retrained_on - dt.timedelta(days=2 * churn.horizon_days)
    return [last - dt.timedelta(days=number * churn.retrain_every_days) for number in reversed(range(churn.snapshots))]


def transform(inputs: Inputs, days: DayRange, settings: Settings) -> pl.LazyFrame:
    """Train on every retraining day of the range."""
    horizon = dt.timedelta(days=settings.churn.horizon_days)
    retrainings = [day for day in days if settings.churn.retrained_on(day) == day]
    snapshots = [snapshot for day in retrainings for snapshot in training_days(day, settings.churn)]
    features = on_days(inputs["churn_features"], [*retrainings, *snapshots, *(day + horizon for day in snapshots)])
    # A day without customers, computed or not, is the same to every table that reads this one.
    there = set(features["day"])
    rows = [row for day in retrainings if day in there for row in _retrained(features, day, settings)]
    return pl.LazyFrame(rows, schema=TABLE.schema)


def _retrained(features: pl.DataFrame, day: dt.date, settings: Settings) -> list[dict[str, Any]]:
    churn = settings.churn
    snapshots = training_days(day, churn)
    customers = labelled(features, snapshots, churn)
    churned = int(customers["churned"].sum())
    came = customers.height - churned
    facts = {
        "day": day,
        "first_snapshot": snapshots[0],
        "last_snapshot": snapshots[-1],
        "snapshots": len(snapshots),
        "labels_until": snapshots[-1] + dt.timedelta(days=churn.horizon_days),
        "customers": customers.height,
        "churned": churned,
        "code_hash": code_hash(),
        "settings_hash": settings.fingerprint(("churn",)),
    }
    too_few = None
    everybody, known = pl.DataFrame(), None
    if min(churned, came) < churn.min_each:
        too_few = (
            f"of the customers of {snapshots[0]} to {snapshots[-1]} {churned} churned and {came} did not; at least "
            f"{churn.min_each} of both are needed"
        )
    else:
        everybody = features.filter(pl.col("day") == snapshots[-1]).select(COLUMNS).sort("customer_id")
        known = reference(customers)
    facts |= {"data_hash": _hash(customers, everybody), "reference": known}
    return [
        facts | _fitted(learner, customers, everybody, too_few, facts, settings) for learner in (*LEARNERS, *BASELINES)
    ]


def _fitted(
    learner: str,
    customers: pl.DataFrame,
    everybody: pl.DataFrame,
    too_few: str | None,
    facts: dict[str, Any],
    settings: Settings,
) -> dict[str, Any]:
    made_of = "|".join([learner, *(str(facts[name]) for name in ("day", "data_hash", "code_hash", "settings_hash"))])
    version = f"{learner}-{facts['day']}-{hashlib.sha256(made_of.encode()).hexdigest()[:8]}"
    row = {"learner": learner, "version": version, "parameters": None}
    if too_few:
        return row | {"status": "not_enough_data", "why": too_few}
    try:
        model = fit(learner, customers, customers["churned"].to_numpy(), everybody, settings.churn)
    except CannotFit as error:
        return row | {"status": "cannot_fit", "why": str(error)}
    return row | {"status": "trained", "why": "", "parameters": json.dumps(model, separators=(",", ":"))}


def _hash(*frames: pl.DataFrame) -> str:
    """Of the rows in their order, which is fixed. From the values as text: binary forms differ between versions."""
    digest = hashlib.sha256()
    for frame in frames:
        digest.update(frame.write_csv().encode())
    return digest.hexdigest()[:16]


def everybody_at_risk_is_in(frame: pl.DataFrame, inputs: Inputs, days: DayRange, settings: Settings) -> pl.DataFrame:
    """It learned from all customers at risk on its days whose horizon has been seen, each counted once a day."""
    churn = settings.churn
    wanted = [
        {"day": row["day"], "snapshot": snapshot}
        for row in frame.select("day").unique().to_dicts()
        for snapshot in training_days(row["day"], churn)
    ]
    asked = pl.DataFrame(wanted, schema={"day": pl.Date, "snapshot": pl.Date})
    horizon = dt.timedelta(days=churn.horizon_days)
    features = inputs["churn_features"]
    known = asked["snapshot"].unique().to_list()
    held = features.filter(pl.col("day").is_in([*known, *(day + horizon for day in known)]))
    is_seen = held.select("day").unique().collect()["day"].to_list()
    counts = held.filter(at_risk(churn)).group_by("day").agg(expected=pl.len().cast(pl.Int64)).collect()
    expected = (
        asked.filter((pl.col("snapshot") + horizon).is_in(is_seen))
        .join(counts, left_on="snapshot", right_on="day")
        .group_by("day")
        .agg(pl.col("expected").sum())
    )
    return (
        frame.group_by("day")
        .agg(customers=pl.col("customers").unique())
        .join(expected, on="day", how="left")
        .with_columns(pl.col("expected").fill_null(0), pl.col("customers").list.first())
        .select(
            "day",
            passed=pl.col("customers") == pl.col("expected"),
            observed=pl.format("{} customers", "customers"),
            expected=pl.format("{} customers at risk", "expected"),
        )
    )


TABLE = Table(
    name="churn_training",
    description=(
        "The churn models and their baselines as trained on each retraining day: parameters as plain numbers, what "
        "they learned from, and hashes of data, code and settings; or why not. churn_models says which is in force."
    ),
    owner="team:marketing",
    group="customers",
    contract=ChurnTrainingContract,
    key=("day", "learner"),
    reads=(Reads("churn_features", before=lambda settings: settings.churn.reach_days, columns=COLUMNS, sparse=True),),
    transform=transform,
    settings_sections=("churn",),
    checks=(
        Check(
            "everybody_at_risk_is_in",
            "It learned from all customers at risk on its days, each counted once a day.",
            everybody_at_risk_is_in,
        ),
    ),
    sort=("learner",),
    lineage={
        "parameters": tuple(("churn_features", name) for name in COLUMNS if name not in ("day", "customer_id")),
        "customers": (("churn_features", "customer_id"),),
        "churned": (("churn_features", "recency_days"),),
    },
)
