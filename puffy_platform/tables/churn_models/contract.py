"""The columns of churn_models, with their meaning. How they are computed is in registry.py."""

from __future__ import annotations

from typing import Any

import pandera.polars as pa
import polars as pl

from puffy_platform.methods.churn.learners import BASELINES, LEARNERS
from puffy_platform.methods.churn.promotion import STATUSES

__all__ = ["ChurnModelsContract"]

CALIBRATION = pl.Struct(
    {
        "up_to": pl.Float64,
        "customers": pl.Int64,
        "expected": pl.Float64,
        "observed": pl.Float64,
        "low": pl.Float64,
        "high": pl.Float64,
    }
)
IMPORTANCE = pl.Struct({"feature": pl.String, "auc_drop": pl.Float64})
DRIFT = pl.Struct({"feature": pl.String, "psi": pl.Float64})


def _measured(text: str, **more: Any) -> Any:
    return pa.Field(nullable=True, description=text, **more)


class ChurnModelsContract(pa.DataFrameModel):
    """The registry as of a day: one row per version that may be in force, and the two baselines."""

    day: pl.Date = pa.Field(description="UTC date on which this holds.")
    version: str = pa.Field(description="As in churn_training, where its parameters are.")
    learner: str = pa.Field(isin=(*LEARNERS, *BASELINES), description="As in churn_training.")
    status: str = pa.Field(
        isin=STATUSES,
        description="promoted: in force; candidate: beats both baselines, but not the one in force; rejected: does "
        "not; baseline; not_enough_data.",
    )
    why: str = pa.Field(description="The reason in words; empty when promoted.")
    card: str = pa.Field(description="What it is, learned from, is good for and how good, in words.")
    decided_on: pl.Date = pa.Field(description="The retraining day up to this one: all versions were compared then.")
    trained_on: pl.Date = pa.Field(description="The retraining day of this version.")
    training_from: pl.Date = pa.Field(description="First day whose customers it learned from.")
    training_until: pl.Date = pa.Field(description="The last of these days.")
    training_customers: pl.Int64 = pa.Field(ge=0, description="Customers it learned from, by day.")
    training_churned: pl.Int64 = pa.Field(ge=0, description="Of these, who churned.")
    holdout_day: pl.Date = pa.Field(
        description="The customers of this day's end were predicted; later than all it knew."
    )
    holdout_customers: pl.Int64 = pa.Field(ge=0, description="Customers at risk then.")
    holdout_churned: pl.Int64 = pa.Field(ge=0, description="Of these, who churned, up to decided_on.")
    auc: pl.Float64 = _measured("Area under the ROC curve on the holdout; 0.5 is chance, 1 perfect.", ge=0, le=1)
    auc_low: pl.Float64 = _measured("Lower end of its 95 % interval (DeLong).")
    auc_high: pl.Float64 = _measured("Upper end of it.")
    gain_recency: pl.Float64 = _measured("AUC above that of recency alone.")
    gain_recency_low: pl.Float64 = _measured("Lower end of its 95 % interval; above 0 it is beaten.")
    gain_recency_high: pl.Float64 = _measured("Upper end of it.")
    gain_p_alive: pl.Float64 = _measured("AUC above that of P(alive) of BG/NBD.")
    gain_p_alive_low: pl.Float64 = _measured("Lower end of its 95 % interval; above 0 it is beaten.")
    gain_p_alive_high: pl.Float64 = _measured("Upper end of it.")
    brier: pl.Float64 = _measured("Mean squared error of the probabilities on the holdout.", ge=0, le=1)
    lift_top_decile: pl.Float64 = _measured("Churned in the tenth with the highest scores, over all.", ge=0)
    calibration_error: pl.Float64 = _measured("Mean distance of expected and observed shares by group.", ge=0, le=1)
    calibration: pl.List(CALIBRATION) = _measured(  # type: ignore[valid-type]
        "By tenth of the probabilities on the holdout: customers, expected and observed share with its 95 % interval."
    )
    importance: pl.List(IMPORTANCE) = _measured(  # type: ignore[valid-type]
        "Of the version in force: how much AUC is lost when a feature is shuffled, most first."
    )
    drift_customers: pl.Int64 = _measured("Of the version in force: customers at risk on the day.", ge=0)
    drift: pl.List(DRIFT) = _measured(  # type: ignore[valid-type]
        "Of the version in force: population stability index of each feature, these customers against those it learned "
        "from, highest first; null when they are too few."
    )
    parameters: str = _measured("Of the version in force: the model as a JSON object.")
    code_hash: str = pa.Field(description="As in churn_training.")
    settings_hash: str = pa.Field(description="As in churn_training.")
    data_hash: str = pa.Field(description="As in churn_training.")

    class Config:
        strict = True
