"""Maintenance: small files are merged, what only times before the retention need is removed; nothing grows for ever.

The landing folder is never touched, and neither is anything a run of the last day may still use.
"""

from __future__ import annotations

import datetime as dt
import shutil
import tempfile
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import polars as pl

from puffy_platform.pipeline.definition_log import DEFINITIONS
from puffy_platform.pipeline.platform import Platform
from puffy_platform.pipeline.report import CHECK_RESULTS
from puffy_platform.pipeline.running import RUNNING_DAY
from puffy_platform.warehouse import Ledger
from puffy_platform.warehouse.ledger import NAME as LEDGER
from puffy_platform.warehouse.store import stored_days
from puffy_platform.warehouse.upkeep import (
    expired_files,
    keep_rows,
    merge_files,
    remove_expired_files,
    set_retention,
    trim_log,
)

__all__ = ["Leftover", "Maintained", "Upkeep", "maintain"]

# No run and no query takes longer: what is older and unfinished was left behind.
LEFTOVER_HOURS = 24
# What a process that was killed leaves beside the data: the commit it was about to make, the upload it was at.
UNFINISHED_WRITES = ("_delta_log/_commit_*.json.tmp", "_delta_log/*#*", "*.parquet#*", "*/*.parquet#*")


@dataclass(frozen=True)
class Upkeep:
    """What was done to one Delta table: files merged, rows dropped from a log, data files removed and their bytes."""

    table: str
    merged_files: int
    dropped_rows: int
    removed_files: int
    removed_bytes: int

    def __bool__(self) -> bool:
        return bool(self.merged_files or self.dropped_rows or self.removed_files)


@dataclass(frozen=True)
class Leftover:
    """Files of one kind that killed runs left behind, and their bytes."""

    kind: str
    files: int
    bytes: int


@dataclass(frozen=True)
class Maintained:
    """What maintenance did, or with `is_dry_run` would do. `since`: time travel reaches back to here afterwards."""

    is_dry_run: bool
    retain_days: int
    since: dt.datetime
    tables: tuple[Upkeep, ...]
    leftovers: tuple[Leftover, ...]
    runs: int = field(default=0)

    @property
    def removed_bytes(self) -> int:
        return sum(each.removed_bytes for each in self.tables) + sum(each.bytes for each in self.leftovers)

    def to_json(self) -> dict[str, object]:
        return asdict(self) | {"since": self.since.isoformat(), "removed_bytes": self.removed_bytes}


def maintain(platform: Platform, retain_days: int, *, dry_run: bool = False) -> Maintained:
    """Tidy every table, log and folder of this home, at any time: readers and writers are not disturbed."""
    since = dt.datetime.now(dt.UTC) - dt.timedelta(days=retain_days)
    run_id = f"maintain-{uuid.uuid4()}"
    names = list(platform.tables)
    merged = {name: _merge_days(platform, name, run_id, dry_run=dry_run) for name in names}
    dropped = dict.fromkeys(names, 0)
    logs = _logs(platform, since)
    for log, kept in logs.items():
        dropped[log], merged[log] = keep_rows(platform.warehouse, log, kept, dry_run=dry_run)
    tables = []
    for name in [*names, *logs]:
        if dry_run:
            removed = expired_files(platform.warehouse, name, retain_days)
        else:
            set_retention(platform.warehouse, name, retain_days)
            removed = remove_expired_files(platform.warehouse, name, retain_days)
            trim_log(platform.warehouse, name, since)
        tables.append(Upkeep(name, merged[name], dropped[name], removed.files, removed.bytes))
    return Maintained(dry_run, retain_days, since, tuple(tables), tuple(_leftovers(platform, dry_run=dry_run)))


