"""How the answer about retention looks in 80 columns. Formats what it is given; computes and reads nothing."""

from __future__ import annotations

from typing import Any

import polars as pl
from rich.console import Console

from puffy_platform.methods.retention import ALL, Clock, Cohort
from puffy_platform.pipeline.retentions import By, RetentionAnswer
from puffy_platform.present import titled_grid
from puffy_platform.present_funnel import percent
from puffy_platform.table import DayRange

__all__ = ["print_retention", "retention_to_json"]

COHORTS_SHOWN = 20
MARKS_SHOWN = 6
MEMBERS = {"visit": "clients by their first visit", "purchase": "customers by their first order"}
CLOCKS = {"calendar": "days are UTC dates", "rolling": "days are 24 hours from the first"}


def print_retention(
    console: Console, by: By, born: DayRange, clock: Clock, cohort: Cohort, answer: RetentionAnswer
) -> None:
    console.print(f"{born}, {MEMBERS[by]}", style="bold", highlight=False)
    console.print(f"{CLOCKS[clock]}; known until {answer.known.last}\n", highlight=False)
    if answer.rows.is_empty():
        console.print("Nobody came first on these days.")
        return
    _print_marks(console, answer.rows.filter(cohort=ALL))
    _print_cohorts(console, cohort, answer.rows.filter(pl.col("cohort") != ALL))
    if born.first <= answer.known.first:
        console.print(
            f"\nNothing is known before {answer.known.first}: the first cohorts also hold members who had come before.",
            highlight=False,
        )


def retention_to_json(by: By, born: DayRange, clock: Clock, cohort: Cohort, answer: RetentionAnswer) -> dict[str, Any]:
    return {
        "from": str(born.first),
        "to": str(born.last),
        "by": by,
        "clock": clock,
        "cohort": cohort,
        "known_from": str(answer.known.first),
        "known_to": str(answer.known.last),
        "rows": answer.rows.to_dicts(),
    }


def _print_marks(console: Console, rows: pl.DataFrame) -> None:
    grid = titled_grid("", "on day", "had the time", "came", "retention", "95 % interval")
    for row in rows.iter_rows(named=True):
        interval = "-" if row["low"] is None else f"{percent(row['low'])} - {percent(row['high'])}"
        grid.add_row(row["mark"], f"{row['reached']:,}", f"{row['retained']:,}", percent(row["retention"]), interval)
    console.print(grid)


def _print_cohorts(console: Console, cohort: Cohort, rows: pl.DataFrame) -> None:
    """A line a cohort, the newest ones; a mark that none of its members reached is a dash."""
    marks = rows["mark"].unique(maintain_order=True).to_list()[:MARKS_SHOWN]
    grid = titled_grid("", cohort, "members", *marks)
    found = rows.partition_by("cohort", maintain_order=True)
    for part in found[-COHORTS_SHOWN:]:
        rates = dict(part.select("mark", "retention").iter_rows())
        grid.add_row(part["cohort"][0], f"{part['members'][0]:,}", *(percent(rates[mark]) for mark in marks))
    console.print()
    console.print(grid)
    hidden = len(found) - COHORTS_SHOWN
    if hidden > 0 or rows["mark"].n_unique() > MARKS_SHOWN:
        console.print("--json shows all cohorts and marks.", highlight=False)
