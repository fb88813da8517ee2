"""cohorts: who came back and what they spent, as known at the end of each day."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import Any
from unittest.mock import patch

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from puffy_platform.settings import Settings
from puffy_platform.table import DayRange, Reads
from puffy_platform.tables.cohorts import TABLE
from puffy_platform.tables.cohorts import cells as module
from puffy_platform_tests.tables.customer_history import (
    CLIENT_DAYS,
    CONVERSIONS,
    client_days,
    conversions,
    day,
    days,
    random_client_days,
    random_conversions,
    visits,
)
from puffy_platform_tests.windows import (
    assert_chunking_does_not_matter,
    compute,
    outcomes,
    settings_with,
)

SETTINGS = settings_with()
WITH_BOTS = settings_with(bots={"include": True})
MONDAY = day(0)
LAST_DAY = 14
Frames = dict[str, pl.DataFrame]

# Weeks begin on days 0, 7 and 14. Ann comes on days 0, 2 and 7, Ben on 1 and 7, Cat on 7, a crawler daily.
# Ann buys for 100.00 on day 2, Ben for 50.01 on day 7; Ben's second row is a repeat and does not count.
GOLDEN: Frames = {
    "client_days": client_days(
        *visits("ann-phone", 0, 2, 7),
        *visits("ben", 1, 7),
        *visits("cat", 7),
        *visits("crawler", *range(10), is_bot=True),
    ),
    "conversions": conversions(
        (2, "ann-phone", "ann", 10_000, True),
        (7, "ben", "ben", 5_001, True),
        (7, "ben", "ben", 5_001, False),
    ),
}


def cells(rows: pl.DataFrame, as_of: int, member: str, unit: str) -> dict[dt.date, dict[str, Any]]:
    """The cells of one day, member and unit, by cohort, without their keys."""
    chosen = rows.filter((pl.col("day") == day(as_of)) & (pl.col("member") == member) & (pl.col("unit") == unit))
    return {row.pop("cohort"): row for row in chosen.drop("day", "member", "unit").to_dicts()}


@pytest.fixture(scope="module")
def golden() -> pl.DataFrame:
    return compute(TABLE, GOLDEN, days(0, 20), SETTINGS)


def test_the_first_week_is_complete_on_its_sunday(golden: pl.DataFrame):
    assert cells(golden, 6, "client", "week") == {
        MONDAY: {
            "offset": 0,
            "cohort_size": 2,
            "is_complete": True,
            "active": 2,
            "retention": 1.0,
            "revenue_cents": 10_000,
            "cumulative_revenue_cents": 10_000,
            "revenue_per_member_cents": 5_000,
        }
    }


def test_while_a_week_runs_its_numbers_are_null_and_not_zero(golden: pl.DataFrame):
    unknown = {
        "active": None,
        "retention": None,
        "revenue_cents": None,
        "cumulative_revenue_cents": None,
        "revenue_per_member_cents": None,
        "is_complete": False,
    }
    assert cells(golden, 0, "client", "week") == {MONDAY: {"offset": 0, "cohort_size": 1, **unknown}}
    assert cells(golden, 8, "client", "week") == {
        MONDAY: {"offset": 1, "cohort_size": 2, **unknown},
        day(7): {"offset": 0, "cohort_size": 1, **unknown},
    }


def test_the_second_week_has_both_back_and_half_a_cent_rounds_up(golden: pl.DataFrame):
    found = cells(golden, 13, "client", "week")
    first, second = found[MONDAY], found[day(7)]
    assert (first["offset"], first["active"], first["retention"]) == (1, 2, 1.0)
    assert (first["revenue_cents"], first["cumulative_revenue_cents"]) == (5_001, 15_001)
    assert first["revenue_per_member_cents"] == 7_501
    assert (second["cohort_size"], second["active"], second["revenue_cents"]) == (1, 1, 0)


def test_a_complete_week_in_which_nobody_came_is_zero_and_is_there(golden: pl.DataFrame):
    first = cells(golden, 20, "client", "week")[MONDAY]
    assert first == {
        "offset": 2,
        "cohort_size": 2,
        "is_complete": True,
        "active": 0,
        "retention": 0.0,
        "revenue_cents": 0,
        "cumulative_revenue_cents": 15_001,
        "revenue_per_member_cents": 7_501,
    }


def test_a_customer_who_buys_twice_in_a_week_is_one_active_member():
    twice = {**GOLDEN, "conversions": conversions((0, "x", "ann", 100, True), (3, "y", "ann", 200, True))}
    found = cells(compute(TABLE, twice, days(0, 6), SETTINGS), 6, "customer", "week")[MONDAY]
    assert (found["active"], found["revenue_cents"], found["cohort_size"]) == (1, 300, 1)


def test_months_count_calendar_months_and_days_count_days(golden: pl.DataFrame):
    january = dt.date(2025, 1, 1)
    assert cells(golden, 4, "client", "month")[january]["is_complete"]
    assert cells(golden, 4, "client", "month")[january]["active"] == 2
    assert cells(golden, 7, "client", "month")[january]["offset"] == 1
    assert [(c, cell["offset"], cell["active"]) for c, cell in cells(golden, 2, "client", "day").items()] == [
        (day(0), 2, 1),
        (day(1), 1, 0),
    ]


def test_customers_are_cohorts_by_first_counted_purchase(golden: pl.DataFrame):
    found = cells(golden, 13, "customer", "week")
    assert {cohort: cell["cumulative_revenue_cents"] for cohort, cell in found.items()} == {
        MONDAY: 10_000,
        day(7): 5_001,
    }


def test_bots_are_members_only_when_the_settings_say_so(golden: pl.DataFrame):
    assert cells(golden, 0, "client", "day")[MONDAY]["cohort_size"] == 1
    with_bots = compute(TABLE, GOLDEN, days(0, 0), WITH_BOTS)
    assert cells(with_bots, 0, "client", "day")[MONDAY]["cohort_size"] == 2


def test_the_complete_cells_are_the_triangle_each_once(golden: pl.DataFrame):
    complete = golden.filter("is_complete")
    assert not complete.select("member", "unit", "cohort", "offset").is_duplicated().any()
    weekly = complete.filter((pl.col("unit") == "week") & (pl.col("member") == "client"))
    assert weekly.sort("cohort", "offset").select("cohort", "offset").rows() == [
        (day(0), 0),
        (day(0), 1),
        (day(0), 2),
        (day(7), 0),
        (day(7), 1),
    ]


def test_a_history_without_a_member_has_no_cohort():
    nobody = {
        "client_days": pl.DataFrame(schema=CLIENT_DAYS),
        "conversions": pl.DataFrame(schema=CONVERSIONS),
    }
    assert compute(TABLE, nobody, days(0, 8), SETTINGS).is_empty()


def test_every_check_passes_on_the_golden_history(golden: pl.DataFrame):
    judged = outcomes(TABLE, golden, GOLDEN, days(0, 20), SETTINGS)
    assert set(judged.values()) == {"pass"}


@pytest.mark.parametrize(
    ("check", "broken"),
    [
        ("active_within_size", {"active": pl.col("cohort_size") + 1}),
        ("null_while_incomplete", {"active": pl.col("active").fill_null(0)}),
        ("null_while_incomplete", {"revenue_cents": pl.lit(None, pl.Int64)}),
        (
            "units_agree",
            {"cohort_size": pl.col("cohort_size") + (pl.col("unit") == "week").cast(pl.Int64)},
        ),
        ("customer_revenue_is_all_counted", {"revenue_cents": pl.col("revenue_cents") + 1}),
    ],
)
def test_wrong_rows_are_reported(golden: pl.DataFrame, check: str, broken: dict[str, pl.Expr]):
    judged = outcomes(TABLE, golden.with_columns(**broken), GOLDEN, days(0, 20), SETTINGS)
    assert judged[day(7), check] == "fail"


def test_a_day_whose_customers_are_lost_is_reported(golden: pl.DataFrame):
    for asked in (days(0, 20), days(2, 2)):
        judged = outcomes(TABLE, golden.clear(), GOLDEN, asked, SETTINGS)
        assert judged[day(2), "customer_revenue_is_all_counted"] == "fail"


def test_days_before_1970_are_days_like_others(golden: pl.DataFrame):
    weeks = day(0) - dt.date(1969, 12, 29)
    earlier = {name: rows.with_columns(pl.col("day") - weeks) for name, rows in GOLDEN.items()}
    found = compute(TABLE, earlier, DayRange(day(0) - weeks, day(20) - weeks), SETTINGS)
    in_2025 = found.with_columns(pl.col("day", "cohort") + weeks)
    # Months are not as long.
    assert_frame_equal(*(rows.filter(pl.col("unit") != "month") for rows in (in_2025, golden)))


def _period(date: dt.date, unit: str) -> dt.date:
    if unit == "week":
        return date - dt.timedelta(days=date.weekday())
    return date.replace(day=1) if unit == "month" else date


def as_known_at_the_end_of(as_of: dt.date, history: Frames, chosen: Settings) -> set[tuple[Any, ...]]:
    """The cells of a day the slow way, from nothing but the rows up to it."""
    active: dict[str, set[tuple[str, dt.date]]] = {"client": set(), "customer": set()}
    spent: list[tuple[str, str, dt.date, int]] = []
    for row in history["client_days"].filter(pl.col("day") <= as_of).to_dicts():
        if chosen.bots.include or not row["is_bot"]:
            active["client"].add((row["client_id"], row["day"]))
    for row in history["conversions"].filter((pl.col("day") <= as_of) & pl.col("is_counted")).to_dicts():
        if row["customer_id"]:
            active["customer"].add((row["customer_id"], row["day"]))
            spent.append(("customer", row["customer_id"], row["day"], row["revenue_cents"]))
        if (row["client_id"], row["day"]) in active["client"]:
            spent.append(("client", row["client_id"], row["day"], row["revenue_cents"]))

    found = set()
    for member, days_active in active.items():
        first: dict[str, dt.date] = {}
        for who, date in sorted(days_active, key=lambda seen: seen[1]):
            first.setdefault(who, date)
        for unit in ("day", "week", "month"):
            now = _period(as_of, unit)
            is_complete = _period(as_of + dt.timedelta(days=1), unit) != now
            for cohort in {_period(date, unit) for date in first.values()}:
                members = {who for who, date in first.items() if _period(date, unit) == cohort}
                came = {who for who, date in days_active if who in members and _period(date, unit) == now}
                money = [(date, cents) for kind, who, date, cents in spent if kind == member and who in members]
                in_period = sum(cents for date, cents in money if _period(date, unit) == now)
                measured = (len(came), in_period, sum(cents for _, cents in money))
                found.add((member, unit, cohort, len(members), *(measured if is_complete else (None,) * 3)))
    return found


@settings(deadline=None, max_examples=12)
@given(
    chosen=st.sampled_from((SETTINGS, WITH_BOTS)),
    visited=random_client_days(LAST_DAY),
    bought=random_conversions(LAST_DAY),
    at_once=st.sampled_from(((2, 1), (9, 2), (1_000, 3), (1_000, 1_000))),
)
def test_every_day_holds_exactly_what_was_known_at_its_end_however_many_members_are_taken_at_once(
    chosen: Settings, visited: pl.DataFrame, bought: pl.DataFrame, at_once: tuple[int, int]
):
    history = {"client_days": visited, "conversions": bought}
    with patch.object(module, "ROWS_AT_ONCE", at_once[0]), patch.object(module, "SORTED_AT_ONCE", at_once[1]):
        whole = assert_chunking_does_not_matter(TABLE, history, days(0, LAST_DAY), chosen, (1, 5))
    compared = (
        "member",
        "unit",
        "cohort",
        "cohort_size",
        "active",
        "revenue_cents",
        "cumulative_revenue_cents",
    )
    for as_of in days(0, LAST_DAY):
        rows = whole.filter(pl.col("day") == as_of).select(compared).rows()
        assert set(rows) == as_known_at_the_end_of(as_of, history, chosen)
    judged = outcomes(TABLE, whole, history, days(0, LAST_DAY), chosen)
    assert set(judged.values()) <= {"pass", "skipped"}


@settings(deadline=None, max_examples=15)
@given(visited=random_client_days(LAST_DAY), bought=random_conversions(LAST_DAY))
def test_data_of_later_days_changes_nothing(visited: pl.DataFrame, bought: pl.DataFrame):
    history = {"client_days": visited, "conversions": bought}
    known = {name: frame.filter(pl.col("day") <= day(6)) for name, frame in history.items()}

    def sunday(inputs: Frames) -> pl.DataFrame:
        lazy = {name: frame.lazy() for name, frame in inputs.items()}
        assert TABLE.transform is not None
        return TABLE.transform(lazy, days(6, 6), SETTINGS).collect().sort(TABLE.key)

    assert_frame_equal(sunday(history), sunday(known), check_exact=True)


def test_reading_less_than_all_history_would_be_noticed():
    for forgotten in ("client_days", "conversions"):
        reads = tuple(Reads(r.table, before=6) if r.table == forgotten else r for r in TABLE.reads)
        with pytest.raises(AssertionError):
            assert_chunking_does_not_matter(
                dataclasses.replace(TABLE, reads=reads), GOLDEN, days(0, 13), SETTINGS, (1,)
            )
