"""Deterministic event files of any size: a clean shop's, with every eighth row or so delivered twice."""

from __future__ import annotations

import datetime as dt
import json
import sys
from pathlib import Path

import numpy as np
import polars as pl

from puffy_platform.demo import simulate
from puffy_platform_tests.bench.pipeline import DAYS, FIRST_DAY

__all__ = ["write_files"]

DUPLICATE_SHARE = 0.15
DAY_MS = 86_400_000
COLUMNS = ("client_id", "page_url", "referrer", "timestamp", "event_name", "event_data", "user_agent")


def write_files(folder: Path, rows: int, days: int = DAYS, seed: int = 7) -> int:
    """Write about `rows` rows over `days` daily CSV files; returns how many. The same arguments, the same bytes.

    URLs, user agents and JSON are the demo shop's, as long and varied as real ones. 15 % of the rows are
    re-deliveries, three of four in the same file, the others in the next day's. Weeks are simulated one at a time,
    each a shop of its own, so that memory does not grow with `days`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    per_day = max(200, round(rows / days * (1 - DUPLICATE_SHARE)))
    written = 0
    carried: pl.DataFrame | None = None
    for number, start in enumerate(range(0, days, DAYS)):
        first, span = FIRST_DAY + dt.timedelta(days=start), min(DAYS, days - start)
        more, carried = _write_span(folder, first, span, (seed, number), per_day, carried)
        written += more
    return written


def _write_span(
    folder: Path, first: dt.date, span: int, seed: tuple[int, int], per_day: int, carried: pl.DataFrame | None
) -> tuple[int, pl.DataFrame]:
    """Write the files of `span` days, with the rows carried over from the days before; returns how many rows, and
    those that are delivered after them."""
    events = _events(first, max(span, 10), sum(seed), per_day).filter(pl.col("file") < span)
    rng = np.random.default_rng(seed)
    again = events.filter(pl.Series(rng.random(events.height) < DUPLICATE_SHARE / (1 - DUPLICATE_SHARE)))
    moved = pl.Series((rng.random(again.height) < 0.25).astype(np.int64))
    again = again.with_columns(file=pl.col("file") + moved)
    everything = pl.concat([events, again, *([carried] if carried is not None else [])])
    written = 0
    for (file,), body in everything.filter(pl.col("file") < span).partition_by("file", as_dict=True).items():
        day = first + dt.timedelta(days=int(file))
        body.sort("ts", maintain_order=True).select(COLUMNS).write_csv(folder / f"events_{day:%Y%m%d}.csv")
        written += body.height
    return written, everything.filter(pl.col("file") == span).with_columns(file=pl.lit(0, pl.Int64))


def _events(first: dt.date, days: int, seed: int, per_day: int) -> pl.DataFrame:
    """A shop's events with their time as text and the number of their file."""
    midnight = pl.lit(dt.datetime.combine(first, dt.time())).cast(pl.Datetime("ms"))
    time = midnight + pl.duration(milliseconds="ts")
    # Shops of different weeks must not share order ids, or later weeks would be all collisions.
    events = simulate(first, days, seed, per_day).events
    return events.select(
        "ts",
        *(name for name in COLUMNS if name != "timestamp"),
        timestamp=time.dt.strftime("%Y-%m-%dT%H:%M:%S%.3fZ"),
        file=pl.col("ts") // DAY_MS,
    )


if __name__ == "__main__":
    print(json.dumps({"rows": write_files(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))}))
