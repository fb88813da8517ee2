"""What a computation did, day by day, and the log of check outcomes."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass, field

import polars as pl

from puffy_platform.outcomes import OUTCOME_SCHEMA, blocked_days
from puffy_platform.pipeline.platform import Platform
from puffy_platform.warehouse.ledger import Entry

__all__ = ["CHECK_RESULTS", "DayResult", "Report", "check_results", "record_outcomes"]

CHECK_RESULTS = "check_results"
FAILURES_SHOWN = 10


@dataclass(frozen=True)
class DayResult:
    """One day: rows and money now stored; whether it was computed, and whether its rows changed. `rolled_back_to` is
    the time whose rows it holds, and why it was left alone, when someone has rolled it back."""

    day: dt.date
    rows: int
    money_cents: int | None
    changed: bool
    recomputed: bool
    rolled_back_to: str | None = None

    @classmethod
    def untouched(cls, entry: Entry) -> DayResult:
        held = entry.rolled_back_to
        return cls(entry.day, entry.rows, entry.money_cents, changed=False, recomputed=False, rolled_back_to=held)


@dataclass
class Report:
    """The outcome of materialising days of one table."""

    table: str
    days: list[DayResult] = field(default_factory=list)
    outcomes: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=OUTCOME_SCHEMA))
    seconds: float = 0.0

    @property
    def rows(self) -> int:
        return sum(day.rows for day in self.days)

    def add(self, outcomes: pl.DataFrame) -> None:
        self.outcomes = pl.concat([self.outcomes, outcomes])

    def finish(self, seconds: float) -> None:
        self.days.sort(key=lambda result: result.day)
        self.seconds = seconds

    @property
    def held_back(self) -> list[dt.date]:
        """The days that keep their old rows because a check of error severity failed, in order."""
        return sorted(blocked_days(self.outcomes))

    def held_back_sentence(self) -> str:
        """Which days stay as they were, and because of which checks."""
        failed = self.outcomes.filter(pl.col("status") == "fail", pl.col("severity") == "error").sort("day", "check")
        lines = [
            f"{row['day']} {row['check']}: {row['observed']} (expected {row['expected']})"
            for row in failed.head(FAILURES_SHOWN).iter_rows(named=True)
        ]
        more = failed.height - len(lines)
        lines += [f"and {more:,} more"] if more else []
        days = "1 day" if len(self.held_back) == 1 else f"{len(self.held_back)} days"
        return f"{self.table}: checks held {days} back, the rows stay as they were:\n  " + "\n  ".join(lines)


def record_outcomes(platform: Platform, reports: Iterable[Report], run_id: str) -> None:
    """Append to the log of check outcomes; the newest of a (table, day, check) counts."""
    outcomes = pl.concat([report.outcomes for report in reports])
    if outcomes.height:
        now = pl.lit(dt.datetime.now(dt.UTC)).cast(pl.Datetime("us", "UTC"))
        stamped = outcomes.with_columns(run_id=pl.lit(run_id), recorded_at=now)
        platform.warehouse.append(CHECK_RESULTS, stamped)


def check_results(platform: Platform) -> pl.DataFrame:
    """The newest outcome of every table, day and check."""
    delta = platform.warehouse.open(CHECK_RESULTS)
    if delta is None:
        schema: dict[str, pl.DataType | type[pl.DataType]] = {
            **OUTCOME_SCHEMA,
            "run_id": pl.String,
            "recorded_at": pl.Datetime("us", "UTC"),
        }
        return pl.DataFrame(schema=schema)
    return (
        pl.scan_delta(delta)
        .sort("recorded_at", maintain_order=True)
        .unique(["table", "day", "check"], keep="last", maintain_order=True)
        .sort("day", "table", "check")
        .collect()
    )
