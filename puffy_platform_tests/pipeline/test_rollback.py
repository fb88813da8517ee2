"""A rolled-back day holds its earlier rows, openly, until someone ends that."""

from __future__ import annotations

import datetime as dt
import importlib
import shutil
from pathlib import Path

import polars as pl
import pytest

from puffy_platform.pipeline import Platform, affected, materialise, materialise_ingest
from puffy_platform.pipeline.rollback import Restored, roll_back, rolled_back_days, undo_rollback
from puffy_platform.pipeline.status import status_of
from puffy_platform.pipeline.verify import verify
from puffy_platform.table import DayRange
from puffy_platform.warehouse import Ledger
from puffy_platform.warehouse.history import HistoryError, Moment, past_at
from puffy_platform_tests.pipeline.corrected_shop import (
    CORRECTED,
    DAYS,
    INGESTED,
    NAMES,
    compute,
    deliver,
    open_shop,
    order,
)

ONE_DAY = DayRange(CORRECTED, CORRECTED)


@pytest.fixture(scope="module")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Moment]:
    """The shop with 90.00 on 2 March, and the moment before that correction."""
    platform = open_shop(tmp_path_factory.mktemp("shop"))
    moment = compute(platform, "first")
    deliver(platform, CORRECTED, order(CORRECTED, 90.0))
    compute(platform, "second")
    return platform.settings.home, moment


@pytest.fixture
def before(made_once: tuple[Path, Moment]) -> Moment:
    return made_once[1]


@pytest.fixture
def platform(made_once: tuple[Path, Moment], tmp_path: Path) -> Platform:
    shutil.copytree(made_once[0], tmp_path, dirs_exist_ok=True)
    return open_shop(tmp_path)


def revenue(platform: Platform, table: str = "purchases") -> list[int]:
    rows = platform.warehouse.read(platform.tables[table]).sort("day", -pl.col("revenue_cents")).collect()
    return rows["revenue_cents"].to_list()


def held(platform: Platform) -> dict[str, list[dt.date]]:
    found: dict[str, list[dt.date]] = {}
    for entry in Ledger(platform.warehouse):
        if entry.rolled_back_to is not None:
            found.setdefault(entry.table, []).append(entry.day)
    return found


def test_a_rolled_back_day_has_its_earlier_rows_and_its_past_stays_readable(platform: Platform, before: Moment) -> None:
    assert revenue(platform) == [10000, 9000, 10000]
    corrected = past_at(platform.warehouse).moment.version
    restored = roll_back(platform, platform.tables["purchases"], None, before.version)
    assert restored == [Restored("purchases", CORRECTED, 1, 1, 9000, 10000)]
    assert revenue(platform) == [10000, 10000, 10000]
    assert revenue(platform, "conversions") == [10000, 9000, 10000]
    past = past_at(platform.warehouse, corrected).read(platform.tables["purchases"]).sort("day").collect()
    assert past["revenue_cents"].to_list() == [10000, 9000, 10000]


def test_no_ordinary_run_undoes_a_rollback_and_what_reads_it_follows(platform: Platform, before: Moment) -> None:
    roll_back(platform, platform.tables["purchases"], ONE_DAY, before.at)
    plan = affected(platform, DAYS)
    assert "purchases" not in {table for table, _, _ in plan.spans()}
    assert ("conversions", "rows it reads changed") in {(table, why.value) for table, why, _ in plan.spans()}
    compute(platform, "third")
    assert revenue(platform) == revenue(platform, "conversions") == [10000, 10000, 10000]
    deliver(platform, CORRECTED, order(CORRECTED, 80.0))
    compute(platform, "fourth")
    assert revenue(platform, "purchases") == [10000, 10000, 10000]
    assert held(platform) == {"purchases": [CORRECTED]}


def test_plan_status_and_verify_say_that_a_day_is_rolled_back(platform: Platform, before: Moment) -> None:
    roll_back(platform, platform.tables["purchases"], ONE_DAY, before.version)
    compute(platform, "third")
    at = f"{before.at:%Y-%m-%dT%H:%M:%SZ}"
    plan = affected(platform, DAYS)
    assert not plan
    assert list(plan.holds()) == [("purchases", at, ONE_DAY)]
    assert plan.to_json() == [
        {"table": "purchases", "from": "2025-03-02", "to": "2025-03-02", "rolled_back_to": at},
    ]
    status = status_of(platform, CORRECTED)
    assert status is not None
    reasons = {table.table: (table.colour, "; ".join(table.reasons)) for table in status.tables}
    assert reasons["purchases"][0] == reasons["conversions"][0] == "YELLOW"
    assert reasons["purchases"][1].startswith(f"rolled back: it holds its rows of {at}")
    assert "rests on rows that are rolled back: purchases 2025-03-02" in reasons["conversions"][1]
    assert "rolled back" not in reasons["events_enriched"][1]
    assert rolled_back_days(platform, DAYS) == [("purchases", at, ONE_DAY)]
    assert rolled_back_days(platform, DayRange(DAYS.first, DAYS.first)) == []
    differences = {found.table: found for found in verify(platform, DAYS)}
    assert differences.keys() == {"purchases", "conversions"}
    assert (differences["purchases"].rolled_back_to, differences["purchases"].money_cents) == (at, 1000)
    assert differences["conversions"].rolled_back_to is None


