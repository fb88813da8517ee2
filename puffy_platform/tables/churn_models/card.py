"""The model card: what a version is, what it learned from, how good it is and what it is not for, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from puffy_platform.settings_model import Churn

__all__ = ["card"]

KINDS = {
    "logistic": "A logistic regression on the standardised columns of churn_features",
    "gradient_boosting": "A hundred boosted trees (HistGradientBoosting) on the columns of churn_features",
    "recency": "Baseline: a logistic regression on nothing but how long ago the last activity was",
    "p_alive": "Baseline: BG/NBD's chance to be still a customer, scaled by a logistic regression",
}
ACTIVITIES = {"order": "place no order", "visit": "make no visit"}


def card(row: Mapping[str, Any], churn: Churn) -> str:
    """Model card after Mitchell et al. (2019), as far as a row of churn_models knows it."""
    parts = [
        f"{KINDS[row['learner']]}. It tells which customers will {ACTIVITIES[churn.activity]} in the "
        f"{churn.horizon_days} days after a day, of those who did in the {churn.recent_days} days up to it.",
        f"It learned from {row['training_customers']:,} rows of customers as known on days between "
        f"{row['training_from']} and {row['training_until']}, of whom {_share(row, 'training')} churned.",
    ]
    if row.get("auc") is None:
        parts.append(f"It was not measured: {row['why']}.")
        return " ".join(parts)
    parts.append(
        f"Measured on {row['holdout_customers']:,} customers as known on {row['holdout_day']}, of whom "
        f"{_share(row, 'holdout')} churned: AUC {_interval(row, 'auc')}, Brier score {row['brier']:.4f}, lift in the "
        f"top decile {row['lift_top_decile']:.2f}, expected and observed shares {row['calibration_error']:.3f} apart."
    )
    for name, words in (("recency", "recency alone"), ("p_alive", "P(alive)")):
        if row.get(f"gain_{name}") is not None and row["learner"] not in ("recency", "p_alive"):
            parts.append(f"AUC above {words}: {_interval(row, f'gain_{name}')}.")
    parts.append(
        "It says who, not why: that contacting a customer changes anything takes an experiment. Not for customers "
        "without an order, not for other horizons."
    )
    return " ".join(parts)


def _share(row: Mapping[str, Any], part: str) -> str:
    customers = row[f"{part}_customers"]
    return f"{row[f'{part}_churned'] / customers:.0%}" if customers else "none"


def _interval(row: Mapping[str, Any], name: str) -> str:
    return f"{row[name]:.3f} ({row[f'{name}_low']:.3f} to {row[f'{name}_high']:.3f})"
