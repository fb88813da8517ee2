"""Events written in batches are the events Dagster's own storage would hold."""

from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.events import StepMaterializationData

from puffy_platform.orchestration.event_log import BatchedSqliteEventLogStorage
from puffy_platform.orchestration.run import INSTANCE_SETTINGS

DAYS = dg.DailyPartitionsDefinition(start_date="2026-01-01", end_date="2026-01-06")


# Backfill policies are in beta; the platform uses them on purpose.
pytestmark = pytest.mark.filterwarnings("ignore::dagster.BetaWarning")


def a_table() -> dg.AssetsDefinition:
    @dg.asset(
        name="a_table",
        partitions_def=DAYS,
        backfill_policy=dg.BackfillPolicy.single_run(),
        check_specs=[dg.AssetCheckSpec("a_check", asset="a_table")],
    )
    def compute(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        return dg.MaterializeResult(
            metadata={"dagster/row_count": 7}, check_results=[dg.AssetCheckResult(passed=True, check_name="a_check")]
        )

    return compute


def seen(home: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[object, ...]:
    """Run the asset over all its days in an instance of this home, and read back what Dagster knows of it."""
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    with dg.DagsterInstance.get() as instance:
        result = dg.materialize(
            [a_table()],
            instance=instance,
            tags={
                "dagster/asset_partition_range_start": "2026-01-01",
                "dagster/asset_partition_range_end": "2026-01-05",
            },
        )
        events = [record.event_log_entry for record in instance.get_records_for_run(result.run_id).records]
        last = instance.get_latest_materialization_event(dg.AssetKey("a_table"))
        assert last is not None
        return (
            sorted(event.dagster_event_type.value for event in events if event.dagster_event_type),
            instance.get_materialized_partitions(dg.AssetKey("a_table")),
            last.run_id == result.run_id,
            [check.status.value for check in checks(instance)],
        )


def checks(instance: dg.DagsterInstance) -> list[Any]:
    key = dg.AssetCheckKey(dg.AssetKey("a_table"), "a_check")
    return list(instance.event_log_storage.get_asset_check_execution_history(key, limit=9))


def test_a_batched_instance_knows_what_a_plain_one_knows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DAGSTER_EVENT_BATCH_SIZE", raising=False)
    for name in ("plain", "batched"):
        (tmp_path / name).mkdir()
    (tmp_path / "plain" / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    (tmp_path / "batched" / "dagster.yaml").write_text(INSTANCE_SETTINGS)
    plain = seen(tmp_path / "plain", monkeypatch)
    batches: list[int] = []
    store = BatchedSqliteEventLogStorage.store_event_batch

    def counted(storage: BatchedSqliteEventLogStorage, events: list[dg.EventLogEntry]) -> None:
        batches.append(len(events))
        store(storage, events)

    monkeypatch.setattr(BatchedSqliteEventLogStorage, "store_event_batch", counted)
    assert seen(tmp_path / "batched", monkeypatch) == plain
    assert sum(batches) >= 10, "the plan and the materialisation of every day go in batches"
    assert {path.name for path in (tmp_path / "batched" / "history" / "runs").glob("index.db")} == {"index.db"}


def test_a_batch_is_stored_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    storage = BatchedSqliteEventLogStorage(base_dir=str(tmp_path))
    key = dg.AssetKey("a_table")
    event = dg.EventLogEntry(
        error_info=None,
        level=10,
        user_message="",
        run_id="a-run",
        timestamp=0.0,
        dagster_event=dg.DagsterEvent(
            event_type_value="ASSET_MATERIALIZATION",
            job_name="a job",
            event_specific_data=StepMaterializationData(dg.AssetMaterialization(key)),
        ),
    )
    storage.store_event_batch([event, event])
    assert len(storage.get_logs_for_run("a-run")) == 2
    calls = iter([None, RuntimeError("disk full")])
    store = BatchedSqliteEventLogStorage.store_event

    def failing(self: BatchedSqliteEventLogStorage, event: dg.EventLogEntry) -> None:
        store(self, event)
        if error := next(calls):
            raise error

    monkeypatch.setattr(BatchedSqliteEventLogStorage, "store_event", failing)
    with pytest.raises(RuntimeError, match="disk full"):
        storage.store_event_batch([event, event])
    assert len(storage.get_logs_for_run("a-run")) == 2
