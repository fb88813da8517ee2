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

# Polars panics on some damaged files and on some types, where it means an error.
POLARS_ERRORS = (pl.exceptions.PolarsError, pl.exceptions.PanicException)


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
    columns: dict[str, list[str | None] | list[int]] = {LINE: numbers}
    for name, key in zip(names, keys, strict=True):
        columns[name] = [found.get(key) for found in objects]
    return Records(
        header=names,
        rows=pl.DataFrame(columns, {LINE: pl.Int64} | dict.fromkeys(names, pl.String)),
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
    except (*POLARS_ERRORS, OSError):
        raise Unreadable("it is not a Parquet file, or a damaged one") from None
    names = unique_names(frame.columns)
    texts = {name: _column_as_text(column) for name, column in zip(names, frame.get_columns(), strict=True)}
    rows = pl.DataFrame({LINE: pl.int_range(1, frame.height + 1, eager=True), **texts})

    def raw(lines: Sequence[int]) -> list[str]:
        wanted = rows.filter(pl.col(LINE).is_in(list(lines))).drop(LINE)
        return wanted.write_ndjson().splitlines() if wanted.width else ["{}"] * len(lines)

    return Records(header=names, rows=rows, raw=raw, count=frame.height)


def _column_as_text(column: pl.Series) -> pl.Series:
    """The values as text, nulls as nulls. Raises Unreadable for types that have no text."""
    dtype = column.dtype
    try:
        if isinstance(dtype, pl.Datetime):
            ending = "Z" if dtype.time_zone else ""
            utc = column.dt.convert_time_zone("UTC") if dtype.time_zone else column
            return utc.dt.strftime(f"%Y-%m-%dT%H:%M:%S%.6f{ending}")
        if isinstance(dtype, pl.Duration):
            return column.dt.to_string("iso")
        if isinstance(dtype, pl.Binary):
            return pl.Series([_decoded(value) for value in column], dtype=pl.String)
        if dtype.is_nested():
            # A struct around it is the way to JSON that Polars has.
            around = pl.DataFrame({"v": column}).to_struct().struct.json_encode()
            return around.str.slice(5).str.head(-1).set(column.is_null(), None)
        return column.cast(pl.String)
    except POLARS_ERRORS:
        raise Unreadable(f"a column of type {dtype.base_type()} has no text") from None


def _decoded(value: bytes | None) -> str | None:
    """Text kept as bytes; Latin-1 when it is not UTF-8, as for lines."""
    if value is None:
        return None
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.decode("latin-1")
