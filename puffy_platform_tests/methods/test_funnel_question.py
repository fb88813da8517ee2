"""A funnel's question as text: what is understood, and what a mistake is told."""

from __future__ import annotations

import datetime as dt

import polars as pl
import pytest

from puffy_platform.ingest.judge import EVENTS
from puffy_platform.methods.funnel_question import FunnelError, Step, mark_steps, read_steps, read_window
from puffy_platform.tables.events_enriched import TABLE


def read(text: str) -> tuple[Step, ...]:
    return read_steps(text, TABLE.schema, EVENTS)


def test_steps_are_events_with_conditions_in_parentheses() -> None:
    assert read("page_viewed > checkout_completed") == (Step("page_viewed"), Step("checkout_completed"))
    text = "page_viewed(path = '/a > b)' and not (is_bot)) > checkout_completed (revenue_cents > 50000)"
    assert read(text) == (
        Step("page_viewed", "path = '/a > b)' and not (is_bot)"),
        Step("checkout_completed", "revenue_cents > 50000"),
    )
    assert str(read(text)[1]) == "checkout_completed(revenue_cents > 50000)"


def test_an_event_does_a_step_when_its_name_and_condition_fit_and_unknown_is_no() -> None:
    events = pl.LazyFrame(
        {
            "event_name": ["page_viewed", "page_viewed", "page_viewed", "checkout_started"],
            "path": ["/a", "/b", "/c", "/a"],
            "utm_source": ["x", None, "x", "x"],
            "day": [dt.date(2025, 1, 1)] * 4,
        }
    )
    steps = (
        Step("page_viewed"),
        Step("page_viewed", "path IN ('/a', '/b') -- two pages"),
        Step("page_viewed", "utm_source = 'x'"),
        Step("checkout_started", "day >= '2025-01-01'"),
    )
    marked = mark_steps(events, steps).select(pl.col("^step_.*$").cast(pl.Int8)).collect()
    assert marked.rows() == [(1, 1, 1, 0), (1, 1, 0, 0), (1, 0, 1, 0), (0, 0, 0, 1)]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("page_view > checkout_completed", "step 1: there is no event 'page_view'; did you mean 'page_viewed'?"),
        ("page_viewed >", "step 2, '': write an event's name"),
        ("page_viewed and more", "write an event's name, and a condition in parentheses"),
        ("page_viewed(path = '/a'", "a ( is never closed"),
        ("page_viewed) > checkout_started", "a ) without ( before it"),
        ("page_viewed(pathe = '/a')", "events have no column 'pathe'; did you mean 'path'?"),
        ("page_viewed(path =)", "is not an SQL expression"),
        ("page_viewed(true) as x, (false)", "is not an SQL expression"),
        ("page_viewed(path)", "is not true or false, but String"),
        ("page_viewed(path > 3)", "cannot be computed: cannot compare string with numeric type"),
        ("page_viewed(count(*) > 1)", "adds up events; a condition sees one event's columns"),
        ("page_viewed(row_number() OVER () = 1)", "OVER looks beyond the event itself"),
        ("page_viewed(revenue_cents > (select 1))", "select looks beyond the event itself"),
        (" > ".join(["page_viewed"] * 13), "at most 12 steps, not 13"),
    ],
)
def test_a_mistake_is_named_with_its_place_and_what_would_be_right(text: str, words: str) -> None:
    with pytest.raises(FunnelError) as raised:
        read(text)
    assert words in str(raised.value)


def test_windows_are_a_number_and_a_unit() -> None:
    assert read_window("30m") == dt.timedelta(minutes=30)
    assert read_window(" 7d") == dt.timedelta(days=7)
    assert read_window("2w") == dt.timedelta(days=14)
    for wrong in ("7", "d7", "0d", "-1d", "7 days", "999999w", ""):
        with pytest.raises(FunnelError, match="for example 7d"):
            read_window(wrong)
