"""The models and the baselines: fitted by scikit-learn (and BG/NBD), kept as plain numbers, applied by numpy alone.

A model is a JSON object that says everything: no pickle, nothing to be trusted, and scoring needs no scikit-learn. Who
they learn from is in customers.py, which of them is used in promotion.py.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import numpy as np
import polars as pl

from puffy_platform.methods.churn.customers import FEATURES, matrix, recency
from puffy_platform.methods.churn.measures import Bools, Floats
from puffy_platform.methods.clv.bg_nbd import BgNbd, fit_bg_nbd, p_alive
from puffy_platform.methods.clv.lifetime import MIN_REPEAT_CUSTOMERS
from puffy_platform.settings_model import Churn

__all__ = ["BASELINES", "LEARNERS", "CannotFit", "apply", "code_hash", "fit", "histories"]

# The challenger last: it comes into force only when it is better than what is simpler.
LEARNERS = ("logistic", "gradient_boosting")
BASELINES = ("recency", "p_alive")
# Raise it with every change of what is fitted here or of what models look at: it is part of every version.
METHOD = 1
LOGISTIC = {"C": 1.0, "max_iter": 1_000, "tol": 1e-8}
BOOSTING = {
    "learning_rate": 0.06,
    "max_iter": 100,
    "max_leaf_nodes": 8,
    "min_samples_leaf": 40,
    "l2_regularization": 1.0,
    "early_stopping": False,
    "random_state": 0,
}
LEAF = -1

Model = Mapping[str, Any]


class CannotFit(ValueError):
    """A learner found no model in these customers; the message says why."""


def code_hash() -> str:
    """Of all that a model depends on beside data and settings: the method, its constants, the features, the library."""
    parts = [METHOD, LOGISTIC, BOOSTING, {name: str(how) for name, how in FEATURES.items()}, version("scikit-learn")]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def fit(learner: str, customers: pl.DataFrame, churned: Bools, everybody: pl.DataFrame, churn: Churn) -> Model:
    """A model of `churned` by the features of `customers`.

    `everybody`: all customers of one day, also those not at risk, for BG/NBD. Raises CannotFit.
    """
    import sklearn.ensemble
    import sklearn.linear_model  # noqa: F401
    from threadpoolctl import threadpool_limits

    # Sums of several threads differ in their last bits, and boosting spins in them. Only libraries that are loaded by
    # now are limited, hence the imports.
    with threadpool_limits(1):
        return _fitted(learner, customers, churned, everybody, churn)


def _fitted(learner: str, customers: pl.DataFrame, churned: Bools, everybody: pl.DataFrame, churn: Churn) -> Model:
    if learner == "logistic":
        return {"learner": learner, **_logistic(matrix(customers), churned, list(FEATURES))}
    if learner == "gradient_boosting":
        return {"learner": learner, **_boosting(matrix(customers), churned)}
    if learner == "recency":
        return {"learner": learner, "column": recency(churn)} | _logistic(
            _column(customers, recency(churn)), churned, [recency(churn)]
        )
    if learner == "p_alive":
        purchases = _purchases(everybody)
        return {"learner": learner, "bg_nbd": purchases} | _logistic(_alive(purchases, customers), churned, ["p_alive"])
    raise ValueError(f"no learner is called {learner!r}")


def apply(model: Model, customers: pl.DataFrame) -> Floats:
    """The probability of each customer (with the columns of FEATURES) to churn."""
    from scipy.special import expit

    learner = model["learner"]
    if learner == "gradient_boosting":
        return _boosted(model, matrix(customers))
    numbers = matrix(customers)
    if learner == "recency":
        numbers = _column(customers, model["column"])
    if learner == "p_alive":
        numbers = _alive(model["bg_nbd"], customers)
    weights = np.array([feature["weight"] / feature["scale"] for feature in model["features"]])
    means = np.array([feature["mean"] for feature in model["features"]])
    found: Floats = expit((numbers - means) @ weights + model["intercept"])
    return found


def _logistic(numbers: Floats, churned: Bools, names: list[str]) -> dict[str, Any]:
    """Weights are those of standardised features, so their sizes can be compared."""
    from sklearn.linear_model import LogisticRegression

    means, scales = numbers.mean(axis=0), numbers.std(axis=0)
    scales = np.where(scales > 0, scales, 1.0)
    fitted = LogisticRegression(**LOGISTIC).fit((numbers - means) / scales, churned)
    columns = zip(names, means, scales, fitted.coef_[0], strict=True)
    return {
        "features": [
            {"name": name, "mean": _number(mean), "scale": _number(scale), "weight": _number(weight)}
            for name, mean, scale, weight in columns
        ],
        "intercept": _number(fitted.intercept_[0]),
    }


def _boosting(numbers: Floats, churned: Bools) -> dict[str, Any]:
    """HistGradientBoostingClassifier; of each tree the nodes: feature (-1: a leaf), threshold, left, right, value."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    fitted = HistGradientBoostingClassifier(**BOOSTING).fit(numbers, churned)
    trees = []
    for (tree,) in fitted._predictors:
        nodes = tree.nodes
        is_leaf = nodes["is_leaf"].astype(bool)
        trees.append(
            {
                "feature": np.where(is_leaf, LEAF, nodes["feature_idx"]).tolist(),
                "threshold": np.where(is_leaf, 0.0, nodes["num_threshold"]).tolist(),
                "left": nodes["left"].tolist(),
                "right": nodes["right"].tolist(),
                "value": [_number(value) for value in np.where(is_leaf, nodes["value"], 0.0)],
            }
        )
    return {
        "features": [{"name": name} for name in FEATURES],
        "intercept": _number(np.ravel(fitted._baseline_prediction)[0]),
        "trees": trees,
    }


