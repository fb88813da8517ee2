"""Assembles Dagster's definitions from a `Platform`."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import dagster as dg

from puffy_platform.orchestration.alerting import AlertSlack, alert_sensors
from puffy_platform.orchestration.assets import derived_asset, ingest_asset, landing_files
from puffy_platform.orchestration.liveness import hold_run
from puffy_platform.orchestration.maintenance import maintenance_job, weekly_maintenance
from puffy_platform.orchestration.marts import SCHEMA, FreshDuckDB, marts_asset, published_asset
from puffy_platform.orchestration.names import (
    INGEST_JOB,
    MARTS_JOB,
    REFRESH_JOB,
    RUNNING_DAY_JOB,
    TABLES_JOB,
    first_partition,
)
from puffy_platform.orchestration.running_day import running_day_asset
from puffy_platform.orchestration.sensors import daily_refresh, landing_sensor, marts_sensor
from puffy_platform.pipeline import Platform

__all__ = ["build_definitions"]


def build_definitions(platform: Platform, reload: Callable[[], Platform] | None = None) -> dg.Definitions:
    """Every table as an asset, the jobs over them, in-process execution (no step needs a process of its own).

    `reload` gives the platform as its settings are now: sensors live for days, and settings are files.
    """
    partitions = dg.DailyPartitionsDefinition(start_date=str(first_partition(platform)), timezone="UTC")
    with warnings.catch_warnings():
        # Backfill policies are in beta; the choice is deliberate and measured.
        warnings.simplefilter("ignore", dg.BetaWarning)
        ingest = ingest_asset(platform, partitions)
        derived = [derived_asset(table, platform, partitions) for table in platform.derived]
    marts, published = marts_asset(platform), published_asset(platform)
    ingest_job = dg.define_asset_job(INGEST_JOB, dg.AssetSelection.assets(ingest), description="Read landing files.")
    tables_job = dg.define_asset_job(TABLES_JOB, dg.AssetSelection.assets(*derived), description="Compute the tables.")
    marts_job = dg.define_asset_job(
        MARTS_JOB, dg.AssetSelection.assets(marts, published), description="Publish the marts."
    )
    refresh_job = dg.define_asset_job(
        REFRESH_JOB, dg.AssetSelection.assets(ingest, *derived), description="Read landing files, compute the tables."
    )
    is_judged = {"hourly_metrics", "daily_metrics", "anomalies"} <= platform.tables.keys()
    running = [running_day_asset(platform)] if is_judged else []
    running_jobs = [dg.define_asset_job(RUNNING_DAY_JOB, running, description="Judge today so far.") for _ in running]
    sensors = [landing_sensor(platform, [ingest_job, tables_job, *running_jobs]), marts_sensor(platform, marts_job)]
    schedules = [daily_refresh(platform, refresh_job), weekly_maintenance(platform)]
    watched = [*(sensor.name for sensor in sensors), *(schedule.name for schedule in schedules)]
    return dg.Definitions(
        assets=[landing_files(), ingest, *derived, *running, marts, published],
        jobs=[ingest_job, tables_job, refresh_job, marts_job, *running_jobs, maintenance_job],
        sensors=[*sensors, *alert_sensors(platform, watched)],
        schedules=schedules,
        resources={
            "platform": _platform_resource(platform, reload),
            "slack": AlertSlack(url=platform.settings.alerts.slack_url),
            "marts": FreshDuckDB(database=str(platform.settings.marts), schema=SCHEMA),
        },
        executor=dg.in_process_executor,
    )


def _platform_resource(platform: Platform, reload: Callable[[], Platform] | None) -> dg.ResourceDefinition:
    def open_platform(context: dg.InitResourceContext) -> Platform:
        current = reload() if reload else platform
        if context.run is not None:
            hold_run(current, context.run.run_id)
        return current

    return dg.ResourceDefinition(open_platform)
