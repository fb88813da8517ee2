"""What the landing sensor asks for: all that changed, nothing twice, and nothing before its time."""

from __future__ import annotations

import dataclasses
import datetime as dt
import os
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from puffy_platform.orchestration.names import INGEST_JOB, MARTS_JOB, REFRESH_JOB, TABLES_JOB
from puffy_platform.orchestration.waves import Wave, next_publication, next_wave, refresh_days, world
from puffy_platform.pipeline import Platform, affected, materialise, materialise_ingest
from puffy_platform.settings import load_settings
from puffy_platform.table import Check, DayRange, Inputs
from puffy_platform.tables import TABLES
from puffy_platform_tests.ingest.delivery import INGESTED, as_csv, event

FIRST, LAST = dt.date(2025, 3, 1), dt.date(2025, 3, 10)
DAYS = DayRange(FIRST, LAST)


def settled() -> dt.datetime:
    """A minute from now: files written by the test are no longer young, tables computed by it no longer fresh."""
    return dt.datetime.now(dt.UTC) + dt.timedelta(minutes=1)


@pytest.fixture
def platform(tmp_path: Path) -> Platform:
    """An empty landing folder, the tables of ingest and one that reads them."""
    (tmp_path / "landing").mkdir()
    names = (*INGESTED, "events_enriched")
    return Platform(load_settings(tmp_path, environment={}), {name: TABLES[name] for name in names})


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def land(platform: Platform, *days: dt.date, client: str = "c-1", suffix: str = "") -> None:
    """One file of one event for each day, written long enough ago."""
    for day in days:
        path = platform.settings.landing / f"events_{day:%Y%m%d}{suffix}.csv"
        path.write_bytes(as_csv([event(client_id=client, timestamp=f"{day}T12:00:00Z")]))


def asked(wave: Wave) -> list[tuple[str, str, str]]:
    start, end = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"
    return [(str(request.job_name), request.tags[start], request.tags[end]) for request in wave.requests]


def ask(platform: Platform, instance: dg.DagsterInstance, after: dt.timedelta = dt.timedelta(0)) -> Wave:
    return next_wave(platform, instance, settled() + after)


def run(platform: Platform, instance: dg.DagsterInstance, wave: Wave, fails_on: dt.date | None = None) -> None:
    """Do what was asked for, as far as the tables go; a run over the day it fails on does nothing and fails."""
    for request in wave.requests:
        made = add_run(instance, str(request.job_name), dg.DagsterRunStatus.STARTED, request.tags)
        start, end = (request.tags[f"dagster/asset_partition_range_{edge}"] for edge in ("start", "end"))
        days = DayRange(dt.date.fromisoformat(start), dt.date.fromisoformat(end))
        if fails_on in days:
            instance.report_run_failed(made)
            continue
        if request.job_name == INGEST_JOB:
            materialise_ingest(platform, days, run_id=made.run_id, force=False)
        for table in platform.derived if request.job_name == TABLES_JOB else ():
            materialise(platform, table, days, run_id=made.run_id, force=False)
        instance.report_dagster_event(dg.DagsterEvent("PIPELINE_SUCCESS", made.job_name), made.run_id)


def add_run(
    instance: dg.DagsterInstance, job: str, status: dg.DagsterRunStatus, tags: dict[str, str] | None = None
) -> dg.DagsterRun:
    return instance.add_run(dg.DagsterRun(job_name=job, run_id=str(uuid.uuid4()), status=status, tags=tags or {}))


def finish(
    platform: Platform, instance: dg.DagsterInstance, after: dt.timedelta = dt.timedelta(0)
) -> list[list[tuple[str, str, str]]]:
    """Ask and run until there is nothing left; returns what was asked for."""
    history = []
    for _ in range(10):
        wave = ask(platform, instance, after)
        if not wave.requests:
            return history
        history.append(asked(wave))
        run(platform, instance, wave)
    raise AssertionError(f"it goes on and on: {history}")


def test_new_files_are_read_in_one_range_then_the_tables_follow_then_there_is_peace(
    platform: Platform, instance: dg.DagsterInstance
) -> None:
    land(platform, *DAYS)
    assert finish(platform, instance) == [
        [(INGEST_JOB, "2025-03-01", "2025-03-10")],
        [(TABLES_JOB, "2025-02-22", "2025-03-10")],
    ]
    idle = ask(platform, instance)
    assert (idle.waiting, idle.is_idle) == ("everything is current", True)
    assert not affected(platform, DAYS)


