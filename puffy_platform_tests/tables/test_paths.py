"""Paths: journeys to an order, and journeys without one as they stood at the end of a day."""

from __future__ import annotations

import datetime as dt
from typing import Any

import polars as pl
from hypothesis import given, settings

from puffy_platform.settings import Settings
from puffy_platform.tables import attribution, conversions, sessions
from puffy_platform.tables.paths import TABLE
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


def paths(
    orders: list[dict[str, Any]], visits: list[dict[str, Any]], chosen: Settings = DEFAULTS
) -> list[tuple[Any, ...]]:
    """day, journey_id, is_converted, path of each row."""
    inputs = {
        "conversions": pl.DataFrame(orders, schema=CONVERSIONS),
        "sessions": pl.DataFrame(visits, schema=SESSIONS),
    }
    found = assert_chunking_does_not_matter(TABLE, inputs, HISTORY, chosen)
    assert "fail" not in outcomes(TABLE, found, inputs, HISTORY, chosen).values()
    return found.sort("ended_at", "journey_id").select("day", "journey_id", "is_converted", "path").rows()


def test_a_journey_is_open_on_the_days_it_goes_on_and_ends_with_the_order() -> None:
    visits = [
        session("s1", "ann", at(1), "Paid Search"),
        session("s2", "ann", at(1, "20:00"), "Email"),
        session("s3", "ann", at(3), "Direct"),
        session("s4", "ann", at(4), "Direct"),
    ]
    assert paths([conversion("c", "ann", at(4, "12:05"), 100_00)], visits) == [
        (at(1).date(), "s2", False, "Paid Search > Email"),
        (at(3).date(), "s3", False, "Paid Search > Email > Direct"),
        # s1 is more than three days before.
        (at(4).date(), "c", True, "Email > Direct > Direct"),
    ]


def test_a_row_says_all_there_is_to_say() -> None:
    inputs = {
        "conversions": pl.DataFrame([conversion("c", "ann", at(4), 100_00)], schema=CONVERSIONS),
        "sessions": pl.DataFrame([session("s", "ann", at(3), "Email")], schema=SESSIONS),
    }
    open_row, converted_row = compute(TABLE, inputs, HISTORY, DEFAULTS).sort("day").to_dicts()
    assert converted_row == {
        "day": at(4).date(),
        "journey_id": "c",
        "client_id": "ann",
        "is_converted": True,
        "ended_at": at(4),
        "revenue_cents": 100_00,
        "touchpoints": 1,
        "path": "Email",
        "touches": [{"touched_at": at(3), "channel": "Email"}],
    }
    assert open_row == converted_row | {
        "day": at(3).date(),
        "journey_id": "s",
        "is_converted": False,
        "ended_at": at(3),
        "revenue_cents": None,
    }


def test_an_order_ends_a_journey_and_what_follows_is_another() -> None:
    visits = [session(f"s{n}", "ann", at(n), channel) for n, channel in ((1, "Email"), (2, "Direct"), (3, "Referral"))]
    assert paths([conversion("c", "ann", at(2), 100)], visits) == [
        (at(1).date(), "s1", False, "Email"),
        # A touchpoint of the very moment belongs to it.
        (at(2).date(), "c", True, "Email > Direct"),
        (at(3).date(), "s3", False, "Referral"),
    ]


def test_a_second_order_in_one_visit_keeps_the_newest_touchpoint_inside_the_window() -> None:
    visits = [session("s1", "ann", at(1), "Email"), session("s2", "ann", at(2), "Direct")]
    orders = [conversion(f"c{n}", "ann", when, 100) for n, when in enumerate((at(2), at(2, "12:01"), at(5, "12:01")))]
    assert paths(orders, visits)[1:] == [
        (at(2).date(), "c0", True, "Email > Direct"),
        (at(2).date(), "c1", True, "Direct"),
        # A minute too late for the touchpoint.
        (at(5).date(), "c2", True, "(unattributed)"),
    ]


def test_a_touchpoint_counts_from_exactly_the_window_before() -> None:
    visits = [session("s1", "ann", at(1), "Email"), session("s2", "ann", at(2), "Direct")]
    in_time, late = at(4), at(4) + MICROSECOND
    assert paths([conversion("c", "ann", in_time, 100)], visits)[-1][3] == "Email > Direct"
    assert paths([conversion("c", "ann", late, 100)], visits)[-1][3] == "Direct"
    # The same for the touchpoint that a second order keeps.
    twice = [conversion("c1", "ann", at(2), 100), conversion("c2", "ann", at(5), 100)]
    assert paths(twice, visits)[-1][3] == "Direct"


def test_orders_without_a_client_stand_alone_and_those_not_counted_end_nothing() -> None:
    visits = [session("s1", "ann", at(1), "Email"), session("s2", "ann", at(2), "Direct")]
    orders = [
        conversion("c1", None, at(1), 100),
        conversion("c2", None, at(2), 100),
        conversion("repeat", "ann", at(1, "13:00"), 100, is_counted=False),
    ]
    assert paths(orders, visits) == [
        (at(1).date(), "c1", True, "(unattributed)"),
        (at(1).date(), "s1", False, "Email"),
        (at(2).date(), "c2", True, "(unattributed)"),
        (at(2).date(), "s2", False, "Email > Direct"),
    ]


