"""Runs of neighbouring rows: folded into one row each, or told from each row on, without grouping. What makes a run is
its caller's matter."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

__all__ = ["differs", "first_of_run", "fold_runs", "sum_so_far"]


def differs(*columns: str) -> pl.Expr:
    """Whether a row differs from the one above it in any of the columns; true for the first."""
    is_other = pl.any_horizontal(pl.col(name).ne_missing(pl.col(name).shift()) for name in columns)
    return is_other | (pl.int_range(pl.len()) == 0)


def first_of_run(value: pl.Expr, starts: pl.Expr) -> pl.Expr:
    """The value, without nulls, in the first row of a row's run; a run begins where `starts` is true."""
    return pl.when(starts).then(value).forward_fill()


def sum_so_far(value: pl.Expr, starts: pl.Expr) -> pl.Expr:
    """The sum of the values, integers without nulls, from the first row of the run to the row itself."""
    total = value.cum_sum()
    return total - first_of_run(total - value, starts)


def fold_runs(
    rows: pl.LazyFrame,
    starts: pl.Expr,
    *,
    first: Mapping[str, pl.Expr],
    last: Mapping[str, pl.Expr] | None = None,
    summed: Mapping[str, pl.Expr],
) -> pl.LazyFrame:
    """One row for each run of rows, in order: values of its first and its last row, and sums over all of it.

    A run begins where `starts` is true, as it must be in the first row. Sums (of integers without nulls) are those of
    all rows so far, less those at the run's start, which spares the grouping. They must not be named as columns that
    `first` or `last` ask for.
    """
    so_far = rows.with_columns(starts.alias("starts"), **summed).with_columns(
        pl.col(list(summed)).cum_sum(), ends=pl.col("starts").shift(-1, fill_value=True)
    )
    own = (pl.col(name) - pl.col(name).shift(fill_value=0) for name in summed)
    firsts = so_far.filter("starts").select(**first)
    lasts = so_far.filter("ends").select(*own, **(last or {}))
    return pl.concat([firsts, lasts], how="horizontal")