def test_undoing_a_rollback_gives_the_rows_of_before_and_everything_is_identical_again(
    platform: Platform, before: Moment
) -> None:
    roll_back(platform, platform.tables["purchases"], ONE_DAY, before.version)
    compute(platform, "third")
    assert undo_rollback(platform, platform.tables["purchases"], None) == [
        Restored("purchases", CORRECTED, 1, 1, 10000, 9000)
    ]
    assert held(platform) == {}
    assert {table for table, _, _ in affected(platform, DAYS).spans()} == {"conversions"}
    compute(platform, "fourth")
    assert revenue(platform) == revenue(platform, "conversions") == [10000, 9000, 10000]
    assert verify(platform, DAYS) == []
    assert undo_rollback(platform, platform.tables["purchases"], None) == []


def test_after_an_undo_a_file_that_changed_meanwhile_is_computed(platform: Platform, before: Moment) -> None:
    roll_back(platform, platform.tables["purchases"], ONE_DAY, before.version)
    deliver(platform, CORRECTED, order(CORRECTED, 80.0))
    compute(platform, "third")
    undo_rollback(platform, platform.tables["purchases"], ONE_DAY)
    assert revenue(platform) == [10000, 9000, 10000]
    compute(platform, "fourth")
    assert revenue(platform) == revenue(platform, "conversions") == [10000, 8000, 10000]


def test_a_forced_run_ends_a_rollback(platform: Platform, before: Moment) -> None:
    roll_back(platform, platform.tables["purchases"], ONE_DAY, before.version)
    compute(platform, "forced", force=True)
    assert held(platform) == {}
    assert verify(platform, DAYS) == []


def test_a_landing_day_is_rolled_back_in_all_tables_of_ingest_at_once(platform: Platform, before: Moment) -> None:
    restored = roll_back(platform, platform.tables["raw_events"], ONE_DAY, before.version)
    assert {found.table for found in restored} == set(INGESTED)
    compute(platform, "third")
    assert held(platform) == {name: [CORRECTED] for name in sorted(INGESTED)}
    assert revenue(platform) == [10000, 10000, 10000]
    deliver(platform, DAYS.first, order(DAYS.first, 100.0), order(DAYS.first, 5.0, "NEW"))
    compute(platform, "fourth")
    assert revenue(platform) == [10000, 500, 10000, 10000]
    undo_rollback(platform, platform.tables["file_drift"], None)
    compute(platform, "fifth")
    assert revenue(platform) == [10000, 500, 9000, 10000]
    assert verify(platform, DAYS) == []


def test_days_that_were_not_computed_by_then_are_left_alone(tmp_path: Path) -> None:
    platform = open_shop(tmp_path)
    for day in list(DAYS)[1:]:
        (platform.settings.landing / f"events_{day:%Y%m%d}.csv").rename(tmp_path / f"{day}")
    first = DayRange(DAYS.first, DAYS.first)
    materialise_ingest(platform, first, run_id="one")
    for table in platform.derived:
        materialise(platform, table, first, run_id="one")
    moment = past_at(platform.warehouse).moment
    (tmp_path / str(CORRECTED)).rename(platform.settings.landing / f"events_{CORRECTED:%Y%m%d}.csv")
    compute(platform, "two")
    assert roll_back(platform, platform.tables["purchases"], None, moment.version) == []
    assert revenue(platform) == [10000, 10000]


def test_a_run_that_was_computing_while_a_day_was_rolled_back_leaves_it(
    platform: Platform, before: Moment, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = importlib.import_module("puffy_platform.pipeline.materialise")
    deliver(platform, CORRECTED, order(CORRECTED, 70.0))
    materialise_ingest(platform, DAYS, run_id="slow", force=False)
    materialise(platform, platform.tables["events_enriched"], DAYS, run_id="slow", force=False)
    compute_rows = room.compute

    def compute_slowly(*arguments):  # type: ignore[no-untyped-def]
        rows = compute_rows(*arguments)
        roll_back(platform, platform.tables["purchases"], ONE_DAY, before.version)
        return rows

    monkeypatch.setattr(room, "compute", compute_slowly)
    materialise(platform, platform.tables["purchases"], DAYS, run_id="slow", force=False)
    assert revenue(platform) == [10000, 10000, 10000]
    assert held(platform) == {"purchases": [CORRECTED]}


def test_rows_that_are_no_longer_kept_cannot_come_back_and_nothing_is_changed(
    platform: Platform, before: Moment
) -> None:
    table = platform.tables["purchases"]
    for file in past_at(platform.warehouse, before.version).files("purchases"):
        if f"day={CORRECTED}" in file:
            Path(file).unlink()
    with pytest.raises(HistoryError, match="no longer kept"):
        roll_back(platform, table, None, before.version)
    assert revenue(platform) == [10000, 9000, 10000]
    assert held(platform) == {}


def test_rows_of_before_a_new_column_cannot_come_back(platform: Platform, before: Moment) -> None:
    past = past_at(platform.warehouse, before.version)
    assert set(NAMES) >= set(past.facts["table"].unique())
    past.columns = lambda name: {"day"}  # type: ignore[method-assign]
    from puffy_platform.pipeline.rollback import _refuse_other_columns

    with pytest.raises(HistoryError, match=r"purchases has had the columns .* since"):
        _refuse_other_columns(platform.tables["purchases"], past, past.of("purchases"))
    assert isinstance(past.facts, pl.DataFrame)
