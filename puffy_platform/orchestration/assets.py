"""Software-defined assets out of the registry: one for ingest's tables together, one for every derived table."""

import datetime as dt
from collections.abc import Iterable, Iterator

import dagster as dg

from puffy_platform.orchestration.describe import asset_spec, check_results_of, check_specs, day_metadata
from puffy_platform.orchestration.names import HELD_BACK, SKIP_CURRENT_TAG
from puffy_platform.orchestration.patience import patiently
from puffy_platform.pipeline import Platform, Report, materialise, materialise_ingest
from puffy_platform.table import DayRange, Table

__all__ = ["LANDING_FILES", "derived_asset", "ingest_asset", "landing_files"]

LANDING_FILES = "landing_files"


def landing_files() -> dg.AssetSpec:
    """The raw files, as the source of the graph."""
    return dg.AssetSpec(
        LANDING_FILES,
        description="Daily event files as the shop delivers them: events_YYYYMMDD.csv, .csv.gz, .ndjson or .parquet.",
        group_name="raw",
        kinds={"csv", "parquet"},
        owners=["team:ingest"],
        metadata={"names": "events_YYYYMMDD*.{csv,csv.gz,ndjson,parquet}"},
    )


def ingest_asset(platform: Platform, partitions: dg.PartitionsDefinition) -> dg.AssetsDefinition:
    """All tables of a landing day, read from its files in one step, whichever of them were chosen."""
    tables = platform.ingested
    specs = [asset_spec(table, platform, [dg.AssetDep(LANDING_FILES)]) for table in tables]

    @dg.multi_asset(
        name="ingest",
        specs=[spec.replace_attributes(skippable=True) for spec in specs],
        can_subset=True,
        check_specs=[spec for table in tables for spec in check_specs(table)],
        partitions_def=partitions,
        backfill_policy=_backfill_policy(platform),
        required_resource_keys={"platform"},
    )
    def ingest(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult[object] | dg.AssetCheckResult]:
        platform = context.resources.platform
        days, run_id, force = _days(context), context.run.run_id, _force(context)
        reports = patiently(context, lambda: materialise_ingest(platform, days, run_id=run_id, force=force))
        yield from _results(context, platform, [(platform.tables[name], report) for name, report in reports.items()])

    return ingest


def derived_asset(table: Table, platform: Platform, partitions: dg.PartitionsDefinition) -> dg.AssetsDefinition:
    """One derived table; a range of days is one vectorised pass a chunk."""

    @dg.multi_asset(
        name=table.name,
        specs=[asset_spec(table, platform)],
        check_specs=check_specs(table),
        partitions_def=partitions,
        backfill_policy=_backfill_policy(platform),
        required_resource_keys={"platform"},
    )
    def compute(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult[object] | dg.AssetCheckResult]:
        platform = context.resources.platform
        days, run_id, force = _days(context), context.run.run_id, _force(context)
        report = patiently(context, lambda: materialise(platform, table, days, run_id=run_id, force=force))
        yield from _results(context, platform, [(table, report)])

    return compute


def _backfill_policy(platform: Platform) -> dg.BackfillPolicy:
    return dg.BackfillPolicy.multi_run(max_partitions_per_run=platform.settings.run.chunk_days)


def _days(context: dg.AssetExecutionContext) -> DayRange:
    keys = context.partition_keys
    return DayRange(dt.date.fromisoformat(keys[0]), dt.date.fromisoformat(keys[-1]))


def _force(context: dg.AssetExecutionContext) -> bool:
    return context.run.tags.get(SKIP_CURRENT_TAG) != "true"


def _results(
    context: dg.AssetExecutionContext, platform: Platform, found: Iterable[tuple[Table, Report]]
) -> Iterator[dg.MaterializeResult[object] | dg.AssetCheckResult]:
    """Report to Dagster, also of tables that were written although they were not chosen.

    When days were held back, the good days are still marked as materialised, then the step fails, so that nothing
    downstream takes the missing days for done. The failure names the days: the caller can go on with the others.
    """
    found = list(found)
    ledger = platform.ledger()
    final_until = platform.final_until(ledger)
    held_back = [report for _, report in found if report.held_back]
    chosen, checks = context.selected_asset_keys, context.selected_asset_check_keys
    for table, report in found:
        is_chosen = dg.AssetKey(table.name) in chosen
        for result in report.days:
            metadata = day_metadata(table, result, final_until[table.name])
            if held_back or not is_chosen:
                context.log_event(
                    dg.AssetMaterialization(table.name, partition=str(result.day), metadata=metadata)  # type: ignore[arg-type]
                )
            else:
                context.add_asset_metadata(metadata, asset_key=table.name, partition_key=str(result.day))
        for day in report.held_back if is_chosen else ():
            known = ledger.get(table.name, day)
            state = "old rows: a check held the new ones back" if known and known.rows else "held back by a check"
            context.log_event(dg.AssetObservation(table.name, partition=str(day), metadata={"state": state}))
        if is_chosen and not held_back:
            changed = sum(result.changed for result in report.days)
            yield dg.MaterializeResult(
                asset_key=table.name,
                metadata={
                    "dagster/row_count": sum(ledger.of(table.name).rows.values()),
                    "days changed": changed,
                    "seconds": round(report.seconds, 3),
                },
            )
        for check in check_results_of(table, report):
            if dg.AssetCheckKey(dg.AssetKey(table.name), str(check.check_name)) in checks:
                yield check
    if held_back:
        raise dg.Failure(
            "\n".join(report.held_back_sentence() for report in held_back),
            metadata={HELD_BACK: sorted({str(day) for report in held_back for day in report.held_back})},
            allow_retries=False,
        )
