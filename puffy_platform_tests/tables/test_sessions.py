"""Sessions: golden cases by hand, and days computed one by one against a plain reading of whole histories."""

from __future__ import annotations

import dataclasses
import datetime as dt

import polars as pl
import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from puffy_platform.table import Table
from puffy_platform.tables.sessions import TABLE
from puffy_platform_tests.tables.visits import MICROSECOND, at, days, event, events, histories
from puffy_platform_tests.windows import (
    assert_chunking_does_not_matter,
    compute,
    compute_in_chunks,
    outcomes,
    settings_with,
)

HALF_AN_HOUR = settings_with()
FOUR_HOURS = settings_with(sessions={"timeout_minutes": 240})
# A day more on either side than there are events.
WEEK = days(-2, 6)
ON_DAY_1 = days(1, 1)


def spans(rows: pl.DataFrame) -> list[tuple[str, dt.datetime, dt.datetime, int, bool]]:
    """Client, start, end, events and whether it was cut, of every session."""
    found = rows.select("client_id", "started_at", "ended_at", "events", "cut_at_midnight")
    return sorted(found.iter_rows())


def test_a_visit_with_a_purchase_is_one_row_with_its_counts_and_its_entry() -> None:
    first = {
        "channel": "Email",
        "utm_source": "news",
        "path": "/a",
        "device_class": "mobile",
        "browser": "Safari",
    }
    visit = events(
        event("ann", at(1, "10:00"), **first),
        event("ann", at(1, "10:05"), "email_filled_on_popup", channel="Internal"),
        event("ann", at(1, "10:10"), "product_added_to_cart", channel="Internal"),
        event("ann", at(1, "10:20"), "checkout_started", channel="Internal"),
        event("ann", at(1, "10:30:30"), "checkout_completed", path="/thanks", revenue_cents=12_345),
    )
    assert compute(TABLE, {"events_enriched": visit}, ON_DAY_1, HALF_AN_HOUR).to_dicts() == [
        {
            "day": at(1).date(),
            # Written down: were it to change, every stored session would get another name.
            "session_id": "326489956971304161884183454915513863381",
            "client_id": "ann",
            "started_at": at(1, "10:00"),
            "ended_at": at(1, "10:30:30"),
            "duration_seconds": 1830.0,
            "events": 5,
            "page_views": 1,
            "popup_emails": 1,
            "add_to_carts": 1,
            "checkouts_started": 1,
            "purchases": 1,
            "revenue_cents": 12_345,
            "channel": "Email",
            "utm_source": "news",
            "utm_medium": None,
            "utm_campaign": None,
            "referrer_host": None,
            "landing_path": "/a",
            "exit_path": "/thanks",
            "device_class": "mobile",
            "browser": "Safari",
            "os": None,
            "is_bot": False,
            "crosses_midnight": False,
            "cut_at_midnight": False,
            "entry_event_id": "e0",
        }
    ]


def test_a_pause_of_exactly_the_timeout_keeps_a_session_and_a_microsecond_more_ends_it() -> None:
    pauses = events(
        event("ann", at(1, "10:00")),
        event("ann", at(1, "10:30")),
        event("ann", at(1, "11:00") + MICROSECOND),
    )
    assert spans(compute(TABLE, {"events_enriched": pauses}, ON_DAY_1, HALF_AN_HOUR)) == [
        ("ann", at(1, "10:00"), at(1, "10:30"), 2, False),
        ("ann", at(1, "11:00") + MICROSECOND, at(1, "11:00") + MICROSECOND, 1, False),
    ]


def test_a_session_that_crosses_midnight_belongs_to_the_day_it_started() -> None:
    night = events(
        event("ann", at(1, "23:50")),
        event("ann", at(2, "00:10")),
        event("ann", at(2, "09:00")),
        # Exactly at midnight, exactly one timeout after the event before.
        event("ben", at(1, "23:30")),
        event("ben", at(2, "00:00")),
    )
    found = compute_in_chunks(TABLE, {"events_enriched": night}, days(0, 3), HALF_AN_HOUR, chunk_days=1)
    assert found.select("day", "client_id", "events", "crosses_midnight").rows() == [
        (at(1).date(), "ann", 2, True),
        (at(1).date(), "ben", 2, True),
        (at(2).date(), "ann", 1, False),
    ]


