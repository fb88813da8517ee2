"""Calibration on a holdout: what a model of the customers up to some day expected of the time after it, and what came.

Only BG/NBD is tried here; amounts scatter too much for a few weeks to tell anything.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from puffy_platform.methods.clv.bg_nbd import BgNbd, expected_purchases

__all__ = ["GROUPS", "Holdout", "calibrate"]

# Customers by purchases after the first before the holdout; the last group is open.
GROUPS = ("0", "1", "2", "3+")


@dataclass(frozen=True)
class Holdout:
    """`expected` and `actual` purchases of all customers in the holdout, and by group of GROUPS in `groups` (group,
    customers, expected, actual). `error` is the mean absolute error a customer; `rate_error` that of the baseline that
    everybody goes on at its own rate so far: the model must be below it to be worth anything.
    """

    days: int
    customers: int
    expected: float
    actual: int
    error: float
    rate_error: float
    groups: pl.DataFrame


def calibrate(model: BgNbd, customers: pl.DataFrame, days: int) -> Holdout:
    """`customers`: frequency, recency and T (in days) when the holdout begins, and `bought` in it."""
    frequency, recency, age = (customers[name].cast(pl.Float64).to_numpy() for name in ("frequency", "recency", "T"))
    bought = customers["bought"].cast(pl.Float64).to_numpy()
    expected = expected_purchases(model, float(days), frequency, recency, age)
    at_rate = np.where(age > 0, frequency / np.maximum(age, 1.0) * days, 0.0)
    group = (
        pl.when(pl.col("frequency") >= len(GROUPS) - 1)
        .then(pl.lit(GROUPS[-1]))
        .otherwise(pl.col("frequency").cast(pl.Int64).cast(pl.String))
    )
    groups = (
        customers.select(group.alias("group"), "bought")
        .with_columns(expected=pl.Series(expected))
        .group_by("group")
        .agg(customers=pl.len().cast(pl.Int64), expected=pl.col("expected").sum(), actual=pl.col("bought").sum())
        .with_columns(pl.col("actual").cast(pl.Int64))
        .sort("group")
    )
    return Holdout(
        days,
        customers.height,
        float(expected.sum()),
        int(bought.sum()),
        float(np.abs(expected - bought).mean()),
        float(np.abs(at_rate - bought).mean()),
        groups,
    )
