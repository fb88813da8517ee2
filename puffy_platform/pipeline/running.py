"""The running day: what has landed of it so far, computed in memory and judged by its complete hours.

No table holds a row of it before it is over: its verdicts go to a log of their own and, as outcomes of the checks of
`anomalies`, to the check log, where those of the whole day will take their place.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from dataclasses import dataclass

import polars as pl

from puffy_platform.ingest.accept import ingest
from puffy_platform.monitoring.detect import reach
from puffy_platform.monitoring.hours import DELIVERED, judge_running_day
from puffy_platform.monitoring.measure import measure_delivery
from puffy_platform.outcomes import evaluate
from puffy_platform.pipeline.ingesting import days_before
from puffy_platform.pipeline.landing import Landing
from puffy_platform.pipeline.materialise import as_stored, compute
from puffy_platform.pipeline.platform import Platform
from puffy_platform.pipeline.report import Report, record_outcomes
from puffy_platform.table import DayRange, Table
from puffy_platform.warehouse import Ledger

__all__ = [
    "RUNNING_DAY",
    "RunningDay",
    "judge_running",
    "record_running",
    "running_files",
    "running_rows",
    "running_sentences",
]

RUNNING_DAY = "running_day"
HOURS, DAILY, VERDICTS = "hourly_metrics", "daily_metrics", "anomalies"


@dataclass(frozen=True)
class RunningDay:
    """A day as far as it has landed: `hours` of it are over, `rows` are as in `anomalies`, `files` names the content of
    the landing files it is judged by."""

    day: dt.date
    hours: int
    files: str
    rows: pl.DataFrame
    report: Report


def running_files(platform: Platform, landing: Landing, day: dt.date) -> str:
    """Names what a day is judged by: its files, their repairs, and the definitions of what looks at them. Empty when
    nothing of the day has landed, or the platform has no table to compare it by."""
    if day not in landing.files or not {HOURS, DAILY, VERDICTS} <= platform.tables.keys():
        return ""
    tables = [platform.tables[name].definition_fingerprint(platform.settings) for name in (HOURS, VERDICTS)]
    found = [str(day), landing.fingerprint(day), landing.repairs_key(day), tables]
    return hashlib.sha256(json.dumps(found).encode()).hexdigest()[:24]


def judge_running(platform: Platform, day: dt.date) -> RunningDay:
    """Read what has landed of the day and judge its complete hours by the same hours of the days before. Writes
    nothing; the same files give the same verdicts, in however many pieces and whichever order they came."""
    landing, ledger, span = platform.landing(), Ledger(platform.warehouse), DayRange(day, day)
    index = platform.tables["row_index"]
    earlier = platform.warehouse.read_snapshot(ledger.snapshot(index.name), index, days_before(platform, span))
    landed = ingest(landing.of(span), span, earlier, platform.settings, landing.repairs)
    fresh = {name: as_stored(platform.tables[name], rows) for name, rows in landed.items()}
    start = platform.start_day(landing) or day
    for table in _upstream_of(platform, HOURS):
        inputs: dict[str, pl.LazyFrame] = {}
        for read in table.reads:
            window = read.window(span, platform.settings, start)
            stored = platform.warehouse.read_snapshot(
                ledger.snapshot(read.table), platform.tables[read.table], window, read.columns
            )
            landed_now = fresh[read.table].lazy().select(read.columns or pl.all())
            both = pl.concat([stored.filter(pl.col("day") != day), landed_now], how="vertical")
            inputs[read.table] = both.filter(span.covers(read.touching)) if read.touching else both
        fresh[table.name] = compute(table, inputs, span, platform.settings)
    before = DayRange(day, day).widen(before=reach(platform.settings.monitoring))
    known = platform.warehouse.read_snapshot(ledger.snapshot(HOURS), platform.tables[HOURS], before)
    hours = pl.concat([known.filter(pl.col("day") < day).collect(), fresh[HOURS]], how="vertical")
    now_delivered = pl.concat(measure_delivery({name: rows.lazy() for name, rows in fresh.items()})).collect()
    measured = platform.warehouse.read_snapshot(ledger.snapshot(DAILY), platform.tables[DAILY], before)
    delivered = pl.concat(
        [
            measured.filter(pl.col("day") < day, pl.col("metric").is_in(DELIVERED))
            .select(now_delivered.columns)
            .collect(),
            now_delivered,
        ]
    )
    complete, rows = judge_running_day(hours, delivered, day, platform.settings.monitoring)
    report = Report(VERDICTS)
    report.add(_outcomes(platform, rows, span, complete))
    return RunningDay(day, complete, running_files(platform, landing, day), rows, report)


def _upstream_of(platform: Platform, name: str) -> list[Table]:
    """The derived tables that a table is made from, and it, upstream first."""
    needed = {name}
    for table in reversed(platform.derived):
        if table.name in needed:
            needed |= {read.table for read in table.reads}
    return [table for table in platform.derived if table.name in needed]


def _outcomes(platform: Platform, rows: pl.DataFrame, span: DayRange, hours: int) -> pl.DataFrame:
    """The outcomes of the checks of `anomalies` for the day so far."""
    found = evaluate(platform.tables[VERDICTS], rows, {}, span, platform.settings)
    so_far = pl.format("until {}:00 UTC: {}", pl.lit(f"{hours:02d}"), "observed")
    is_said = pl.col("observed").str.contains("until", literal=True)
    return found.with_columns(observed=pl.when(is_said).then("observed").otherwise(so_far))


def record_running(platform: Platform, found: RunningDay, run_id: str) -> None:
    """Keep the verdicts: the newest look of a day counts."""
    now = pl.lit(dt.datetime.now(dt.UTC)).cast(pl.Datetime("us", "UTC"))
    stamped = found.rows.with_columns(
        hours=pl.lit(found.hours, pl.Int64), files=pl.lit(found.files), run_id=pl.lit(run_id), recorded_at=now
    )
    # The log first: who sees new outcomes looks for its rows.
    if stamped.height:
        platform.warehouse.append(RUNNING_DAY, stamped)
    record_outcomes(platform, [found.report], run_id)


def _last_judged_day(platform: Platform) -> dt.date | None:
    """The newest day that was judged as a whole."""
    return max(Ledger(platform.warehouse).of(VERDICTS), default=None)


def running_rows(platform: Platform) -> pl.DataFrame | None:
    """The newest verdicts on a running day, None when there is none: once that day or a later one is judged as a whole,
    what was said of its hours is over."""
    delta = platform.warehouse.open(RUNNING_DAY)
    if delta is None or VERDICTS not in platform.tables:
        return None
    judged = _last_judged_day(platform)
    rows = pl.scan_delta(delta)
    rows = rows if judged is None else rows.filter(pl.col("day") > judged)
    found = rows.filter(pl.col("day") == pl.col("day").max()).collect()
    found = found.filter(pl.col("recorded_at") == pl.col("recorded_at").max())
    return found if found.height else None


def running_sentences(platform: Platform) -> list[str]:
    """What there is to say of the running day, a line each; none without one."""
    rows = running_rows(platform)
    if rows is None:
        return []
    leads = rows.filter("is_lead").sort("money_at_stake_cents", "incident", descending=[True, False])
    day, hours = rows["day"][0], rows["hours"][0]
    unusual = leads["explanation"].to_list() or [f"until {hours:02d}:00 UTC: {_usual(rows)}"]
    return [f"{day} is not over; {sentence}" for sentence in unusual]


def _usual(rows: pl.DataFrame) -> str:
    judged = rows.filter(pl.col("status").is_in(["pass", "warn", "fail"])).height
    return f"{judged} metrics are as usual" if judged else "not enough history to judge it"
