"""What passes by itself is tried again after a growing, scattered pause; what does not fails at once and alone."""

from __future__ import annotations

import datetime as dt
import errno
import random
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from deltalake.exceptions import CommitFailedError

from puffy_platform.orchestration import assets, patience
from puffy_platform.orchestration.attempts import Attempts
from puffy_platform.orchestration.build import build_definitions
from puffy_platform.orchestration.names import REFRESH_JOB, range_tags
from puffy_platform.orchestration.patience import TRIES, is_transient, pause
from puffy_platform.pipeline import Platform, Report, affected, materialise
from puffy_platform.settings import load_settings
from puffy_platform.table import DayRange, Table
from puffy_platform.tables import TABLES
from puffy_platform.warehouse import Ledger, WarehouseError
from puffy_platform_tests.ingest.delivery import INGESTED, as_csv, event

DAY = dt.date(2025, 3, 8)
DAYS = DayRange(DAY, DAY)
# client_days reads sessions; purchases does not.
FEW = {**INGESTED, **{name: TABLES[name] for name in ("events_enriched", "purchases", "sessions", "client_days")}}


@pytest.fixture
def platform(tmp_path: Path) -> Platform:
    (tmp_path / "landing").mkdir()
    (tmp_path / "puffy.toml").write_text("[ingest]\nlate_days = 1\n", "utf-8")
    (tmp_path / "landing" / f"events_{DAY:%Y%m%d}.csv").write_bytes(as_csv([event(timestamp=f"{DAY}T12:00:00Z")]))
    return Platform(load_settings(tmp_path, environment={}), FEW)


@pytest.fixture(autouse=True)
def no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "FIRST_PAUSE", dt.timedelta(milliseconds=1))


def sessions_fail(monkeypatch: pytest.MonkeyPatch, error: Exception, times: int) -> list[str]:
    """The first so many computations of sessions fail; returns the tables computed, as they are."""
    tried: list[str] = []

    def compute(platform: Platform, table: Table, days: DayRange, **options: Any) -> Report:
        tried.append(table.name)
        if table.name == "sessions" and tried.count("sessions") <= times:
            raise error
        return materialise(platform, table, days, **options)

    monkeypatch.setattr(assets, "materialise", compute)
    return tried


def run(platform: Platform, instance: dg.DagsterInstance) -> dg.ExecuteInProcessResult:
    return (
        build_definitions(platform)
        .resolve_job_def(REFRESH_JOB)
        .execute_in_process(
            instance=instance,
            tags=range_tags(DAYS, skip_current=True),
            raise_on_error=False,
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        )
    )


def test_a_step_whose_store_was_gone_for_a_moment_is_tried_again_in_the_same_run(
    platform: Platform, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = sessions_fail(monkeypatch, OSError("Generic S3 error"), TRIES - 1)
    assert run(platform, instance).success
    assert tried.count("sessions") == TRIES
    assert not affected(platform, DAYS)


def test_what_stays_gone_fails_the_run_and_the_next_run_does_what_is_left(
    platform: Platform, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = sessions_fail(monkeypatch, TimeoutError("no answer"), TRIES)
    failed = run(platform, instance)
    assert not failed.success
    (failure,) = [each for each in failed.all_events if each.is_step_failure]
    assert failure.step_failure_data.error is not None
    assert failure.step_failure_data.error.cause is not None
    assert failure.step_failure_data.error.cause.cls_name == "TimeoutError"
    assert tried.count("sessions") == TRIES
    assert run(platform, instance).success
    assert not affected(platform, DAYS)


def test_a_permanent_failure_is_tried_once_and_stops_what_depends_on_it_and_nothing_else(
    platform: Platform, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = sessions_fail(monkeypatch, ValueError("a mistake"), 1)
    assert not run(platform, instance).success
    assert tried.count("sessions") == 1
    ledger = Ledger(platform.warehouse)
    computed = {name for name in FEW if ledger.get(name, DAY) is not None}
    assert computed == FEW.keys() - {"sessions", "client_days"}


def test_runs_of_different_work_are_asked_for_again_at_different_times() -> None:
    ended = dt.datetime(2025, 3, 8, 12, tzinfo=dt.UTC)
    least = dt.timedelta(minutes=4)
    early, late = (Attempts(key * 6, 2, "run", ended) for key in ("ffff", "0000"))
    assert [each.is_due(ended + least) for each in (early, late)] == [True, False]
    assert not early.is_due(ended + least - dt.timedelta(seconds=1))
    assert late.is_due(ended + dt.timedelta(minutes=5))


@pytest.mark.parametrize(
    ("error", "passes"),
    [
        (OSError("Generic S3 error: connection refused"), True),
        (ConnectionResetError(errno.ECONNRESET, "reset"), True),
        (TimeoutError(), True),
        (OSError(errno.EIO, "bad block"), True),
        (OSError(errno.ENOSPC, "disk full"), False),
        (FileNotFoundError(errno.ENOENT, "no folder"), False),
        (PermissionError(errno.EACCES, "not ours"), False),
        (ValueError("a mistake"), False),
        (WarehouseError("Delta refused the rows"), False),
    ],
    ids=repr,
)
def test_what_passes_by_itself(error: Exception, passes: bool) -> None:
    assert is_transient(error) is passes


def test_writers_that_were_in_the_way_are_so_for_a_moment() -> None:
    error = WarehouseError("other writers kept winning")
    error.__cause__ = CommitFailedError("conflict")
    assert is_transient(error)


def test_pauses_double_and_are_scattered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "FIRST_PAUSE", dt.timedelta(seconds=2))
    chance = random.Random(1)
    for tried, usual in ((1, 2.0), (2, 4.0), (3, 8.0)):
        found = [pause(tried, chance).total_seconds() for _ in range(200)]
        assert 0.5 * usual <= min(found) < 0.7 * usual < 1.3 * usual < max(found) <= 1.5 * usual
