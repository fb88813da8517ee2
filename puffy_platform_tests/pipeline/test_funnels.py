"""Questions about funnels, asked of stored tables, and what a script and a reader get to see."""

from __future__ import annotations

import datetime as dt
import io
import json
from pathlib import Path

import polars as pl
import pytest
from rich.console import Console

from puffy_platform.methods.funnel import Funnel, Order, Reentry
from puffy_platform.methods.funnel_question import FunnelError, Step
from puffy_platform.pipeline import Platform
from puffy_platform.pipeline.funnels import ask_funnel, event_days
from puffy_platform.present_funnel import duration, print_funnel, span
from puffy_platform.settings import load_settings
from puffy_platform.tables import TABLES
from puffy_platform_tests.pipeline.stored import store
from puffy_platform_tests.tables.visits import at, day, days, event, events
from puffy_platform_tests.windows import compute

STEPS = (Step("page_viewed", "path like '/sale%'"), Step("product_added_to_cart"), Step("checkout_completed"))
CART, BUY = "product_added_to_cart", "checkout_completed"
WEEK = Funnel(3, dt.timedelta(days=7))


@pytest.fixture
def shop(tmp_path: Path) -> Platform:
    """Three clients on days 0 to 9: Ann buys, Ben leaves his cart, Cleo comes on the last day; a nobody, a crawler."""
    platform = Platform(load_settings(tmp_path, environment={}))
    rows = events(
        event("ann", at(0, "10:00"), path="/sale", channel="Email"),
        event("ann", at(0, "10:05"), CART, path="/sale", channel="Internal"),
        event("ann", at(2, "10:00"), BUY, path="/thanks", channel="Direct", revenue_cents=120_000),
        event("ben", at(8, "10:00"), path="/blog", channel="Direct", device_class="mobile"),
        event("ben", at(8, "10:01"), path="/sale/beds", channel="Internal", device_class="mobile"),
        event("ben", at(8, "10:02"), CART, path="/sale/beds", channel="Internal", device_class="mobile"),
        event("cleo", at(9), path="/sale", channel="Direct"),
        event("crawler", at(9), path="/sale", is_bot=True),
        event(None, at(9), path="/sale"),
    )
    store(platform, TABLES["events_enriched"], rows)
    inputs = {"events_enriched": rows}
    inputs["sessions"] = compute(TABLES["sessions"], inputs, days(0, 9), platform.settings)
    store(platform, TABLES["sessions"], inputs["sessions"])
    store(platform, TABLES["client_days"], compute(TABLES["client_days"], inputs, days(0, 9), platform.settings))
    return platform


def reached(rows: pl.DataFrame) -> dict[str, list[int]]:
    return {str(group): part["reached"].to_list() for (group,), part in rows.group_by("by", maintain_order=True)}


def test_a_question_is_answered_from_the_events_with_its_conditions(shop: Platform) -> None:
    answer = ask_funnel(shop, STEPS, WEEK, days(0, 9))
    assert answer.rows["reached"].to_list() == [3, 2, 1]
    assert answer.rows["revenue_cents"].to_list() == [120_000] * 3
    # Ben and Cleo have windows that end after day 9, the last with events; one page view has no client.
    assert (answer.still_open, answer.nameless, answer.last_event_day) == (2, 1, day(9))
    assert event_days(shop) == days(0, 9)


def test_attempts_that_begin_on_the_last_day_asked_for_are_followed_beyond_it(shop: Platform) -> None:
    assert ask_funnel(shop, STEPS, WEEK, days(0, 0)).rows["reached"].to_list() == [1, 1, 1]
    assert ask_funnel(shop, STEPS, Funnel(3, dt.timedelta(days=1)), days(0, 0)).rows["reached"].to_list() == [1, 1, 0]
    assert ask_funnel(shop, STEPS, WEEK, days(20, 21)).rows.is_empty()


def test_a_strict_funnel_sees_the_events_that_do_no_step(shop: Platform) -> None:
    steps = (Step("page_viewed", "path = '/blog'"), Step("product_added_to_cart"))
    assert ask_funnel(shop, steps, Funnel(2, WEEK.within), days(0, 9)).rows["reached"].to_list() == [1, 1]
    strict = ask_funnel(shop, steps, Funnel(2, WEEK.within, "strict"), days(0, 9))
    # Ben's window goes on, but he has looked at another page: the attempt is over.
    assert (strict.rows["reached"].to_list(), strict.still_open) == ([1, 0], 0)
    first = (Step("page_viewed", "path like '/sale%'"), Step("checkout_completed"))
    assert ask_funnel(shop, first, Funnel(2, WEEK.within, "strict"), days(0, 9)).still_open == 1  # Cleo's


