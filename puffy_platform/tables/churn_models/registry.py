"""How churn_models is computed: all versions that may be in force are measured on one holdout, and one is chosen.

The rule is in methods/churn/promotion.py; the words of the cards are in card.py.
"""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import numpy as np
import polars as pl

from puffy_platform.methods.churn.customers import FEATURES, at_risk, labelled, on_days
from puffy_platform.methods.churn.drift import drift
from puffy_platform.methods.churn.learners import BASELINES, LEARNERS, apply
from puffy_platform.methods.churn.measures import (
    Bools,
    Estimate,
    Floats,
    auc,
    auc_gain,
    brier,
    calibration,
    calibration_error,
    lift_in_top_decile,
)
from puffy_platform.methods.churn.promotion import decide
from puffy_platform.settings import Settings
from puffy_platform.settings_model import Churn
from puffy_platform.table import DayRange, Inputs
from puffy_platform.tables.churn_models.card import card
from puffy_platform.tables.churn_models.contract import ChurnModelsContract

__all__ = ["register"]

# So many customers of the holdout tell which features matter; more would only take longer.
IMPORTANCE_CUSTOMERS = 2_000
# Of training rows under the same name, and under another.
SAME = ("version", "learner", "code_hash", "settings_hash", "data_hash")
RENAMED = {
    "trained_on": "day",
    "training_from": "first_snapshot",
    "training_until": "last_snapshot",
    "training_customers": "customers",
    "training_churned": "churned",
}
Row = dict[str, Any]


def register(inputs: Inputs, days: DayRange, settings: Settings) -> pl.LazyFrame:
    """The registry of each day: decided once for each retraining, with the drift of the day."""
    churn = settings.churn
    trainings = inputs["churn_training"].collect()
    retrainings = {day: churn.retrained_on(day) for day in days}
    horizon = dt.timedelta(days=churn.horizon_days)
    held = [day for decided_on in set(retrainings.values()) for day in (decided_on - horizon, decided_on)]
    features = on_days(inputs["churn_features"], held)
    decided = {day: _decided(features, trainings, day, churn) for day in sorted(set(retrainings.values()))}
    references = {row["version"]: row["reference"] for row in trainings.to_dicts()}
    rows = [{"day": day} | row for day in days for row in decided[retrainings[day]]]
    promoted = [row for row in rows if row["status"] == "promoted"]
    customers = on_days(inputs["churn_features"], [row["day"] for row in promoted]) if promoted else features
    for row in promoted:
        row |= _drift(customers.filter(day=row["day"]), references[row["version"]], churn)
    schema = {name: column.dtype.type for name, column in ChurnModelsContract.to_schema().columns.items()}
    return pl.LazyFrame(rows, schema=schema)


def _decided(features: pl.DataFrame, trainings: pl.DataFrame, decided_on: dt.date, churn: Churn) -> list[Row]:
    """The rows that a retraining leads to, without day and drift."""
    oldest = decided_on - dt.timedelta(days=(churn.keep_retrainings - 1) * churn.retrain_every_days)
    order = pl.col("learner").replace_strict({name: place for place, name in enumerate((*LEARNERS, *BASELINES))})
    trained = (
        trainings.filter(pl.col("day").is_between(oldest, decided_on))
        .filter(pl.col("learner").is_in(LEARNERS) | (pl.col("day") == decided_on))
        .sort("day", order)
        .to_dicts()
    )
    if not trained:
        return []
    holdout_day = decided_on - dt.timedelta(days=churn.horizon_days)
    holdout = labelled(features, [holdout_day], churn)
    churned = holdout["churned"].to_numpy()
    known: Row = {"decided_on": decided_on, "holdout_day": holdout_day}
    known |= {"holdout_customers": holdout.height, "holdout_churned": int(churned.sum())}
    rows = [
        known | {name: row[name] for name in SAME} | {mine: row[theirs] for mine, theirs in RENAMED.items()}
        for row in trained
    ]
    _judge(rows, trained, holdout, churned, churn)
    for row in rows:
        row["card"] = card(row, churn)
    return rows


