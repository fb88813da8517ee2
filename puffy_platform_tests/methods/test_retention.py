"""Retention: by hand, against a loop over members, and against the table of cohorts."""

from __future__ import annotations

import datetime as dt
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from puffy_platform.methods.retention import ALL, Mark, RetentionError, read_marks, retention
from puffy_platform.tables import cohorts
from puffy_platform_tests.tables.customer_history import conversions, random_client_days
from puffy_platform_tests.tables.customer_history import day as history_day
from puffy_platform_tests.tables.customer_history import days as history_days
from puffy_platform_tests.tables.visits import START, at, day
from puffy_platform_tests.windows import compute, settings_with

UTC_TIME = pl.Datetime("us", "UTC")
HOUR = dt.timedelta(hours=1)


def frames(visits: dict[str, list[dt.datetime]]) -> tuple[pl.LazyFrame, pl.LazyFrame]:
    """Births and activity: a member is born with its first visit."""
    births = [(member, min(times)) for member, times in visits.items()]
    activity = [(member, time) for member, times in visits.items() for time in times]
    return (
        pl.LazyFrame(births, schema={"member": pl.String, "born_at": UTC_TIME}, orient="row"),
        pl.LazyFrame(activity, schema={"member": pl.String, "at": UTC_TIME}, orient="row"),
    )


# docs/methods/retention.md: what is known at the end of day 4.
FOUR_CLIENTS = {
    "ann": [at(0, "20:00"), at(1, "09:00"), at(3, "21:00")],
    "ben": [at(0, "10:00"), at(2, "09:00")],
    "cleo": [at(1, "12:00")],
    "dora": [at(3, "12:00"), at(4, "13:00")],
}


def counts(marks: str, **how: Any) -> dict[str, tuple[int, int]]:
    """(reached, retained) over all members, by mark."""
    found = retention(*frames(FOUR_CLIENTS), read_marks(marks), day(4), cohort=None, **how)
    return {row["mark"]: (row["reached"], row["retained"]) for row in found.iter_rows(named=True)}


def test_the_example_of_the_documentation_on_calendar_days() -> None:
    assert counts("1, 2, 3, 1-3, 2+") == {
        "1": (4, 2),  # ann the next date, dora the next date
        "2": (3, 1),  # ben; dora has not lived through her day 2
        "3": (3, 1),  # ann
        "1-3": (3, 2),  # ann, ben
        "2+": (3, 2),  # ann on day 3, ben on day 2
    }


def test_the_example_of_the_documentation_on_rolling_days() -> None:
    assert counts("1, 2, 3", clock="rolling") == {
        "1": (3, 1),  # ben came 47 hours after, ann 13 and 73; dora's second 24 hours are not over
        "2": (3, 0),  # cleo's third 24 hours ended at noon of day 4
        "3": (2, 1),  # ann; cleo's fourth 24 hours are not over
    }


def test_members_drop_out_of_the_marks_they_have_not_lived_to_and_rates_have_an_interval() -> None:
    found = retention(*frames(FOUR_CLIENTS), read_marks("1,4"), day(4), cohort="day")
    assert found.select("cohort", "mark", "members", "reached", "retained").rows() == [
        ("2025-02-03", "1", 2, 2, 1),
        ("2025-02-04", "1", 1, 1, 0),
        ("2025-02-06", "1", 1, 1, 1),
        ("2025-02-03", "4", 2, 2, 0),
        ("2025-02-04", "4", 1, 0, 0),
        ("2025-02-06", "4", 1, 0, 0),
        (ALL, "1", 4, 4, 2),
        (ALL, "4", 4, 2, 0),
    ]
    rates = found.filter(cohort=ALL).select("retention", pl.col("low", "high").round(3)).rows()
    assert rates == [(0.5, 0.15, 0.85), (0.0, 0.0, 0.658)]
    nobody = found.filter(cohort="2025-02-06", mark="4").select("retention", "low", "high").row(0)
    assert nobody == (None, None, None)


def test_cohorts_are_days_weeks_from_monday_or_months() -> None:
    visits = {"a": [at(5)], "b": [at(8)], "c": [at(30)]}
    for cohort, firsts in (
        ("week", ["2025-02-03", "2025-02-10", "2025-03-03"]),
        ("month", ["2025-02-01", "2025-03-01"]),
    ):
        found = retention(*frames(visits), read_marks("0"), day(40), cohort=cohort)  # type: ignore[arg-type]
        assert found["cohort"].to_list() == [*firsts, ALL]
        assert set(found["retention"]) == {1.0}


