"""Bytes of a text file to its physical lines: marks, UTF-16, Latin-1 and line ends. Knows no format."""

from __future__ import annotations

import codecs
import io
from dataclasses import dataclass

import polars as pl

from puffy_platform.ingest.records import Unreadable

__all__ = ["Lines", "Text", "cut", "decode"]


@dataclass(frozen=True)
class Text:
    """The bytes of a text with line feeds only, how it was encoded, and what was noticed. Mostly, not surely, UTF-8."""

    data: bytes
    encoding: str
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Lines:
    """The lines from the first, blank ones too; how they were encoded, and what was noticed on the way.

    `utf8` holds the same text in one piece, with line feeds only, under one blank line; None where lines had to be
    read one by one.
    """

    texts: pl.Series
    encoding: str
    notes: tuple[str, ...]
    utf8: bytes | None


def decode(data: bytes) -> Text:
    """Without marks, UTF-16 and other line ends. Raises Unreadable for UTF-32 and damaged UTF-16."""
    data, encoding, notes = _to_utf8(data)
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return Text(data, encoding, notes)


def cut(text: Text) -> Lines:
    """The lines of a text; one that is not UTF-8 is read as Latin-1."""
    # The blank line keeps Polars from taking text that begins like a compressed file for one.
    data, encoding, notes = b"\n" + text.data, text.encoding, text.notes
    try:
        texts, utf8 = pl.read_lines(io.BytesIO(data)).to_series().slice(1), data
    except pl.exceptions.ComputeError:
        utf8, (texts, latin) = None, _line_by_line(text.data)
        encoding = f"{encoding}+latin-1"
        notes = (*notes, f"{latin} lines were not UTF-8 and were read as Latin-1")
    return Lines(texts, encoding, notes, utf8)


def _to_utf8(data: bytes) -> tuple[bytes, str, tuple[str, ...]]:
    if data.startswith(codecs.BOM_UTF8):
        return data[len(codecs.BOM_UTF8) :], "utf-8", ("a byte order mark was removed",)
    if data.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        raise Unreadable("it is UTF-32 text: send UTF-8")
    utf16 = _utf16_of(data)
    if utf16 is None:
        return data, "utf-8", ()
    try:
        text = data.decode(utf16)
    except UnicodeDecodeError:
        raise Unreadable("it starts as UTF-16 text and is not") from None
    return text.removeprefix("\ufeff").encode("utf-8"), "utf-16", ("UTF-16 was decoded",)


def _utf16_of(data: bytes) -> str | None:
    """The codec of UTF-16 text: by its mark, else because every other byte of its beginning is zero."""
    if data.startswith(codecs.BOM_UTF16_LE):
        return "utf-16-le"
    if data.startswith(codecs.BOM_UTF16_BE):
        return "utf-16-be"
    even, odd = data[0:32:2], data[1:32:2]
    if odd and all(even) and not any(odd):
        return "utf-16-le"
    if odd and all(odd) and not any(even):
        return "utf-16-be"
    return None


def _line_by_line(data: bytes) -> tuple[pl.Series, int]:
    """The lines, and how many of them were not UTF-8."""
    lines, latin = [], 0
    for line in data.removesuffix(b"\n").split(b"\n"):
        try:
            lines.append(line.decode("utf-8"))
        except UnicodeDecodeError:
            lines.append(line.decode("latin-1"))
            latin += 1
    return pl.Series(lines, dtype=pl.String), latin
