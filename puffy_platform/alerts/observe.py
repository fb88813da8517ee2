"""What is bad now, read from the platform: check outcomes, anomalies, promised days. Decides and writes nothing."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import polars as pl

from puffy_platform.alerts.freshness import (
    WATCHED_DAYS,
    Delivered,
    late_findings,
    newest_promised_day,
    part_findings,
)
from puffy_platform.alerts.incidents import Finding, Incident, Key, Seen, Severity
from puffy_platform.alerts.messages import trend
from puffy_platform.monitoring.metrics import Kind, metric_named
from puffy_platform.pipeline import Platform
from puffy_platform.pipeline.report import check_results
from puffy_platform.pipeline.running import running_rows
from puffy_platform.pipeline.status import declared
from puffy_platform.table import DayRange, Table
from puffy_platform.warehouse import Ledger
from puffy_platform.warehouse.ledger import HELD_BACK

__all__ = [
    "ANOMALIES",
    "LANDING_FILES",
    "Looked",
    "anomaly_findings",
    "look_at_checks",
    "look_at_freshness",
    "promised_day",
    "trend_of",
]

# The tables' own source: what stands for "no file came".
LANDING_FILES = "landing_files"
# Rows of this table, when it is registered, are incidents of their own; its checks only sum them up.
ANOMALIES = "anomalies"
# An anomaly this long before the newest day is history, not news.
ANOMALY_NEWS_DAYS = 14
# A home in which nothing landed for so long is not a shop that delivers every day.
FORGOTTEN_DAYS = 14
CAUSES_NAMED = 2
MISSING_HOURS = "missing hours"
ANOMALY_COLUMNS = (
    "day",
    "table",
    "metric",
    "segment",
    "status",
    "observed",
    "expected",
    "low",
    "high",
    "explanation",
    "incident",
    "cause",
    "is_lead",
    "is_posted",
    "money_at_stake_cents",
)
# The table of delivered rows, and how far back its volume and its hours are compared.
DELIVERED_TABLE = "raw_events"
HOURS_DAYS = 14


@dataclass(frozen=True)
class Looked:
    """What is bad now, and the last day judged of each table. `early` is what may be bad only because its day is not
    due yet: it opens no incident, and ends none."""

    bad: list[Finding]
    newest: dict[str, dt.date]
    early: tuple[Finding, ...] = ()


def promised_day(platform: Platform, now: dt.datetime) -> dt.date:
    """The last day that must be there whole by this moment."""
    return newest_promised_day(now, platform.settings.freshness, platform.settings.shop.time_zone)


def look_at_checks(platform: Platform, promised: dt.date | None = None) -> Looked:
    """Failed and warning outcomes of the checks there are today, and the anomalies. Missing hours of days after
    `promised` are early: a day that lands in pieces is over before its last piece is there."""
    outcomes = check_results(platform)
    off = declared(platform, outcomes).filter(pl.col("status").is_in(["fail", "warn"]), pl.col("table") != ANOMALIES)
    rows = list(off.iter_rows(named=True))
    by_day: dict[tuple[str, dt.date], list[str]] = {}
    for row in rows:
        by_day.setdefault((row["table"], row["day"]), []).append(f"{row['table']}, {row['check']}: {row['observed']}")
    found = [
        Finding(
            Key(row["table"], "check", row["check"]),
            row["day"],
            "error" if row["status"] == "fail" and row["severity"] == "error" else "warn",
            Seen(row["observed"] or "", row["expected"] or ""),
            row["explanation"] or "",
            _upstream_cause(platform.tables, row["table"], row["day"], by_day),
        )
        for row in rows
    ]
    newest: dict[str, dt.date] = dict(outcomes.group_by("table").agg(pl.col("day").max()).iter_rows())
    anomalies = platform.tables.get(ANOMALIES)
    if anomalies is not None:
        whole = _anomalies(platform, anomalies, newest)
        early = tuple(each for each in whole if promised and each.day > promised and each.key.check == MISSING_HOURS)
        found += [each for each in whole if each not in early] + _running(platform)
        return Looked(found, newest, early)
    return Looked(found, newest)


def _upstream_cause(
    tables: Mapping[str, Table], table: str, day: dt.date, bad: Mapping[tuple[str, dt.date], list[str]]
) -> str:
    """What is bad on the same day in the tables it is made from, the first of the chain first."""
    upstream, waiting = set(), [table]
    while waiting:
        each = tables[waiting.pop()]
        for read in each.reads:
            if read.table not in upstream and read.table in tables:
                upstream.add(read.table)
                waiting.append(read.table)
    # Ingest's tables come of one look at the files: what is wrong with the files explains the others.
    if tables[table].transform is not None:
        upstream |= {name for name, each in tables.items() if each.transform is None}
    causes = [words for name in tables if name in upstream and name != table for words in bad.get((name, day), ())]
    return "; ".join(causes[:CAUSES_NAMED])


def _anomalies(platform: Platform, table: Table, newest: Mapping[str, dt.date]) -> list[Finding]:
    last = max(newest.values(), default=None)
    if last is None:
        return []
    days = DayRange(last - dt.timedelta(days=ANOMALY_NEWS_DAYS), last)
    return anomaly_findings(platform.warehouse.read(table, days, ANOMALY_COLUMNS).collect())


def _running(platform: Platform) -> list[Finding]:
    """Of the running day. Once it is over, its own rows take the place of these: of the same incident, they are the
    same finding."""
    rows = running_rows(platform)
    return [] if rows is None else anomaly_findings(rows.select(ANOMALY_COLUMNS))


def anomaly_findings(rows: pl.DataFrame) -> list[Finding]:
    """One finding for each incident and day among rows of the table anomalies, told by the metric that leads it."""
    unusual = rows.filter(pl.col("status").is_in(["warn", "fail"]), pl.col("incident").is_not_null()).sort(
        "day", "incident", "is_lead", descending=[False, False, True]
    )
    together = unusual.group_by("day", "incident").agg(pl.col("is_posted").any(), metrics=pl.len())
    leads = unusual.unique(["day", "incident"], keep="first", maintain_order=True).drop("is_posted")
    found = []
    for row in leads.join(together, on=["day", "incident"]).iter_rows(named=True):
        metric = metric_named(row["metric"])
        others = f" (and {row['metrics'] - 1} more)" if row["metrics"] > 1 else ""
        money = row["money_at_stake_cents"]
        history = rows.filter(
            pl.col("metric") == row["metric"], pl.col("segment") == row["segment"], pl.col("day") <= row["day"]
        )
        seen = Seen(
            f"{metric.described(row['segment'])}: {_worth(row['observed'], metric.kind)}{others}",
            _usual(row, metric.kind),
            trend=trend({day: f"{value}" for day, value in history.select("day", "observed").drop_nulls().iter_rows()}),
        )
        at_stake = f"; about {money / 100:,.0f} of the day's revenue in doubt" if money else ""
        key = Key(row["table"], "anomaly", row["incident"])
        severity: Severity = "error" if row["is_posted"] else "warn"
        cause = (row["cause"] or "not known") + at_stake
        found.append(Finding(key, row["day"], severity, seen, row["explanation"], cause))
    return found


def _usual(row: Mapping[str, float | None], kind: Kind) -> str:
    if kind == "state":
        return "seen" if row["expected"] else "not seen"
    if row["expected"] is None:
        return "not known"
    about = f"about {_worth(row['expected'], kind)}"
    if row["low"] is None or row["high"] is None:
        return about
    return f"{about}, from {_worth(row['low'], kind)} to {_worth(row['high'], kind)}"


def _worth(value: float | None, kind: Kind) -> str:
    """A metric's value as people write it."""
    if value is None:
        return "not known"
    if kind == "share":
        return f"{value:.1%}"
    if kind in ("money", "mean"):
        return f"{value / 100:,.2f}"
    if kind == "state":
        return "seen" if value else "not seen"
    return f"{value:,.0f}"


