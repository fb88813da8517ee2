"""CSV bytes to records: a vectorised path for well-formed files, and an exact one, line by line, for the others.

The fast path is taken only when it provably reads what the exact path would: as many records as physical lines,
and a mark put at the end of every line found in the place after the last column.
"""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Sequence

import polars as pl

from puffy_platform.ingest.records import LINE, Records, Unreadable, broken_frame

__all__ = ["read_csv"]

END = "\x1f"
# A quoted field may hold line breaks, but one that runs on for so many lines was never closed.
MAX_LINES_OF_A_RECORD = 200
csv.field_size_limit(2**31 - 1)

Broken = list[tuple[int, str, str | None, str, str]]


def read_csv(data: bytes) -> Records:
    """Read a CSV file with a header line. Raises Unreadable for a file that is no text."""
    data, encoding, notes = _to_utf8(data)
    if b"\r\n" in data:
        data = data.replace(b"\r\n", b"\n")
    return _read_fast(data, encoding, notes) or _read_exactly(data, encoding, notes)


def _to_utf8(data: bytes) -> tuple[bytes, str, tuple[str, ...]]:
    for mark, name in ((codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16")):
        if data.startswith(mark):
            try:
                return data.decode(name).encode("utf-8"), "utf-16", ("UTF-16 was decoded",)
            except UnicodeDecodeError:
                raise Unreadable("it starts as UTF-16 text and is not") from None
    if data.startswith(codecs.BOM_UTF8):
        return data[len(codecs.BOM_UTF8) :], "utf-8", ("a byte order mark was removed",)
    if data.count(b"\0", 0, 4096) > 64:
        raise Unreadable("it is binary, not text")
    return data, "utf-8", ()


def _read_fast(data: bytes, encoding: str, notes: tuple[str, ...]) -> Records | None:
    if b"\0" in data or END.encode() in data or b"\r" in data or b"\n\n" in data or data.startswith(b"\n"):
        return None
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return None
    first, _, body = data.partition(b"\n")
    header_text = first.decode("utf-8")
    header = _fields(header_text)
    if header is None or not body:
        return None
    if not body.endswith(b"\n"):
        body += b"\n"
    names = _unique(header)
    try:
        parsed = pl.read_csv(
            io.BytesIO(body.replace(b"\n", f",{END}\n".encode())),
            has_header=False,
            schema=dict.fromkeys([*names, END], pl.String),
            extra_columns="ignore",
            missing_columns="insert",
        )
    except pl.exceptions.PolarsError:
        return None
    if parsed.height != body.count(b"\n"):
        return None
    parsed = parsed.with_columns(pl.int_range(2, pl.len() + 2, dtype=pl.Int64).alias(LINE))
    whole = (pl.col(END) == END).fill_null(False)
    bad = parsed.filter(~whole)

    def raw(lines: Sequence[int]) -> list[str]:
        physical = data.split(b"\n")
        return [physical[line - 1].decode("utf-8") for line in lines]

    numbers = bad[LINE].to_list()
    broken = [
        (line, *_wrong_count(len(header), text), text)
        for line, text in zip(numbers, raw(numbers) if numbers else (), strict=True)
    ]
    return Records(
        names, header_text, parsed.filter(whole).drop(END), broken_frame(broken), raw, encoding, notes
    )


def _read_exactly(data: bytes, encoding: str, notes: tuple[str, ...]) -> Records:
    lines, latin = _decoded_lines(data)
    if latin:
        encoding, notes = (
            f"{encoding}+latin-1",
            (*notes, f"{latin} lines were not UTF-8 and were read as Latin-1"),
        )
    if not lines:
        return Records(
            (), None, pl.DataFrame(schema={LINE: pl.Int64}), broken_frame([]), lambda _: [], encoding, notes
        )
    start = next(number for number, text in enumerate(lines) if text.strip())
    header = _fields(lines[start])
    if header is None or "\0" in lines[start]:
        raise Unreadable(f"its header line {start + 1} cannot be read")
    rows: list[list[str]] = []
    numbers: list[int] = []
    texts: dict[int, str] = {}
    broken: Broken = []
    place = start + 1
    while place < len(lines):
        text, number = lines[place], place + 1
        place += 1
        if not text.strip():
            continue
        fields = None if "\0" in text else _fields(text)
        if fields is None and "\0" not in text:
            fields, text, place = _continued(lines, place, text, len(header))
        if "\0" in text:
            broken.append(
                (
                    number,
                    "nul_byte",
                    None,
                    "The line holds a NUL byte: the file was damaged on its way.",
                    text,
                )
            )
        elif fields is None:
            message = "A quote is opened and never closed: check the export's quoting."
            broken.append((number, "unterminated_quote", None, message, text))
        elif len(fields) != len(header):
            broken.append((number, *_wrong_count(len(header), text), text))
        else:
            rows.append(fields)
            numbers.append(number)
            texts[number] = text
    names = _unique(header)
    frame = pl.DataFrame(rows, schema=dict.fromkeys(names, pl.String), orient="row").with_columns(
        pl.Series(LINE, numbers, dtype=pl.Int64)
    )

    def raw(wanted: Sequence[int]) -> list[str]:
        return [texts[number] for number in wanted]

    return Records(names, lines[start], frame, broken_frame(broken), raw, encoding, notes)


def _decoded_lines(data: bytes) -> tuple[list[str], int]:
    """Physical lines as text, and how many were not UTF-8. A lone carriage return ends a line too."""
    if b"\r" in data:
        data = data.replace(b"\r", b"\n")
    lines, latin = [], 0
    for line in data.removesuffix(b"\n").split(b"\n") if data else []:
        try:
            lines.append(line.decode("utf-8"))
        except UnicodeDecodeError:
            lines.append(line.decode("latin-1"))
            latin += 1
    return (lines if any(line.strip() for line in lines) else []), latin


def _fields(text: str) -> list[str] | None:
    """The fields of one record, or None while a quote is open or misplaced."""
    try:
        return next(csv.reader([text], strict=True))
    except (csv.Error, StopIteration):
        return None


def _continued(lines: list[str], place: int, first: str, width: int) -> tuple[list[str] | None, str, int]:
    """The record that goes on over following lines, if it does.

    It does while its quote is open and no following line is a whole record by itself; else the first line alone is
    damaged, and nothing after it may be swallowed.
    """
    text = first
    for end in range(place, min(place + MAX_LINES_OF_A_RECORD, len(lines))):
        alone = _fields(lines[end])
        if "\0" in lines[end] or (alone is not None and len(alone) == width):
            break
        text = f"{text}\n{lines[end]}"
        if text.count('"') % 2 == 0:
            fields = _fields_over_lines(text)
            if fields is not None and len(fields) == width:
                return fields, text, end + 1
    return None, first, place


def _fields_over_lines(text: str) -> list[str] | None:
    try:
        records = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except csv.Error:
        return None
    return records[0] if len(records) == 1 else None


def _wrong_count(width: int, text: str) -> tuple[str, None, str]:
    fields = _fields(text)
    found = len(fields) if fields is not None else "an unclear number of"
    return (
        "wrong_column_count",
        None,
        f"The header has {width} columns and this line {found}: a separator is missing or too many.",
    )


def _unique(header: list[str]) -> tuple[str, ...]:
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
