"""Incidents: a failing state with a beginning and an end, folded out of what is bad now. Pure; no storage, no delivery.

What is bad now is always looked at as a whole, so a look that is missed or repeated changes nothing.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

__all__ = [
    "GROUPED",
    "QUIET_DAYS",
    "UPDATE_EVERY",
    "Finding",
    "Incident",
    "Key",
    "News",
    "Seen",
    "Severity",
    "fold",
    "news",
    "tell",
]

Kind = Literal["check", "anomaly", "freshness", "run", "sensor"]
Severity = Literal["error", "warn"]
News = Literal["open", "update", "recover"]

# A bad day this close to the days of an incident belongs to it; farther away it is another one.
QUIET_DAYS = 3
# What goes bad within this time of the last change is one story, however far apart the days: a backfill.
GROUPED = dt.timedelta(hours=6)
# News of an incident that was told of a moment ago are collected for so long.
UPDATE_EVERY = dt.timedelta(minutes=30)


@dataclass(frozen=True, order=True)
class Key:
    """What an incident is about: a table (or what stands for one), a kind, and the check, job step or sensor."""

    table: str
    kind: Kind
    check: str


@dataclass(frozen=True)
class Seen:
    """What is bad on a day. `state` names it where there are several ways to be bad (late, missing); `trend` is a line
    of the days before, where whoever found it knows them."""

    observed: str
    expected: str
    state: str = ""
    trend: str = ""


@dataclass(frozen=True)
class Finding:
    """One thing that is bad on one day. Texts hold no personal values."""

    key: Key
    day: dt.date
    severity: Severity
    seen: Seen
    explanation: str = ""
    cause: str = ""


@dataclass(frozen=True)
class Incident:
    """`days` are bad now; `told` are those a message spoke of, in the state they had then.

    `closed_at` is None while it lasts. `is_over_told` when its end was told, or need not be.
    """

    id: str
    key: Key
    severity: Severity
    explanation: str
    cause: str
    days: Mapping[dt.date, Seen]
    opened_at: dt.datetime
    changed_at: dt.datetime
    told: Mapping[dt.date, str] = field(default_factory=dict)
    told_at: dt.datetime | None = None
    closed_at: dt.datetime | None = None
    is_over_told: bool = False
    acked_at: dt.datetime | None = None
    thread: str = ""

    @property
    def is_open(self) -> bool:
        return self.closed_at is None

    @property
    def untold(self) -> list[dt.date]:
        return sorted(day for day, seen in self.days.items() if self.told.get(day) != seen.state)

    @property
    def ages(self) -> bool:
        """Whether good days after it end it. A day with an error stays bad until it is mended: its rows are old."""
        return self.severity == "warn" or self.key.kind == "anomaly"


def fold(
    known: Iterable[Incident], bad: Iterable[Finding], newest: Mapping[str, dt.date], now: dt.datetime
) -> list[Incident]:
    """The incidents that are new or have changed, given all known ones and everything that is bad now.

    `newest` is the last day judged of each table. A day belongs to the incident that already has it, else to an open
    one of the same key that is near in days or was changed a moment ago, else to a new one: all others together.
    """
    found: dict[Key, dict[dt.date, Finding]] = {}
    for finding in bad:
        found.setdefault(_about(finding.key), {})[finding.day] = finding
    by_key: dict[Key, list[Incident]] = {}
    for incident in sorted(known, key=lambda each: (each.opened_at, each.id)):
        by_key.setdefault(_about(incident.key), []).append(incident)
    changed = []
    for about in sorted(found.keys() | by_key.keys()):
        before = by_key.get(about, [])
        after = _fold_key(before, found.get(about, {}), newest, now)
        changed += [incident for incident in after if incident not in before]
    return changed


def _about(key: Key) -> Key:
    """What makes findings one incident. An anomaly is told by the metric that leads it on a day, which may be another
    table's the next day: it is the same thing all the same, and stays where it was told first."""
    return Key("", key.kind, key.check) if key.kind == "anomaly" else key


def _fold_key(
    known: list[Incident], found: Mapping[dt.date, Finding], newest: Mapping[str, dt.date], now: dt.datetime
) -> list[Incident]:
    holders = {day: incident.id for incident in known for day in incident.days if day in found}
    rest = {day: finding for day, finding in found.items() if day not in holders}
    after = []
    for incident in known:
        own = {day: found[day] for day in incident.days if day in found and holders[day] == incident.id}
        joining = {day: rest.pop(day) for day in list(rest) if incident.is_open and _joins(incident, day, now)}
        after.append(_with_days(incident, own | joining, newest.get(incident.key.table), now))
    if rest:
        first = rest[min(rest)]
        key = first.key
        name = f"{key.table}|{key.kind}|{key.check}|{first.day}|{now.isoformat()}"
        incident = Incident(
            id=hashlib.sha256(name.encode()).hexdigest()[:8],
            key=key,
            severity=first.severity,
            explanation=first.explanation,
            cause=first.cause,
            days={},
            opened_at=now,
            changed_at=now,
        )
        after.append(_with_days(incident, rest, newest.get(key.table), now))
    return after


def _joins(incident: Incident, day: dt.date, now: dt.datetime) -> bool:
    is_near = any(abs((day - each).days) <= QUIET_DAYS for each in incident.days)
    return is_near or now - incident.changed_at <= GROUPED


def _with_days(
    incident: Incident, findings: Mapping[dt.date, Finding], newest: dt.date | None, now: dt.datetime
) -> Incident:
    days = {day: findings[day].seen for day in sorted(findings)}
    last = findings[max(findings)] if findings else None
    after = replace(
        incident,
        days=days,
        told={day: state for day, state in incident.told.items() if day in days},
        explanation=last.explanation if last else incident.explanation,
        cause=(last.cause or incident.cause) if last else incident.cause,
        changed_at=now if days.keys() - incident.days.keys() else incident.changed_at,
    )
    if not after.is_open:
        return after
    # What nobody has been told of yet does not end by itself, or it would never be told.
    is_past = after.ages and not after.untold and bool(days) and newest is not None
    if not days or (is_past and newest is not None and (newest - max(days)).days > QUIET_DAYS):
        return replace(after, closed_at=now, is_over_told=after.told_at is None)
    return after


def news(incident: Incident, now: dt.datetime) -> News | None:
    """What is to be told of an incident now. Someone who acknowledged it hears of its end, and of nothing else."""
    if not incident.is_open:
        return None if incident.is_over_told else "recover"
    if not incident.untold or incident.acked_at is not None:
        return None
    if incident.told_at is None:
        return "open"
    return "update" if now - incident.told_at >= UPDATE_EVERY else None


def tell(incident: Incident, now: dt.datetime, thread: str) -> Incident:
    """The incident after its news were told in a thread."""
    told = {day: seen.state for day, seen in incident.days.items()}
    return replace(incident, told=told, told_at=now, thread=thread, is_over_told=not incident.is_open)
