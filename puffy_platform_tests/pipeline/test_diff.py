"""What changed in a table between two times, in rows and money, and the file, setting or run that did it."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from puffy_platform.pipeline import Platform
from puffy_platform.pipeline.diff import HIDDEN, TableDiff, diff
from puffy_platform.pipeline.rollback import roll_back
from puffy_platform.table import Table
from puffy_platform.warehouse.history import HistoryError, Moment, past_at
from puffy_platform.warehouse.sql import query
from puffy_platform_tests.pipeline.corrected_shop import BUYER, CORRECTED, DAYS, compute, deliver, open_shop, order

FIRST, LAST = DAYS.first, DAYS.last


@pytest.fixture(scope="module")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Moment]:
    """The shop with 100.00 on every day, computed once."""
    platform = open_shop(tmp_path_factory.mktemp("shop"))
    return platform.settings.home, compute(platform, "first-run")


@pytest.fixture
def before(made_once: tuple[Path, Moment]) -> Moment:
    return made_once[1]


@pytest.fixture
def platform(made_once: tuple[Path, Moment], tmp_path: Path) -> Platform:
    shutil.copytree(made_once[0], tmp_path, dirs_exist_ok=True)
    return open_shop(tmp_path)


def differences(platform: Platform, table: str, since: Moment) -> TableDiff:
    return diff(platform, platform.tables[table], since.version)


def test_a_corrected_file_moves_ten_dollars_on_one_day_and_is_named_with_the_run(
    platform: Platform, before: Moment
) -> None:
    deliver(platform, CORRECTED, order(CORRECTED, 90.0))
    compute(platform, "second-run")
    for table in ("purchases", "conversions"):
        found = differences(platform, table, before)
        assert found.money_cents == -1000
        (day,) = found.days
        assert (day.day, day.money_cents_before, day.money_cents_after) == (CORRECTED, 10000, 9000)
        assert day.runs == ("second-run",)
        assert day.causes == ("file events_20250302.csv changed",)
        # Another amount is another raw row, so another event.
        assert (day.added, day.removed, day.changed) == (1, 1, 0)
        assert sorted((row.change, row.money_cents_before, row.money_cents_after) for row in found.rows) == [
            ("added", None, 9000),
            ("removed", 10000, None),
        ]


def test_between_two_moments_without_a_change_there_is_no_difference(platform: Platform, before: Moment) -> None:
    found = differences(platform, "purchases", before)
    assert (found.days, found.rows, found.money_cents) == ((), (), None)
    with pytest.raises(HistoryError, match="give the earlier one first"):
        diff(platform, platform.tables["purchases"], before.version, before.version - 1)


def test_a_late_file_and_a_removed_one_are_named_for_the_days_they_touch(platform: Platform, before: Moment) -> None:
    deliver(platform, LAST, order(CORRECTED, 7.0, "LATE"), name="events_20250303_late.csv")
    (platform.settings.landing / "events_20250301.csv").unlink()
    compute(platform, "second-run")
    found = {day.day: (day.money_cents, day.causes) for day in differences(platform, "purchases", before).days}
    assert found == {
        FIRST: (-10000, ("file events_20250301.csv removed",)),
        CORRECTED: (700, ("file events_20250303_late.csv new",)),
    }


def test_a_changed_setting_is_named_with_both_values_and_a_changed_row_with_its_columns(
    platform: Platform, before: Moment
) -> None:
    again = order(LAST, 100.0) | {"client_id": "another-buyer"}
    collision = json.loads(again["event_data"]) | {"transaction_id": "ORD-02", "revenue": 55.0, "user_email": "e" * 64}
    deliver(platform, LAST, order(LAST, 100.0), again | {"event_data": json.dumps(collision)})
    middle = compute(platform, "second-run")
    other = open_shop(platform.settings.home, orders={"duplicate_policy": "keep_collisions"})
    compute(other, "third-run")
    found = differences(other, "conversions", middle)
    assert found.money_cents == 0
    (day,) = found.days
    assert (day.day, day.added, day.removed, day.changed, day.runs) == (LAST, 0, 0, 1, ("third-run",))
    assert day.causes == ('setting orders.duplicate_policy: "first" -> "keep_collisions"',)
    (row,) = found.rows
    assert (row.change, row.columns["is_counted"]) == ("changed", (False, True))
    whole = {day.day: set(day.causes) for day in differences(other, "conversions", before).days}
    assert whole == {
        LAST: {
            'setting orders.duplicate_policy: "first" -> "keep_collisions"',
            "file events_20250303.csv changed",
        }
    }


def test_a_rollback_and_its_end_are_named(platform: Platform, before: Moment) -> None:
    deliver(platform, CORRECTED, order(CORRECTED, 90.0))
    corrected = compute(platform, "second-run")
    roll_back(platform, platform.tables["purchases"], None, before.version)
    held = compute(platform, "third-run")
    because = f"purchases 2025-03-02 was rolled back to {before.at:%Y-%m-%dT%H:%M:%SZ}"
    (purchases,) = differences(platform, "purchases", corrected).days
    assert (purchases.money_cents, purchases.causes) == (1000, (because,))
    assert purchases.runs[0].startswith("rollback-")
    (conversions,) = differences(platform, "conversions", corrected).days
    assert (conversions.causes, conversions.runs) == ((because,), ("third-run",))
    # Between the rollback and the run after it conversions still rests on what is rolled back.
    rests = diff(platform, platform.tables["conversions"], before.version, held.version - 1)
    assert (rests.days[0].money_cents, rests.days[0].causes) == (-1000, ("file events_20250302.csv changed",))
    compute(platform, "fourth-run", force=True)
    ended = f"the rollback of purchases 2025-03-02 to {before.at:%Y-%m-%dT%H:%M:%SZ} ended"
    assert differences(platform, "conversions", held).days[0].causes == (ended,)


def test_rows_that_changed_for_no_recorded_reason_are_said_to_come_from_the_code(
    platform: Platform, before: Moment
) -> None:
    table = platform.tables["conversions"]
    assert table.transform is not None
    transform = table.transform

    def all_bots(inputs, days, settings):  # type: ignore[no-untyped-def]
        return transform(inputs, days, settings).with_columns(is_bot=pl.lit(True))

    def with_table(changed: Table) -> Platform:
        return replace(platform, tables={**platform.tables, "conversions": changed})

    edited = with_table(replace(table, transform=all_bots))
    between = compute(edited, "second-run", force=True)
    found = differences(edited, "conversions", before)
    assert [(day.changed, day.money_cents, day.runs) for day in found.days] == [(1, 0, ("second-run",))] * 3
    assert {day.causes for day in found.days} == {
        ("neither a file nor a setting nor a repair: the code changed, or a library",)
    }
    assert found.rows[0].columns == {"is_bot": (False, True)}
    newer = with_table(replace(table, version=table.version + 1))
    compute(newer, "third-run")
    causes = {day.causes for day in differences(newer, "conversions", between).days}
    assert causes == {(f"the table's code: version {table.version} -> {table.version + 1}",)}


def test_nothing_personal_is_in_a_difference(platform: Platform, before: Moment) -> None:
    deliver(platform, CORRECTED, order(CORRECTED, 90.0) | {"client_id": "c-9999999999"})
    compute(platform, "second-run")
    told = ""
    for name, table in platform.tables.items():
        found = diff(platform, table, before.version)
        told += json.dumps(found.to_json(), default=str)
        if name == "identity_links":
            assert [row.key for row in found.rows] == [{"client_id": HIDDEN, "customer_id": HIDDEN}] * 2
    for personal in (BUYER, "c-9999999999", "f" * 64, "https://"):
        assert personal not in told
    assert "events_20250302.csv" in told


def test_of_many_rows_those_that_move_the_most_money_are_shown(platform: Platform, before: Moment) -> None:
    deliver(platform, CORRECTED, order(CORRECTED, 100.0), *(order(CORRECTED, n, f"N{n}") for n in (5.0, 70.0, 6.0)))
    compute(platform, "second-run")
    found = diff(platform, platform.tables["purchases"], before.version, max_rows=2)
    assert [row.money_cents_after for row in found.rows] == [7000, 600]
    assert (found.row_count, found.to_json()["rows_left_out"], found.money_cents) == (3, 1, 8100)


def test_the_past_reads_the_amount_of_before_the_correction(platform: Platform, before: Moment) -> None:
    deliver(platform, CORRECTED, order(CORRECTED, 90.0))
    compute(platform, "second-run")
    text = "select sum(p.revenue_cents), sum(c.revenue_cents) from purchases p join conversions c using (event_id)"
    tables = platform.tables.values()
    assert query(platform.warehouse, tables, text).row(0) == (29000, 29000)
    assert query(platform.warehouse, tables, text, past=past_at(platform.warehouse, before.at)).row(0) == (30000, 30000)
