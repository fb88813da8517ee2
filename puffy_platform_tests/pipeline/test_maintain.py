"""Maintenance removes what only older times need, keeps what anyone may still ask for, and disturbs nobody."""

from __future__ import annotations

import datetime as dt
import os
import shutil
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from deltalake import DeltaTable, write_deltalake

from puffy_platform.pipeline import Platform, affected
from puffy_platform.pipeline.maintain import Maintained, Upkeep, maintain
from puffy_platform.pipeline.report import check_results
from puffy_platform.pipeline.rollback import roll_back, undo_rollback
from puffy_platform.pipeline.verify import verify
from puffy_platform.table import DayRange
from puffy_platform.warehouse import Ledger
from puffy_platform.warehouse.history import HistoryError, Moment, moments, past_at
from puffy_platform_tests.pipeline.ageing import age
from puffy_platform_tests.pipeline.corrected_shop import CORRECTED, DAYS, compute, deliver, open_shop, order

MONTH = 30


@pytest.fixture(scope="module")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[int]]:
    """The shop whose order of 2 March was 100.00 sixty days ago, 95.00 forty days ago and has been 90.00 for ten."""
    platform = open_shop(tmp_path_factory.mktemp("shop"))
    warehouse, versions = Path(platform.warehouse.root), [compute(platform, "first").version]
    for dollars, days_later, run in ((95.0, 20, "second"), (90.0, 30, "third")):
        age(warehouse, days_later)
        deliver(platform, CORRECTED, order(CORRECTED, dollars))
        versions.append(compute(platform, run).version)
    age(warehouse, 10)
    return platform.settings.home, versions


@pytest.fixture
def versions(made_once: tuple[Path, list[int]]) -> list[int]:
    return made_once[1]


@pytest.fixture
def platform(made_once: tuple[Path, list[int]], tmp_path: Path) -> Platform:
    for table in Path(made_once[0]).glob("warehouse/*"):
        shutil.copytree(table, tmp_path / "warehouse" / table.name, copy_function=shutil.copy2)
    shutil.copytree(made_once[0] / "landing", tmp_path / "landing")
    return open_shop(tmp_path)


def revenue(platform: Platform, when: dt.datetime | int | None = None) -> list[int]:
    table = platform.tables["purchases"]
    rows = platform.warehouse.read(table) if when is None else past_at(platform.warehouse, when).read(table)
    return rows.sort("day").collect()["revenue_cents"].to_list()


def ago(days: float) -> dt.datetime:
    return dt.datetime.now(dt.UTC) - dt.timedelta(days=days)


def of(done: Maintained, table: str) -> Upkeep:
    return next(each for each in done.tables if each.table == table)


