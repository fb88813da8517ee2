"""What a pass over a shop costs in numbers that do not depend on the machine's mood: rows, files, commits, bytes.

A change that makes a table read its inputs twice, write a day in pieces, or hold everything in memory fails here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import polars as pl
import pytest
from deltalake import DeltaTable

from puffy_platform.pipeline import Platform, materialise, materialise_ingest
from puffy_platform.settings import load_settings
from puffy_platform.speed.measure import Cost, run
from puffy_platform.table import DayRange, Table
from puffy_platform.tables import TABLES
from puffy_platform.warehouse import Warehouse
from puffy_platform_tests.bench.files import write_files
from puffy_platform_tests.bench.pipeline import FIRST_DAY

EVENTS = 30_000
# Twice what it takes at this size, of which imports are the most.
PEAK_MIB = 800
# Of all tables together, by row of the raw files; 216 when this was set. Of so small files much is footers.
BYTES_A_ROW = 250


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Cost]:
    """A home, and what it cost to compute all of its tables."""
    home = tmp_path_factory.mktemp("guard")
    write_files(home / "landing", EVENTS)
    (home / "puffy.toml").write_text(f"[partitions]\nstart_day = {FIRST_DAY}\n", "utf-8")
    return home, run("puffy_platform_tests.bench.stages", str(home))


@pytest.fixture(scope="module")
def home(ran: tuple[Path, Cost]) -> Path:
    return ran[0]


@pytest.fixture(scope="module")
def platform(home: Path) -> Platform:
    return Platform(load_settings(home, environment={}))


def days_of(platform: Platform) -> DayRange:
    days = platform.landing().days
    assert days is not None
    return days


def files_of(platform: Platform, name: str) -> Iterator[Path]:
    delta = platform.warehouse.open(name)
    return (Path(path) for path in (delta.file_uris() if delta else ()))


def test_memory_stays_within_its_bound(ran: tuple[Path, Cost]) -> None:
    assert ran[1].peak_mib < PEAK_MIB


def test_of_each_stage_its_checks_and_its_writes_are_told_and_are_part_of_it(ran: tuple[Path, Cost]) -> None:
    stages, parts = ran[1].said["stages"], ran[1].said["parts"]
    assert (
        stages.keys()
        == parts.keys()
        == {"plan", "ingest"} | {table.name for table in TABLES.values() if table.transform}
    )
    for stage, (wall, _, _) in stages.items():
        assert parts[stage].keys() == (set() if stage == "plan" else {"checks", "Delta writes"})
        assert sum(part_wall for part_wall, _ in parts[stage].values()) <= wall


def test_a_range_is_one_commit_a_table_and_a_day_is_one_file(platform: Platform) -> None:
    days = len(days_of(platform))
    for name in platform.tables:
        # The first version creates the table.
        assert platform.warehouse.version(name) in (None, 0, 1), name
        assert len(list(files_of(platform, name))) <= days, name


def test_what_is_kept_of_a_row_takes_no_more_bytes_than_it_did(platform: Platform) -> None:
    size = sum(path.stat().st_size for name in platform.tables for path in files_of(platform, name))
    assert size / EVENTS < BYTES_A_ROW


def test_each_table_reads_each_of_its_inputs_once(platform: Platform) -> None:
    days = days_of(platform)
    for table in platform.derived:
        scanned = rows_scanned(platform, table, days)
        for read in table.reads:
            assert scanned[read.table] <= rows_of(platform, read.table), f"{table.name} of {read.table}"


def test_what_is_current_is_not_read_again_and_nothing_is_committed(platform: Platform) -> None:
    days = days_of(platform)
    before = {name: platform.warehouse.version(name) for name in platform.tables}
    for table in platform.derived:
        assert not rows_scanned(platform, table, days, force=False), table.name
    materialise_ingest(platform, days, run_id="again", force=False)
    assert {name: platform.warehouse.version(name) for name in platform.tables} == before


def rows_of(platform: Platform, name: str) -> int:
    rows = platform.warehouse.read(platform.tables[name]).select(pl.len()).collect().item()
    assert isinstance(rows, int)
    return rows


def rows_scanned(platform: Platform, table: Table, days: DayRange, *, force: bool = True) -> Counter[str]:
    """How many rows of each table are read to compute these days once."""
    scanned = Counter[str]()
    read_snapshot = Warehouse.read_snapshot

    def counted(
        warehouse: Warehouse,
        delta: DeltaTable | None,
        of: Table,
        within: DayRange | None = None,
        columns: tuple[str, ...] | None = None,
    ) -> pl.LazyFrame:
        rows = read_snapshot(warehouse, delta, of, within, columns)
        scanned[of.name] += rows.select(pl.len()).collect().item()
        return rows

    with patch.object(Warehouse, "read_snapshot", counted):
        materialise(platform, table, days, run_id="counted", force=force)
    return scanned
