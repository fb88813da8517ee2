"""From a file's own columns to the seven of the raw event: renamed, missing and unknown ones, all recorded."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from puffy_platform.ingest.records import LINE
from puffy_platform.settings_model import RAW_COLUMNS, same_name

__all__ = ["RAW_COLUMNS", "REQUIRED", "Drift", "recognise", "to_raw_columns"]

REQUIRED = ("client_id", "page_url", "timestamp", "event_name")
# A header that lost its line break holds values where names belong. They may be personal and are not repeated.
LOOKS_LIKE_A_VALUE = re.compile(r"[@?&={]|//|[0-9]{6}|.{65}")


@dataclass(frozen=True)
class Drift:
    """How a file's columns differ from the contract. `found` maps raw columns to the file's names."""

    found: Mapping[str, str]
    renamed: tuple[tuple[str, str], ...]
    missing: tuple[str, ...]
    added: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def missing_required(self) -> tuple[str, ...]:
        return tuple(name for name in self.missing if name in REQUIRED)

    @property
    def has_no_header(self) -> bool:
        """Not one name that every event needs: the first line is data, not a header."""
        return not any(name in self.found for name in REQUIRED)

    @property
    def added_to_show(self) -> list[str]:
        """The names of the unknown columns, for people: without those that may be values."""
        return [name for name in self.added if not LOOKS_LIKE_A_VALUE.search(name)]

    @property
    def notes_to_show(self) -> list[str]:
        hidden = len(self.added) - len(self.added_to_show)
        return [*self.notes, *([f"{hidden} new columns are not named: they look like values"] if hidden else [])]


def recognise(header: Sequence[str], aliases: Mapping[str, Sequence[str]]) -> Drift:
    """Match the file's names with the raw columns: the exact name, else another way to write it, else an alias.

    When two columns mean the same, the better match wins; the other is kept as an unknown column, with a note.
    """
    found: dict[str, str] = {}
    notes = []
    for column in RAW_COLUMNS:
        known = [same_name(name) for name in (column, *aliases.get(column, ()))]
        matches = [name for name in header if same_name(name) in known]
        matches.sort(key=lambda name: (name != column, known.index(same_name(name)), header.index(name)))
        if matches:
            found[column] = matches[0]
        for name in matches[1:]:
            notes.append(f"column {name} means {column} as well and was kept aside, {matches[0]} was used")
    taken = set(found.values())
    return Drift(
        found=found,
        renamed=tuple((name, column) for column, name in found.items() if name != column),
        missing=tuple(column for column in RAW_COLUMNS if column not in found),
        added=tuple(name for name in header if name not in taken),
        notes=tuple(notes),
    )


def to_raw_columns(rows: pl.DataFrame, drift: Drift) -> pl.DataFrame:
    """The seven raw columns (blank text is null), `extra` (JSON of the unknown ones that hold anything) and LINE."""
    texts = rows.drop(LINE)
    # Blank texts begin with white space, which sorts before or after all that others begin with: few columns hold any.
    likely = texts.select(((pl.all() < "!") | (pl.all() > "\x7f")).any())
    may_be_blank = {name for name in texts.columns if likely[name].item()}

    def present(name: str) -> pl.Expr:
        text = pl.col(name)
        return pl.when(text.str.strip_chars() != "").then(text) if name in may_be_blank else text

    columns = [
        present(drift.found[column]).alias(column) if column in drift.found else pl.lit(None, pl.String).alias(column)
        for column in RAW_COLUMNS
    ]
    extra = pl.lit(None, pl.String).alias("extra")
    if drift.added:
        # By name and without the empty ones: an event is the same under any order of its unknown columns.
        pairs = [_json_pair(name, present(name)) for name in sorted(drift.added)]
        joined = pl.concat_str(pairs, separator=",", ignore_nulls=True)
        extra = pl.when(joined != "").then(pl.concat_str(pl.lit("{"), joined, pl.lit("}"))).alias("extra")
    return rows.select(*columns, extra, pl.col(LINE).alias("source_line"))


def _json_pair(name: str, value: pl.Expr) -> pl.Expr:
    """`"name":"value"` in JSON, null where the value is."""
    whole = pl.struct(value.alias(name)).struct.json_encode()
    return pl.when(value.is_not_null()).then(whole.str.slice(1).str.head(-1))
