"""Every defect that the world sends, landed over four days, through the whole pipeline: where each record ended."""

from __future__ import annotations

import datetime as dt
import gzip
import json
from collections.abc import Sequence
from typing import Any

import polars as pl
import pytest

from puffy_platform.ingest.columns import RAW_COLUMNS
from puffy_platform.pipeline import Platform, affected, check_results, materialise, materialise_ingest
from puffy_platform.pipeline.summary import summarise
from puffy_platform.settings import load_settings
from puffy_platform.table import DayRange
from puffy_platform.tables import TABLES
from puffy_platform_tests.ingest.delivery import INGESTED, Row, as_csv, as_parquet, event, purchase

# From the first event day to the last.
DAYS = DayRange(dt.date(2025, 2, 22), dt.date(2025, 3, 5))
DERIVED = ("events_enriched", "purchases", "identity_links", "identities", "sessions", "conversions")
REPORTS = ("attribution", "channel_summary")
SETTINGS = {"PUFFY_INGEST__MAX_FIELD_BYTES": "5000"}

# What was sent, and its record: a row, or bytes as they stand in the file.
Sent = tuple[str, Row | bytes]


def view(what: str, day: int = 1, **fields: str) -> tuple[str, Row]:
    """A page view at noon of a day of March, by a client that is called like what is sent."""
    return what, event(**{"client_id": what, "timestamp": f"2025-03-0{day}T12:00:00Z"} | fields)


def sale(what: str, order: str, client: str = "", **data: Any) -> tuple[str, Row]:
    """An order of 100.00 for one item of 100.00, by a client with an email of its own."""
    item = {"item_id": "M", "item_name": "Mattress", "item_variant": "Queen", "quantity": 1, "item_price": 100}
    usual = {"transaction_id": order, "revenue": 100, "items": [item], "user_email": f"of {client or what}"}
    return what, purchase(json.dumps(usual | data), client_id=client or what)


def line(row: Row, columns: Sequence[str] = RAW_COLUMNS) -> bytes:
    return as_csv([row], columns).split(b"\n", 1)[1].removesuffix(b"\n")


def lines(sent: Sequence[Sent], columns: Sequence[str] = RAW_COLUMNS) -> bytes:
    """A CSV file of these columns."""
    records = [record if isinstance(record, bytes) else line(record, columns) for _, record in sent]
    return b"\n".join([",".join(columns).encode(), *records, b""])


def json_line(row: Row, **fields: Any) -> bytes:
    """The row as a line of NDJSON, without referrer."""
    return json.dumps({name: value for name, value in row.items() if name != "referrer"} | fields).encode()


def otherwise(row: Row, **names: str) -> Row:
    """The row under other column names."""
    return {names.get(name, name): value for name, value in row.items()}


