"""What an instant may see of a table: by hand, against a loop over single rows, and nothing of its own day or later."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from puffy_platform.features import SETS, FeatureError, FeatureSet, end_of
from puffy_platform.features.declare import chosen
from puffy_platform.features.point_in_time import AS_OF, OUTCOME, look_up, snapshots
from puffy_platform_tests.tables.customer_history import CLIENTS, at, client_days, day, random_client_days, visits

UTC_TIME = pl.Datetime("us", "UTC")
MICROSECOND = dt.timedelta(microseconds=1)
BY_NAME = {one.name: one for one in SETS}
CLIENT_DAYS = BY_NAME["client_days"]
SNAPSHOT = BY_NAME["churn_features"]


def ask(
    one: FeatureSet,
    names: Sequence[str],
    entities: Sequence[tuple[str | None, dt.datetime | None]],
    rows: pl.DataFrame,
    computed: Sequence[dt.date],
    max_age_days: int = 1,
) -> pl.DataFrame:
    """The features of these (id, instant) pairs over a table with these rows."""
    ids = pl.Series([name for name, _ in entities], dtype=pl.String)
    seen = snapshots(pl.Series([time for _, time in entities], dtype=UTC_TIME), computed, max_age_days)
    return look_up(one, [one.by_name[f"{one.name}.{name}"] for name in names], ids, seen, rows.lazy())


def customers(*rows: tuple[int, str, int]) -> pl.DataFrame:
    """A table with a row for each customer and day: day, customer, frequency."""
    dated = [(day(number), *rest) for number, *rest in rows]
    return pl.DataFrame(dated, {"day": pl.Date, "customer_id": pl.String, "frequency": pl.Int64}, orient="row")


def one_of(found: pl.DataFrame, column: str) -> list[Any]:
    return found[column].to_list()


@pytest.mark.parametrize(
    ("instant", "sees"),
    [
        (at(5, "00:00"), 4),
        (at(5, "00:00") - MICROSECOND, 3),
        (at(5, "12:00"), 4),
        # 5 March 20:00 in Los Angeles is 6 March 04:00 UTC: the 5th is over.
        (at(6, "04:00"), 5),
    ],
)
def test_an_instant_sees_the_last_day_that_was_over(instant: dt.datetime, sees: int) -> None:
    seen = snapshots(pl.Series([instant], dtype=UTC_TIME), [day(n) for n in range(10)], 0)
    assert one_of(seen, AS_OF) == [day(sees)]


def test_the_time_zone_of_a_timestamp_is_respected() -> None:
    evening = dt.datetime.combine(day(5), dt.time(20), dt.timezone(dt.timedelta(hours=-8)))
    times = pl.Series([evening]).dt.convert_time_zone("America/Los_Angeles")
    assert one_of(snapshots(times, [day(n) for n in range(10)], 0), AS_OF) == [day(5)]


def test_the_end_of_a_day_is_when_its_features_are_known() -> None:
    times = pl.DataFrame({"day": [day(4)]}).select(end_of("day")).to_series()
    assert times.to_list() == [at(5, "00:00")]
    assert one_of(snapshots(times, [day(4), day(5)], 0), AS_OF) == [day(4)]


def test_the_example_of_the_documentation() -> None:
    rows = client_days(
        *visits("ann-phone", 2, page_views=3),
        *visits("ann-phone", 9, page_views=2),
        *visits("ann-phone", 10, page_views=5),
    )
    names = ("page_views_7d", "page_views_30d", "active_days_7d", "last_seen_days")
    found = ask(
        CLIENT_DAYS,
        names,
        [
            ("ann-phone", at(10, "15:00")),
            ("ann-phone", at(11, "00:00")),
            ("ann-phone", at(9, "00:00")),
            ("ben", at(10)),
        ],
        rows,
        [day(n) for n in range(20)],
    )
    assert found.select(f"client_days.{name}" for name in names).rows() == [
        (2, None, 1, 0),  # day 9 is the last that is over: of days 3 to 9, the two views of day 9
        (7, None, 2, 0),  # day 10 is over
        (3, None, 1, 6),  # days 2 to 8
        (0, None, 0, None),  # a client nobody has heard of did nothing
    ]
    assert one_of(found, OUTCOME) == ["short_history"] * 4


def test_what_is_not_known_is_null_and_says_why() -> None:
    rows = customers((3, "ann", 1), (4, "ann", 2), (4, "ben", 7))
    computed = [day(3), day(4)]
    entities = [
        ("ann", at(5)),  # sees day 4
        ("ann", at(6)),  # day 5 is not there; day 4 is one day behind, as allowed
        ("ann", at(7)),  # day 4 is too old
        ("ann", at(3)),  # nothing was over but day 2
        ("ben", at(4)),  # no customer yet on day 3
        (None, at(5)),
        ("ann", None),
    ]
    found = ask(SNAPSHOT, ["frequency"], entities, rows, computed)
    assert one_of(found, "churn_features.frequency") == [2, 2, None, None, None, None, None]
    assert one_of(found, OUTCOME) == ["ok", "ok", "stale", "no_snapshot", "unknown", "no_id", "no_time"]
    assert one_of(found, AS_OF) == [day(4), day(4), None, None, day(3), None, None]


def test_a_customer_that_a_correction_took_away_is_not_looked_for_on_older_days() -> None:
    found = ask(SNAPSHOT, ["frequency"], [("ann", at(5))], customers((3, "ann", 1)), [day(3), day(4)])
    assert (one_of(found, "churn_features.frequency"), one_of(found, OUTCOME)) == ([None], ["unknown"])


def test_a_window_with_a_day_that_was_not_computed_is_not_known() -> None:
    rows = client_days(*visits("ben", 2, 8))
    whole = ask(CLIENT_DAYS, ["sessions_7d"], [("ben", at(9))], rows, [day(n) for n in range(2, 9)])
    assert (one_of(whole, "client_days.sessions_7d"), one_of(whole, OUTCOME)) == ([2], ["ok"])
    for computed in ([day(n) for n in range(3, 9)], [day(n) for n in range(2, 9) if n != 5]):
        broken = ask(CLIENT_DAYS, ["sessions_7d"], [("ben", at(9))], rows, computed)
        assert (one_of(broken, "client_days.sessions_7d"), one_of(broken, OUTCOME)) == ([None], ["short_history"])


def test_a_mistyped_feature_is_named_with_the_one_that_was_meant() -> None:
    with pytest.raises(FeatureError, match=r"did you mean customer_value\.p_alive\?"):
        chosen(SETS, ["customer_value.p_alife"])
    with pytest.raises(FeatureError, match="name at least one"):
        chosen(SETS, [])
    ((one, features),) = chosen(SETS, ["customer_value.*", "customer_value.p_alive"])
    assert (one.name, len(features)) == ("customer_value", len(one.features))


def test_every_feature_is_described_once_and_owned() -> None:
    features = [feature for one in SETS for feature in one.features]
    assert len({feature.name for feature in features}) == len(features)
    assert all(feature.description and not feature.description.startswith("The same") for feature in features)
    assert all(one.owner.startswith("team:") and one.freshness for one in SETS)
    for one in SETS:
        assert set(one.columns_for(one.features)) <= set(one.table.schema)
        assert all(feature.name.startswith(f"{one.name}.") for feature in one.features)


LAST = 25
instants = st.tuples(st.integers(0, LAST + 2), st.sampled_from(("00:00", "00:01", "23:59"))).map(lambda t: at(*t))
asked_for = st.lists(st.tuples(st.sampled_from((*CLIENTS, None)), instants), min_size=1, max_size=8)
gaps = st.sets(st.integers(0, LAST), max_size=2)
NAMES = ("sessions_7d", "page_views_30d", "active_days_7d", "last_seen_days")


def by_a_loop(name: str | None, instant: dt.datetime, rows: list[dict[str, Any]], computed: set[dt.date]) -> list[Any]:
    """One client's features and outcome from nothing but the rows of days that were over."""
    over = [date for date in computed if dt.datetime.combine(date, dt.time(), dt.UTC) + dt.timedelta(days=1) <= instant]
    if name is None:
        return [None] * 5 + ["no_id"]
    if not over:
        return [None] * 5 + ["no_snapshot"]
    as_of = max(over)
    if instant >= dt.datetime.combine(as_of, dt.time(), dt.UTC) + dt.timedelta(days=3):
        return [None] * 5 + ["stale"]
    own = [(row, (as_of - row["day"]).days) for row in rows if row["client_id"] == name and row["day"] <= as_of]

    def whole(window: int) -> bool:
        return all(as_of - dt.timedelta(days=n) in computed for n in range(window))

    sessions = sum(row["sessions"] for row, age in own if age < 7) if whole(7) else None
    views = sum(row["page_views"] for row, age in own if age < 30) if whole(30) else None
    active = len([age for _, age in own if age < 7]) if whole(7) else None
    seen = min((age for _, age in own if age < 90), default=None)
    return [sessions, views, active, seen, as_of, "ok" if whole(30) else "short_history"]


