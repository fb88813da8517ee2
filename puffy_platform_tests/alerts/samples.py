"""Findings, incidents and desks for tests of alerts. Expected words live in the tests."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Iterable
from pathlib import Path

from puffy_platform.alerts.desk import Desk
from puffy_platform.alerts.incidents import Finding, Key, Severity
from puffy_platform.alerts.incidents import Seen as SeenOn
from puffy_platform.alerts.storage import AlertStore
from puffy_platform.settings import Settings
from puffy_platform.tables import TABLES
from puffy_platform_tests.windows import settings_with

__all__ = ["NOW", "Clock", "day", "desk", "finding", "steady"]

NOW = dt.datetime(2025, 3, 10, 12, tzinfo=dt.UTC)


def day(number: int) -> dt.date:
    """The n-th day of 2025."""
    return dt.date(2025, 1, 1) + dt.timedelta(days=number - 1)


def finding(
    number: int,
    check: str = "key",
    table: str = "sessions",
    *,
    severity: Severity = "error",
    kind: str = "check",
    state: str = "",
    observed: str = "2 rows share a key",
) -> Finding:
    key = Key(table, kind, check)  # type: ignore[arg-type]
    return Finding(key, day(number), severity, SeenOn(observed, "unique", state), "(session_id) is unique.")


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> dt.datetime:
        return self.now

    def pass_by(self, **time: float) -> dt.datetime:
        self.now += dt.timedelta(**time)
        return self.now


def steady() -> random.Random:
    return random.Random(7)


def desk(home: Path, targets: Iterable[str] = ("slack",), settings: Settings | None = None) -> Desk:
    return Desk(AlertStore(home / "alerts.db"), settings or settings_with(), TABLES, tuple(targets))