VIEW, ORDER, OTHER = view("a page view")[1], sale("an order", "ORD-1", "ann")[1], view("x")[1]
PLAIN: list[Sent] = [
    ("a page view", VIEW),
    ("an order", ORDER),
    ("the order sent twice", ORDER),
    ("the thank-you page loaded again", ORDER | {"timestamp": "2025-03-01T12:05:00Z"}),
    ("the same order id, another customer", sale("", "ORD-1", "ben")[1] | {"timestamp": "2025-03-01T13:00:00Z"}),
    sale("revenue unlike its items", "ORD-2", revenue=150.0),
    sale("an order of nothing", "ORD-3", revenue=0),
    sale("items without fields", "ORD-4", items=[{"item_id": None, "item_price": None}]),
    sale("an order without id", "", revenue=7),
    sale("an unreadable amount", "ORD-5", revenue="EUR 9"),
    ("an order cut off", purchase('{"transaction_id": "ORD-6", "revenue": 10')),
    ("no client id", event(client_id="")),
    view("broken JSON", event_data="{'a': 1}"),
    view("an unknown event", event_name="page_seen"),
    view("no page", page_url=""),
    view("a time with an offset", timestamp="2025-03-01T12:00:00+05:30"),
    view("a time without an offset", timestamp="2025-03-01 12:00:00"),
    view("an unreadable time", timestamp="1.3.2025"),
    view("a time of next year", timestamp="2026-03-01T12:00:00Z"),
    view("six days late", timestamp="2025-02-23T12:00:00Z"),
    view("months late", timestamp="2024-12-01T12:00:00Z"),
    view("a crawler", user_agent="Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"),
    view("parameters encoded twice", page_url="https://puffy.com/?utm_source%253Dbing%2526utm_medium%253Dcpc"),
    view("a huge field", page_url="https://puffy.com/" + "x" * 20_000),
    ("a column too many", line(OTHER) + b",more"),
    ("columns too few", b"x,https://puffy.com/"),
    ("an unterminated quote", line(OTHER).replace(b"https", b'"https', 1)),
    ("a NUL byte", line(OTHER).replace(b"puffy", b"puf\0fy")),
    view("a row after all this"),
]
COLUMNS_2 = ["clientId", *RAW_COLUMNS[1:], "consent"]
ZIPPED: list[Sent] = [
    ("a renamed column", otherwise(view("a renamed column", 2)[1], client_id="clientId") | {"consent": ""}),
    ("a new column", otherwise(view("a new column", 2)[1], client_id="clientId") | {"consent": "granted"}),
    ("sent again a day later", otherwise(VIEW, client_id="clientId") | {"consent": ""}),
    ("Latin-1 bytes", "é,https://puffy.com/,,2025-03-02T12:00:00Z,page_viewed,,UA,".encode("latin-1")),
]
JSON: list[tuple[str, bytes]] = [
    ("no referrer column", json_line(view("x", 3)[1])),
    ("a line cut off", json_line(OTHER)[:40]),
    ("a NUL escape", json_line(view("x\0", 3)[1])),
    ("nested event_data", json_line(view("nested", 3)[1], event_data={"a": [1, None]})),
]
TYPED: list[Sent] = [
    view("a row of Parquet", 4),
    view("an unknown event in Parquet", 4, event_name="page_seen"),
    ("sent again three days later", VIEW),
]
OCCURRED: list[Sent] = [
    ("a view without its time column", otherwise(view("x", 4)[1], timestamp="occurred")),
    ("an order without its time column", otherwise(sale("x", "ORD-7", revenue=8)[1], timestamp="occurred")),
]


# File, its bytes, what was sent, and the line of the first of it; one record a line from there.
FILES: list[tuple[str, bytes, list[str], int]] = [
    ("events_20250301.csv", b"\xef\xbb\xbf" + lines(PLAIN), [what for what, _ in PLAIN], 2),
    ("events_20250301_again.csv", lines(PLAIN[:2]), ["the file again: view", "the file again: order"], 2),
    ("events_20250302.csv.gz", gzip.compress(lines(ZIPPED, COLUMNS_2)), [what for what, _ in ZIPPED], 2),
    ("events_20250302_cut.csv.gz", gzip.compress(lines(PLAIN))[:200], ["a file cut off"], 0),
    ("events_20250302_empty.csv", b"", [], 0),
    ("events_20250302_header.csv", lines([]), [], 0),
    ("events_20250303.ndjson", b"\n".join(line for _, line in JSON), [what for what, _ in JSON], 1),
    ("events_20250303_bare.csv", line(OTHER) + b"\n", ["a row in the header's place"], 1),
    ("events_20250304.parquet", as_parquet([row for _, row in TYPED]), [what for what, _ in TYPED], 1),  # type: ignore[misc]
    (
        "events_20250304_app.csv",
        lines(OCCURRED, [*RAW_COLUMNS[:3], "occurred", *RAW_COLUMNS[4:]]),
        [what for what, _ in OCCURRED],
        2,
    ),
]