@settings(deadline=None, max_examples=25)
@given(rows=random_client_days(LAST), entities=asked_for, missing=gaps)
def test_every_row_is_what_a_loop_over_the_days_that_were_over_finds(
    rows: pl.DataFrame, entities: list[tuple[str | None, dt.datetime]], missing: set[int]
) -> None:
    # Days from long before, so that windows of 30 days are whole for some, and without the missing ones.
    computed = [day(n) for n in range(-20, LAST + 1) if n not in missing]
    there = rows.filter(pl.col("day").is_in(computed))
    found = ask(CLIENT_DAYS, NAMES, entities, there, computed)
    expected = [by_a_loop(name, time, there.to_dicts(), set(computed)) for name, time in entities]
    columns = [*(f"client_days.{name}" for name in NAMES), AS_OF, OUTCOME]
    assert [list(row) for row in found.select(columns).rows()] == expected


@settings(deadline=None, max_examples=15)
@given(rows=random_client_days(LAST), others=random_client_days(LAST), clock=st.sampled_from(("00:00", "09:30")))
def test_whatever_happens_on_the_day_of_the_timestamp_or_later_changes_nothing(
    rows: pl.DataFrame, others: pl.DataFrame, clock: str
) -> None:
    entities = [(name, at(15, clock)) for name in CLIENTS]
    past = rows.filter(pl.col("day") < day(15))
    elsewise = pl.concat([past, others.filter(pl.col("day") >= day(15))])
    until, after = [day(n) for n in range(15)], [day(n) for n in range(LAST + 1)]
    held = {"sessions", "page_views", "add_to_carts", "is_bot"}
    usable = [f.name.removeprefix("client_days.") for f in CLIENT_DAYS.features if held.issuperset(f.columns)]
    first = ask(CLIENT_DAYS, usable, entities, rows, after)
    assert_frame_equal(first, ask(CLIENT_DAYS, usable, entities, elsewise, after), check_exact=True)
    assert_frame_equal(first, ask(CLIENT_DAYS, usable, entities, past, until), check_exact=True)
