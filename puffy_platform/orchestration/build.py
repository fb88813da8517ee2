"""Assembles Dagster's definitions from a `Platform`."""

from __future__ import annotations

import datetime as dt
import warnings

import dagster as dg

from puffy_platform.orchestration.assets import derived_asset, ingest_asset, landing_files
from puffy_platform.orchestration.marts import SCHEMA, FreshDuckDB, marts_asset, published_asset
from puffy_platform.pipeline import Platform

__all__ = ["INGEST_JOB", "MARTS_JOB", "TABLES_JOB", "build_definitions", "last_partition"]

INGEST_JOB, TABLES_JOB, MARTS_JOB = "ingest_days", "compute_days", "publish_marts"
# Before any file has landed there is no first day yet; a month is enough for the graph to be looked at.
DAYS_SHOWN_WITHOUT_FILES = 30


def build_definitions(platform: Platform) -> dg.Definitions:
    """Every table as an asset, the jobs over them, in-process execution (a step's own process costs seconds)."""
    partitions = dg.DailyPartitionsDefinition(start_date=str(first_partition(platform)), timezone="UTC")
    with warnings.catch_warnings():
        # Backfill policies are in beta; the choice is deliberate and measured.
        warnings.simplefilter("ignore", dg.BetaWarning)
        ingest = ingest_asset(platform, partitions)
        derived = [derived_asset(table, platform, partitions) for table in platform.derived]
    marts, published = marts_asset(platform), published_asset(platform)
    return dg.Definitions(
        assets=[landing_files(platform), ingest, *derived, marts, published],
        jobs=[
            dg.define_asset_job(INGEST_JOB, dg.AssetSelection.assets(ingest), description="Read landing files."),
            dg.define_asset_job(TABLES_JOB, dg.AssetSelection.assets(*derived), description="Compute all tables."),
            dg.define_asset_job(MARTS_JOB, dg.AssetSelection.assets(marts, published), description="Publish marts."),
        ],
        resources={
            "platform": dg.ResourceDefinition.hardcoded_resource(platform),
            "marts": FreshDuckDB(database=str(platform.settings.marts), schema=SCHEMA),
        },
        executor=dg.in_process_executor,
    )


def first_partition(platform: Platform) -> dt.date:
    """The first day of every table, known from the settings or the landing folder."""
    start = platform.start_day(platform.landing())
    return start or dt.datetime.now(dt.UTC).date() - dt.timedelta(days=DAYS_SHOWN_WITHOUT_FILES)


def last_partition() -> dt.date:
    """The last complete UTC day: the newest daily partition."""
    return dt.datetime.now(dt.UTC).date() - dt.timedelta(days=1)
