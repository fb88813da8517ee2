"""What is bad in Dagster itself: runs that failed, sensors and schedules that stopped. Reads; tells nobody."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

import dagster as dg
from dagster._core.scheduler.instigation import InstigatorState, InstigatorStatus, InstigatorTick, TickStatus

from puffy_platform.alerts.incidents import Finding, Incident, Key, Seen
from puffy_platform.orchestration.names import HELD_BACK
from puffy_platform.table import DayRange

__all__ = ["ORCHESTRATION", "FinishedRun", "bad_runs", "bad_sensors", "finished_runs"]

# What sensors and schedules belong to, in the place of a table.
ORCHESTRATION = "orchestration"
# Ingest's tables are one step; the first of them stands for it.
STEP_TABLES = {"ingest": "raw_events"}
NO_STEP = "start"
RUNS_AT_ONCE = 200
# One failed tick may be a passing trouble; this many in a row are not.
FAILED_TICKS = 3
# A sensor that has not ticked for so many of its intervals, and at least so long, has stopped.
SILENT_INTERVALS = 20
SILENT_AT_LEAST = dt.timedelta(minutes=10)


@dataclass(frozen=True)
class FinishedRun:
    """A run that ended: the steps that succeeded, and those that failed with the kind of their error. Steps that only
    say that a check held days back are in neither: the check itself is told."""

    run_id: str
    job: str
    ended: dt.datetime
    days: DayRange | None
    succeeded: frozenset[str]
    failed: dict[str, str] = field(hash=False)


def finished_runs(instance: dg.DagsterInstance, since: dt.datetime) -> list[FinishedRun]:
    """The runs that ended since, in order; at most some at once."""
    ended = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE]
    records = instance.get_run_records(
        dg.RunsFilter(statuses=ended, updated_after=since),
        order_by="update_timestamp",
        ascending=True,
        limit=RUNS_AT_ONCE,
    )
    return [_finished(instance, record) for record in records]


def _finished(instance: dg.DagsterInstance, record: dg.RunRecord) -> FinishedRun:
    run = record.dagster_run
    kinds = {dg.DagsterEventType.STEP_SUCCESS, dg.DagsterEventType.STEP_FAILURE}
    succeeded, failed, held_back = set(), {}, False
    for entry in instance.all_logs(run.run_id, of_type=kinds):
        event = entry.dagster_event
        if event is None or event.step_key is None:
            continue
        if event.event_type is dg.DagsterEventType.STEP_SUCCESS:
            succeeded.add(event.step_key)
            continue
        data = event.step_failure_data
        if data.user_failure_data is not None and HELD_BACK in data.user_failure_data.metadata:
            held_back = True
            continue
        error = (data.error.cause or data.error) if data.error else None
        failed[event.step_key] = (error.cls_name if error else None) or "unknown error"
    if run.status is dg.DagsterRunStatus.FAILURE and not failed and not held_back:
        failed[NO_STEP] = "its process was stopped, or never came up"
    if run.status is dg.DagsterRunStatus.SUCCESS:
        succeeded.add(NO_STEP)
    moment = dt.datetime.fromtimestamp(record.update_timestamp.timestamp(), dt.UTC)
    return FinishedRun(run.run_id, run.job_name, moment, _days(run), frozenset(succeeded), failed)


def _days(run: dg.DagsterRun) -> DayRange | None:
    first = run.tags.get("dagster/asset_partition_range_start") or run.tags.get("dagster/partition")
    last = run.tags.get("dagster/asset_partition_range_end") or first
    try:
        return DayRange(dt.date.fromisoformat(first), dt.date.fromisoformat(last)) if first and last else None
    except ValueError:
        return None  # somebody's own partitions


def bad_runs(known: Iterable[Incident], runs: Iterable[FinishedRun]) -> list[Finding]:
    """Every day and step that failed and has not succeeded since, whatever job did it. Steps of runs without days fail
    on the day they ran, until the next success."""
    bad = {(each.key, day): (seen, each.explanation) for each in known for day, seen in each.days.items()}
    for run in runs:
        for step in run.succeeded:
            key = _key(run, step)
            mended = [each for each in bad if each[0] == key and (run.days is None or each[1] in run.days)]
            for each in mended:
                del bad[each]
        for step, error in run.failed.items():
            days = run.days or DayRange(run.ended.date(), run.ended.date())
            seen = Seen(f"{error} in run {run.run_id[:8]} of {run.job}", "the run succeeds")
            bad |= {(_key(run, step), day): (seen, "") for day in days}
    return [Finding(key, day, "error", seen, explanation) for (key, day), (seen, explanation) in bad.items()]


def _key(run: FinishedRun, step: str) -> Key:
    if step == NO_STEP:
        return Key(run.job, "run", NO_STEP)
    return Key(STEP_TABLES.get(step, step), "run", step)


def bad_sensors(
    instance: dg.DagsterInstance, names: Collection[str], now: dt.datetime, watched_since: dt.datetime
) -> list[Finding]:
    """The sensors and schedules of these names that somebody stopped, that fail, or that have fallen silent.

    Silence counts from `watched_since`: before that nobody, this watch included, may have been running.
    """
    found = []
    for state in instance.all_instigator_state():
        if state.name not in names:
            continue
        what = _stopped(state) or _failing(instance, state) or _silent(instance, state, now, watched_since)
        if what:
            key = Key(ORCHESTRATION, "sensor", state.name)
            found.append(Finding(key, now.date(), "error", Seen(what, "it runs")))
    return found


def _stopped(state: InstigatorState) -> str:
    return "" if state.status is not InstigatorStatus.STOPPED else "it was stopped by hand"


def _failing(instance: dg.DagsterInstance, state: InstigatorState) -> str:
    ticks = _ticks(instance, state, FAILED_TICKS)
    if len(ticks) < FAILED_TICKS or any(tick.status is not TickStatus.FAILURE for tick in ticks):
        return ""
    error = ticks[0].error.cls_name if ticks[0].error else None
    return f"its last {FAILED_TICKS} ticks failed: {error or 'unknown error'}"


def _silent(instance: dg.DagsterInstance, state: InstigatorState, now: dt.datetime, watched_since: dt.datetime) -> str:
    data = state.sensor_instigator_data
    interval = data.min_interval if data is not None else None
    if not interval:
        return ""  # a schedule: between its ticks lie hours
    limit = max(SILENT_AT_LEAST, SILENT_INTERVALS * dt.timedelta(seconds=interval))
    ticks = _ticks(instance, state, 1)
    last = dt.datetime.fromtimestamp(ticks[0].timestamp, dt.UTC) if ticks else watched_since
    return "" if now - max(last, watched_since) <= limit else f"it has not looked since {last:%Y-%m-%d %H:%M} UTC"


def _ticks(instance: dg.DagsterInstance, state: InstigatorState, limit: int) -> list[InstigatorTick]:
    ticks = instance.get_ticks(state.instigator_origin_id, state.selector_id, limit=limit + 1)
    return [tick for tick in ticks if tick.status is not TickStatus.STARTED][:limit]
