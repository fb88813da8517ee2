"""CSV as it really arrives: quoting, column counts, encodings, line ends; nothing is lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from puffy_platform_tests.ingest.delivery import (
    HEADER,
    NAME,
    as_csv,
    as_text,
    drift_of,
    event,
    land,
    purchase,
    rules_of,
    with_settings,
)

GOOD = "c-1,https://puffy.com/,,2025-03-01T12:00:00Z,page_viewed,,UA"
ALSO_GOOD = 'c-2,https://puffy.com/,,2025-03-01T12:00:01Z,page_viewed,,"UA, like Gecko"'
NEXT = "c-3,https://puffy.com/,,2025-03-01T12:00:02Z,page_viewed,,UA"


def lines_of(tables: dict[str, object], table: str) -> list[int]:
    return sorted(tables[table]["source_line"].to_list())  # type: ignore[index]


def test_rows_know_the_line_of_the_file_they_came_from(tmp_path: Path) -> None:
    tables = land(tmp_path, {NAME: as_text(GOOD, "", ALSO_GOOD, "   ", NEXT)})
    assert lines_of(tables, "raw_events") == [2, 4, 6]
    assert drift_of(tables)["rows"] == 3


def test_broken_json_is_quarantined_as_broken_json(tmp_path: Path) -> None:
    rows = [event(event_data=text) for text in ('{"a": 1', "[1]", '"text"', "not json", "null", '{"a": 1} x')]
    tables = land(tmp_path, {NAME: as_csv([event(), *rows])})
    assert rules_of(tables) == {"broken_json": 6}
    assert tables["quarantined_events"]["column"].unique().to_list() == ["event_data"]
    assert lines_of(tables, "quarantined_events") == [3, 4, 5, 6, 7, 8]


def test_broken_json_of_a_purchase_is_quarantined_as_broken_json(tmp_path: Path) -> None:
    tables = land(tmp_path, {NAME: as_csv([purchase('{"transaction_id": "ORD-1", "revenue": 34')])})
    assert rules_of(tables) == {"broken_json": 1}


def test_an_unterminated_quote_damages_its_own_line_only(tmp_path: Path) -> None:
    damaged = 'c-9,"https://puffy.com/,,2025-03-01T12:00:00Z,page_viewed,,UA'
    tables = land(tmp_path, {NAME: as_text(GOOD, damaged, ALSO_GOOD, NEXT)})
    assert rules_of(tables) == {"unterminated_quote": 1}
    assert tables["quarantined_events"].select("source_line", "raw", "header").rows() == [(3, damaged, HEADER)]
    assert lines_of(tables, "raw_events") == [2, 4, 5]


def test_an_unterminated_quote_in_the_last_line_damages_only_that(tmp_path: Path) -> None:
    tables = land(tmp_path, {NAME: as_text(GOOD, 'c-9,"https://puf').removesuffix(b"\n")})
    assert rules_of(tables) == {"unterminated_quote": 1}
    assert lines_of(tables, "raw_events") == [2]


def test_a_quote_in_the_middle_of_a_quoted_field_is_an_unterminated_quote(tmp_path: Path) -> None:
    damaged = 'c-9,"https://puffy.com/"?a=1,,2025-03-01T12:00:00Z,page_viewed,,UA'
    tables = land(tmp_path, {NAME: as_text(GOOD, damaged, NEXT)})
    assert rules_of(tables) == {"unterminated_quote": 1}
    assert tables["quarantined_events"]["raw"].item() == damaged


def test_a_quote_inside_an_unquoted_field_is_a_character_of_it(tmp_path: Path) -> None:
    line = 'c-1,https://puffy.com/?size=60",,2025-03-01T12:00:00Z,page_viewed,,UA'
    tables = land(tmp_path, {NAME: as_text(GOOD, line, ALSO_GOOD)})
    assert tables["raw_events"].sort("source_line")["page_url"][1] == 'https://puffy.com/?size=60"'


@pytest.mark.parametrize(
    ("damaged", "found"),
    [
        ("c-9,https://puffy.com/,,2025-03-01T12:00:00Z", 4),
        ("c-9,https://puffy.com/,,2025-03-01T12:00:00Z,page_viewed,,UA,more,and more", 9),
        ("c-9,https://puffy.com/,,2025-03-01T12:00:00Z,page_viewed,,UA,", 8),
        ('"only, one"', 1),
    ],
)
def test_too_few_and_too_many_columns_are_wrong_column_count(tmp_path: Path, damaged: str, found: int) -> None:
    tables = land(tmp_path, {NAME: as_text(GOOD, damaged, ALSO_GOOD)})
    assert rules_of(tables) == {"wrong_column_count": 1}
    assert tables["quarantined_events"].select("source_line", "raw").rows() == [(3, damaged)]
    assert f"7 columns and this line {found}:" in tables["quarantined_events"]["message"].item()
    assert lines_of(tables, "raw_events") == [2, 4]


def test_a_quoted_field_over_several_lines_is_one_row_of_its_first_line(tmp_path: Path) -> None:
    row = event(page_url='https://puffy.com/?note=one\ntwo, "three"\n\nfour')
    tables = land(tmp_path, {NAME: as_csv([event(), row, event(client_id="c-2")])})
    assert rules_of(tables) == {}
    assert tables["raw_events"].sort("source_line")["page_url"].to_list()[1] == row["page_url"]
    assert lines_of(tables, "raw_events") == [2, 3, 7]


def test_the_raw_text_of_a_quarantined_row_over_several_lines_holds_them_all(tmp_path: Path) -> None:
    row = event(page_url="https://puffy.com/?note=one\ntwo", event_name="note_taken")
    data = as_csv([event(), row])
    tables = land(tmp_path, {NAME: data})
    assert rules_of(tables) == {"unknown_event": 1}
    assert tables["quarantined_events"]["raw"].item() == "\n".join(data.decode().splitlines()[2:4])


def test_a_byte_order_mark_is_removed_and_noted(tmp_path: Path) -> None:
    tables = land(tmp_path, {NAME: b"\xef\xbb\xbf" + as_text(GOOD)})
    assert drift_of(tables)["renamed"] == []
    assert drift_of(tables)["notes"] == ["a byte order mark was removed"]
    assert tables["raw_events"]["client_id"].to_list() == ["c-1"]


def test_latin_1_bytes_are_read_line_by_line_and_noted(tmp_path: Path) -> None:
    latin = event(page_url="https://puffy.com/?q=été")
    lines = as_csv([event(page_url="https://puffy.com/?q=日本"), latin]).split(b"\n")
    lines[2] = lines[2].decode().encode("latin-1")
    tables = land(tmp_path, {NAME: b"\n".join(lines)})
    assert tables["raw_events"].sort("source_line")["page_url"].to_list() == [
        "https://puffy.com/?q=日本",
        "https://puffy.com/?q=été",
    ]
    assert drift_of(tables)["encoding"] == "utf-8+latin-1"
    assert drift_of(tables)["notes"] == ["1 lines were not UTF-8 and were read as Latin-1"]


def test_a_line_with_a_nul_byte_is_quarantined_as_nul_byte(tmp_path: Path) -> None:
    damaged = GOOD.replace("UA", "U\0A")
    tables = land(tmp_path, {NAME: as_text(GOOD, damaged, ALSO_GOOD)})
    assert rules_of(tables) == {"nul_byte": 1}
    assert tables["quarantined_events"].select("source_line", "raw").rows() == [(3, damaged)]
    assert lines_of(tables, "raw_events") == [2, 4]


def test_a_block_of_nul_bytes_costs_the_lines_it_covers_and_no_others(tmp_path: Path) -> None:
    tables = land(tmp_path, {NAME: as_text(GOOD, "c-9,https" + "\0" * 300, ALSO_GOOD)})
    assert rules_of(tables) == {"nul_byte": 1}
    assert lines_of(tables, "raw_events") == [2, 4]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_utf_16_with_its_mark_is_decoded_and_noted(tmp_path: Path, encoding: str) -> None:
    mark = "" if encoding == "utf-16" else "\ufeff"
    tables = land(tmp_path, {NAME: (mark + as_text(GOOD, ALSO_GOOD).decode()).encode(encoding)})
    assert tables["raw_events"]["client_id"].sort().to_list() == ["c-1", "c-2"]
    assert drift_of(tables)["encoding"] == "utf-16"
    assert drift_of(tables)["notes"] == ["UTF-16 was decoded"]


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_without_its_mark_is_recognised(tmp_path: Path, encoding: str) -> None:
    tables = land(tmp_path, {NAME: as_text(GOOD, ALSO_GOOD).decode().encode(encoding)})
    assert tables["raw_events"]["client_id"].sort().to_list() == ["c-1", "c-2"]


def test_a_file_that_lost_its_line_breaks_is_unreadable(tmp_path: Path) -> None:
    tables = land(tmp_path, {NAME: ",".join([GOOD] * 500).encode()})
    assert rules_of(tables) == {"unreadable_file": 1}
    assert "columns" in tables["quarantined_events"]["message"].item()


def test_utf_16_that_is_cut_off_is_an_unreadable_file(tmp_path: Path) -> None:
    tables = land(tmp_path, {NAME: as_text(GOOD).decode().encode("utf-16")[:-1]})
    assert rules_of(tables) == {"unreadable_file": 1}
    assert drift_of(tables)["status"] == "unreadable"


def test_utf_32_is_an_unreadable_file_and_told_what_to_send(tmp_path: Path) -> None:
    tables = land(tmp_path, {NAME: as_text(GOOD).decode().encode("utf-32")})
    assert rules_of(tables) == {"unreadable_file": 1}
    assert "it is UTF-32 text: send UTF-8" in tables["quarantined_events"]["message"].item()


def test_binary_under_a_csv_name_is_an_unreadable_file(tmp_path: Path) -> None:
    tables = land(tmp_path, {NAME: bytes(range(256)) * 3 + b"\0" * 3000})
    assert rules_of(tables) == {"unreadable_file": 1}
    assert tables["quarantined_events"]["source_line"].item() == 0
    assert drift_of(tables)["rows"] == 1


@pytest.mark.parametrize("line_end", ["\r\n", "\r"])
def test_windows_and_old_mac_line_ends_give_the_same_events(tmp_path: Path, line_end: str) -> None:
    rows = [event(), event(client_id="c-2", page_url="https://puffy.com/?a=1,2")]
    files = {NAME: as_csv(rows), "events_20250301_2.csv": as_csv(rows, line_end=line_end)}
    tables = land(tmp_path, files)
    assert rules_of(tables) == {}
    assert tables["duplicate_events"].select("source_line", "original_line").rows() == [(2, 2), (3, 3)]


def test_an_empty_file_is_said_to_be_empty(tmp_path: Path) -> None:
    for data in (b"", b"\n", b" \r\n\n", b"\xef\xbb\xbf"):
        tables = land(tmp_path, {NAME: data})
        assert drift_of(tables)["status"] == "empty"
        assert drift_of(tables)["rows"] == 0
        assert drift_of(tables)["missing"] == []


def test_a_file_of_only_a_header_is_said_to_be_header_only(tmp_path: Path) -> None:
    for data in (HEADER.encode(), f"{HEADER}\n".encode(), f"\n{HEADER}\r\n\n".encode()):
        tables = land(tmp_path, {NAME: data})
        assert drift_of(tables)["status"] == "header_only"
        assert drift_of(tables)["rows"] == 0
        assert drift_of(tables)["missing"] == []


def test_a_header_after_blank_lines_is_found_and_lines_are_counted_from_the_top(tmp_path: Path) -> None:
    tables = land(tmp_path, {NAME: b"\n\n" + as_text(GOOD)})
    assert lines_of(tables, "raw_events") == [4]


def test_a_missing_header_after_blank_lines_is_quarantined_at_its_own_line(tmp_path: Path) -> None:
    tables = land(tmp_path, {NAME: f"\n\n{GOOD}\n{ALSO_GOOD}\n".encode()})
    assert rules_of(tables) == {"missing_header": 2}
    assert tables["quarantined_events"].select("source_line", "raw").rows() == [(3, GOOD), (4, ALSO_GOOD)]


def test_a_header_that_cannot_be_read_makes_the_file_unreadable(tmp_path: Path) -> None:
    tables = land(tmp_path, {NAME: as_text(GOOD, header='client_id,"page_url')})
    assert rules_of(tables) == {"unreadable_file": 1}
    assert "header" in tables["quarantined_events"]["message"].item()


def test_a_huge_field_is_quarantined_as_field_too_large(tmp_path: Path) -> None:
    settings = with_settings(ingest={"max_field_bytes": 5_000})
    rows = [
        event(),
        event(page_url="https://puffy.com/" + "x" * 5_000),
        event(user_agent="é" * 2_501),
        event(user_agent="é" * 2_500),
        event(unknown="x" * 6_000),
    ]
    columns = [*event(), "unknown"]
    tables = land(tmp_path, {NAME: as_csv([{"unknown": "", **row} for row in rows], columns)}, settings=settings)
    assert rules_of(tables) == {"field_too_large": 3}
    assert tables["quarantined_events"]["column"].to_list() == ["page_url", "user_agent", "extra"]
    assert lines_of(tables, "raw_events") == [2, 5]
    assert len(tables["quarantined_events"]["raw"][0]) > 5_000


def test_a_field_of_megabytes_is_quarantined_and_its_neighbours_are_not(
    tmp_path: Path,
) -> None:
    rows = [event(), event(page_url="x" * 2_000_000), event(client_id='c-"2')]
    data = as_csv(rows) + b'c-9,"open\n'
    tables = land(tmp_path, {NAME: data})
    assert rules_of(tables) == {"field_too_large": 1, "unterminated_quote": 1}
    assert lines_of(tables, "raw_events") == [2, 4]


def test_messages_never_hold_a_value_of_the_record(tmp_path: Path) -> None:
    secret = "secret-4711"
    rows = [
        event(client_id=secret, timestamp=secret),
        event(event_name=secret),
        event(event_data=secret),
        purchase({"transaction_id": "", "revenue": secret}),
        purchase({"transaction_id": secret, "revenue": secret}),
    ]
    data = as_csv(rows) + f'{secret},"{secret}\n{secret}\n'.encode()
    tables = land(tmp_path, {NAME: data})
    assert len(tables["quarantined_events"]) == 7
    assert not tables["quarantined_events"]["message"].str.contains(secret, literal=True).any()
    assert tables["quarantined_events"]["raw"].str.contains(secret, literal=True).all()
