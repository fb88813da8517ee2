"""User journeys: the path to each counted conversion in the longest look-back window."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings

from puffy_platform.settings import Settings
from puffy_platform.tables import attribution, conversions, sessions
from puffy_platform.tables.user_journeys import TABLE
from puffy_platform_tests.tables.visits import (
    CONVERSIONS,
    MICROSECOND,
    SESSIONS,
    at,
    conversion,
    days,
    histories,
    purchases_of,
    session,
)
from puffy_platform_tests.windows import assert_chunking_does_not_matter, compute, outcomes, settings_with

DEFAULTS = settings_with(attribution={"windows_days": (1, 3)})
HISTORY = days(-1, 5)


def journeys(
    orders: list[dict[str, Any]], visits: list[dict[str, Any]], chosen: Settings = DEFAULTS
) -> list[dict[str, Any]]:
    inputs = {
        "conversions": pl.DataFrame(orders, schema=CONVERSIONS),
        "sessions": pl.DataFrame(visits, schema=SESSIONS),
    }
    return assert_chunking_does_not_matter(TABLE, inputs, HISTORY, chosen, chunks=(1,)).to_dicts()


def test_a_journey_names_its_channels_in_order_and_the_session_of_the_purchase() -> None:
    visits = [
        session("too early", "ann", at(2) - MICROSECOND, "Email"),
        session("s1", "ann", at(2), "Paid Search"),
        session("s2", "ann", at(3), "Direct"),
        session("s3", "ann", at(4), "Direct"),
        session("s4", "ann", at(5) - 60_000_000 * MICROSECOND, "Internal"),
        session("his", "ben", at(4), "Email"),
    ]
    assert journeys([conversion("c", "ann", at(5), 100_00)], visits) == [
        {
            "day": at(5).date(),
            "event_id": "c",
            "transaction_id": "order of c",
            "client_id": "ann",
            "converted_at": at(5),
            "revenue_cents": 100_00,
            "window_days": 3,
            "touchpoints": 3,
            "path": "Paid Search > Direct > Direct",
            "channels": 2,
            "first_touch_channel": "Paid Search",
            "first_touch_at": at(2),
            "last_touch_channel": "Direct",
            "last_touch_at": at(4),
            # The internal one too.
            "sessions_to_convert": 4,
            "days_to_convert": 3.0,
            "converting_session_id": "s4",
        }
    ]


def test_a_conversion_without_touchpoint_has_a_journey_of_one_word() -> None:
    (found,) = journeys([conversion("c", None, at(5), 100)], [])
    assert (found["path"], found["touchpoints"], found["channels"]) == ("(unattributed)", 0, 0)
    assert found["sessions_to_convert"] == 0
    nothing = ("first_touch_channel", "first_touch_at", "last_touch_channel", "days_to_convert")
    assert [found[column] for column in nothing] == [None] * 4


def test_a_purchase_in_a_session_that_began_the_day_before_is_in_that_session() -> None:
    night = session("night", "ann", at(4, "23:55"), "Email")
    (found,) = journeys([conversion("c", "ann", at(5, "00:05"), 100)], [night])
    assert found["converting_session_id"] == "night"
    assert found["days_to_convert"] == pytest.approx(10 / 1440)


@settings(max_examples=12, deadline=None)
@given(history=histories())
def test_every_order_has_a_journey_that_agrees_with_attribution(history: pl.DataFrame) -> None:
    visits = compute(sessions.TABLE, {"events_enriched": history}, HISTORY, DEFAULTS)
    orders = compute(conversions.TABLE, {"purchases": purchases_of(history)}, HISTORY, DEFAULTS)
    inputs = {"sessions": visits, "conversions": orders}
    found = assert_chunking_does_not_matter(TABLE, inputs, HISTORY, DEFAULTS, chunks=(1, 3))
    credit = compute(attribution.TABLE, inputs, HISTORY, DEFAULTS).filter(window_days=3)

    assert sorted(found["event_id"]) == sorted(orders.filter("is_counted")["event_id"])
    linear = credit.filter(model="linear").sort("touchpoint").group_by("event_id").agg("channel")
    paths = dict(linear.select("event_id", pl.col("channel").list.join(" > ")).iter_rows())
    assert dict(found.select("event_id", "path").iter_rows()) == paths
    # A purchase with a client is an event of one session.
    assert found.filter(pl.col("client_id").is_null() != pl.col("converting_session_id").is_null()).is_empty()
    assert "fail" not in outcomes(TABLE, found, inputs, HISTORY, DEFAULTS).values()


def test_a_lost_journey_and_touches_after_the_conversion_do_not_pass_the_checks() -> None:
    inputs = {
        "conversions": pl.DataFrame([conversion(c, "ann", at(5), 100) for c in ("c1", "c2")], schema=CONVERSIONS),
        "sessions": pl.DataFrame([session("s1", "ann", at(5), "Email")], schema=SESSIONS),
    }

    def failing(rows: pl.DataFrame) -> set[str]:
        found = outcomes(TABLE, rows, inputs, days(5, 5), DEFAULTS)
        return {check for (_, check), status in found.items() if status == "fail"}

    good = compute(TABLE, inputs, days(5, 5), DEFAULTS)
    assert failing(good) == set()
    assert failing(good.head(1)) == {"every_order_has_a_journey"}
    assert failing(good.with_columns(last_touch_at=pl.col("last_touch_at") + MICROSECOND)) == {"paths_agree"}
