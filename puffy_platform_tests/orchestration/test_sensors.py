"""The sensors and the schedule as Dagster calls them, on the real definitions."""

from __future__ import annotations

import datetime as dt
import uuid
from pathlib import Path
from zoneinfo import ZoneInfo

import dagster as dg
import pytest
from dagster._core.definitions.sensor_definition import SensorExecutionData
from dagster._utils.schedules import schedule_execution_time_iterator

from puffy_platform.orchestration.build import build_definitions
from puffy_platform.orchestration.names import INGEST_JOB, MARTS_JOB, REFRESH_JOB, TABLES_JOB
from puffy_platform.pipeline import Platform, affected
from puffy_platform.settings import load_settings
from puffy_platform.table import DayRange
from puffy_platform.tables import TABLES
from puffy_platform_tests.ingest.delivery import INGESTED, as_csv, event, purchase

DAYS = DayRange(dt.date(2025, 3, 8), dt.date(2025, 3, 9))
SETTINGS = """
[shop]
time_zone = "America/Los_Angeles"
[run]
look_every_seconds = 1
settled_after_seconds = 0
[ingest]
late_days = 1
"""


def open_platform(home: Path) -> Platform:
    names = (*INGESTED, "events_enriched", "purchases", "sessions")
    return Platform(load_settings(home, environment={}), {name: TABLES[name] for name in names})


@pytest.fixture
def platform(tmp_path: Path) -> Platform:
    """Two landing days, nothing computed yet; few tables, for what they hold does not matter here."""
    (tmp_path / "puffy.toml").write_text(SETTINGS, "utf-8")
    platform = open_platform(tmp_path)
    platform.settings.landing.mkdir()
    for day in DAYS:
        rows = [event(timestamp=f"{day}T12:00:00Z"), purchase(timestamp=f"{day}T12:05:00Z")]
        (platform.settings.landing / f"events_{day:%Y%m%d}.csv").write_bytes(as_csv(rows))
    return platform


def look(
    definitions: dg.Definitions, instance: dg.DagsterInstance, name: str = "landing", cursor: str | None = None
) -> SensorExecutionData:
    """One tick, as the daemon makes it."""
    repository = definitions.get_repository_def()
    with dg.build_sensor_context(
        instance=instance,
        cursor=cursor,
        repository_def=repository,
        resources={"platform": repository.get_top_level_resources()["platform"]},
    ) as context:
        return repository.get_sensor_def(name).evaluate_tick(context)


def execute(definitions: dg.Definitions, instance: dg.DagsterInstance, result: SensorExecutionData) -> list[str]:
    """Run what a tick asked for, in this process; returns the jobs."""
    for request in result.run_requests or ():
        job = definitions.resolve_job_def(str(request.job_name))
        done = job.execute_in_process(
            instance=instance,
            tags=dict(request.tags),
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        )
        assert done.success
    return [str(request.job_name) for request in result.run_requests or ()]