def look_at_freshness(platform: Platform, now: dt.datetime) -> Looked | None:
    """The promised days that are late, missing or half there; None for a home to which nothing has come for long."""
    promise, zone = platform.settings.freshness, platform.settings.shop.time_zone
    landing, ledger = platform.landing(), Ledger(platform.warehouse)
    promised = newest_promised_day(now, promise, zone)
    ingested = {day for day, entry in ledger.of("file_drift").items() if entry.rows}
    landed = sorted({*landing.files, *ingested})
    if not landed or (promised - landed[-1]).days > FORGOTTEN_DAYS:
        return None
    first = max(promised - dt.timedelta(days=WATCHED_DAYS - 1), landed[0])
    if first > promised:
        return Looked([], {})
    days = DayRange(first, promised)
    reads = {LANDING_FILES: ()} | {
        name: (LANDING_FILES, *(read.table for read in table.reads)) for name, table in platform.tables.items()
    }
    delivered = {LANDING_FILES: Delivered(frozenset(landed))} | {
        name: _delivered(ledger, name, days) for name in platform.tables
    }
    # Ingest writes its tables in one step: the first stands for all.
    first_ingested = next((table.name for table in platform.ingested), None)
    for table in platform.ingested:
        if table.name != first_ingested:
            reads[table.name] = (LANDING_FILES, str(first_ingested))
    found = late_findings(reads, delivered, days, now, promise, zone)
    if DELIVERED_TABLE in platform.tables:
        found += _parts(platform, ledger, days)
    return Looked(found, {})


def _delivered(ledger: Ledger, table: str, days: DayRange) -> Delivered:
    entries = [entry for day in days if (entry := ledger.get(table, day)) is not None]
    held_back = {entry.day for entry in entries if entry.inputs_hash == HELD_BACK and not entry.version}
    return Delivered(frozenset(entry.day for entry in entries if entry.day not in held_back), frozenset(held_back))


def _parts(platform: Platform, ledger: Ledger, days: DayRange) -> list[Finding]:
    rows = {day: float(entry.rows) for day, entry in ledger.of(DELIVERED_TABLE).items() if entry.rows}
    table = platform.tables[DELIVERED_TABLE]
    events = platform.warehouse.read(table, days.widen(before=HOURS_DAYS), ("day", "event_ts"))
    counted = (
        events.filter(pl.col("event_ts").dt.date() == pl.col("day"))
        .group_by("day", hour=pl.col("event_ts").dt.hour())
        .agg(events=pl.len())
        .collect()
    )
    hourly: dict[dt.date, dict[int, int]] = {}
    for day, hour, events_there in counted.iter_rows():
        hourly.setdefault(day, {})[hour] = events_there
    return part_findings(DELIVERED_TABLE, days, rows, hourly, platform.settings.freshness)


def trend_of(platform: Platform) -> Callable[[Incident], str]:
    """The line of what an incident's check observed on its newest days. The log is read once, when first asked for."""
    read: list[pl.DataFrame] = []

    def line(incident: Incident) -> str:
        if incident.key.kind != "check":
            return ""
        if not read:
            read.append(check_results(platform))
        judged = read[0].filter(
            pl.col("table") == incident.key.table,
            pl.col("check") == incident.key.check,
            pl.col("status") != "skipped",
            pl.col("day") <= max(incident.days),
        )
        return trend(dict(judged.select("day", "observed").iter_rows()))

    return line
