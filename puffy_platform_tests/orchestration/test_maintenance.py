"""Dagster's records of long past runs go, what shows a partition as computed stays, and it happens every week."""

from __future__ import annotations

import datetime as dt
import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.events import DagsterEventType
from dagster._core.remote_origin import (
    ManagedGrpcPythonEnvCodeLocationOrigin,
    RemoteInstigatorOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.scheduler.instigation import InstigatorState, InstigatorStatus, TickData, TickStatus
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin

from puffy_platform.orchestration.build import build_definitions
from puffy_platform.orchestration.maintenance import MAINTENANCE_JOB, maintain_home, maintain_instance
from puffy_platform.orchestration.names import MARTS_JOB
from puffy_platform.orchestration.run import open_instance
from puffy_platform.pipeline import Platform
from puffy_platform_tests.command import open_home, puffy

NOW = dt.datetime.now(dt.UTC)
MONTH_AGO, YEAR_AGO = NOW - dt.timedelta(days=30), NOW - dt.timedelta(days=365)


@pytest.fixture
def platform(shop: Path) -> Platform:
    return open_home(shop)


@pytest.fixture
def instance(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    monkeypatch.setenv("DAGSTER_HOME", "set by open_instance")
    with open_instance(platform) as instance:
        yield instance


def run(platform: Platform, instance: dg.DagsterInstance, job: str) -> str:
    result = build_definitions(platform).resolve_job_def(job).execute_in_process(instance=instance)
    assert result.success
    return result.run_id


def make_old(home: Path) -> None:
    """Every run so far was created a year ago."""
    with sqlite3.connect(home / "dagster" / "history" / "runs.db") as runs:
        runs.execute("update runs set create_timestamp = ?", (YEAR_AGO.strftime("%Y-%m-%d %H:%M:%S.%f"),))


def newest(instance: dg.DagsterInstance) -> dict[str, Mapping[str, int]]:
    """By asset and partition, the materialisation that Dagster shows."""
    return {
        key.to_user_string(): instance.event_log_storage.get_latest_storage_id_by_partition(
            key, DagsterEventType.ASSET_MATERIALIZATION
        )
        for key in instance.get_asset_keys()
    }


def test_superseded_runs_go_and_every_partition_still_shows_as_computed(
    platform: Platform, instance: dg.DagsterInstance
) -> None:
    published = [record.dagster_run.run_id for record in instance.get_run_records(dg.RunsFilter(job_name=MARTS_JOB))]
    assert len(published) == 1
    again = run(platform, instance, MARTS_JOB)
    unfinished = instance.create_run_for_job(
        build_definitions(platform).resolve_job_def(MARTS_JOB), status=dg.DagsterRunStatus.STARTED
    ).run_id
    shown, runs = newest(instance), {record.dagster_run.run_id for record in instance.get_run_records()}
    assert maintain_instance(instance, MONTH_AGO) == 0
    make_old(platform.settings.home)
    log = platform.settings.home / "dagster" / "storage" / published[0]
    log.mkdir(parents=True, exist_ok=True)
    shard = platform.settings.home / "dagster" / "history" / "runs" / f"{published[0]}.db"
    assert shard.exists()
    planned = maintain_instance(instance, MONTH_AGO, dry_run=True)
    assert {record.dagster_run.run_id for record in instance.get_run_records()} == runs
    assert maintain_instance(instance, MONTH_AGO) == planned
    left = {record.dagster_run.run_id for record in instance.get_run_records()}
    assert len(runs - left) == planned
    assert published[0] not in left
    assert {again, unfinished} <= left
    assert newest(instance) == shown
    assert not shard.exists()
    assert not log.exists()
    assert maintain_instance(instance, MONTH_AGO) == 0


def test_old_ticks_go_but_for_the_last(instance: dg.DagsterInstance) -> None:
    target = LoadableTargetOrigin(python_file="x.py")
    location = ManagedGrpcPythonEnvCodeLocationOrigin(target, "location")
    states = []
    for name, ages in (("busy", (400, 300, 1)), ("resting", (400, 300))):
        origin = RemoteInstigatorOrigin(RemoteRepositoryOrigin(location, "repository"), name)
        state = InstigatorState(origin, InstigatorType.SENSOR, InstigatorStatus.RUNNING)
        instance.add_instigator_state(state)
        for days in ages:
            at = (NOW - dt.timedelta(days=days)).timestamp()
            selector = state.selector_id
            instance.create_tick(
                TickData(
                    state.instigator_origin_id,
                    name,
                    InstigatorType.SENSOR,
                    TickStatus.SUCCESS,
                    at,
                    run_ids=[],
                    selector_id=selector,
                )
            )
        states.append(state)
    maintain_instance(instance, MONTH_AGO)
    left = [len(instance.get_ticks(state.instigator_origin_id, state.selector_id)) for state in states]
    # The one that rests would not know where to go on without its last tick.
    assert left == [1, 2]


def test_it_happens_every_week_in_a_job_that_does_what_the_command_does(
    platform: Platform, instance: dg.DagsterInstance
) -> None:
    definitions = build_definitions(platform)
    (weekly,) = [each for each in definitions.schedules or () if each.name == "weekly_maintenance"]
    assert isinstance(weekly, dg.ScheduleDefinition)
    assert (weekly.cron_schedule, weekly.job_name, weekly.default_status.value) == (
        "0 3 * * 0",
        MAINTENANCE_JOB,
        "RUNNING",
    )
    run(platform, instance, MAINTENANCE_JOB)
    again = maintain_home(platform, instance, platform.settings.maintain.retain_days)
    assert not any(again.tables)


def test_the_command_says_what_it_did_and_a_dry_run_what_it_would(shop: Path) -> None:
    planned = puffy(shop, "maintain", "--dry-run", "--json").json()
    assert (planned["is_dry_run"], planned["retain_days"]) == (True, 30)
    printed = puffy(shop, "maintain", "--dry-run").out
    assert "_ledger" in printed
    assert "Nothing was changed." in printed
    done = puffy(shop, "maintain", "--retain-days", "7", "--json").json()
    merged = {each["table"]: each["merged_files"] for each in done["tables"]}
    assert merged["_ledger"] > 1
    assert done["removed_bytes"] == 0
    assert puffy(shop, "maintain", "--json", "--retain-days", "0").code == 2
    assert "Nothing to do." in puffy(shop, "maintain").out
    assert puffy(shop, "plan").out.startswith("Everything is current")
