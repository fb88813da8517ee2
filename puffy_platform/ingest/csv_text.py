"""CSV bytes to records. Well-formed lines are read in one pass, every other line by itself.

A well-formed line is a record, whatever stands around it: a quote that was never closed damages its own line and
swallows nothing.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import polars as pl

from puffy_platform.ingest.lines import Lines, read_lines
from puffy_platform.ingest.records import (
    LINE,
    MAX_COLUMNS,
    NUL_MESSAGE,
    Broken,
    Records,
    Unreadable,
    broken_frame,
    unique_names,
)

__all__ = ["read_csv", "read_single_lines"]

# A quoted field may hold line breaks, but one that runs on for so many lines was never closed.
MAX_LINES_OF_A_RECORD = 200
# Too large fields are quarantined by their size later, with their text; Python's own limit would lose them.
csv.field_size_limit(2**31 - 1)
WELL_FORMED_FIELD = r'(?:[^",\x00]*|"(?:[^"\x00]|"")*")'


def read_csv(data: bytes) -> Records:
    """Read a CSV file with a header line. Raises Unreadable for a file that is no text."""
    lines = read_lines(data)
    holds_text = lines.texts.str.strip_chars() != ""
    if not holds_text.any():
        return Records(encoding=lines.encoding, notes=lines.notes)
    first = holds_text.arg_true()[0]
    header_text = lines.texts[first]
    header = _fields(header_text)
    if header is None or "\0" in header_text:
        raise Unreadable(f"its header line {first + 1} holds a quote that is never closed, or a NUL byte")
    if len(header) > MAX_COLUMNS:
        raise Unreadable(f"its header line {first + 1} has {len(header)} columns")
    below_header = holds_text & (pl.int_range(holds_text.len(), eager=True) > first)
    names = unique_names(header)
    rows, others = _read(lines, below_header, names)

    def raw(wanted: Sequence[int]) -> list[str]:
        texts: list[str] = lines.texts.gather([number - 1 for number in wanted]).to_list()
        return [others.texts_over_lines.get(number, text) for number, text in zip(wanted, texts, strict=True)]

    return Records(
        header=names,
        header_text=header_text,
        header_line=first + 1,
        rows=rows,
        broken=broken_frame(others.broken),
        raw=raw,
        count=int(below_header.sum()) - others.lines_of_records_above,
        encoding=lines.encoding,
        notes=lines.notes,
    )


def read_single_lines(texts: pl.Series, names: Sequence[str]) -> pl.DataFrame:
    """Of these texts those that are one whole record each, cut into fields; LINE is their place in `texts`."""
    fields = [None if text is None or "\0" in text else _fields(text) for text in texts]
    places = [place for place, found in enumerate(fields) if found is not None and len(found) == len(names)]
    rows = pl.DataFrame([fields[place] for place in places], schema=dict.fromkeys(names, pl.String), orient="row")
    return rows.with_columns(pl.Series(LINE, places, dtype=pl.Int64))


@dataclass
class _OneByOne:
    """Records that had to be read line by line, and those that cannot be cut into fields."""

    rows: list[list[str]] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    texts_over_lines: dict[int, str] = field(default_factory=dict)
    broken: list[Broken] = field(default_factory=list)
    lines_of_records_above: int = 0


def _read(found: Lines, below_header: pl.Series, names: tuple[str, ...]) -> tuple[pl.DataFrame, _OneByOne]:
    lines, record = found.texts, f"^{WELL_FORMED_FIELD}(?:,{WELL_FORMED_FIELD}){{{len(names) - 1}}}$"
    well_formed = below_header & lines.str.contains(record)
    schema = dict.fromkeys(names, pl.String)
    count, body = int(well_formed.sum()), found.utf8
    above = lines.len() - count
    if body is None or not well_formed.slice(above).all():
        above, body = 0, ("\n" + lines.filter(well_formed).str.join("\n").item()).encode()
    rows = pl.read_csv(io.BytesIO(body), has_header=False, skip_lines=above + 1, schema=schema)
    rows = rows.with_columns((well_formed.arg_true().cast(pl.Int64) + 1).alias(LINE))
    others = _read_one_by_one(lines, below_header & ~well_formed, well_formed, len(names))
    if others.rows:
        more = pl.DataFrame(others.rows, schema=schema, orient="row")
        rows = pl.concat([rows, more.with_columns(pl.Series(LINE, others.numbers, dtype=pl.Int64))]).sort(LINE)
    return rows, others


def _read_one_by_one(lines: pl.Series, chosen: pl.Series, well_formed: pl.Series, width: int) -> _OneByOne:
    found = _OneByOne()
    resume = 0
    for place in chosen.arg_true().to_list():
        if place < resume:
            found.lines_of_records_above += 1
            continue
        number = place + 1
        fields, end = _fields(lines[place]), place + 1
        if fields is None:
            fields, end = _continued(lines, place, width, well_formed)
        text = "\n".join(lines[place:end])
        if end > number:
            found.texts_over_lines[number] = text
            resume = end
        if "\0" in text:
            found.broken.append((number, "nul_byte", None, NUL_MESSAGE, text))
            continue
        if fields is None:
            message = "A quote is opened and never closed: check the export's quoting."
            found.broken.append((number, "unterminated_quote", None, message, text))
            continue
        if len(fields) == width:
            found.rows.append(fields)
            found.numbers.append(number)
        else:
            message = f"The header has {width} columns and this line {len(fields)}: a separator is missing or too many."
            found.broken.append((number, "wrong_column_count", None, message, text))
    return found


def _fields(text: str) -> list[str] | None:
    """The fields of one record, or None while a quote is open or misplaced."""
    try:
        return next(csv.reader([text], strict=True))
    except csv.Error:
        return None


def _continued(lines: pl.Series, place: int, width: int, well_formed: pl.Series) -> tuple[list[str] | None, int]:
    """The fields of a record that goes on over following lines, if it does, and the place after it.

    It does while its quote is open and no following line is well formed by itself; else the first line alone is
    damaged.
    """

    def parts() -> Iterator[str]:
        yield f"{lines[place]}\n"
        for following in range(place + 1, min(place + MAX_LINES_OF_A_RECORD, lines.len())):
            if well_formed[following]:
                return
            yield f"{lines[following]}\n"

    reader = csv.reader(parts(), strict=True)
    try:
        fields = next(reader)
    except csv.Error:
        return None, place + 1
    return (fields, place + reader.line_num) if len(fields) == width else (None, place + 1)
