"""The desk: takes what is bad now, keeps the incidents, and writes the messages about them into the outbox.

Each call is one transaction. Nothing is sent here, and nothing is read but alerts.db.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from puffy_platform.alerts.incidents import GROUPED, Finding, Incident, fold, news, tell
from puffy_platform.alerts.messages import Message, Place, digest, opened, recovered, updated
from puffy_platform.alerts.routing import PLATFORM_OWNER, channel_of, digest_day, due_at, is_muted, route_of
from puffy_platform.alerts.storage import AlertStore
from puffy_platform.settings import Settings
from puffy_platform.table import Table

__all__ = ["Desk", "DeskError", "place_of"]

DIGEST = "digest of"
KEPT = dt.timedelta(days=90)
# An incident's trend as a line, empty when there is none.
Trend = Callable[[Incident], str]


class DeskError(ValueError):
    """An incident or a scope that is not known; the message says what there is."""


def place_of(table: str, tables: Mapping[str, Table], settings: Settings) -> Place:
    """Owner, everything that reads the table directly or through others, and the page of its asset."""
    url = settings.alerts.dagster_url.rstrip("/")
    if table not in tables:
        return Place(PLATFORM_OWNER, (), f"{url}/overview")
    reached = {table}
    for name, each in tables.items():
        if any(read.table in reached for read in each.reads):
            reached.add(name)
    downstream = tuple(name for name in tables if name in reached and name != table)
    return Place(tables[table].owner, downstream, f"{url}/assets/{table}")


@dataclass(frozen=True)
class Desk:
    """Incidents and outbox of one home. `targets` are the names of the channels that messages are written for."""

    store: AlertStore
    settings: Settings
    tables: Mapping[str, Table]
    targets: Sequence[str]
    trend: Trend = field(default=lambda incident: "")

    def take(
        self,
        kinds: Sequence[str],
        bad: Callable[[list[Incident]], Iterable[Finding]] | Iterable[Finding],
        newest: Mapping[str, dt.date],
        now: dt.datetime,
        remember: Mapping[str, object] | None = None,
    ) -> list[Incident]:
        """Fold everything of these kinds that is bad now; returns the incidents that changed.

        `bad` may be a function of the incidents known so far. `remember` are facts true with the same transaction.
        """
        with self.store.transaction():
            known = self.store.incidents(kinds)
            found = bad(known) if callable(bad) else bad
            changed = fold(known, found, newest, now)
            self.store.save(changed)
            for name, value in (remember or {}).items():
                self.store.set(name, value)
        return changed

    def write(self, now: dt.datetime) -> int:
        """Write what there is to tell: openings of a table together, updates and ends into its thread, and the digest
        when it is time. Returns how many messages."""
        today = str(digest_day(self.settings, now))
        with self.store.transaction():
            mutes = self.store.mutes()
            heard = [each for each in self.store.incidents() if not is_muted(mutes, each.key, now)]
            silent = [each for each in heard if each.untold and (self._route(each) == "none" or each.acked_at)]
            self.store.save(tell(each, now, each.thread) for each in silent)
            written = self._write_at_once(
                [each for each in heard if self._route(each) in ("now", "soon") and news(each, now)], now
            )
            if self.store.get(DIGEST) != today:
                written += self._write_digest([each for each in heard if self._route(each) == "digest"], now)
                self.store.set(DIGEST, today)
                self.store.forget(now - KEPT)
        return written

    def acknowledge(self, incident_id: str, now: dt.datetime) -> Incident:
        """Someone is at it: no more updates, only its end. Raises DeskError when there is no such open incident."""
        with self.store.transaction():
            is_open = [each for each in self.store.incidents() if each.is_open]
            found = [each for each in is_open if each.id.startswith(incident_id)]
            if len(found) != 1:
                raise DeskError(
                    f"no open incident {incident_id}: there are {', '.join(each.id for each in is_open) or 'none'}"
                )
            acknowledged = replace(found[0], acked_at=found[0].acked_at or now)
            self.store.save([acknowledged])
        return acknowledged

    def _route(self, incident: Incident) -> str:
        return route_of(self.settings, incident.severity)

    def _write_at_once(self, incidents: Sequence[Incident], now: dt.datetime) -> int:
        openings: dict[str, list[Incident]] = {}
        written = 0
        for each in incidents:
            what = news(each, now)
            place = place_of(each.key.table, self.tables, self.settings)
            if what == "open":
                openings.setdefault(each.key.table, []).append(each)
                continue
            name = f"{each.id}:{what}:{now.isoformat()}"
            is_update = what == "update"
            message = updated(name, each, place, self.trend(each)) if is_update else recovered(name, each, place)
            self._enqueue(message, each.key.table, each.thread, [each], now, is_root=False)
            written += 1
        for table, group in openings.items():
            place = place_of(table, self.tables, self.settings)
            trends = {each.id: self.trend(each) for each in group}
            message = opened(":".join(each.id for each in group), group, place, trends)
            known = self.store.thread_about(table, now - GROUPED)
            thread = known[0] if known else f"{table}:{group[0].id}"
            self._enqueue(message, table, thread, group, now, is_root=known is None)
            written += 1
        return written

    def _enqueue(
        self, message: Message, table: str, thread: str, told: Sequence[Incident], now: dt.datetime, *, is_root: bool
    ) -> None:
        channel = self.store.channel_of_thread(thread) or self._channel(table)
        route = "now" if any(self._route(each) == "now" for each in told) else "soon"
        self.store.keep_thread(thread, table, channel, now)
        self.store.enqueue(
            message,
            self.targets,
            thread=thread,
            channel=channel,
            is_root=is_root,
            now=now,
            due=due_at(self.settings, route, now),
        )
        self.store.save(tell(each, now, thread) for each in told)

    def _write_digest(self, incidents: Sequence[Incident], now: dt.datetime) -> int:
        by_channel: dict[str, list[Incident]] = {}
        for each in incidents:
            if each.untold and each.acked_at is None:
                by_channel.setdefault(self._channel(each.key.table), []).append(each)
        day = digest_day(self.settings, now)
        for channel, group in by_channel.items():
            key = f"digest:{day}:{channel}"
            self.store.enqueue(
                digest(key, day, group),
                self.targets,
                thread="",
                channel=channel,
                is_root=True,
                now=now,
                due=due_at(self.settings, "soon", now),
            )
        # The digest says what is new; that something ended is not worth a line.
        told = [tell(each, now, "") for group in by_channel.values() for each in group]
        silent = [replace(each, is_over_told=True) for each in incidents if not each.is_open and not each.is_over_told]
        known = {each.id for each in told}
        self.store.save([*told, *(each for each in silent if each.id not in known)])
        return len(by_channel)

    def _channel(self, table: str) -> str:
        return channel_of(self.settings, place_of(table, self.tables, self.settings).owner)