def test_marks_say_on_between_and_from_a_day_on() -> None:
    assert read_marks("0, 7,1-7 , 30+, 7-7") == (Mark(0, 0), Mark(7, 7), Mark(1, 7), Mark(30, None))
    assert [str(mark) for mark in read_marks("0,1-7,30+")] == ["0", "1-7", "30+"]
    for wrong, words in (
        ("", "write 7 for on day 7"),
        ("1;7", "write 7 for on day 7"),
        ("-1", "write 7 for on day 7"),
        ("7-1", "days run upwards from 0 to 3660: 7-1"),
        ("9999", "days run upwards"),
        (",".join(map(str, range(13))), "at most 12 marks"),
    ):
        with pytest.raises(RetentionError, match=words):
            read_marks(wrong)


def naive(
    visits: dict[str, list[dt.datetime]], mark: Mark, last_day: dt.date, clock: str, births: dict[str, dt.datetime]
) -> tuple[int, int]:
    """(reached, retained), member by member."""
    end = dt.datetime.combine(last_day + dt.timedelta(days=1), dt.time(), tzinfo=dt.UTC)
    reached = retained = 0
    for member, born in births.items():
        over = mark.first if mark.last is None else mark.last
        if clock == "calendar":
            had_time = born.date() + dt.timedelta(days=over) <= last_day
            since = [(time.date() - born.date()).days for time in visits.get(member, [])]
        else:
            had_time = born + dt.timedelta(days=over + 1) <= end
            since = [(time - born) // dt.timedelta(days=1) for time in visits.get(member, [])]
        came = any(mark.first <= days and (mark.last is None or days <= mark.last) for days in since)
        reached, retained = reached + had_time, retained + (had_time and came)
    return reached, retained


TIMES = st.integers(0, 15 * 4).map(lambda quarter: START + quarter * 6 * HOUR)
MARKS = st.tuples(st.integers(0, 8), st.one_of(st.none(), st.integers(0, 6))).map(
    lambda found: Mark(found[0], None if found[1] is None else found[0] + found[1])
)


@settings(max_examples=150, deadline=None)
@given(
    births=st.dictionaries(st.sampled_from("abcdefgh"), TIMES),
    visits=st.dictionaries(st.sampled_from("abcdefgh"), st.lists(TIMES, max_size=5)),
    mark=MARKS,
    last=st.integers(3, 15),
    clock=st.sampled_from(("calendar", "rolling")),
)
def test_rates_are_those_of_a_loop_over_members(
    births: dict[str, dt.datetime], visits: dict[str, list[dt.datetime]], mark: Mark, last: int, clock: Any
) -> None:
    born = pl.LazyFrame(list(births.items()), schema={"member": pl.String, "born_at": UTC_TIME}, orient="row")
    rows = [(member, time) for member, times in visits.items() for time in times]
    came = pl.LazyFrame(rows, schema={"member": pl.String, "at": UTC_TIME}, orient="row")
    found = retention(born, came, [mark], day(last), clock, "day")
    expected = naive(visits, mark, day(last), clock, births)
    assert (found.filter(cohort=ALL)["reached"].sum(), found.filter(cohort=ALL)["retained"].sum()) == expected
    by_cohort = found.filter(pl.col("cohort") != ALL)
    assert (by_cohort["reached"].sum(), by_cohort["retained"].sum()) == expected
    assert by_cohort["members"].sum() == len(births)


@settings(max_examples=10, deadline=None)
@given(visits=random_client_days(9))
def test_on_calendar_days_it_agrees_with_the_table_of_cohorts(visits: pl.DataFrame) -> None:
    inputs = {"client_days": visits, "conversions": conversions()}
    cells = compute(cohorts.TABLE, inputs, history_days(0, 9), settings_with()).filter(member="client", unit="day")
    human = visits.lazy().filter(~pl.col("is_bot"))
    came = human.select(member="client_id", at=pl.col("day").cast(UTC_TIME))
    births = came.group_by("member").agg(born_at=pl.col("at").min())
    marks = [Mark(number, number) for number in range(10)]
    found = retention(births, came, marks, history_day(9), cohort="day").filter(
        pl.col("cohort") != ALL, pl.col("reached") > 0
    )
    expected = cells.select(pl.col("cohort").cast(pl.String), pl.col("offset").cast(pl.String), "cohort_size", "active")
    assert sorted(found.select("cohort", "mark", "reached", "retained").rows()) == sorted(expected.rows())
