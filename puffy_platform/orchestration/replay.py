"""Replays the quarantine: landing days that hold quarantined rows are read again under today's contract."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from puffy_platform.orchestration.run import open_instance, run_days
from puffy_platform.pipeline import Platform
from puffy_platform.table import DayRange

__all__ = ["Replay", "replay"]

Counts = dict[str, int]


@dataclass(frozen=True)
class Replay:
    """Quarantined rows by rule, before and after."""

    days: int
    before: Counts
    after: Counts

    @property
    def recovered(self) -> int:
        return sum(self.before.values()) - sum(self.after.values())

    def to_json(self) -> dict[str, object]:
        return {"days": self.days, "before": self.before, "after": self.after, "recovered": self.recovered}


def replay(platform: Platform) -> Replay:
    """Run the quarantined rows through today's contract and settings, and everything they then change.

    The rows are read from the landing files, which stay the source of truth, so a replay can neither lose nor
    double a row, and a second one changes nothing.
    """
    before, days = _quarantined(platform)
    if days:
        with open_instance(platform) as instance:
            run_days(platform, instance, DayRange(days[0], days[-1]))
    after, _ = _quarantined(platform)
    return Replay(len(days), before, after)


def _quarantined(platform: Platform) -> tuple[Counts, list[dt.date]]:
    rows = platform.warehouse.read(platform.tables["quarantined_events"], columns=("day", "rule")).collect()
    return dict(rows.group_by("rule").len().sort("rule").iter_rows()), sorted(rows["day"].unique())
