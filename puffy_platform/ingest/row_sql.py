"""SQL expressions over one row: parsed, refused when a row's result could depend on another row or on the clock.

What the columns mean and what is done with the result is in `repairs`.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import polars as pl

__all__ = ["RowSqlError", "row_expression"]

_ROW_FUNCTIONS = {"Coalesce", "FillNull", "Abs", "Floor", "Ceil", "Sign", "MaxHorizontal", "MinHorizontal"}
_ROW_FAMILIES = {"StringExpr", "TemporalExpr", "ListExpr", "Sql", "Pow", "Round"}
_ROW_TESTS = {"IsNull", "IsNotNull", "Not", "IsIn", "IsBetween", "IsNan", "IsNotNan", "IsFinite", "IsInfinite"}
_QUOTED = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"")
_CLOCK = re.compile(r"\b(?:now|today|current_\w+|localtime|localtimestamp)\b", re.IGNORECASE)


class RowSqlError(ValueError):
    """The text is no SQL expression over one row; the message says why."""


def row_expression(sql: str, columns: Mapping[str, pl.DataType], gives: type[pl.DataType]) -> tuple[pl.Expr, list[str]]:
    """The expression, and the columns it reads. `columns` have these types, any other name is text.

    Casts and date parsing give null where a value does not fit, so that one odd row cannot stop a day; of an hour
    that a clock change repeats the first is meant, as everywhere in ingest. Raises RowSqlError.
    """
    clock = _CLOCK.search(_QUOTED.sub("", sql))
    if clock:
        raise RowSqlError(f"{clock[0]} reads the clock: rows must be the same whenever they are computed")
    try:
        parsed = json.loads(pl.sql_expr(sql).meta.serialize(format="json"))
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        raise RowSqlError(_reason(error)) from None
    _lenient(parsed)
    reads = sorted(set(_columns_read(parsed)))
    expression = pl.Expr.deserialize(io.BytesIO(json.dumps(parsed).encode()), format="json")
    schema = dict.fromkeys(reads, pl.String()) | dict(columns)
    try:
        found = pl.LazyFrame(schema=schema).select(result=expression).collect().schema["result"]
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        raise RowSqlError(_reason(error)) from None
    if found != gives and found != pl.Null:
        raise RowSqlError(f"it gives {found} where {gives()} is needed")
    return expression.cast(gives), reads


def _columns_read(node: Any) -> Iterator[str]:
    """Walk an expression whose every kind is known to work row by row; raise RowSqlError at any other."""
    kind: str
    inside: Any
    kind, inside = next(iter(node.items())) if isinstance(node, dict) and len(node) == 1 else (str(node), None)
    if kind == "Column":
        yield inside
    elif kind == "Literal":
        return
    elif kind == "Cast":
        yield from _columns_read(inside["expr"])
    elif kind == "BinaryExpr":
        yield from _columns_read(inside["left"])
        yield from _columns_read(inside["right"])
    elif kind == "Ternary":
        for part in ("predicate", "truthy", "falsy"):
            yield from _columns_read(inside[part])
    elif kind == "Function" and _works_row_by_row(inside["function"]):
        for part in inside["input"]:
            yield from _columns_read(part)
    else:
        raise RowSqlError("it must be computed from the row alone: no aggregates, windows, subqueries or lists of rows")


def _works_row_by_row(function: Any) -> bool:
    if isinstance(function, str):
        return function in _ROW_FUNCTIONS
    family, detail = next(iter(function.items()))
    name = detail if isinstance(detail, str) else next(iter(detail), "") if isinstance(detail, dict) else ""
    if family == "Boolean":
        return name in _ROW_TESTS
    return family in _ROW_FAMILIES and name != "ConcatVertical"


def _lenient(node: Any) -> None:
    """Make strict casts, date parsing and time zones give null instead of raising."""
    if isinstance(node, dict):
        temporal = node["function"].get("TemporalExpr") if isinstance(node.get("function"), dict) else None
        if isinstance(temporal, dict) and "ReplaceTimeZone" in temporal:
            zone, _ = temporal["ReplaceTimeZone"]
            temporal["ReplaceTimeZone"] = [zone, "Null"]
            node["input"][1] = {"Literal": {"Scalar": {"String": "earliest"}}}
        if node.get("options") == "Strict":
            node["options"] = "NonStrict"
        if "format" in node and node.get("strict") is True:
            node["strict"] = False
    for inner in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        if isinstance(inner, dict | list):
            _lenient(inner)


def _reason(error: Exception) -> str:
    """Polars' reason in one line; of a bad regular expression, what the engine says of it."""
    lines = str(error).strip().partition("\n\n")[0].splitlines()
    return lines[-1].removeprefix("error: ").strip() if "regex" in lines[0] else lines[0]
