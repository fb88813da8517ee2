"""CSV bytes to records. Well-formed lines are read in one pass, every other line by itself.

A well-formed line is a record, whatever stands around it: a quote that was never closed damages its own line and
swallows nothing.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import polars as pl

from puffy_platform.ingest.lines import Lines, Text, cut, decode
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

__all__ = ["read_at_once", "read_by_lines", "read_csv", "read_single_lines"]

Bytes = npt.NDArray[np.uint8]
Places = npt.NDArray[np.intp]
# A quoted field may hold line breaks, but one that runs on for so many lines was never closed.
MAX_LINES_OF_A_RECORD = 200
# Too large fields are quarantined by their size later, with their text; Python's own limit would lose them.
csv.field_size_limit(2**31 - 1)
BLOCK = 1 << 18
ENDS_A_FIELD = np.isin(np.arange(256), list(b",\n"))
# Beginnings that Polars takes for a compressed file.
LIKE_COMPRESSED = (b"\x1f\x8b", b"x\x01", b"x^", b"x\x9c", b"x\xda", b"(\xb5/\xfd")
WELL_FORMED_FIELD = r'(?:[^",\x00]*|"(?:[^"\x00]|"")*")'


def read_csv(data: bytes) -> Records:
    """Read a CSV file with a header line. Raises Unreadable for a file that is no text."""
    text = decode(data)
    return read_at_once(text) or read_by_lines(text)


def read_at_once(text: Text) -> Records | None:
    """What `read_by_lines` gives, where each line below the first is one record and well formed; else None.

    The quoting is looked at first. Then every byte is accounted for: a line is as long as its fields, what separates
    them, and the quotes that are not theirs.
    """
    end = text.data.find(b"\n")
    header_text = text.data[:end].decode("utf-8", "replace")
    header = _fields(header_text) or []
    if text.data.startswith(LIKE_COMPRESSED) or b"\0" in text.data or not 1 < len(header) <= MAX_COLUMNS or end < 0:
        return None
    names = unique_names(header)
    schema = dict.fromkeys(names, pl.String)
    # The end of the header line comes with it, so that a line end stands before every field that begins a line.
    ends, quoting = _quoting(np.frombuffer(text.data, np.uint8, offset=end))
    if quoting is None:
        return None
    try:
        rows = pl.read_csv(io.BytesIO(text.data), has_header=False, skip_lines=1, schema=schema).rechunk()
    except POLARS_ERRORS:
        return None
    fields = rows.select(pl.sum_horizontal(pl.all().str.len_bytes().cast(pl.Int64))).to_series().to_numpy()
    if not np.array_equal(np.diff(ends) - 1, fields + quoting + len(names) - 1):
        return None
    numbers = pl.int_range(2, rows.height + 2, dtype=pl.Int64, eager=True)

    def raw(wanted: Sequence[int]) -> list[str]:
        return cut(text).texts.gather([number - 1 for number in wanted]).to_list() if len(wanted) else []

    return Records(
        header=names,
        header_text=header_text,
        header_line=1,
        rows=rows.with_columns(numbers.alias(LINE)),
        raw=raw,
        count=rows.height,
        encoding=text.encoding,
        notes=text.notes,
    )


def _quoting(body: Bytes) -> tuple[Places, Places | None]:
    """Where the lines end, and how many bytes of each quote: those around fields, and one of the two that mean one
    quote in a field. None where any quote is not where it belongs. The body begins with a line end.

    Quotes open and close in turn. One opens at the begin of a field and closes at its end, in the same line; or it
    closes and the next byte opens again, which is one quote in the field.
    """
    found = _places(body, '\n"')
    is_end = body[found] == ord("\n")
    ends_at, ends, quotes = np.flatnonzero(is_end), found[is_end], found[~is_end]
    if body[-1] != ord("\n"):
        ends_at, ends = np.append(ends_at, found.size), np.append(ends, body.size)
    in_line = np.diff(ends_at) - 1
    if (in_line % 2).any():
        return ends, None
    opens, closes = quotes[::2], quotes[1::2]
    is_doubled = closes[:-1] + 1 == opens[1:]
    begins = ENDS_A_FIELD[body[opens - 1]]
    closed = (closes == body.size - 1) | ENDS_A_FIELD[body[np.minimum(closes + 1, body.size - 1)]]
    begins[1:] |= is_doubled
    closed[:-1] |= is_doubled
    if not (begins & closed).all():
        return ends, None
    doubled_in = np.searchsorted(ends, opens[1:][is_doubled]) - 1
    return ends, in_line - np.bincount(doubled_in, minlength=in_line.size)


def _places(body: Bytes, chars: str) -> Places:
    """Where any of the two characters stands; block by block, for a test of the whole would fill as much memory as the
    file."""
    one, other = map(ord, chars)
    blocks = ((at, body[at : at + BLOCK]) for at in range(0, body.size, BLOCK))
    return np.concatenate([at + np.flatnonzero((block == one) | (block == other)) for at, block in blocks])


def read_by_lines(text: Text) -> Records:
    """Well-formed lines in one pass, every other line by itself."""
    lines = cut(text)
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
