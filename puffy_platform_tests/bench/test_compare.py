"""The fast path against an independent implementation, at a size that CI can afford; the benchmark does it at any."""

import datetime as dt
from pathlib import Path

import polars as pl

from puffy_platform_tests.bench.compare import differences, unlike
from puffy_platform_tests.bench.files import write_files
from puffy_platform_tests.bench.pipeline import FIRST_DAY


def test_sessions_and_attribution_are_those_of_sql_over_the_raw_files(tmp_path: Path) -> None:
    write_files(tmp_path / "landing", 40_000)
    (tmp_path / "puffy.toml").write_text(f"[partitions]\nstart_day = {FIRST_DAY}\n", "utf-8")
    assert differences(tmp_path) == {"sessions": 0, "first touch": 0, "last touch": 0}


def test_files_of_the_same_size_are_the_same_bytes_and_an_eighth_of_their_rows_come_twice(tmp_path: Path) -> None:
    for name in ("one", "two"):
        rows = write_files(tmp_path / name, 5_000)
    one, two = (sorted((tmp_path / name).iterdir()) for name in ("one", "two"))
    assert [path.name for path in one] == [f"events_{FIRST_DAY + dt.timedelta(days=n):%Y%m%d}.csv" for n in range(14)]
    assert [path.read_bytes() for path in one] == [path.read_bytes() for path in two]
    everything = pl.concat([pl.read_csv(path, infer_schema=False) for path in one])
    assert everything.height == rows
    assert 0.13 < 1 - everything.unique().height / rows < 0.17


def test_a_row_that_only_one_side_has_is_counted_once() -> None:
    left = pl.DataFrame({"client": ["a", "b", None], "n": [1, 2, 3]})
    right = pl.DataFrame({"client": ["a", "b", None], "n": [1, 9, 3]})
    assert unlike(left, left) == 0
    assert unlike(left, right) == 2
