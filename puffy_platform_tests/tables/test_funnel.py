"""The daily shop funnel: by hand, in chunks, and with its checks seen to fail."""

from __future__ import annotations

import polars as pl
from hypothesis import given, settings

from puffy_platform.tables import sessions
from puffy_platform.tables.funnel import TABLE
from puffy_platform_tests.tables.visits import HISTORY, at, days, event, events, histories
from puffy_platform_tests.windows import (
    Frames,
    assert_chunking_does_not_matter,
    compute,
    outcomes,
    settings_with,
)

DEFAULTS = settings_with(funnel={"within_days": 2})
CART, CHECKOUT, BUY = "product_added_to_cart", "checkout_started", "checkout_completed"


def inputs_of(history: pl.DataFrame) -> Frames:
    return {
        "events_enriched": history,
        "sessions": compute(sessions.TABLE, {"events_enriched": history}, HISTORY, DEFAULTS),
    }


def three_clients() -> Frames:
    """Ann comes by Email, clicks on inside the shop, and buys; Ben comes twice and buys late; a crawler; a nobody."""
    return inputs_of(
        events(
            event("ann", at(1, "10:00"), channel="Email"),
            event("ann", at(1, "10:01"), channel="Internal"),
            event("ann", at(1, "10:03"), CART, channel="Internal"),
            event("ann", at(1, "10:04"), CHECKOUT, channel="Internal"),
            event("ann", at(1, "10:08"), BUY, channel="Internal", revenue_cents=99_900),
            event("ben", at(1, "12:00"), channel="Paid Search"),
            event("ben", at(1, "12:10"), CART, channel="Internal"),
            event("ben", at(3, "12:00"), channel="Direct"),
            event("ben", at(4, "12:00"), CHECKOUT, channel="Direct"),
            event("crawler", at(1), is_bot=True),
            event(None, at(1)),
        )
    )


def test_clients_are_followed_from_each_day_they_view_a_page_under_the_channel_they_came_by() -> None:
    found = compute(TABLE, three_clients(), days(1, 3), DEFAULTS)
    columns = ["channel", "step", "event", "reached", "dropped", "rate", "median_seconds", "revenue_cents"]
    assert found.filter(day=at(1).date()).select(columns).rows() == [
        ("Email", 1, "page_viewed", 1, 0, None, None, 99_900),
        ("Email", 2, CART, 1, 0, 1.0, 180.0, 99_900),
        ("Email", 3, CHECKOUT, 1, 0, 1.0, 60.0, 99_900),
        ("Email", 4, BUY, 1, 0, 1.0, 240.0, 99_900),
        ("Paid Search", 1, "page_viewed", 1, 0, None, None, 0),
        ("Paid Search", 2, CART, 1, 1, 1.0, 600.0, 0),
        ("Paid Search", 3, CHECKOUT, 0, 0, 0.0, None, 0),
        ("Paid Search", 4, BUY, 0, 0, None, None, 0),
    ]
    # Ben's checkout on day 4 is more than two days after day 1, and from day 3 on there is no cart before it.
    assert found.filter(day=at(3).date())["reached"].to_list() == [1, 0, 0, 0]
    assert found.filter(day=at(2).date()).is_empty()


def test_crawlers_count_when_bots_are_included() -> None:
    with_bots = settings_with(funnel={"within_days": 2}, bots={"include": True})
    found = compute(TABLE, three_clients(), days(1, 1), with_bots)
    assert found.filter(channel="Direct")["reached"].to_list() == [1, 0, 0, 0]


@settings(max_examples=12, deadline=None)
@given(history=histories(clients=("a", "b", "c", None)))
def test_any_chunking_gives_the_same_rows_and_the_checks_pass(history: pl.DataFrame) -> None:
    names = pl.Series(["page_viewed", "page_viewed", CART, CHECKOUT, BUY])
    kind = pl.int_range(pl.len()) * 7 % 5
    varied = history.with_columns(event_name=names.gather(history.select(kind).to_series()))
    inputs = inputs_of(varied)
    found = assert_chunking_does_not_matter(TABLE, inputs, HISTORY, DEFAULTS)
    judged = outcomes(TABLE, found, inputs, HISTORY, DEFAULTS)
    assert "fail" not in judged.values()


def test_a_lost_client_and_a_step_nobody_could_reach_do_not_pass_the_checks() -> None:
    inputs = three_clients()

    def failing(rows: pl.DataFrame) -> set[str]:
        found = outcomes(TABLE, rows, inputs, days(1, 1), DEFAULTS)
        return {check for (_, check), status in found.items() if status == "fail"}

    good = compute(TABLE, inputs, days(1, 1), DEFAULTS)
    assert failing(good) == set()
    assert failing(good.filter(pl.col("channel") != "Email")) == {"every_viewer_enters"}
    assert failing(good.filter(pl.col("step") != 3)) == {"steps_narrow"}
    too_many = pl.when(pl.col("step") == 4).then(5).otherwise("reached").cast(pl.Int64)
    assert failing(good.with_columns(reached=too_many)) == {"steps_narrow"}
