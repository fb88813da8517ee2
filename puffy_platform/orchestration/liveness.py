"""Which runs still have a process. A run whose process is gone would otherwise look as if it were under way for ever.

Dagster's own launcher starts local processes and cannot tell when one was killed together with its parent (a power
cut, an out-of-memory kill). So each run's process holds a file lock until it ends, however it ends.
"""

from __future__ import annotations

import atexit
import datetime as dt
from pathlib import Path

import dagster as dg
import filelock
from dagster._core.launcher import DefaultRunLauncher

from puffy_platform.pipeline import Platform

__all__ = ["hold_run", "report_dead_runs"]

# Asking whether a lock is held takes it for an instant.
ASKED_SECONDS = 1.0
_HELD: dict[Path, filelock.FileLock] = {}


def _folder(platform: Platform) -> Path:
    return platform.settings.home / "dagster" / "running"


def hold_run(platform: Platform, run_id: str) -> None:
    """Hold the run's lock until this process ends; the file goes with it, unless the process is killed."""
    path = _folder(platform) / f"{run_id}.lock"
    if path in _HELD:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(path)
    try:
        lock.acquire(timeout=ASKED_SECONDS)
    except filelock.Timeout:
        return  # a step's own process, beside the run's
    _HELD[path] = lock
    atexit.register(_let_go, path)


def _let_go(path: Path) -> None:
    _HELD.pop(path).release()
    path.unlink(missing_ok=True)


def report_dead_runs(platform: Platform, instance: dg.DagsterInstance, now: dt.datetime) -> list[str]:
    """Mark as failed the runs that have started and whose process is gone; returns their ids.

    A run takes its lock a moment after it has started; one without a lock is dead when that moment is longer than
    Dagster grants a run to start (run_monitoring.start_timeout_seconds). Runs of other launchers, in containers or
    on other machines, are left to Dagster's run monitoring.
    """
    if not isinstance(instance.run_launcher, DefaultRunLauncher):
        return []
    grace = dt.timedelta(seconds=instance.run_monitoring_start_timeout_seconds)
    dead = []
    started = dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING])
    for record in instance.get_run_records(started):
        run, path = record.dagster_run, _folder(platform) / f"{record.dagster_run.run_id}.lock"
        began = dt.datetime.fromtimestamp(record.start_time or record.create_timestamp.timestamp(), dt.UTC)
        if _is_held(path) or (not path.exists() and now - began < grace):
            continue
        # Looked at after the lock: a process writes the end of its run before it ends itself.
        current = instance.get_run_by_id(run.run_id)
        if current is not None and not current.is_finished:
            instance.report_run_failed(
                current, "The process of this run is gone: it was killed, or its machine stopped."
            )
            dead.append(run.run_id)
    _remove_left_locks(platform, instance)
    return dead


def _remove_left_locks(platform: Platform, instance: dg.DagsterInstance) -> None:
    """The locks of killed processes whose runs have been ended since, here or by Dagster."""
    for path in _folder(platform).glob("*.lock"):
        run = instance.get_run_by_id(path.stem)
        if (run is None or run.is_finished) and not _is_held(path):
            path.unlink(missing_ok=True)


def _is_held(path: Path) -> bool:
    if not path.exists():
        return False
    if path in _HELD:
        return True
    lock = filelock.FileLock(path)
    try:
        lock.acquire(blocking=False)
    except filelock.Timeout:
        return True
    lock.release()
    return False