ENDED = """
events_20250301.csv
   2  a page view                         accepted
   3  an order                            accepted, unique order
   4  the order sent twice                duplicate of events_20250301.csv 3
   5  the thank-you page loaded again     accepted, repeat order
   6  the same order id, another customer accepted, collision order
   7  revenue unlike its items            accepted, unique order, revenue unlike items
   8  an order of nothing                 accepted, unique order, revenue unlike items, zero revenue
   9  items without fields                accepted, unique order
  10  an order without id                 quarantined: purchase_without_transaction_id, 7.00
  11  an unreadable amount                quarantined: unreadable_revenue
  12  an order cut off                    quarantined: broken_json
  13  no client id                        accepted, no client
  14  broken JSON                         quarantined: broken_json
  15  an unknown event                    quarantined: unknown_event
  16  no page                             quarantined: missing_value
  17  a time with an offset               accepted, offset timestamp
  18  a time without an offset            accepted, naive timestamp
  19  an unreadable time                  quarantined: unreadable_timestamp
  20  a time of next year                 quarantined: in_future
  21  six days late                       accepted, of 2025-02-23
  22  months late                         quarantined: too_late
  23  a crawler                           accepted, bot
  24  parameters encoded twice            accepted, Paid Search
  25  a huge field                        quarantined: field_too_large
  26  a column too many                   quarantined: wrong_column_count
  27  columns too few                     quarantined: wrong_column_count
  28  an unterminated quote               quarantined: unterminated_quote
  29  a NUL byte                          quarantined: nul_byte
  30  a row after all this                accepted
events_20250301_again.csv
   2  the file again: view                duplicate of events_20250301.csv 2
   3  the file again: order               duplicate of events_20250301.csv 3
events_20250302.csv.gz
   2  a renamed column                    accepted
   3  a new column                        accepted, extra {"consent":"granted"}
   4  sent again a day later              duplicate of events_20250301.csv 2
   5  Latin-1 bytes                       accepted, Direct
events_20250302_cut.csv.gz
   0  a file cut off                      quarantined: unreadable_file
events_20250302_empty.csv
events_20250302_header.csv
events_20250303.ndjson
   1  no referrer column                  accepted, Unknown
   2  a line cut off                      quarantined: broken_json_line
   3  a NUL escape                        quarantined: nul_byte
   4  nested event_data                   accepted, Unknown
events_20250303_bare.csv
   1  a row in the header's place         quarantined: missing_header
events_20250304.parquet
   1  a row of Parquet                    accepted
   2  an unknown event in Parquet         quarantined: unknown_event
   3  sent again three days later         duplicate of events_20250301.csv 2
events_20250304_app.csv
   2  a view without its time column      quarantined: missing_column:timestamp
   3  an order without its time column    quarantined: missing_column:timestamp, 8.00
"""
# Rows, accepted, duplicates, quarantined, money, and what drifted.
TOLD_OF_FILES = """
events_20250301.csv        read         29  14   1  14   657.00  a byte order mark was removed
events_20250301_again.csv  read          2   0   2   0   100.00
events_20250302.csv.gz     read          4   3   1   0     0.00  client_id renamed to clientId, consent is new, \
1 lines were not UTF-8 and were read as Latin-1
events_20250302_cut.csv.gz unreadable    1   0   0   1     0.00  its gzip stream is damaged or cut off
events_20250302_empty.csv  empty         0   0   0   0     0.00
events_20250302_header.csv header_only   0   0   0   0     0.00
events_20250303.ndjson     read          4   2   0   2     0.00  referrer missing
events_20250303_bare.csv   read          1   0   0   1     0.00  all seven missing
events_20250304.parquet    read          3   1   1   1     0.00
events_20250304_app.csv    read          2   0   0   2     8.00  timestamp missing, occurred is new
"""


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Platform:
    """All of it landed and computed, as a run does."""
    home = tmp_path_factory.mktemp("home")
    (home / "landing").mkdir()
    for name, data, _, _ in FILES:
        (home / "landing" / name).write_bytes(data)
    tables = {name: TABLES[name] for name in (*INGESTED, *DERIVED, *REPORTS)}
    platform = Platform(load_settings(home, environment=SETTINGS), tables)
    materialise_ingest(platform, DAYS, run_id="test")
    for table in platform.derived:
        materialise(platform, table, DAYS, run_id="test")
    return platform


def rows(platform: Platform, name: str) -> pl.DataFrame:
    return platform.warehouse.read(platform.tables[name]).collect()


