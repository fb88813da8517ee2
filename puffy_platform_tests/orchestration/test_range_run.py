"""What a run over a range of days leaves in Dagster and in the warehouse, day by day."""

from __future__ import annotations

import os
from collections.abc import Iterator
from unittest.mock import patch

import dagster as dg
import polars as pl
import pytest
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus as Status

from puffy_platform.orchestration.build import build_definitions
from puffy_platform.orchestration.run import open_instance
from puffy_platform.outcomes import check_names
from puffy_platform.pipeline import Platform, check_results
from puffy_platform.tables import TABLES
from puffy_platform_tests.command import Demo, open_home

Metadata = dict[str, object]


@pytest.fixture(scope="module")
def platform(demo: Demo) -> Platform:
    return open_home(demo.home)


@pytest.fixture(scope="module")
def instance(platform: Platform) -> Iterator[dg.DagsterInstance]:
    with patch.dict(os.environ), open_instance(platform) as instance:
        yield instance


def shown(instance: dg.DagsterInstance, name: str) -> dict[str, Metadata]:
    """By partition, the metadata of its newest materialisation."""
    records = instance.fetch_materializations(dg.AssetRecordsFilter(asset_key=dg.AssetKey(name)), limit=1000).records
    found: dict[str, Metadata] = {}
    for record in records:
        assert record.asset_materialization is not None
        values = {key: value.value for key, value in record.asset_materialization.metadata.items()}
        found.setdefault(str(record.partition_key), values)
    return found


@pytest.mark.parametrize("name", TABLES)
def test_every_day_of_every_table_is_materialised_with_its_own_rows_and_money(
    demo: Demo, platform: Platform, instance: dg.DagsterInstance, name: str
) -> None:
    table, partitions = TABLES[name], shown(instance, name)
    rows = platform.warehouse.read(table).collect()
    assert sorted(partitions) == [str(day) for day in demo.days]
    for day in demo.days:
        found, of_day = partitions[str(day)], rows.filter(pl.col("day") == day)
        assert found["dagster/partition_row_count"] == of_day.height
        assert found["dagster/row_count"] == rows.height
        assert str(found["state"]).split(":")[0] in ("final", "provisional")
        if table.money:
            assert found[table.money] == of_day[table.money].sum()
            assert found["revenue"] == of_day[table.money].sum() / 100


def test_days_that_landing_files_can_still_change_are_provisional(demo: Demo, instance: dg.DagsterInstance) -> None:
    # Late rows come within 7 days, and the newest file is of the last day.
    days, partitions = list(demo.days), shown(instance, "events_enriched")
    final = [day for day in days if partitions[str(day)]["state"] == "final"]
    assert final == days[:-7]
    assert all(found["state"] == "final" for found in shown(instance, "raw_events").values())


def test_every_check_of_a_range_run_shows_its_result_in_dagster(
    platform: Platform, instance: dg.DagsterInstance
) -> None:
    keys = build_definitions(platform).resolve_asset_graph().asset_check_keys
    records = instance.event_log_storage.get_latest_asset_check_execution_by_key(list(keys))
    assert {(key.asset_key.to_user_string(), key.name) for key in records} == {
        (table.name, check) for table in TABLES.values() for check in check_names(table)
    }
    bad = check_results(platform).filter(pl.col("status").is_in(["warn", "fail"]))
    names = set(bad.select("table", "check").unique().iter_rows())
    for key, record in records.items():
        has_bad_day = (key.asset_key.to_user_string(), key.name) in names
        assert record.status == (Status.FAILED if has_bad_day else Status.SUCCEEDED)


def test_every_check_has_an_outcome_for_every_day_in_the_check_results(demo: Demo, platform: Platform) -> None:
    found = check_results(platform)
    expected = {
        (table.name, day, check) for table in TABLES.values() for day in demo.days for check in check_names(table)
    }
    assert set(found.select("table", "day", "check").iter_rows()) == expected
    assert set(found["status"]) <= {"pass", "warn", "fail", "skipped", "not enough history"}
    # What is planted is told by the anomalies; no day is held back for it.
    assert set(found.filter(pl.col("status") == "fail").select("table", "severity").rows()) <= {("anomalies", "warn")}


def test_a_check_on_a_day_without_rows_is_skipped_and_not_passed(demo: Demo, platform: Platform) -> None:
    rows = platform.warehouse.read(TABLES["conversions"]).collect()
    empty = [day for day in demo.days if rows.filter(pl.col("day") == day).is_empty()]
    assert empty, "the small shop has days without an order"
    found = check_results(platform).filter(pl.col("day").is_in(empty), table="conversions", check="key")
    assert found["status"].to_list() == ["skipped"] * len(empty)
