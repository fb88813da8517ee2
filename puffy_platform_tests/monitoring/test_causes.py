"""Several unusual metrics of a day are one incident with a likely cause, the most money at stake first."""

import numpy as np

from puffy_platform.monitoring.causes import suspicions
from puffy_platform.monitoring.panel import Panel, Series
from puffy_platform.monitoring.suspicion import Suspicion
from puffy_platform_tests.monitoring.histories import judged, panel

DAYS, TODAY = 50, 49
CHANNELS = {"Direct": 300, "Paid Search": 300, "Organic Search": 250, "Email": 150}


def shop() -> tuple[dict[Series, list[float]], dict[Series, list[float]]]:
    """A shop where every day is the same: 1,000 sessions, 20 orders of 100 each, 24 hours of 200 events."""
    amounts: dict[Series, float] = {
        ("events", ""): 4800,
        ("sessions", ""): 1000,
        ("clients", ""): 900,
        ("orders", ""): 400,
        ("revenue", ""): 4_000_000,
        ("conversion_rate", ""): 400,
        ("checkout_rate", ""): 800,
        ("checkout_completion", ""): 400,
        ("capped_order_value", ""): 4_000_000,
        ("unknown_channel_share", ""): 0,
        ("duplicate_share", ""): 50,
        ("collision_share", ""): 2,
        ("null_share", "raw_events.client_id"): 50,
        ("null_share", "raw_events.referrer"): 2000,
        ("null_share", "events_enriched.utm_source"): 3800,
        **{("channel_share", name): value for name, value in CHANNELS.items()},
        **{("hour_events", f"{hour:02d}"): 200 for hour in range(24)},
    }
    basis: dict[Series, float] = {
        **dict.fromkeys(amounts, 1.0),
        **{series: 5000.0 for series in amounts if series[0] in ("null_share", "duplicate_share")},
        ("unknown_channel_share", ""): 4800.0,
        ("conversion_rate", ""): 1000.0,
        ("checkout_rate", ""): 1000.0,
        ("checkout_completion", ""): 800.0,
        ("capped_order_value", ""): 400.0,
        ("collision_share", ""): 400.0,
        **{("channel_share", name): 1000.0 for name in CHANNELS},
    }
    return {k: [v] * DAYS for k, v in amounts.items()}, {k: [v] * DAYS for k, v in basis.items()}


def today(
    changes: dict[Series, float] | None = None, basis_changes: dict[Series, float] | None = None
) -> list[Suspicion]:
    """The incidents of the last day of that shop after these changes."""
    amounts, basis = shop()
    for series, value in (changes or {}).items():
        amounts[series][TODAY] = value
    for series, value in (basis_changes or {}).items():
        basis[series][TODAY] = value
    built: Panel = panel(amounts, basis)
    grain = built.grain.copy()
    for money in (("revenue", ""), ("capped_order_value", "")):
        grain[built.place[money]] = 10_000
    built = Panel(
        built.series, built.amount, built.basis, grain, built.there, np.zeros(DAYS, dtype=np.bool_), built.weekday
    )
    return suspicions(judged(built), TODAY)


def keys(found: list[Suspicion]) -> list[str]:
    return [each.key for each in found]


FEWER_VISITORS: dict[Series, float] = {
    ("events", ""): 2400,
    ("sessions", ""): 500,
    ("clients", ""): 450,
    ("orders", ""): 200,
    ("revenue", ""): 2_000_000,
    ("conversion_rate", ""): 200,
    ("checkout_completion", ""): 200,
    ("capped_order_value", ""): 2_000_000,
    ("null_share", "raw_events.client_id"): 25,
    ("null_share", "raw_events.referrer"): 1000,
    ("null_share", "events_enriched.utm_source"): 1900,
    **{("channel_share", name): value / 2 for name, value in CHANNELS.items()},
    **{("hour_events", f"{hour:02d}"): 100 for hour in range(24)},
}
HALF_BASIS: dict[Series, float] = {
    ("conversion_rate", ""): 500,
    ("checkout_completion", ""): 400,
    ("capped_order_value", ""): 200,
    ("unknown_channel_share", ""): 2400,
    ("null_share", "raw_events.client_id"): 2500,
    ("null_share", "raw_events.referrer"): 2500,
    ("null_share", "events_enriched.utm_source"): 2500,
    **{("channel_share", name): 500 for name in CHANNELS},
}


def test_a_day_like_all_others_has_no_incident() -> None:
    assert today() == []


def test_half_the_visitors_in_all_channels_are_one_incident_of_demand() -> None:
    found = today(FEWER_VISITORS, HALF_BASIS)
    assert keys(found) == ["traffic down"]
    assert {series for series in found[0].claims if series[1] == ""} == {
        ("events", ""),
        ("sessions", ""),
        ("clients", ""),
        ("orders", ""),
        ("revenue", ""),
    }
    assert found[0].money_at_stake_cents == 2_000_000


def test_all_channels_down_and_no_referrers_is_tracking_and_not_demand() -> None:
    changes = FEWER_VISITORS | {
        ("null_share", "raw_events.referrer"): 2500,
        ("channel_share", "Direct"): 500,
        ("channel_share", "Paid Search"): 0,
        ("channel_share", "Organic Search"): 0,
        ("channel_share", "Email"): 0,
    }
    found = today(changes, HALF_BASIS)
    assert keys(found) == ["tracking"]
    assert found[0].cause == "tracking"
    assert "tracking, not demand" in found[0].sentence
    assert ("sessions", "") in found[0].claims
    assert ("channel_share", "Paid Search") in found[0].claims