def test_files_become_tables_become_marts_tick_by_tick_and_then_a_tick_costs_nothing(
    platform: Platform, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    definitions = build_definitions(platform)
    assert look(definitions, instance, "marts_after_tables").skip_message == "nothing has been computed yet"
    assert execute(definitions, instance, look(definitions, instance)) == [INGEST_JOB]
    assert execute(definitions, instance, look(definitions, instance)) == [TABLES_JOB]
    idle = look(definitions, instance)
    assert idle.skip_message == "everything is current"
    assert not affected(platform, DAYS)

    monkeypatch.setattr("puffy_platform.orchestration.sensors.next_wave", None)
    again = look(definitions, instance, cursor=idle.cursor)
    assert again.skip_message == idle.skip_message, "from the cursor alone"
    (platform.settings.landing / "events_20250309.csv").write_bytes(as_csv([event(timestamp="2025-03-09T13:00:00Z")]))
    with pytest.raises(Exception, match="NoneType"):
        look(definitions, instance, cursor=idle.cursor)


def test_marts_are_asked_for_by_their_own_sensor(platform: Platform, instance: dg.DagsterInstance) -> None:
    definitions = build_definitions(platform)
    execute(definitions, instance, look(definitions, instance))
    while not (asked := look(definitions, instance, "marts_after_tables")).run_requests:
        assert "a moment ago" in str(asked.skip_message)
    assert [request.job_name for request in asked.run_requests] == [MARTS_JOB]


def test_the_work_of_a_dead_run_is_asked_for_again(platform: Platform, instance: dg.DagsterInstance) -> None:
    definitions = build_definitions(platform)
    run = dg.DagsterRun(job_name=INGEST_JOB, run_id=str(uuid.uuid4()), status=dg.DagsterRunStatus.STARTED)
    instance.add_run(run)
    assert not look(definitions, instance).run_requests, "it may be about to take its lock"
    lock = platform.settings.home / "dagster" / "running" / f"{run.run_id}.lock"
    lock.parent.mkdir(parents=True)
    lock.touch()
    (request,) = look(definitions, instance).run_requests or ()
    assert request.job_name == INGEST_JOB


def test_repairs_that_cannot_be_used_fail_the_tick_and_say_why(
    platform: Platform, instance: dg.DagsterInstance
) -> None:
    platform.settings.repairs.write_text("[[repair]]\n", "utf-8")
    with pytest.raises(Exception, match="'name' is missing"):
        look(build_definitions(platform), instance)


def test_sensors_see_settings_as_they_are_now(platform: Platform, instance: dg.DagsterInstance) -> None:
    home = platform.settings.home
    definitions = build_definitions(platform, reload=lambda: open_platform(home))
    for _ in range(2):
        execute(definitions, instance, look(definitions, instance))
    idle = look(definitions, instance)
    (home / "puffy.toml").write_text(SETTINGS + "[sessions]\ntimeout_minutes = 20\n", "utf-8")
    assert [request.job_name for request in look(definitions, instance, cursor=idle.cursor).run_requests or ()] == [
        TABLES_JOB
    ]


def test_everything_runs_without_being_switched_on(platform: Platform) -> None:
    repository = build_definitions(platform).get_repository_def()
    assert {sensor.default_status for sensor in repository.sensor_defs} == {dg.DefaultSensorStatus.RUNNING}
    assert {schedule.default_status for schedule in repository.schedule_defs} == {dg.DefaultScheduleStatus.RUNNING}


@pytest.mark.parametrize("day", [dt.date(2025, 1, 15), dt.date(2025, 3, 9), dt.date(2025, 11, 2)])
def test_the_daily_refresh_begins_at_six_in_the_shops_zone_whatever_the_clocks_do(
    platform: Platform, day: dt.date
) -> None:
    schedule = build_definitions(platform).get_repository_def().get_schedule_def("daily_refresh")
    assert isinstance(schedule.cron_schedule, str)
    zone = ZoneInfo("America/Los_Angeles")
    midnight = dt.datetime.combine(day, dt.time(), zone)
    assert schedule.execution_timezone == zone.key
    tick = next(schedule_execution_time_iterator(midnight.timestamp(), schedule.cron_schedule, zone.key))
    assert tick.astimezone(zone) == dt.datetime.combine(day, dt.time(6), zone)


def test_the_daily_refresh_reads_files_and_computes_every_table_in_one_run(
    platform: Platform, instance: dg.DagsterInstance
) -> None:
    definitions = build_definitions(platform)
    repository = definitions.get_repository_def()
    resources = {"platform": repository.get_top_level_resources()["platform"]}
    with dg.build_schedule_context(instance=instance, repository_def=repository, resources=resources) as context:
        (request,) = repository.get_schedule_def("daily_refresh").evaluate_tick(context).run_requests or ()
    done = definitions.resolve_job_def(REFRESH_JOB).execute_in_process(
        instance=instance,
        tags=dict(request.tags),
        run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
    )
    assert done.success
    assert not affected(platform, DAYS)
    assert not look(definitions, instance).run_requests, "nothing is left for the sensor"
