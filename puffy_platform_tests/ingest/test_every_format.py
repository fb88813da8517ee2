"""What rows, columns and files can suffer, in every format: the word for it is the same, nothing is lost or told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from puffy_platform.ingest.columns import RAW_COLUMNS
from puffy_platform.ingest.landing import LandingFile
from puffy_platform.ingest.reader import Landed, read_content
from puffy_platform_tests.ingest.delivery import (
    DAY,
    DEFAULTS,
    ITEM,
    WRITERS,
    Row,
    Tables,
    as_csv,
    drift_of,
    event,
    judged,
    land,
    rules_of,
    with_settings,
)

ALL_FORMATS = pytest.mark.parametrize("kind", WRITERS)
# In every value that could be personal, so that it would be seen wherever it does not belong.
SECRET = "secret"
SETTINGS = with_settings(ingest={"max_field_bytes": 2_000}, partitions={"start_day": DAY})


def view(**fields: str) -> Row:
    usual = {
        "client_id": f"{SECRET}-1",
        "page_url": f"https://puffy.com/?email={SECRET}@example.com",
        "referrer": f"https://{SECRET}.example/",
        "user_agent": SECRET,
    }
    return event(**usual | fields)


def sale(number: int, data: str | None = None, **fields: Any) -> Row:
    """Order `number` of one whole unit of money and as many cents as its number."""
    usual = {
        "transaction_id": f"{SECRET}-{number}",
        "revenue": 1 + number / 100,
        "items": [ITEM],
        "user_email": SECRET,
    }
    changed = json.dumps({name: value for name, value in (usual | fields).items() if value is not ...})
    return view(event_name="checkout_completed", event_data=data or changed)


# What is sent, the row, and where it ends: the rule, or one of the two other places.
SENT: list[tuple[str, Row, str]] = [
    ("a page view", view(), "accepted"),
    ("the same again", view(), "duplicate"),
    ("at the same time in another notation", view(timestamp="2025-03-01 13:00:00+01:00"), "duplicate"),
    ("no client id", view(client_id=""), "accepted"),
    ("a blank client id", view(client_id="  "), "duplicate"),
    ("with an offset", view(timestamp="2025-03-01T12:00:01-05:00"), "accepted"),
    ("naive", view(timestamp="2025-03-01 12:00:02"), "accepted"),
    ("unreadable time", view(timestamp=f"{SECRET} o'clock"), "unreadable_timestamp"),
    ("a time in seconds", view(timestamp="1740830400"), "unreadable_timestamp"),
    ("in the future", view(timestamp="2025-03-03T00:00:00Z"), "in_future"),
    ("a day ahead", view(timestamp="2025-03-02T23:00:00Z"), "accepted"),
    ("long ago", view(timestamp="2024-03-01T12:00:00Z"), "too_late"),
    ("before the first day", view(timestamp="2025-02-28T12:00:00Z"), "before_start"),
    ("an unknown event", view(event_name=f"{SECRET}_viewed"), "unknown_event"),
    ("no event name", view(event_name=""), "missing_value"),
    ("no page", view(page_url=" "), "missing_value"),
    ("no time", view(timestamp=""), "missing_value"),
    ("a huge field", view(page_url=SECRET * 1_000), "field_too_large"),
    ("a NUL byte", view(page_url=f"{SECRET}\0"), "nul_byte"),
    ("broken JSON", view(event_data=f'{{"a": "{SECRET}'), "broken_json"),
    ("JSON that is no object", view(event_data=f'["{SECRET}"]'), "broken_json"),
    ("a crawler", view(user_agent=f"Googlebot/2.1 {SECRET}"), "accepted"),
    ("a URL encoded twice", view(page_url="https://puffy.com/?utm_source=google%2520ads"), "accepted"),
    ("text of all kinds", view(page_url='https://puffy.com/?q=été "日本", \u2028\x85\ttab\nline'), "accepted"),
    ("the same, unknown", view(event_name="x", page_url='?q=été "日本", \u2028\x85\ttab\nline'), "unknown_event"),
    ("an order", sale(1), "accepted"),
    ("an order sent again", sale(1), "duplicate"),
    ("the order id of another client", sale(2, transaction_id=f"{SECRET}-1") | {"client_id": "2"}, "accepted"),
    ("revenue unlike the items", sale(3, items=[ITEM | {"item_price": 5}]), "accepted"),
    ("items without fields", sale(4, items=[dict.fromkeys(ITEM)]), "accepted"),
    ("no revenue", sale(5, revenue=0), "accepted"),
    ("an order without id", sale(6, transaction_id=...), "purchase_without_transaction_id"),
    ("an order of an unreadable amount", sale(7, revenue=f"$ {SECRET}"), "unreadable_revenue"),
    ("an order cut off", sale(8, f'{{"transaction_id": "{SECRET}", "revenue": 9'), "broken_json"),
    ("an order in the future", sale(9) | {"timestamp": "2026-03-01T12:00:00Z"}, "in_future"),
    ("an order without page", sale(10) | {"page_url": ""}, "missing_value"),
]
IN_THE_FILE = 101 + 101 + 102 + 103 + 104 + 0 + 106 + 109 + 110
SET_ASIDE = 106 + 109 + 110


@ALL_FORMATS
def test_every_row_is_in_one_place_under_the_same_word_in_every_format(tmp_path: Path, kind: str) -> None:
    name = f"events_20250301.{kind}"
    tables = land(tmp_path, {name: WRITERS[kind]([row for _, row, _ in SENT])}, settings=SETTINGS)
    places = (
        [(line, "accepted") for line in tables["raw_events"]["source_line"]]
        + [(line, "duplicate") for line in tables["duplicate_events"]["source_line"]]
        + [*tables["quarantined_events"].select("source_line", "rule").iter_rows()]
    )
    assert [word for _, word in sorted(places)] == [word for _, _, word in SENT]
    drift = drift_of(tables, name)
    assert drift["rows"] == len(SENT)
    assert (drift["empty_client_ids"], drift["offset_timestamps"], drift["naive_timestamps"]) == (2, 2, 1)
    assert drift["revenue_cents"] == IN_THE_FILE
    assert tables["quarantined_events"]["revenue_cents"].sum() == SET_ASIDE
    assert tables["duplicate_events"]["revenue_cents"].sum() == 101
    assert tables["quarantined_events"].filter(pl.col("raw").str.len_bytes() == 0).is_empty()
    assert_nothing_personal_is_told(tables)


# What became of the columns, the change, what the check says, and what waits.
COLUMNS: list[tuple[str, dict[str, str | None], str, dict[str, int]]] = [
    ("renamed", {"client_id": "clientId"}, "client_id renamed to clientId", {}),
    ("written otherwise", {"page_url": "Page URL", "timestamp": "TIME-STAMP"}, "page_url renamed to Page URL", {}),
    ("optional one gone", {"referrer": None}, "referrer missing", {}),
    ("required one gone", {"timestamp": None}, "timestamp missing", {"missing_column:timestamp": 2}),
    ("renamed unheard of", {"timestamp": "occurred"}, "occurred is new", {"missing_column:timestamp": 2}),
    ("a new one", {"consent": "consent"}, "consent is new", {}),
    ("a value in the place of a name", {"x": f"{SECRET}@example.com"}, "as declared", {}),
]


@pytest.mark.parametrize("kind", ["csv", "ndjson", "parquet"])
@pytest.mark.parametrize(("change", "said", "waiting"), [row[1:] for row in COLUMNS], ids=[row[0] for row in COLUMNS])
def test_columns_that_change_have_the_same_word_in_every_format(
    tmp_path: Path, kind: str, change: dict[str, str | None], said: str, waiting: dict[str, int]
) -> None:
    names = {name: name for name in RAW_COLUMNS} | change
    rows = [{names[name]: row.get(name, "") for name in names if names[name]} for row in (view(), sale(1))]
    name = f"events_20250301.{kind}"
    tables = land(tmp_path, {name: WRITERS[kind](rows)})  # type: ignore[arg-type]
    outcomes = judged(tables)
    outcome = outcomes["file_drift"].filter(pl.col("check") == "columns_are_as_declared")
    assert said in outcome["observed"].item()
    assert outcome["status"].item() == ("pass" if said == "as declared" else "warn")
    assert rules_of(tables) == waiting
    assert drift_of(tables, name)["revenue_cents"] == 101, "of waiting rows too"
    assert_nothing_personal_is_told(tables, outcomes)


@ALL_FORMATS
def test_a_file_that_is_cut_off_is_told_of_without_its_content(tmp_path: Path, kind: str) -> None:
    whole = WRITERS[kind]([view(), sale(1)])
    name = f"events_20250301.{kind}"
    tables = land(tmp_path, {name: whole[: -len(whole) // 4]})
    torn = {"csv": "unterminated_quote", "ndjson": "broken_json_line"}.get(kind, "unreadable_file")
    assert rules_of(tables) == {torn: 1}
    assert_nothing_personal_is_told(tables)


def assert_nothing_personal_is_told(tables: Tables, outcomes: Tables | None = None) -> None:
    """Neither in messages nor in what is kept of a file nor in what the checks say."""
    told = [tables["quarantined_events"].select("rule", "column", "message", "source_file"), tables["file_drift"]]
    told += (outcomes or judged(tables)).values()
    assert not [text for frame in told for text in frame.write_ndjson().split("\n") if SECRET in text]


values = st.one_of(
    st.sampled_from(["", " ", "null", "{}", "a\tb", "\u2028", "\x85", "\x1f", "\x00", '"', '\\"', "\\u0000", "é日😀"]),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r"), max_size=6),
)
usual_values = {name: st.just(value) | values for name, value in sale(1).items()}
random_rows = st.lists(st.fixed_dictionaries({**usual_values, "consent": values}), min_size=1, max_size=5)


@settings(max_examples=25, deadline=None)
@example([sale(1, "\0") | {"consent": "\n"}])
@given(random_rows)
def test_the_same_rows_are_judged_the_same_in_every_format(rows: list[Row]) -> None:
    found = {
        kind: read_content(LandingFile(DAY, Path("x"), kind, 0), WRITERS[kind](rows), DEFAULTS) for kind in WRITERS
    }
    for kind in ("ndjson", "parquet"):
        assert verdicts(found[kind]) == verdicts(found["csv"]), kind
    as_text_in_json = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
    literal = read_content(LandingFile(DAY, Path("x"), "ndjson", 0), as_text_in_json, DEFAULTS)
    assert verdicts(literal) == verdicts(found["csv"]), "characters as such or as \\u escapes"


def verdicts(landed: Landed) -> list[tuple[str, int | None]]:
    """The event's identity, or the rule broken, and its money, in the order of the file."""
    places = pl.concat(
        [
            landed.rows.select("source_line", "revenue_cents", word="event_id"),
            landed.quarantined.select("source_line", "revenue_cents", word="rule"),
        ]
    )
    return places.sort("source_line").select("word", "revenue_cents").rows()


