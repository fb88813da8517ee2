"""What starts runs by itself: the landing sensor, the publication of the marts, and the daily refresh.

They ask at once what `waves` says is to be done; what that is, and why not now, is decided there.
"""

import datetime as dt
from collections.abc import Iterable

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from puffy_platform.orchestration.liveness import report_dead_runs
from puffy_platform.orchestration.names import range_tags
from puffy_platform.orchestration.waves import Wave, next_publication, next_wave, refresh_days, world
from puffy_platform.pipeline import Platform

JobLike = dg.JobDefinition | UnresolvedAssetJobDefinition

__all__ = ["daily_refresh", "landing_sensor", "marts_sensor"]

# Dashboards are read at 08:00; the refresh leaves two hours for it and for a second try.
REFRESH_CRON = "0 6 * * *"


def landing_sensor(platform: Platform, jobs: Iterable[JobLike]) -> dg.SensorDefinition:
    """New, changed and removed files, by content, become range runs over the days they affect."""

    @dg.sensor(
        name="landing",
        jobs=list(jobs),
        minimum_interval_seconds=platform.settings.run.look_every_seconds,
        default_status=dg.DefaultSensorStatus.RUNNING,
        required_resource_keys={"platform"},
        description="New, changed and removed landing files -> the days they affect.",
    )
    def landing(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        platform, now = context.resources.platform, dt.datetime.now(dt.UTC)
        for run_id in report_dead_runs(platform, context.instance, now):
            context.log.warning(f"the process of run {run_id} is gone; what it left undone is asked for again")
        # Whether anything has changed since is sooner said than whether years of days are current. Losing this memory
        # costs time only.
        seen = world(platform)
        if context.cursor == seen:
            return dg.SensorResult(skip_reason="everything is current", cursor=seen)
        wave = next_wave(platform, context.instance, now)
        return _result(wave, cursor=seen if wave.is_idle else None)

    return landing


def marts_sensor(platform: Platform, marts_job: JobLike) -> dg.SensorDefinition:
    """The marts are published whenever the tables they read have been computed since, by whatever run."""

    @dg.sensor(
        name="marts_after_tables",
        job=marts_job,
        minimum_interval_seconds=platform.settings.run.look_every_seconds,
        default_status=dg.DefaultSensorStatus.RUNNING,
        required_resource_keys={"platform"},
        description="Tables were computed -> publish the marts.",
    )
    def marts_after_tables(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        return _result(next_publication(context.resources.platform, context.instance, dt.datetime.now(dt.UTC)))

    return marts_after_tables


def daily_refresh(platform: Platform, refresh_job: JobLike) -> dg.ScheduleDefinition:
    """Every morning the files are read and the tables computed in one run, whatever the sensor saw or did."""

    @dg.schedule(
        name="daily_refresh",
        job=refresh_job,
        cron_schedule=REFRESH_CRON,
        execution_timezone=platform.settings.shop.time_zone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        required_resource_keys={"platform"},
        description="A complete refresh before 08:00 in the shop's time zone.",
    )
    def refresh(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        days = refresh_days(context.resources.platform)
        if isinstance(days, str):
            return dg.SkipReason(days)
        return dg.RunRequest(tags=range_tags(days, skip_current=True))

    return refresh


def _result(wave: Wave, cursor: str | None = None) -> dg.SensorResult:
    reason = None if wave.requests else wave.waiting
    return dg.SensorResult(run_requests=list(wave.requests), skip_reason=reason, cursor=cursor)
