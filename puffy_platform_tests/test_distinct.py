"""Distinct values and places: together they are the column again, whatever it holds."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_series_equal

from puffy_platform.distinct import each_distinct, places_of

TEXTS = st.lists(st.one_of(st.none(), st.text(max_size=3)), max_size=20)


@given(TEXTS, TEXTS)
def test_the_distinct_values_at_their_places_are_the_column(some: list[str | None], more: list[str | None]) -> None:
    texts = pl.Series("text", some, dtype=pl.String).append(pl.Series(more, dtype=pl.String))
    numbers = texts.str.len_chars()
    for column in (texts, numbers, pl.DataFrame([texts, numbers.alias("n")]).to_struct("both")):
        distinct, places = places_of(column)
        assert distinct.is_unique().all()
        assert not places.has_nulls()
        assert_series_equal(distinct.gather(places), column, check_names=False)


@pytest.mark.parametrize("values", [["b", None, "a", "b", None], [None, None], []])
def test_the_work_sees_each_value_once_and_null_is_a_value(values: list[str | None]) -> None:
    seen: list[str | None] = []

    def work(distinct: pl.Series) -> pl.Series:
        seen.extend(distinct)
        return distinct.fill_null("nothing").str.to_uppercase()

    column = pl.Series("column", values, dtype=pl.String)
    found = column.to_frame().select(each_distinct(pl.col("column"), work, pl.String)).to_series()
    assert found.to_list() == [(value or "nothing").upper() for value in values]
    assert sorted(map(str, seen)) == sorted(map(str, set(values)))
