"""Shows in Dagster what a person did to days outside any run: a rollback and its end."""

from collections.abc import Iterable

import dagster as dg

from puffy_platform.pipeline.rollback import Restored

__all__ = ["report_restored"]


def report_restored(instance: dg.DagsterInstance, restored: Iterable[Restored], told: str) -> None:
    """One materialisation for each day that has other rows or another state now; `told` says what happened."""
    for each in restored:
        metadata: dict[str, dg.RawMetadataValue] = {"dagster/partition_row_count": each.rows, "result": told}
        if each.money_cents is not None:
            metadata["revenue"] = each.money_cents / 100
        instance.report_runless_asset_event(
            dg.AssetMaterialization(each.table, partition=str(each.day), metadata=metadata)
        )
