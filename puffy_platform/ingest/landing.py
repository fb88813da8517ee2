"""Finds the landing files of a folder and says what each one is by its name. Reads no rows."""

from __future__ import annotations

import datetime as dt
import hashlib
import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path

__all__ = ["IgnoredFile", "LandingFile", "content_hash", "find_landing_files"]

_NAME = re.compile(
    r"events_(?P<day>[0-9]{8})(?:[._-][^\x00-\x1f\x7f\ud800-\udfff]*)?"
    r"\.(?P<format>csv|csv\.gz|ndjson|jsonl|ndjson\.gz|jsonl\.gz|parquet)",
    re.IGNORECASE,
)
_HIDDEN = (".", "_", "~")
_BEING_WRITTEN = (".tmp", ".temp", ".part", ".partial", ".filepart", ".crdownload", ".inprogress")
# One mistyped year would stretch every table over centuries of empty days.
_YEARS = range(2000, 2100)
_FORMATS = {"jsonl": "ndjson", "jsonl.gz": "ndjson.gz"}


@dataclass(frozen=True, order=True)
class LandingFile:
    """A file of raw events; its name says its day and format (csv, csv.gz, ndjson, ndjson.gz, parquet)."""

    day: dt.date
    path: Path
    format: str
    size: int


@dataclass(frozen=True)
class IgnoredFile:
    """A file that was left alone, and why."""

    path: Path
    reason: str


def find_landing_files(folder: Path) -> tuple[list[LandingFile], list[IgnoredFile]]:
    """The folder's landing files by day and name, and the files that are none. Files may share a day."""
    found, ignored = [], []
    with os.scandir(folder) as entries:
        here = sorted((entry for entry in entries if not entry.is_dir()), key=lambda entry: entry.name)
    for entry in here:
        path, name = Path(entry.path), entry.name
        if name.startswith(_HIDDEN) or name.lower().endswith(_BEING_WRITTEN):
            ignored.append(IgnoredFile(path, "it is hidden or still being written"))
            continue
        match = _NAME.fullmatch(name)
        day = _day(match["day"]) if match else None
        if match is None or day is None:
            reason = "its name is not events_YYYYMMDD.csv, .csv.gz, .ndjson or .parquet"
            # A name may hold bytes that are no text.
            ignored.append(IgnoredFile(path.with_name(name.encode(errors="replace").decode()), reason))
            continue
        kind = match["format"].lower()
        try:
            seen = entry.stat()
        except OSError:
            ignored.append(IgnoredFile(path, "it is gone, or cannot be looked at"))
            continue
        if not stat.S_ISREG(seen.st_mode):
            ignored.append(IgnoredFile(path, "it is no file but a pipe or a device"))
            continue
        found.append(LandingFile(day, path, _FORMATS.get(kind, kind), seen.st_size))
    # Sorting keeps the order by name within a day.
    return sorted(found, key=lambda file: file.day), ignored


def _day(digits: str) -> dt.date | None:
    try:
        day = dt.date(int(digits[:4]), int(digits[4:6]), int(digits[6:]))
    except ValueError:
        return None
    return day if day.year in _YEARS else None


def content_hash(path: Path) -> str:
    """SHA-256 of the file's bytes, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
