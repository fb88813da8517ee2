"""NDJSON and Parquet to records."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence

import polars as pl

from puffy_platform.ingest.records import LINE, Records, Unreadable, broken_frame

__all__ = ["read_ndjson", "read_parquet"]


def read_ndjson(data: bytes) -> Records:
    """One JSON object a line; nested values become JSON text. Lines that are no object are `broken_json_line`."""
    data = data.removeprefix(b"\xef\xbb\xbf")
    physical = data.split(b"\n")
    objects: list[dict[str, object]] = []
    numbers: list[int] = []
    broken = []
    latin = 0
    for number, line in enumerate(physical, start=1):
        if not line.strip():
            continue
        try:
            text = line.decode("utf-8")
        except UnicodeDecodeError:
            text, latin = line.decode("latin-1"), latin + 1
        try:
            parsed = json.loads(text)
        except (ValueError, RecursionError):
            parsed = None
        if isinstance(parsed, dict):
            objects.append(parsed)
            numbers.append(number)
        else:
            message = "The line is not one JSON object."
            broken.append((number, "broken_json_line", None, message, text))
    names = tuple(dict.fromkeys(key for found in objects for key in found))
    columns = {name: [_as_text(found.get(name)) for found in objects] for name in names}
    rows = pl.DataFrame(columns, schema=dict.fromkeys(names, pl.String)).with_columns(
        pl.Series(LINE, numbers, dtype=pl.Int64)
    )

    def raw(lines: Sequence[int]) -> list[str]:
        return [physical[line - 1].decode("utf-8", "replace") for line in lines]

    encoding, notes = "utf-8", ()
    if latin:
        encoding, notes = "utf-8+latin-1", (f"{latin} lines were not UTF-8 and were read as Latin-1",)
    return Records(names, None, rows, broken_frame(broken), raw, encoding, notes)


def _as_text(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def read_parquet(data: bytes) -> Records:
    """Every column as text; typed timestamps become ISO 8601. Lines are row numbers. Raises Unreadable."""
    try:
        frame = pl.read_parquet(io.BytesIO(data))
    except (pl.exceptions.PolarsError, OSError):
        raise Unreadable("it is not a Parquet file, or a damaged one") from None
    rows = frame.select(_column_as_text(name, dtype) for name, dtype in frame.schema.items()).with_columns(
        pl.int_range(1, pl.len() + 1, dtype=pl.Int64).alias(LINE)
    )

    def raw(lines: Sequence[int]) -> list[str]:
        wanted = rows.filter(pl.col(LINE).is_in(list(lines))).drop(LINE)
        return wanted.write_ndjson().splitlines() if wanted.width else ["{}"] * len(lines)

    return Records(tuple(frame.columns), None, rows, broken_frame([]), raw)


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
