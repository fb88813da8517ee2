"""Chunks hold every day once, in order, and never read more rows than they may unless a single day does."""

import datetime as dt

from hypothesis import given
from hypothesis import strategies as st

from puffy_platform.pipeline.chunks import chunks, rows_handled
from puffy_platform.settings import load_settings
from puffy_platform.table import DayRange

FIRST = dt.date(2025, 2, 26)
RUN = load_settings(environment={}).run


def cut(rows: list[int], *, chunk_days: int = 31, chunk_rows: int = 1_000) -> list[DayRange]:
    run = RUN.model_copy(update={"chunk_days": chunk_days, "chunk_rows": chunk_rows})
    days = DayRange(FIRST, FIRST + dt.timedelta(days=len(rows) - 1))
    return list(chunks(days, dict(zip(days, rows, strict=True)), run))


def test_a_chunk_is_full_before_it_would_read_too_many_rows_and_a_large_day_is_one_of_its_own() -> None:
    assert [len(chunk) for chunk in cut([400, 600, 1, 5_000, 0, 0, 1_000])] == [2, 1, 1, 3]


def test_a_chunk_has_at_most_so_many_days() -> None:
    assert [len(chunk) for chunk in cut([0] * 8, chunk_days=3)] == [3, 3, 2]


@given(rows=st.lists(st.integers(0, 2_000), min_size=1, max_size=60), chunk_days=st.integers(1, 40))
def test_every_day_is_in_one_chunk_and_no_two_neighbours_could_be_one(rows: list[int], chunk_days: int) -> None:
    found = cut(rows, chunk_days=chunk_days)
    assert [day for chunk in found for day in chunk] == [FIRST + dt.timedelta(days=n) for n in range(len(rows))]
    by_day = dict(zip((day for chunk in found for day in chunk), rows, strict=True))
    sums = [sum(by_day[day] for day in chunk) for chunk in found]
    assert all(total <= 1_000 or len(chunk) == 1 for chunk, total in zip(found, sums, strict=True))
    for chunk, following, total in zip(found, found[1:], sums, strict=False):
        assert len(chunk) == chunk_days or total + by_day[following.first] > 1_000


def test_a_table_that_makes_more_than_it_reads_is_cut_by_what_it_made_last() -> None:
    days = DayRange(FIRST, FIRST + dt.timedelta(days=8))
    run = RUN.model_copy(update={"chunk_rows": 1_000})
    read, held = dict.fromkeys(days, 10), {FIRST - dt.timedelta(days=1): 400}
    rows = rows_handled(read, held, days)
    found, made = [], iter([400, 600, 600, 0, 0])
    for chunk in chunks(days, rows, run):
        found.append(len(chunk))
        rows |= rows_handled(read, held, days, next(made))
    assert found == [2, 2, 1, 1, 3]


def test_a_day_that_has_rows_counts_for_these_and_a_new_one_for_those_of_the_day_before() -> None:
    days = DayRange(FIRST, FIRST + dt.timedelta(days=2))
    first, second, third = days
    held = {FIRST - dt.timedelta(days=5): 7, FIRST - dt.timedelta(days=1): 50, second: 900}
    assert rows_handled({first: 100}, held, days) == {first: 100, second: 900, third: 50}
    assert rows_handled({first: 100}, held, days, made=300) == {first: 300, second: 900, third: 300}
    assert rows_handled({}, {}, days) == dict.fromkeys(days, 0)