def _judge(rows: list[Row], trained: list[Row], holdout: pl.DataFrame, churned: Bools, churn: Churn) -> None:
    """Add status, reason and measures to the rows of these trainings."""
    came = len(churned) - int(churned.sum())
    too_few = (
        f"of the holdout's customers {int(churned.sum())} churned and {came} did not; at least {churn.min_each} of "
        "both are needed"
        if min(len(churned) - came, came) < churn.min_each
        else ""
    )
    models = {
        row["version"]: json.loads(row["parameters"]) for row in trained if row["status"] == "trained" and not too_few
    }
    found = {version: apply(model, holdout) for version, model in models.items()}
    baselines = {row["learner"]: row for row in trained if row["learner"] in BASELINES}
    theirs = {name: found[row["version"]] for name, row in baselines.items() if row["version"] in found}
    missing = {name: row["why"] for name, row in baselines.items() if row["version"] not in found}
    versions = {
        row["version"]: found[row["version"]]
        for row in trained
        if row["learner"] in LEARNERS and row["version"] in found
    }
    verdicts = decide(versions, theirs, missing, churned) if versions else {}
    for row, training in zip(rows, trained, strict=True):
        version = row["version"]
        if version in verdicts:
            row |= {"status": verdicts[version].status, "why": verdicts[version].why}
        elif row["learner"] in BASELINES and training["status"] != "not_enough_data" and not too_few:
            row |= {"status": "baseline", "why": training["why"]}
        else:
            row |= {"status": "not_enough_data", "why": training["why"] or too_few}
        if version in found:
            row |= _measures(found[version], theirs, churned)
        if row["status"] == "promoted":
            row["importance"] = _importance(models[version], holdout, churned)
            row["parameters"] = training["parameters"]


def _measures(mine: Floats, baselines: dict[str, Floats], churned: Bools) -> Row:
    groups = calibration(mine, churned)
    row: Row = _estimate("auc", auc(mine, churned))
    for name, theirs in baselines.items():
        if mine is not theirs:
            row |= _estimate(f"gain_{name}", auc_gain(mine, theirs, churned))
    return row | {
        "brier": brier(mine, churned),
        "lift_top_decile": lift_in_top_decile(mine, churned),
        "calibration_error": calibration_error(groups),
        "calibration": groups.to_dicts(),
    }


def _estimate(name: str, found: Estimate) -> Row:
    return {name: found.value, f"{name}_low": found.low, f"{name}_high": found.high}


def _importance(model: Row, holdout: pl.DataFrame, churned: Bools) -> list[Row]:
    """AUC lost when a feature is shuffled over customers (Breiman 2001, Machine Learning 45), always the same way."""
    random = np.random.default_rng(0)
    chosen = np.sort(random.permutation(holdout.height)[:IMPORTANCE_CUSTOMERS])
    shuffled = random.permutation(len(chosen))
    some, who = holdout[chosen], churned[chosen]
    if min(who.sum(), (~who).sum()) < 2:
        return []
    whole = auc(apply(model, some), who).value
    found = [
        {
            "feature": name,
            "auc_drop": whole - auc(apply(model, some.with_columns(some[name].gather(shuffled))), who).value,
        }
        for name in FEATURES
    ]
    return sorted(found, key=lambda each: (-float(str(each["auc_drop"])), str(each["feature"])))


def _drift(everybody: pl.DataFrame, reference: list[Row], churn: Churn) -> Row:
    customers = everybody.filter(at_risk(churn))
    if customers.height < churn.min_each:
        return {"drift_customers": customers.height}
    moved = sorted(drift(reference, customers).items(), key=lambda each: (-each[1], each[0]))
    return {
        "drift_customers": customers.height,
        "drift": [{"feature": feature, "psi": value} for feature, value in moved],
    }