def test_events_of_other_clients_and_without_a_client_do_not_matter() -> None:
    mixed = events(
        event("ann", at(1, "10:00")),
        event("ben", at(1, "10:01")),
        event(None, at(1, "10:02")),
        event("ann", at(1, "10:03")),
    )
    assert spans(compute(TABLE, {"events_enriched": mixed}, ON_DAY_1, HALF_AN_HOUR)) == [
        ("ann", at(1, "10:00"), at(1, "10:03"), 2, False),
        ("ben", at(1, "10:01"), at(1, "10:01"), 1, False),
    ]


def test_events_of_the_same_moment_are_in_the_order_of_landing_day_file_and_line() -> None:
    moment = at(1, "10:00")
    tied = [
        event("ann", moment, landing_day=at(2).date(), source_file="a.csv", source_line=1, path="/4"),
        event("ann", moment, landing_day=at(1).date(), source_file="b.csv", source_line=1, path="/3"),
        event("ann", moment, landing_day=at(1).date(), source_file="a.csv", source_line=10, path="/2"),
        event("ann", moment, landing_day=at(1).date(), source_file="a.csv", source_line=9, path="/1"),
    ]
    (row,) = compute(TABLE, {"events_enriched": events(*tied)}, ON_DAY_1, HALF_AN_HOUR).to_dicts()
    assert (row["landing_path"], row["exit_path"], row["entry_event_id"]) == ("/1", "/4", "e3")


def marathon() -> pl.DataFrame:
    """A crawler with an event every four hours from day 0, 22:00 to day 3, 06:00; the timeout is four too."""
    return events(*(event("crawler", at(0, "22:00") + dt.timedelta(hours=4 * n)) for n in range(15)))


def test_a_running_session_is_cut_at_midnight_only_after_a_whole_day_without_a_pause() -> None:
    # Day 0 holds a start, so its midnight is crossed; days 1 and 2 hold none, so their midnights cut.
    assert spans(compute(TABLE, {"events_enriched": marathon()}, WEEK, FOUR_HOURS)) == [
        ("crawler", at(0, "22:00"), at(1, "22:00"), 7, False),
        ("crawler", at(2, "02:00"), at(2, "22:00"), 6, True),
        ("crawler", at(3, "02:00"), at(3, "06:00"), 2, True),
    ]


def test_one_pause_in_the_day_before_lets_a_session_cross_midnight() -> None:
    # Without the event of day 1, 14:00 there is a pause of eight hours in that day.
    paused = marathon().filter(pl.col("event_ts") != at(1, "14:00"))
    assert spans(compute(TABLE, {"events_enriched": paused}, WEEK, FOUR_HOURS)) == [
        ("crawler", at(0, "22:00"), at(1, "10:00"), 4, False),
        ("crawler", at(1, "18:00"), at(2, "22:00"), 8, False),
        ("crawler", at(3, "02:00"), at(3, "06:00"), 2, True),
    ]


def plain_reading(
    history: pl.DataFrame, timeout: dt.timedelta
) -> list[tuple[str, dt.datetime, dt.datetime, int, bool]]:
    """The rule read event by event over each client's whole history."""
    found = []
    for (client,), rows in history.drop_nulls("client_id").group_by("client_id"):
        times = rows["event_ts"].sort().to_list()
        is_after_pause = [n == 0 or t - times[n - 1] > timeout for n, t in enumerate(times)]
        days_with_pause = {t.date() for t, pause in zip(times, is_after_pause, strict=True) if pause}
        sessions: list[tuple[bool, list[dt.datetime]]] = []
        for n, t in enumerate(times):
            is_new_day = n > 0 and times[n - 1].date() != t.date()
            is_cut = is_new_day and not is_after_pause[n] and times[n - 1].date() not in days_with_pause
            if is_after_pause[n] or is_cut:
                sessions.append((is_cut, []))
            sessions[-1][1].append(t)
        found += [(client, inside[0], inside[-1], len(inside), is_cut) for is_cut, inside in sessions]
    return sorted(found)


@settings(max_examples=25, deadline=None)
@given(history=histories(), chunk_days=st.integers(2, 8))
def test_day_by_day_gives_the_sessions_of_the_whole_history(history: pl.DataFrame, chunk_days: int) -> None:
    inputs = {"events_enriched": history}
    whole = assert_chunking_does_not_matter(TABLE, inputs, WEEK, FOUR_HOURS, chunks=(1, chunk_days))
    assert spans(whole) == plain_reading(history, dt.timedelta(hours=4))
    assert not {"warn", "fail"} & set(outcomes(TABLE, whole, inputs, WEEK, FOUR_HOURS).values())


