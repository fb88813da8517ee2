"""The same rows as CSV, gzipped CSV, NDJSON and Parquet are the same events; damage is named."""

from __future__ import annotations

import datetime as dt
import gzip
import json
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from puffy_platform.event_data import purchase_fields
from puffy_platform_tests.ingest.delivery import (
    ITEM,
    NAME,
    as_csv,
    as_ndjson,
    as_parquet,
    drift_of,
    event,
    land,
    purchase,
    rules_of,
)

ROWS = [
    event(),
    event(client_id="", page_url='https://puffy.com/?q="a, b"', referrer=""),
    event(page_url="https://puffy.com/été\nnext", timestamp="2025-03-01T12:00:00+01:00"),
    purchase(),
]
EXTRA = "events_20250301_again"


FORMATS = {
    "csv": as_csv(ROWS),
    "csv.gz": gzip.compress(as_csv(ROWS)),
    "ndjson": as_ndjson(ROWS),
    "jsonl": as_ndjson(ROWS),
    "ndjson.gz": gzip.compress(as_ndjson(ROWS)),
    "parquet": as_parquet(ROWS),
}


@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_gives_the_same_events_with_their_lines(tmp_path: Path, kind: str) -> None:
    name = f"events_20250301.{kind}"
    tables = land(tmp_path, {name: FORMATS[kind]})
    lines = tables["raw_events"].sort("source_line")["source_line"].to_list()
    assert lines == ([2, 3, 4, 6] if kind.startswith("csv") else [1, 2, 3, 4])
    assert drift_of(tables, name)["format"] == kind.replace("jsonl", "ndjson")
    assert drift_of(tables, name)["accepted"] == 4
    assert drift_of(tables, name)["empty_client_ids"] == 1
    assert drift_of(tables, name)["revenue_cents"] == 349_00
    expected = land(tmp_path, {NAME: FORMATS["csv"]})["raw_events"]
    content = [name for name in expected.columns if name not in ("source_file", "source_line")]
    assert tables["raw_events"].select(content).sort("event_id").equals(expected.select(content).sort("event_id"))


@pytest.mark.parametrize("kind", [kind for kind in FORMATS if kind != "csv"])
def test_a_row_delivered_again_in_another_format_is_a_duplicate_that_names_its_original(
    tmp_path: Path, kind: str
) -> None:
    tables = land(tmp_path, {NAME: FORMATS["csv"], f"{EXTRA}.{kind}": FORMATS[kind]})
    found = tables["duplicate_events"].sort("source_line")
    assert found["source_file"].unique().to_list() == [f"{EXTRA}.{kind}"]
    assert found["original_file"].unique().to_list() == [NAME]
    assert found["original_line"].to_list() == [2, 3, 4, 6]
    assert found["revenue_cents"].to_list() == [None, None, None, 349_00]


def test_typed_timestamps_of_parquet_are_the_instants_that_csv_writes_as_text(tmp_path: Path) -> None:
    rows = [event(timestamp="2025-03-01T12:00:00.750Z"), event(timestamp="2025-03-01T12:00:01Z")]
    text = pl.DataFrame(rows)
    utc = text.with_columns(pl.col("timestamp").str.to_datetime(time_zone="UTC", time_unit="ns"))
    berlin = utc.with_columns(pl.col("timestamp").dt.convert_time_zone("Europe/Berlin").dt.cast_time_unit("ms"))
    naive = utc.with_columns(pl.col("timestamp").dt.replace_time_zone(None))
    files = {
        NAME: as_csv(rows),
        f"{EXTRA}_1.parquet": as_parquet(utc),
        f"{EXTRA}_2.parquet": as_parquet(berlin),
        f"{EXTRA}_3.parquet": as_parquet(naive),
    }
    tables = land(tmp_path, files)
    assert tables["raw_events"].height == 2
    assert tables["duplicate_events"].height == 6
    assert drift_of(tables, f"{EXTRA}_3.parquet")["naive_timestamps"] == 2


def test_nested_event_data_of_ndjson_and_parquet_is_read_like_its_text(tmp_path: Path) -> None:
    data = {"transaction_id": "ORD-1", "revenue": 349.5, "items": [ITEM], "user_email": "f" * 64}
    row = {k: v for k, v in purchase().items() if k != "event_data"}
    nested = json.dumps(row | {"event_data": data}).encode()
    frame = pl.DataFrame([row | {"event_data": data}, event() | {"event_data": None}], strict=False)
    files = {
        NAME: as_csv([purchase(json.dumps(data, separators=(",", ":")))]),
        f"{EXTRA}.ndjson": nested,
        f"{EXTRA}.parquet": as_parquet(frame),
    }
    tables = land(tmp_path, files)
    assert rules_of(tables) == {}
    assert set(tables["duplicate_events"]["source_file"]) == {f"{EXTRA}.ndjson", f"{EXTRA}.parquet"}
    bought = purchase_fields(tables["raw_events"].lazy()).collect()
    assert bought["revenue_cents"].drop_nulls().to_list() == [349_50]
    assert tables["raw_events"].filter(pl.col("event_name") == "page_viewed")["event_data"].to_list() == [None]


