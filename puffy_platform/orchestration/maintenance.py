"""Weekly maintenance: the tables, logs and folders of a home, and the records Dagster keeps of runs long past."""

import datetime as dt
from dataclasses import replace
from pathlib import Path

import dagster as dg
from dagster._core.events import DagsterEventType
from dagster._core.storage.dagster_run import FINISHED_STATUSES
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage

from puffy_platform.orchestration.liveness import report_dead_runs
from puffy_platform.pipeline import Platform
from puffy_platform.pipeline.maintain import Maintained, maintain

__all__ = ["MAINTENANCE_JOB", "maintain_home", "maintain_instance", "maintenance_job", "weekly_maintenance"]

MAINTENANCE_JOB = "maintain"
# The quietest hours of the week, well before the daily refresh.
WEEKLY_CRON = "0 3 * * 0"
RECORDS_AT_ONCE = 500


def maintain_home(
    platform: Platform, instance: dg.DagsterInstance, retain_days: int, *, dry_run: bool = False
) -> Maintained:
    """What `puffy maintain` and the weekly job do: everything of the home, and Dagster's records."""
    done = maintain(platform, retain_days, dry_run=dry_run)
    if not dry_run:
        report_dead_runs(platform, instance, dt.datetime.now(dt.UTC))
    return replace(done, runs=maintain_instance(instance, done.since, dry_run=dry_run))


def maintain_instance(instance: dg.DagsterInstance, since: dt.datetime, *, dry_run: bool = False) -> int:
    """Remove finished runs of before that time with their events and logs, and old ticks; returns how many runs.

    A run stays as long as it is the last that materialised some partition: without it the partition would look as
    if it had never been computed.
    """
    needed = _runs_that_show_a_partition(instance)
    old = instance.get_run_records(dg.RunsFilter(statuses=FINISHED_STATUSES, created_before=since))
    expired = [run_id for record in old if (run_id := record.dagster_run.run_id) not in needed]
    if not dry_run:
        for run_id in expired:
            instance.delete_run(run_id)
            instance.compute_log_manager.delete_logs(prefix=[run_id])
            _remove_empty_database(instance, run_id)
        _remove_ticks(instance, since)
    return len(expired)


def _runs_that_show_a_partition(instance: dg.DagsterInstance) -> set[str]:
    """The runs whose materialisation is the newest one of a partition, or of an asset without partitions."""
    runs = set()
    for key in instance.get_asset_keys():
        newest = instance.event_log_storage.get_latest_storage_id_by_partition(
            key, DagsterEventType.ASSET_MATERIALIZATION
        )
        ids = list(newest.values())
        for start in range(0, len(ids), RECORDS_AT_ONCE):
            chosen = dg.AssetRecordsFilter(asset_key=key, storage_ids=ids[start : start + RECORDS_AT_ONCE])
            found = instance.fetch_materializations(chosen, limit=RECORDS_AT_ONCE)
            runs |= {record.run_id for record in found.records}
        whole = instance.get_latest_materialization_event(key)
        if whole is not None:
            runs.add(whole.run_id)
    return runs


def _remove_empty_database(instance: dg.DagsterInstance, run_id: str) -> None:
    """SQLite keeps the events of a run in a file of its own, and Dagster leaves it there when it is empty."""
    storage = instance.event_log_storage
    if isinstance(storage, SqliteEventLogStorage):
        file = Path(storage.path_for_shard(run_id))
        for each in file.parent.glob(f"{file.name}*"):
            each.unlink(missing_ok=True)


def _remove_ticks(instance: dg.DagsterInstance, since: dt.datetime) -> None:
    """The ticks of sensors and schedules of before that time, but of each the last, from which it goes on."""
    for state in instance.all_instigator_state():
        last = instance.get_ticks(state.instigator_origin_id, state.selector_id, limit=1)
        if last and last[0].timestamp >= since.timestamp():
            instance.purge_ticks(state.instigator_origin_id, state.selector_id, since.timestamp())


@dg.op(name="maintain_home", required_resource_keys={"platform"}, out=dg.Out(dg.Nothing))
def _maintain_home(context: dg.OpExecutionContext) -> None:
    platform: Platform = context.resources.platform
    done = maintain_home(platform, context.instance, platform.settings.maintain.retain_days)
    files = sum(each.removed_files for each in done.tables)
    context.log.info(f"removed {files} data files, {done.runs} runs; time travel reaches back to {done.since:%Y-%m-%d}")


@dg.job(name=MAINTENANCE_JOB, description="Merge small files, remove what is older than maintain.retain_days.")
def maintenance_job() -> None:
    _maintain_home()


def weekly_maintenance(platform: Platform) -> dg.ScheduleDefinition:
    """Every Sunday night in the shop's time zone."""
    return dg.ScheduleDefinition(
        name="weekly_maintenance",
        job=maintenance_job,
        cron_schedule=WEEKLY_CRON,
        execution_timezone=platform.settings.shop.time_zone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="puffy maintain: nothing grows for ever.",
    )
