"""A funnel's steps as one writes them down: `page_viewed(path = '/sale') > checkout_completed`, and windows like `7d`.

Reads and validates text; what follows from the steps is in methods/funnel.py.
"""

from __future__ import annotations

import datetime as dt
import difflib
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import polars as pl

from puffy_platform.methods.funnel import step_columns

__all__ = ["FunnelError", "Step", "mark_steps", "read_steps", "read_window"]

MOST_STEPS = 12
UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
# Text in single quotes ('' stands for one inside), or a column's name in double ones.
QUOTED = re.compile(r"'(?:[^']|'')*'|\"[^\"]*\"")
# What looks beyond the row in hand.
BEYOND_THE_ROW = re.compile(r"\b(select|over|exists|unnest)\b", re.IGNORECASE)


class FunnelError(ValueError):
    """The question cannot be asked; the message says what is wrong and how it can be said. Quotes no data."""


@dataclass(frozen=True)
class Step:
    """Done by an event of this name, and, if there is a condition, only when that is true of it.

    The condition is a Polars SQL expression over the columns of events_enriched; unknown (null) is not true.
    """

    event: str
    condition: str = ""

    def __str__(self) -> str:
        return f"{self.event}({self.condition})" if self.condition else self.event


def read_window(text: str) -> dt.timedelta:
    """A time like 30m, 12h, 7d or 2w (s, m, h, d, w). Raises FunnelError."""
    found = re.fullmatch(r"\s*(\d{1,6})\s*([smhdw])\s*", text)
    window = dt.timedelta(**{UNITS[found[2]]: int(found[1])}) if found else dt.timedelta(0)
    if not dt.timedelta(0) < window <= dt.timedelta(days=366):
        raise FunnelError(f"window {text!r}: write a whole number and s, m, h, d or w, up to 366d; for example 7d")
    return window


def read_steps(text: str, schema: Mapping[str, pl.DataType], event_names: Collection[str]) -> tuple[Step, ...]:
    """The steps of `event > event(condition) > ...`. `schema` is that of the events the conditions speak of.

    Raises FunnelError for an unknown event or column (with the nearest known one), a condition that is not SQL,
    is not true or false, or looks at other rows than its own.
    """
    parts = _split(text)
    if len(parts) > MOST_STEPS:
        raise FunnelError(f"a funnel has at most {MOST_STEPS} steps, not {len(parts)}")
    return tuple(_read_step(part.strip(), number, schema, event_names) for number, part in enumerate(parts, start=1))


def _split(text: str) -> list[str]:
    """Cut at every `>` outside parentheses and quotes."""
    blank = QUOTED.sub(lambda found: "_" * len(found[0]), text)
    cuts, depth = [-1], 0
    for place, letter in enumerate(blank):
        depth += (letter == "(") - (letter == ")")
        if depth < 0:
            raise FunnelError(f"a ) without ( before it: {text!r}")
        if letter == ">" and depth == 0:
            cuts.append(place)
    if depth:
        raise FunnelError(f"a ( is never closed: {text!r}")
    cuts.append(len(text))
    return [text[first + 1 : last] for first, last in pairwise(cuts)]


def _read_step(part: str, number: int, schema: Mapping[str, pl.DataType], event_names: Collection[str]) -> Step:
    found = re.fullmatch(r"(\w+)\s*(?:\((.*)\))?", part, re.DOTALL)
    if not found:
        raise FunnelError(
            f"step {number}, {part!r}: write an event's name, and a condition in parentheses if there is one: "
            "page_viewed > checkout_completed(revenue_cents > 50000)"
        )
    event, condition = found[1], (found[2] or "").strip()
    if event not in event_names:
        raise FunnelError(f"step {number}: there is no event {event!r}{_nearest(event, event_names)}")
    if condition:
        _validate(condition, number, schema)
    return Step(event, condition)


def _validate(condition: str, number: int, schema: Mapping[str, pl.DataType]) -> None:
    where = f"step {number}, condition {condition!r}"
    beyond = BEYOND_THE_ROW.search(QUOTED.sub("", condition))
    if beyond:
        raise FunnelError(f"{where}: {beyond[1]} looks beyond the event itself; a condition sees one event's columns")
    try:
        columns = pl.sql_expr(condition).meta.root_names()
    except pl.exceptions.PolarsError as error:
        raise FunnelError(f"{where} is not an SQL expression: {_first_line(error)}") from None
    unknown = next((name for name in columns if name not in schema), None)
    if unknown is not None:
        raise FunnelError(f"{where}: events have no column {unknown!r}{_nearest(unknown, schema)}")
    try:
        kind = _evaluate(pl.LazyFrame(schema=dict(schema)), [condition], ["holds"]).collect().schema["holds"]
    except pl.exceptions.SQLSyntaxError:
        raise FunnelError(f"{where} adds up events; a condition sees one event's columns") from None
    except pl.exceptions.PolarsError as error:
        raise FunnelError(f"{where} cannot be computed: {_first_line(error)}") from None
    if kind != pl.Boolean:
        raise FunnelError(f"{where} is not true or false, but {kind}: compare it with something")


def mark_steps(events: pl.LazyFrame, steps: Sequence[Step]) -> pl.LazyFrame:
    """Add step_1 to step_n, Boolean: does the event do the step? The steps are as `read_steps` found them good."""
    conditions = [step.condition or "true" for step in steps]
    names = step_columns(len(steps))
    does = {
        name: (pl.col("event_name") == step.event) & pl.col(name).fill_null(False)
        for name, step in zip(names, steps, strict=True)
    }
    return _evaluate(events, conditions, names).with_columns(**does)


def _evaluate(events: pl.LazyFrame, conditions: Sequence[str], names: Sequence[str]) -> pl.LazyFrame:
    # Each on lines of its own, so that a comment in a condition ends with it.
    columns = ",".join(f"(\n{condition}\n) AS {name}" for condition, name in zip(conditions, names, strict=True))
    return events.sql(f"SELECT *, {columns} FROM self")


def _nearest(name: str, known: Collection[str]) -> str:
    match = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {match[0]!r}?" if match else f"; there are: {', '.join(sorted(known))}"


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]
