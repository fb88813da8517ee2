"""`python -m puffy_platform_tests.bench.attribution`: data-driven models over a million journeys, seconds and memory.

Every model is measured in a process of its own, over the same random journeys in memory: equal ones are added up, and
the model is solved; `full` does what the daily table does, all its models with 200 bootstrap samples. Prints Markdown.
"""

from __future__ import annotations

import argparse
import json
import resource
import time

import numpy as np
import polars as pl

from puffy_platform.methods.data_driven import Evidence, attribute, model_names
from puffy_platform.methods.journeys import Journeys
from puffy_platform.methods.markov import MarkovChain
from puffy_platform.methods.shapley import ConversionRateGame, SumGame
from puffy_platform_tests.bench.measure import run

CHANNELS = 15
MEAN_TOUCHES = 2.5
CONVERTED = 0.03
MODELS = ("shapley_rate", "shapley_sum", "markov_1", "markov_2", "markov_3", "markov_4", "full")


def random_journeys(count: int, seed: int = 1) -> pl.DataFrame:
    """Journeys of 2.5 touchpoints on average over 15 channels, common and rare ones; 3 % order for 1,000.00."""
    rng = np.random.default_rng(seed)
    lengths = rng.geometric(1 / MEAN_TOUCHES, count)
    weight = 0.75 ** np.arange(CHANNELS)
    names = pl.Series([f"Channel {number:02}" for number in range(CHANNELS)])
    steps = rng.choice(CHANNELS, lengths.sum(), p=weight / weight.sum())
    won = pl.Series(rng.random(count) < CONVERTED)
    return (
        pl.DataFrame({"journey": np.repeat(np.arange(count), lengths), "path": names.gather(pl.Series(steps))})
        .group_by("journey", maintain_order=True)
        .agg("path")
        .select(
            "path",
            conversions=won.cast(pl.Int64),
            non_conversions=(~won).cast(pl.Int64),
            revenue_cents=won.cast(pl.Int64) * 100_000,
        )
    )


def solve(paths: pl.DataFrame, model: str) -> tuple[Journeys, float]:
    """Everything from rows to credit; the orders credited in all, as a check."""
    journeys = Journeys.from_frame(paths)
    if model == "full":
        found = attribute(
            [Evidence(journeys, 0, 0)],
            models=model_names([1]),
            min_conversions=30,
            draws=200,
            unattributed_channel="(unattributed)",
        )
        return journeys, found["orders"].sum() / found["model"].n_unique()
    counts, won = (journeys.converted + journeys.lost)[:, None], journeys.converted[:, None]
    if model == "shapley_rate":
        return journeys, float(ConversionRateGame(journeys).credit(counts, won).sum())
    if model == "shapley_sum":
        return journeys, float(SumGame(journeys).credit(counts, won).sum())
    return journeys, float(MarkovChain(journeys, int(model.removeprefix("markov_"))).credit(counts, won).sum())


def measure(count: int, model: str) -> None:
    """One model in this process; prints JSON."""
    paths = random_journeys(count)
    before = resource.getrusage(resource.RUSAGE_SELF)
    began = time.monotonic()
    journeys, credited = solve(paths, model)
    wall = time.monotonic() - began
    after = resource.getrusage(resource.RUSAGE_SELF)
    said = {
        "wall": wall,
        "cpu": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        "peak_mib": after.ru_maxrss / 1024,
        "paths_mib": paths.estimated_size("mb"),
        "distinct": journeys.paths,
        "orders": int(paths["conversions"].sum()),
        "credited": credited,
    }
    print(json.dumps(said))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--paths", type=int, default=1_000_000)
    parser.add_argument("--one", choices=MODELS, help="measure one model in this process")
    asked = parser.parse_args()
    if asked.one:
        measure(asked.paths, asked.one)
        return
    print(f"{asked.paths:,} journeys in memory, {CHANNELS} channels\n")
    print("| model | seconds | CPU seconds | peak MiB, of which the journeys | distinct paths | credited of orders |")
    print("|---|---:|---:|---:|---:|---:|")
    for model in MODELS:
        cost = run("puffy_platform_tests.bench.attribution", "--paths", str(asked.paths), "--one", model)
        said = cost.said
        print(
            f"| {model} | {said['wall']:.1f} | {said['cpu']:.1f} | {said['peak_mib']:,.0f}, {said['paths_mib']:,.0f} "
            f"| {said['distinct']:,} | {said['credited']:,.3f} of {said['orders']:,} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