def test_of_a_key_that_an_object_has_twice_the_first_counts() -> None:
    usual = json.dumps(event())
    for other in ('"c-2"', "2", '{"a": 1}'):
        line = usual.replace("{", '{"client_id": "c-1", ', 1).replace(
            '"client_id": "c-1", "page', f'"client_id": {other}, "page'
        )
        found = read_content(LandingFile(DAY, Path("x"), "ndjson", 0), line.encode(), DEFAULTS)
        assert found.rows["client_id"].to_list() == ["c-1"], other


def test_a_first_line_that_is_no_header_is_not_shown_as_names(tmp_path: Path) -> None:
    rows = as_csv([view(), sale(1)]).split(b"\n", 1)[1]
    tables = land(tmp_path, {"events_20250301.csv": rows})
    assert rules_of(tables) == {"missing_header": 2}
    assert tables["quarantined_events"]["header"].to_list() == [None, None]
    assert drift_of(tables, "events_20250301.csv")["missing"] == list(RAW_COLUMNS)
    assert_nothing_personal_is_told(tables)


def test_a_header_that_lost_its_line_break_does_not_tell_the_first_row(tmp_path: Path) -> None:
    tables = land(tmp_path, {"events_20250301.csv": as_csv([view(), sale(1)]).replace(b"\n", b",", 1)})
    assert rules_of(tables) == {"wrong_column_count": 1}
    told = tables["file_drift"].select("added", "notes").write_ndjson()
    assert f"{SECRET}@" not in told
    assert f"{SECRET}.example" not in told
    assert "are not named: they look like values" in told
