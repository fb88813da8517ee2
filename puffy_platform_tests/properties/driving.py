"""Drives histories through the real pipeline on a temporary home, and compares with one computation over the files.

Nothing here knows a table: everything is asked of the registry.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from random import Random

import polars as pl

from puffy_platform.pipeline import Plan, Platform, affected, materialise, materialise_ingest
from puffy_platform.settings import Settings
from puffy_platform.table import DayRange, Table, ranges
from puffy_platform.tables import TABLES
from puffy_platform.warehouse.ledger import content_hashes
from puffy_platform_tests.properties.histories import INGEST, LATE_DAYS, Compute, Deliver, History, assignments
from puffy_platform_tests.windows import settings_with

__all__ = [
    "INGESTED",
    "compute",
    "deliver",
    "differences",
    "hashes",
    "in_one_computation",
    "live",
    "platform_for",
    "settle",
    "shop_settings",
]

INGESTED = {name: table for name, table in TABLES.items() if table.transform is None}
ONE_CHUNK = 366
MAX_ROUNDS = 50


def shop_settings(policy: str, with_bots: bool) -> Settings:
    """Windows short enough for a history of some days."""
    return settings_with(
        ingest={"late_days": LATE_DAYS},
        attribution={"windows_days": (1, 2)},
        data_driven={"rolling_days": 3, "min_conversions": 2, "draws": 50},
        funnel={"within_days": 1},
        clv={"fit_every_days": 1, "holdout_days": 1},
        churn={"horizon_days": 1, "retrain_every_days": 1, "snapshots": 1, "keep_retrainings": 2},
        monitoring={"level_days": 1, "scatter_days": 1, "least_days": 1},
        experiments={"outcome_days": 1, "covariate_days": 1},
        orders={"duplicate_policy": policy},
        bots={"include": with_bots},
        run={"chunk_days": ONE_CHUNK},
    )


def platform_for(home: Path, history: History, tables: Mapping[str, Table] = TABLES) -> Platform:
    """A platform of its own on an empty home."""
    (home / "landing").mkdir(parents=True)
    (home / "assignments.csv").write_text(assignments(history.days), "utf-8")
    settings = shop_settings(history.policy, history.with_bots)
    return Platform(settings.model_copy(update={"home": home}), tables)


def live(platform: Platform, history: History) -> None:
    """Everything that happens, in order."""
    for act in history.acts:
        if isinstance(act, Deliver):
            deliver(platform, act)
        else:
            compute(platform, act, may_hold_back=True)


def deliver(platform: Platform, act: Deliver) -> None:
    path = platform.settings.landing / act.name
    if act.content is None:
        path.unlink(missing_ok=True)
    else:
        path.write_bytes(act.content)


def compute(platform: Platform, act: Compute, *, may_hold_back: bool = False) -> None:
    """Compute as the assets do. A day may be held back only between things that happen out of order: when two files
    hold the same row and just one of their days was read again, events_enriched would hold it twice, and says no.
    """
    sized = _in_chunks(platform, act.chunk_days)
    for name in act.tables:
        if name != INGEST and name not in platform.tables:
            continue
        if name == INGEST:
            reports = list(materialise_ingest(sized, act.days, run_id="test", force=act.force).values())
        else:
            reports = [materialise(sized, platform.tables[name], act.days, run_id="test", force=act.force)]
        for report in reports:
            failed = report.outcomes.filter(pl.col("status") == "fail", pl.col("severity") == "error")
            assert may_hold_back or failed.is_empty(), failed.rows(named=True)


def settle(platform: Platform, days: DayRange, random: Random | None = None) -> int:
    """Compute what the plan says until it says nothing; with `random`, at first in any order and any chunks.

    Returns the number of rounds. Raises AssertionError when the plan does not come to an end.
    """
    for number in range(MAX_ROUNDS):
        plan = affected(platform, days)
        if not plan:
            return number
        work = [(_group(platform, table), span) for table, stale in plan.days.items() for span in ranges(stale)]
        is_any_order = random is not None and number == 0
        if random is not None and is_any_order:
            random.shuffle(work)
        for name, span in dict.fromkeys(work):
            chunk_days = random.choice((3, ONE_CHUNK, ONE_CHUNK)) if random else ONE_CHUNK
            compute(platform, Compute((name,), span, chunk_days, force=False), may_hold_back=is_any_order)
    raise AssertionError(f"not settled after {MAX_ROUNDS} rounds: {_told(affected(platform, days))}")


def in_one_computation(platform: Platform, days: DayRange, root: Path) -> Platform:
    """Every table over all days at once from the files as they are now, with the registry's own declarations."""
    right = {name: TABLES[name] for name in platform.tables}
    truth = replace(_in_chunks(platform, ONE_CHUNK), tables=right, warehouse_root=str(root))
    compute(truth, Compute((INGEST, *(table.name for table in truth.derived)), days, ONE_CHUNK, force=True))
    return truth


def differences(mine: Platform, theirs: Platform, tables: Iterable[str] | None = None) -> list[tuple[str, dt.date]]:
    """The table-days that do not hold exactly the same rows; all days, also those neither was asked for."""
    found = []
    for name in tables or mine.tables:
        table = theirs.tables[name]
        held, expected = (hashes(platform, table) for platform in (mine, theirs))
        found += [(name, day) for day in sorted(held.keys() | expected.keys()) if held.get(day) != expected.get(day)]
    return found


def hashes(platform: Platform, table: Table) -> dict[dt.date, str]:
    """A hash of the rows of each day that has any."""
    rows = platform.warehouse.read(table).collect()
    return dict(content_hashes(table, rows).select("day", "content_hash").iter_rows())


def _in_chunks(platform: Platform, chunk_days: int) -> Platform:
    run = platform.settings.run.model_copy(update={"chunk_days": chunk_days})
    return replace(platform, settings=platform.settings.model_copy(update={"run": run}))


def _group(platform: Platform, table: str) -> str:
    return INGEST if platform.tables[table].transform is None else table


def _told(plan: Plan) -> str:
    return ", ".join(f"{table} {span}: {reason.value}" for table, reason, span in plan.spans())
