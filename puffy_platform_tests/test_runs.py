"""Runs folded are what grouping neighbouring rows would give."""

from __future__ import annotations

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from puffy_platform.runs import differs, first_of_run, fold_runs, sum_so_far

ROWS = st.lists(
    st.tuples(st.none() | st.sampled_from("ab"), st.integers(0, 1), st.integers(-5, 5)), min_size=1, max_size=12
)


@given(ROWS)
def test_a_run_is_one_row_with_its_first_its_last_and_its_sums(rows: list[tuple[str | None, int, int]]) -> None:
    frame = pl.DataFrame(rows, schema={"name": pl.String, "day": pl.Int64, "amount": pl.Int64}, orient="row")
    found = fold_runs(
        frame.lazy(),
        differs("day", "name"),
        first={"name": pl.col("name"), "opened": pl.col("amount")},
        last={"closed": pl.col("amount")},
        summed={"rows": pl.lit(1, pl.Int64), "total": pl.col("amount")},
    )
    grouped = (
        frame.group_by(run=pl.struct("day", "name").rle_id(), maintain_order=True)
        .agg(
            pl.col("name").first(),
            opened=pl.col("amount").first(),
            rows=pl.len().cast(pl.Int64),
            total=pl.col("amount").sum(),
            closed=pl.col("amount").last(),
        )
        .drop("run")
    )
    assert found.collect().equals(grouped.select(found.collect_schema().names()))


@given(ROWS)
def test_each_row_is_told_its_runs_first_value_and_its_sum_so_far(rows: list[tuple[str | None, int, int]]) -> None:
    frame = pl.DataFrame(rows, schema={"name": pl.String, "day": pl.Int64, "amount": pl.Int64}, orient="row")
    runs = frame.with_columns(run=pl.struct("day", "name").rle_id(), starts=differs("day", "name"))
    found = runs.select(
        first=first_of_run(pl.col("amount"), pl.col("starts")), total=sum_so_far(pl.col("amount"), pl.col("starts"))
    )
    amount = pl.col("amount")
    assert found.equals(runs.select(first=amount.first().over("run"), total=amount.cum_sum().over("run")))


def test_of_no_rows_there_are_no_runs() -> None:
    nothing = pl.LazyFrame(schema={"name": pl.String})
    summed = {"rows": pl.lit(1, pl.Int64)}
    assert fold_runs(nothing, differs("name"), first={"name": pl.col("name")}, summed=summed).collect().is_empty()
