"""Whatever is done to the bytes of a file: nothing raises, every record is in one place with its text."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import re
import tempfile
from pathlib import Path

import polars as pl
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from puffy_platform.event_data import purchase_fields
from puffy_platform.ingest.csv_text import WELL_FORMED_FIELD, read_at_once, read_by_lines, read_csv
from puffy_platform.ingest.lines import decode
from puffy_platform.ingest.records import LINE
from puffy_platform_tests.ingest.delivery import (
    HEADER,
    NAME,
    Tables,
    as_csv,
    deliver,
    drift_of,
    event,
    purchase,
    rules_of,
)

EXAMPLES = 40
BYTES = [b'"', b",", b"\0", b"\n", b"\r", b"\xe9", b'""', b"\x1f", b"\xff\xfe", b"{", b"\n\n", b'","', b" "]
SHAPES = [
    event(),
    event(client_id="", page_url='https://puffy.com/?q="quoted", and more'),
    event(page_url="https://puffy.com/?note=one\ntwo"),
    event(timestamp="2025-03-01 12:00:00", user_agent="日本 été"),
    purchase(),
    purchase({"transaction_id": "ORD-2", "revenue": "12.34", "items": []}),
]

damage = st.lists(
    st.tuples(st.sampled_from(["insert", "replace", "cut"]), st.floats(0, 1), st.sampled_from(BYTES)),
    max_size=6,
)
rows = st.lists(st.sampled_from(SHAPES), min_size=1, max_size=8)


def damaged(data: bytes, steps: list[tuple[str, float, bytes]]) -> bytes:
    for kind, where, what in steps:
        place = int(where * len(data))
        if kind == "cut":
            data = data[:place] + data[place + int(where * 60) :]
        else:
            data = data[:place] + what + data[place + (kind == "replace") :]
    return data


def landed(data: bytes, name: str = NAME) -> Tables:
    """The tables of this one file; every record and cent of it is in one place."""
    with tempfile.TemporaryDirectory() as folder:
        tables = deliver(Path(folder), {name: data})
    places = pl.concat(
        tables[table].select("source_file", "source_line")
        for table in ("raw_events", "duplicate_events", "quarantined_events")
    )
    assert not places.is_duplicated().any()
    drift = drift_of(tables, name)
    assert drift["rows"] == drift["accepted"] + drift["duplicates"] + drift["quarantined"] == places.height
    assert cents_of(tables) == drift["revenue_cents"]
    return tables


def cents_of(tables: Tables) -> int:
    bought = purchase_fields(tables["raw_events"].lazy()).collect()["revenue_cents"].sum()
    others = [tables[name]["revenue_cents"].sum() for name in ("duplicate_events", "quarantined_events")]
    return int(bought) + sum(others)


def physical_lines(data: bytes) -> list[str]:
    """The lines of bytes that are no UTF-16, cut and decoded in the plainest way."""
    data = data.removeprefix(codecs.BOM_UTF8).replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    texts = []
    for line in data.split(b"\n"):
        try:
            texts.append(line.decode())
        except UnicodeDecodeError:
            texts.append(line.decode("latin-1"))
    return texts


@settings(max_examples=EXAMPLES, deadline=None)
@given(rows, damage)
def test_a_damaged_csv_loses_no_record_and_keeps_the_text_of_every_quarantined_one(
    chosen: list[dict[str, str]], steps: list[tuple[str, float, bytes]]
) -> None:
    data = damaged(as_csv(chosen), steps)
    tables = landed(data)
    lines = physical_lines(data)
    for line, raw in tables["quarantined_events"].select("source_line", "raw").rows():
        if line and not data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            assert "\n".join(lines[line - 1 :]).startswith(raw)
            assert raw.startswith(lines[line - 1])
    if drift_of(tables)["status"] == "read" and "unreadable_file" not in rules_of(tables):
        filled = sum(bool(text) for text in lines)
        assert drift_of(tables)["rows"] <= filled


@settings(max_examples=EXAMPLES, deadline=None)
@given(rows, damage, st.sampled_from(["csv.gz", "ndjson", "parquet"]), st.booleans())
def test_damage_in_any_other_format_loses_no_record(
    chosen: list[dict[str, str]], steps: list[tuple[str, float, bytes]], kind: str, inside: bool
) -> None:
    if kind == "csv.gz":
        data = gzip.compress(damaged(as_csv(chosen), steps if inside else []))
    elif kind == "ndjson":
        data = pl.DataFrame(chosen).write_ndjson().encode()
    else:
        into = io.BytesIO()
        pl.DataFrame(chosen).write_parquet(into)
        data = into.getvalue()
    landed(data if inside and kind == "csv.gz" else damaged(data, steps), f"events_20250301.{kind}")


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.binary(max_size=400), st.sampled_from(["csv", "csv.gz", "ndjson", "ndjson.gz", "parquet"]))
def test_any_bytes_under_any_name_are_read_or_quarantined(data: bytes, kind: str) -> None:
    landed(data, f"events_20250301.{kind}")


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_below_a_header_are_read_or_quarantined(data: bytes) -> None:
    landed(f"{HEADER}\n".encode() + data)


text = st.text(
    st.one_of(st.sampled_from('",\n é日\t\x1e\x1f\u2028#'), st.characters(exclude_categories=["Cs"])),
    max_size=8,
).map(lambda value: value.replace("\r", "").replace("\0", ""))


@settings(max_examples=100, deadline=None)
@given(st.integers(2, 5).flatmap(lambda width: st.lists(st.lists(text, min_size=width, max_size=width), min_size=1)))
def test_well_formed_csv_is_read_as_python_s_own_reader_reads_it(table: list[list[str]]) -> None:
    assume(not any(is_ambiguous(row) for row in table))
    names = [f"n{place}" for place in range(len(table[0]))]
    into = io.StringIO(newline="")
    csv.writer(into, lineterminator="\n").writerows([names, *table])
    found = read_csv(into.getvalue().encode())
    assert found.broken.is_empty()
    assert found.count == len(table)
    assert found.rows.drop(LINE).fill_null("").rows() == [tuple(row) for row in table]


def is_ambiguous(row: list[str]) -> bool:
    """One of its further lines is a well-formed record: this cannot be told from a damaged line above one."""
    into = io.StringIO(newline="")
    csv.writer(into, lineterminator="\n").writerow(row)
    record = f"{WELL_FORMED_FIELD}(?:,{WELL_FORMED_FIELD}){{{len(row) - 1}}}"
    return any(re.fullmatch(record, line) for line in into.getvalue().removesuffix("\n").split("\n")[1:])


WHOLE = ["", "a", '""', '"a"', '"a,b"', '"a""b"', '""""', '"""a"', '"a"""', "é", " "]
cells = st.sampled_from([*WHOLE, '"', 'a"b', 'a""b', '"a"b', ' "a"', "\n", '"a\nb"', "\x00"])
lines = st.lists(
    st.one_of(st.lists(st.sampled_from(WHOLE), min_size=2, max_size=2), st.lists(cells, min_size=1, max_size=4)),
    max_size=4,
)


@settings(max_examples=400, deadline=None)
@given(lines, st.booleans())
@example([["", ""], [""], ["", "", ""]], True)
@example([["", '"', '"a"', '"']], True)
def test_a_file_read_at_once_has_the_records_it_has_line_by_line(cells: list[list[str]], is_open: bool) -> None:
    body = "\n".join(",".join(line) for line in [["x", "y"], *cells])
    text = decode((body + "\n" * (not is_open)).encode())
    found, expected = read_at_once(text), read_by_lines(text)
    if found is None:
        return
    assert expected.broken.is_empty()
    assert found.rows.fill_null("").equals(expected.rows.fill_null(""))
    assert (found.header, found.header_text, found.header_line, found.count) == (
        expected.header,
        expected.header_text,
        expected.header_line,
        expected.count,
    )
    lines = found.rows[LINE].to_list()
    assert found.raw(lines) == expected.raw(lines)


def test_an_undamaged_file_is_read_at_once() -> None:
    text = decode(as_csv([event(), event(page_url='https://puffy.com/?q="quoted", and more'), purchase()]))
    found = read_at_once(text)
    assert found is not None
    assert found.count == 3
