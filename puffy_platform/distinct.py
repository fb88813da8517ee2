"""Work done once for each distinct value of a repetitive column. What the work is lives with its caller."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import polars as pl

__all__ = ["each_distinct", "places_among", "places_of"]


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
        distinct, places = places_of(column)
        return work(distinct.alias("value")).cast(dtype).gather(places)

    return values.map_batches(spread, return_dtype=dtype)


def places_of(column: pl.Series) -> tuple[pl.Series, pl.Series]:
    """The distinct values of a column, null among them if it is there, in any order; and each row's place in them.

    So `distinct.gather(places)` is the column again, and anything found for the distinct values is spread the same way.
    """
    if column.dtype != pl.String:
        rows = column.alias("value").to_frame()
        numbered = rows.unique().with_row_index("place")
        placed = rows.join(numbered, on="value", how="left", nulls_equal=True, maintain_order="left")
        return numbered["value"], placed["place"]
    # Categories of its own number the texts as they come: no join by text is needed.
    texts = column.cast(pl.Categorical(pl.Categories.random()))
    places = texts.to_physical()
    known = places.n_unique() - places.has_nulls()
    # The categories live as long as `texts`.
    distinct = pl.int_range(known, dtype=pl.UInt32, eager=True).cat.to(texts.dtype).cast(pl.String)
    if places.has_nulls():
        distinct, places = distinct.append(pl.Series([None], dtype=pl.String)), places.fill_null(known)
    return distinct, places


def places_among(marked: pl.Series) -> pl.Series:
    """Of each marked row its place among the marked ones, null of the others: so that what was found for the marked
    rows alone is spread over all by `found.gather(places)`."""
    return marked.cum_sum().set(~marked, None) - 1
