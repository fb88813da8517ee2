"""Sorting frames that, almost always, are sorted already: looking costs less than moving every row."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

__all__ = ["ascends_by", "is_sorted_by", "merged_by", "sorted_by"]


def sorted_by(frame: pl.DataFrame, columns: Sequence[str]) -> pl.DataFrame:
    """`frame.sort(columns)`, without touching rows that are in that order."""
    return frame if is_sorted_by(frame, columns) else frame.sort(columns)


def merged_by(frame: pl.DataFrame, columns: Sequence[str], ties: Sequence[str]) -> pl.DataFrame:
    """`frame.sort(*columns, *ties)` of a frame that is a few sorted ones, one after the other.

    A stable sort merges them. The ties are looked at only afterwards: they are in order, or everything is sorted.
    """
    merged = frame.sort(*columns, maintain_order=True)
    return merged if is_sorted_by(merged, (*columns, *ties)) else frame.sort(*columns, *ties)


def is_sorted_by(frame: pl.DataFrame, columns: Sequence[str]) -> bool:
    """Whether each row is at or after the one above it, by the first of the columns that differs, nulls first."""
    return _is_in_order(frame, columns, equal_ones=True)


def ascends_by(frame: pl.DataFrame, columns: Sequence[str]) -> bool:
    """Whether each row is after the one above it: then no two rows have the same values."""
    return _is_in_order(frame, columns, equal_ones=False)


def _is_in_order(frame: pl.DataFrame, columns: Sequence[str], *, equal_ones: bool) -> bool:
    in_order = pl.lit(equal_ones)
    for name in reversed(columns):
        above, here = pl.col(name).shift(), pl.col(name)
        is_after = (here > above).fill_null(above.is_null() & here.is_not_null())
        in_order = is_after | (here.eq_missing(above) & in_order)
    return bool(frame.select(in_order.slice(1).all()).item())
