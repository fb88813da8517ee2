"""`puffy demo`: what was planted is found exactly, and nobody's data is touched."""

import json
import re
import shutil
from pathlib import Path

import pytest

from puffy_platform.demo import write_landing
from puffy_platform_tests.command import Demo, Finished, puffy

SEED = 7


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def numbers(home: Path, query: str) -> dict[str, int]:
    finished = puffy(home, "sql", query, "--json")
    assert finished.code == 0, finished.err
    found: dict[str, int] = finished.json()[0]
    return found


def test_the_demo_ends_with_exact_truth_and_the_next_commands(demo: Demo) -> None:
    assert demo.finished.code == 0
    assert re.search(r"All \d\d planted figures were found exactly", demo.finished.out)
    assert "revenue reconciled to the cent" in demo.finished.out
    for command in ("ui", "status", "quarantine list", "verify", 'sql "select'):
        assert f"puffy {command}" in demo.finished.out
    assert demo.finished.err == ""


def test_the_tables_of_the_demo_hold_what_the_simulator_says_of_its_own_files(demo: Demo, tmp_path: Path) -> None:
    truth = write_landing(tmp_path, demo.days.first, demo.number_of_days, SEED, demo.events_per_day)
    assert contents(tmp_path) == contents(demo.home / "landing")
    found = numbers(
        demo.home,
        "select (select count(*) from raw_events) accepted, (select count(*) from duplicate_events) duplicates, "
        "(select count(*) from quarantined_events) quarantined, (select sum(revenue_cents) from purchases) cents, "
        "(select count(*) from sessions where not is_bot) sessions",
    )
    assert found == {
        "accepted": truth.accepted,
        "duplicates": truth.duplicates,
        "quarantined": sum(truth.quarantined.values()),
        "cents": truth.shop.purchases_cents,
        "sessions": truth.shop.sessions_of_people,
    }


def refused(home: Path, what: str, **variables: str) -> Finished:
    """The demo on this home, which must refuse, name what is in its way and another home, and touch nothing."""
    before = contents(home)
    finished = puffy(home, "demo", "--no-ask", variables=variables)
    assert finished.code == 2
    assert what in finished.message
    assert "PUFFY_HOME=/tmp/puffy puffy demo" in finished.message
    assert contents(home) == before
    return finished


@pytest.mark.parametrize("name", ["landing/events_20250301.csv", "puffy.toml", "marts.duckdb", "warehouse/sessions/x"])
def test_a_home_with_somebodys_data_is_refused_and_left_untouched(tmp_path: Path, name: str) -> None:
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_text("")
    assert "left untouched" in refused(tmp_path, name.split("/")[0]).message


def test_own_files_and_settings_added_to_a_demo_are_not_cleared_away(demo: Demo, tmp_path: Path) -> None:
    shutil.copytree(demo.home / "landing", tmp_path / "landing")
    for name in ("demo.json", "puffy.toml"):
        shutil.copy(demo.home / name, tmp_path)
    (tmp_path / "landing" / "events_20250301.csv").write_text("client_id\n")
    refused(tmp_path, "landing/events_20250301.csv")
    (tmp_path / "landing" / "events_20250301.csv").unlink()
    (tmp_path / "puffy.toml").write_text("[sessions]\ntimeout_minutes = 20\n")
    refused(tmp_path, "puffy.toml")


def test_the_demo_writes_to_no_place_outside_its_home(tmp_path: Path) -> None:
    home, precious = tmp_path / "home", tmp_path / "precious"
    precious.mkdir()
    (precious / "events_20250301.csv").write_text("client_id\n")
    home.mkdir()
    (home / "demo.json").write_text(json.dumps({"made_by": "puffy demo", "from": "2025-03-01", "files": []}))
    refused(home, "paths.landing", PUFFY_PATHS__LANDING=str(precious))
    refused(home, "paths.warehouse", PUFFY_PATHS__WAREHOUSE="s3://bucket/warehouse")
    assert contents(precious)


def test_too_small_a_demo_says_what_is_allowed(tmp_path: Path) -> None:
    finished = puffy(tmp_path, "demo", "--days", "3")
    assert finished.code == 2
    assert "greater than or equal to 10" in finished.message
    assert not contents(tmp_path)
