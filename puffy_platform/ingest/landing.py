"""Finds the landing files of a folder and says what each one is by its name. Reads no rows."""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

__all__ = ["IgnoredFile", "LandingFile", "content_hash", "find_landing_files"]

_NAME = re.compile(
    r"events_(?P<day>\d{8})(?:[._-].*)?\.(?P<format>csv|csv\.gz|ndjson|jsonl|ndjson\.gz|jsonl\.gz|parquet)",
    re.IGNORECASE,
)
_BEING_WRITTEN = (".tmp", ".part", ".partial", ".crdownload")
_FORMATS = {"jsonl": "ndjson", "jsonl.gz": "ndjson.gz"}


@dataclass(frozen=True, order=True)
class LandingFile:
    """A file of raw events: its landing day and format (csv, csv.gz, ndjson, ndjson.gz, parquet) by its name."""

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
    """The folder's landing files by day and name, and the files that are none. Several files may share a day."""
    found, ignored = [], []
    for path in sorted(folder.iterdir()):
        if path.is_dir():
            continue
        if path.name.startswith(".") or path.name.lower().endswith(_BEING_WRITTEN):
            ignored.append(IgnoredFile(path, "it is hidden or still being written"))
            continue
        match = _NAME.fullmatch(path.name)
        day = _day(match["day"]) if match else None
        if match is None or day is None:
            ignored.append(
                IgnoredFile(path, "its name is not events_YYYYMMDD.csv, .csv.gz, .ndjson or .parquet")
            )
            continue
        kind = match["format"].lower()
        found.append(LandingFile(day, path, _FORMATS.get(kind, kind), path.stat().st_size))
    return sorted(found, key=lambda file: (file.day, file.path.name)), ignored


def _day(digits: str) -> dt.date | None:
    try:
        return dt.datetime.strptime(digits, "%Y%m%d").date()
    except ValueError:
        return None


def content_hash(path: Path) -> str:
    """SHA-256 of the file's bytes, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