def test_a_changed_file_a_new_one_and_a_removed_one_are_each_found(
    platform: Platform, instance: dg.DagsterInstance
) -> None:
    land(platform, *DAYS)
    finish(platform, instance)
    land(platform, dt.date(2025, 3, 2), client="c-2")
    assert asked(ask(platform, instance)) == [(INGEST_JOB, "2025-03-02", "2025-03-10")], "the days it may repeat too"
    finish(platform, instance)
    land(platform, dt.date(2025, 3, 4), client="c-3", suffix="_late")
    assert asked(ask(platform, instance)) == [(INGEST_JOB, "2025-03-04", "2025-03-10")]
    finish(platform, instance)
    (platform.settings.landing / "events_20250306.csv").unlink()
    assert asked(ask(platform, instance)) == [(INGEST_JOB, "2025-03-06", "2025-03-10")]
    finish(platform, instance)
    assert not affected(platform, DAYS)


def test_the_newest_file_can_be_removed_too(platform: Platform, instance: dg.DagsterInstance) -> None:
    land(platform, *DAYS)
    finish(platform, instance)
    (platform.settings.landing / f"events_{LAST:%Y%m%d}.csv").unlink()
    assert finish(platform, instance)[0] == [(INGEST_JOB, str(LAST), str(LAST))]
    rows = platform.warehouse.read(platform.tables["events_enriched"]).collect()
    assert rows["day"].max() == LAST - dt.timedelta(days=1)


def test_a_folder_without_any_file_is_taken_for_one_that_is_not_mounted(
    platform: Platform, instance: dg.DagsterInstance
) -> None:
    land(platform, *DAYS)
    finish(platform, instance)
    for path in platform.settings.landing.iterdir():
        path.unlink()
    assert ask(platform, instance) == Wave(waiting="no landing files")
    platform.settings.landing.rmdir()
    assert ask(platform, instance) == Wave(waiting="no landing files")


def test_the_same_bytes_written_again_are_no_work(platform: Platform, instance: dg.DagsterInstance) -> None:
    land(platform, *DAYS)
    finish(platform, instance)
    land(platform, *DAYS)
    assert ask(platform, instance).is_idle


@pytest.mark.parametrize("job", [INGEST_JOB, TABLES_JOB, REFRESH_JOB])
@pytest.mark.parametrize("status", ["NOT_STARTED", "STARTING", "STARTED", "CANCELING"])
def test_while_a_run_is_under_way_nothing_more_is_asked_for(
    platform: Platform, instance: dg.DagsterInstance, job: str, status: str
) -> None:
    land(platform, *DAYS)
    add_run(instance, job, dg.DagsterRunStatus(status))
    assert ask(platform, instance) == Wave(waiting=f"a run of {job} is under way")


def test_asked_twice_for_the_same_work_dagster_is_given_the_same_key(
    platform: Platform, instance: dg.DagsterInstance
) -> None:
    """So a daemon that died between asking and starting starts one run."""
    land(platform, *DAYS)
    once, again = ask(platform, instance), ask(platform, instance)
    assert [request.run_key for request in once.requests] == [request.run_key for request in again.requests]


def test_a_file_that_goes_back_and_forth_is_asked_for_each_time(
    platform: Platform, instance: dg.DagsterInstance
) -> None:
    land(platform, *DAYS)
    finish(platform, instance)
    keys = []
    for client in ("a", "b", "a"):
        land(platform, FIRST, client=client)
        wave = ask(platform, instance)
        keys += [request.run_key for request in wave.requests]
        finish(platform, instance)
    assert len(set(keys)) == 3


def test_a_file_still_being_written_waits_and_holds_up_no_other_day(
    platform: Platform, instance: dg.DagsterInstance
) -> None:
    land(platform, dt.date(2025, 3, 1), dt.date(2025, 3, 3))
    now = settled().timestamp()
    os.utime(platform.settings.landing / "events_20250303.csv", (now - 3, now - 3))
    assert asked(ask(platform, instance)) == [(INGEST_JOB, "2025-03-01", "2025-03-01")]
    run(platform, instance, ask(platform, instance))
    while (wave := ask(platform, instance)).requests:
        assert asked(wave)[0][0] == TABLES_JOB
        run(platform, instance, wave)
    assert wave.waiting == "files are still being written"
    later = ask(platform, instance, dt.timedelta(seconds=10))
    assert asked(later) == [(INGEST_JOB, "2025-03-02", "2025-03-03")]


