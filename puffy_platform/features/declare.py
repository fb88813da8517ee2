"""What a feature is: a value of a client or customer as of the end of a day, made of the rows of one table.

Which features there are is in registry.py, how they are looked up in point_in_time.py.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import polars as pl

from puffy_platform.table import Table

__all__ = ["AGE", "ENTITIES", "Entity", "Feature", "FeatureError", "FeatureSet", "chosen"]

Entity = Literal["client_id", "customer_id"]
ENTITIES: tuple[Entity, ...] = ("client_id", "customer_id")
# Days from a row's day to the as-of day; `Feature.value` may use it.
AGE = "age_days"


class FeatureError(ValueError):
    """What was asked cannot be answered; the message says what can, and never quotes ids."""


@dataclass(frozen=True)
class Feature:
    """One value. `value` makes it of the rows of one entity up to the as-of day (in the set's order, with AGE);
    `columns` are those of the table it uses.

    `window_days`: it is null unless that many days up to the as-of day were computed; 0 needs no other day.
    `without_rows` is its value when the entity has no row; None: nothing is known of it.
    """

    name: str
    dtype: pl.DataType
    description: str
    columns: tuple[str, ...]
    value: pl.Expr
    window_days: int = 0
    without_rows: int | bool | None = None


@dataclass(frozen=True)
class FeatureSet:
    """The features made of one table: they are known together, have one owner and one freshness.

    A day of the table is complete when it is over, so a timestamp sees the table up to the last whole UTC day before
    it. When that day is not computed the newest one before it serves, if it ended at most `max_age_days` days before
    the timestamp's own day began; 0 allows no older one.

    `look_back_days` says how many days of rows the values are made of: 1 is the as-of day's own row (a table with a
    row for every entity and day), None all days. `absence_is_known`: an entity without rows is one that did nothing;
    otherwise it is unknown to the table.
    """

    table: Table
    entity: Entity
    features: tuple[Feature, ...]
    max_age_days: int
    look_back_days: int | None = 1
    absence_is_known: bool = False
    only: pl.Expr | None = None
    order: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self.table.name

    @property
    def owner(self) -> str:
        return self.table.owner

    @cached_property
    def by_name(self) -> Mapping[str, Feature]:
        return {feature.name: feature for feature in self.features}

    @property
    def freshness(self) -> str:
        """The promise in words."""
        if not self.max_age_days:
            return "of the last whole day"
        return f"at most {self.max_age_days} day{'s' if self.max_age_days > 1 else ''} behind the last whole day"

    def columns_for(self, features: Iterable[Feature]) -> tuple[str, ...]:
        """The columns of the table that these features need."""
        of_filter = () if self.only is None else self.only.meta.root_names()
        of_values = [column for feature in features for column in feature.columns]
        return tuple(dict.fromkeys(("day", self.entity, *of_filter, *self.order, *of_values)))


def chosen(sets: Sequence[FeatureSet], names: Iterable[str]) -> list[tuple[FeatureSet, list[Feature]]]:
    """The features of these names, by set; `customer_value.*` is all of a set. Raises FeatureError."""
    known = {feature.name: (one, feature) for one in sets for feature in one.features}
    wanted: dict[str, Feature] = {}
    for name in names:
        matching = [found for found in known if found == name or (name.endswith(".*") and found.startswith(name[:-1]))]
        if not matching:
            close = difflib.get_close_matches(name, known, n=1)
            raise FeatureError(
                f"there is no feature {name}"
                + (f", did you mean {close[0]}?" if close else "; see `puffy features list`")
            )
        wanted |= {found: known[found][1] for found in matching}
    if not wanted:
        raise FeatureError("name at least one feature; `puffy features list` shows all")
    return [(one, found) for one in sets if (found := [f for name, f in wanted.items() if known[name][0] is one])]
