"""What people ask of alerts: what is open, where it goes, what waits and why. Reads alerts.db, and makes none."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from puffy_platform.alerts.channels import database, destination, open_store
from puffy_platform.alerts.incidents import Incident
from puffy_platform.alerts.routing import Mute
from puffy_platform.settings import Settings
from puffy_platform.table import ranges

__all__ = ["Overview", "Waiting", "overview"]

# An incident that ended is listed for so long.
SHOWN = dt.timedelta(days=7)


@dataclass(frozen=True)
class Waiting:
    """Messages that are not delivered to a target yet, and what went wrong last (an error code, or empty)."""

    target: str
    messages: int
    problem: str


@dataclass(frozen=True)
class Overview:
    """The state of alerts: incidents (the newest first, also those that ended in the last days), mutes, the outbox."""

    goes_to: str
    incidents: tuple[Incident, ...] = ()
    mutes: tuple[Mute, ...] = ()
    waiting: tuple[Waiting, ...] = ()

    @property
    def open(self) -> list[Incident]:
        return [each for each in self.incidents if each.is_open]

    def to_json(self) -> dict[str, Any]:
        return {
            "goes_to": self.goes_to,
            "incidents": [_json(each) for each in self.incidents],
            "mutes": [{"scope": each.scope, "until": each.until.isoformat()} for each in self.mutes],
            "waiting": [vars(each) for each in self.waiting],
        }


def overview(settings: Settings, now: dt.datetime | None = None) -> Overview:
    """As it is now."""
    now = now or dt.datetime.now(dt.UTC)
    goes_to = destination(settings)
    if not database(settings).exists():
        return Overview(goes_to)
    with open_store(settings) as store:
        letters = store.waiting()
        waiting = []
        for target in sorted({letter.target for letter in letters}):
            own = [letter for letter in letters if letter.target == target]
            problem = next((letter.problem for letter in own if letter.problem), "")
            waiting.append(Waiting(target, len(own), problem))
        return Overview(
            goes_to,
            tuple(store.recent_incidents(now - SHOWN)),
            tuple(mute for mute in store.mutes() if mute.until > now),
            tuple(waiting),
        )


def _json(incident: Incident) -> dict[str, Any]:
    newest = incident.days[max(incident.days)] if incident.days else None
    return {
        "id": incident.id,
        "table": incident.key.table,
        "kind": incident.key.kind,
        "check": incident.key.check,
        "severity": incident.severity,
        "days": [str(found) for found in ranges(incident.days)],
        "observed": newest.observed if newest else None,
        "expected": newest.expected if newest else None,
        "cause": incident.cause,
        "opened_at": incident.opened_at.isoformat(),
        "closed_at": incident.closed_at and incident.closed_at.isoformat(),
        "acked_at": incident.acked_at and incident.acked_at.isoformat(),
    }
