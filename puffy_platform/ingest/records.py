"""What every format is read into: text fields under the file's own column names, and the records that have none.

Nothing here knows what the columns mean; see `contract` for that.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import polars as pl

__all__ = ["BROKEN_SCHEMA", "LINE", "Records", "Unreadable"]

# No column of a file can be called this: names are stripped of control characters.
LINE = "\x1fline"
BROKEN_SCHEMA: dict[str, type[pl.DataType]] = {
    "source_line": pl.Int64,
    "rule": pl.String,
    "column": pl.String,
    "message": pl.String,
    "raw": pl.String,
}


class Unreadable(ValueError):
    """The file as a whole cannot be read; the message says why, without its content."""


@dataclass(frozen=True)
class Records:
    """The records of one file.

    `rows` holds one String column per header name and the 1-based line (row, for Parquet) as `LINE`; `broken` the
    records that could not be cut into fields, one row each. `raw(lines)` gives the text of records as delivered.
    """

    header: tuple[str, ...]
    header_text: str | None
    rows: pl.DataFrame
    broken: pl.DataFrame
    raw: Callable[[Sequence[int]], list[str]]
    encoding: str = "utf-8"
    notes: tuple[str, ...] = field(default=())


def broken_frame(found: Sequence[tuple[int, str, str | None, str, str]]) -> pl.DataFrame:
    """Rows of (line, rule, column, message, raw text)."""
    return pl.DataFrame(list(found), schema=BROKEN_SCHEMA, orient="row")
