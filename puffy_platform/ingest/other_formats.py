"""NDJSON and Parquet to records."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence

import polars as pl

from puffy_platform.ingest.lines import read_lines
from puffy_platform.ingest.records import (
    LINE,
    MAX_COLUMNS,
    Broken,
    Records,
    Unreadable,
    broken_frame,
    unique_names,
)

__all__ = ["read_ndjson", "read_parquet"]


def read_ndjson(data: bytes) -> Records:
    """One JSON object a line; nested values become JSON text. Lines that are no object are `broken_json_line`.

    Raises Unreadable for a file that is no text.
    """
    lines = read_lines(data)
    holds_text = lines.texts.str.strip_chars() != ""
    objects: list[dict[str, str | None]] = []
    numbers: list[int] = []
    broken: list[Broken] = []
    for place in holds_text.arg_true().to_list():
        text = lines.texts[place]
        found = None if "\0" in text else _object(text)
        if found is not None:
            objects.append(found)
            numbers.append(place + 1)
        elif "\0" in text:
            message = "The line holds a NUL byte: the file was damaged on its way."
            broken.append((place + 1, "nul_byte", None, message, text))
        else:
            broken.append((place + 1, "broken_json_line", None, "The line is not one JSON object.", text))
    keys = dict.fromkeys(key for found in objects for key in found)
    if len(keys) > MAX_COLUMNS:
        raise Unreadable(f"its objects have {len(keys)} different fields")
    names = unique_names(tuple(keys))
    columns = {name: [found.get(key) for found in objects] for name, key in zip(names, keys, strict=True)}
    rows = pl.DataFrame(columns, schema=dict.fromkeys(names, pl.String))
    return Records(
        header=names,
        rows=rows.with_columns(pl.Series(LINE, numbers, dtype=pl.Int64)),
        broken=broken_frame(broken),
        raw=lambda wanted: [lines.texts[number - 1] for number in wanted],
        count=int(holds_text.sum()),
        encoding=lines.encoding,
        notes=lines.notes,
    )


def _object(text: str) -> dict[str, str | None] | None:
    """The fields of one JSON object as text, or None when it is none or holds what is no Unicode text."""
    try:
        parsed = json.loads(text)
        if not isinstance(parsed, dict):
            return None
        fields = {key: _as_text(value) for key, value in parsed.items()}
        if "\\u" in text:
            "".join(part for pair in fields.items() for part in pair if part).encode()
    except (ValueError, RecursionError):
        return None
    return fields


def _as_text(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def read_parquet(data: bytes) -> Records:
    """Every column as text; typed timestamps become ISO 8601. Lines are row numbers. Raises Unreadable."""
    if not data:
        return Records()
    try:
        frame = pl.read_parquet(io.BytesIO(data))
        names = unique_names(frame.columns)
        frame.columns = names
        rows = frame.select(_column_as_text(name, dtype) for name, dtype in frame.schema.items())
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError):
        raise Unreadable("it is not a Parquet file, or a damaged one") from None
    rows = rows.with_columns(pl.int_range(1, pl.len() + 1, dtype=pl.Int64).alias(LINE))

    def raw(lines: Sequence[int]) -> list[str]:
        wanted = rows.filter(pl.col(LINE).is_in(list(lines))).drop(LINE)
        return wanted.write_ndjson().splitlines() if wanted.width else ["{}"] * len(lines)

    return Records(header=names, rows=rows, raw=raw, count=frame.height)


def _column_as_text(name: str, dtype: pl.DataType) -> pl.Expr:
    column = pl.col(name)
    if isinstance(dtype, pl.Datetime):
        ending = "Z" if dtype.time_zone else ""
        column = column.dt.convert_time_zone("UTC") if dtype.time_zone else column
        return column.dt.strftime(f"%Y-%m-%dT%H:%M:%S%.6f{ending}")
    if isinstance(dtype, pl.Struct):
        return column.struct.json_encode()
    if isinstance(dtype, pl.Binary):
        return column.cast(pl.String, strict=False)
    if isinstance(dtype, pl.List | pl.Array):
        # A struct around it is the way to JSON that Polars has.
        encoded = pl.struct(column.alias("v")).struct.json_encode()
        return pl.when(column.is_not_null()).then(encoded.str.slice(5).str.head(-1)).alias(name)
    return column.cast(pl.String, strict=False)
