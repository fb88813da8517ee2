"""What repairs did, counted in the tables, and what they would do, tried on the landing files. Writes nothing."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from puffy_platform.ingest.reader import read_file
from puffy_platform.ingest.repairs import Repair
from puffy_platform.pipeline.landing import Landing
from puffy_platform.pipeline.platform import Platform

__all__ = ["Repaired", "Trial", "repaired_rows", "try_repair"]

TABLES = ("raw_events", "duplicate_events", "quarantined_events")


@dataclass(frozen=True)
class Repaired:
    """Rows in the tables that name a repair: accepted, repeating an earlier row, or quarantined all the same."""

    accepted: int = 0
    duplicates: int = 0
    quarantined: int = 0

    @property
    def rows(self) -> int:
        return self.accepted + self.duplicates + self.quarantined


@dataclass(frozen=True)
class Trial:
    """What a repair would do now: on how many rows of how many files it is tried, and how many are valid after it."""

    files: int
    rows: int
    valid: int


def repaired_rows(platform: Platform) -> dict[str, Repaired]:
    """By repair, the rows in the tables that name it."""
    counts: dict[str, list[int]] = {}
    for place, name in enumerate(TABLES):
        rows = platform.warehouse.read(platform.tables[name], columns=("repair",)).drop_nulls()
        for repair, count in rows.group_by("repair").len().sort("repair").collect().iter_rows():
            counts.setdefault(repair, [0, 0, 0])[place] = count
    return {repair: Repaired(*found) for repair, found in sorted(counts.items())}


def try_repair(platform: Platform, repair: Repair, landing: Landing) -> Trial:
    """Read the landing files it is for, with all repairs, as ingest would; nothing is written."""
    files = [file for file in landing.of(repair.days) if repair.covers(file.day, file.path.name)]
    valid = tried = 0
    for file in files:
        landed = read_file(file, platform.settings, landing.repairs)
        valid += landed.rows.filter(pl.col("repair") == repair.name).height
        tried += landed.quarantined.filter(pl.col("repair") == repair.name).height
    return Trial(len(files), valid + tried, valid)