def listing(folder: Path) -> dict[str, tuple[int, int]]:
    return {
        str(path.relative_to(folder)): (path.stat().st_size, path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_the_ageing_of_these_tests_is_what_time_travel_sees(platform: Platform) -> None:
    assert [revenue(platform, ago(days)) for days in (50, 35, 5)] == [
        [10000, 10000, 10000],
        [10000, 9500, 10000],
        [10000, 9000, 10000],
    ]
    with pytest.raises(HistoryError, match="the first version was recorded at"):
        past_at(platform.warehouse, ago(61))


def test_what_the_retention_reaches_stays_readable_and_what_it_does_not_is_gone(
    platform: Platform, versions: list[int]
) -> None:
    done = maintain(platform, MONTH)
    assert of(done, "purchases").removed_files == 1
    assert revenue(platform) == revenue(platform, ago(5)) == [10000, 9000, 10000]
    # 30 days ago the order was one of 95.00: those rows were replaced 10 days ago, and are still reached.
    assert revenue(platform, ago(29)) == revenue(platform, versions[1]) == [10000, 9500, 10000]
    for lost in (ago(50), versions[0]):
        with pytest.raises(HistoryError, match="no longer kept"):
            revenue(platform, lost)
    assert not affected(platform, DAYS)
    assert verify(platform, DAYS) == []


def test_maintaining_twice_does_nothing_the_second_time(platform: Platform) -> None:
    assert any(maintain(platform, MONTH).tables)
    again = maintain(platform, MONTH)
    assert not any(again.tables)
    assert again.removed_bytes == 0


def test_a_dry_run_says_what_would_be_done_and_changes_nothing(platform: Platform) -> None:
    before = listing(platform.settings.home)
    planned = maintain(platform, MONTH, dry_run=True)
    assert listing(platform.settings.home) == before
    done = maintain(platform, MONTH)
    assert of(planned, "purchases") == of(done, "purchases")
    assert of(planned, "raw_events").removed_bytes == of(done, "raw_events").removed_bytes > 0
    assert of(planned, "_ledger").dropped_rows == of(done, "_ledger").dropped_rows > 0


def test_a_shorter_retention_removes_more_and_a_longer_one_nothing(platform: Platform, versions: list[int]) -> None:
    assert of(maintain(platform, 100), "purchases").removed_files == 0
    assert revenue(platform, versions[0]) == [10000, 10000, 10000]
    assert of(maintain(platform, 5), "purchases").removed_files == 2
    with pytest.raises(HistoryError, match="no longer kept"):
        revenue(platform, versions[1])
    assert revenue(platform, versions[2]) == revenue(platform) == [10000, 9000, 10000]


def test_the_landing_folder_is_not_touched(platform: Platform) -> None:
    landing = platform.settings.landing
    for name in (".landing_hashes.json.1", ".marts.duckdb.1.building", "events_20250101.csv.tmp"):
        (landing / name).write_text("x")
        os.utime(landing / name, (0, 0))
    before = listing(landing)
    everything = platform.settings.model_copy(
        update={"paths": platform.settings.paths.model_copy(update={"marts": "landing/marts.duckdb"})}
    )
    maintain(Platform(everything, platform.tables), 1)
    assert listing(landing) == before


def test_what_killed_runs_left_behind_is_removed_when_it_is_a_day_old(
    platform: Platform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    home, table = platform.settings.home, Path(platform.warehouse.uri("purchases"))
    left = [
        home / ".marts.duckdb.aaa.building",
        home / ".marts.duckdb.aaa.building.wal",
        home / ".landing_hashes.json.77",
        tmp_path / "temporary" / "puffy-verify-x" / "raw_events" / "part.parquet",
        table / "_delta_log" / "_commit_1234.json.tmp",
        table / "day=2025-03-01" / "part-1.parquet#1",
        table / "day=2025-03-01" / "part-orphan.parquet",
    ]
    mine = [home / "marts.duckdb", home / "notes.txt", tmp_path / "temporary" / "somebody-elses"]
    for path in (*left, *mine):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("12345")
    assert maintain(platform, MONTH).leftovers == ()
    assert all(path.exists() for path in left)
    for path in (*left, *mine, tmp_path / "temporary" / "puffy-verify-x", (left[3]).parent):
        os.utime(path, (time.time() - 2 * 86400,) * 2)
    found = maintain(platform, MONTH)
    assert {each.kind: (each.files, each.bytes >= 5) for each in found.leftovers} == {
        "marts that were not finished": (2, True),
        "hashes of landing files that were not saved": (1, True),
        "scratch warehouses of an audit": (1, True),
        "writes that were not finished": (2, True),
    }
    assert [path.exists() for path in left] == [False] * 6 + [True]
    assert all(path.exists() for path in mine)
    # A data file that no commit names may be a commit's about to be made: it goes with the retention.
    os.utime(left[6], (time.time() - 31 * 86400,) * 2)
    assert of(maintain(platform, MONTH), "purchases").removed_files == 1
    assert not left[6].exists()


def test_logs_keep_what_is_needed_and_drop_the_rest(platform: Platform) -> None:
    def facts() -> pl.DataFrame:
        delta = platform.warehouse.open("_ledger")
        assert delta is not None
        return pl.scan_delta(delta).collect()

    before, known, outcomes = (
        facts(),
        {(e.table, e.day): e for e in Ledger(platform.warehouse)},
        check_results(platform),
    )
    done = maintain(platform, MONTH)
    after = facts()
    # Sixty days ago 3 days of 10 tables were recorded; of those recorded again 40 days ago, the first are not needed.
    twice = before.filter(pl.col("run_id") == "second").height
    assert twice > 0
    assert of(done, "_ledger").dropped_rows == before.height - after.height == twice
    assert set(after["run_id"]) == {"first", "second", "third"}
    assert {(e.table, e.day): e for e in Ledger(platform.warehouse)} == known
    assert check_results(platform).equals(outcomes)
    delta = platform.warehouse.open("_ledger")
    assert delta is not None
    assert len(delta.file_uris()) == 1


def test_days_of_several_files_are_merged_and_stay_current(platform: Platform) -> None:
    table = platform.tables["purchases"]
    rows = platform.warehouse.read(table).collect()
    uri, first = platform.warehouse.uri("purchases"), pl.col("day") == DAYS.first
    # As a very large day is written: two files, one record.
    more = rows.filter(first).with_columns(event_id=pl.lit("another"))
    span = DayRange(DAYS.first, DAYS.first)
    platform.warehouse.replace(table, span, rows.filter(first), {})
    write_deltalake(uri, more.to_arrow(compat_level=pl.CompatLevel.oldest()), mode="append")
    known = Ledger(platform.warehouse).get("purchases", DAYS.first)
    assert known is not None
    assert not known.is_recorded
    ledger = Ledger(platform.warehouse)
    old = past_at(platform.warehouse).get("purchases", DAYS.first)
    assert old is not None
    fact = replace(old, rows=2, files=known.files, version=known.version, recorded_at=dt.datetime.now(dt.UTC))
    ledger.record([fact])
    before = past_at(platform.warehouse).moment.version
    done = maintain(platform, MONTH)
    assert of(done, "purchases").merged_files == 2
    found = Ledger(platform.warehouse).get("purchases", DAYS.first)
    assert found is not None
    assert (found.is_recorded, found.rows, found.inputs_hash) == (True, 2, old.inputs_hash)
    assert found.files != fact.files
    assert revenue(platform) == revenue(platform, before) == [10000, 10000, 9000, 10000]
    assert len(DeltaTable(uri).file_uris(file_pruning_predicate=[("day", "in", ["2025-03-01"])])) == 1
    assert of(maintain(platform, MONTH), "purchases").merged_files == 0


def test_a_rollback_survives_maintenance_and_can_be_undone_as_far_as_the_retention_reaches(
    platform: Platform, versions: list[int]
) -> None:
    table = platform.tables["purchases"]
    roll_back(platform, table, None, versions[1])
    maintain(platform, MONTH)
    assert revenue(platform) == [10000, 9500, 10000]
    undo_rollback(platform, table, None)
    assert revenue(platform) == [10000, 9000, 10000]
    roll_back(platform, table, None, versions[1])
    age(Path(platform.warehouse.root), 40)
    maintain(platform, MONTH)
    assert revenue(platform) == [10000, 9500, 10000]
    with pytest.raises(HistoryError, match=r"no longer kept; `puffy run --force --from 2025-03-02 --to 2025-03-02`"):
        undo_rollback(platform, table, None)
    compute(platform, "forced", force=True)
    assert revenue(platform) == [10000, 9000, 10000]


def test_facts_recorded_while_the_ledger_is_tidied_are_kept(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    from puffy_platform.warehouse import upkeep

    overwrite, done = upkeep.write_deltalake, []

    def overwrite_late(delta, *arguments, **options):  # type: ignore[no-untyped-def]
        if "_ledger" in delta.table_uri and not done:
            done.append(True)
            fact = Ledger(platform.warehouse).get("purchases", CORRECTED)
            assert fact is not None
            Ledger(platform.warehouse).record([replace(fact, run_id="meanwhile")])
        return overwrite(delta, *arguments, **options)

    monkeypatch.setattr(upkeep, "write_deltalake", overwrite_late)
    maintain(platform, MONTH)
    assert done
    assert {moment.run_id for moment in moments(platform.warehouse)} >= {"meanwhile"}
    found = Ledger(platform.warehouse).get("purchases", CORRECTED)
    assert found is not None
    assert found.run_id == "meanwhile"
    assert isinstance(moments(platform.warehouse)[0], Moment)
