"""What Dagster shows of a table: schema, lineage, owners, partition mappings, per-day metadata. No execution here."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

import dagster as dg
import polars as pl

from puffy_platform.outcomes import JUDGED, check_names
from puffy_platform.pipeline import DayResult, Platform, Report
from puffy_platform.settings import Settings
from puffy_platform.table import Reads, Table

__all__ = ["asset_spec", "check_results_of", "check_specs", "day_metadata", "partition_mapping"]

# Dagster has no "all partitions up to this one"; a century back says the same and clips at the first day.
HISTORY_DAYS = 36_500
KINDS = {"polars", "deltalake"}


def partition_mapping(read: Reads, settings: Settings) -> dg.PartitionMapping:
    """The declared window of a read, in Dagster's words."""
    before, after = read.offsets(settings)
    return dg.TimeWindowPartitionMapping(
        start_offset=-(HISTORY_DAYS if read.history else before),
        end_offset=after,
        allow_nonexistent_upstream_partitions=True,
    )


def asset_spec(table: Table, platform: Platform, extra_deps: Iterable[dg.AssetDep] = ()) -> dg.AssetSpec:
    """The static description of a table as an asset."""
    settings = platform.settings
    deps = [dg.AssetDep(read.table, partition_mapping=partition_mapping(read, settings)) for read in table.reads]
    columns = [
        dg.TableColumn(
            name=column["name"],
            type=column["type"],
            description=column["description"],
            constraints=dg.TableColumnConstraints(
                nullable=column["nullable"], unique=table.key == (column["name"],), other=column["tags"]
            ),
        )
        for column in table.describe()
    ]
    metadata: dict[str, object] = {
        "dagster/column_schema": dg.TableSchema(columns=columns),
        "dagster/table_name": table.name,
        "key": ", ".join(table.key),
        "reads": "\n".join(_read_sentence(read, settings) for read in table.reads) or "the landing files of the day",
        "alerts go to": settings.alerts.channels.get(table.owner, "nobody: no channel is set for this owner"),
        "personal columns": ", ".join(table.columns_tagged("pii") + table.columns_tagged("identity")) or "none",
    }
    if table.lineage:
        metadata["dagster/column_lineage"] = dg.TableColumnLineage(
            {
                column: [dg.TableColumnDep(asset_key=dg.AssetKey(name), column_name=source) for name, source in sources]
                for column, sources in table.lineage.items()
            }
        )
    return dg.AssetSpec(
        key=table.name,
        deps=[*deps, *extra_deps],
        description=table.description,
        group_name=table.group,
        owners=[table.owner],
        kinds=KINDS,
        tags={"grain": "history"} if any(read.history for read in table.reads) else {"grain": "window"},
        metadata=metadata,
        code_version=str(table.version),
    )


def _read_sentence(read: Reads, settings: Settings) -> str:
    if read.history:
        return f"{read.table}: all days up to the day"
    before, after = read.offsets(settings)
    if not before and not after:
        return f"{read.table}: the same day"
    return f"{read.table}: {before} days before to {after} days after"


def check_specs(table: Table) -> list[dg.AssetCheckSpec]:
    """Every check of the table; those of error severity stop what is downstream."""
    return [
        dg.AssetCheckSpec(name, asset=table.name, description=description, blocking=severity == "error")
        for name, (severity, description) in check_names(table).items()
    ]


def check_results_of(table: Table, report: Report) -> Iterable[dg.AssetCheckResult]:
    """One result a check for the run, with the days that did not pass; a check judged on no day says so."""
    statuses = report.outcomes.group_by("check", "status").len()
    days_of = {(check, status): days for check, status, days in statuses.iter_rows()}
    not_passed = report.outcomes.filter(pl.col("status").is_in(["fail", "warn"])).sort("day")
    for name, (severity, _) in check_names(table).items():
        days = sum(count for (check, _), count in days_of.items() if check == name)
        judged = sum(days_of.get((name, status), 0) for status in JUDGED)
        young = days_of.get((name, "not enough history"), 0)
        bad = not_passed if not_passed.is_empty() else not_passed.filter(check=name)
        is_error = severity == "error"
        metadata: dict[str, dg.RawMetadataValue] = {
            "days judged": judged,
            "days without rows to judge": days - judged - young,
        }
        if young:
            metadata["days without enough history"] = young
        if bad.height:
            rows = [
                dg.TableRecord({"day": str(row["day"]), "observed": row["observed"], "expected": row["expected"]})
                for row in bad.head(50).iter_rows(named=True)
            ]
            metadata["days not passed"] = dg.MetadataValue.table(rows)
        yield dg.AssetCheckResult(
            asset_key=table.name,
            check_name=name,
            passed=bad.is_empty(),
            severity=dg.AssetCheckSeverity.ERROR if is_error else dg.AssetCheckSeverity.WARN,
            description=_verdict_sentence(bad.height, judged, days, young),
            metadata=metadata,
        )


def _verdict_sentence(bad: int, judged: int, days: int, young: int) -> str:
    if not days:
        return "Every day was current: nothing was computed and nothing judged."
    if not judged and young:
        return f"Not enough history yet on {young} of {days} day(s); nothing was judged."
    if not judged:
        return f"Skipped on all {days} day(s): there was nothing to judge."
    return f"{bad} of {judged} judged day(s) did not pass." if bad else f"Passed on {judged} day(s)."


def day_metadata(table: Table, result: DayResult, final_until: dt.date | None) -> dict[str, object]:
    """What one partition shows: rows, money, whether it changed, whether it can still change."""
    is_final = final_until is not None and result.day <= final_until
    metadata: dict[str, object] = {
        "dagster/partition_row_count": result.rows,
        "state": "final" if is_final else "provisional: landing days it reads are still to come",
        "result": _what_happened(result),
    }
    if result.money_cents is not None:
        metadata[f"{table.money}"] = result.money_cents
        metadata["revenue"] = result.money_cents / 100
    return metadata


def _what_happened(result: DayResult) -> str:
    if result.rolled_back_to is not None:
        return f"rolled back to its rows of {result.rolled_back_to}"
    return "rows changed" if result.changed else "same rows" if result.recomputed else "was current"
