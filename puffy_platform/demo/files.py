"""Rows to the bytes of the landing files: CSV, gzipped CSV, NDJSON and Parquet, damaged lines included."""

from __future__ import annotations

import codecs
import gzip
import io
from collections.abc import Iterator
from pathlib import Path

import polars as pl

from puffy_platform.demo.calendar import PARTNER, File
from puffy_platform.demo.defects import Deliveries

__all__ = ["write_files"]


def write_files(folder: Path, deliveries: Deliveries) -> None:
    """Write every file of the set into the folder; the same deliveries give the same bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    for file, content in _contents(deliveries):
        (folder / file.name).write_bytes(content)


def _contents(deliveries: Deliveries) -> Iterator[tuple[File, bytes]]:
    csv = [number for number, file in enumerate(deliveries.files) if file.format.startswith("csv")]
    is_csv = deliveries.rows["file"].is_in(csv)
    bodies = _csv_bodies(deliveries.files, deliveries.rows.filter(is_csv))
    others = deliveries.rows.filter(~is_csv)
    for number, file in enumerate(deliveries.files):
        if file.status != "read":
            yield file, file.body
        elif number in bodies:
            yield file, _csv(file, bodies[number])
        elif file.format == "ndjson":
            yield file, _ndjson(file, others.filter(file=number))
        else:
            yield file, _parquet(file, others.filter(file=number))


def _csv_bodies(files: tuple[File, ...], rows: pl.DataFrame) -> dict[int, str]:
    """The lines of every CSV file, without its header; files of the same columns are rendered together."""
    bodies: dict[int, str] = {}
    for columns in {tuple(file.columns) for file in files if file.columns}:
        same = [number for number, file in enumerate(files) if tuple(file.columns) == columns]
        lines = rows.filter(pl.col("file").is_in(same)).select("file", line=_line(columns))
        joined = lines.group_by("file", maintain_order=True).agg(pl.col("line").str.join("\n"))
        bodies |= dict(joined.iter_rows())
    return bodies


def _line(columns: tuple[str, ...]) -> pl.Expr:
    """A CSV line, quoted where needed; or what became of it."""
    fields = [_quoted(pl.col(name).fill_null("")) for name in columns]
    last = columns[-1]
    before_last = pl.concat_str(fields[:-1], separator=",")
    whole = pl.concat_str(fields, separator=",")
    return (
        pl.when(pl.col("damage") == "too_few_columns")
        .then(pl.concat_str(fields[:-2], separator=","))
        .when(pl.col("damage") == "too_many_columns")
        .then(pl.concat_str(whole, pl.lit(",unexpected")))
        .when(pl.col("damage") == "unterminated_quote")
        .then(pl.concat_str(before_last, pl.lit(',"'), pl.col(last).fill_null("")))
        .otherwise(whole)
    )


def _quoted(field: pl.Expr) -> pl.Expr:
    in_quotes = pl.concat_str(pl.lit('"'), field.str.replace_all('"', '""', literal=True), pl.lit('"'))
    return pl.when(field.str.contains_any([",", '"'])).then(in_quotes).otherwise(field)


def _csv(file: File, body: str) -> bytes:
    text = f"{','.join(file.columns.values())}\n{body}"
    if file.has_byte_order_mark:
        # As a spreadsheet on Windows saves it.
        return codecs.BOM_UTF8 + text.replace("\n", "\r\n").encode()
    data = text.encode("latin-1" if file.suffix == PARTNER else "utf-8")
    return gzip.compress(data, mtime=0) if file.format.endswith(".gz") else data


def _named(file: File, rows: pl.DataFrame) -> pl.DataFrame:
    return rows.select(pl.col(meant).alias(seen) for meant, seen in file.columns.items())


def _ndjson(file: File, rows: pl.DataFrame) -> bytes:
    lines = _named(file, rows).write_ndjson().splitlines()
    for place in rows.with_row_index("place").filter(damage="cut_line")["place"]:
        lines[place] = lines[place][: len(lines[place]) // 2]
    return "\n".join(lines).encode() + b"\n"


def _parquet(file: File, rows: pl.DataFrame) -> bytes:
    into = io.BytesIO()
    _named(file, rows).write_parquet(into, compression="zstd")
    return into.getvalue()
