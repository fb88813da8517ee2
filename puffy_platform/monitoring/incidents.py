"""Incidents: what a message is about. A state with a beginning and an end, folded out of days; pure data, no delivery.

`incidents_of` reads them from rows of the table anomalies, `incidents_of_checks` from outcomes of declared checks;
`advance` folds one more day into the incidents that are open. Who stores, routes and posts them is not decided here.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import polars as pl

from puffy_platform.monitoring.metrics import METRICS

__all__ = [
    "QUIET_DAYS",
    "Finding",
    "Incident",
    "IncidentEvent",
    "OpenIncident",
    "advance",
    "incidents_of",
    "incidents_of_checks",
]

Severity = Literal["warn", "fail"]

# An incident that was quiet for more days than this has ended; before, it is the same one that comes and goes.
QUIET_DAYS = 3


@dataclass(frozen=True)
class Finding:
    """One unusual metric. Values are the metric's: a count, a share from 0 to 1, cents. `low` and `high` are the usual
    limits, None where a state has none."""

    metric: str
    segment: str
    table: str
    words: str
    observed: float | None
    expected: float | None
    low: float | None
    high: float | None
    deviation: float | None


@dataclass(frozen=True)
class Incident:
    """An incident on one day. `key` is the same on every day it lasts, and different for different incidents.

    `sentence` says what is off, `cause` why, likely; `findings` begin with the one that says it best. `is_posted`:
    worth a message, else a line in the daily digest. Nothing personal is in it.
    """

    key: str
    day: dt.date
    severity: Severity
    is_posted: bool
    cause: str
    sentence: str
    findings: tuple[Finding, ...]
    tables: tuple[str, ...]
    money_at_stake_cents: int


@dataclass(frozen=True)
class OpenIncident:
    """An incident over its days: first and last unusual day, the newest and the worst of its days."""

    key: str
    opened: dt.date
    last: dt.date
    days: int
    newest: Incident
    worst: Incident


@dataclass(frozen=True)
class IncidentEvent:
    """What a day did to an incident: `open` (post it), `update` (in its thread), `recover` (say that it is over)."""

    kind: Literal["open", "update", "recover"]
    incident: OpenIncident


def incidents_of(anomalies: pl.DataFrame) -> list[Incident]:
    """The incidents in rows of the table anomalies, by day, the most money at stake first.

    Unusual metrics that no incident explains are one incident a day that is not posted: the digest's rest.
    """
    unusual = anomalies.filter(pl.col("status").is_in(["warn", "fail"])).sort(
        "day",
        "is_lead",
        pl.col("deviation").abs().fill_null(0.0),
        "metric",
        "segment",
        descending=[False, True, True, False, False],
    )
    by_incident: dict[tuple[dt.date, str], list[dict[str, object]]] = {}
    for row in unusual.iter_rows(named=True):
        by_incident.setdefault((row["day"], row["incident"] or UNEXPLAINED), []).append(row)
    found = [_incident(key, day, rows) for (day, key), rows in by_incident.items()]
    return sorted(found, key=lambda each: (each.day, not each.is_posted, -each.money_at_stake_cents, each.key))


UNEXPLAINED = "unexplained"


def _incident(key: str, day: dt.date, rows: list[dict[str, object]]) -> Incident:
    lead = rows[0]
    is_explained = key != UNEXPLAINED
    return Incident(
        key=key,
        day=day,
        severity="fail" if any(row["status"] == "fail" for row in rows) else "warn",
        is_posted=any(bool(row["is_posted"]) for row in rows),
        cause=str(lead["cause"]) if is_explained else "not known",
        sentence=str(lead["explanation"]) if is_explained else f"{len(rows)} metrics are off, each on its own",
        findings=tuple(_finding(row) for row in rows),
        tables=tuple(dict.fromkeys(str(row["table"]) for row in rows)),
        money_at_stake_cents=int(str(lead["money_at_stake_cents"] or 0)),
    )


def _finding(row: Mapping[str, object]) -> Finding:
    metric, segment = str(row["metric"]), str(row["segment"])
    numbers = {name: _number(row[name]) for name in ("observed", "expected", "low", "high", "deviation")}
    return Finding(metric, segment, str(row["table"]), METRICS[metric].described(segment), **numbers)


def _number(value: object) -> float | None:
    return None if value is None else float(str(value))


def incidents_of_checks(outcomes: pl.DataFrame) -> list[Incident]:
    """The incidents in outcomes of declared checks (rows of check_results): one a table, check and day.

    A failed check is posted; one that only warns is a line in the digest. The checks of the table anomalies are left
    out: its rows are incidents themselves.
    """
    off = outcomes.filter(pl.col("status").is_in(["warn", "fail"]), pl.col("table") != "anomalies")
    return [
        Incident(
            key=f"{row['table']}.{row['check']}",
            day=row["day"],
            severity=row["status"],
            is_posted=row["status"] == "fail",
            cause="a check of the table",
            sentence=f"{row['table']}, {row['check']}: {row['observed']}, expected {row['expected']}",
            findings=(),
            tables=(row["table"],),
            money_at_stake_cents=0,
        )
        for row in off.sort("day", "table", "check").iter_rows(named=True)
    ]


def advance(
    is_open: Mapping[str, OpenIncident], day: dt.date, incidents: Iterable[Incident]
) -> tuple[dict[str, OpenIncident], list[IncidentEvent]]:
    """Fold the incidents of one more day into those that are open: which are open now, and what to say.

    Days are folded in order. An incident opens on its first unusual day, is updated on later ones, and recovers once
    it was quiet for more than QUIET_DAYS days; what comes back before is the same incident and no new message. Only
    posted incidents are followed.
    """
    now = dict(is_open)
    events: list[IncidentEvent] = []
    for incident in incidents:
        known = now.get(incident.key)
        if known is not None and (day - known.last).days <= QUIET_DAYS:
            worst = max(known.worst, incident, key=lambda each: (each.severity == "fail", each.money_at_stake_cents))
            now[incident.key] = replace(known, last=day, days=known.days + 1, newest=incident, worst=worst)
            events.append(IncidentEvent("update", now[incident.key]))
        elif incident.is_posted:
            if known is not None:
                events.append(IncidentEvent("recover", known))
            now[incident.key] = OpenIncident(incident.key, day, day, 1, incident, incident)
            events.append(IncidentEvent("open", now[incident.key]))
    for key, known in list(now.items()):
        if (day - known.last).days > QUIET_DAYS:
            del now[key]
            events.append(IncidentEvent("recover", known))
    return now, events
