"""`python -m puffy_platform_tests.bench.history`: what one more day costs on top of 14, 90 and 730 days of history.

For each length a home of its own: all days but the last are computed, then the last day's file lands and what it
affects is computed, each in a process of its own. Prints Markdown; docs/performance.md is made of it.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from puffy_platform.speed.measure import Cost, run
from puffy_platform_tests.bench.pipeline import BENCH, make_home, print_report


def one_more_day(root: Path, days: int, events_a_day: int) -> tuple[Cost, Cost]:
    """The cost of a history of so many days, and of the day after it."""
    home, _ = make_home(root, events_a_day * (days + 1), days + 1)
    last = max((home / "landing").iterdir())
    aside = last.rename(root / last.name)
    history = run(f"{BENCH}.stages", str(home))
    aside.rename(last)
    day = run(f"{BENCH}.stages", str(home))
    # Years take a while: what is known already is told on the way.
    told = f"{days} days: {history.wall:.1f} s, {history.peak_mib:,.0f} MiB; one more: {day.wall:.1f} s"
    print(told, file=sys.stderr, flush=True)
    shutil.rmtree(home)
    return history, day


def report(root: Path, lengths: Sequence[int], events_a_day: int) -> Iterable[str]:
    """The Markdown, line by line."""
    found = {days: one_more_day(root / str(days), days, events_a_day) for days in lengths}
    first = found[lengths[0]][1].said
    yield f"{events_a_day:,} events a day.\n"
    yield "| | " + " | ".join(f"{days} days" for days in lengths) + " | last : first |"
    yield "|---|" + "--:|" * (len(lengths) + 1)
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
        yield f"| {name} | " + " | ".join(f"{value:,.2f}" for value in values) + f" | {values[-1] / values[0]:.2f} |"


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--days", type=int, nargs="+", default=[14, 90, 730])
    options.add_argument("--events-a-day", type=int, default=2_000)
    asked = options.parse_args()
    print_report(lambda root: report(root, asked.days, asked.events_a_day))


if __name__ == "__main__":
    main()
