"""From rows of daily_metrics to rows of anomalies: the judgement of whole days as a frame. Pure."""

from __future__ import annotations

import numpy as np
import polars as pl

from puffy_platform.monitoring.causes import suspicions
from puffy_platform.monitoring.detect import Judgement, judge, reach
from puffy_platform.monitoring.metrics import METRICS
from puffy_platform.monitoring.panel import Panel, Series, panel_of
from puffy_platform.monitoring.suspicion import Suspicion
from puffy_platform.monitoring.windows import Bools, Floats, before, divided
from puffy_platform.settings_model import Monitoring
from puffy_platform.table import DayRange

__all__ = ["STATUSES", "anomalies", "event_days"]

STATUSES = ["pass", "warn", "fail", "not enough history", "skipped"]
# What others are judged by: whether a day has landed, and how much of it.
JUDGED_BY = ("landed_files", "hour_events")
VALUE_DECIMALS, DEVIATION_DECIMALS = 6, 2
SCHEMA = {
    "day": pl.Date,
    "metric": pl.String,
    "segment": pl.String,
    "table": pl.String,
    "layer": pl.String,
    "status": pl.String,
    "observed": pl.Float64,
    "expected": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "deviation": pl.Float64,
    "explanation": pl.String,
    "incident": pl.String,
    "cause": pl.String,
    "is_lead": pl.Boolean,
    "is_posted": pl.Boolean,
    "money_at_stake_cents": pl.Int64,
}
# A claim of an incident: the series at a place, on the n-th of the judged days.
CLAIM = {
    "place": pl.Int64,
    "at": pl.Int64,
    "incident": pl.String,
    "cause": pl.String,
    "severity": pl.String,
    "sentence": pl.String,
    "is_lead": pl.Boolean,
    "is_posted": pl.Boolean,
    "money_at_stake_cents": pl.Int64,
}


def event_days(rules: Monitoring, days: DayRange) -> Bools:
    """Which of the days lie in any declared event."""
    known = rules.known_events
    return np.array([any(event.first <= day <= event.last for event in known) for day in days], dtype=np.bool_)


def anomalies(metrics: pl.DataFrame, days: DayRange, rules: Monitoring) -> pl.DataFrame:
    """The verdicts on every judged metric of these days; `metrics` holds them and the days of the reach before.

    A series has a row on a day when it had any amount on that day or in its reach.
    """
    before_it = reach(rules)
    window = days.widen(before=before_it)
    needed = [name for name, metric in METRICS.items() if metric.is_judged or name in JUDGED_BY]
    metrics = metrics.filter(pl.col("metric").is_in(needed))
    if metrics.is_empty():
        return pl.DataFrame(schema=SCHEMA)
    panel = panel_of(metrics, window, event_days(rules, window))
    judgement = judge(panel, rules)
    found = {day: suspicions(judgement, before_it + day) for day in range(len(days))}
    return _rows(panel, judgement, days, found)


def _rows(panel: Panel, judgement: Judgement, days: DayRange, found: dict[int, list[Suspicion]]) -> pl.DataFrame:
    before_it = reach(judgement.rules)
    asked = slice(before_it, None)
    distribution = judgement.expectation.distribution
    basis = distribution.basis[:, asked]
    is_plain = np.array([metric.kind in ("count", "money") for metric in panel.metrics])[:, None]
    # Values of counts are whole days' (a covered part of a day is compared with that part of a usual one).
    unit = np.where(is_plain, 1.0, basis)
    low, high = judgement.usual_limits(asked)

    def value(amount: Floats) -> Floats:
        return np.where(unit > 0, divided(amount, unit), np.nan)

    claims = _claims(panel, found)
    is_claimed = np.zeros((len(panel.series), len(days)), dtype=np.bool_)
    for claimed in claims:
        is_claimed[claimed] = True
    is_judged = np.array([metric.is_judged for metric in panel.metrics])[:, None]
    has_been = panel.amount != 0
    is_present = (before(has_been, before_it, False)[:, asked].any(axis=-1) | has_been[:, asked]) & _is_known(
        panel, asked
    )
    place, day = np.nonzero(is_present & (is_judged | is_claimed))
    rows = pl.DataFrame(
        {
            "place": place,
            "at": day,
            "observed": value(panel.amount[:, asked])[place, day],
            "expected": value(distribution.expected[:, asked])[place, day],
            "low": value(low)[place, day],
            "high": value(high)[place, day],
            "deviation": judgement.evidence[:, asked][place, day],
            "is_there": np.broadcast_to(panel.there[asked], is_present.shape)[place, day],
            "is_young": judgement.is_young[:, asked][place, day],
            "is_unusual": judgement.unusual[:, asked][place, day] != 0,
            "history": judgement.expectation.history[:, asked][place, day],
            "seen": judgement.expectation.seen[:, asked][place, day],
        }
    )
    return _worded(rows, panel, days, claims, judgement.rules.least_days)


def _is_known(panel: Panel, asked: slice) -> Bools:
    """Days before the first landing day are nobody's: nothing is said about them."""
    began = np.maximum.accumulate(panel.there)
    return np.broadcast_to(began[asked], panel.amount[:, asked].shape)


