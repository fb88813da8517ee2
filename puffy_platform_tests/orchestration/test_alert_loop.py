"""The whole loop with the real daemon: a bad file lands and is told once, it is corrected and that is told too."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import pytest

from puffy_platform.orchestration.run import dagster_home, open_instance
from puffy_platform.pipeline import Platform
from puffy_platform.pipeline.report import check_results
from puffy_platform.settings import load_settings
from puffy_platform_tests.alerts.slack_server import SlackServer
from puffy_platform_tests.ingest.delivery import as_csv, event, purchase
from puffy_platform_tests.orchestration.daemon import Daemon

DAYS = (dt.date(2025, 3, 8), dt.date(2025, 3, 9))
# The smallest windows: what is looked at is the loop, not the tables. Sensors look every five seconds at most, and the
# marts, which wait for two looks without news, are left out.
SETTINGS = """
[ingest]
late_days = 1
[attribution]
windows_days = [1]
[run]
look_every_seconds = 4
settled_after_seconds = 0
[alerts]
slack_url = "{url}"
[alerts.routes]
warn = "none"
"""
RUNS = """concurrency:
  runs:
    max_concurrent_runs: 2
"""
RUNS_AT_ONCE = """run_coordinator:
  module: dagster._core.run_coordinator
  class: QueuedRunCoordinator
  config:
    max_concurrent_runs: 2
    dequeue_interval_seconds: 1
"""


@pytest.fixture
def daemon(tmp_path: Path, slack: SlackServer) -> Iterator[Daemon]:
    (tmp_path / "landing").mkdir()
    (tmp_path / "puffy.toml").write_text(SETTINGS.format(url=slack.url), "utf-8")
    daemon = Daemon(Platform(load_settings(tmp_path, environment={})))
    with open_instance(daemon.platform):
        # Queued runs need not wait five seconds for their turn.
        settings = dagster_home(daemon.platform) / "dagster.yaml"
        text = settings.read_text("utf-8").replace(RUNS, RUNS_AT_ONCE)
        assert RUNS_AT_ONCE in text
        settings.write_text(text, "utf-8")
    yield daemon
    daemon.kill()


def deliver(platform: Platform, day: dt.date, *, without: str = "") -> None:
    """A file of a few events, complete or without a column."""
    rows = [event(timestamp=f"{day}T{hour:02d}:00:00Z", client_id=f"c-{hour}") for hour in range(8, 20)]
    rows.append(purchase(timestamp=f"{day}T12:05:00Z", client_id="c-12"))
    columns = [name for name in rows[0] if name != without]
    (platform.settings.landing / f"events_{day:%Y%m%d}.csv").write_bytes(as_csv(rows, columns))


def status_of(platform: Platform, check: str, day: dt.date) -> str:
    found = check_results(platform).filter(table="anomalies", check=check, day=day)
    return str(found["status"].item())


def test_a_bad_file_is_told_once_and_its_correction_in_the_same_thread(daemon: Daemon, slack: SlackServer) -> None:
    platform, bad = daemon.platform, DAYS[-1]
    deliver(platform, DAYS[0])
    deliver(platform, bad, without="referrer")
    daemon.start()
    daemon.wait_for("message", lambda: bool(slack.posted), 300)
    assert status_of(platform, "columns_are_usual", bad) == "fail"

    deliver(platform, bad)
    daemon.wait_for("recovery", lambda: len(slack.posted) > 1, 300)
    daemon.kill()
    assert status_of(platform, "columns_are_usual", bad) == "skipped", "without drift there is nothing to judge"
    message, recovery = slack.posted
    assert message["channel"] == "#puffy-data"
    for words in (
        "file_drift: the source of 100% of the visits that should have one is not recorded: referrer missing",
        f"days: {bad}",
        "observed: files with referrer missing: seen",
        "expected: not seen",
        "likely cause: tracking; about 349 of the day's revenue in doubt",
        "owner: team:ingest",
        f"puffy status --date {bad}",
        "http://127.0.0.1:3000/assets/file_drift",
    ):
        assert words in message["text"]
    assert "thread_ts" not in message
    assert recovery["text"].startswith("Recovered: file_drift: tracking is good again")
    assert recovery["thread_ts"] == message["ts"]
    assert recovery["reply_broadcast"] is True