def _merge_days(platform: Platform, name: str, run_id: str, *, dry_run: bool) -> int:
    """Merge the files of days that have several. Their rows stay the same, so what is known of them does as well: it
    is recorded again about the new file. Returns how many files were merged."""
    ledger = Ledger(platform.warehouse)
    delta = ledger.snapshot(name)
    if delta is None:
        return 0
    counts = pl.DataFrame(delta.get_add_actions(flatten=True)).group_by("partition.day").len()
    several = dict(counts.filter(pl.col("len") > 1).iter_rows())
    if dry_run or not several:
        return sum(several.values())
    entries, before = ledger.of(name), stored_days(delta)
    if not merge_files(delta):
        return 0
    after, now = stored_days(delta), dt.datetime.now(dt.UTC)
    merged = [day for day in several if day in after and after[day].files != before[day].files]
    known = [entries[day] for day in merged if entries[day].is_recorded]
    ledger.record(
        replace(entry, files=after[entry.day].files, version=delta.version(), run_id=run_id, recorded_at=now)
        for entry in known
    )
    return sum(several[day] for day in merged)


def _logs(platform: Platform, since: dt.datetime) -> dict[str, Callable[[pl.DataFrame], pl.DataFrame]]:
    """What is kept of each log: everything recorded since, and what was the newest then. Of the ledger also the facts
    about the files that the days have now, however old."""
    current = pl.DataFrame(
        [(entry.table, entry.day, entry.recorded_at) for entry in Ledger(platform.warehouse) if entry.is_recorded],
        schema=["table", "day", "recorded_at"],
        orient="row",
    )

    def facts(rows: pl.DataFrame) -> pl.DataFrame:
        newest = _since_or_newest(since, ("table", "day"), ("version", "recorded_at"))
        is_current = pl.struct(current.columns).is_in(current.to_struct().implode())
        return rows.filter(newest | (is_current if current.height else pl.lit(False)))

    def outcomes(rows: pl.DataFrame) -> pl.DataFrame:
        return rows.filter(_since_or_newest(since, ("table", "day", "check"), ("recorded_at",)))

    def definitions(rows: pl.DataFrame) -> pl.DataFrame:
        return rows.unique("definition_hash", maintain_order=True)

    def verdicts(rows: pl.DataFrame) -> pl.DataFrame:
        return rows.filter(pl.col("recorded_at") >= since)

    return {LEDGER: facts, CHECK_RESULTS: outcomes, DEFINITIONS: definitions, RUNNING_DAY: verdicts}


def _since_or_newest(since: dt.datetime, key: tuple[str, ...], order: tuple[str, ...]) -> pl.Expr:
    """Recorded since then, or of all recorded before about the same thing the newest."""
    is_older = pl.col("recorded_at") < since
    place = pl.int_range(pl.len()).over(*key, is_older, order_by=list(order), descending=True)
    return ~is_older | (place == 0)


def _leftovers(platform: Platform, *, dry_run: bool) -> Iterator[Leftover]:
    marts, home = platform.settings.marts, platform.settings.home
    kinds = {
        "marts that were not finished": marts.parent.glob(f".{marts.name}.*.building*"),
        "hashes of landing files that were not saved": home.glob(".landing_hashes.json.*"),
        "scratch warehouses of an audit": Path(tempfile.gettempdir()).glob("puffy-verify-*"),
        "writes that were not finished": _unfinished_writes(platform),
    }
    landing = platform.landing_folder or platform.settings.landing
    for kind, paths in kinds.items():
        old = [path for path in paths if not path.is_relative_to(landing) and _is_old(path)]
        sizes = [_size(path) for path in old]
        if not dry_run:
            for path in old:
                _remove(path)
        if old:
            yield Leftover(kind, len(old), sum(sizes))


def _unfinished_writes(platform: Platform) -> Iterable[Path]:
    if "://" in platform.warehouse.root:
        return []
    tables = [path for path in Path(platform.warehouse.root).glob("*") if path.is_dir()]
    return [path for table in tables for pattern in UNFINISHED_WRITES for path in table.glob(pattern)]


def _is_old(path: Path) -> bool:
    """Whether nothing in it was written during the last day."""
    try:
        newest = max(each.stat().st_mtime for each in (path, *path.rglob("*")))
    except OSError:
        return False  # it is going away just now
    return time.time() - newest > LEFTOVER_HOURS * 3600


def _size(path: Path) -> int:
    return sum(each.stat().st_size for each in (path, *path.rglob("*")) if each.is_file())


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