def test_a_client_that_came_again_may_still_go_on_though_its_best_attempt_is_over(tmp_path: Path) -> None:
    platform = Platform(load_settings(tmp_path, environment={}))
    rows = events(
        *(event("ann", at(number)) for number in (0, 9)),
        *(event("ben", at(number), name) for number, name in ((0, "page_viewed"), (9, CART))),
        event("cleo", at(0)),
    )
    store(platform, TABLES["events_enriched"], rows)
    steps = (Step("page_viewed"), Step("checkout_completed"))

    def still_open(order: Order, reentry: Reentry) -> int:
        return ask_funnel(platform, steps, Funnel(2, dt.timedelta(days=1), order, reentry), days(0, 9)).still_open

    assert still_open("ordered", "best") == still_open("strict", "best") == still_open("any", "best") == 1
    assert (still_open("ordered", "first"), still_open("ordered", "every")) == (0, 1)
    assert ask_funnel(platform, steps, Funnel(2, dt.timedelta(days=1)), days(0, 8)).still_open == 0


def test_a_breakdown_is_by_the_session_the_attempt_began_in_or_by_the_first_week(shop: Platform) -> None:
    by_channel = ask_funnel(shop, STEPS, WEEK, days(0, 9), "channel").rows
    assert reached(by_channel) == {"Direct": [2, 1, 0], "Email": [1, 1, 1]}
    assert reached(ask_funnel(shop, STEPS, WEEK, days(0, 9), "device").rows) == {
        "desktop": [2, 1, 1],
        "mobile": [1, 1, 0],
    }
    assert reached(ask_funnel(shop, STEPS, WEEK, days(0, 9), "landing_page").rows) == {
        "/blog": [1, 1, 0],
        "/sale": [2, 1, 1],
    }
    assert reached(ask_funnel(shop, STEPS, WEEK, days(0, 9), "utm_source").rows) == {"(none)": [3, 2, 1]}
    assert reached(ask_funnel(shop, STEPS, WEEK, days(0, 9), "cohort").rows) == {
        "2025-02-03": [1, 1, 1],
        "2025-02-10": [2, 1, 0],
    }


def test_a_condition_that_fails_on_the_data_says_so_without_quoting_it(shop: Platform) -> None:
    with pytest.raises(FunnelError, match="cannot be computed on these events") as raised:
        ask_funnel(shop, (Step("page_viewed", "cast(path as int) > 3"),), Funnel(1, WEEK.within), days(0, 9))
    assert "sale" not in str(raised.value)


def test_without_events_the_answer_is_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(FunnelError, match="there are no events yet"):
        ask_funnel(Platform(load_settings(tmp_path, environment={})), STEPS, WEEK, days(0, 1))


def printed(shop: Platform, by: str | None) -> str:
    text = io.StringIO()
    answer = ask_funnel(shop, STEPS, WEEK, days(0, 9), by)
    print_funnel(Console(width=80, file=text), STEPS, WEEK, days(0, 9), by, answer)
    return text.getvalue()


def test_the_steps_and_what_lies_between_them_fit_80_columns(shop: Platform) -> None:
    lines = [" ".join(line.split()) for line in printed(shop, None).splitlines()]
    assert "2025-02-03..2025-02-12, in this order, within 7 days" in lines
    assert "step reached of the step before of all 95 % interval" in lines
    assert "2 product_added_to_cart 2 66.7% 66.7% 20.8% - 93.9%" in lines
    assert "2 > 3 1 - 2.0 d 2.0 d" in lines


def test_groups_are_shown_by_size_and_cohorts_from_the_newest(shop: Platform) -> None:
    lines = [" ".join(line.split()) for line in printed(shop, "channel").splitlines()]
    start = lines.index("channel 1 2 of all 3 of all")
    assert lines[start + 2 : start + 4] == ["Direct 2 1 50.0% 0 0.00%", "Email 1 1 100.0% 1 100.0%"]
    lines = [" ".join(line.split()) for line in printed(shop, "cohort").splitlines()]
    start = lines.index("cohort 1 2 of all 3 of all")
    assert lines[start + 2].startswith("2025-02-10 2 1")


def test_the_command_answers_scripts_in_json(shop: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    from typer.testing import CliRunner

    from puffy_platform.cli import app

    monkeypatch.setenv("PUFFY_HOME", str(shop.settings.home))
    run = CliRunner().invoke(app, ["funnel", "page_viewed > checkout_completed", "--within", "2d", "--json"])
    assert run.exit_code == 0, run.output
    found = json.loads(run.stdout)
    assert [row["reached"] for row in found["rows"]] == [3, 1]
    assert (found["from"], found["to"], found["within_seconds"]) == ("2025-02-03", "2025-02-12", 172_800)
    wrong = CliRunner().invoke(app, ["funnel", "page_view", "--json"])
    assert (wrong.exit_code, wrong.stdout) == (2, "")


def test_times_read_naturally() -> None:
    assert [duration(seconds) for seconds in (None, 45.0, 186.0, 7_200.0, 129_600.0)] == [
        "-",
        "45 s",
        "3.1 min",
        "2.0 h",
        "1.5 d",
    ]
    assert [span(dt.timedelta(minutes=minutes)) for minutes in (1, 90, 1_440, 10_080)] == [
        "1 minute",
        "90 minutes",
        "1 day",
        "7 days",
    ]
