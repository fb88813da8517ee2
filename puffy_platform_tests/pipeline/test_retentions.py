"""Questions about retention, asked of stored tables, and what a script and a reader get to see."""

from __future__ import annotations

import datetime as dt
import io
import json
from pathlib import Path

import polars as pl
import pytest
from rich.console import Console

from puffy_platform.methods.retention import ALL, RetentionError, read_marks
from puffy_platform.pipeline import Platform
from puffy_platform.pipeline.retentions import RetentionAnswer, ask_retention
from puffy_platform.present_retention import print_retention
from puffy_platform.settings import load_settings
from puffy_platform.tables import TABLES
from puffy_platform_tests.pipeline.stored import store
from puffy_platform_tests.tables.visits import at, days, event, events, purchases_of
from puffy_platform_tests.windows import compute

BUY = "checkout_completed"
MARKS = read_marks("1, 2+")


@pytest.fixture
def shop(tmp_path: Path) -> Platform:
    """Days 0 to 5. Ann comes at 20:00 and again at 09:00 the next day, and orders twice; Ben comes once; a crawler."""
    platform = Platform(load_settings(tmp_path, environment={}))
    order = {"revenue_cents": 5_000, "email_hash": "ann's"}
    rows = events(
        event("ann", at(0, "20:00")),
        event("ann", at(1, "09:00")),
        event("ann", at(3, "21:00"), BUY, transaction_id="o1", **order),
        event("ann", at(4, "22:00"), BUY, transaction_id="o2", **order),
        event("ann", at(4, "22:01"), BUY, transaction_id="o2", **order),
        event("ben", at(0, "10:00")),
        event("crawler", at(0), is_bot=True),
        event("crawler", at(1), is_bot=True),
        event(None, at(5)),
    )
    inputs = {"events_enriched": rows, "purchases": purchases_of(rows)}
    store(platform, TABLES["events_enriched"], rows)
    for name in ("sessions", "conversions", "client_days"):
        inputs[name] = compute(TABLES[name], inputs, days(0, 5), platform.settings)
        store(platform, TABLES[name], inputs[name])
    return platform


def over_all(answer: RetentionAnswer) -> list[tuple[int, int]]:
    return answer.rows.filter(cohort=ALL).select("reached", "retained").rows()


def test_clients_come_again_on_dates_or_after_periods_of_24_hours(shop: Platform) -> None:
    assert over_all(ask_retention(shop, "visit", MARKS, days(0, 5))) == [(2, 1), (2, 1)]
    # 13 hours after is still Ann's day 0; 73 and 98 hours after are her days 3 and 4.
    assert over_all(ask_retention(shop, "visit", MARKS, days(0, 5), "rolling")) == [(2, 0), (2, 1)]


def test_customers_come_again_with_counted_orders(shop: Platform) -> None:
    """The third purchase repeats the second."""
    assert over_all(ask_retention(shop, "purchase", read_marks("0,1,2"), days(0, 5))) == [(1, 1), (1, 1), (1, 0)]
    assert over_all(ask_retention(shop, "purchase", read_marks("3"), days(0, 5))) == [(0, 0)]


def test_members_are_those_whose_first_day_was_asked_for(shop: Platform) -> None:
    assert ask_retention(shop, "visit", MARKS, days(1, 5)).rows.is_empty()
    assert over_all(ask_retention(shop, "visit", MARKS, days(0, 0))) == [(2, 1), (2, 1)]


def test_without_events_the_answer_is_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(RetentionError, match="there are no events yet"):
        ask_retention(Platform(load_settings(tmp_path, environment={})), "visit", MARKS, days(0, 1))


def test_the_answer_names_its_terms_and_where_knowledge_begins(shop: Platform) -> None:
    text = io.StringIO()
    answer = ask_retention(shop, "visit", MARKS, days(0, 5))
    print_retention(Console(width=80, file=text), "visit", days(0, 5), "calendar", "week", answer)
    lines = [" ".join(line.split()) for line in text.getvalue().splitlines()]
    assert lines[:2] == [
        "2025-02-03..2025-02-08, clients by their first visit",
        "days are UTC dates; known until 2025-02-08",
    ]
    assert "1 2 1 50.0% 9.45% - 90.5%" in lines
    assert "2025-02-03 2 50.0% 50.0%" in lines
    assert "Nothing is known before 2025-02-03: the first cohorts also hold members who had" in lines


def test_the_command_answers_scripts_in_json(shop: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    from typer.testing import CliRunner

    from puffy_platform.cli import app

    monkeypatch.setenv("PUFFY_HOME", str(shop.settings.home))
    run = CliRunner().invoke(app, ["retention", "1,2+", "--cohort", "month", "--to", "2025-02-03", "--json"])
    assert run.exit_code == 0, run.output
    found = json.loads(run.stdout)
    assert [(row["cohort"], row["mark"], row["retained"]) for row in found["rows"]] == [
        ("2025-02-01", "1", 1),
        ("2025-02-01", "2+", 1),
        (ALL, "1", 1),
        (ALL, "2+", 1),
    ]
    assert found["known_to"] == str(dt.date(2025, 2, 8))
    assert CliRunner().invoke(app, ["retention", "soon"]).exit_code == 2
    assert pl.DataFrame(found["rows"]).columns[:2] == ["cohort", "mark"]
