"""Runs days through the real Dagster definitions, in this process: what `puffy run`, `demo` and `replay` do."""

from __future__ import annotations

import os
from pathlib import Path

import dagster as dg

from puffy_platform.orchestration.build import build_definitions
from puffy_platform.orchestration.names import INGEST_JOB, MARTS_JOB, TABLES_JOB, range_tags
from puffy_platform.pipeline import Platform, affected
from puffy_platform.table import DayRange, ranges

__all__ = ["RunFailed", "dagster_home", "open_instance", "run_days"]

INSTANCE_SETTINGS = """\
# Written once by puffy; yours to change.
telemetry:
  enabled: false
nux:
  enabled: false
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


class RunFailed(RuntimeError):
    """A Dagster run failed; the message is the step's own."""


def dagster_home(platform: Platform) -> Path:
    """The folder of Dagster's instance, made on first use."""
    home = platform.settings.home / "dagster"
    home.mkdir(parents=True, exist_ok=True)
    settings = home / "dagster.yaml"
    if not settings.exists():
        settings.write_text(INSTANCE_SETTINGS, "utf-8")
    return home


def open_instance(platform: Platform) -> dg.DagsterInstance:
    """Dagster's instance of this home; its UI and daemon see the same runs."""
    home = dagster_home(platform)
    os.environ["DAGSTER_HOME"] = str(home)
    return dg.DagsterInstance.get()


def run_days(platform: Platform, instance: dg.DagsterInstance, days: DayRange, *, force: bool = False) -> DayRange:
    """Ingest the landing files of `days`, compute every table for them, and everything else they touch.

    Days before and after are computed again where what they read has changed. Returns the range of all days
    visited. Raises RunFailed with the message of the first step that failed.
    """
    definitions = build_definitions(platform)
    _ingest(platform, definitions, instance, days, force)
    derived = [table.name for table in platform.derived]
    wave: DayRange | None = days if force else affected(platform, days, derived).hull() or days
    visited = days
    for _ in range(MAX_ROUNDS):
        if wave is None:
            break
        _execute(definitions, instance, TABLES_JOB, wave, force and wave == days)
        visited = DayRange(min(visited.first, wave.first), max(visited.last, wave.last))
        wave = affected(platform, days, derived).hull()
    _execute(definitions, instance, MARTS_JOB, None, force)
    return visited


def _ingest(
    platform: Platform, definitions: dg.Definitions, instance: dg.DagsterInstance, days: DayRange, force: bool
) -> None:
    """Read the landing days that may hold events of `days`, and those whose duplicates they decide.

    A day outside that has no file now is left as it is: files may have been read from another folder, or archived,
    and a run of other days must not empty it.
    """
    landing_days = _landing_days(platform, days)
    _execute(definitions, instance, INGEST_JOB, landing_days, force)
    for _ in range(MAX_ROUNDS):
        files = platform.landing().files
        stale = affected(platform, landing_days, [table.name for table in platform.ingested]).all_days()
        wave = ranges(day for day in stale if day in files or day in landing_days)
        for part in wave:
            _execute(definitions, instance, INGEST_JOB, part, False)
        if not wave:
            return


def _landing_days(platform: Platform, days: DayRange) -> DayRange:
    """The landing days that may hold events of these days, as far as files are there."""
    wide = days.widen(before=1, after=platform.settings.ingest.late_days)
    there = platform.landing().days
    found = there and wide.clip(there)
    return DayRange(min(found.first, days.first), max(found.last, days.last)) if found else days


def _execute(
    definitions: dg.Definitions, instance: dg.DagsterInstance, job: str, days: DayRange | None, force: bool
) -> None:
    tags = {} if days is None else range_tags(days, skip_current=not force)
    result = definitions.resolve_job_def(job).execute_in_process(
        instance=instance,
        tags=tags,
        raise_on_error=False,
        run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
    )
    if not result.success:
        failures = [event for event in result.all_events if event.is_step_failure]
        messages = [_message(event) for event in failures] or [f"run {result.run_id} of {job} failed"]
        raise RunFailed("\n".join(messages))


def _message(event: dg.DagsterEvent) -> str:
    data = event.step_failure_data
    described = data.user_failure_data.description if data.user_failure_data else None
    if described:
        return described
    cause = data.error.cause or data.error if data.error else None
    return f"{event.step_key}: {(cause.message if cause else 'failed').strip()}"
