"""What is taken for sorted is sorted, nulls first, as Polars itself sorts."""

from unittest.mock import patch

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from puffy_platform import ordering
from puffy_platform.ordering import ascends_by, is_sorted_by, merged_by, sorted_by

ROWS = st.lists(st.tuples(st.none() | st.integers(0, 2), st.none() | st.sampled_from("ab")), max_size=4)


@given(ROWS)
def test_a_frame_is_sorted_exactly_when_sorting_leaves_it_as_it_is(rows: list[tuple[int | None, str | None]]) -> None:
    frame = pl.DataFrame(rows, schema={"n": pl.Int64, "s": pl.String}, orient="row")
    by_polars = frame.sort("n", "s")
    assert is_sorted_by(frame, ("n", "s")) == frame.equals(by_polars)
    for few in (0, frame.height):
        with patch.object(ordering, "FEW_ROWS", few):
            assert sorted_by(frame, ("n", "s")).equals(by_polars)
    assert ascends_by(frame, ("n", "s")) == (frame.equals(by_polars) and not frame.is_duplicated().any())


@given(ROWS, ROWS)
def test_frames_merged_are_sorted_ties_included_whether_they_were_sorted_or_not(
    rows: list[tuple[int | None, str | None]], more: list[tuple[int | None, str | None]]
) -> None:
    one, other = (
        pl.DataFrame(part, schema={"n": pl.Int64, "s": pl.String}, orient="row").with_row_index("line")
        for part in (rows, more)
    )
    for frame in (pl.concat([one, other]), pl.concat([one.sort("n", "s"), other.sort("n", "s", "line")])):
        assert merged_by(frame, ("n",), ("s", "line")).equals(frame.sort("n", "s", "line"))


@given(st.lists(st.integers(0, 2), min_size=100, max_size=300), st.sampled_from([0, 300]))
def test_rows_that_are_in_order_stay_where_they_are_those_of_equal_values_too(numbers: list[int], few: int) -> None:
    """A day's rows keep the order within it when they are sorted by the day."""
    frame = pl.DataFrame({"n": sorted(numbers)}).with_row_index("line")
    with patch.object(ordering, "FEW_ROWS", few):
        assert sorted_by(frame, ("n",)).equals(frame)