def test_the_random_histories_hold_cut_sessions_and_crossing_ones() -> None:
    # Else the proof above proves nothing: `find` raises when it finds none.
    only_generate = settings(max_examples=200, phases=(Phase.generate,), database=None, deadline=None)
    timeout = dt.timedelta(hours=4)

    def has_cut(history: pl.DataFrame) -> bool:
        return any(is_cut for *_, is_cut in plain_reading(history, timeout))

    def has_crossing(history: pl.DataFrame) -> bool:
        return any(start.date() != end.date() for _, start, end, *_ in plain_reading(history, timeout))

    find(histories(), has_cut, settings=only_generate)
    find(histories(), has_crossing, settings=only_generate)


@pytest.mark.parametrize("changed", [{"before": 1}, {"after": 0}])
def test_a_smaller_window_gives_other_sessions_of_a_marathon(changed: dict[str, int]) -> None:
    too_small = tuple(dataclasses.replace(read, **changed) for read in TABLE.reads)
    mutated = dataclasses.replace(TABLE, reads=too_small)
    with pytest.raises(AssertionError, match="DataFrames are different"):
        assert_chunking_does_not_matter(mutated, {"events_enriched": marathon()}, WEEK, FOUR_HOURS)


def test_of_the_second_day_before_only_the_last_timeout_matters_and_later_days_not_at_all() -> None:
    one_day = days(2, 2)

    def computed(first: dt.datetime, end: dt.datetime, table: Table = TABLE) -> pl.DataFrame:
        history = marathon().filter(pl.col("event_ts").is_between(first, end, closed="left"))
        return compute(table, {"events_enriched": history}, one_day, FOUR_HOURS)

    expected = computed(at(-1), at(9))
    assert expected.height == 1
    assert_frame_equal(computed(at(0, "20:00"), at(4)), expected)
    assert computed(at(1), at(4)).height == 0


def broken(rows: pl.DataFrame, history: pl.DataFrame) -> set[str]:
    found = outcomes(TABLE, rows, {"events_enriched": history}, days(1, 2), HALF_AN_HOUR)
    return {check for (_, check), status in found.items() if status == "fail"}


def test_lost_invented_and_overlapping_sessions_do_not_pass_the_checks() -> None:
    history = events(
        event("ann", at(1, "10:00")),
        event("ann", at(1, "12:00")),
        event("ann", at(1, "23:50")),
        event("ann", at(2, "00:05")),
        event("ben", at(2, "00:05")),
    )
    good = compute(TABLE, {"events_enriched": history}, days(1, 2), HALF_AN_HOUR)
    at_noon = pl.col("started_at") == at(1, "12:00")
    assert broken(good, history) == set()
    assert broken(good.filter(~at_noon), history) == {"events_in_one_session"}
    assert broken(good.filter(pl.col("client_id") != "ben"), history) == {"events_in_one_session"}
    one_more = pl.when(at_noon).then(2).otherwise("events").alias("events")
    assert broken(good.with_columns(one_more), history) == {"events_in_one_session"}
    longer = pl.when(at_noon).then(pl.lit(at(2))).otherwise("ended_at").dt.cast_time_unit("us").alias("ended_at")
    assert broken(good.with_columns(longer), history) == {"times_agree"}
    assert broken(good.with_columns(page_views=pl.lit(9, pl.Int64)), history) == {"counts_agree"}
    assert broken(good.with_columns(revenue_cents=pl.lit(1, pl.Int64)), history) == {"counts_agree"}


def test_a_day_without_any_session_passes_only_if_all_its_events_run_on_from_the_day_before() -> None:
    history = events(event("ann", at(1, "23:50")), event("ann", at(2, "00:05")), event("ben", at(1, "12:00")))
    good = compute(TABLE, {"events_enriched": history}, days(1, 2), HALF_AN_HOUR)
    assert good["day"].unique().to_list() == [at(1).date()]
    assert broken(good, history) == set()
    later = pl.concat([history, events(event("cid", at(2, "09:00")))])
    for rows in (good, good.clear()):
        assert broken(rows, later) == {"events_in_one_session"}
    assert broken(good.clear(), history) == {"events_in_one_session"}
