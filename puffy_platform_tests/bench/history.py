"""`python -m puffy_platform_tests.bench.history`: what one more day costs on top of 14, 90 and 730 days of history.

For each length a home of its own: its days are computed, then a few more days land one by one, and each time what that
affects is computed, always in a process of its own. Of the days on top the medians count: now and then a log is tidied
up. Prints Markdown; docs/performance.md is made of it.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from puffy_platform.speed.measure import Cost, median, run
from puffy_platform_tests.bench.pipeline import BENCH, machine, make_home, print_report


def one_more_day(root: Path, days: int, events_a_day: int, more: int) -> tuple[Cost, Cost]:
    """The cost of a history of so many days, and of a day on top of it."""
    home, _ = make_home(root, events_a_day * (days + more), days + more)
    landing, aside = home / "landing", root / "to_come"
    aside.mkdir()
    to_come = [file.rename(aside / file.name) for file in sorted(landing.iterdir())[days:]]
    history = run(f"{BENCH}.stages", str(home))
    costs = []
    for file in to_come:
        file.rename(landing / file.name)
        costs.append(run(f"{BENCH}.stages", str(home)))
    day = replace(median(costs), said=_median_stages([cost.said["stages"] for cost in costs]))
    # Years take a while: what is known already is told on the way.
    told = f"{days} days: {history.wall:.1f} s, {history.peak_mib:,.0f} MiB; one more: {day.wall:.1f} s"
    print(told, file=sys.stderr, flush=True)
    shutil.rmtree(home)
    return history, day


def _median_stages(said: Sequence[dict[str, list[float]]]) -> dict[str, list[float]]:
    return {
        stage: [statistics.median(values) for values in zip(*(each[stage] for each in said), strict=True)]
        for stage in said[0]
    }


def report(root: Path, lengths: Sequence[int], events_a_day: int, more: int) -> Iterable[str]:
    """The Markdown, line by line. The last length is held against each of the others."""
    found = {days: one_more_day(root / str(days), days, events_a_day, more) for days in lengths}
    first, last = found[lengths[0]][1].said, lengths[-1]
    yield f"{events_a_day:,} events a day; {machine()}; medians of {more} more days.\n"
    columns = [f"{days} days" for days in lengths] + [f"{last} : {days}" for days in lengths[:-1]]
    yield "| | " + " | ".join(columns) + " |"
    yield "|---|" + "--:|" * len(columns)
    histories, days = zip(*found.values(), strict=True)
    rows = [
        ("history, wall s", [cost.wall for cost in histories]),
        ("history, CPU s", [cost.cpu for cost in histories]),
        ("history, peak MiB", [cost.peak_mib for cost in histories]),
        ("one more day, process, wall s", [cost.wall for cost in days]),
        ("one more day, process, CPU s", [cost.cpu for cost in days]),
        ("one more day, process, peak MiB", [cost.peak_mib for cost in days]),
    ]
    for place, unit in enumerate(("wall s", "CPU s")):
        rows += [(f"{stage}, {unit}", [cost.said[stage][place] for cost in days]) for stage in first]
    for name, values in rows:
        ratios = [values[-1] / value for value in values[:-1]]
        yield f"| {name} | " + " | ".join(f"{value:,.2f}" for value in [*values, *ratios]) + " |"


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--days", type=int, nargs="+", default=[14, 90, 730])
    options.add_argument("--events-a-day", type=int, default=2_000)
    options.add_argument("--more", type=int, default=3)
    asked = options.parse_args()
    print_report(lambda root: report(root, asked.days, asked.events_a_day, asked.more))


if __name__ == "__main__":
    main()
