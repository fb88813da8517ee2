"""What a commit is told of a data file is true of it: reads leave out files by these words."""

import json
from pathlib import Path

import polars as pl
from deltalake.transaction import AddAction

from puffy_platform.warehouse.files import write_days
from puffy_platform_tests.toy import day


def test_each_day_is_one_file_and_what_is_told_of_it_is_true(tmp_path: Path) -> None:
    rows = pl.DataFrame(
        {
            "day": [day(2), day(1), day(2), day(2)],
            "event_day": [day(3), None, day(1), None],
            "word": ["a", "b", "c", "d"],
        }
    )
    told = [action for action in write_days(str(tmp_path), rows, {}) if isinstance(action, AddAction)]
    assert [action.partition_values for action in told] == [{"day": str(day(1))}, {"day": str(day(2))}]
    assert [json.loads(action.stats) for action in told] == [
        {"numRecords": 1, "minValues": {}, "maxValues": {}, "nullCount": {"event_day": 1}},
        {
            "numRecords": 3,
            "minValues": {"event_day": str(day(1))},
            "maxValues": {"event_day": str(day(3))},
            "nullCount": {"event_day": 1},
        },
    ]
    for action, words in zip(told, (["b"], ["a", "c", "d"]), strict=True):
        file = tmp_path / action.path
        assert file.stat().st_size == action.size
        assert pl.read_parquet(file)["word"].to_list() == words


def test_every_day_s_file_holds_its_rows_and_no_others_however_they_come(tmp_path: Path) -> None:
    counts = {day(number): number % 4 + 1 for number in range(1, 29)}
    rows = pl.DataFrame(
        [(at, f"{at} {n}") for at, count in counts.items() for n in range(count)], ("day", "word"), orient="row"
    )
    told = write_days(str(tmp_path), rows.sample(fraction=1, shuffle=True, seed=1), {})
    for action, (at, count) in zip(told, counts.items(), strict=True):
        assert isinstance(action, AddAction)
        assert action.partition_values == {"day": str(at)}
        assert json.loads(action.stats)["numRecords"] == count
        held = pl.read_parquet(tmp_path / action.path, hive_partitioning=False)
        assert held["word"].sort().to_list() == [f"{at} {n}" for n in range(count)]
