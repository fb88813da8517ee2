"""The whole loop on real runs: what goes wrong is told once, with the right words, and so is its end, in the thread."""

from __future__ import annotations

import dataclasses
import datetime as dt
import errno
import uuid
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest

from puffy_platform.alerts.channels import open_store
from puffy_platform.alerts.incidents import Incident
from puffy_platform.alerts.observe import look_at_checks
from puffy_platform.orchestration import alerting
from puffy_platform.orchestration.alerting import look_at_runs, look_for_days
from puffy_platform.orchestration.build import build_definitions
from puffy_platform.orchestration.names import TABLES_JOB, range_tags
from puffy_platform.orchestration.watching import FinishedRun, bad_runs
from puffy_platform.pipeline import Platform, materialise, materialise_ingest
from puffy_platform.settings import Settings, load_settings
from puffy_platform.table import Check, DayRange, Inputs
from puffy_platform.tables import TABLES
from puffy_platform_tests.alerts.samples import Clock
from puffy_platform_tests.alerts.slack_server import TOKEN, SlackServer
from puffy_platform_tests.ingest.delivery import INGESTED, as_csv, event

DAYS = DayRange(dt.date(2025, 3, 8), dt.date(2025, 3, 9))
FAULT = "https://puffy.com/fault"


def no_faults(frame: pl.DataFrame, inputs: Inputs, days: DayRange, settings: Settings) -> pl.DataFrame:
    faults = (pl.col("page_url") == FAULT).sum()
    return frame.group_by("day").agg(
        passed=faults == 0, observed=pl.format("{} faulty page", faults), expected=pl.lit("none")
    )


FEW = {
    **INGESTED,
    "events_enriched": dataclasses.replace(
        TABLES["events_enriched"], checks=(Check("no_faults", "No page is faulty.", no_faults),)
    ),
    "sessions": TABLES["sessions"],
}


@pytest.fixture
def platform(tmp_path: Path) -> Platform:
    """A few tables, and the files of two days of which nothing is computed yet."""
    (tmp_path / "puffy.toml").write_text("[ingest]\nlate_days = 1\n[run]\nlook_every_seconds = 1\n", "utf-8")
    platform = Platform(load_settings(tmp_path, environment={}), FEW)
    platform.settings.landing.mkdir()
    for day in DAYS:
        deliver(platform, day, "https://puffy.com/")
    return platform


def deliver(platform: Platform, day: dt.date, *pages: str) -> None:
    rows = [event(timestamp=f"{day}T12:00:{number:02d}Z", page_url=page) for number, page in enumerate(pages)]
    (platform.settings.landing / f"events_{day:%Y%m%d}.csv").write_bytes(as_csv(rows))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The sensors' clock: 10 March 2025, noon."""
    clock = Clock()
    monkeypatch.setattr(alerting, "_now", clock)
    return clock


def tick(definitions: dg.Definitions, instance: dg.DagsterInstance, name: str) -> str:
    """One tick as the daemon makes it; returns why it asked for no run."""
    repository = definitions.get_repository_def()
    resources = repository.get_top_level_resources()
    with dg.build_sensor_context(
        instance=instance,
        repository_def=repository,
        resources={name: resources[name] for name in ("platform", "slack")},
    ) as context:
        return str(repository.get_sensor_def(name).evaluate_tick(context).skip_message)


def compute(definitions: dg.Definitions, instance: dg.DagsterInstance, job: str = "refresh") -> bool:
    done = definitions.resolve_job_def(job).execute_in_process(
        instance=instance,
        tags=range_tags(DAYS, skip_current=True),
        raise_on_error=False,
        run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
    )
    return done.success


def connected(platform: Platform, slack: SlackServer) -> dg.Definitions:
    text = f'[alerts]\nslack_url = "{slack.url}"\n' + (platform.settings.home / "puffy.toml").read_text("utf-8")
    (platform.settings.home / "puffy.toml").write_text(text, "utf-8")
    return build_definitions(Platform(load_settings(platform.settings.home, environment={}), FEW))


