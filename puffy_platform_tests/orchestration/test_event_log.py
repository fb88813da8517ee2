"""Events written in batches are the events Dagster's own storage would hold."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import dagster as dg
import pytest
from dagster._core.events import StepMaterializationData
from dagster._core.storage.event_log import SqliteEventLogStorage

from puffy_platform.orchestration import event_log
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
            planned_checks(home),
        )


def planned_checks(home: Path) -> list[tuple[object, ...]]:
    """What is stored of the checks that the run was going to evaluate, but for ids and times."""
    with closing(sqlite3.connect(home / "history" / "runs" / "index.db")) as database:
        query = (
            "select checks.asset_key, check_name, checks.partition, checks.run_id = events.run_id, "
            "evaluation_event = event, checks.evaluation_event_timestamp = events.timestamp "
            "from asset_check_executions as checks join event_logs as events "
            "on events.id = evaluation_event_storage_id where execution_status = 'PLANNED' order by checks.partition"
        )
        found = database.execute(query).fetchall()
    assert [partition for _, _, partition, *_ in found] == [f"2026-01-0{day}" for day in range(1, 6)]
    return found


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


def event_of(run_id: str, kind: str = "ASSET_MATERIALIZATION") -> dg.EventLogEntry:
    made = StepMaterializationData(dg.AssetMaterialization(dg.AssetKey("a_table")))
    return dg.EventLogEntry(
        error_info=None,
        level=10,
        user_message="",
        run_id=run_id,
        timestamp=0.0,
        dagster_event=dg.DagsterEvent(
            event_type_value=kind,
            job_name="a job",
            event_specific_data=made if kind == "ASSET_MATERIALIZATION" else None,
        ),
    )


def test_a_batch_is_stored_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    storage, event = BatchedSqliteEventLogStorage(base_dir=str(tmp_path)), event_of("a-run")
    storage.store_event_batch([event, event])
    assert len(storage.get_logs_for_run("a-run")) == 2
    calls = iter([None, RuntimeError("disk full")])
    store = SqliteEventLogStorage.store_event

    def failing(self: BatchedSqliteEventLogStorage, event: dg.EventLogEntry) -> None:
        store(self, event)
        if error := next(calls):
            raise error

    monkeypatch.setattr(SqliteEventLogStorage, "store_event", failing)
    with pytest.raises(RuntimeError, match="disk full"):
        storage.store_event_batch([event, event])
    assert len(storage.get_logs_for_run("a-run")) == 2
    calls = iter([None, None, RuntimeError("disk full"), None])
    with storage.gather():
        storage.store_event(event)
        with pytest.raises(RuntimeError, match="disk full"):
            storage.store_event_batch([event, event])
        assert len(storage.get_logs_for_run("a-run")) == 3, "what waited is stored"


def written(folder: Path, run_id: str) -> int:
    """How many events of the run another process would find now."""
    with closing(sqlite3.connect(folder / f"{run_id}.db")) as database:
        found: int = database.execute("select count(*) from event_logs").fetchone()[0]
        return found


def test_gathered_events_are_written_before_a_read_a_change_of_the_run_and_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = BatchedSqliteEventLogStorage(base_dir=str(tmp_path))
    monkeypatch.setattr(event_log, "GATHERED_SECONDS", 3600)
    storage.store_event(event_of("a-run"))
    with storage.gather():
        storage.store_event(event_of("a-run"))
        storage.store_event(event_of("a-run"))
        assert written(tmp_path, "a-run") == 1
        assert len(storage.get_logs_for_run("a-run")) == written(tmp_path, "a-run") == 3
        storage.store_event(event_of("a-run"))
        storage.store_event(event_of("a-run", "PIPELINE_START"))
        storage.store_event(event_of("a-run", "STEP_START"))
        assert written(tmp_path, "a-run") == 6
        storage.store_event(event_of("a-run"))
        storage.store_event_batch([event_of("a-run")])
        assert written(tmp_path, "a-run") == 8
        storage.store_event(event_of("a-run"))
        monkeypatch.setattr(event_log, "GATHERED_SECONDS", -1)
        storage.store_event(event_of("a-run"))
        assert written(tmp_path, "a-run") == 10
        monkeypatch.setattr(event_log, "GATHERED_SECONDS", 3600)
        storage.store_event(event_of("a-run"))

    def break_off() -> None:
        with storage.gather():
            storage.store_event(event_of("a-run"))
            raise RuntimeError("a step broke")

    assert written(tmp_path, "a-run") == 11
    with pytest.raises(RuntimeError, match="a step broke"):
        break_off()
    storage.store_event(event_of("a-run"))
    assert written(tmp_path, "a-run") == 13


def test_the_database_of_a_later_run_is_as_dagster_makes_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def schema_of(folder: Path, run_id: str) -> list[tuple[object, ...]]:
        with closing(sqlite3.connect(folder / f"{run_id}.db")) as database:
            tables = database.execute("select type, name, sql from sqlite_master order by type, name").fetchall()
            return [
                *tables,
                *database.execute("select version_num from alembic_version").fetchall(),
                *database.execute("pragma journal_mode").fetchall(),
            ]

    for name, kind in (("plain", SqliteEventLogStorage), ("batched", BatchedSqliteEventLogStorage)):
        storage = kind(base_dir=str(tmp_path / name))
        for run_id in ("one", "two", "three"):
            storage.store_event(event_of(run_id))
            assert len(storage.get_logs_for_run(run_id)) == 1
        assert sorted(storage.get_all_run_ids()) == ["one", "three", "two"]
    monkeypatch.setattr("os.link", Mock(side_effect=PermissionError))
    storage.store_event(event_of("without links"))
    plain, runs = schema_of(tmp_path / "plain", "one"), ("one", "two", "three", "without links")
    assert [schema_of(tmp_path / "batched", run_id) for run_id in runs] == [plain] * 4


def test_what_is_asked_of_an_asset_while_events_are_gathered_is_never_older_than_its_last_event(tmp_path: Path) -> None:
    storage, key = BatchedSqliteEventLogStorage(base_dir=str(tmp_path)), dg.AssetKey("a_table")

    def last_run() -> str | None:
        found = storage.get_asset_records([key, dg.AssetKey("another")])
        return found[0].asset_entry.last_run_id if found else None

    with storage.gather():
        assert last_run() is None
        storage.store_event(event_of("first"))
        assert last_run() == last_run() == "first"
        storage.store_event(event_of("second"))
        assert last_run() == "second"
        storage.store_event_batch([event_of("third"), event_of("third")])
        assert last_run() == "third"
    BatchedSqliteEventLogStorage(base_dir=str(tmp_path)).store_event(event_of("of another process"))
    assert last_run() == "of another process"
