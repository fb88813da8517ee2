"""Keeps one Delta table small: merges its files, removes what time travel no longer reaches, trims its log.

What is in the table, and what is known of it, is not touched here.
"""

from __future__ import annotations

import datetime as dt
import os
import re
from collections.abc import Callable
from dataclasses import dataclass

import polars as pl
from deltalake import DeltaTable, write_deltalake
from deltalake.exceptions import CommitFailedError
from pyarrow.fs import FileSelector

from puffy_platform.warehouse.store import Warehouse, retention

__all__ = ["Removed", "expired_files", "keep_rows", "merge_files", "remove_expired_files", "set_retention", "trim_log"]

ATTEMPTS = 5
LOG = "_delta_log"
VERSIONED = re.compile(r"_delta_log/(\d{20})\.")
CHECKPOINT = ".checkpoint."


@dataclass(frozen=True)
class Removed:
    """Data files that are removed (or would be), and their bytes; 0 bytes on an object store, where nobody counts."""

    files: int = 0
    bytes: int = 0


def set_retention(warehouse: Warehouse, name: str, days: int) -> None:
    """Let the table's log remember replaced files for so many days; a commit only when it says otherwise now."""
    delta, wanted = warehouse.open(name), retention(days)
    if delta is None or wanted.items() <= delta.metadata().configuration.items():
        return
    try:
        delta.alter.set_table_properties(wanted)
    except CommitFailedError:
        return  # a writer was quicker; the next time will do


def merge_files(delta: DeltaTable) -> bool:
    """Merge the small files of every partition in one commit; False when a writer of the same files was quicker."""
    try:
        delta.optimize.compact()
    except CommitFailedError:
        return False
    return True


def keep_rows(
    warehouse: Warehouse, name: str, kept: Callable[[pl.DataFrame], pl.DataFrame], *, dry_run: bool
) -> tuple[int, int]:
    """Reduce a log to what `kept` leaves of its rows, in one file; returns the rows dropped and the files merged.

    Rows that others append meanwhile stay: only the files that were read are replaced.
    """
    for _ in range(ATTEMPTS):
        delta = warehouse.open(name)
        if delta is None:
            return 0, 0
        rows, files = pl.scan_delta(delta).collect(), len(delta.file_uris())
        left = kept(rows)
        dropped, merged = rows.height - left.height, files if files > 1 else 0
        if dry_run or not (dropped or merged):
            return dropped, merged
        try:
            write_deltalake(delta, left.to_arrow(compat_level=pl.CompatLevel.oldest()), mode="overwrite")
        except CommitFailedError:
            continue  # someone compacted it at the same moment
        return dropped, merged
    return 0, 0


def expired_files(warehouse: Warehouse, name: str, days: int) -> Removed:
    """The data files that were replaced more than so many days ago, or that no commit ever named and are as old."""
    delta = warehouse.open(name)
    return Removed() if delta is None else _vacuum(warehouse, name, delta, days, dry_run=True)


def remove_expired_files(warehouse: Warehouse, name: str, days: int) -> Removed:
    """Remove those. What a reader or writer of the last `days` uses is never among them."""
    found = expired_files(warehouse, name, days)
    delta = warehouse.open(name)
    if found.files and delta is not None:
        _vacuum(warehouse, name, delta, days, dry_run=False)
    return found


def _vacuum(warehouse: Warehouse, name: str, delta: DeltaTable, days: int, *, dry_run: bool) -> Removed:
    files = delta.vacuum(24 * days, dry_run=dry_run, enforce_retention_duration=False, full=True)
    paths = [os.path.join(warehouse.uri(name), file) for file in files]
    return Removed(len(files), sum(os.path.getsize(path) for path in paths if os.path.exists(path)))


def trim_log(warehouse: Warehouse, name: str, since: dt.datetime) -> None:
    """Sum up the log in a checkpoint, and remove what no version since then needs.

    The version that was current at that time was made before it, perhaps long before; it is read from the last
    checkpoint up to it, and everything from that checkpoint on stays.
    """
    from deltalake.fs import DeltaStorageHandler

    delta = warehouse.open(name)
    if delta is None:
        return
    delta.create_checkpoint()
    folder = DeltaStorageHandler(warehouse.uri(name), dict(warehouse.storage_options))
    log = folder.get_file_info_selector(FileSelector(LOG))
    versions = {file.path: int(found[1]) for file in log if (found := VERSIONED.search(file.path))}
    made_before = [versions[file.path] for file in log if file.path in versions and file.mtime < since]
    checkpoints = {version for path, version in versions.items() if CHECKPOINT in path}
    usable = [version for version in checkpoints if version <= max(made_before, default=-1)]
    for path, _ in sorted((path, version) for path, version in versions.items() if version < max(usable, default=0)):
        folder.delete_file(path)
