"""Runs days through the real Dagster definitions, in this process: what `puffy run`, `demo` and `replay` do."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import dagster as dg
import filelock
from dagster._core.instance.ref import InstanceRef
from dagster._core.storage.noop_compute_log_manager import NoOpComputeLogManager

from puffy_platform.orchestration.build import build_definitions
from puffy_platform.orchestration.event_log import gathered_events
from puffy_platform.orchestration.liveness import report_dead_runs
from puffy_platform.orchestration.names import HELD_BACK, INGEST_JOB, MARTS_JOB, TABLES_JOB, range_tags
from puffy_platform.pipeline import Platform, affected
from puffy_platform.table import DayRange, ranges

__all__ = ["DaysHeldBack", "RunFailed", "dagster_home", "open_instance", "run_days"]

INSTANCE_SETTINGS = """\
# Written once by puffy; yours to change.
telemetry:
  enabled: false
nux:
  enabled: false
# A laptop has few cores; Dagster would start ten runs of a backfill at once.
concurrency:
  runs:
    max_concurrent_runs: 2
# Runs whose process never came up, or does not end when it is told to.
run_monitoring:
  enabled: true
  start_timeout_seconds: 180
  cancel_timeout_seconds: 60
  poll_interval_seconds: 30
event_log_storage:
  module: puffy_platform.orchestration.event_log
  class: BatchedSqliteEventLogStorage
  config:
    base_dir:
      env: DAGSTER_HOME
"""
# A late file can change duplicates of the landing days after it, which can do so again; each round reaches
# further days and the wave ends where rows stay the same.
MAX_ROUNDS = 100
# Dagster captures by sending all that is printed to files, and shows it by other processes that follow these. One that
# is started just before this process is killed goes on for ever, and holds open what this process wrote to.
NOT_CAPTURED = {"compute_logs": {"module": NoOpComputeLogManager.__module__, "class": NoOpComputeLogManager.__name__}}


class RunFailed(RuntimeError):
    """A Dagster run failed; the message is the step's own."""


class DaysHeldBack(RunFailed):
    """Everything was computed but the days that a check of error severity held back; the message names them."""


def dagster_home(platform: Platform) -> Path:
    """The folder of Dagster's instance, made on first use."""
    home = platform.settings.home / "dagster"
    home.mkdir(parents=True, exist_ok=True)
    settings = home / "dagster.yaml"
    if not settings.exists():
        settings.write_text(INSTANCE_SETTINGS, "utf-8")
    return home


def open_instance(platform: Platform, *, to_run: bool = False) -> dg.DagsterInstance:
    """Dagster's instance of this home; its UI and daemon see the same runs. `to_run` is for a process that runs steps
    itself, in a terminal, and not in one of Dagster's own: what they print is not captured.

    One process at a time: two that make the databases of a new home at once leave them with two versions, which
    Dagster refuses ever after.
    """
    (platform.settings.home / "dagster").mkdir(parents=True, exist_ok=True)
    with filelock.FileLock(platform.settings.home / "dagster" / "opening"):
        home = dagster_home(platform)
        os.environ["DAGSTER_HOME"] = str(home)
        return dg.DagsterInstance.from_ref(InstanceRef.from_dir(str(home), overrides=NOT_CAPTURED if to_run else None))


def run_days(platform: Platform, instance: dg.DagsterInstance, days: DayRange, *, force: bool = False) -> DayRange:
    """Ingest the landing files of `days`, compute every table for them, and everything else they touch.

    Days before and after are computed again where what they read has changed. A day that a check holds back is left
    out of everything downstream, while the other days go on. Returns the range of all days visited.

    Raises DaysHeldBack when all else is done, and RunFailed at once with the message of a step that crashed.
    """
    report_dead_runs(platform, instance, dt.datetime.now(dt.UTC))
    runs = _Runs(build_definitions(platform), instance)
    _ingest(platform, runs, days, force)
    derived = [table.name for table in platform.derived]
    visited, before = days, None
    for number in range(MAX_ROUNDS):
        stale = _stale(platform, days, derived, runs)
        if number and (not stale or stale == before):
            break
        forced = force and number == 0
        wave = days if forced or not stale else _hull(day for _, day in stale)
        runs.over(TABLES_JOB, wave, forced)
        visited, before = _hull((*visited, *wave)), stale
    runs.once(MARTS_JOB)
    if runs.held_back:
        raise DaysHeldBack("\n".join(runs.reasons))
    return visited


