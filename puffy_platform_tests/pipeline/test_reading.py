"""What tables are computed from: of all days only what matters, and what several tables read of them only once."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from unittest.mock import Mock

import polars as pl
import pytest

from puffy_platform.pipeline import Platform
from puffy_platform.pipeline.histories import Histories
from puffy_platform.pipeline.reading import read_inputs
from puffy_platform.settings import load_settings
from puffy_platform.table import DayRange, Reads
from puffy_platform_tests.toy import TOY, day, toy_rows

HISTORY = DayRange(day(1), day(3))
ROWS = toy_rows((1, 1, "a"), (1, 2, "b"), (2, 3, "c"), (3, 4, "a"))
NUMBERS = dataclasses.replace(TOY, name="numbers", reads=(Reads("toy", history=True, columns=("day", "number")),))
WORDS = dataclasses.replace(TOY, name="words", reads=(Reads("toy", history=True, columns=("day", "word")),))
ALIKE = dataclasses.replace(TOY, name="alike", reads=(Reads("toy", history=True, sharing="word"),))


@pytest.fixture
def platform(tmp_path: Path) -> Platform:
    tables = {table.name: table for table in (TOY, NUMBERS, WORDS, ALIKE)}
    settings = load_settings(home=tmp_path, environment={"PUFFY_PARTITIONS__START_DAY": "2025-03-01"})
    platform = Platform(settings, tables)
    platform.warehouse.replace(TOY, HISTORY, ROWS, {})
    return platform


def read(platform: Platform, name: str, days: DayRange) -> pl.DataFrame:
    inputs = read_inputs(platform, platform.ledger(), platform.tables[name], days)
    return inputs["toy"].collect().sort(pl.all())


def test_of_all_days_only_rows_are_read_that_share_a_value_with_the_days(platform: Platform) -> None:
    assert read(platform, "alike", DayRange(day(3), day(3))).rows() == [(day(1), 1, "a"), (day(3), 4, "a")]
    assert read(platform, "alike", DayRange(day(2), day(3)))["number"].to_list() == [1, 3, 4]
    assert read(platform, "alike", DayRange(day(4), day(4))).is_empty()


def test_each_table_gets_its_own_days_and_columns_of_what_is_read_for_all(platform: Platform) -> None:
    for days in (HISTORY, DayRange(day(1), day(2)), DayRange(day(2), day(2)), HISTORY):
        known = ROWS.filter(pl.col("day") <= days.last)
        assert read(platform, "numbers", days).equals(known.select("day", "number").sort(pl.all()))
        assert read(platform, "words", days).equals(known.select("day", "word").sort(pl.all()))


def test_what_several_tables_read_of_all_days_is_read_once(platform: Platform) -> None:
    assert read(platform, "numbers", HISTORY).height == 4
    for file in Path(platform.warehouse.uri("toy")).glob("day=*/*"):
        file.unlink()
    assert read(platform, "words", HISTORY)["word"].to_list() == ["a", "b", "c", "a"]
    assert read(platform, "words", DayRange(day(2), day(2)))["word"].to_list() == ["a", "b", "c"]
    with pytest.raises(FileNotFoundError):
        read(platform, "words", DayRange(day(3), day(4)))


def test_rows_that_were_written_meanwhile_are_read(platform: Platform) -> None:
    assert read(platform, "numbers", HISTORY)["number"].to_list() == [1, 2, 3, 4]
    platform.warehouse.replace(TOY, DayRange(day(2), day(2)), toy_rows((2, 7, "z")), {})
    assert read(platform, "words", HISTORY)["word"].to_list() == ["a", "b", "z", "a"]
    assert read(platform, "numbers", HISTORY)["number"].to_list() == [1, 2, 7, 4]


def test_a_snapshot_that_moved_on_is_another_one() -> None:
    snapshot, versions, histories = Mock(), iter([0, 0, 1, 1]), Histories()
    snapshot.version.side_effect = lambda: next(versions)
    assert histories.rows("toy", snapshot, HISTORY, lambda: ROWS).height == 4
    assert histories.rows("toy", snapshot, HISTORY, lambda: ROWS.clear()).height == 4
    assert histories.rows("toy", snapshot, HISTORY, lambda: ROWS.clear()).height == 0
