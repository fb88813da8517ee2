"""Replays the quarantine: landing days that hold quarantined rows, or rows of repairs, are read again as of today."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from puffy_platform.orchestration.run import open_instance, run_days
from puffy_platform.pipeline import Platform, affected
from puffy_platform.pipeline.repairing import repaired_rows
from puffy_platform.table import DayRange

__all__ = ["Replay", "replay"]

Counts = dict[str, int]


@dataclass(frozen=True)
class Replay:
    """Quarantined rows by rule, before and after, and the rows that name a repair, by repair."""

    days: int
    before: Counts
    after: Counts
    repaired: Counts

    @property
    def recovered(self) -> int:
        return sum(self.before.values()) - sum(self.after.values())

    def to_json(self) -> dict[str, object]:
        return {
            "days": self.days,
            "before": self.before,
            "after": self.after,
            "recovered": self.recovered,
            "repaired": self.repaired,
        }


def replay(platform: Platform) -> Replay:
    """Run the quarantined rows through today's contract, settings and repairs, and everything they then change.

    The rows are read from the landing files, which stay the source of truth, so a replay can neither lose nor
    double a row, and a second one changes nothing. Days on which a repair of accepted rows is new, was changed or
    is gone are read again as well.
    """
    before, held = _quarantined(platform)
    look = platform.landing()
    if look.days is not None:
        plan = affected(platform, look.days)
        mine = {*held, *plan.repairs, *(day for repair in look.repairs for day in repair.days)}
        days = sorted(mine & plan.all_days() & look.files.keys())
        if days:
            with open_instance(platform, to_run=True) as instance:
                run_days(platform, instance, DayRange(days[0], days[-1]))
    after, _ = _quarantined(platform)
    repaired = {name: counts.rows for name, counts in repaired_rows(platform).items()}
    return Replay(len(held), before, after, repaired)


def _quarantined(platform: Platform) -> tuple[Counts, list[dt.date]]:
    rows = platform.warehouse.read(platform.tables["quarantined_events"], columns=("day", "rule")).collect()
    return dict(rows.group_by("rule").len().sort("rule").iter_rows()), sorted(rows["day"].unique())
