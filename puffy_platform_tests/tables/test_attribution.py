"""Attribution: which sessions are a conversion's touchpoints, and who gets what of its money."""

from __future__ import annotations

import datetime as dt
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings

from puffy_platform.settings import Settings
from puffy_platform.tables import sessions
from puffy_platform.tables.attribution import TABLE
from puffy_platform.tables.conversions import TABLE as CONVERSIONS_TABLE
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


def attributed(
    conversions: list[dict[str, Any]], visits: list[dict[str, Any]], chosen: Settings = DEFAULTS
) -> pl.DataFrame:
    inputs = {
        "conversions": pl.DataFrame(conversions, schema=CONVERSIONS),
        "sessions": pl.DataFrame(visits, schema=SESSIONS),
    }
    return assert_chunking_does_not_matter(TABLE, inputs, HISTORY, chosen, chunks=(1,))


def touched(found: pl.DataFrame, window_days: int) -> list[str | None]:
    """The touchpoints, oldest first, that the linear model sees."""
    seen = found.filter(model="linear", window_days=window_days).sort("touchpoint")
    return seen["session_id"].to_list()


def test_an_order_of_100_dollars_is_divided_by_each_model_among_its_touchpoints() -> None:
    # Email four days before, Paid Search two, Direct at once: windows of seven and of three days.
    chosen = settings_with(attribution={"windows_days": (3, 7), "half_life_days": 2})
    found = attributed(
        [conversion("c", "ann", at(5), 10_000)],
        [
            session("s1", "ann", at(1), "Email"),
            session("s2", "ann", at(3), "Paid Search"),
            session("s3", "ann", at(5), "Direct"),
        ],
        chosen,
    )
    credit = {
        (row["window_days"], row["model"], row["session_id"]): row["revenue_cents"]
        for row in found.iter_rows(named=True)
    }
    assert credit == {
        (7, "first_touch", "s1"): 10_000,
        (7, "last_touch", "s3"): 10_000,
        (7, "last_non_direct", "s2"): 10_000,
        # A third each, the odd cent to the oldest.
        (7, "linear", "s1"): 3_334,
        (7, "linear", "s2"): 3_333,
        (7, "linear", "s3"): 3_333,
        (7, "position_based", "s1"): 4_000,
        (7, "position_based", "s2"): 2_000,
        (7, "position_based", "s3"): 4_000,
        # Two, one and no half-lives old: 1/4, 1/2 and 1 of 7/4, so 1428.57, 2857.14 and 5714.29 cents.
        (7, "time_decay", "s1"): 1_429,
        (7, "time_decay", "s2"): 2_857,
        (7, "time_decay", "s3"): 5_714,
        (3, "first_touch", "s2"): 10_000,
        (3, "last_touch", "s3"): 10_000,
        (3, "last_non_direct", "s2"): 10_000,
        (3, "linear", "s2"): 5_000,
        (3, "linear", "s3"): 5_000,
        (3, "position_based", "s2"): 5_000,
        (3, "position_based", "s3"): 5_000,
        # 1/2 and 1 of 3/2.
        (3, "time_decay", "s2"): 3_333,
        (3, "time_decay", "s3"): 6_667,
    }
    assert found.filter(window_days=7, model="position_based").to_dicts()[1] == {
        "day": at(5).date(),
        "event_id": "c",
        "transaction_id": "order of c",
        "model": "position_based",
        "window_days": 7,
        "touchpoint": 2,
        "touchpoints": 3,
        "session_id": "s2",
        "touched_at": at(3),
        "channel": "Paid Search",
        "weight": pytest.approx(0.2),
        "revenue_cents": 2_000,
    }


def test_a_session_counts_from_exactly_the_window_before_until_exactly_the_conversion() -> None:
    found = attributed(
        [conversion("c", "ann", at(5), 100)],
        [
            session("too early", "ann", at(4) - MICROSECOND, "Email"),
            session("just in time", "ann", at(4), "Email"),
            session("at once", "ann", at(5), "Email"),
            session("too late", "ann", at(5) + MICROSECOND, "Email"),
        ],
    )
    assert touched(found, 1) == ["just in time", "at once"]
    assert touched(found, 3) == ["too early", "just in time", "at once"]


def test_sessions_of_other_clients_of_excluded_channels_and_of_bots_are_no_touchpoints() -> None:
    order = [conversion("c", "ann", at(5), 100)]
    visits = [
        session("hers", "ann", at(4, "15:00"), "Email"),
        session("internal", "ann", at(4, "16:00"), "Internal"),
        session("crawler", "ann", at(4, "17:00"), "Email", is_bot=True),
        session("his", "ben", at(4, "18:00"), "Email"),
    ]
    assert touched(attributed(order, visits), 1) == ["hers"]
    with_bots = settings_with(attribution={"windows_days": (1,)}, bots={"include": True})
    assert touched(attributed(order, visits, with_bots), 1) == ["hers", "crawler"]
    all_channels = settings_with(attribution={"windows_days": (1,), "excluded_channels": ()})
    assert touched(attributed(order, visits, all_channels), 1) == ["hers", "internal"]


