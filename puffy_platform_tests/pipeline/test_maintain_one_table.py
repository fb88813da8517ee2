"""Maintenance of one small table: week after week, after a long pause, and while it is read and written."""

from __future__ import annotations

import datetime as dt
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import polars as pl
import pytest
from deltalake import DeltaTable

from puffy_platform.pipeline import Platform
from puffy_platform.pipeline.maintain import maintain
from puffy_platform.table import DayRange
from puffy_platform.warehouse import Warehouse
from puffy_platform.warehouse.upkeep import trim_log
from puffy_platform_tests.pipeline.ageing import age
from puffy_platform_tests.pipeline.corrected_shop import open_shop
from puffy_platform_tests.toy import TOY, day, toy_rows

MONTH = 30


def test_the_log_of_a_table_that_changes_every_day_stays_short(tmp_path: Path) -> None:
    platform = Platform(open_shop(tmp_path).settings, {"toy": TOY})
    span, log = DayRange(day(1), day(1)), tmp_path / "warehouse" / "toy" / "_delta_log"
    commits, files = [], []
    for week in range(6):
        for number in range(7):
            platform.warehouse.replace(TOY, span, toy_rows((1, number + 10 * week, "a")), {})
        age(tmp_path / "warehouse", 7)
        maintain(platform, 14)
        commits.append(len(list(log.glob("*.json"))))
        files.append(len(list((tmp_path / "warehouse" / "toy" / "day=2025-03-01").iterdir())))
    # The rows of now and those replaced in two weeks at most, about as many commits, however long it goes on.
    assert max(files) <= 1 + 14
    assert files[2:] == [files[2]] * 4
    assert max(commits[3:]) <= commits[2] + 7


@pytest.mark.parametrize("commits", range(8, 13))
def test_a_table_that_was_not_written_for_long_can_be_read_as_of_yesterday(tmp_path: Path, commits: int) -> None:
    warehouse, root = Warehouse(str(tmp_path / "warehouse"), retain_days=MONTH), tmp_path / "warehouse"
    span = DayRange(day(1), day(1))
    for number in range(commits):
        warehouse.replace(TOY, span, toy_rows((1, number, "a")), {})
    age(root, 60)
    versions = [warehouse.replace(TOY, span, toy_rows((1, 1000 + number, "a")), {}).version() for number in range(12)]
    trim_log(warehouse, "toy", dt.datetime.now(dt.UTC) - dt.timedelta(days=MONTH))
    yesterday = DeltaTable(warehouse.uri("toy"), version=versions[0] - 1)
    assert pl.scan_delta(yesterday).collect()["number"].to_list() == [commits - 1]
    assert warehouse.read(TOY).collect()["number"].to_list() == [1011]


def write_days(root: str, seconds: float) -> int:
    """Replace one day after the other, each with two rows of one number, as fast as it goes."""
    until, number = time.monotonic() + seconds, 0
    while time.monotonic() < until:
        number += 1
        span = DayRange(day(number % 5 + 1), day(number % 5 + 1))
        Warehouse(root).replace(TOY, span, toy_rows(*[(number % 5 + 1, number, word) for word in "ab"]), {})
    return number


def read_days(root: str, seconds: float) -> int:
    """Read everything again and again, and see to it that no day is ever torn or missing."""
    until, reads = time.monotonic() + seconds, 0
    while time.monotonic() < until:
        days = Warehouse(root).read(TOY).group_by("day").agg(pl.len(), pl.col("number").n_unique()).collect()
        assert days.height == 5, days
        assert set(days["len"]) == {2}
        assert set(days["number"]) == {1}
        reads += 1
    return reads


@pytest.fixture
def busy(tmp_path: Path) -> Platform:
    platform = Platform(open_shop(tmp_path).settings, {"toy": TOY})
    for number in range(1, 26):
        span = DayRange(day(number % 5 + 1), day(number % 5 + 1))
        platform.warehouse.replace(TOY, span, toy_rows(*[(number % 5 + 1, number, word) for word in "ab"]), {})
    age(tmp_path / "warehouse", 3)
    return platform


def test_a_reader_and_a_writer_at_work_do_not_notice_maintenance(busy: Platform) -> None:
    root, seconds = busy.warehouse.root, 3.0
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        writer, reader = pool.submit(write_days, root, seconds), pool.submit(read_days, root, seconds)
        removed = 0
        while not (writer.done() and reader.done()):
            (toy,) = [each for each in maintain(busy, 1).tables if each.table == "toy"]
            removed += toy.removed_files
        written, reads = writer.result(), reader.result()
    assert removed == 20
    assert min(written, reads) > 1
    assert busy.warehouse.read(TOY).collect().height == 10
