"""Sorting frames that, almost always, are sorted already: looking costs less than moving every row."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

__all__ = ["ascends_by", "is_sorted_by", "merged_by", "sorted_by"]

# So few rows are put in order sooner than they are looked at.
FEW_ROWS = 5_000


def sorted_by(frame: pl.DataFrame, columns: Sequence[str]) -> pl.DataFrame:
    """`frame.sort(columns)`, without touching rows that are in that order; of the first column there are few values.

    The rows of each are sorted by themselves: several short sorts by one column less are less work than a long one.
    """
    if frame.height <= FEW_ROWS:
        return frame.sort(columns, maintain_order=True)
    if is_sorted_by(frame, columns):
        return frame
    first, *others = columns
    values = frame[first].unique().sort()
    parts = frame.partition_by(first, as_dict=True) if len(values) > 1 else {(values.item(),): frame}
    in_order = (parts[value,] for value in values)
    return pl.concat([part if is_sorted_by(part, others) else part.sort(others) for part in in_order])


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
    def is_in_order(first: int, rows: int | None) -> pl.Expr:
        in_order = pl.lit(equal_ones)
        for name in reversed(columns):
            here = pl.col(name).slice(first, rows)
            above = here.shift()
            is_after = here > above
            if frame[name].has_nulls():
                is_after = is_after.fill_null(above.is_null() & here.is_not_null())
            in_order = is_after | (here.eq_missing(above) & in_order)
        return in_order.slice(1).all()

    # An expression is one core's work: two halves, which share a row, are two's.
    middle = frame.height // 2
    return all(frame.select(upper=is_in_order(0, middle + 1), lower=is_in_order(middle, None)).row(0))
