"""How the answer about a funnel looks in 80 columns. Formats what it is given; computes and reads nothing."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import polars as pl
from rich.console import Console
from rich.text import Text

from puffy_platform.methods.funnel import Funnel
from puffy_platform.methods.funnel_groups import COHORT
from puffy_platform.methods.funnel_question import Step
from puffy_platform.methods.funnel_steps import ENOUGH
from puffy_platform.pipeline.funnels import FunnelAnswer
from puffy_platform.present import money, titled_grid
from puffy_platform.table import DayRange

__all__ = ["duration", "funnel_to_json", "percent", "print_funnel"]

GROUPS_SHOWN = 15
LONGEST_NAME = 26
WIDTH, GAP = 80, 3
ORDERS = {
    "ordered": "in this order",
    "strict": "in this order and nothing between",
    "any": "in any order",
}
COUNTED = {
    "best": "each client once, by its furthest attempt",
    "first": "each client once, by its first attempt",
    "every": "every attempt",
}


def duration(seconds: float | None) -> str:
    """Two digits or so, in the unit that suits: 45 s, 3.1 min, 2.0 h, 1.5 d."""
    if seconds is None:
        return "-"
    for unit, length in (("d", 86_400.0), ("h", 3_600.0), ("min", 60.0)):
        if seconds >= length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.0f} s"


def span(time: dt.timedelta) -> str:
    """A whole number of the largest unit that fits: 7 days, 90 minutes."""
    seconds = round(time.total_seconds())
    units = (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1))
    name, length = next(unit for unit in units if seconds % unit[1] == 0)
    return f"{seconds // length} {name}{'' if seconds == length else 's'}"


def percent(rate: float | None) -> str:
    """Three digits or so: 41.3%, 1.85%."""
    return "-" if rate is None else f"{rate:.1%}" if rate >= 0.0995 else f"{rate:.2%}"


def print_funnel(
    console: Console, steps: Sequence[Step], funnel: Funnel, days: DayRange, by: str | None, answer: FunnelAnswer
) -> None:
    console.print(f"{days}, {ORDERS[funnel.order]}, within {span(funnel.within)}", style="bold", highlight=False)
    console.print(f"{COUNTED[funnel.reentry]}\n", highlight=False)
    if answer.rows.is_empty():
        console.print("Nobody entered.")
    elif by is None:
        _print_steps(console, steps, funnel, answer.rows)
    else:
        _print_groups(console, steps, funnel, by, answer.rows)
    if answer.still_open:
        counted = "attempts" if funnel.reentry == "every" else "clients"
        console.print(
            f"\n{answer.still_open:,} {counted} that stopped short may still go on: their windows end after the last "
            f"day with events, {answer.last_event_day}.",
            highlight=False,
        )
    if answer.nameless:
        console.print(f"{answer.nameless:,} events without client id belong to nobody.", highlight=False)


def funnel_to_json(steps: Sequence[Step], funnel: Funnel, days: DayRange, answer: FunnelAnswer) -> dict[str, Any]:
    return {
        "from": str(days.first),
        "to": str(days.last),
        "steps": [str(step) for step in steps],
        "within_seconds": funnel.within.total_seconds(),
        "order": funnel.order,
        "reentry": funnel.reentry,
        "last_event_day": str(answer.last_event_day),
        "still_open": answer.still_open,
        "nameless_events": answer.nameless,
        "rows": answer.rows.to_dicts(),
    }


def _names(steps: Sequence[Step], funnel: Funnel) -> list[str]:
    if funnel.order == "any":
        return [f"{number} of {len(steps)} steps" for number in range(1, len(steps) + 1)]
    return [f"{number} {step}" for number, step in enumerate(steps, start=1)]


def _print_steps(console: Console, steps: Sequence[Step], funnel: Funnel, rows: pl.DataFrame) -> None:
    grid = titled_grid("", "step", "reached", "of the step before", "of all", "95 % interval")
    grid.columns[0].no_wrap, grid.columns[0].overflow = False, "fold"
    found = rows.to_dicts()
    for name, row in zip(_names(steps, funnel), found, strict=True):
        interval = "" if row["rate_low"] is None else f"{percent(row['rate_low'])} - {percent(row['rate_high'])}"
        first = row["step"] == 1
        shares = ("", "") if first else (percent(row["rate"]), percent(row["rate_of_all"]))
        grid.add_row(Text(name), f"{row['reached']:,}", *shares, interval)
    console.print(grid)
    if len(steps) == 1:
        return
    console.print()
    between = titled_grid("Between the steps", "", "stopped", "holding about", "median", "mean")
    for here, after in pairwise(found):
        value = here["dropped_value_cents"]
        between.add_row(
            f"{here['step']} > {after['step']}",
            f"{here['dropped']:,}",
            "-" if value is None else money(value),
            duration(after["median_seconds"]),
            duration(after["mean_seconds"]),
        )
    console.print(between)
    console.print(
        f"\nBrought in the end: {money(found[-1]['revenue_cents'])}. Holding about: what those who stopped would have "
        f"brought at the average of those who went on (of {ENOUGH} at least).",
        highlight=False,
    )


def _print_groups(console: Console, steps: Sequence[Step], funnel: Funnel, by: str, rows: pl.DataFrame) -> None:
    for name in _names(steps, funnel):
        console.print(Text(name))
    wide = rows.pivot("step", index="by", values=["reached", "rate_of_all"])
    # Cohorts by time, the newest ones; all else by size.
    wide = wide.sort("by").reverse() if by == COHORT else wide.sort("reached_1", "by", descending=[True, False])
    found = wide.head(GROUPS_SHOWN).to_dicts()
    numbers = range(1, len(steps) + 1)
    # Shares beside the counts of every step where there is room for them, else of the last step only.
    cells = _group_cells(found, by, numbers, shares=set(numbers) - {1})
    if sum(max(map(len, column)) + GAP for column in zip(*cells, strict=True)) > WIDTH + GAP:
        cells = _group_cells(found, by, numbers, shares=set(numbers) - set(range(1, len(steps))) - {1})
    grid = titled_grid("", *cells[0])
    for row in cells[1:]:
        grid.add_row(*map(Text, row))
    console.print()
    console.print(grid)
    if wide.height > GROUPS_SHOWN:
        console.print(f"and {wide.height - GROUPS_SHOWN:,} more: --json shows all.", highlight=False)


def _group_cells(found: list[dict[str, Any]], by: str, numbers: range, shares: set[int]) -> list[list[str]]:
    """The heading and a row a group: its name, and for each step how many got there, and their share of all."""
    heading, rows = [by], [[_short(row["by"])] for row in found]
    for number in numbers:
        heading += [str(number), "of all"] if number in shares else [str(number)]
        for cells, row in zip(rows, found, strict=True):
            cells.append(f"{row[f'reached_{number}']:,}")
            if number in shares:
                cells.append(percent(row[f"rate_of_all_{number}"]))
    return [heading, *rows]


def _short(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"
