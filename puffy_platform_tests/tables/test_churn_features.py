"""churn_features: each customer as known at the end of a day, and nothing that was learned later."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections import Counter
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from puffy_platform.settings import Settings
from puffy_platform.table import Reads
from puffy_platform.tables import identities as identities_table
from puffy_platform.tables.churn_features import TABLE
from puffy_platform_tests.tables.customer_history import (
    client_days,
    conversions,
    day,
    days,
    identities,
    random_client_days,
    random_conversions,
    random_links,
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
Frames = dict[str, pl.DataFrame]

# Ann buys on days 100 (from her phone, which that links to her) and 110 (from her laptop). She had been there
# before: on days 5, 50, 65 and 95 with the phone, on day 95 also with the laptop. Ben buys without a client.
# The library computer is Cat's first, then Ann's: it is not Ann's client.
GOLDEN: Frames = {
    "client_days": client_days(
        *visits("ann-phone", 5, sessions=9),
        *visits("ann-phone", 50, channel="Paid Search", sessions=1),
        *visits("ann-phone", 65, channel="Paid Social", sessions=1),
        *visits("ann-phone", 95, channel="Direct", sessions=2, page_views=7, add_to_carts=1),
        *visits("ann-phone", 96, is_bot=True, sessions=50),
        *visits("ann-phone", 100, channel="Email"),
        *visits("ann-laptop", 95, 110, channel="Email", page_views=3),
        *visits("library", 99, 100, 110, sessions=5),
    ),
    "conversions": conversions(
        (100, "ann-phone", "ann", 10_000, True),
        (100, "ann-phone", "ann", 10_000, False),
        (104, None, "ben", 7_000, True),
        (105, None, None, 123, True),
        (110, "ann-laptop", "ann", 5_001, True),
    ),
    "identities": identities(
        (100, "ann-phone", "ann", True),
        (99, "library", "cat", True),
        (100, "library", "ann", False),
        (110, "ann-laptop", "ann", True),
    ),
}


def customer(rows: pl.DataFrame, as_of: int, name: str) -> dict[str, Any]:
    (row,) = rows.filter((pl.col("day") == day(as_of)) & (pl.col("customer_id") == name)).to_dicts()
    return row


@pytest.fixture(scope="module")
def golden() -> pl.DataFrame:
    return compute(TABLE, GOLDEN, days(98, 192), SETTINGS)


def test_ann_after_her_second_order(golden: pl.DataFrame):
    # 90 days are days 21 to 110: sessions 1 + 1 + 2 + 1 of the phone and 1 + 1 of the laptop, bots left out.
    assert customer(golden, 110, "ann") == {
        "day": day(110),
        "customer_id": "ann",
        "recency_days": 0,
        "frequency": 2,
        "monetary_cents": 15_001,
        "average_order_cents": 7_501,
        "tenure_days": 10,
        "clients": 2,
        "last_seen_days": 0,
        "sessions_7d": 1,  # the laptop on day 110
        "sessions_30d": 5,  # days 81 to 110: 2 + 1 on day 95, 1 on day 100, 1 on day 110
        "sessions_90d": 7,
        "active_days_7d": 1,
        "active_days_30d": 3,  # days 95 (on two devices, one day), 100 and 110
        "active_days_90d": 5,
        "sessions_trend_30d": 4,  # 5 less the one of days 51 to 80, on day 65
        "active_days_trend_30d": 2,  # 3 less 1
        "page_views_30d": 14,  # 7 + 3 + 1 + 3
        "add_to_carts_30d": 1,
        "top_channel_90d": "Email",  # 3 sessions against 2 Direct and 2 Paid
        "channels_90d": 4,
        "paid_share_90d": 2 / 7,
        "direct_share_90d": 2 / 7,
    }


def test_the_laptop_is_anns_only_from_the_day_it_is_known_to_be(golden: pl.DataFrame):
    before = customer(golden, 109, "ann")
    assert (before["clients"], before["sessions_30d"], before["frequency"]) == (1, 3, 1)
    assert (before["recency_days"], before["tenure_days"], before["last_seen_days"]) == (9, 9, 9)
    assert before["top_channel_90d"] == "Direct"


def test_the_trend_falls_when_she_stays_away(golden: pl.DataFrame):
    # Day 141: the last 30 days are 112 to 141, with nothing; the 30 before are 82 to 111, with 5 sessions.
    later = customer(golden, 141, "ann")
    assert (later["sessions_30d"], later["sessions_trend_30d"], later["active_days_trend_30d"]) == (0, -5, -3)
    assert (later["last_seen_days"], later["recency_days"]) == (31, 31)


def test_a_window_of_ninety_days_ends_with_its_ninetieth_day(golden: pl.DataFrame):
    # Of days 50 to 139 day 50 is the first of 90; it held her only session of Paid Search.
    within, after = customer(golden, 139, "ann"), customer(golden, 140, "ann")
    assert (within["sessions_90d"], within["channels_90d"]) == (7, 4)
    assert (after["sessions_90d"], after["channels_90d"]) == (6, 3)


def test_who_was_not_seen_for_ninety_days_has_no_channel_and_no_last_visit(golden: pl.DataFrame):
    assert customer(golden, 192, "ann")["last_seen_days"] == 82
    gone = customer(compute(TABLE, GOLDEN, days(200, 200), SETTINGS), 200, "ann")
    assert (gone["last_seen_days"], gone["top_channel_90d"], gone["paid_share_90d"]) == (None, None, None)
    assert (gone["sessions_90d"], gone["channels_90d"], gone["frequency"]) == (0, 0, 2)


def test_a_customer_without_a_client_is_there_with_orders_and_no_activity(golden: pl.DataFrame):
    ben = customer(golden, 110, "ben")
    assert (ben["frequency"], ben["monetary_cents"], ben["recency_days"], ben["clients"]) == (1, 7_000, 6, 0)
    assert (ben["sessions_90d"], ben["active_days_90d"], ben["last_seen_days"]) == (0, 0, None)


def test_a_customer_appears_on_the_day_of_the_first_counted_purchase(golden: pl.DataFrame):
    first_days = golden.group_by("customer_id").agg(pl.col("day").min())
    assert dict(first_days.rows()) == {"ann": day(100), "ben": day(104)}


def test_without_a_counted_purchase_there_is_no_customer():
    nobody = {name: frame.clear() for name, frame in GOLDEN.items()}
    assert compute(TABLE, nobody, days(98, 112), SETTINGS).is_empty()
    only_clients = {**GOLDEN, "conversions": GOLDEN["conversions"].clear()}
    assert compute(TABLE, only_clients, days(98, 112), SETTINGS).is_empty()


def test_bots_count_only_when_the_settings_say_so():
    with_bots = compute(TABLE, GOLDEN, days(110, 110), WITH_BOTS)
    assert customer(with_bots, 110, "ann")["sessions_90d"] == 57


def test_every_check_passes_on_the_golden_history(golden: pl.DataFrame):
    judged = outcomes(TABLE, golden, GOLDEN, days(98, 192), SETTINGS)
    assert {status for (date, _), status in judged.items() if date >= day(100)} == {"pass"}


@pytest.mark.parametrize(
    ("check", "broken"),
    [
        ("monetary_is_all_counted", lambda rows: rows.with_columns(pl.col("monetary_cents") + 1)),
        ("monetary_is_all_counted", lambda rows: rows.clear()),
        ("every_buyer_once", lambda rows: rows.filter(pl.col("customer_id") == "ann")),
        ("windows_nest", lambda rows: rows.with_columns(sessions_7d=pl.col("sessions_90d") + 1)),
    ],
)
def test_wrong_rows_are_reported(golden: pl.DataFrame, check: str, broken: Any):
    for asked in (days(98, 192), days(110, 110)):
        judged = outcomes(TABLE, broken(golden), GOLDEN, asked, SETTINGS)
        assert judged[day(110), check] == "fail"


def test_a_day_without_an_order_that_lost_its_customers_is_reported(golden: pl.DataFrame):
    without = golden.filter(pl.col("day") != day(107))
    for asked in (days(98, 192), days(107, 107)):
        judged = outcomes(TABLE, without, GOLDEN, asked, SETTINGS)
        assert judged[day(107), "every_buyer_once"] == judged[day(107), "monetary_is_all_counted"] == "fail"
    before_the_first_order = outcomes(TABLE, golden.clear(), GOLDEN, days(98, 99), SETTINGS)
    assert {before_the_first_order[day(99), name] for name in ("every_buyer_once", "windows_nest")} == {"skipped"}


def as_known_at_the_end_of(as_of: dt.date, history: Frames, chosen: Settings) -> dict[str, dict[str, Any]]:
    """The customers of a day the slow way, from nothing but the rows up to it."""
    known = {name: rows.filter(pl.col("day") <= as_of).to_dicts() for name, rows in history.items()}
    orders = [row for row in known["conversions"] if row["is_counted"] and row["customer_id"]]
    found = {}
    for name in {row["customer_id"] for row in orders}:
        clients = {r["client_id"] for r in known["identities"] if r["is_primary"] and r["customer_id"] == name}
        seen = [
            (row, (as_of - row["day"]).days)
            for row in known["client_days"]
            if row["client_id"] in clients and (chosen.bots.include or not row["is_bot"])
        ]
        own = [row for row in orders if row["customer_id"] == name]

        def total(column: str, low: int, high: int, seen: list[Any] = seen) -> int:
            return sum(row[column] for row, age in seen if low <= age < high)

        def active(low: int, high: int, seen: list[Any] = seen) -> int:
            return len({age for _, age in seen if low <= age < high})

        channels: Counter[str] = Counter()
        for row, age in seen:
            if age < 90 and row["sessions"]:
                channels[row["channel"]] += row["sessions"]
        sessions = channels.total()
        ages = [age for _, age in seen if age < 90]
        found[name] = {
            "recency_days": min((as_of - row["day"]).days for row in own),
            "frequency": len(own),
            "monetary_cents": sum(row["revenue_cents"] for row in own),
            "tenure_days": max((as_of - row["day"]).days for row in own),
            "clients": len(clients),
            "last_seen_days": min(ages) if ages else None,
            "sessions_7d": total("sessions", 0, 7),
            "sessions_30d": total("sessions", 0, 30),
            "sessions_90d": total("sessions", 0, 90),
            "active_days_7d": active(0, 7),
            "active_days_30d": active(0, 30),
            "active_days_90d": active(0, 90),
            "sessions_trend_30d": total("sessions", 0, 30) - total("sessions", 30, 60),
            "active_days_trend_30d": active(0, 30) - active(30, 60),
            "page_views_30d": total("page_views", 0, 30),
            "add_to_carts_30d": total("add_to_carts", 0, 30),
            "top_channel_90d": min(channels, key=lambda c: (-channels[c], c)) if channels else None,
            "channels_90d": len(channels),
            "paid_share_90d": sum(n for c, n in channels.items() if c.startswith("Paid")) / sessions
            if sessions
            else None,
            "direct_share_90d": channels["Direct"] / sessions if sessions else None,
        }
    return found


def random_history(links: pl.DataFrame, visited: pl.DataFrame, bought: pl.DataFrame) -> Frames:
    resolved = compute(identities_table.TABLE, {"identity_links": links}, days(0, LAST_DAY), SETTINGS)
    return {
        "client_days": visited,
        "conversions": bought,
        "identities": resolved.drop("first_seen_at"),
    }


LAST_DAY = 110
SOME_DAYS = days(102, LAST_DAY)


@settings(deadline=None, max_examples=12)
@given(
    chosen=st.sampled_from((SETTINGS, WITH_BOTS)),
    links=random_links(LAST_DAY),
    visited=random_client_days(LAST_DAY),
    bought=random_conversions(LAST_DAY),
)
def test_every_day_holds_exactly_what_was_known_at_its_end(
    chosen: Settings, links: pl.DataFrame, visited: pl.DataFrame, bought: pl.DataFrame
):
    history = random_history(links, visited, bought)
    whole = assert_chunking_does_not_matter(TABLE, history, SOME_DAYS, chosen, (1, 4))
    for as_of in SOME_DAYS:
        rows = whole.filter(pl.col("day") == as_of).drop("day", "average_order_cents").to_dicts()
        assert {row.pop("customer_id"): row for row in rows} == as_known_at_the_end_of(as_of, history, chosen)
    judged = outcomes(TABLE, whole, history, SOME_DAYS, chosen)
    assert set(judged.values()) <= {"pass", "skipped"}


@settings(deadline=None, max_examples=15)
@given(links=random_links(LAST_DAY), visited=random_client_days(LAST_DAY), bought=random_conversions(LAST_DAY))
def test_data_of_later_days_changes_nothing(links: pl.DataFrame, visited: pl.DataFrame, bought: pl.DataFrame):
    history = random_history(links, visited, bought)
    known = {name: frame.filter(pl.col("day") <= day(60)) for name, frame in history.items()}

    def as_of_day_60(inputs: Frames) -> pl.DataFrame:
        lazy = {name: frame.lazy() for name, frame in inputs.items()}
        assert TABLE.transform is not None
        return TABLE.transform(lazy, days(60, 60), SETTINGS).select(list(TABLE.schema)).collect().sort(TABLE.key)

    assert_frame_equal(as_of_day_60(history), as_of_day_60(known), check_exact=True)


@pytest.mark.parametrize(
    "shorter",
    [Reads("client_days", before=88), Reads("conversions", before=5), Reads("identities", before=5)],
    ids=["89 days of activity", "recent conversions", "recent identities"],
)
def test_a_window_shorter_than_the_features_need_would_be_noticed(shorter: Reads):
    reads = tuple(shorter if read.table == shorter.table else read for read in TABLE.reads)
    mutated = dataclasses.replace(TABLE, reads=reads)
    with pytest.raises(AssertionError):
        assert_chunking_does_not_matter(mutated, GOLDEN, days(109, 139), SETTINGS, (10,))
