"""The landing folder as it is now: which files, of which landing days, with which content and which repairs.

Hashing every byte at every look would cost minutes on years of files, so a hash is remembered by path, size and the
file system's times; losing that memory costs time only.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import os
import time
from collections import defaultdict
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from puffy_platform.ingest.landing import IgnoredFile, LandingFile, content_hash, find_landing_files
from puffy_platform.ingest.repairs import Repair, repairs_key
from puffy_platform.table import DayRange
from puffy_platform.threads import in_turn

__all__ = ["Landing"]

# File systems tell two writes this close to each other not surely apart: such a file is hashed at every look.
YOUNG_SECONDS = 2.0
# A first look at years of files may be cut off; the next one then goes on from here.
SAVE_EVERY_SECONDS = 10.0
# What a file that cannot be opened is read as: nothing.
NOTHING = hashlib.sha256(b"").hexdigest()


@dataclass(frozen=True)
class Landing:
    """The files of the landing folder by day, each with its content hash and the time it was written (seconds since
    1970), and those that were left alone; and the repairs of known incidents."""

    files: dict[dt.date, tuple[LandingFile, ...]]
    hashes: dict[Path, str]
    ignored: tuple[IgnoredFile, ...]
    modified: dict[Path, float] = field(default_factory=dict)
    repairs: tuple[Repair, ...] = ()

    @classmethod
    def look(cls, folder: Path, memory: Path, repairs: tuple[Repair, ...] = ()) -> Landing:
        """Look at the folder (a missing one is empty); `memory` is the file of remembered hashes."""
        found, ignored = find_landing_files(folder) if folder.is_dir() else ([], [])
        remembered = _load(memory)
        stats = {file: stat for file in found if (stat := _stat(file.path)) is not None}
        keys = {file: _key(file, stat) for file, stat in stats.items()}
        read = in_turn(partial(_content_hash, file.path) for file, key in keys.items() if key not in remembered)
        hashes: dict[Path, str] = {}
        now_known: dict[str, str] = {}
        saved_at = time.monotonic()
        for file, stat in stats.items():
            key = keys[file]
            hashes[file.path] = remembered[key] if key in remembered else next(read)
            if time.time() - max(stat.st_mtime, stat.st_ctime) > YOUNG_SECONDS:
                now_known[key] = hashes[file.path]
            if time.monotonic() - saved_at > SAVE_EVERY_SECONDS:
                _save(memory, remembered | now_known)
                saved_at = time.monotonic()
        if now_known != remembered:
            _save(memory, now_known)
        by_day: dict[dt.date, list[LandingFile]] = defaultdict(list)
        for file in stats:
            by_day[file.day].append(file)
        modified = {file.path: stat.st_mtime for file, stat in stats.items()}
        return cls({day: tuple(files) for day, files in by_day.items()}, hashes, tuple(ignored), modified, repairs)

    @property
    def days(self) -> DayRange | None:
        """From the first landing day to the last, or None without files."""
        return DayRange(min(self.files), max(self.files)) if self.files else None

    def fingerprint(self, day: dt.date) -> list[tuple[str, str]]:
        """Name and content hash of every file of the day: what the rows of that landing day depend on."""
        return sorted((file.path.name, self.hashes[file.path]) for file in self.files.get(day, ()))

    def repairs_key(self, day: dt.date) -> str:
        """The day's repairs by name and hash: what else its rows depend on; empty when it has none."""
        return repairs_key(self.repairs, day)

    def of(self, days: DayRange) -> list[LandingFile]:
        return [file for day in days for file in self.files.get(day, ())]


def _stat(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except FileNotFoundError:
        return None


def _key(file: LandingFile, stat: os.stat_result) -> str:
    return f"{file.path}|{stat.st_size}|{stat.st_mtime_ns}|{stat.st_ctime_ns}|{stat.st_ino}"


def _content_hash(path: Path) -> str:
    try:
        return content_hash(path)
    except OSError:
        return NOTHING


def _load(memory: Path) -> dict[str, str]:
    try:
        return dict(json.loads(memory.read_text("utf-8")))
    except (OSError, ValueError):
        return {}


def _save(memory: Path, hashes: dict[str, str]) -> None:
    memory.parent.mkdir(parents=True, exist_ok=True)
    partial = memory.with_name(f".{memory.name}.{os.getpid()}")
    partial.write_text(json.dumps(hashes), "utf-8")
    partial.replace(memory)