def test_sessions_that_start_together_are_in_the_order_of_their_ids() -> None:
    visits = [session("s2", "ann", at(5), "Email"), session("s1", "ann", at(5), "Direct")]
    assert touched(attributed([conversion("c", "ann", at(5), 100)], visits), 1) == ["s1", "s2"]


def test_a_conversion_without_touchpoint_is_unattributed_under_each_model_and_window() -> None:
    found = attributed(
        [conversion("no client", None, at(5), 700), conversion("no session", "ann", at(5), 300)],
        [session("three days before", "ann", at(2), "Email")],
    )
    nobody = found.filter(touchpoint=0)
    assert nobody.group_by("event_id", "window_days").len().sort("event_id", "window_days").rows() == [
        ("no client", 1, 6),
        ("no client", 3, 6),
        ("no session", 1, 6),
    ]
    assert nobody.select("channel", "touchpoints", "session_id", "touched_at", "weight").unique().rows() == [
        ("(unattributed)", 0, None, None, 1.0)
    ]
    assert nobody.filter(event_id="no client")["revenue_cents"].unique().to_list() == [700]


def test_conversions_that_do_not_count_get_no_credit() -> None:
    found = attributed(
        [conversion("c1", "ann", at(5), 100), conversion("c2", "ann", at(5), 100, is_counted=False)],
        [session("s1", "ann", at(5), "Email")],
    )
    assert found["event_id"].unique().to_list() == ["c1"]


def expected_paths(conversions: pl.DataFrame, visits: pl.DataFrame) -> dict[tuple[str, int], list[str]]:
    """Each conversion compared with each session."""
    found = {}
    for order in conversions.filter("is_counted").iter_rows(named=True):
        for window in DEFAULTS.attribution.windows_days:
            earliest = order["converted_at"] - dt.timedelta(days=window)
            found[order["event_id"], window] = [
                visit["session_id"]
                for visit in visits.sort("started_at", "session_id").iter_rows(named=True)
                if visit["client_id"] == order["client_id"]
                and earliest <= visit["started_at"] <= order["converted_at"]
                and visit["channel"] != "Internal"
                and not visit["is_bot"]
            ]
    return found


@settings(max_examples=30, deadline=None)
@given(history=histories())
def test_on_random_histories_weights_sum_to_one_and_money_to_the_cent(history: pl.DataFrame) -> None:
    visits = compute(sessions.TABLE, {"events_enriched": history}, HISTORY, DEFAULTS)
    conversions = compute(CONVERSIONS_TABLE, {"purchases": purchases_of(history)}, HISTORY, DEFAULTS)
    inputs = {"conversions": conversions, "sessions": visits}
    found = assert_chunking_does_not_matter(TABLE, inputs, HISTORY, DEFAULTS, chunks=(1, 3))

    credit = found.group_by("event_id", "model", "window_days").agg(pl.col("weight", "revenue_cents").sum())
    revenue = conversions.filter("is_counted").select("event_id", order_cents="revenue_cents")
    joined = credit.join(revenue, on="event_id", how="full")
    assert joined.null_count().sum_horizontal().sum() == 0
    assert joined.height == revenue.height * 6 * 2
    assert joined.filter((pl.col("weight") - 1).abs() > 1e-9).is_empty()
    assert joined.filter(pl.col("revenue_cents") != pl.col("order_cents")).is_empty()

    linear = found.filter(model="linear").sort("touchpoint").group_by("event_id", "window_days")
    paths = {key: rows["session_id"].drop_nulls().to_list() for key, rows in linear}
    assert paths == expected_paths(conversions, visits)
    assert "fail" not in outcomes(TABLE, found, inputs, HISTORY, DEFAULTS).values()


def test_lost_credit_and_wrong_weights_do_not_pass_the_checks_and_none_attributed_is_a_warning() -> None:
    inputs = {
        "conversions": pl.DataFrame([conversion(f"c{n}", "ann", at(5), 100) for n in range(5)], schema=CONVERSIONS),
        "sessions": pl.DataFrame([session("s1", "ann", at(5), "Email")], schema=SESSIONS),
    }
    on_day_5 = days(5, 5)

    def complaints(rows: pl.DataFrame) -> dict[str, str]:
        found = outcomes(TABLE, rows, inputs, on_day_5, DEFAULTS)
        return {check: status for (_, check), status in found.items() if status != "pass"}

    good = compute(TABLE, inputs, on_day_5, DEFAULTS)
    assert complaints(good) == {}
    assert complaints(good.filter(pl.col("event_id") != "c1")) == {"money_is_conserved": "fail"}
    assert complaints(good.with_columns(pl.col("revenue_cents") + 1)) == {"money_is_conserved": "fail"}
    assert complaints(good.with_columns(pl.col("weight") * 0.5)) == {"weights_sum_to_one": "fail"}
    assert complaints(good.with_columns(touchpoints=pl.lit(0, pl.Int64))) == {"some_are_attributed": "warn"}
