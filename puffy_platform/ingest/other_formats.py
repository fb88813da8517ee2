"""NDJSON and Parquet to records."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence

import polars as pl

from puffy_platform.ingest.lines import cut, decode
from puffy_platform.ingest.records import (
    LINE,
    MAX_COLUMNS,
    NUL_MESSAGE,
    POLARS_ERRORS,
    Broken,
    Records,
    Unreadable,
    broken_frame,
    unique_names,
)

__all__ = ["read_ndjson", "read_parquet"]

_TEXT = r'"(?:[^"\\\x00-\x1f]|\\["\\/bfnrt])*"'
_PAIR = rf"[ \t]*{_TEXT}[ \t]*:[ \t]*(?:{_TEXT}|null)[ \t]*"
# What almost every line is: an object of texts and nulls. These are read in one pass, every other line by itself.
FLAT_OBJECT = rf"^[ \t]*\{{{_PAIR}(?:,{_PAIR})*\}}[ \t]*$"


def read_ndjson(data: bytes) -> Records:
    """One JSON object a line; values that are no text become JSON text. Lines that are no object: `broken_json_line`.

    Of a key that an object has twice the first counts. Raises Unreadable for a file that is no text.
    """
    lines = cut(decode(data))
    holds_text = lines.texts.str.strip_chars() != ""
    is_flat = holds_text & lines.texts.str.contains(FLAT_OBJECT)
    flat = io.BytesIO("\n".join(lines.texts.filter(is_flat)).encode())
    keys = pl.scan_ndjson(flat, infer_schema_length=None).collect_schema().names() if is_flat.any() else []
    objects, broken = _one_by_one(lines.texts, holds_text & ~is_flat)
    every_key = dict.fromkeys([*keys, *(key for found in objects.values() for key in found)])
    if len(every_key) > MAX_COLUMNS:
        raise Unreadable(f"its objects have {len(every_key)} different fields")
    names = dict(zip(every_key, unique_names(tuple(every_key)), strict=True))
    columns = {LINE: pl.Series(list(objects), dtype=pl.Int64)}
    columns |= {
        name: pl.Series([found.get(key) for found in objects.values()], dtype=pl.String) for key, name in names.items()
    }
    rows = pl.DataFrame(columns)
    if keys:
        fast = pl.read_ndjson(flat, schema=dict.fromkeys(keys, pl.String)).rename(names, strict=False)
        rows = pl.concat([rows, fast.with_columns((is_flat.arg_true() + 1).cast(pl.Int64).alias(LINE))], how="diagonal")
    return Records(
        header=tuple(names.values()),
        rows=rows.sort(LINE),
        broken=broken_frame(broken),
        raw=lambda wanted: lines.texts.gather([number - 1 for number in wanted]).to_list(),
        count=int(holds_text.sum()),
        encoding=lines.encoding,
        notes=lines.notes,
    )


def _one_by_one(lines: pl.Series, chosen: pl.Series) -> tuple[dict[int, dict[str, str | None]], list[Broken]]:
    """The objects by line, and the lines that are none."""
    objects: dict[int, dict[str, str | None]] = {}
    broken: list[Broken] = []
    for place, text in zip(chosen.arg_true().to_list(), lines.filter(chosen).to_list(), strict=True):
        found = _object(text)
        if "\0" in text or any("\0" in value for value in (found or {}).values() if value):
            broken.append((place + 1, "nul_byte", None, NUL_MESSAGE, text))
        elif found is None:
            broken.append((place + 1, "broken_json_line", None, "The line is not one JSON object.", text))
        else:
            objects[place + 1] = found
    return objects, broken


def _object(text: str) -> dict[str, str | None] | None:
    """The fields of one JSON object as text, or None when it is none or holds what is no Unicode text."""
    try:
        parsed = json.loads(text, object_pairs_hook=_first_of_each)
        if not isinstance(parsed, dict):
            return None
        fields = {key: _as_text(value) for key, value in parsed.items()}
        if "\\u" in text:
            "".join(part for pair in fields.items() for part in pair if part).encode()
    except (ValueError, RecursionError):
        return None
    return fields


def _first_of_each(pairs: list[tuple[str, object]]) -> dict[str, object]:
    return dict(reversed(dict(reversed(pairs)).items()))


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
        # Nothing but line feeds end a record here: a text may hold the other characters that end lines.
        return wanted.write_ndjson().split("\n")[:-1] if wanted.width else ["{}"] * len(lines)

    holds_nul = pl.any_horizontal(pl.col(LINE) < 0, pl.col(pl.String).str.contains("\0", literal=True)).fill_null(False)
    damaged = rows.filter(holds_nul)[LINE].to_list()
    broken = [(line, "nul_byte", None, NUL_MESSAGE, text) for line, text in zip(damaged, raw(damaged), strict=True)]
    sound = rows.filter(~holds_nul)
    return Records(header=names, rows=sound, broken=broken_frame(broken), raw=raw, count=frame.height)


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
