"""A run whose process is gone is told from one that is still at work."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import pytest

from puffy_platform.orchestration.liveness import hold_run, report_dead_runs
from puffy_platform.pipeline import Platform
from puffy_platform.settings import load_settings

HOLD = """
import sys
from puffy_platform.orchestration.liveness import hold_run
from puffy_platform.pipeline import Platform
from puffy_platform.settings import load_settings
hold_run(Platform(load_settings(sys.argv[1], environment={})), sys.argv[2])
print("held", flush=True)
sys.stdin.read()
"""
HOUR = dt.timedelta(hours=1)


@pytest.fixture
def platform(tmp_path: Path) -> Platform:
    return Platform(load_settings(tmp_path, environment={}))


@contextmanager
def a_process_at_work(platform: Platform, run_id: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", HOLD, str(platform.settings.home), run_id]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "held\n"
            yield process
        finally:
            process.kill()


def started(instance: dg.DagsterInstance) -> dg.DagsterRun:
    run = dg.DagsterRun(job_name="ingest_days", run_id=str(uuid.uuid4()), status=dg.DagsterRunStatus.STARTED)
    return instance.add_run(run)


def status(instance: dg.DagsterInstance, run: dg.DagsterRun) -> dg.DagsterRunStatus:
    found = instance.get_run_by_id(run.run_id)
    assert found is not None
    return found.status


def later(by: dt.timedelta = HOUR) -> dt.datetime:
    return dt.datetime.now(dt.UTC) + by


def test_a_run_whose_process_lives_is_left_alone_however_long_it_takes(
    platform: Platform, instance: dg.DagsterInstance
) -> None:
    run = started(instance)
    with a_process_at_work(platform, run.run_id):
        assert report_dead_runs(platform, instance, later(24 * HOUR)) == []
    assert status(instance, run) is dg.DagsterRunStatus.STARTED


def test_a_run_whose_process_was_killed_is_reported_at_once(platform: Platform, instance: dg.DagsterInstance) -> None:
    run = started(instance)
    with a_process_at_work(platform, run.run_id) as process:
        process.kill()
        process.wait()
        assert report_dead_runs(platform, instance, later(dt.timedelta(0))) == [run.run_id]
    assert status(instance, run) is dg.DagsterRunStatus.FAILURE
    assert report_dead_runs(platform, instance, later()) == []
    assert list((platform.settings.home / "dagster" / "running").iterdir()) == []


def test_a_run_that_has_just_started_is_given_time_to_take_its_lock(
    platform: Platform, instance: dg.DagsterInstance
) -> None:
    run = started(instance)
    assert report_dead_runs(platform, instance, later(dt.timedelta(seconds=20))) == []
    assert report_dead_runs(platform, instance, later()) == [run.run_id]


def test_a_process_that_ends_by_itself_leaves_nothing_behind(platform: Platform, instance: dg.DagsterInstance) -> None:
    run = started(instance)
    with a_process_at_work(platform, run.run_id) as process:
        process.communicate("")
    assert list((platform.settings.home / "dagster" / "running").iterdir()) == []


def test_a_run_of_this_very_process_lives(platform: Platform, instance: dg.DagsterInstance) -> None:
    run = started(instance)
    hold_run(platform, run.run_id)
    hold_run(platform, run.run_id)
    assert report_dead_runs(platform, instance, later()) == []


@pytest.mark.parametrize("ended", ["SUCCESS", "FAILURE", "CANCELED"])
def test_runs_that_have_ended_are_none_of_its_business(
    platform: Platform, instance: dg.DagsterInstance, ended: str
) -> None:
    run = instance.add_run(dg.DagsterRun(job_name="x", run_id=str(uuid.uuid4()), status=dg.DagsterRunStatus(ended)))
    assert report_dead_runs(platform, instance, later()) == []
    assert status(instance, run) is dg.DagsterRunStatus(ended)


def test_the_lock_of_a_killed_process_goes_when_dagster_has_ended_its_run(
    platform: Platform, instance: dg.DagsterInstance
) -> None:
    run = started(instance)
    with a_process_at_work(platform, run.run_id) as process:
        instance.report_run_failed(run)
        report_dead_runs(platform, instance, later())
        assert len(list((platform.settings.home / "dagster" / "running").iterdir())) == 1, "it is still at work"
        process.kill()
        process.wait()
    report_dead_runs(platform, instance, later())
    assert list((platform.settings.home / "dagster" / "running").iterdir()) == []


def test_runs_of_other_launchers_are_left_to_dagster(platform: Platform) -> None:
    """In a container or on another machine there is no lock to be seen."""
    with dg.DagsterInstance.ephemeral() as instance:
        run = started(instance)
        assert report_dead_runs(platform, instance, later()) == []
        assert status(instance, run) is dg.DagsterRunStatus.STARTED
