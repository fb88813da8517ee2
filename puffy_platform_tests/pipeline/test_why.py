"""puffy why over stored tables: which sessions and orders are compared, and that nothing gets lost."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from typer.testing import CliRunner

from puffy_platform.cli import app
from puffy_platform.methods.decomposition.lmdi import AFTER, BEFORE, PARTS
from puffy_platform.methods.decomposition.words import sentence
from puffy_platform.pipeline import Platform
from puffy_platform.pipeline.why import NO_VISIT, WhyError, why_revenue_moved
from puffy_platform.settings import load_settings
from puffy_platform.tables import TABLES
from puffy_platform_tests.pipeline.stored import store
from puffy_platform_tests.tables.visits import at, day, days, event, events, session


def visits(first: str, number: int, when: dt.datetime, channel: str, **more: Any) -> list[dict[str, Any]]:
    return [
        session(f"{first}{n}", f"client {first}{n}", when, channel, device_class="mobile", **more)
        for n in range(number)
    ]


def order(name: str, when: dt.datetime, session_id: str | None, cents: int) -> dict[str, Any]:
    return {
        "day": when.date(),
        "event_id": name,
        "converting_session_id": session_id,
        "revenue_cents": cents,
    }


@pytest.fixture
def platform(tmp_path: Path) -> Platform:
    """Two periods of two days: by email first 10 sessions and 2 orders of 100.00, then 20 and 2 of 150.00; by search
    none, then 5 sessions with an order of 80.00; a crawler's sessions; an order of somebody unknown."""
    found = Platform(load_settings(tmp_path, environment={}))
    rows = [
        *visits("a", 10, at(1), "Email"),
        *visits("b", 20, at(3), "Email"),
        *visits("c", 5, at(4), "Paid Search"),
        *visits("bot", 50, at(4), "Direct", is_bot=True),
    ]
    store(found, TABLES["sessions"], pl.DataFrame(rows))
    orders = [
        order("1", at(1), "a0", 10_000),
        order("2", at(2), "a1", 10_000),
        order("3", at(3), "b0", 15_000),
        order("4", at(4), "b1", 15_000),
        order("5", at(4), "c0", 8_000),
        order("6", at(3), None, 500),
    ]
    store(found, TABLES["user_journeys"], pl.DataFrame(orders))
    store(found, TABLES["events_enriched"], events(event("a0", at(1)), event("b0", at(4, "23:00"))))
    (tmp_path / "landing").mkdir()
    return found


def test_the_change_is_divided_within_channels_and_adds_up(platform: Platform) -> None:
    found = why_revenue_moved(platform, days(3, 4))
    assert (found.before, found.after) == (days(1, 2), days(3, 4))
    by_channel = {row[0]: row[1:] for row in found.by_channel.select("channel", "change_cents", *PARTS).iter_rows()}
    # L(30,000, 20,000) = 10,000 / ln 1.5 = 24,663.03; ln 2, ln 0.5 and ln 1.5 of it.
    assert by_channel == {
        "Email": (10_000, 17_095, -17_095, 10_000, 0),
        "Paid Search": (8_000, 8_000, 0, 0, 0),
        NO_VISIT: (500, 0, 0, 0, 500),
    }
    assert found.by_channel["channel"].to_list() == ["Email", "Paid Search", NO_VISIT]
    total = found.total.row(0, named=True)
    assert (total["sessions_before"], total["sessions_after"]) == (10, 25)
    assert (total["revenue_before_cents"], total["revenue_after_cents"]) == (20_000, 38_500)
    for frame in (found.by_channel, found.by_device, found.segments):
        assert frame.select(pl.col(*BEFORE, *AFTER, "change_cents", *PARTS).sum()).rows() == found.total.rows()


def test_an_order_belongs_to_a_visit_that_began_the_day_before(platform: Platform) -> None:
    found = why_revenue_moved(platform, days(4, 4), days(3, 3))
    email = found.by_channel.filter(channel="Email").row(0, named=True)
    assert (email["sessions_before"], email["sessions_after"], email["orders_after"]) == (20, 0, 1)
    # On day 4 it has an order and no session of its own: no rate to compare.
    assert email["from_elsewhere_cents"] == 0 == email["change_cents"]


def test_days_without_events_and_overlaps_are_refused(platform: Platform, tmp_path: Path) -> None:
    with pytest.raises(WhyError, match=f"is not covered: there are events from {day(1)} to {day(4)}"):
        why_revenue_moved(platform, days(1, 2))
    with pytest.raises(WhyError, match="overlap"):
        why_revenue_moved(platform, days(2, 3), days(3, 4))
    nothing = Platform(load_settings(tmp_path / "none", environment={}))
    with pytest.raises(WhyError, match="there are no events yet"):
        why_revenue_moved(nothing, days(3, 4))


def asked(platform: Platform, *arguments: str) -> Any:
    home = str(platform.settings.home)
    return CliRunner().invoke(app, ["why", *arguments], env={"PUFFY_HOME": home, "COLUMNS": "80"})


def test_the_command_says_it_in_a_sentence_and_in_json(platform: Platform) -> None:
    period = ("--from", str(day(3)), "--to", str(day(4)))
    run = asked(platform, *period)
    assert run.exit_code == 0, run.output
    text = " ".join(run.stdout.split())
    assert "Revenue rose by 185.00 (+92.5%): sessions +250.95, conversion rate -170.95, order value +100.00." in text
    assert "conversion rate 20.00% 16.00% -170.95" in text
    assert max(map(len, run.stdout.splitlines())) <= 80
    found = json.loads(asked(platform, *period, "--json").stdout)
    assert found["total"]["change_cents"] == 18_500
    assert sum(row["from_sessions_cents"] for row in found["segments"]) == 25_095
    longer = asked(platform, "--from", str(day(2)), "--to", str(day(4)), "--versus-from", str(day(1)))
    assert longer.exit_code == 2
    uneven = asked(
        platform, "--from", str(day(2)), "--to", str(day(4)), "--versus-from", str(day(1)), "--versus-to", str(day(1))
    )
    assert "note: 3 days against 1" in uneven.stdout
    assert asked(platform, "--from", str(day(4)), "--to", str(day(3))).exit_code == 2
    assert asked(platform, *period, "--versus-to", str(day(1))).exit_code == 2


def test_a_change_in_words() -> None:
    def said(before: int, *parts: int) -> str:
        return sentence(
            {"revenue_before_cents": before, "change_cents": sum(parts), **dict(zip(PARTS, parts, strict=True))}
        )

    assert said(10_000, -5_000, 2_000, 0, 0) == (
        "Revenue fell by 30.00 (-30.0%): sessions -50.00, conversion rate +20.00."
    )
    assert said(0, 700, 0, 0, 20) == "Revenue rose by 7.20: sessions +7.00."
    assert said(500, 0, 0, 0, 0) == "Revenue did not change."
    assert said(500, 100, -100, 0, 0) == "Revenue did not change in sum: sessions +1.00, conversion rate -1.00."