def _boosted(model: Model, numbers: Floats) -> Floats:
    from scipy.special import expit

    everyone = np.arange(len(numbers))
    total = np.full(len(numbers), float(model["intercept"]))
    for tree in model["trees"]:
        feature, threshold, left, right, value = (
            np.asarray(tree[name]) for name in ("feature", "threshold", "left", "right", "value")
        )
        place = np.zeros(len(numbers), dtype=np.int64)
        while True:
            asked = feature[place]
            inside = asked != LEAF
            if not inside.any():
                break
            goes_left = numbers[everyone, asked] <= threshold[place]
            place = np.where(inside, np.where(goes_left, left[place], right[place]), place)
        total += value[place]
    found: Floats = expit(total)
    return found


def _column(customers: pl.DataFrame, name: str) -> Floats:
    return customers.select(FEATURES[name]).to_numpy()


def histories(customers: pl.DataFrame) -> pl.DataFrame:
    """Frequency, recency and T in the terms of BG/NBD; orders on the day of the first are one purchase with it."""
    recency = pl.col("tenure_days") - pl.col("recency_days")
    return customers.select(
        frequency=pl.when(recency > 0).then(pl.col("frequency") - 1).otherwise(0), recency=recency, T="tenure_days"
    )


def _purchases(everybody: pl.DataFrame) -> dict[str, float]:
    known = histories(everybody)
    repeat = int((known["frequency"] > 0).sum())
    if repeat < MIN_REPEAT_CUSTOMERS:
        raise CannotFit(f"{repeat} customers have bought again; BG/NBD needs {MIN_REPEAT_CUSTOMERS}")
    model, found = fit_bg_nbd(known)
    if not found.converged:
        raise CannotFit("the likelihood of BG/NBD has no maximum: the orders do not tell who has left")
    return {name: _number(value) for name, value in vars(model).items()}


def _alive(purchases: Mapping[str, float], customers: pl.DataFrame) -> Floats:
    columns = histories(customers).select(pl.all().cast(pl.Float64))
    found = p_alive(BgNbd(**purchases), *(columns[name].to_numpy() for name in ("frequency", "recency", "T")))
    return found[:, None]


def _number(value: Any) -> float:
    """To 10 digits: what comes after them is not known, and differs between machines."""
    return float(f"{float(value):.10g}")
