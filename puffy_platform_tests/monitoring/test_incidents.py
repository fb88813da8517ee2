"""Incidents open once, are updated, come back as the same one soon, and recover."""

import datetime as dt

import polars as pl

from puffy_platform.monitoring.incidents import (
    QUIET_DAYS,
    Incident,
    OpenIncident,
    advance,
    incidents_of,
    incidents_of_checks,
)
from puffy_platform.outcomes import OUTCOME_SCHEMA
from puffy_platform.tables import TABLES

DAY = dt.date(2025, 3, 3)


def incident(day: int, key: str = "tracking", *, cents: int = 100, is_posted: bool = True) -> Incident:
    return Incident(key, DAY + dt.timedelta(days=day), "fail", is_posted, "tracking", "sources lost", (), (), cents)


def folded(days: dict[int, list[Incident]], last: int) -> list[tuple[int, str, str]]:
    """(day, what happened, to which incident) of days 0..last."""
    now: dict[str, OpenIncident] = {}
    told = []
    for day in range(last + 1):
        now, events = advance(now, DAY + dt.timedelta(days=day), days.get(day, []))
        told += [(day, event.kind, event.incident.key) for event in events]
    return told


def test_an_incident_of_three_days_is_one_message_two_updates_and_a_recovery() -> None:
    days = {day: [incident(day)] for day in (1, 2, 3)}
    over = 3 + QUIET_DAYS + 1
    assert folded(days, over) == [
        (1, "open", "tracking"),
        (2, "update", "tracking"),
        (3, "update", "tracking"),
        (over, "recover", "tracking"),
    ]


def test_what_comes_back_within_the_quiet_days_is_no_new_message() -> None:
    days = {1: [incident(1)], 1 + QUIET_DAYS: [incident(1 + QUIET_DAYS)]}
    assert [kind for _, kind, _ in folded(days, 10)] == ["open", "update", "recover"]
    later = {1: [incident(1)], 3 + QUIET_DAYS: [incident(3 + QUIET_DAYS)]}
    assert [kind for _, kind, _ in folded(later, 12)] == ["open", "recover", "open", "recover"]


def test_a_jump_over_days_recovers_and_opens_again() -> None:
    now, _ = advance({}, DAY, [incident(0)])
    now, events = advance(now, DAY + dt.timedelta(days=30), [incident(30)])
    assert [event.kind for event in events] == ["recover", "open"]
    assert now["tracking"].opened == DAY + dt.timedelta(days=30)


def test_the_worst_day_is_kept() -> None:
    now: dict[str, OpenIncident] = {}
    for day, cents in enumerate((100, 900, 300)):
        now, _ = advance(now, DAY + dt.timedelta(days=day), [incident(day, cents=cents)])
    assert now["tracking"].worst.money_at_stake_cents == 900
    assert now["tracking"].newest.money_at_stake_cents == 300
    assert now["tracking"].days == 3


def test_what_is_for_the_digest_opens_nothing_but_keeps_an_open_incident_alive() -> None:
    assert folded({1: [incident(1, is_posted=False)]}, 9) == []
    days = {1: [incident(1)], 3: [incident(3, is_posted=False)]}
    assert folded(days, 5) == [(1, "open", "tracking"), (3, "update", "tracking")]


def row(metric: str, segment: str, incident: str | None, **more: object) -> dict[str, object]:
    values: dict[str, object] = {
        "day": DAY,
        "metric": metric,
        "segment": segment,
        "table": "sessions",
        "layer": "business",
        "status": "fail",
        "observed": 10.0,
        "expected": 20.0,
        "low": 15.0,
        "high": 25.0,
        "deviation": -5.0,
        "explanation": "half is gone",
        "incident": incident,
        "cause": "demand" if incident else None,
        "is_lead": False,
        "is_posted": incident is not None,
        "money_at_stake_cents": 700 if incident else None,
    }
    return values | more


def test_rows_of_anomalies_become_incidents_led_by_what_says_it_best() -> None:
    rows = pl.DataFrame(
        [
            row("orders", "", "traffic down", deviation=-9.0, table="conversions"),
            row("sessions", "", "traffic down", is_lead=True),
            row("events", "", None, status="warn"),
            row("clients", "", None, status="pass"),
        ],
        schema=TABLES["anomalies"].schema,
    )
    traffic, rest = incidents_of(rows)
    assert (traffic.key, traffic.is_posted, traffic.money_at_stake_cents) == ("traffic down", True, 700)
    assert [finding.metric for finding in traffic.findings] == ["sessions", "orders"]
    assert traffic.tables == ("sessions", "conversions")
    assert (traffic.findings[0].observed, traffic.findings[0].words) == (10.0, "sessions")
    assert (rest.key, rest.is_posted, len(rest.findings)) == ("unexplained", False, 1)


def test_a_failed_check_is_posted_and_one_that_warns_goes_to_the_digest() -> None:
    outcomes = pl.DataFrame(
        [
            ("sessions", DAY, "key", "error", "fail", "2 rows share a key", "unique", ""),
            ("purchases", DAY, "no_zero_revenue", "warn", "warn", "1 of 20", "every order", ""),
            ("purchases", DAY, "key", "error", "pass", "as declared", "unique", ""),
            ("anomalies", DAY, "business_is_usual", "warn", "fail", "3 of 40", "as usual", ""),
        ],
        schema=OUTCOME_SCHEMA,
        orient="row",
    )
    assert [(each.key, each.is_posted) for each in incidents_of_checks(outcomes)] == [
        ("purchases.no_zero_revenue", False),
        ("sessions.key", True),
    ]