def test_a_bad_file_is_one_message_and_its_correction_a_recovery_in_the_thread(
    platform: Platform, instance: dg.DagsterInstance, slack: SlackServer, clock: Clock
) -> None:
    definitions = connected(platform, slack)
    deliver(platform, DAYS.last, "https://puffy.com/one", FAULT)
    assert not compute(definitions, instance)
    assert "1 sent" in tick(definitions, instance, "alerts")
    assert "incidents of runs" not in tick(definitions, instance, "run_failures"), "the check is told, not its run"
    clock.pass_by(minutes=1)
    assert tick(definitions, instance, "alerts") == "nothing is new"
    (message,) = slack.posted
    assert message["channel"] == "#puffy-data"
    for words in (
        "events_enriched: no_faults failed",
        f"days: {DAYS.last}",
        "observed: 1 faulty page",
        "expected: none",
        "it says: No page is faulty.",
        "downstream: sessions",
        f"owner: {FEW['events_enriched'].owner}",
        f"puffy status --date {DAYS.last}",
        "http://127.0.0.1:3000/assets/events_enriched",
    ):
        assert words in message["text"]

    deliver(platform, DAYS.last, "https://puffy.com/one", "https://puffy.com/two")
    clock.pass_by(minutes=30)
    assert compute(definitions, instance)
    assert "1 sent" in tick(definitions, instance, "alerts")
    _, recovery = slack.posted
    assert recovery["thread_ts"] == message["ts"]
    assert "Recovered: events_enriched: no_faults is good again" in recovery["text"]
    assert "lasted: 31 minutes" in recovery["text"]
    assert tick(definitions, instance, "alerts") == "nothing is new"


