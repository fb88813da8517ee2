"""`python -m puffy_platform_tests.bench.funnel`: a four-step funnel over 10 million events, in seconds and memory.

Every order and re-entry rule is measured in a process of its own, over the same random events in memory: steps are
marked, attempts made and folded. Prints Markdown.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import resource
import time

import numpy as np
import polars as pl

from puffy_platform.methods.funnel import Funnel, attempts
from puffy_platform.methods.funnel_question import mark_steps
from puffy_platform.methods.funnel_steps import fold
from puffy_platform.table import DayRange
from puffy_platform.tables.funnel import STEPS
from puffy_platform_tests.bench.measure import run

FIRST_DAY = dt.date(2025, 1, 1)
DAYS = 30
SHARES = (0.8, 0.12, 0.05, 0.03)
EVENTS_A_CLIENT = 8
QUESTIONS = (("ordered", "best"), ("ordered", "every"), ("strict", "best"), ("any", "best"))


def random_events(count: int, seed: int = 1) -> pl.DataFrame:
    """Events of all four steps, of clients with eight each on average, evenly over 30 days; purchases of 1,000.00."""
    rng = np.random.default_rng(seed)
    clients = pl.Series(rng.integers(0, 2**62, max(1, count // EVENTS_A_CLIENT))).cast(pl.String).str.zfill(32)
    step = pl.Series(rng.choice(len(STEPS), count, p=SHARES))
    day = pl.Series(rng.integers(0, DAYS, count))
    midnight = pl.lit(FIRST_DAY).dt.offset_by(pl.format("{}d", pl.col("day")))
    return (
        pl.DataFrame({"day": day, "microsecond": rng.integers(0, 86_400_000_000, count), "step": step})
        .with_columns(client_id=clients.gather(rng.integers(0, len(clients), count)), landing_day=midnight)
        .select(
            "client_id",
            "landing_day",
            event_ts=pl.col("landing_day").cast(pl.Datetime("us", "UTC")) + pl.duration(microseconds="microsecond"),
            event_name=pl.Series([step.event for step in STEPS]).gather(step),
            revenue_cents=pl.when(pl.col("step") == 3).then(pl.lit(100_000, pl.Int64)),
            source_file=pl.format("events_{}.csv", pl.col("landing_day").dt.strftime("%Y%m%d")),
            source_line=pl.int_range(1, count + 1, dtype=pl.Int64),
        )
    )


def measure(count: int, order: str, reentry: str) -> None:
    """One question in this process; prints JSON."""
    events = random_events(count)
    before = resource.getrusage(resource.RUSAGE_SELF)
    began = time.monotonic()
    funnel = Funnel(len(STEPS), dt.timedelta(days=7), order, reentry)  # type: ignore[arg-type]
    entered = DayRange(FIRST_DAY, FIRST_DAY + dt.timedelta(days=DAYS - 1))
    marked = mark_steps(events.lazy(), STEPS).drop("event_name").collect()
    reached = fold(attempts(marked, funnel, entered), len(STEPS))["reached"].to_list()
    wall = time.monotonic() - began
    after = resource.getrusage(resource.RUSAGE_SELF)
    print(
        json.dumps(
            {
                "wall": wall,
                "cpu": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
                "peak_mib": after.ru_maxrss / 1024,
                "events_mib": events.estimated_size("mb"),
                "reached": reached,
            }
        )
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=10_000_000)
    parser.add_argument("--one", nargs=2, metavar=("ORDER", "REENTRY"), help="measure one question in this process")
    asked = parser.parse_args()
    if asked.one:
        measure(asked.events, *asked.one)
        return
    print(f"{asked.events:,} funnel events in memory, four steps, 7 days\n")
    print("| order | re-entry | seconds | CPU seconds | peak MiB, with the events | entered | completed |")
    print("|---|---|---:|---:|---:|---:|---:|")
    for order, reentry in QUESTIONS:
        cost = run("puffy_platform_tests.bench.funnel", "--events", str(asked.events), "--one", order, reentry)
        said = cost.said
        print(
            f"| {order} | {reentry} | {said['wall']:.1f} | {said['cpu']:.1f} | {said['peak_mib']:,.0f}, "
            f"{said['events_mib']:,.0f} | {said['reached'][0]:,} | {said['reached'][-1]:,} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
