"""What every format is read into: text fields under the file's own column names, and the records that have none.

Nothing here knows what the columns mean; see `columns` for that.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import polars as pl

__all__ = [
    "BROKEN_RULES",
    "BROKEN_SCHEMA",
    "FILE_RULES",
    "LINE",
    "MAX_COLUMNS",
    "NUL_MESSAGE",
    "POLARS_ERRORS",
    "Broken",
    "Records",
    "Unreadable",
    "broken_frame",
    "unique_names",
]

# Line, rule, column, message, raw text.
Broken = tuple[int, str, str | None, str, str]

# More are no tracker's: a file has lost its line breaks, or writes values where names belong.
MAX_COLUMNS = 1000
# No column of a file can be called this: names are stripped of control characters.
LINE = "\x1fline"
# Why a record cannot be cut into fields.
BROKEN_RULES = ("nul_byte", "unterminated_quote", "wrong_column_count", "broken_json_line")
# Why all records of a file are quarantined; the column that is missing follows the last one's colon.
FILE_RULES = ("unreadable_file", "missing_header", "missing_column")
# Polars panics on some damaged files and on some types, where it means an error.
POLARS_ERRORS = (pl.exceptions.PolarsError, pl.exceptions.PanicException)
NUL_MESSAGE = "The record holds a NUL byte: the file was damaged on its way."
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
    `count` says how many records the file holds, counted where it is cut into records, not from `rows` and `broken`.
    """

    header: tuple[str, ...] = ()
    header_text: str | None = None
    header_line: int = 1
    rows: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema={LINE: pl.Int64}))
    broken: pl.DataFrame = field(default_factory=lambda: broken_frame([]))
    raw: Callable[[Sequence[int]], list[str]] = lambda lines: [""] * len(lines)
    count: int = 0
    encoding: str = "utf-8"
    notes: tuple[str, ...] = ()


def broken_frame(found: Sequence[Broken]) -> pl.DataFrame:
    """Rows of (line, rule, column, message, raw text)."""
    return pl.DataFrame(list(found), schema=BROKEN_SCHEMA, orient="row")


def unique_names(header: Sequence[str]) -> tuple[str, ...]:
    """Names made unique and clean: a repeated name gets its number, an empty one its place."""
    names: list[str] = []
    for place, name in enumerate(header, start=1):
        clean = "".join(char for char in name.strip() if char.isprintable()) or f"column {place}"
        unique, count = clean, 1
        while unique in names:
            count += 1
            unique = f"{clean} {count}"
        names.append(unique)
    return tuple(names)
