"""The checks of churn_models: each returns one row a day with what was observed and what was expected."""

from __future__ import annotations

import polars as pl

from puffy_platform.settings import Settings
from puffy_platform.table import DayRange, Inputs

__all__ = ["measure_calibration", "measure_drift", "measure_in_force"]

# Expected and observed shares further apart than this, on average over customers, are no probabilities.
MAX_CALIBRATION_ERROR = 0.1
NAMED = 3


def measure_in_force(frame: pl.DataFrame, inputs: Inputs, days: DayRange, settings: Settings) -> pl.DataFrame:
    """Is at most one version in force, the only one with parameters, and clearly better than both baselines?"""
    is_promoted = pl.col("status") == "promoted"
    is_sound = (pl.col("gain_recency_low") > 0) & (pl.col("gain_p_alive_low") > 0) & pl.col("parameters").is_not_null()
    wrong = (is_promoted & ~is_sound.fill_null(False)) | (~is_promoted & pl.col("parameters").is_not_null())
    return (
        frame.group_by("day")
        .agg(promoted=is_promoted.sum(), wrong=wrong.sum())
        .select(
            "day",
            passed=(pl.col("promoted") <= 1) & (pl.col("wrong") == 0),
            observed=pl.format("{} in force, {} that should not be", "promoted", "wrong"),
            expected=pl.lit("at most one, better than both baselines"),
        )
    )


def measure_drift(frame: pl.DataFrame, inputs: Inputs, days: DayRange, settings: Settings) -> pl.DataFrame:
    """Are the customers of the day those the model in force has seen, by every feature's stability index?"""
    limit = settings.churn.max_psi
    moved = (
        frame.filter(pl.col("drift").is_not_null())
        .select("day", "drift")
        .explode("drift", empty_as_null=True, keep_nulls=True)
        .unnest("drift")
        .sort("day", "psi", "feature", descending=[False, True, False])
    )
    return moved.group_by("day").agg(
        passed=(pl.col("psi") <= limit).all(),
        observed=pl.format("{} {}", "feature", pl.col("psi").round(2)).head(NAMED).str.join(", "),
        expected=pl.lit(f"no index above {limit:g}"),
    )


def measure_calibration(frame: pl.DataFrame, inputs: Inputs, days: DayRange, settings: Settings) -> pl.DataFrame:
    """Did about as many churn in the holdout as the model in force expected, in every group of it?"""
    return frame.filter(pl.col("status") == "promoted").select(
        "day",
        passed=pl.col("calibration_error") <= MAX_CALIBRATION_ERROR,
        observed=pl.format("{} apart", pl.col("calibration_error").round(3)),
        expected=pl.lit(f"at most {MAX_CALIBRATION_ERROR:g}"),
    )
