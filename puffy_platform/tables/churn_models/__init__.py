"""churn_models: the registry of churn models as of each day, which is in force, how good it is, and how its customers
drift.

Here the table is put together; columns are in contract.py, computation in registry.py, words in card.py, checks in
checks.py.
"""

from puffy_platform.methods.churn.customers import COLUMNS
from puffy_platform.settings import Settings
from puffy_platform.table import Check, Reads, Table
from puffy_platform.tables.churn_models.checks import measure_calibration, measure_drift, measure_in_force
from puffy_platform.tables.churn_models.contract import ChurnModelsContract
from puffy_platform.tables.churn_models.registry import register

__all__ = ["TABLE", "ChurnModelsContract"]


def _retraining_days(settings: Settings) -> int:
    """Back to the oldest retraining whose versions may be in force."""
    churn = settings.churn
    return churn.keep_retrainings * churn.retrain_every_days - 1


def _holdout_days(settings: Settings) -> int:
    """Back to the customers on whom the last retraining was measured."""
    return settings.churn.retrain_every_days - 1 + settings.churn.horizon_days


TABLE = Table(
    name="churn_models",
    description=(
        "The registry of churn models as of each day: versions with data window, hashes, card and measures on a "
        "holdout against recency alone and P(alive), which one is in force, and how far the day's customers "
        "have drifted."
    ),
    owner="team:marketing",
    group="customers",
    contract=ChurnModelsContract,
    key=("day", "version"),
    reads=(
        Reads("churn_training", before=_retraining_days),
        Reads("churn_features", before=_holdout_days, columns=COLUMNS, sparse=True),
    ),
    transform=register,
    settings_sections=("churn",),
    checks=(
        Check(
            "better_is_in_force",
            "At most one version is in force, and it is clearly better than both baselines.",
            measure_in_force,
        ),
        Check(
            "features_are_stable",
            "No feature of the day's customers is far from what the model in force has seen (PSI).",
            measure_drift,
            "warn",
        ),
        Check(
            "is_calibrated",
            "In the holdout about as many churned as the model in force expected.",
            measure_calibration,
            "warn",
        ),
    ),
    sort=("trained_on", "learner"),
    lineage={
        "version": (("churn_training", "version"),),
        "parameters": (("churn_training", "parameters"),),
        "auc": (("churn_training", "parameters"), ("churn_features", "recency_days")),
        "drift": (("churn_training", "reference"), *(("churn_features", name) for name in COLUMNS[2:])),
    },
)
