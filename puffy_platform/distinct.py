"""Work done once for each distinct value of a repetitive column. What the work is lives with its caller."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import polars as pl

__all__ = ["each_distinct"]


def each_distinct(
    values: pl.Expr,
    work: Callable[[pl.Series], pl.Series],
    return_dtype: type[pl.DataType] | Mapping[str, pl.DataType],
) -> pl.Expr:
    """`work` on the distinct values, spread over all rows again; a mapping means a struct of these fields.

    `work` gets a series without repeats, in any order, and gives one result a value. So no result can depend
    on how often or where its value occurs.
    """
    dtype = pl.Struct(return_dtype) if isinstance(return_dtype, Mapping) else return_dtype

    def spread(column: pl.Series) -> pl.Series:
        rows = column.rename("value").to_frame()
        distinct = rows.unique()
        found = distinct.with_columns(found=work(distinct["value"]).cast(dtype))
        return rows.join(found, on="value", how="left", nulls_equal=True, maintain_order="left")["found"]

    return values.map_batches(spread, return_dtype=dtype)
