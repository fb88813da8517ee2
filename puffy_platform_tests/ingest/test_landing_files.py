"""Which files of a folder are landing files, of which day and format, and why the others are left alone."""

from __future__ import annotations

import datetime as dt
import os
from pathlib import Path

import pytest

from puffy_platform.ingest.accept import ingest
from puffy_platform.ingest.landing import LandingFile, content_hash, find_landing_files
from puffy_platform_tests.ingest.delivery import DAYS, DEFAULTS, INGESTED, as_csv, drift_of, event, land


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("events_20250301.csv", "csv"),
        ("EVENTS_20250301.CSV", "csv"),
        ("events_20250301.csv.gz", "csv.gz"),
        ("events_20250301.ndjson", "ndjson"),
        ("events_20250301.jsonl", "ndjson"),
        ("events_20250301.ndjson.gz", "ndjson.gz"),
        ("events_20250301.jsonl.gz", "ndjson.gz"),
        ("events_20250301.parquet", "parquet"),
        ("events_20250301_late.csv", "csv"),
        ("events_20250301-part-0001.csv", "csv"),
        ("events_20250301.2.csv", "csv"),
    ],
)
def test_a_landing_file_says_its_day_and_format_by_its_name(tmp_path: Path, name: str, kind: str) -> None:
    (tmp_path / name).write_bytes(b"abc")
    found, ignored = find_landing_files(tmp_path)
    assert found == [LandingFile(dt.date(2025, 3, 1), tmp_path / name, kind, 3)]
    assert ignored == []


@pytest.mark.parametrize(
    "name",
    [
        "notes.txt",
        "events.csv",
        "events_2025031.csv",
        "events_20250230.csv",
        "events_2025-03-01.csv",
        "events_202503011.csv",
        "events_02250301.csv",
        "events_30250301.csv",
        "events_٢٠٢٥٠٣٠١.csv",
        "events_20250301.xlsx",
        "events_20250301.csv.zip",
        "events_20250301",
        "old_events_20250301.csv",
    ],
)
def test_a_file_of_another_name_is_left_alone_and_told_the_right_one(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"abc")
    found, ignored = find_landing_files(tmp_path)
    assert found == []
    assert [file.path.name for file in ignored] == [name]
    assert "events_YYYYMMDD.csv" in ignored[0].reason


@pytest.mark.parametrize(
    "name",
    [
        "events_20250301.csv.tmp",
        "events_20250301.csv.part",
        "events_20250301.csv.gz.PARTIAL",
        "events_20250301.csv.crdownload",
        "events_20250301.csv.filepart",
        "events_20250301.parquet.inprogress",
        ".events_20250301.csv",
        "~events_20250301.csv",
        "_events_20250301.csv",
    ],
)
def test_a_file_that_is_hidden_or_still_being_written_waits(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"abc")
    found, ignored = find_landing_files(tmp_path)
    assert found == []
    assert ignored[0].reason == "it is hidden or still being written"


def test_folders_are_not_looked_into_and_a_link_to_nothing_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "events_20250301.csv").mkdir()
    (tmp_path / "events_20250302.csv").symlink_to(tmp_path / "gone.csv")
    found, ignored = find_landing_files(tmp_path)
    assert found == []
    assert [file.path.name for file in ignored] == ["events_20250302.csv"]


def test_a_pipe_is_not_waited_for_and_a_name_that_is_no_text_can_be_shown(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "events_20250301.csv")
    (tmp_path / os.fsdecode(b"events_20250301_caf\xe9.csv")).touch()
    (tmp_path / "events_20250301_café #2.csv").touch()
    found, ignored = find_landing_files(tmp_path)
    assert [file.path.name for file in found] == ["events_20250301_café #2.csv"]
    assert [(file.path.name, file.reason[:24]) for file in ignored] == [
        ("events_20250301.csv", "it is no file but a pipe"),
        ("events_20250301_caf?.csv", "its name is not events_Y"),
    ]


def test_files_come_by_day_and_name(tmp_path: Path) -> None:
    for name in (
        "events_20250302.csv",
        "events_20250301_b.csv",
        "events_20250301.csv.gz",
        "events_20250301.csv",
    ):
        (tmp_path / name).touch()
    names = [file.path.name for file in find_landing_files(tmp_path)[0]]
    assert names == [
        "events_20250301.csv",
        "events_20250301.csv.gz",
        "events_20250301_b.csv",
        "events_20250302.csv",
    ]


def test_a_file_that_vanishes_before_it_is_read_is_an_unreadable_file(tmp_path: Path) -> None:
    path = tmp_path / "events_20250301.csv"
    path.write_bytes(as_csv([event()]))
    files, _ = find_landing_files(tmp_path)
    path.unlink()
    tables = ingest(files, DAYS, INGESTED["row_index"].empty().lazy(), DEFAULTS)
    assert tables["quarantined_events"]["rule"].to_list() == ["unreadable_file"]
    assert "cannot be opened" in tables["quarantined_events"]["message"].item()
    assert tables["file_drift"]["status"].to_list() == ["unreadable"]


def test_the_drift_of_a_file_holds_its_size_and_the_hash_of_its_bytes(tmp_path: Path) -> None:
    data = as_csv([event()])
    tables = land(tmp_path, {"events_20250301.csv": data})
    assert drift_of(tables)["bytes"] == len(data)
    assert drift_of(tables)["content_hash"] == content_hash(tmp_path / "events_20250301.csv")