def test_a_senders_clock_that_runs_ahead_holds_nothing_up(platform: Platform, instance: dg.DagsterInstance) -> None:
    land(platform, FIRST)
    ahead = settled().timestamp() + 3_600
    os.utime(platform.settings.landing / f"events_{FIRST:%Y%m%d}.csv", (ahead, ahead))
    assert asked(ask(platform, instance)) == [(INGEST_JOB, str(FIRST), str(FIRST))]


def test_a_file_read_too_early_is_read_again_when_it_is_whole(platform: Platform, instance: dg.DagsterInstance) -> None:
    path = platform.settings.landing / f"events_{FIRST:%Y%m%d}.csv"
    whole = as_csv([event(client_id=client) for client in "abc"])
    path.write_bytes(whole[:200])
    finish(platform, instance)
    path.write_bytes(whole)
    finish(platform, instance)
    rows = platform.warehouse.read(platform.tables["raw_events"]).collect()
    assert sorted(rows["client_id"]) == ["a", "b", "c"]


def test_a_thousand_files_at_once_are_one_run(platform: Platform, instance: dg.DagsterInstance) -> None:
    many = DayRange(dt.date(2024, 1, 1), dt.date(2025, 5, 14))
    assert len(many) == 500
    land(platform, *many)
    land(platform, *many, client="c-2", suffix="_b")
    began = time.monotonic()
    assert asked(ask(platform, instance)) == [(INGEST_JOB, str(many.first), str(many.last))]
    assert time.monotonic() - began < 20


def test_scattered_days_are_few_runs_and_far_apart_ones_are_not_joined(
    platform: Platform, instance: dg.DagsterInstance
) -> None:
    land(platform, *DayRange(dt.date(2025, 3, 1), dt.date(2025, 4, 30)))
    finish(platform, instance)
    land(platform, *(dt.date(2025, 3, day) for day in (1, 3, 5, 9)), dt.date(2025, 4, 20), client="c-2")
    assert asked(ask(platform, instance)) == [
        (INGEST_JOB, "2025-03-01", "2025-03-17"),
        (INGEST_JOB, "2025-04-20", "2025-04-28"),
    ]


def test_todays_file_waits_until_the_day_is_over(platform: Platform, instance: dg.DagsterInstance) -> None:
    today = dt.datetime.now(dt.UTC).date()
    land(platform, today)
    assert ask(platform, instance) == Wave(waiting="no complete day has landed")
    land(platform, today - dt.timedelta(days=1))
    yesterday = str(today - dt.timedelta(days=1))
    assert asked(ask(platform, instance)) == [(INGEST_JOB, yesterday, yesterday)]


def test_what_fails_is_tried_again_at_once_and_then_ever_more_patiently(
    platform: Platform, instance: dg.DagsterInstance
) -> None:
    land(platform, FIRST)
    keys = []
    for pause_minutes in (0, 0, 5, 15, 60, 60):
        pause = dt.timedelta(minutes=pause_minutes)
        if pause_minutes:
            early = ask(platform, instance, 0.75 * pause - dt.timedelta(minutes=1))
            assert early == Wave(waiting="what failed is tried again after a pause")
        wave = ask(platform, instance, pause)
        keys += [request.run_key for request in wave.requests]
        run(platform, instance, wave, fails_on=FIRST)
    assert len(set(keys)) == 6
    land(platform, FIRST, client="c-2")
    assert ask(platform, instance).requests, "a new file is new work"


def test_a_day_that_cannot_be_read_is_found_by_halving_and_holds_up_no_other(
    platform: Platform, instance: dg.DagsterInstance
) -> None:
    land(platform, *DAYS)
    bad = dt.date(2025, 3, 5)
    while (wave := ask(platform, instance)).requests:
        run(platform, instance, wave, fails_on=bad if asked(wave)[0][0] == INGEST_JOB else None)
    assert wave.waiting == "what failed is tried again after a pause"
    read = platform.warehouse.read(platform.tables["events_enriched"]).collect()
    assert sorted(read["day"]) == [day for day in DAYS if day != bad]
    finish(platform, instance, dt.timedelta(hours=1))
    assert not affected(platform, DAYS)


def few_events(frame: pl.DataFrame, inputs: Inputs, days: DayRange, settings: object) -> pl.DataFrame:
    return frame.group_by("day").agg(passed=pl.len() < 2, observed=pl.lit("many"), expected=pl.lit("one"))


