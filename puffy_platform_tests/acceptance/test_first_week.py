"""The seven real days of February 2025 meet every number that was computed independently of this project."""

import datetime as dt
import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from puffy_platform.pipeline import Platform, affected, check_results, materialise, materialise_ingest
from puffy_platform.pipeline.summary import summarise
from puffy_platform.settings import load_settings
from puffy_platform.table import DayRange
from puffy_platform_tests.acceptance.shared import EXAMPLES, EXPECTED, FIRST_WEEK

pytestmark = pytest.mark.skipif(not EXPECTED.exists(), reason="the real files are not on this machine")

WEEK = DayRange(dt.date(2025, 2, 23), dt.date(2025, 3, 1))


def run_week(home: Path, settings_file: Path | None) -> Platform:
    platform = Platform(load_settings(home, settings_file, environment={}), landing_folder=FIRST_WEEK)
    materialise_ingest(platform, WEEK, run_id="test")
    for table in platform.derived:
        materialise(platform, table, WEEK, run_id="test")
    return platform


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> Platform:
    """The week under the settings and rules that follow the definitions of the expected numbers."""
    return run_week(tmp_path_factory.mktemp("followed"), EXAMPLES / "first_week" / "puffy.toml")


@pytest.fixture(scope="module")
def expected() -> dict[str, Any]:
    return dict(json.loads(EXPECTED.read_text("utf-8"))["numbers"])


def rows(platform: Platform, name: str) -> pl.DataFrame:
    return platform.warehouse.read(platform.tables[name]).collect()


def test_rows_and_events(followed: Platform, expected: dict[str, Any]) -> None:
    files, events = rows(followed, "file_drift"), rows(followed, "events_enriched")
    assert files["rows"].sum() == expected["rows"]
    assert files["duplicates"].sum() == expected["exact_duplicates"]
    assert files["quarantined"].sum() == 0
    assert events["client_id"].null_count() == expected["null_client_rows"]
    assert dict(events["event_name"].value_counts().iter_rows()) == expected["events"]


def test_orders_and_revenue(followed: Platform, expected: dict[str, Any]) -> None:
    purchases, conversions = rows(followed, "purchases"), rows(followed, "conversions")
    counted = conversions.filter("is_counted")
    assert purchases.height == expected["purchase_events"]
    assert purchases["revenue_cents"].sum() == round(expected["gross_revenue"] * 100)
    assert counted.height == expected["orders"]
    assert counted["revenue_cents"].sum() == round(expected["revenue"] * 100)
    assert round(counted["revenue_cents"].sum() / 100 / counted.height, 4) == expected["aov"]


def test_sessions(followed: Platform, expected: dict[str, Any]) -> None:
    sessions = rows(followed, "sessions")
    assert sessions.height == expected["sessions"]
    assert sessions["crosses_midnight"].sum() == expected["sessions_crossing_midnight"]
    assert sessions.filter(pl.col("events") == 1).height == expected["single_event_sessions"]
    for column, event in (
        ("add_to_carts", "product_added_to_cart"),
        ("checkouts_started", "checkout_started"),
        ("purchases", "checkout_completed"),
    ):
        assert sessions.filter(pl.col(column) > 0).height == expected["funnel_sessions"][event]


@pytest.mark.parametrize(("model", "name"), [("first_touch", "first_click_7d"), ("last_touch", "last_click_7d")])
def test_attribution(followed: Platform, expected: dict[str, Any], model: str, name: str) -> None:
    credited = (
        rows(followed, "attribution")
        .filter((pl.col("model") == model) & (pl.col("window_days") == 7))
        .group_by("channel")
        .agg(pl.col("weight").sum(), pl.col("revenue_cents").sum())
    )
    found = {channel: [round(orders, 6), cents / 100] for channel, orders, cents in credited.iter_rows()}
    assert found == expected[name]


def test_everything_reconciles_and_nothing_is_left_to_compute(followed: Platform) -> None:
    assert summarise(followed, WEEK).reconciles
    assert not affected(followed, WEEK)


def told(place: int) -> dict[str, tuple[int, float]]:
    """What the README of the examples says: orders and revenue by channel, under its `place`-th rules (from 0)."""
    found = {}
    for line in (EXAMPLES / "README.md").read_text("utf-8").splitlines():
        cells = [cell.strip().strip("*") for cell in line.split("|")[1:-1]]
        if len(cells) == 10 and cells[4 + place].isdigit() and cells[0] != "all":
            found[cells[0].split(" (")[0] or cells[0]] = (
                int(cells[4 + place]),
                float(cells[7 + place].replace(",", "")),
            )
    return found


@pytest.mark.parametrize(
    ("settings_file", "place"),
    [(None, 1), (EXAMPLES / "better_rules" / "puffy.toml", 2)],
    ids=["defaults", "better rules"],
)
def test_the_week_is_clean_the_rename_is_reported_from_its_first_day_on_and_the_readme_says_what_came_out(
    tmp_path: Path, settings_file: Path | None, place: int
) -> None:
    platform = run_week(tmp_path, settings_file)
    assert summarise(platform, WEEK).reconciles
    outcomes = check_results(platform)
    assert outcomes.filter(status="fail").is_empty()
    drift = outcomes.filter(check="columns_are_as_declared", status="warn")
    assert drift["day"].to_list() == [dt.date(2025, 2, 27), dt.date(2025, 2, 28), dt.date(2025, 3, 1)]
    assert set(drift["observed"]) == {"client_id renamed to clientId"}
    credited = (
        rows(platform, "attribution")
        .filter(model="last_touch", window_days=7)
        .group_by(pl.col("channel").str.split(" (").list.first())
        .agg(pl.col("weight").sum(), pl.col("revenue_cents").sum())
    )
    assert told(place) == {name: (round(orders), cents / 100) for name, orders, cents in credited.iter_rows()}


def test_the_rename_is_the_only_anomaly_of_the_week_and_found_on_its_day(followed: Platform) -> None:
    found = rows(followed, "anomalies").filter(pl.col("status").is_in(["warn", "fail"]))
    assert found.select("day", "metric", "is_posted", "explanation").rows() == [
        (dt.date(2025, 2, 27), "column_drift", True, "the files changed: client_id renamed to clientId")
    ]