def test_a_renamed_column_in_another_format_does_not_hide_a_duplicate(tmp_path: Path) -> None:
    renamed = [{"clientId" if k == "client_id" else k: v for k, v in row.items()} for row in ROWS]
    tables = land(tmp_path, {NAME: FORMATS["csv"], f"{EXTRA}.ndjson": as_ndjson(renamed)})
    assert tables["duplicate_events"].height == 4


def test_lines_of_ndjson_that_are_no_object_are_broken_json_line(tmp_path: Path) -> None:
    good = as_ndjson([event()]).decode().strip()
    bad = [
        '{"client_id": "c-1"',
        "[1, 2]",
        '"text"',
        "null",
        "42",
        "not json",
        '{"page_url": "\\ud83d"}',
        good + good,
    ]
    name = "events_20250301.ndjson"
    tables = land(tmp_path, {name: "\n".join([good, *bad, "", good.replace("c-1", "c-2")]).encode()})
    assert rules_of(tables) == {"broken_json_line": len(bad)}
    assert tables["quarantined_events"].sort("source_line")["raw"].to_list() == bad
    assert sorted(tables["raw_events"]["source_line"].to_list()) == [1, 11]


def test_damaged_bytes_of_ndjson_cost_their_own_line_only(tmp_path: Path) -> None:
    rows = [event(), event(client_id="c-2"), event(page_url="https://puffy.com/ete")]
    lines = as_ndjson(rows).split(b"\n")
    lines[1] = lines[1].replace(b"c-2", b"c\0-2")
    lines[2] = lines[2].replace(b"ete", b"\xe9t\xe9")
    name = "events_20250301.ndjson"
    tables = land(tmp_path, {name: b"\r\n".join(lines)})
    assert rules_of(tables) == {"nul_byte": 1}
    assert tables["raw_events"].sort("source_line")["page_url"].to_list()[1] == "https://puffy.com/été"
    assert drift_of(tables, name)["encoding"] == "utf-8+latin-1"


def test_ndjson_with_a_byte_order_mark_or_in_utf_16_is_read(tmp_path: Path) -> None:
    text = as_ndjson([event()])
    name = "events_20250301.ndjson"
    for data in (b"\xef\xbb\xbf" + text, text.decode().encode("utf-16")):
        assert land(tmp_path, {name: data})["raw_events"].height == 1


def test_ndjson_objects_may_leave_out_fields_and_add_new_ones(tmp_path: Path) -> None:
    sparse = {k: v for k, v in event().items() if k not in ("referrer", "user_agent", "event_data")}
    objects = [sparse, event() | {"score": 1.5, "tags": ["a", "b"], "note": None}]
    name = "events_20250301.ndjson"
    data = "\n".join(json.dumps(one) for one in objects).encode()
    tables = land(tmp_path, {name: data})
    assert rules_of(tables) == {}
    assert drift_of(tables, name)["missing"] == []
    assert drift_of(tables, name)["added"] == ["score", "tags", "note"]
    extra = tables["raw_events"].sort("source_line")["extra"].to_list()
    assert extra[0] is None
    assert json.loads(extra[1]) == {"score": "1.5", "tags": '["a","b"]'}


def test_ndjson_without_a_required_field_anywhere_waits_under_missing_column(tmp_path: Path) -> None:
    rows = [{k: v for k, v in event().items() if k != "timestamp"}] * 2
    tables = land(tmp_path, {"events_20250301.ndjson": as_ndjson(rows)})
    assert rules_of(tables) == {"missing_column:timestamp": 2}
    assert tables["quarantined_events"]["raw"].to_list() == as_ndjson(rows).decode().splitlines()
    assert rules_of(land(tmp_path, {"events_20250301.ndjson": b'{"a": 1}\n{}\n'})) == {"missing_column:client_id": 2}
    assert rules_of(land(tmp_path, {"events_20250301.ndjson": b"{}\n"})) == {"missing_value": 1}


def test_ndjson_that_writes_values_as_names_is_an_unreadable_file(tmp_path: Path) -> None:
    data = "\n".join(json.dumps({f"c-{number}": 1}) for number in range(1_001)).encode()
    tables = land(tmp_path, {"events_20250301.ndjson": data})
    assert rules_of(tables) == {"unreadable_file": 1}


