"""Publishes the marts as a DuckDB file through dagster-duckdb-pandas.

A DuckDB file open for writing locks out every reader, and a reader the writer. So each run builds a fresh file
and puts it in place by renaming: readers keep the file they opened, writers never wait.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import polars as pl
from dagster_duckdb_pandas import DuckDBPandasIOManager

from puffy_platform.marts import MARTS, Mart
from puffy_platform.pipeline import Platform
from puffy_platform.warehouse import Ledger

__all__ = ["FreshDuckDB", "build_file", "marts_asset", "published_asset"]

SCHEMA = "marts"


def build_file(marts: Path, run_id: str) -> Path:
    """The file one run builds, beside the published one."""
    return marts.with_name(f".{marts.name}.{run_id}.building")


class FreshDuckDB(DuckDBPandasIOManager):
    """dagster-duckdb-pandas' IO manager, writing into the run's own new file."""

    def create_io_manager(self, context: dg.InitResourceContext):  # type: ignore[no-untyped-def]
        assert context.run_id is not None
        path = build_file(Path(self.database), context.run_id)
        path.parent.mkdir(parents=True, exist_ok=True)
        return DuckDBPandasIOManager(database=str(path), schema=self.schema_).create_io_manager(context)


def marts_asset(platform: Platform) -> dg.AssetsDefinition:
    """All marts in one step, so that the file never lacks one."""

    @dg.multi_asset(
        name="marts",
        outs={
            mart.name: dg.AssetOut(
                key=[SCHEMA, mart.name],
                io_manager_key="marts",
                description=mart.description,
                group_name="marts",
                owners=["team:marketing"],
                kinds={"duckdb", "pandas"},
            )
            for mart in MARTS
        },
        deps=[dg.AssetDep(name, partition_mapping=dg.AllPartitionMapping()) for name in _reads()],
        required_resource_keys={"platform"},
    )
    def marts(context: dg.AssetExecutionContext) -> Iterator[dg.Output[object]]:
        platform = context.resources.platform
        final_until = platform.final_until(Ledger(platform.warehouse))
        for mart in MARTS:
            rows = _build(platform, mart, final_until)
            yield dg.Output(rows.to_pandas(), output_name=mart.name, metadata={"dagster/row_count": rows.height})

    return marts


def published_asset(platform: Platform) -> dg.AssetsDefinition:
    """The finished file takes the place of the old one."""

    @dg.asset(
        name="published_marts",
        deps=[dg.AssetKey([SCHEMA, mart.name]) for mart in MARTS],
        description="marts.duckdb as analysts open it: replaced whole, in one rename.",
        group_name="marts",
        owners=["team:marketing"],
        kinds={"duckdb"},
        required_resource_keys={"platform"},
    )
    def published_marts(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        import duckdb

        platform = context.resources.platform
        target = platform.settings.marts
        built = build_file(target, context.run_id)
        if not built.exists():
            raise dg.Failure("published_marts needs the marts of the same run: materialise the group `marts` together")
        final_until = platform.final_until(Ledger(platform.warehouse))
        with duckdb.connect(str(built)) as connection:
            # The IO manager makes no table for an empty frame; an analyst's query should find one.
            present = {name for (name,) in connection.execute("select table_name from duckdb_tables()").fetchall()}
            for mart in MARTS:
                if mart.name not in present:
                    empty = _build(platform, mart, final_until).clear().to_arrow()
                    connection.register("empty", empty)
                    connection.execute(f"create table {SCHEMA}.{mart.name} as select * from empty")
                    connection.unregister("empty")
        for wal in built.parent.glob(f"{built.name}.wal"):
            wal.unlink()
        built.replace(target)
        return dg.MaterializeResult(metadata={"file": target.name, "bytes": target.stat().st_size, "tables": len(MARTS)})

    return published_marts


def _reads() -> list[str]:
    return sorted({name for mart in MARTS for name in mart.reads})


def _build(platform: Platform, mart: Mart, final_until: dict[str, dt.date | None]) -> pl.DataFrame:
    inputs = {name: platform.warehouse.read(platform.tables[name]) for name in mart.reads}
    return mart.build(inputs, final_until).collect()
