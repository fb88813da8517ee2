"""The checks of churn_features: each returns one row a day with what was observed and what was expected."""

from __future__ import annotations

import polars as pl

from puffy_platform.settings import Settings
from puffy_platform.table import DayRange, Inputs, count_broken
from puffy_platform.tables.churn_features.features import counted_orders

__all__ = ["measure_every_buyer", "measure_monetary", "measure_windows_nest"]


def measure_monetary(frame: pl.DataFrame, inputs: Inputs, days: DayRange, settings: Settings) -> pl.DataFrame:
    """Do the customers' totals add up to the counted revenue to date?"""
    revenue = counted_orders(inputs).group_by("day").agg(gained=pl.col("revenue_cents").sum())
    return _against_orders_to_date(frame, days, pl.col("monetary_cents").sum(), revenue, "{} cents")


def measure_every_buyer(frame: pl.DataFrame, inputs: Inputs, days: DayRange, settings: Settings) -> pl.DataFrame:
    """Is there a row for each customer with an order to date?"""
    firsts = counted_orders(inputs).group_by("customer_id").agg(pl.col("day").min())
    new = firsts.group_by("day").agg(gained=pl.len().cast(pl.Int64))
    rows = pl.col("customer_id").n_unique().cast(pl.Int64)
    return _against_orders_to_date(frame, days, rows, new, "{} customers")


def measure_windows_nest(frame: pl.DataFrame, inputs: Inputs, days: DayRange, settings: Settings) -> pl.DataFrame:
    """Is no shorter window's total above a longer one's?"""
    nested = pl.all_horizontal(
        pl.col(f"{name}_{short}d") <= pl.col(f"{name}_{long}d")
        for name in ("sessions", "active_days")
        for short, long in ((7, 30), (30, 90))
    )
    return count_broken(frame, ~nested, "{} customers with more in a shorter window", "none")


def _against_orders_to_date(
    frame: pl.DataFrame, days: DayRange, held: pl.Expr, gained: pl.LazyFrame, words: str
) -> pl.DataFrame:
    """One row for each of the days that has rows, or should have after the first order: the rows' aggregate against
    the running total of what was `gained` a day."""
    to_date = gained.sort("day").select("day", expected=pl.col("gained").cum_sum())
    return (
        days.frame()
        .join(frame.lazy().group_by("day").agg(held=held), on="day", how="left", maintain_order="left")
        .join_asof(to_date, on="day")
        .filter(pl.col("held").is_not_null() | pl.col("expected").is_not_null())
        .with_columns(pl.col("held", "expected").fill_null(0))
        .select(
            "day",
            passed=pl.col("held") == pl.col("expected"),
            observed=pl.format(words, "held"),
            expected=pl.format(words + " of counted orders to date", "expected"),
        )
        .collect()
    )
