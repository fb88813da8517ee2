"""client_days: one row a client and day, and nothing of the next day in it."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from puffy_platform.table import Reads
from puffy_platform.tables.client_days import TABLE
from puffy_platform_tests.tables.customer_history import CHANNELS, CLIENTS, UTC_TIME, at, day, days
from puffy_platform_tests.windows import (
    assert_chunking_does_not_matter,
    compute,
    outcomes,
    settings_with,
)

SETTINGS = settings_with()
EVENTS: dict[str, Any] = {
    "day": pl.Date,
    "client_id": pl.String,
    "event_ts": UTC_TIME,
    "event_name": pl.String,
    "channel": pl.String,
    "revenue_cents": pl.Int64,
    "is_bot": pl.Boolean,
    "landing_day": pl.Date,
    "source_file": pl.String,
    "source_line": pl.Int64,
}
SESSIONS: dict[str, Any] = {
    "day": pl.Date,
    "client_id": pl.String,
    "session_id": pl.String,
    "started_at": UTC_TIME,
    "channel": pl.String,
}
EVENT_NAMES = (
    "page_viewed",
    "email_filled_on_popup",
    "product_added_to_cart",
    "checkout_started",
    "checkout_completed",
)


def event(number: int, clock: str, client: str | None, name: str = "page_viewed", **values: Any) -> dict[str, Any]:
    usual = {
        "day": day(number),
        "client_id": client,
        "event_ts": at(number, clock),
        "event_name": name,
        "channel": "Direct",
        "revenue_cents": None,
        "is_bot": False,
        "landing_day": day(number),
        "source_file": "events.csv",
        "source_line": 1,
    }
    return {**usual, **values}


def session(number: int, clock: str, client: str, channel: str) -> dict[str, Any]:
    return {
        "day": day(number),
        "client_id": client,
        "session_id": f"{client} {number} {clock}",
        "started_at": at(number, clock),
        "channel": channel,
    }


def frames(events: list[dict[str, Any]], sessions: list[dict[str, Any]]) -> dict[str, pl.DataFrame]:
    return {
        "events_enriched": pl.DataFrame(events, schema=EVENTS),
        "sessions": pl.DataFrame(sessions, schema=SESSIONS),
    }


# Ann shops twice on day 0 and stays past midnight; a crawler and a visitor without client id pass by.
GOLDEN = frames(
    [
        event(0, "10:00", "ann", channel="Email"),
        event(0, "10:05", "ann", "email_filled_on_popup"),
        event(0, "10:10", "ann", "product_added_to_cart"),
        event(0, "10:11", "ann", "checkout_started"),
        event(0, "10:12", "ann", "checkout_completed", revenue_cents=99_900),
        event(0, "10:13", "ann", "checkout_completed", revenue_cents=100),
        event(0, "23:50", "ann", channel="Paid Search"),
        event(1, "00:10", "ann", channel="Email", source_line=7),
        event(1, "00:05", "ann", channel="Referral", source_line=9),
        event(1, "00:05", "ann", channel="Internal", source_line=8),
        event(0, "03:00", "crawler", is_bot=True),
        event(0, "03:01", "crawler"),
        event(0, "04:00", None, "checkout_completed", revenue_cents=5_000),
    ],
    [
        session(0, "23:50", "ann", "Paid Search"),
        session(0, "10:00", "ann", "Email"),
        session(0, "03:00", "crawler", "Direct"),
    ],
)


def test_what_ann_did_is_counted_by_kind_and_day():
    found = compute(TABLE, GOLDEN, days(0, 1), SETTINGS).filter(pl.col("client_id") == "ann")
    first, second = found.to_dicts()
    assert first == {
        "day": day(0),
        "client_id": "ann",
        "events": 7,
        "page_views": 2,
        "add_to_carts": 1,
        "checkouts_started": 1,
        "purchases": 2,
        "revenue_cents": 100_000,
        "popup_emails": 1,
        "sessions": 2,
        "channel": "Email",
        "first_event_at": at(0, "10:00"),
        "is_bot": False,
    }
    assert (second["events"], second["page_views"], second["revenue_cents"]) == (3, 3, 0)


def test_a_day_on_which_only_the_session_of_the_evening_before_went_on_has_no_session_start():
    found = compute(TABLE, GOLDEN, days(1, 1), SETTINGS)
    assert found.select("client_id", "sessions").rows() == [("ann", 0)]


def test_without_a_session_start_the_first_event_gives_the_channel_and_its_line_breaks_the_tie():
    found = compute(TABLE, GOLDEN, days(1, 1), SETTINGS)
    assert found["channel"].to_list() == ["Internal"]


def test_one_event_of_a_bot_marks_the_client_for_the_day():
    found = compute(TABLE, GOLDEN, days(0, 0), SETTINGS)
    assert dict(found.select("client_id", "is_bot").rows()) == {"ann": False, "crawler": True}


def test_events_revenue_and_sessions_add_up_to_their_sources():
    found = compute(TABLE, GOLDEN, days(0, 1), SETTINGS)
    judged = outcomes(TABLE, found, GOLDEN, days(0, 1), SETTINGS)
    assert judged[day(0), "every_event_of_a_client_counted"] == "pass"
    assert judged[day(0), "every_session_counted"] == "pass"


@pytest.mark.parametrize(
    ("broken", "check"),
    [
        (pl.col("client_id") == "ann", "every_event_of_a_client_counted"),
        (pl.col("client_id") == "ann", "every_session_counted"),
        (pl.lit(False), "every_event_of_a_client_counted"),
    ],
    ids=["a client's events lost", "a client's sessions lost", "the whole day lost"],
)
def test_a_lost_row_is_reported(broken: pl.Expr, check: str):
    found = compute(TABLE, GOLDEN, days(0, 0), SETTINGS).filter(broken)
    assert outcomes(TABLE, found, GOLDEN, days(0, 0), SETTINGS)[day(0), check] == "fail"


@st.composite
def random_history(draw: st.DrawFn) -> dict[str, pl.DataFrame]:
    """Events of several clients over a week, and a session at some of them."""
    row = st.builds(
        lambda number, minute, client, name, channel, cents, is_bot, line, late: event(
            number,
            f"{minute // 60:02}:{minute % 60:02}",
            client,
            name,
            channel=channel,
            revenue_cents=cents if name == "checkout_completed" else None,
            is_bot=is_bot,
            source_line=line,
            landing_day=day(number) + dt.timedelta(days=late),
        ),
        st.integers(0, 6),
        st.sampled_from((0, 1, 720, 1439)),
        st.sampled_from((*CLIENTS, None)),
        st.sampled_from(EVENT_NAMES),
        st.sampled_from(CHANNELS),
        st.integers(0, 10_000),
        st.booleans(),
        st.integers(1, 10_000),
        st.integers(0, 2),
    )
    events = draw(st.lists(row, max_size=40, unique_by=lambda e: e["source_line"]))
    starts = {
        (e["client_id"], e["event_ts"]): session(
            (e["day"] - day(0)).days, e["event_ts"].strftime("%H:%M"), e["client_id"], e["channel"]
        )
        for e in events
        if e["client_id"] and e["source_line"] % 2
    }
    return frames(events, list(starts.values()))


@settings(deadline=None, max_examples=25)
@given(history=random_history())
def test_chunks_do_not_matter_and_everything_adds_up(history: dict[str, pl.DataFrame]):
    whole = assert_chunking_does_not_matter(TABLE, history, days(0, 6), SETTINGS, (1, 3))
    of_clients = history["events_enriched"].filter(pl.col("client_id").is_not_null())
    assert whole.height == of_clients.select("day", "client_id").n_unique()
    by_kind = ("page_views", "popup_emails", "add_to_carts", "checkouts_started", "purchases")
    assert whole.select(pl.sum_horizontal(by_kind) == pl.col("events")).to_series().all()
    judged = outcomes(TABLE, whole, history, days(0, 6), SETTINGS)
    assert set(judged.values()) <= {"pass", "skipped"}


def test_reading_the_sessions_of_another_day_would_be_noticed():
    events, _ = TABLE.reads
    late = dataclasses.replace(TABLE, reads=(events, Reads("sessions", before=-1, after=1)))
    with pytest.raises(AssertionError):
        assert_chunking_does_not_matter(late, GOLDEN, days(-1, 1), SETTINGS, (1,))
