"""Data-driven attribution as of a day: which journeys count then, and that days are what they are."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings

from puffy_platform.methods.data_driven import Evidence
from puffy_platform.settings import Settings
from puffy_platform.tables import conversions, paths, sessions
from puffy_platform.tables.attribution_data_driven import TABLE, evidence_as_of, in_order
from puffy_platform_tests.tables.visits import (
    CONVERSIONS,
    SESSIONS,
    at,
    conversion,
    day,
    days,
    histories,
    purchases_of,
    session,
)
from puffy_platform_tests.windows import assert_chunking_does_not_matter, compute, outcomes, settings_with

DEFAULTS = settings_with(
    attribution={"windows_days": (1, 3)}, data_driven={"rolling_days": 3, "min_conversions": 2, "draws": 50}
)
HISTORY = days(-1, 5)


def journeys_of(
    orders: list[dict[str, Any]], visits: list[dict[str, Any]], chosen: Settings = DEFAULTS
) -> pl.DataFrame:
    inputs = {
        "conversions": pl.DataFrame(orders, schema=CONVERSIONS),
        "sessions": pl.DataFrame(visits, schema=SESSIONS),
    }
    return compute(paths.TABLE, inputs, HISTORY, chosen)


def walked(evidence: Evidence) -> dict[str, tuple[int, int]]:
    """Path -> journeys with and without an order."""
    journeys, found = evidence.journeys, {}
    for path in range(journeys.paths):
        steps = journeys.steps[journeys.path_of_step == path]
        name = " > ".join(journeys.channels[step] for step in steps)
        found[name] = (int(journeys.converted[path]), int(journeys.lost[path]))
    return found


def as_of(rows: pl.DataFrame, window: int, rolling: int = 3) -> dict[int, dict[str, tuple[int, int]]]:
    """Number of the day -> path -> journeys with and without an order."""
    ordered = in_order(rows.lazy())
    found = evidence_as_of(ordered, HISTORY, window, rolling)
    return {(when - day(0)).days: walked(evidence) for when, evidence in found}


def test_a_journey_counts_once_on_each_day_as_it_last_stood_until_it_leaves_the_rolling_window() -> None:
    visits = [session(f"s{n}", "ann", at(n), channel) for n, channel in ((0, "Email"), (1, "Direct"), (2, "Referral"))]
    found = as_of(journeys_of([conversion("c", "ann", at(2, "12:30"), 100)], visits), window=3)
    assert found == {
        -1: {},
        0: {"Email": (0, 1)},
        1: {"Email > Direct": (0, 1)},
        2: {"Email > Direct > Referral": (1, 0)},
        3: {"Email > Direct > Referral": (1, 0)},
        4: {"Email > Direct > Referral": (1, 0)},
        5: {},
    }


def test_a_touchpoint_after_more_than_the_look_back_is_another_journey() -> None:
    rows = journeys_of([], [session("s0", "ann", at(0), "Email"), session("s2", "ann", at(2), "Direct")])
    assert as_of(rows, window=1)[2] == {"Email": (0, 1), "Direct": (0, 1)}
    assert as_of(rows, window=3)[2] == {"Email > Direct": (0, 1)}


def test_an_order_after_more_than_the_look_back_leaves_the_journey_without_one() -> None:
    orders = [conversion("c", "ann", at(2), 100)]
    rows = journeys_of(orders, [session("s0", "ann", at(0), "Email")])
    assert as_of(rows, window=1)[2] == {"Email": (0, 1)}
    assert as_of(rows, window=3)[2] == {"Email": (1, 0)}
    (evidence,) = (e for when, e in evidence_as_of(in_order(rows.lazy()), HISTORY, 1, 3) if when == day(2))
    assert (evidence.unattributed_orders, evidence.unattributed_cents) == (1, 100)


def test_the_credit_of_a_day_is_that_of_its_rolling_window() -> None:
    # Two of three who came by Email ordered, one of two who came directly.
    visits = [session(f"e{n}", f"e{n}", at(n), "Email") for n in range(3)]
    visits += [session(f"d{n}", f"d{n}", at(n), "Direct") for n in range(2)]
    orders = [conversion(f"c{name}", name, at(2, "13:00"), 100_00) for name in ("e0", "e1", "d1")]
    orders.append(conversion("nobody", None, at(2), 1))
    inputs = {"paths": journeys_of(orders, visits)}
    found = assert_chunking_does_not_matter(TABLE, inputs, HISTORY, DEFAULTS)
    (email,) = found.filter(day=day(2), model="shapley_rate", window_days=3, channel="Email").to_dicts()
    interval = (email.pop("share_low"), email.pop("share_high"))
    assert interval[0] < 0.5 < interval[1]
    assert email == {
        "day": day(2),
        "model": "shapley_rate",
        "window_days": 3,
        "rolling_days": 3,
        "channel": "Email",
        "share": 0.5,
        "orders": 2.0,
        "revenue_cents": 200_00,
        "status": "unstable",
        "converted_journeys": 3,
        "lost_journeys": 2,
    }
    assert found.filter(day=day(2), window_days=3, channel="(unattributed)")["revenue_cents"].to_list() == [1, 1, 1]
    # Within one day no order has a touchpoint: e1 and d1 came a day and an hour before theirs.
    assert found.filter(day=day(2), window_days=1).select("channel", "share", "orders", "status").unique().rows() == [
        ("(unattributed)", None, 4.0, "not_enough_data")
    ]
    assert set(found["day"]) == {day(n) for n in (2, 3, 4)}


@settings(max_examples=10, deadline=None)
@given(history=histories(clients=("a", "b", "c", None)))
def test_any_history_counts_as_a_walk_through_it_counts_and_any_chunking_gives_the_same(history: pl.DataFrame) -> None:
    visits = compute(sessions.TABLE, {"events_enriched": history}, HISTORY, DEFAULTS)
    orders = compute(conversions.TABLE, {"purchases": purchases_of(history)}, HISTORY, DEFAULTS)
    rows = compute(paths.TABLE, {"sessions": visits, "conversions": orders}, HISTORY, DEFAULTS)
    for window in (1, 3):
        found = as_of(rows, window)
        for number in range(-1, 6):
            assert found[number] == counted(rows, number, window, rolling=3), (number, window)
    credit = assert_chunking_does_not_matter(TABLE, {"paths": rows}, HISTORY, DEFAULTS, chunks=(1, 3))
    assert "fail" not in outcomes(TABLE, credit, {"paths": rows}, HISTORY, DEFAULTS).values()


def counted(rows: pl.DataFrame, number: int, window: int, rolling: int) -> dict[str, tuple[int, int]]:
    """The journeys as of the day, client by client."""
    known = rows.filter(days(number - rolling + 1, number).covers()).sort("ended_at", "journey_id").to_dicts()
    won: Counter[str] = Counter()
    lost: Counter[str] = Counter()
    look_back = dt.timedelta(days=window)
    for place, row in enumerate(known):
        near = [t["channel"] for t in row["touches"] if row["ended_at"] - t["touched_at"] <= look_back]
        later = [other for other in known[place + 1 :] if other["client_id"] == row["client_id"]]
        if row["is_converted"]:
            won[" > ".join(near)] += bool(near)
        elif not later or later[0]["ended_at"] - row["ended_at"] > look_back:
            lost[" > ".join(near)] += 1
    return {name: (won[name], lost[name]) for name in won.keys() | lost.keys() if name}


def test_lost_money_lost_orders_and_wrong_shares_do_not_pass_the_checks() -> None:
    visits = [session(f"s{n}", f"client {n}", at(2), "Email" if n % 2 else "Direct") for n in range(8)]
    orders = [conversion(f"c{n}", f"client {n}", at(3), 100) for n in range(4)]
    inputs = {"paths": journeys_of(orders, visits)}

    def failing(rows: pl.DataFrame) -> set[str]:
        found = outcomes(TABLE, rows, inputs, days(3, 4), DEFAULTS)
        return {check for (_, check), status in found.items() if status == "fail"}

    good = compute(TABLE, inputs, days(3, 4), DEFAULTS)
    is_one = (pl.col("channel") == "Email") & (pl.col("model") == "markov_1") & (pl.col("window_days") == 3)
    assert failing(good) == set()
    assert failing(good.with_columns(revenue_cents=pl.col("revenue_cents") + is_one)) == {"credit_is_complete"}
    assert failing(good.with_columns(orders=pl.col("orders") + 0.01 * is_one)) == {"credit_is_complete"}
    assert failing(good.with_columns(share=pl.col("share") + 0.01 * is_one)) == {"shares_sum_to_one"}
    assert failing(good.with_columns(share=pl.when(~is_one).then("share"))) == {"shares_sum_to_one"}


def test_the_settings_choose_the_orders_of_the_chain() -> None:
    visits = [session(f"s{n}", f"client {n}", at(2), "Email" if n % 2 else "Direct") for n in range(8)]
    rows = journeys_of([conversion(f"c{n}", f"client {n}", at(2, "13:00"), 100) for n in range(4)], visits)
    chosen = settings_with(
        attribution={"windows_days": (3,)},
        data_driven={"rolling_days": 3, "min_conversions": 2, "markov_orders": (3, 2)},
    )
    found = compute(TABLE, {"paths": rows}, days(2, 2), chosen)
    assert set(found["model"]) == {"shapley_rate", "shapley_sum", "markov_2", "markov_3"}
    with pytest.raises(ValueError, match="less than or equal to 4"):
        settings_with(data_driven={"markov_orders": (5,)})
