"""Whether rows keep their contract, told in one pass over the frame. What exactly is broken is Pandera's to say.

Pandera collects once a column and once a check; a day that is as it should be, which is almost every day, needs
neither.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import polars as pl

if TYPE_CHECKING:
    from pandera.polars import DataFrameModel

__all__ = ["keeps"]

# Pandera's built-in checks, by its name for them and the name of their one argument. Nulls are nullability's matter.
_HOLDS: dict[str, tuple[str, Callable[[pl.Expr, Any], pl.Expr]]] = {
    "greater_than": ("min_value", lambda column, least: column > least),
    "greater_than_or_equal_to": ("min_value", lambda column, least: column >= least),
    "less_than": ("max_value", lambda column, most: column < most),
    "less_than_or_equal_to": ("max_value", lambda column, most: column <= most),
    "str_matches": ("pattern", lambda column, pattern: column.str.contains("^" + pattern.removeprefix("^"))),
    "isin": ("allowed_values", lambda column, allowed: column.is_in(list(allowed))),
}


def keeps(contract: type[DataFrameModel], frame: pl.DataFrame) -> bool:
    """True only where Pandera, too, finds nothing wrong with the frame under this contract.

    False says that something is wrong or that the contract says something this pass does not know.
    """
    schema = contract.to_schema()
    if dict(frame.schema) != {name: column.dtype.type for name, column in schema.columns.items()}:
        return False
    if schema.checks or schema.unique or schema.parsers:
        return False
    broken = list(_broken(schema.columns))
    if any(test is None for test in broken):
        return False
    return not any(frame.select(test.alias(str(n)) for n, test in enumerate(broken) if test is not None).row(0))


def _broken(columns: dict[str, Any]) -> Iterator[pl.Expr | None]:
    """For each statement about a column, whether any row breaks it; None for a statement that is not known."""
    yield pl.lit(False)
    for name, column in columns.items():
        if column.unique or column.coerce or column.parsers:
            yield None
        if not column.nullable:
            yield pl.col(name).is_null().any()
        for check in column.checks:
            argument, holds = _HOLDS.get(check.name, (None, None))
            is_plain = check.ignore_na and not check.element_wise and check.groupby is None
            if argument is None or holds is None or not is_plain or set(check.statistics) != {argument}:
                yield None
            else:
                yield (~holds(pl.col(name), check.statistics[argument])).any()
