"""What starts runs by itself: the landing sensor, the marts after the tables, and the daily refresh.

The landing sensor keeps no state of its own. What is to be done follows at every tick from the ledger and the
landing folder, so a restart at any instant neither misses work nor repeats it.
"""

import datetime as dt
import hashlib
import json
import time
from collections.abc import Iterable

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from puffy_platform.orchestration.names import INGEST_JOB, MARTS_JOB, TABLES_JOB, last_partition, range_tags
from puffy_platform.pipeline import Landing, Plan, Platform, affected
from puffy_platform.table import DayRange, ranges

JobLike = dg.JobDefinition | UnresolvedAssetJobDefinition

__all__ = ["daily_refresh", "landing_sensor", "marts_sensor"]

INTERVAL_SECONDS = 30
# A sender that does not rename its file when it is done has this long between two writes.
SETTLED_SECONDS = 5.0
# Dashboards are read at 08:00; the refresh leaves two hours for it and for a second try.
REFRESH_CRON = "0 6 * * *"
UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


def landing_sensor(jobs: Iterable[JobLike]) -> dg.SensorDefinition:
    """Finds new, changed and removed files by content and asks for range runs over the days they affect.

    First the landing days are read; at a later tick, when their rows are known, the tables whose inputs changed are
    computed. One wave at a time: while a run is under way it waits. What failed is asked for again an hour later, not
    at every tick.
    """

    @dg.sensor(
        name="landing",
        jobs=list(jobs),
        minimum_interval_seconds=INTERVAL_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        required_resource_keys={"platform"},
        description="New, changed and removed landing files -> the days they affect.",
    )
    def landing(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        platform = context.resources.platform
        requests, reason = next_requests(platform, context.instance, time.time())
        return dg.SensorResult(run_requests=requests, skip_reason=None if requests else reason)

    return landing


def next_requests(
    platform: Platform, instance: dg.DagsterInstance, now_seconds: float
) -> tuple[list[dg.RunRequest], str]:
    """The runs to ask for at this moment, or why there are none."""
    for job in (INGEST_JOB, TABLES_JOB):
        if instance.get_runs(dg.RunsFilter(job_name=job, statuses=UNFINISHED), limit=1):
            return [], f"a run of {job} is under way"
    look = platform.landing()
    if look.days is None:
        return [], "no landing files"
    last = min(look.days.last, last_partition())
    start = platform.start_day(look) or look.days.first
    ingested = [table.name for table in platform.ingested]
    stale = affected(platform, DayRange(min(look.days.first, last), last), ingested)
    settled = [day for day in stale.all_days() if start <= day <= last and not _being_written(look, day, now_seconds)]
    if settled:
        return [_request(INGEST_JOB, span, _key(stale, now_seconds)) for span in ranges(settled)], ""
    derived = affected(platform, DayRange(start, last), [table.name for table in platform.derived])
    hull = derived.hull()
    if hull is None:
        return [], "everything is current"
    within = hull.clip(DayRange(start, last))
    return ([_request(TABLES_JOB, within, _key(derived, now_seconds))] if within else []), "everything is current"


def _being_written(look: Landing, day: dt.date, now_seconds: float) -> bool:
    return any(now_seconds - file.path.stat().st_mtime < SETTLED_SECONDS for file in look.files.get(day, ()))


def _request(job: str, days: DayRange, key: str) -> dg.RunRequest:
    return dg.RunRequest(job_name=job, run_key=f"{job}:{days}:{key}", tags=range_tags(days, skip_current=True))


def _key(plan: Plan, now_seconds: float) -> str:
    """Changes with the work to be done and once an hour, so that one failure is not retried at every tick."""
    work = json.dumps([plan.to_json(), int(now_seconds // 3600)])
    return hashlib.sha256(work.encode()).hexdigest()[:16]


def marts_sensor(tables_job: JobLike, marts_job: JobLike) -> dg.SensorDefinition:
    """Publishes the marts after every successful computation of tables."""

    @dg.run_status_sensor(
        run_status=dg.DagsterRunStatus.SUCCESS,
        name="marts_after_tables",
        monitored_jobs=[tables_job],
        request_job=marts_job,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Tables were computed -> publish the marts.",
    )
    def marts_after_tables(context: dg.RunStatusSensorContext) -> dg.RunRequest:
        return dg.RunRequest(job_name=MARTS_JOB, run_key=context.dagster_run.run_id)

    return marts_after_tables


def daily_refresh(platform: Platform, tables_job: JobLike) -> dg.ScheduleDefinition:
    """Every morning, the days that new landing files can still change are computed, whatever the sensor saw."""

    @dg.schedule(
        name="daily_refresh",
        job=tables_job,
        cron_schedule=REFRESH_CRON,
        execution_timezone=platform.settings.shop.time_zone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        required_resource_keys={"platform"},
        description="A complete refresh before 08:00 in the shop's time zone.",
    )
    def refresh(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        platform = context.resources.platform
        look = platform.landing()
        if look.days is None:
            return dg.SkipReason("no landing files")
        last = min(look.days.last, last_partition())
        start = platform.start_day(look) or last
        days = DayRange(last - dt.timedelta(days=platform.settings.ingest.late_days + 1), last).clip(
            DayRange(start, last)
        )
        if days is None:
            return dg.SkipReason("no complete day has landed")
        return dg.RunRequest(run_key=str(last), tags=range_tags(days, skip_current=True))

    return refresh