def _ingest(platform: Platform, runs: _Runs, days: DayRange, force: bool) -> None:
    """Read the landing days that may hold events of `days`, and those whose duplicates they decide.

    A day outside that has no file now is left as it is: files may have been read from another folder, or archived,
    and a run of other days must not empty it.
    """
    landing_days = _landing_days(platform, days)
    runs.over(INGEST_JOB, landing_days, force)
    ingested, before = [table.name for table in platform.ingested], None
    for _ in range(MAX_ROUNDS):
        files = platform.landing().files
        stale = _stale(platform, landing_days, ingested, runs)
        wave = {day for _, day in stale if day in files or day in landing_days}
        if not wave or stale == before:
            return
        runs.over(INGEST_JOB, wave, False)
        before = stale


def _stale(platform: Platform, days: DayRange, tables: list[str], runs: _Runs) -> set[tuple[str, dt.date]]:
    """What is to be computed, less the days that were held back a moment ago."""
    plan = affected(platform, days, tables)
    return {(table, day) for table, found in plan.days.items() for day in found if day not in runs.held_back}


def _hull(days: Iterable[dt.date]) -> DayRange:
    found = sorted(days)
    return DayRange(found[0], found[-1])


def _landing_days(platform: Platform, days: DayRange) -> DayRange:
    """The landing days that may hold events of these days, as far as files are there."""
    wide = days.widen(before=1, after=platform.settings.ingest.late_days)
    there = platform.landing().days
    found = there and wide.clip(there)
    return DayRange(min(found.first, days.first), max(found.last, days.last)) if found else days


@dataclass
class _Runs:
    """Executes jobs on one instance, and remembers which days were held back and why."""

    definitions: dg.Definitions
    instance: dg.DagsterInstance
    held_back: set[dt.date] = field(default_factory=set)
    reasons: list[str] = field(default_factory=list)

    def over(self, job: str, days: Iterable[dt.date], force: bool) -> None:
        """Run the job over these days. One held back fails its run, so the others are run again without it."""
        waiting = self._ranges(days)
        while waiting:
            part = waiting.pop(0)
            held_back = self.once(job, range_tags(part, skip_current=not force))
            if held_back:
                self.held_back |= held_back
                waiting = self._ranges(part) + waiting

    def _ranges(self, days: Iterable[dt.date]) -> list[DayRange]:
        return ranges(day for day in days if day not in self.held_back)

    def once(self, job: str, tags: dict[str, str] | None = None) -> set[dt.date]:
        """One Dagster run; returns the days that its checks held back. Raises RunFailed when anything else failed."""
        with gathered_events(self.instance):
            result = self.definitions.resolve_job_def(job).execute_in_process(
                instance=self.instance,
                tags=tags,
                raise_on_error=False,
                run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            )
        if result.success:
            return set()
        failures = [event for event in result.all_events if event.is_step_failure]
        messages = [_message(event) for event in failures] or [f"run {result.run_id} of {job} failed"]
        held_back = [_held_back(event) for event in failures]
        if not held_back or not all(held_back):
            raise RunFailed("\n".join(messages))
        self.reasons += messages
        return set().union(*held_back)


def _held_back(event: dg.DagsterEvent) -> set[dt.date]:
    """The days that the checks of a failed step held back; empty when it failed of something else."""
    described = event.step_failure_data.user_failure_data
    days = described.metadata.get(HELD_BACK) if described else None
    named = days.value if isinstance(days, dg.JsonMetadataValue) else None
    return {dt.date.fromisoformat(str(day)) for day in named or ()}


def _message(event: dg.DagsterEvent) -> str:
    data = event.step_failure_data
    described = data.user_failure_data.description if data.user_failure_data else None
    if described:
        return described
    cause = data.error.cause or data.error if data.error else None
    return f"{event.step_key}: {(cause.message if cause else 'failed').strip()}"
