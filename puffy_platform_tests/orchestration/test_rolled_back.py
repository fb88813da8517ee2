"""A rolled-back day looks rolled back in Dagster as well, at once and after the runs that leave it alone."""

import datetime as dt

import dagster as dg

from puffy_platform.orchestration.describe import day_metadata
from puffy_platform.orchestration.rolled_back import report_restored
from puffy_platform.pipeline import DayResult
from puffy_platform.pipeline.rollback import Restored
from puffy_platform.warehouse.ledger import ROLLED_BACK, Entry
from puffy_platform_tests.toy import TOY, day


def test_a_rollback_is_a_materialisation_of_its_days() -> None:
    restored = [Restored("purchases", day(2), 7, 8, 9000, 10000), Restored("identities", day(2), 1, 1, None, None)]
    with dg.DagsterInstance.ephemeral() as instance:
        report_restored(instance, restored, "rolled back to 2025-03-02T06:00:00Z")
        event = instance.get_latest_materialization_event(dg.AssetKey("purchases"))
        assert event is not None
        assert event.asset_materialization is not None
        assert event.asset_materialization.partition == "2025-03-02"
        told = {name: value.value for name, value in event.asset_materialization.metadata.items()}
        assert told == {
            "dagster/partition_row_count": 8,
            "result": "rolled back to 2025-03-02T06:00:00Z",
            "revenue": 100.0,
        }
        other = instance.get_latest_materialization_event(dg.AssetKey("identities"))
        assert other is not None
        assert "revenue" not in other.asset_materialization.metadata  # type: ignore[union-attr]


def test_a_run_that_leaves_a_rolled_back_day_alone_shows_that_it_is_one() -> None:
    inputs = f"{ROLLED_BACK}2025-03-02T06:00:00Z"
    now = dt.datetime.now(dt.UTC)
    entry = Entry("toy", day(1), 1, "c", {}, "d", inputs, "f", 1, None, "r", now)
    assert (
        day_metadata(TOY, DayResult.untouched(entry), None)["result"]
        == "rolled back to its rows of 2025-03-02T06:00:00Z"
    )
    current = Entry("toy", day(1), 1, "c", {}, "d", "inputs", "f", 1, None, "r", now)
    assert day_metadata(TOY, DayResult.untouched(current), None)["result"] == "was current"