def test_a_quarter_of_the_day_without_events_is_a_delivery_and_not_a_fall_in_demand() -> None:
    changes: dict[Series, float] = {("hour_events", f"{hour:02d}"): 0 for hour in (3, 4, 5, 6, 7, 8)}
    changes |= {("events", ""): 3600, ("sessions", ""): 750, ("clients", ""): 675}
    changes |= {("orders", ""): 300, ("revenue", ""): 3_000_000, ("conversion_rate", ""): 300}
    changes |= {("checkout_completion", ""): 300, ("capped_order_value", ""): 3_000_000}
    basis: dict[Series, float] = {("conversion_rate", ""): 750, ("checkout_completion", ""): 600}
    found = today(changes, basis | {("capped_order_value", ""): 300})
    assert keys(found) == ["missing hours"]
    assert "from 03:00 to 09:00" in found[0].sentence
    assert "25% of a usual day" in found[0].sentence
    assert found[0].money_at_stake_cents == 1_000_000


def test_client_ids_that_vanish_are_one_incident_though_sessions_vanish_with_them() -> None:
    changes: dict[Series, float] = {("null_share", "raw_events.client_id"): 1500, ("sessions", ""): 707}
    found = today(changes | {("clients", ""): 636}, {("conversion_rate", ""): 707})
    assert keys(found) == ["nulls: raw_events.client_id"]
    assert "30.0% of raw_events.client_id is null instead of 1.0%" in found[0].sentence


def test_a_broken_checkout_is_named_and_its_orders_and_revenue_go_with_it() -> None:
    changes: dict[Series, float] = {("orders", ""): 200, ("revenue", ""): 2_000_000, ("conversion_rate", ""): 200}
    changes |= {("checkout_completion", ""): 200, ("capped_order_value", ""): 2_000_000}
    found = today(changes, {("capped_order_value", ""): 200})
    assert keys(found) == ["conversion down"]
    assert found[0].cause == "checkout"
    assert {("orders", ""), ("revenue", "")} <= set(found[0].claims)


def test_half_more_traffic_that_comes_to_the_checkout_more_often_is_a_line_in_the_digest_about_a_sale() -> None:
    changes = {
        series: value * 3
        for series, value in FEWER_VISITORS.items()
        if series[0] not in ("conversion_rate", "checkout_completion", "orders", "revenue", "capped_order_value")
    }
    changes |= {("checkout_rate", ""): 1400}
    changes |= {("orders", ""): 700, ("conversion_rate", ""): 700, ("checkout_completion", ""): 700}
    changes |= {("revenue", ""): 7_000_000, ("capped_order_value", ""): 7_000_000}
    basis = {series: value * 3 for series, value in HALF_BASIS.items()}
    found = today(changes, basis | {("checkout_completion", ""): 1400, ("capped_order_value", ""): 700})
    assert [each.key for each in found if each.is_posted] == []
    assert any("like a sale" in each.cause for each in found)


def test_one_channel_down_is_its_own_incident_and_the_others_do_not_rise() -> None:
    changes: dict[Series, float] = {
        ("channel_share", "Paid Search"): 100,
        ("channel_share", "Direct"): 386,
        ("channel_share", "Organic Search"): 321,
        ("channel_share", "Email"): 193,
    }
    found = today(changes)
    assert keys(found) == ["channel Paid Search down"]
    assert "10.0% of the sessions instead of 30.0%" in found[0].sentence


def test_lower_prices_are_told_from_fewer_orders() -> None:
    found = today({("revenue", ""): 2_000_000, ("capped_order_value", ""): 2_000_000})
    assert keys(found) == ["order value down"]
    assert ("revenue", "") in found[0].claims


def test_order_ids_used_again_and_rows_sent_again_are_named() -> None:
    found = today({("collision_share", ""): 60, ("duplicate_share", ""): 900})
    assert keys(found) == ["duplicate_share", "collision_share"] or keys(found) == [
        "collision_share",
        "duplicate_share",
    ]
    severity = {each.key: each.severity for each in found}
    assert severity == {"collision_share": "fail", "duplicate_share": "warn"}
    at_stake = {each.key: each.money_at_stake_cents > 0 for each in found}
    assert at_stake == {"collision_share": True, "duplicate_share": False}, "rows sent again are taken out"


def test_the_incident_with_the_most_money_at_stake_comes_first() -> None:
    changes: dict[Series, float] = {("collision_share", ""): 60, ("null_share", "raw_events.client_id"): 2500}
    found = today(changes | {("sessions", ""): 505, ("clients", ""): 455}, {("conversion_rate", ""): 505})
    assert keys(found) == ["nulls: raw_events.client_id", "collision_share"]
    assert found[0].money_at_stake_cents > found[1].money_at_stake_cents > 0


def test_no_metric_is_claimed_by_two_incidents() -> None:
    changes = FEWER_VISITORS | {("duplicate_share", ""): 900, ("collision_share", ""): 60}
    claims = [series for each in today(changes, HALF_BASIS) for series in each.claims]
    assert len(claims) == len(set(claims))
