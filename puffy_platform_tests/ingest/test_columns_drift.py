"""Columns renamed, gone, new, doubled: what a file's header can do from one day to the next."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from puffy_platform.ingest.columns import RAW_COLUMNS
from puffy_platform_tests.ingest.delivery import (
    HEADER,
    NAME,
    as_csv,
    as_text,
    drift_of,
    event,
    judged,
    land,
    purchase,
    rules_of,
    with_settings,
)


def renamed(row: dict[str, str], **names: str) -> dict[str, str]:
    return {names.get(name, name): value for name, value in row.items()}


def status_of(tables: dict[str, pl.DataFrame], check: str) -> tuple[str, str]:
    outcomes = judged(tables)["file_drift"].filter(pl.col("check") == check)
    return outcomes["status"].item(), outcomes["observed"].item()


def test_a_renamed_column_is_read_under_its_old_meaning_and_named_in_renamed(tmp_path: Path) -> None:
    tables = land(tmp_path, {NAME: as_csv([renamed(event(client_id="c-7"), client_id="clientId")])})
    assert tables["raw_events"]["client_id"].to_list() == ["c-7"]
    assert drift_of(tables)["renamed"] == [{"seen": "clientId", "meant": "client_id"}]
    assert drift_of(tables)["missing"] == []
    assert drift_of(tables)["added"] == []
    assert status_of(tables, "columns_are_as_declared") == ("warn", "client_id renamed to clientId")


def test_a_column_written_in_another_case_is_a_renamed_one(tmp_path: Path) -> None:
    tables = land(tmp_path, {NAME: as_csv([renamed(event(), timestamp="TimeStamp", page_url="PAGEURL")])})
    assert tables["raw_events"].height == 1
    assert drift_of(tables)["renamed"] == [
        {"seen": "PAGEURL", "meant": "page_url"},
        {"seen": "TimeStamp", "meant": "timestamp"},
    ]


def test_columns_in_another_order_are_no_drift_and_the_same_events(tmp_path: Path) -> None:
    backwards = as_csv([event()], reversed(RAW_COLUMNS))
    tables = land(tmp_path, {NAME: as_csv([event()]), "events_20250301_2.csv": backwards})
    assert tables["duplicate_events"].height == 1
    assert status_of(tables, "columns_are_as_declared") == ("pass", "as declared")


def test_without_a_referrer_column_rows_are_accepted_and_say_referrer_recorded_false(tmp_path: Path) -> None:
    without = [name for name in RAW_COLUMNS if name != "referrer"]
    tables = land(tmp_path, {NAME: as_csv([event()], without)})
    assert tables["raw_events"].select("referrer", "referrer_recorded").rows() == [(None, False)]
    assert drift_of(tables)["missing"] == ["referrer"]
    assert status_of(tables, "columns_are_as_declared") == ("warn", "referrer missing")


def test_an_empty_referrer_is_recorded_and_not_missing(tmp_path: Path) -> None:
    tables = land(tmp_path, {NAME: as_csv([event(referrer="")])})
    assert tables["raw_events"].select("referrer", "referrer_recorded").rows() == [(None, True)]
    assert drift_of(tables)["missing"] == []


@pytest.mark.parametrize("column", ["event_data", "user_agent"])
def test_an_optional_column_that_is_gone_is_named_in_missing(tmp_path: Path, column: str) -> None:
    tables = land(tmp_path, {NAME: as_csv([event()], [name for name in RAW_COLUMNS if name != column])})
    assert tables["raw_events"][column].to_list() == [None]
    assert drift_of(tables)["missing"] == [column]


def test_a_purchase_in_a_file_without_event_data_is_a_purchase_without_transaction_id(tmp_path: Path) -> None:
    without = [name for name in RAW_COLUMNS if name != "event_data"]
    tables = land(tmp_path, {NAME: as_csv([purchase(), event()], without)})
    assert rules_of(tables) == {"purchase_without_transaction_id": 1}
    assert tables["raw_events"].height == 1


@pytest.mark.parametrize("column", ["client_id", "page_url", "timestamp", "event_name"])
def test_without_a_required_column_every_row_waits_under_missing_column(tmp_path: Path, column: str) -> None:
    data = as_csv([event(), purchase()], [name for name in RAW_COLUMNS if name != column])
    tables = land(tmp_path, {NAME: data})
    quarantined = tables["quarantined_events"]
    assert rules_of(tables) == {f"missing_column:{column}": 2}
    assert quarantined["column"].unique().to_list() == [column]
    assert quarantined["source_line"].to_list() == [2, 3]
    assert quarantined["raw"].to_list() == data.decode().splitlines()[1:]
    assert quarantined["header"].unique().to_list() == data.decode().splitlines()[:1]
    assert drift_of(tables)["missing"] == [column]
    assert "alias" in quarantined["message"][0]


def test_with_an_alias_the_file_without_its_required_column_is_accepted(tmp_path: Path) -> None:
    files = {NAME: as_csv([renamed(event(), timestamp="occurred"), renamed(purchase(), timestamp="occurred")])}
    assert rules_of(land(tmp_path, files)) == {"missing_column:timestamp": 2}
    tables = land(tmp_path, files, settings=with_settings(ingest={"aliases": {"timestamp": ("occurred",)}}))
    assert rules_of(tables) == {}
    assert tables["raw_events"].height == 2
    assert drift_of(tables)["renamed"] == [{"seen": "occurred", "meant": "timestamp"}]
    assert drift_of(tables)["revenue_cents"] == 349_00


def test_a_new_column_is_kept_in_extra_as_json_and_named_in_added(tmp_path: Path) -> None:
    tables = land(tmp_path, {NAME: as_csv([event(country='say "US", é'), event(country="")])})
    first, second = tables["raw_events"].sort("source_line")["extra"].to_list()
    assert json.loads(first) == {"country": 'say "US", é'}
    assert second is None
    assert drift_of(tables)["added"] == ["country"]
    assert status_of(tables, "columns_are_as_declared") == ("warn", "country is new")


def test_an_event_with_a_new_column_that_is_empty_is_the_same_event(tmp_path: Path) -> None:
    files = {NAME: as_csv([event()]), "events_20250301_2.csv": as_csv([event(country="")])}
    assert land(tmp_path, files)["duplicate_events"]["original_file"].to_list() == [NAME]


def test_the_order_of_new_columns_and_empty_ones_among_them_do_not_make_another_event(tmp_path: Path) -> None:
    files = {
        NAME: as_csv([event(country="US", city="Austin")]),
        "events_20250301_2.csv": as_csv([event(city="Austin", country="US")]),
        "events_20250301_3.csv": as_csv([event(city="Austin", zip="", country="US")]),
        "events_20250301_4.csv": as_csv([event(city="Dallas", country="US")]),
    }
    tables = land(tmp_path, files)
    assert tables["duplicate_events"]["source_file"].sort().to_list() == [
        "events_20250301_2.csv",
        "events_20250301_3.csv",
    ]
    assert json.loads(tables["raw_events"]["extra"][0]) == {"country": "US", "city": "Austin"}


def test_of_two_columns_that_mean_the_same_the_better_name_is_used_and_the_other_kept(tmp_path: Path) -> None:
    tables = land(tmp_path, {NAME: as_csv([event(clientId="other")])})
    assert tables["raw_events"]["client_id"].to_list() == ["c-1"]
    assert json.loads(tables["raw_events"]["extra"].item()) == {"clientId": "other"}
    assert drift_of(tables)["added"] == ["clientId"]
    assert drift_of(tables)["notes"] == [
        "column clientId means client_id as well and was kept aside, client_id was used"
    ]


def test_of_two_other_names_of_a_column_the_one_named_first_in_the_settings_is_used(tmp_path: Path) -> None:
    row = renamed(event(client_id="c-1"), client_id="user_pseudo_id") | {"clientId": "c-2"}
    tables = land(tmp_path, {NAME: as_csv([row])})
    assert tables["raw_events"]["client_id"].to_list() == ["c-2"]
    assert drift_of(tables)["renamed"] == [{"seen": "clientId", "meant": "client_id"}]
    assert drift_of(tables)["notes"] == [
        "column user_pseudo_id means client_id as well and was kept aside, clientId was used"
    ]


def test_two_ways_to_write_one_alias_cannot_mean_two_columns() -> None:
    with pytest.raises(ValueError, match="alias 'Client-ID' of page_url already means client_id"):
        with_settings(ingest={"aliases": {"page_url": ("Client-ID",)}})


def test_a_header_name_that_comes_twice_is_kept_with_its_number(tmp_path: Path) -> None:
    line = "c-1,https://puffy.com/,,2025-03-01T12:00:00Z,page_viewed,,UA,c-2,x"
    tables = land(tmp_path, {NAME: as_text(line, header=f"{HEADER},client_id,")})
    assert tables["raw_events"]["client_id"].to_list() == ["c-1"]
    assert json.loads(tables["raw_events"]["extra"].item()) == {"client_id 2": "c-2", "column 9": "x"}
    assert drift_of(tables)["added"] == ["client_id 2", "column 9"]


def test_spaces_around_header_names_do_not_matter(tmp_path: Path) -> None:
    header = HEADER.replace(",", " , ")
    tables = land(tmp_path, {NAME: as_csv([event()]).replace(HEADER.encode(), header.encode())})
    assert tables["raw_events"].height == 1
    assert drift_of(tables)["renamed"] == []


def test_a_file_without_a_header_waits_under_missing_header_with_its_first_line(tmp_path: Path) -> None:
    lines = as_csv([event(), event(client_id="c-2")]).decode().splitlines()[1:]
    tables = land(tmp_path, {NAME: "\n".join(lines).encode()})
    assert rules_of(tables) == {"missing_header": 2}
    assert tables["quarantined_events"].select("source_line", "raw").rows() == [(1, lines[0]), (2, lines[1])]
    assert drift_of(tables)["rows"] == 2


@pytest.mark.parametrize(("separator", "word"), [(";", "semicolons"), ("\t", "tabs"), ("|", "bars")])
def test_a_file_with_another_separator_is_told_which_it_has(tmp_path: Path, separator: str, word: str) -> None:
    data = as_csv([event(user_agent="UA"), event(user_agent="UA", client_id="c-2")])
    tables = land(tmp_path, {NAME: data.replace(b",", separator.encode())})
    assert rules_of(tables) == {"missing_header": 3}
    assert f"separated by {word}, not by commas" in tables["quarantined_events"]["message"][0]


def test_very_many_new_columns_are_counted_in_the_check_and_named_in_the_table(tmp_path: Path) -> None:
    tables = land(tmp_path, {NAME: as_csv([event(**{f"field {n:03}": "x" for n in range(300)})])})
    assert len(drift_of(tables)["added"]) == 300
    status, observed = status_of(tables, "columns_are_as_declared")
    assert status == "warn"
    assert observed.startswith("field 000 is new, field 001 is new, ")
    assert observed.endswith(", and 280 more")


def test_empty_client_ids_are_accepted_as_null_and_counted(tmp_path: Path) -> None:
    tables = land(tmp_path, {NAME: as_csv([event(client_id=""), event()])})
    assert tables["raw_events"]["client_id"].null_count() == 1
    assert drift_of(tables)["empty_client_ids"] == 1
    outcomes = judged(tables)["raw_events"].filter(pl.col("check") == "empty_client_share")
    assert outcomes.select("status", "observed").rows() == [("warn", "50.0%")]