def test_a_quarantined_row_of_parquet_keeps_its_fields_as_json(tmp_path: Path) -> None:
    tables = land(tmp_path, {"events_20250301.parquet": as_parquet([event(), event(event_name="bought")])})
    assert rules_of(tables) == {"unknown_event": 1}
    assert tables["quarantined_events"]["source_line"].item() == 2
    assert json.loads(tables["quarantined_events"]["raw"].item())["event_name"] == "bought"


def test_parquet_columns_of_any_type_become_text(tmp_path: Path) -> None:
    odd = {
        "an_integer": [5],
        "a_float": [2.5],
        "a_boolean": [True],
        "a_date": [dt.date(2025, 3, 1)],
        "a_time": [dt.time(1, 2, 3)],
        "a_duration": [dt.timedelta(seconds=90)],
        "a_decimal": [Decimal("1.50")],
        "some_bytes": [b"text"],
        "other_bytes": [b"\xe9"],
        "a_list": [[1, 2]],
        "a_struct": [{"a": 1, "b": [{"c": None}]}],
        "nothing": [None],
        "\x1fline": ["a name of ours"],
    }
    frame = pl.DataFrame([event()]).hstack(pl.DataFrame(odd))
    frame = frame.with_columns(a_category=pl.lit("x").cast(pl.Categorical))
    tables = land(tmp_path, {"events_20250301.parquet": as_parquet(frame)})
    assert rules_of(tables) == {}
    extra = json.loads(tables["raw_events"]["extra"].item())
    assert extra["an_integer"] == "5"
    assert extra["a_decimal"] == "1.50"
    assert extra["some_bytes"] == "text"
    assert extra["other_bytes"] == "é"
    assert extra["a_list"] == "[1,2]"
    assert json.loads(extra["a_struct"]) == {"a": 1, "b": [{"c": None}]}
    assert extra["line"] == "a name of ours"
    assert "nothing" not in extra


@pytest.mark.parametrize(
    ("name", "data", "why"),
    [
        ("events_20250301.csv.gz", b"client_id,page_url\n", "it is not gzip data"),
        ("events_20250301.csv.gz", gzip.compress(as_csv(ROWS))[:-20], "damaged or cut off"),
        ("events_20250301.csv.gz", gzip.compress(as_csv(ROWS)) + b"rest", "damaged or cut off"),
        ("events_20250301.ndjson.gz", b"\x1f\x8b", "gzip"),
        ("events_20250301.parquet", b"client_id,page_url\n", "Parquet"),
        ("events_20250301.parquet", as_parquet(ROWS)[:-10], "Parquet"),
        ("events_20250301.parquet", b"PAR1" + bytes(200) + b"PAR1", "Parquet"),
        ("events_20250301.csv", as_parquet(ROWS), "it holds Parquet data"),
        ("events_20250301.csv", gzip.compress(as_csv(ROWS)), "it holds gzip data"),
        ("events_20250301.csv.gz", gzip.compress(gzip.compress(as_csv(ROWS))), "it holds gzip data"),
        ("events_20250301.ndjson", b"PK\x03\x04\x14\0" + bytes(90), "it holds a zip archive"),
    ],
)
def test_a_file_that_is_not_what_its_name_says_is_one_unreadable_file(
    tmp_path: Path, name: str, data: bytes, why: str
) -> None:
    tables = land(tmp_path, {name: data, "events_20250301_good.csv": as_csv([event()])})
    assert rules_of(tables) == {"unreadable_file": 1}
    row = tables["quarantined_events"].row(0, named=True)
    assert row["source_line"] == 0
    assert row["raw"] == f"{name}: {len(data)} bytes"
    assert why in row["message"]
    assert drift_of(tables, name)["status"] == "unreadable"
    assert drift_of(tables, name)["rows"] == 1
    assert tables["raw_events"].height == 1


@pytest.mark.parametrize("kind", ["csv", "csv.gz", "ndjson", "ndjson.gz", "parquet"])
def test_a_file_of_no_bytes_is_empty_in_every_format(tmp_path: Path, kind: str) -> None:
    name = f"events_20250301.{kind}"
    tables = land(tmp_path, {name: b""})
    assert drift_of(tables, name)["status"] == "empty"
    assert rules_of(tables) == {}


def test_a_gzip_file_of_nothing_is_empty_and_parquet_without_rows_is_header_only(tmp_path: Path) -> None:
    nothing = pl.DataFrame(ROWS).clear()
    files = {"events_20250301.csv.gz": gzip.compress(b""), "events_20250301.parquet": as_parquet(nothing)}
    tables = land(tmp_path, files)
    assert drift_of(tables, "events_20250301.csv.gz")["status"] == "empty"
    assert drift_of(tables, "events_20250301.parquet")["status"] == "header_only"