def test_a_tick_without_news_reads_no_outcomes(
    platform: Platform, instance: dg.DagsterInstance, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SLACK_BOT_TOKEN", raising=False)
    definitions = build_definitions(platform)
    tick(definitions, instance, "alerts")
    monkeypatch.setattr(alerting, "look_at_checks", None)
    assert tick(definitions, instance, "alerts") == "nothing is new"


def test_what_warns_upstream_on_the_same_day_is_named_as_the_likely_cause(platform: Platform) -> None:
    rows = [event(timestamp=f"{DAYS.last}T12:00:00Z", page_url=FAULT)]
    renamed = as_csv(rows).replace(b"client_id", b"clientId")
    (platform.settings.landing / f"events_{DAYS.last:%Y%m%d}.csv").write_bytes(renamed)
    materialise_ingest(platform, DAYS, run_id="r")
    materialise(platform, platform.tables["events_enriched"], DAYS, run_id="r")
    (found,) = [each for each in look_at_checks(platform).bad if each.key.check == "no_faults"]
    assert found.cause == "file_drift, columns_are_as_declared: client_id renamed to clientId"


def late(platform: Platform, now: dt.datetime) -> list[tuple[str, dict[str, str]]]:
    """(table, state by day) of what freshness finds open."""
    with open_store(platform.settings) as store:
        look_for_days(platform, store, now)
        found = [each for each in store.incidents(("freshness",)) if each.is_open]
    return [(each.key.table, {str(day): seen.state for day, seen in each.days.items()}) for each in found]


def test_a_day_that_does_not_come_is_told_where_it_stands_until_it_is_computed(platform: Platform) -> None:
    """8 and 9 March have landed; 10 March is due on the 11th at eight."""
    compute_all(platform, DAYS)
    due = dt.datetime(2025, 3, 11, 8, tzinfo=dt.UTC)
    assert late(platform, due - dt.timedelta(minutes=1)) == []
    assert late(platform, due + dt.timedelta(minutes=1)) == [("landing_files", {"2025-03-10": "late"})]
    assert late(platform, due + dt.timedelta(hours=25)) == [
        ("landing_files", {"2025-03-10": "missing", "2025-03-11": "late"})
    ]
    day = dt.date(2025, 3, 10)
    deliver(platform, day, "https://puffy.com/")
    assert late(platform, due + dt.timedelta(hours=1)) == [("row_index", {str(day): "late"})]
    compute_all(platform, DayRange(day, day))
    assert late(platform, due + dt.timedelta(hours=2)) == []


def compute_all(platform: Platform, days: DayRange) -> None:
    materialise_ingest(platform, days, run_id="r")
    for table in platform.derived:
        materialise(platform, table, days, run_id="r")


def test_a_home_of_old_files_is_no_shop_that_is_late(platform: Platform) -> None:
    assert late(platform, dt.datetime(2025, 6, 1, tzinfo=dt.UTC)) == []


def test_half_a_day_is_told_by_its_rows_and_hours(platform: Platform) -> None:
    first = DAYS.first - dt.timedelta(days=8)
    for number, day in enumerate(DayRange(first, DAYS.last)):
        hours = range(24) if number < 9 else range(9)
        rows = [event(timestamp=f"{day}T{hour:02d}:{minute:02d}:00Z") for hour in hours for minute in range(12)]
        (platform.settings.landing / f"events_{day:%Y%m%d}.csv").write_bytes(as_csv(rows))
    compute_all(platform, DayRange(first, DAYS.last))
    with open_store(platform.settings) as store:
        look_for_days(platform, store, dt.datetime(2025, 3, 10, 9, tzinfo=dt.UTC))
        (found,) = store.incidents()
    assert (found.key.table, list(found.days)) == ("raw_events", [DAYS.last])
    assert found.days[DAYS.last].observed == (
        "half delivered: 108 rows instead of about 288 and no events in the hours "
        "09, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23 UTC"
    )


def open_runs(platform: Platform) -> list[Incident]:
    with open_store(platform.settings) as store:
        return [each for each in store.incidents(("run",)) if each.is_open]


def test_a_step_that_crashes_is_told_without_its_text_until_the_same_days_succeed(
    platform: Platform, instance: dg.DagsterInstance, slack: SlackServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*arguments: Any, **options: Any) -> None:
        raise OSError(errno.ENOSPC, "no space left for ann@example.com")

    definitions = connected(platform, slack)
    with monkeypatch.context() as patch:
        patch.setattr("puffy_platform.orchestration.assets.materialise_ingest", crash)
        assert not compute(definitions, instance)
    tick(definitions, instance, "run_failures")
    tick(definitions, instance, "alerts")
    (message,) = slack.posted
    assert "raw_events: runs fail" in message["text"]
    assert "OSError in run" in message["text"]
    assert "ann@" not in str(message)
    assert tick(definitions, instance, "run_failures") == "nothing is new"
    assert compute(definitions, instance)
    tick(definitions, instance, "run_failures")
    tick(definitions, instance, "alerts")
    assert slack.posted[1]["thread_ts"] == message["ts"]
    assert open_runs(platform) == []


def test_a_run_whose_process_died_is_told_until_its_job_succeeds(
    platform: Platform, instance: dg.DagsterInstance
) -> None:
    run = instance.add_run(dg.DagsterRun(job_name="maintain", run_id=str(uuid.uuid4())))
    instance.report_run_failed(run)
    now = dt.datetime.now(dt.UTC)
    with open_store(platform.settings) as store:
        assert "1 incidents" in look_at_runs(platform, instance, store, now)
        assert look_at_runs(platform, instance, store, now) == ""
    (found,) = open_runs(platform)
    assert (found.key.table, found.key.check) == ("maintain", "start")


def test_success_on_some_of_the_days_mends_those_days_alone() -> None:
    def run(days: DayRange, failed: dict[str, str]) -> FinishedRun:
        done = frozenset() if failed else frozenset({"sessions"})
        return FinishedRun("0123456789", TABLES_JOB, dt.datetime(2025, 3, 10, tzinfo=dt.UTC), days, done, failed)

    second = DayRange(DAYS.last, DAYS.last)
    bad = bad_runs([], [run(DAYS, {"sessions": "OSError"}), run(second, {})])
    assert [(each.key.table, each.day) for each in bad] == [("sessions", DAYS.first)]
    assert bad[0].seen.observed == "OSError in run 01234567 of compute_days"


def test_the_token_is_in_no_definition(platform: Platform, slack: SlackServer) -> None:
    repository = connected(platform, slack).get_repository_def()
    resource = repository.get_top_level_resources()["slack"]
    assert TOKEN not in str(resource.config_schema.as_field().default_value_as_json_str)
