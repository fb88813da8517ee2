"""Publishes the marts as a DuckDB file through dagster-duckdb-pandas.

A DuckDB file open for writing locks out every reader, and a reader the writer. So each run builds a fresh file
and puts it in place by renaming: readers keep the file they opened, writers never wait.
"""

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import duckdb
import polars as pl
from dagster._core.storage.db_io_manager import DbIOManager, TableSlice
from dagster_duckdb.io_manager import DuckDbClient
from dagster_duckdb_pandas import DuckDBPandasIOManager

from puffy_platform.marts import MARTS, Mart
from puffy_platform.orchestration.patience import patiently
from puffy_platform.pipeline import Platform
from puffy_platform.pipeline.report import CHECK_RESULTS, check_results
from puffy_platform.pipeline.stale import stale_days
from puffy_platform.pipeline.status import declared

__all__ = ["SCHEMA", "FreshDuckDB", "build_file", "marts_asset", "published_asset"]

KEY_PREFIX = "marts"
# DuckDB names the catalog after the file, so a schema `marts` in marts.duckdb would be ambiguous.
SCHEMA = "main"


def build_file(marts: Path, run_id: str) -> Path:
    """The file one run builds, beside the published one."""
    return marts.with_name(f".{marts.name}.{run_id}.building")


class RunFile(DuckDbClient):
    """dagster-duckdb's client, on the run's own file instead of the published one."""

    @staticmethod
    @contextmanager
    def connect(context: dg.OutputContext | dg.InputContext, table_slice: TableSlice) -> Iterator[object]:
        assert context.resource_config is not None
        assert isinstance(context, dg.OutputContext)
        path = build_file(Path(str(context.resource_config["database"])), context.run_id)
        path.parent.mkdir(parents=True, exist_ok=True)
        with duckdb.connect(str(path)) as connection:
            yield connection


class FreshDuckDB(DuckDBPandasIOManager):
    """dagster-duckdb-pandas' IO manager, writing into the run's own new file."""

    def create_io_manager(self, context: dg.InitResourceContext) -> DbIOManager:
        return DbIOManager(
            db_client=RunFile(),
            database=self.database,
            schema=self.schema_,
            type_handlers=self.type_handlers(),
            default_load_type=self.default_load_type(),
            io_manager_name=type(self).__name__,
        )


def marts_asset(platform: Platform) -> dg.AssetsDefinition:
    """All marts in one step, so that the file never lacks one."""

    @dg.multi_asset(
        name="marts",
        outs={
            mart.name: dg.AssetOut(
                key=[KEY_PREFIX, mart.name],
                io_manager_key="marts",
                description=mart.description,
                group_name="marts",
                owners=["team:marketing"],
                kinds={"duckdb", "pandas"},
            )
            for mart in MARTS
        },
        deps=[dg.AssetDep(name, partition_mapping=dg.AllPartitionMapping()) for name in _reads()],
        internal_asset_deps={mart.name: {dg.AssetKey(name) for name in mart.reads} for mart in MARTS},
        required_resource_keys={"platform"},
    )
    def marts(context: dg.AssetExecutionContext) -> Iterator[dg.Output[object]]:
        platform = context.resources.platform
        frames = patiently(context, lambda: _frames(platform))
        for mart in MARTS:
            rows = frames[mart.name]
            # pandas has no exact decimal; text keeps every cent until the published file gives it its type.
            plain = rows.with_columns(pl.col(pl.Decimal).cast(pl.String))
            yield dg.Output(plain.to_pandas(), output_name=mart.name, metadata={"dagster/row_count": rows.height})

    return marts


def published_asset(platform: Platform) -> dg.AssetsDefinition:
    """The finished file takes the place of the old one."""

    @dg.asset(
        name="published_marts",
        deps=[dg.AssetKey([KEY_PREFIX, mart.name]) for mart in MARTS],
        description="marts.duckdb as analysts open it: replaced whole, in one rename.",
        group_name="marts",
        owners=["team:marketing"],
        kinds={"duckdb"},
        required_resource_keys={"platform"},
    )
    def published_marts(context: dg.AssetExecutionContext) -> dg.MaterializeResult[object]:
        platform = context.resources.platform
        target = platform.settings.marts
        built = build_file(target, context.run.run_id)
        if not built.exists():
            raise dg.Failure("published_marts needs the marts of the same run: materialise the group `marts` together")
        final_until = platform.final_until(platform.ledger())
        nothing_stale = pl.DataFrame(schema={"table": pl.String, "day": pl.Date})
        with duckdb.connect(str(built)) as connection:
            present = {name for (name,) in connection.execute("select table_name from duckdb_tables()").fetchall()}
            for mart in MARTS:
                typed = _lazy(platform, mart, final_until, nothing_stale).limit(0).collect()
                if mart.name not in present:
                    # The IO manager makes no table for an empty frame; an analyst's query should find one.
                    connection.register("typed", typed.to_arrow())
                    connection.execute(f"create table {mart.name} as select * from typed")
                    connection.unregister("typed")
                for column, dtype in typed.schema.items():
                    if dtype.is_decimal() or dtype == pl.Date:
                        sql_type = "DATE" if dtype == pl.Date else "DECIMAL(18, 2)"
                        connection.execute(f'alter table {mart.name} alter "{column}" type {sql_type}')
        built.with_name(f"{built.name}.wal").unlink(missing_ok=True)
        built.replace(target)
        _remove_left_behind(target, context.instance)
        return dg.MaterializeResult(
            metadata={"file": target.name, "bytes": target.stat().st_size, "tables": len(MARTS)}
        )

    return published_marts


def _remove_left_behind(target: Path, instance: dg.DagsterInstance) -> None:
    """The files of runs that failed before they could publish."""
    for path in target.parent.glob(build_file(target, "*").name + "*"):
        run_id = path.name.removeprefix(f".{target.name}.").partition(".")[0]
        run = instance.get_run_by_id(run_id)
        if run is None or run.is_finished:
            path.unlink(missing_ok=True)


def _reads() -> list[str]:
    return sorted({name for mart in MARTS for name in mart.reads})


def _frames(platform: Platform) -> dict[str, pl.DataFrame]:
    final_until, stale = platform.final_until(platform.ledger()), stale_days(platform)
    return {mart.name: _lazy(platform, mart, final_until, stale).collect() for mart in MARTS}


def _lazy(platform: Platform, mart: Mart, final_until: dict[str, dt.date | None], stale: pl.DataFrame) -> pl.LazyFrame:
    inputs = {name: platform.warehouse.read(platform.tables[name]) for name in mart.reads}
    if mart.reads_outcomes:
        inputs[CHECK_RESULTS] = declared(platform, check_results(platform)).lazy()
    return mart.rows(inputs, final_until, stale)
