"""The job that looks at the running day, and when it is to look: whenever files of that day came or changed."""

import datetime as dt

import dagster as dg

from puffy_platform.orchestration.assets import LANDING_FILES
from puffy_platform.orchestration.attempts import WORK_TAG, Attempts
from puffy_platform.orchestration.describe import KINDS, check_results_of
from puffy_platform.orchestration.names import RUNNING_DAY_JOB, last_partition
from puffy_platform.orchestration.patience import patiently
from puffy_platform.pipeline import Landing, Platform
from puffy_platform.pipeline.running import RUNNING_DAY, judge_running, record_running, running_files, running_rows

__all__ = ["look_at_today", "running_day_asset", "running_day_request"]

DAY_TAG = "puffy/running_day"


def running_day_asset(platform: Platform) -> dg.AssetsDefinition:
    """The verdicts on today as far as it has landed: an asset without partitions, for today has none yet."""

    @dg.asset(
        name=RUNNING_DAY,
        deps=[LANDING_FILES, "hourly_metrics", "daily_metrics"],
        description="Today as far as it has landed, hour by hour against the same hours of earlier days.",
        group_name="monitoring",
        owners=["team:analytics"],
        kinds=KINDS,
        required_resource_keys={"platform"},
    )
    def look(context: dg.AssetExecutionContext) -> dg.MaterializeResult[object]:
        platform = context.resources.platform
        named = context.run.tags.get(DAY_TAG)
        day = dt.date.fromisoformat(named) if named else _running_day()
        found = patiently(context, lambda: judge_running(platform, day))
        record_running(platform, found, context.run.run_id)
        until = f"{found.day} until {found.hours:02d}:00 UTC"
        for check in check_results_of(platform.tables[found.report.table], found.report):
            context.instance.report_runless_asset_event(
                dg.AssetCheckEvaluation(
                    asset_key=dg.AssetKey(found.report.table),
                    check_name=str(check.check_name),
                    passed=check.passed,
                    severity=check.severity,
                    description=f"{until}: {check.description}",
                    metadata=check.metadata,
                )
            )
        said = found.rows.filter("is_lead")["explanation"].to_list()
        metadata: dict[str, dg.RawMetadataValue] = {
            "day": str(found.day),
            "until": until,
            "metrics": found.rows.height,
            "unusual": said or "nothing",
        }
        return dg.MaterializeResult(metadata=metadata)

    return look


def running_day_request(
    platform: Platform, instance: dg.DagsterInstance, landing: Landing, unsettled: set[dt.date], now: dt.datetime
) -> dg.RunRequest | None:
    """The look to ask for, None when today's files have been looked at as they are, or are still being written."""
    day = _running_day()
    files = "" if day in unsettled else running_files(platform, landing, day)
    if not files:
        return None
    attempts = Attempts.at(instance, f"{RUNNING_DAY_JOB} {day} {files}", now)
    done = dg.RunsFilter(tags={WORK_TAG: attempts.key}, statuses=[dg.DagsterRunStatus.SUCCESS])
    if not attempts.is_due(now) or instance.get_runs(done, limit=1):
        return None
    return attempts.request(RUNNING_DAY_JOB, {DAY_TAG: str(day)})


def look_at_today(platform: Platform) -> str:
    """The same without Dagster: look when today's files are others than those looked at last; returns what was done."""
    day = _running_day()
    files, known = running_files(platform, platform.landing(), day), running_rows(platform)
    if not files or (known is not None and known["files"][0] == files):
        return ""
    found = judge_running(platform, day)
    record_running(platform, found, "by hand")
    return f"{day} until {found.hours:02d}:00 UTC is judged"


def _running_day() -> dt.date:
    """The day after the last partition."""
    return last_partition() + dt.timedelta(days=1)