def test_a_day_that_a_check_holds_back_comes_alone_and_after_the_others(
    platform: Platform, instance: dg.DagsterInstance
) -> None:
    events = platform.tables["events_enriched"]
    strict = dataclasses.replace(events, checks=(Check("few_events", "At most one event.", few_events),))
    platform = dataclasses.replace(platform, tables={**platform.tables, "events_enriched": strict})
    land(platform, *DAYS)
    bad = dt.date(2025, 3, 5)
    land(platform, bad, client="c-2", suffix="_b")
    ingest, tables = (asked(wave) for wave in _waves(platform, instance, 2))
    assert (ingest[0][0], tables) == (INGEST_JOB, [(TABLES_JOB, "2025-02-22", "2025-03-10")])
    land(platform, LAST, client="c-3")
    _, others, alone, again = (asked(wave) for wave in _waves(platform, instance, 4))
    assert others == [(TABLES_JOB, str(LAST), str(LAST))]
    assert alone == again == [(TABLES_JOB, str(bad), str(bad))]
    assert ask(platform, instance).waiting == "what failed is tried again after a pause"
    (platform.settings.landing / f"events_{bad:%Y%m%d}_b.csv").unlink()
    finish(platform, instance)
    assert not affected(platform, DAYS)


def _waves(platform: Platform, instance: dg.DagsterInstance, count: int) -> Iterator[Wave]:
    for _ in range(count):
        wave = ask(platform, instance)
        yield wave
        run(platform, instance, wave)


def test_the_world_changes_with_all_that_makes_work_and_with_nothing_else(platform: Platform, tmp_path: Path) -> None:
    land(platform, *DAYS)
    materialise_ingest(platform, DAYS, run_id="test")
    seen = [world(platform)]
    land(platform, *DAYS)
    assert world(platform) == seen[0], "the same bytes"

    land(platform, FIRST, client="c-2")
    seen.append(world(platform))
    for table in platform.derived:
        materialise(platform, table, DAYS, run_id="test")
    seen.append(world(platform))
    (tmp_path / "puffy.toml").write_text("[ingest]\nlate_days = 9\n", "utf-8")
    platform = dataclasses.replace(platform, settings=load_settings(tmp_path, environment={}))
    seen.append(world(platform))
    (platform.settings.landing / f"events_{LAST:%Y%m%d}.csv").unlink()
    seen.append(world(platform))
    assert len(set(seen)) == len(seen)


def test_the_marts_are_published_once_after_the_tables_they_read(
    platform: Platform, instance: dg.DagsterInstance
) -> None:
    assert next_publication(platform, instance, settled()).waiting == "nothing has been computed yet"
    land(platform, FIRST)
    run(platform, instance, ask(platform, instance))
    soon = dt.datetime.now(dt.UTC)
    assert next_publication(platform, instance, soon).waiting == "tables were computed a moment ago: more may follow"
    (request,) = next_publication(platform, instance, settled()).requests
    assert request.job_name == MARTS_JOB

    made = add_run(instance, MARTS_JOB, dg.DagsterRunStatus.STARTED, dict(request.tags))
    assert next_publication(platform, instance, settled()).waiting == f"a run of {MARTS_JOB} is under way"
    instance.report_run_failed(made)
    assert next_publication(platform, instance, settled()).requests[0].run_key != request.run_key


def test_the_daily_refresh_covers_all_that_is_stale_and_the_days_rows_may_still_come_for(
    platform: Platform, instance: dg.DagsterInstance
) -> None:
    assert refresh_days(platform) == "no complete day has landed"
    month = DayRange(dt.date(2025, 3, 1), dt.date(2025, 3, 31))
    land(platform, *month)
    assert refresh_days(platform) == DayRange(dt.date(2025, 3, 1), month.last)
    finish(platform, instance)
    assert refresh_days(platform) == DayRange(dt.date(2025, 3, 23), month.last)
    land(platform, dt.date(2025, 3, 12), client="c-2")
    assert refresh_days(platform) == DayRange(dt.date(2025, 3, 5), month.last), "rows of the 12th may be 7 days late"
    (platform.settings.landing / f"events_{month.last:%Y%m%d}.csv").unlink()
    assert refresh_days(platform) == DayRange(dt.date(2025, 3, 5), month.last), "a removed file's day is not forgotten"