def test_bots_and_excluded_channels_are_no_touchpoints_unless_the_settings_say_so() -> None:
    visits = [
        session("bot", "ann", at(1), "Referral", is_bot=True),
        session("inside", "ann", at(2), "Internal"),
        session("s", "ann", at(3), "Email"),
    ]
    assert [row[1] for row in paths([], visits)] == ["s"]
    with_bots = settings_with(attribution={"windows_days": (1, 3), "excluded_channels": ()}, bots={"include": True})
    assert [row[3] for row in paths([], visits, with_bots)][-1] == "Referral > Internal > Email"


@settings(max_examples=15, deadline=None)
@given(history=histories())
def test_journeys_of_any_history_are_those_of_a_walk_through_it(history: pl.DataFrame) -> None:
    visits = compute(sessions.TABLE, {"events_enriched": history}, HISTORY, DEFAULTS)
    orders = compute(conversions.TABLE, {"purchases": purchases_of(history)}, HISTORY, DEFAULTS)
    inputs = {"sessions": visits, "conversions": orders}
    found = assert_chunking_does_not_matter(TABLE, inputs, HISTORY, DEFAULTS, chunks=(1, 3))
    columns = ["day", "journey_id", "is_converted", "path"]
    assert sorted(found.select(columns).rows()) == sorted(walked(visits, orders))
    assert "fail" not in outcomes(TABLE, found, inputs, HISTORY, DEFAULTS).values()
    # An order has a touchpoint here exactly if the rule-based models see one.
    credit = compute(attribution.TABLE, inputs, HISTORY, DEFAULTS).filter(window_days=3, model="last_touch")
    unattributed = set(credit.filter(pl.col("touchpoints") == 0)["event_id"])
    assert set(found.filter(pl.col("touchpoints") == 0)["journey_id"]) == unattributed


def walked(visits: pl.DataFrame, orders: pl.DataFrame) -> list[tuple[Any, ...]]:
    """The same, client by client and step by step."""
    window = dt.timedelta(days=3)
    steps = [
        (row["client_id"], row["started_at"], False, row["session_id"], row["channel"])
        for row in visits.filter(pl.col("channel") != "Internal", ~pl.col("is_bot")).iter_rows(named=True)
    ] + [
        (row["client_id"], row["converted_at"], True, row["event_id"], "")
        for row in orders.filter("is_counted").iter_rows(named=True)
    ]
    rows: list[tuple[Any, ...]] = []
    for client in {step[0] for step in steps}:
        own = sorted(step for step in steps if step[0] == client)
        open_touches: list[Any] = []
        newest: Any = None
        for place, (_, when, is_order, name, channel) in enumerate(own):
            following = own[place + 1] if place + 1 < len(own) else None
            if not is_order:
                newest = (when, channel)
                open_touches.append(newest)
                if following is None or following[1].date() != when.date():
                    seen = [c for t, c in open_touches if when - t <= window]
                    rows.append((when.date(), name, False, " > ".join(seen)))
                continue
            touches = open_touches or ([newest] if newest and client is not None else [])
            seen = [c for t, c in touches if when - t <= window]
            rows.append((when.date(), name, True, " > ".join(seen) or "(unattributed)"))
            open_touches = []
    return rows


def test_a_lost_order_and_touches_out_of_order_do_not_pass_the_checks() -> None:
    inputs = {
        "conversions": pl.DataFrame([conversion(c, "ann", at(5), 100) for c in ("c1", "c2")], schema=CONVERSIONS),
        "sessions": pl.DataFrame([session(f"s{n}", "ann", at(n), "Email") for n in (4, 5)], schema=SESSIONS),
    }

    def failing(rows: pl.DataFrame) -> set[str]:
        found = outcomes(TABLE, rows, inputs, days(4, 5), DEFAULTS)
        return {check for (_, check), status in found.items() if status == "fail"}

    good = compute(TABLE, inputs, days(4, 5), DEFAULTS)
    assert failing(good) == set()
    assert failing(good.filter(pl.col("journey_id") != "c1")) == {"every_order_has_a_path"}
    assert failing(good.with_columns(pl.col("touches").list.reverse())) == {"touches_agree"}
    assert failing(good.with_columns(ended_at=pl.col("ended_at") - MICROSECOND)) == {"touches_agree"}
    assert failing(good.with_columns(ended_at=pl.col("ended_at") + 3 * 24 * 3_600_000_000 * MICROSECOND)) == {
        "touches_agree"
    }
    again = good.filter(~pl.col("is_converted")).with_columns(journey_id=pl.lit("again"))
    assert failing(pl.concat([good, again])) == {"touches_agree"}
