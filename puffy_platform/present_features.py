"""How features look in 80 columns. Formats what it is given; computes and reads nothing."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl
from rich.console import Console

from puffy_platform.features import Feature, FeatureSet
from puffy_platform.features.point_in_time import OUTCOME
from puffy_platform.present import titled_grid

__all__ = ["feature_to_json", "features_to_json", "print_feature", "print_features", "print_outcomes", "print_values"]

Newest = Mapping[str, tuple[dt.date | None, str]]
MEANING = {
    "ok": "known",
    "no_time": "the row has no timestamp",
    "no_id": "the row has no id",
    "no_snapshot": "no day before the timestamp had been computed",
    "not_kept": "older than what time travel keeps",
    "stale": "the newest day computed by then is too old",
    "unknown": "the table has no such id on that day",
    "short_history": "days of a window were not computed; what needs them is null",
}


def print_features(console: Console, sets: Sequence[FeatureSet], newest: Newest) -> None:
    for number, one in enumerate(sets):
        if number:
            console.print()
        console.print(f"{one.name}, of a {one.entity.removesuffix('_id')}", style="bold", highlight=False)
        console.print(f"{one.owner}; {one.freshness}; {_now(newest[one.name])}", highlight=False)
        grid = titled_grid("", "")
        grid.add_column(justify="left", no_wrap=True, overflow="ellipsis")
        names = [feature.name.removeprefix(f"{one.name}.") for feature in one.features]
        grid.columns[0].min_width = max(map(len, names))
        for name, feature in zip(names, one.features, strict=True):
            grid.add_row(name, feature.description)
        console.print(grid)


def print_feature(console: Console, one: FeatureSet, feature: Feature, newest: Newest) -> None:
    console.print(feature.name, style="bold", highlight=False)
    grid = titled_grid("", "")
    grid.add_column(justify="left")
    for name, value in feature_to_json(one, feature, newest).items():
        if name != "name" and value is not None:
            grid.add_row(name.replace("_", " "), ", ".join(value) if isinstance(value, list) else str(value))
    console.print(grid)


def print_outcomes(console: Console, found: pl.DataFrame) -> None:
    """How many rows have each outcome, by set."""
    console.print(f"{found.height:,} rows", highlight=False)
    for name in found.columns:
        if not name.endswith(f".{OUTCOME}"):
            continue
        counts = found[name].value_counts(sort=True)
        for outcome, count in counts.iter_rows():
            said = f"{name.removesuffix(f'.{OUTCOME}')}: {count:,} {outcome}"
            console.print(said + ("" if outcome == "ok" else f" ({MEANING[outcome]})"), highlight=False)


def print_values(console: Console, found: pl.DataFrame) -> None:
    """The one row, a line a feature."""
    grid = titled_grid("", "")
    grid.add_column(justify="left")
    for name, value in found.row(0, named=True).items():
        meaning = f" ({MEANING[value]})" if name.endswith(f".{OUTCOME}") and value != "ok" else ""
        grid.add_row(name, ("-" if value is None else str(value)) + meaning)
    console.print(grid)


def features_to_json(sets: Sequence[FeatureSet], newest: Newest) -> list[dict[str, Any]]:
    return [feature_to_json(one, feature, newest) for one in sets for feature in one.features]


def feature_to_json(one: FeatureSet, feature: Feature, newest: Newest) -> dict[str, Any]:
    day, outcome = newest[one.name]
    return {
        "name": feature.name,
        "meaning": feature.description,
        "type": str(feature.dtype).replace("Datetime(time_unit='us', time_zone='UTC')", "Datetime, UTC"),
        "of": one.entity,
        "table": one.name,
        "columns": list(feature.columns) or ["day"],
        "window_days": feature.window_days or None,
        "owner": one.owner,
        "freshness": one.freshness,
        "newest_day": None if day is None else str(day),
        "now": outcome,
    }


def _now(newest: tuple[dt.date | None, str]) -> str:
    day, outcome = newest
    return "nothing computed yet" if day is None else f"now {outcome}, of {day}"
