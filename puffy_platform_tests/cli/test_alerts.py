"""`puffy alerts` and what `puffy status` says of alerts, as a shell sees them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from puffy_platform_tests.command import Demo, puffy


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Two days of files, nothing computed."""
    (tmp_path / "landing").mkdir()
    return tmp_path


def test_send_looks_and_tells_once_what_the_demo_planted(shop: Path, demo: Demo) -> None:
    first = puffy(shop, "alerts", "send")
    assert first.code == 0
    assert "Digest of" in first.out
    assert "file_drift" in first.out
    lines = [json.loads(line) for line in (shop / "alerts.log").read_text("utf-8").splitlines()]
    assert lines[-1]["kind"] == "digest"
    assert {line["kind"] for line in lines} <= {"open", "digest"}
    again = puffy(shop, "alerts", "send")
    assert again.out.strip() == "nothing is new"

    listed = puffy(shop, "alerts", "list", "--json").json()
    errors = [each for each in listed["incidents"] if each["severity"] == "error"]
    assert {each["kind"] for each in errors} <= {"anomaly"}, "the demo holds no day back"
    assert "alerts.log" in listed["goes_to"]
    status = puffy(shop, "status", "--json")
    assert status.code == 0
    assert status.json()["alerts"]["incidents"] == listed["incidents"]
    told = " ".join(puffy(shop, "status").out.split())
    assert f"open incidents: {len(errors)} errors, {len(listed['incidents']) - len(errors)} warnings" in told
    assert "alerts go to" in told

    chosen = listed["incidents"][0]
    assert puffy(shop, "alerts", "ack", chosen["id"]).code == 0
    assert "acknowledged" in puffy(shop, "alerts", "list").out
    scope = f"{chosen['table']}.{chosen['check']}"
    assert puffy(shop, "alerts", "mute", scope, "--until", "2999-01-01").code == 0
    assert f"muted: {scope} until 2999-01-01" in " ".join(puffy(shop, "alerts", "list").out.split())


def test_status_says_where_alerts_go_before_there_are_any(demo: Demo) -> None:
    assert "for neither SLACK_BOT_TOKEN nor TEAMS_WEBHOOK_URL is set" in " ".join(
        puffy(demo.home, "status").out.split()
    )
    connected = puffy(demo.home, "status", variables={"SLACK_BOT_TOKEN": "xoxb-secret"})
    assert "alerts go to Slack" in connected.out
    assert "xoxb-secret" not in connected.out
    assert not (demo.home / "alerts.db").exists(), "looking makes nothing"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("ack", "nothing"), "no open incident nothing"),
        (("mute", "nothing", "--until", "2999-01-01"), "there is no table or check nothing"),
        (("mute", "sessions", "--until", "soon"), "'soon' is no time"),
        (("mute", "sessions", "--until", "2020-01-01"), "2020-01-01 is over already"),
    ],
)
def test_a_mistake_is_one_message(home: Path, words: tuple[str, ...], message: str) -> None:
    found = puffy(home, "alerts", *words)
    assert found.code == 2
    assert message in found.message


def test_without_incidents_the_list_says_so(home: Path) -> None:
    assert "No incidents." in puffy(home, "alerts", "list").out
