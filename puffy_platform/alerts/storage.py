"""alerts.db: incidents, threads, the outbox and mutes, in one SQLite file of the home. Decides nothing.

What is told and that it was told are one transaction, so neither is ever there without the other.
"""

from __future__ import annotations

import datetime as dt
import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from puffy_platform.alerts.incidents import Incident, Key, Seen
from puffy_platform.alerts.messages import Message
from puffy_platform.alerts.routing import Mute

__all__ = ["AlertStore", "Letter"]

WAIT_SECONDS = 30.0
# Whoever claimed a message and has not said what became of it by then is gone.
CLAIM = dt.timedelta(minutes=2)
SCHEMA = """
CREATE TABLE IF NOT EXISTS incidents (
    id TEXT PRIMARY KEY, kind TEXT NOT NULL, is_done INTEGER NOT NULL, closed_at TEXT, body TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS incidents_not_done ON incidents (is_done, kind);
CREATE TABLE IF NOT EXISTS threads (
    id TEXT PRIMARY KEY, about TEXT NOT NULL, channel TEXT NOT NULL, active_at TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS outbox (
    number INTEGER PRIMARY KEY AUTOINCREMENT, target TEXT NOT NULL, key TEXT NOT NULL, thread TEXT NOT NULL,
    channel TEXT NOT NULL, is_root INTEGER NOT NULL, message TEXT NOT NULL, created_at TEXT NOT NULL,
    due_at TEXT NOT NULL, attempts INTEGER NOT NULL DEFAULT 0, is_uncertain INTEGER NOT NULL DEFAULT 0,
    claimed_until TEXT, sent_at TEXT, reference TEXT, problem TEXT,
    UNIQUE (target, key)
);
CREATE INDEX IF NOT EXISTS outbox_waiting ON outbox (target, sent_at, due_at);
CREATE TABLE IF NOT EXISTS mutes (scope TEXT PRIMARY KEY, until TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS state (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""


@dataclass(frozen=True)
class Letter:
    """A message on its way to one target. `is_uncertain`: an earlier attempt ended without an answer."""

    number: int
    target: str
    thread: str
    channel: str
    is_root: bool
    message: Message
    created_at: dt.datetime
    due_at: dt.datetime
    attempts: int
    is_uncertain: bool
    problem: str


class AlertStore:
    """One connection. Outside of `transaction` every statement is one of its own."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(path, timeout=WAIT_SECONDS, isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.executescript(SCHEMA)

    def close(self) -> None:
        self._db.close()

    def __enter__(self) -> AlertStore:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All of it or nothing; other processes wait."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    # Incidents

    def incidents(self, kinds: Sequence[str] | None = None) -> list[Incident]:
        """Those that last, those whose end is still to be told, and those of which days are bad still."""
        rows = self._db.execute("SELECT kind, body FROM incidents WHERE NOT is_done ORDER BY rowid")
        return [_incident(body) for kind, body in rows if kinds is None or kind in kinds]

    def recent_incidents(self, since: dt.datetime) -> list[Incident]:
        """Those that last, and those that ended since, the newest first."""
        rows = self._db.execute(
            "SELECT body FROM incidents WHERE closed_at IS NULL OR closed_at >= ? ORDER BY rowid DESC", (_text(since),)
        )
        return [_incident(body) for (body,) in rows]

    def save(self, incidents: Iterable[Incident]) -> None:
        for each in incidents:
            is_done = not each.is_open and each.is_over_told and not each.days
            closed = None if each.closed_at is None else _text(each.closed_at)
            self._db.execute(
                "INSERT INTO incidents VALUES (?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET "
                "is_done = excluded.is_done, closed_at = excluded.closed_at, body = excluded.body",
                (each.id, each.key.kind, is_done, closed, _body(each)),
            )

    # Threads

    def thread_about(self, about: str, since: dt.datetime) -> tuple[str, str] | None:
        """The newest thread (id, channel) about a table in which something happened since."""
        row = self._db.execute(
            "SELECT id, channel FROM threads WHERE about = ? AND active_at >= ? ORDER BY active_at DESC LIMIT 1",
            (about, _text(since)),
        ).fetchone()
        return None if row is None else (row[0], row[1])

    def channel_of_thread(self, thread: str) -> str | None:
        row = self._db.execute("SELECT channel FROM threads WHERE id = ?", (thread,)).fetchone()
        return None if row is None else str(row[0])

    def keep_thread(self, thread: str, about: str, channel: str, now: dt.datetime) -> None:
        self._db.execute(
            "INSERT INTO threads VALUES (?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET active_at = excluded.active_at",
            (thread, about, channel, _text(now)),
        )

    # Outbox

    def enqueue(
        self,
        message: Message,
        targets: Iterable[str],
        *,
        thread: str,
        channel: str,
        is_root: bool,
        now: dt.datetime,
        due: dt.datetime,
    ) -> None:
        """A letter for every target; one that has the message's key already keeps its own."""
        for target in targets:
            self._db.execute(
                "INSERT INTO outbox (target, key, thread, channel, is_root, message, created_at, due_at) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (target, key) DO NOTHING",
                (target, message.key, thread, channel, is_root, message.to_json(), _text(now), _text(due)),
            )

    def waiting(self, target: str | None = None, now: dt.datetime | None = None) -> list[Letter]:
        """The letters not delivered yet, in the order they were written: of one target, and due by a moment."""
        rows = self._db.execute(
            "SELECT number, target, thread, channel, is_root, message, created_at, due_at, attempts, is_uncertain, "
            "coalesce(problem, '') FROM outbox WHERE sent_at IS NULL AND (?1 IS NULL OR target = ?1) "
            "AND (?2 IS NULL OR due_at <= ?2) AND (?2 IS NULL OR claimed_until IS NULL OR claimed_until <= ?2) "
            "ORDER BY number",
            (target, None if now is None else _text(now)),
        )
        return [
            Letter(
                row[0],
                row[1],
                row[2],
                row[3],
                bool(row[4]),
                Message.from_json(row[5]),
                dt.datetime.fromisoformat(row[6]),
                dt.datetime.fromisoformat(row[7]),
                row[8],
                bool(row[9]),
                row[10],
            )
            for row in rows
        ]

    def claim(self, letter: Letter, now: dt.datetime) -> bool:
        """Take the letter for a while; False when somebody else has it. From here on an attempt may have succeeded."""
        cursor = self._db.execute(
            "UPDATE outbox SET claimed_until = ?, attempts = attempts + 1, is_uncertain = 1 "
            "WHERE number = ? AND sent_at IS NULL AND (claimed_until IS NULL OR claimed_until <= ?)",
            (_text(now + CLAIM), letter.number, _text(now)),
        )
        return cursor.rowcount == 1

    def record_sent(self, letter: Letter, reference: str, now: dt.datetime) -> None:
        self._db.execute(
            "UPDATE outbox SET sent_at = ?, reference = ?, claimed_until = NULL, problem = NULL WHERE number = ?",
            (_text(now), reference, letter.number),
        )

    def postpone(self, letter: Letter, until: dt.datetime, problem: str, *, is_uncertain: bool) -> None:
        """`problem` names the error, never its text: that may hold an address or a token."""
        self._db.execute(
            "UPDATE outbox SET due_at = ?, problem = ?, is_uncertain = ?, claimed_until = NULL WHERE number = ?",
            (_text(until), problem, is_uncertain, letter.number),
        )

    def root_of(self, thread: str, target: str) -> tuple[bool, str | None]:
        """Whether the thread has a first message at the target, and what the target calls it, once it was sent."""
        row = self._db.execute(
            "SELECT reference FROM outbox WHERE thread = ? AND target = ? AND is_root ORDER BY number LIMIT 1",
            (thread, target),
        ).fetchone()
        return (False, None) if row is None else (True, row[0])

    # Mutes and small facts

    def mutes(self) -> list[Mute]:
        rows = self._db.execute("SELECT scope, until FROM mutes ORDER BY scope")
        return [Mute(scope, dt.datetime.fromisoformat(until)) for scope, until in rows]

    def mute(self, mute: Mute) -> None:
        self._db.execute("INSERT OR REPLACE INTO mutes VALUES (?, ?)", (mute.scope, _text(mute.until)))

    def get(self, name: str) -> Any:
        """A small fact; None when it was never set."""
        row = self._db.execute("SELECT value FROM state WHERE name = ?", (name,)).fetchone()
        return None if row is None else json.loads(row[0])

    def set(self, name: str, value: Any) -> None:
        self._db.execute("INSERT OR REPLACE INTO state VALUES (?, ?)", (name, json.dumps(value)))

    def forget(self, before: dt.datetime) -> None:
        """Remove what was over and told before that time."""
        text = _text(before)
        self._db.execute("DELETE FROM outbox WHERE sent_at < ?", (text,))
        self._db.execute("DELETE FROM incidents WHERE is_done AND closed_at < ?", (text,))
        self._db.execute("DELETE FROM threads WHERE active_at < ? AND id NOT IN (SELECT thread FROM outbox)", (text,))
        self._db.execute("DELETE FROM mutes WHERE until < ?", (text,))


def _text(time: dt.datetime) -> str:
    """UTC to the microsecond, always as long: such texts compare as the times do."""
    return time.astimezone(dt.UTC).isoformat(timespec="microseconds")


def _body(incident: Incident) -> str:
    values = {
        **vars(incident),
        "key": [incident.key.table, incident.key.kind, incident.key.check],
        "days": {str(day): vars(seen) for day, seen in incident.days.items()},
        "told": {str(day): state for day, state in incident.told.items()},
    }
    return json.dumps(values, default=lambda time: _text(time))


def _incident(body: str) -> Incident:
    values = json.loads(body)
    for name in ("opened_at", "changed_at", "told_at", "closed_at", "acked_at"):
        values[name] = None if values[name] is None else dt.datetime.fromisoformat(values[name])
    values["key"] = Key(*values["key"])
    values["days"] = {dt.date.fromisoformat(day): Seen(**seen) for day, seen in values["days"].items()}
    values["told"] = {dt.date.fromisoformat(day): state for day, state in values["told"].items()}
    return Incident(**values)
