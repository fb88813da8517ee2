"""Failures that pass by themselves: a step waits a little and tries again; any other failure is one at once.

What is still wrong after that fails the run, and is asked for again by the next ones (`attempts.py`), ever more
patiently. Object stores have been asked several times by then: their clients have retries of their own.
"""

from __future__ import annotations

import datetime as dt
import errno
import random
from collections.abc import Callable
from typing import TypeVar

import dagster as dg
from deltalake.exceptions import CommitFailedError

from puffy_platform.warehouse import WarehouseError

__all__ = ["TRIES", "is_transient", "patiently", "pause"]

TRIES = 4
FIRST_PAUSE = dt.timedelta(seconds=2)
# A disk that is full, a folder that is not there or not ours: only somebody's hand changes that.
LASTING = {
    errno.ENOENT,
    errno.EACCES,
    errno.EPERM,
    errno.ENOTDIR,
    errno.EISDIR,
    errno.ENOSPC,
    errno.EROFS,
    errno.EDQUOT,
}

Result = TypeVar("Result")


def is_transient(error: BaseException) -> bool:
    """Whether the same work may succeed in a moment: input and output, networks and object stores, and writers that
    got in each other's way. A mistake in rows, settings or code is not."""
    if isinstance(error, WarehouseError):
        return isinstance(error.__cause__, CommitFailedError)
    return isinstance(error, OSError) and error.errno not in LASTING


def pause(tried: int, chance: random.Random) -> dt.timedelta:
    """The pause after so many tries: it doubles, spread by half so that many that failed together do not come back
    together."""
    doubled: int = 2 ** (tried - 1)
    return FIRST_PAUSE * doubled * chance.uniform(0.5, 1.5)


def patiently(context: dg.AssetExecutionContext, work: Callable[[], Result]) -> Result:
    """The work of a step; Dagster tries the step again when it failed of something that passes."""
    try:
        return work()
    except Exception as error:
        tried = context.retry_number + 1
        if tried >= TRIES or not is_transient(error):
            raise
        seconds = pause(tried, random.Random()).total_seconds()
        context.log.warning(f"{type(error).__name__}: try {tried + 1} of {TRIES} in {seconds:.1f} seconds")
        raise dg.RetryRequested(max_retries=TRIES - 1, seconds_to_wait=seconds) from error
