"""Channel summary: traffic and credit by channel, model and window, by hand and against totals."""

from __future__ import annotations

import polars as pl
from hypothesis import given, settings

from puffy_platform.tables import attribution, conversions, sessions
from puffy_platform.tables.channel_summary import TABLE
from puffy_platform_tests.tables.visits import (
    CONVERSIONS,
    SESSIONS,
    at,
    conversion,
    days,
    histories,
    purchases_of,
    session,
)
from puffy_platform_tests.windows import (
    Frames,
    assert_chunking_does_not_matter,
    compute,
    outcomes,
    settings_with,
)

DEFAULTS = settings_with(attribution={"windows_days": (1, 3)})
HISTORY = days(-1, 5)
ON_DAY_3 = days(3, 3)


def two_orders() -> Frames:
    """Ann orders on day 3 after Email on day 1, Paid Search that day; an order without client; a crawler."""
    visits = pl.DataFrame(
        [
            session("s1", "ann", at(1), "Email"),
            session("s2", "ann", at(3, "09:00"), "Paid Search"),
            session("s3", "ben", at(3), "Paid Search"),
            session("s4", "ben", at(3, "15:00"), "Paid Search"),
            session("s5", "crawler", at(3), "Direct", is_bot=True),
        ],
        schema=SESSIONS,
    )
    orders = pl.DataFrame(
        [conversion("c1", "ann", at(3), 1_001), conversion("c2", None, at(3), 500)], schema=CONVERSIONS
    )
    credit = compute(attribution.TABLE, {"conversions": orders, "sessions": visits}, days(0, 3), DEFAULTS)
    return {"sessions": visits, "attribution": credit}


def test_each_channel_has_its_sessions_clients_and_credit_for_every_model_and_window() -> None:
    found = compute(TABLE, two_orders(), ON_DAY_3, DEFAULTS)
    columns = ["channel", "sessions", "clients", "conversions", "revenue_cents", "conversion_rate"]
    assert found.height == 3 * 6 * 2
    assert found.filter(model="linear", window_days=3).sort("channel").select(columns).rows() == [
        ("(unattributed)", 0, 0, 1.0, 500, None),
        ("Email", 0, 0, 0.5, 501, None),
        ("Paid Search", 3, 2, 0.5, 500, 0.166666667),
    ]
    assert found.filter(model="linear", window_days=1).sort("channel").select(columns).rows() == [
        ("(unattributed)", 0, 0, 1.0, 500, None),
        ("Email", 0, 0, 0.0, 0, None),
        ("Paid Search", 3, 2, 1.0, 1_001, 0.333333333),
    ]


def test_crawlers_count_when_bots_are_included() -> None:
    with_bots = settings_with(attribution={"windows_days": (1, 3)}, bots={"include": True})
    found = compute(TABLE, two_orders(), ON_DAY_3, with_bots).filter(channel="Direct")
    assert found.select("sessions", "clients", "conversions", "conversion_rate").unique().rows() == [(1, 1, 0, 0)]


@settings(max_examples=12, deadline=None)
@given(history=histories())
def test_every_model_and_window_adds_up_to_the_orders_of_the_day(history: pl.DataFrame) -> None:
    visits = compute(sessions.TABLE, {"events_enriched": history}, HISTORY, DEFAULTS)
    orders = compute(conversions.TABLE, {"purchases": purchases_of(history)}, HISTORY, DEFAULTS)
    sources = {"sessions": visits, "conversions": orders}
    inputs = {"sessions": visits, "attribution": compute(attribution.TABLE, sources, HISTORY, DEFAULTS)}
    found = assert_chunking_does_not_matter(TABLE, inputs, HISTORY, DEFAULTS, chunks=(1, 3))

    counted = orders.filter("is_counted").group_by("day").agg(cents=pl.col("revenue_cents").sum(), orders=pl.len())
    credited = found.group_by("day", "model", "window_days").agg(pl.col("conversions", "revenue_cents").sum())
    joined = credited.join(counted, on="day", how="left").with_columns(pl.col("cents", "orders").fill_null(0))
    assert joined.filter(pl.col("revenue_cents") != pl.col("cents")).is_empty()
    assert joined.filter((pl.col("conversions") - pl.col("orders")).abs() > 1e-6).is_empty()
    assert counted.join(credited, on="day", how="anti").is_empty()
    assert "fail" not in outcomes(TABLE, found, inputs, HISTORY, DEFAULTS).values()


def test_lost_credit_and_lost_sessions_do_not_pass_the_checks() -> None:
    inputs = two_orders()

    def failing(rows: pl.DataFrame) -> set[str]:
        found = outcomes(TABLE, rows, inputs, ON_DAY_3, DEFAULTS)
        return {check for (_, check), status in found.items() if status == "fail"}

    good = compute(TABLE, inputs, ON_DAY_3, DEFAULTS)
    assert failing(good) == set()
    assert failing(good.filter(pl.col("channel") != "(unattributed)")) == {"credit_is_complete"}
    assert failing(good.with_columns(pl.col("sessions") + 1)) == {"sessions_are_complete"}
