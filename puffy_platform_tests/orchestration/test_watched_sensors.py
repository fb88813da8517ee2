"""Sensors that do not work are told: stopped by hand, failing, or silent; not those of a watch that was itself off."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.remote_origin import (
    InProcessCodeLocationOrigin,
    RemoteInstigatorOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    InstigatorType,
    SensorInstigatorData,
    TickData,
    TickStatus,
)
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster_shared.error import SerializableErrorInfo

from puffy_platform.alerts.channels import open_store
from puffy_platform.orchestration.alerting import look_at_sensors
from puffy_platform.pipeline import Platform
from puffy_platform.settings import load_settings


@pytest.fixture
def platform(tmp_path: Path) -> Platform:
    return Platform(load_settings(tmp_path, environment={}))


def test_a_sensor_that_was_stopped_or_fails_or_is_silent_is_told(
    platform: Platform, instance: dg.DagsterInstance
) -> None:
    location = InProcessCodeLocationOrigin(LoadableTargetOrigin(python_file="x.py"))
    now = dt.datetime(2025, 3, 10, 12, tzinfo=dt.UTC)

    def add(name: str, status: InstigatorStatus) -> InstigatorState:
        origin = RemoteInstigatorOrigin(RemoteRepositoryOrigin(location, "repo"), name)
        state = InstigatorState(origin, InstigatorType.SENSOR, status, SensorInstigatorData(min_interval=30))
        return instance.add_instigator_state(state)

    def ticked(state: InstigatorState, status: TickStatus, minutes_ago: int) -> None:
        error = SerializableErrorInfo("ann@example.com", [], "OSError") if status is TickStatus.FAILURE else None
        instance.create_tick(
            TickData(
                state.instigator_origin_id,
                state.name,
                InstigatorType.SENSOR,
                status,
                (now - dt.timedelta(minutes=minutes_ago)).timestamp(),
                error=error,
                selector_id=state.selector_id,
            )
        )

    add("landing", InstigatorStatus.STOPPED)
    failing = add("marts_after_tables", InstigatorStatus.RUNNING)
    for minutes in (3, 2, 1):
        ticked(failing, TickStatus.FAILURE, minutes)
    ticked(add("freshness", InstigatorStatus.RUNNING), TickStatus.SKIPPED, 14)
    ticked(add("run_failures", InstigatorStatus.RUNNING), TickStatus.SKIPPED, 1)
    add("somebody_elses", InstigatorStatus.STOPPED)
    names = ["landing", "marts_after_tables", "freshness", "run_failures"]
    with open_store(platform.settings) as store:
        look_at_sensors(platform, instance, store, names, now - dt.timedelta(minutes=8))
        look_at_sensors(platform, instance, store, names, now - dt.timedelta(minutes=1))
        look_at_sensors(platform, instance, store, names, now + dt.timedelta(minutes=4))
        found = {each.key.check: [seen.observed for seen in each.days.values()] for each in store.incidents()}
        assert found == {
            "landing": ["it was stopped by hand"],
            "marts_after_tables": ["its last 3 ticks failed: OSError"],
            "freshness": ["it has not looked since 2025-03-10 11:46 UTC"],
        }
        instance.update_instigator_state(add_running(instance, "landing"))
        look_at_sensors(platform, instance, store, names, now + dt.timedelta(days=1))
        assert "landing" not in {each.key.check for each in store.incidents() if each.is_open}


def add_running(instance: dg.DagsterInstance, name: str) -> Any:
    (state,) = [each for each in instance.all_instigator_state() if each.name == name]
    return state.with_status(InstigatorStatus.RUNNING)


def test_a_watch_that_was_off_calls_nobody_silent(platform: Platform, instance: dg.DagsterInstance) -> None:
    """After a week without daemon all have been silent, and none has stopped."""
    with open_store(platform.settings) as store:
        for days in (0, 7):
            now = dt.datetime(2025, 3, 10, 12, tzinfo=dt.UTC) + dt.timedelta(days=days)
            look_at_sensors(platform, instance, store, ["landing"], now)
            assert store.get("watch")["since"] == now.isoformat()
