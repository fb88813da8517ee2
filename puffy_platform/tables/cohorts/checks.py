"""The checks of cohorts: each returns one row a day with what was observed and what was expected."""

from __future__ import annotations

import polars as pl

from puffy_platform.settings import Settings
from puffy_platform.table import DayRange, Inputs, count_broken
from puffy_platform.tables.cohorts.cells import counted_orders
from puffy_platform.tables.cohorts.contract import MEASURED, PERIODS

__all__ = [
    "measure_active_within_size",
    "measure_customer_revenue",
    "measure_null_while_incomplete",
    "measure_units_agree",
]


def measure_active_within_size(frame: pl.DataFrame, inputs: Inputs, days: DayRange, settings: Settings) -> pl.DataFrame:
    is_broken = pl.col("active") > pl.col("cohort_size")
    return count_broken(frame, is_broken, "{} cells with more active than members", "none")


def measure_null_while_incomplete(
    frame: pl.DataFrame, inputs: Inputs, days: DayRange, settings: Settings
) -> pl.DataFrame:
    filled = pl.all_horizontal(pl.col(MEASURED).is_not_null())
    empty = pl.all_horizontal(pl.col(MEASURED).is_null())
    is_right = pl.when("is_complete").then(filled).otherwise(empty)
    return count_broken(frame, ~is_right, "{} cells filled too early or empty too late", "none")


def measure_units_agree(frame: pl.DataFrame, inputs: Inputs, days: DayRange, settings: Settings) -> pl.DataFrame:
    return (
        frame.group_by("day", "member", "unit")
        .agg(pl.col("cohort_size").sum())
        .group_by("day", "member")
        .agg(apart=pl.col("cohort_size").max() - pl.col("cohort_size").min(), units=pl.len())
        .group_by("day")
        .agg(pl.col("apart").max(), pl.col("units").min())
        .select(
            "day",
            passed=(pl.col("apart") == 0) & (pl.col("units") == len(PERIODS)),
            observed=pl.format("{} units, {} members apart at most", "units", "apart"),
            expected=pl.lit(f"{len(PERIODS)} units with the same number of members"),
        )
    )


def measure_customer_revenue(frame: pl.DataFrame, inputs: Inputs, days: DayRange, settings: Settings) -> pl.DataFrame:
    orders = counted_orders(inputs).filter(days.covers()).group_by("day").agg(expected=pl.col("revenue_cents").sum())
    held = (
        frame.lazy()
        .group_by("day")
        .agg(
            observed=pl.col("revenue_cents").filter((pl.col("member") == "customer") & (pl.col("unit") == "day")).sum()
        )
    )
    return (
        held.join(orders, on="day", how="full", coalesce=True)
        .with_columns(pl.col("expected", "observed").fill_null(0))
        .select(
            "day",
            passed=pl.col("observed") == pl.col("expected"),
            observed=pl.format("{} cents", "observed"),
            expected=pl.format("{} cents of counted conversions with a known customer", "expected"),
        )
        .collect()
    )