def words(row: dict[str, Any]) -> str:
    """What the tables after raw_events say of an accepted row, where it is not the usual."""
    said = {
        f"{row['timestamp_kind']} timestamp": row["timestamp_kind"] != "utc",
        "no client": row["client_id"] is None,
        f"of {row['event_day']}": row["event_day"] != row["day"],
        f"{row['channel']}": row["channel"] != "Organic Search",
        "bot": row["is_bot"],
        f"extra {row['extra']}": row["extra"],
        f"{row['kind']} order": row["kind"],
        "revenue unlike items": row["revenue_matches_items"] is False,
        "zero revenue": row["is_zero_revenue"],
    }
    return ", ".join(["accepted", *(word for word, holds in said.items() if holds)])


def ended(platform: Platform) -> list[tuple[tuple[str, int], str]]:
    """The file and line of every record of the three tables, and the words for it."""
    accepted = (
        rows(platform, "raw_events")
        .join(rows(platform, "events_enriched").select("event_id", "channel", "is_bot"), on="event_id")
        .join(
            rows(platform, "purchases").select("event_id", "revenue_matches_items", "is_zero_revenue"),
            on="event_id",
            how="left",
        )
        .join(rows(platform, "conversions").select("event_id", "kind"), on="event_id", how="left")
    )
    found = [((row["source_file"], row["source_line"]), words(row)) for row in accepted.iter_rows(named=True)]
    for row in rows(platform, "duplicate_events").iter_rows(named=True):
        word = f"duplicate of {row['original_file']} {row['original_line']}"
        found.append(((row["source_file"], row["source_line"]), word))
    for row in rows(platform, "quarantined_events").iter_rows(named=True):
        money = f", {row['revenue_cents'] / 100:.2f}" if row["revenue_cents"] else ""
        found.append(((row["source_file"], row["source_line"]), f"quarantined: {row['rule']}{money}"))
    return found


def test_every_record_ended_in_one_place_that_says_why(platform: Platform) -> None:
    found = ended(platform)
    where = dict(found)
    assert len(where) == len(found), "one place each"
    told = []
    for name, _, sent, first in FILES:
        told.append(name)
        for number, what in enumerate(sent, first):
            told.append(f"  {number:>2}  {what:<35} {where.pop((name, number), 'nowhere')}")
    assert "\n".join(told) == ENDED.strip()
    assert where == {}, "nothing came out that was not sent"


def test_every_file_says_where_its_rows_and_its_money_went_and_what_drifted(platform: Platform) -> None:
    told = []
    for row in rows(platform, "file_drift").sort("source_file").iter_rows(named=True):
        drift = [f"{one['meant']} renamed to {one['seen']}" for one in row["renamed"]]
        all_missing = len(row["missing"]) == len(RAW_COLUMNS)
        drift += ["all seven missing"] if all_missing else [f"{name} missing" for name in row["missing"]]
        drift += [*(f"{name} is new" for name in row["added"]), *row["notes"]]
        counts = "".join(f"{row[name]:>4}" for name in ("rows", "accepted", "duplicates", "quarantined"))
        line = f"{row['source_file']:<26} {row['status']:<11}{counts} {row['revenue_cents'] / 100:>8.2f}"
        told.append(f"{line}  {', '.join(drift)}".strip())
    assert "\n".join(told) == TOLD_OF_FILES.strip()


def test_it_all_reconciles_and_no_blocking_check_failed(platform: Platform) -> None:
    summary = summarise(platform, DAYS)
    assert summary.reconciles
    assert (summary.orders, summary.revenue_cents, summary.repeats, summary.collisions) == (4, 350_00, 1, 1)
    outcomes = check_results(platform)
    assert outcomes.filter(pl.col("status") == "fail").is_empty()
    assert not affected(platform, DAYS)
    warned = outcomes.filter(pl.col("status") == "warn")
    assert sorted(warned["check"].unique()) == [
        "columns_are_as_declared",
        "empty_client_share",
        "few_collisions",
        "files_can_be_read",
        "no_zero_revenue",
        "quarantined_share",
        "revenue_matches_items",
        "timestamps_are_explicit",
        "unknown_channel_share",
    ]