def _claims(panel: Panel, found: dict[int, list[Suspicion]]) -> dict[tuple[int, int], tuple[Suspicion, bool]]:
    """By series and day: the incident that explains it, and whether it leads."""
    claims: dict[tuple[int, int], tuple[Suspicion, bool]] = {}
    for day, incidents in found.items():
        for incident in incidents:
            for series in incident.claims:
                claims.setdefault((panel.place[series], day), (incident, series == incident.lead))
    return claims


def _worded(
    rows: pl.DataFrame,
    panel: Panel,
    days: DayRange,
    claims: dict[tuple[int, int], tuple[Suspicion, bool]],
    least_days: int,
) -> pl.DataFrame:
    """The judged rows with their day, what they are of, their status and why, as the table has them."""
    calendar = pl.DataFrame({"at": range(len(days)), "day": list(days)}, schema={"at": pl.Int64, "day": pl.Date})
    is_judged = pl.col("status").is_in(["pass", "warn", "fail"])
    has_limits = is_judged & (pl.col("kind") != "state")
    return (
        rows.join(_described(panel, least_days), on="place")
        .join(calendar, on="at")
        .join(_incidents(claims), on=["place", "at"], how="left")
        .with_columns(pl.col("observed", "expected", "low", "high", "deviation").fill_nan(None))
        .with_columns(pl.col("is_lead", "is_posted").fill_null(False), status=_status())
        .with_columns(
            pl.when(is_judged).then("expected").round(VALUE_DECIMALS).alias("expected"),
            pl.when(has_limits).then("low").round(VALUE_DECIMALS).alias("low"),
            pl.when(has_limits).then("high").round(VALUE_DECIMALS).alias("high"),
            pl.when(has_limits).then("deviation").round(DEVIATION_DECIMALS).alias("deviation"),
            pl.col("observed").round(VALUE_DECIMALS),
        )
        .with_columns(explanation=_explanation())
        .select(pl.col(name).cast(dtype) for name, dtype in SCHEMA.items())
        .sort("day", "metric", "segment")
    )


def _described(panel: Panel, least_days: int) -> pl.DataFrame:
    """Of the series at each place: its names, what its metric is, and the days of history it takes to judge it."""
    every = list(zip(panel.series, panel.metrics, strict=True))
    return pl.DataFrame(
        {
            "place": range(len(every)),
            "metric": [name for (name, _), _ in every],
            "segment": [segment for (_, segment), _ in every],
            "table": [_table_of(series, metric.table) for series, metric in every],
            "layer": [metric.layer for _, metric in every],
            "kind": [metric.kind for _, metric in every],
            "words": [metric.described(segment) for (_, segment), metric in every],
            "least_days": [min(metric.least_days, least_days) for _, metric in every],
        },
        schema_overrides={"place": pl.Int64},
    )


def _incidents(claims: dict[tuple[int, int], tuple[Suspicion, bool]]) -> pl.DataFrame:
    """The claims as rows."""
    rows = [
        {
            "place": place,
            "at": day,
            "incident": each.key,
            "cause": each.cause,
            "severity": each.severity,
            "sentence": each.sentence,
            "is_lead": is_lead,
            "is_posted": each.is_posted,
            "money_at_stake_cents": each.money_at_stake_cents,
        }
        for (place, day), (each, is_lead) in claims.items()
    ]
    return pl.DataFrame(rows, schema=CLAIM)


def _table_of(series: Series, table: str) -> str:
    """The table of a metric; of metrics that exist for many tables, the one that the segment names."""
    metric, segment = series
    if metric == "table_rows":
        return segment
    return segment.split(".")[0] if metric == "null_share" else table


def _status() -> pl.Expr:
    return (
        pl.when(~pl.col("is_there"))
        .then(pl.lit("skipped"))
        .when(pl.col("severity").is_not_null())
        .then("severity")
        .when(pl.col("is_young"))
        .then(pl.lit("not enough history"))
        .when("is_unusual")
        .then(pl.lit("warn"))
        .when(pl.col("expected").is_null() & (pl.col("kind") != "state"))
        .then(pl.lit("skipped"))
        .otherwise(pl.lit("pass"))
    )


def _explanation() -> pl.Expr:
    is_ratio = pl.col("kind") == "share"
    percent = pl.format("{} %", (pl.col("observed") * 100).round(2))
    instead = pl.format("{} %", (pl.col("expected") * 100).round(2))
    whole, usual = (pl.col(name).round(0).cast(pl.Int64, strict=False) for name in ("observed", "expected"))
    off = (
        pl.when(is_ratio)
        .then(pl.format("{}: {} instead of {}", "words", percent, instead))
        .otherwise(pl.format("{}: {} instead of {}", "words", whole, usual))
    )
    return (
        pl.when(pl.col("sentence").is_not_null())
        .then("sentence")
        .when(~pl.col("is_there"))
        .then(pl.lit("no file landed for this day"))
        .when(pl.col("status") == "skipped")
        .then(pl.lit("there was nothing to compare"))
        .when("is_young")
        .then(pl.format("{} of {} days of history", pl.col("history").cast(pl.Int64), "least_days"))
        .when(pl.col("status") == "warn")
        .then(off)
        .otherwise(pl.lit("as usual"))
    )
