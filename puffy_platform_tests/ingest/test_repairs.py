"""Repairs of known incidents: which rows they touch, what those say afterwards, and that nothing is lost."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from puffy_platform.ingest.landing import LandingFile
from puffy_platform.ingest.reader import read_content
from puffy_platform.ingest.repairs import RULES, Repair, RepairFailed
from puffy_platform.table import DayRange
from puffy_platform_tests.ingest.delivery import (
    DAY,
    DAYS,
    DEFAULTS,
    HEADER,
    NAME,
    Tables,
    as_csv,
    as_text,
    drift_of,
    event,
    land,
    purchase,
    rules_of,
)

GOOD = "c-1,https://puffy.com/,,2025-03-01T12:00:00Z,page_viewed,,UA"


def repair(change: dict[str, str], *rules: str, **more: Any) -> Repair:
    """A repair of DAY; by default for rows without a timestamp column, called `incident`."""
    usual = {"name": "incident", "days": DAYS, "rules": rules or ("missing_column:timestamp",)}
    return Repair(**usual | {"change": tuple(change.items())} | more)


def renamed(*rows: dict[str, str], name: str = "occurred") -> bytes:
    """The rows with `timestamp` under another name."""
    return as_csv([{name if column == "timestamp" else column: text for column, text in row.items()} for row in rows])


def accepted(tables: Tables) -> pl.DataFrame:
    return tables["raw_events"].sort("source_file", "source_line")


def test_a_required_column_renamed_for_a_day_is_read_under_its_new_name(tmp_path: Path) -> None:
    tables = land(tmp_path, {NAME: renamed(event(), purchase())}, repairs=[repair({"timestamp": "occurred"})])
    assert accepted(tables)["repair"].to_list() == ["incident", "incident"]
    assert rules_of(tables) == {}
    assert drift_of(tables)["missing"] == ["timestamp"], "the drift says what the file is, not what was made of it"


def test_a_repaired_row_is_the_event_it_would_have_been(tmp_path: Path) -> None:
    """So a right delivery of the same rows repeats them, whichever comes first."""
    right, wrong = "events_20250301_b.csv", "events_20250301_a.csv"
    files = {wrong: renamed(event(), purchase()), right: as_csv([event(), purchase()])}
    tables = land(tmp_path, files, repairs=[repair({"timestamp": "occurred"})])
    assert accepted(tables)["source_file"].unique().to_list() == [wrong]
    assert tables["duplicate_events"]["source_file"].unique().to_list() == [right]
    swapped = {"events_20250301_a.csv": files[right], "events_20250301_b.csv": files[wrong]}
    tables = land(tmp_path, swapped, repairs=[repair({"timestamp": "occurred"})])
    assert accepted(tables)["repair"].to_list() == [None, None]
    assert tables["duplicate_events"]["repair"].to_list() == ["incident", "incident"]


def test_what_a_repair_used_of_the_unknown_columns_is_extra_no_longer(tmp_path: Path) -> None:
    file = renamed(event(store="7"))
    tables = land(tmp_path, {NAME: file}, repairs=[repair({"timestamp": "occurred"})])
    assert accepted(tables)["extra"].to_list() == ['{"store":"7"}']


def test_only_the_days_files_rules_and_rows_named_are_touched(tmp_path: Path) -> None:
    days = DayRange(DAY, DAY + dt.timedelta(days=1))
    late = event(timestamp="2025-03-02T12:00:00Z")
    files = {
        "events_20250301_app.csv": renamed(event(), event(client_id="c-2", timestamp="2025-03-01T13:00:00Z")),
        "events_20250301_web.csv": renamed(event(client_id="c-3")),
        "events_20250302_app.csv": renamed(late),
    }
    mine = repair({"timestamp": "occurred"}, files=("*_app.csv",), where="client_id = 'c-1'")
    tables = land(tmp_path, files, days, repairs=[mine])
    assert accepted(tables).select("source_file", "client_id").rows() == [("events_20250301_app.csv", "c-1")]
    assert tables["quarantined_events"]["repair"].to_list() == [None, None, None]
    assert land(tmp_path, files, days, repairs=[repair({"timestamp": "occurred"}, "missing_value")])[
        "raw_events"
    ].is_empty()


def test_naive_timestamps_of_accepted_rows_are_read_in_the_zone_they_were_written_in(tmp_path: Path) -> None:
    rows = [event(timestamp="2025-03-01 10:00:00"), event(client_id="c-2", timestamp="2025-03-01T10:00:00Z")]
    pacific = repair({"timestamp": "timestamp || '-08:00'"}, "accepted", where="timestamp_kind = 'naive'")
    tables = land(tmp_path, {NAME: as_csv(rows)}, repairs=[pacific])
    assert accepted(tables).select(pl.col("event_ts").dt.hour(), "timestamp_kind", "repair").rows() == [
        (18, "offset", "incident"),
        (10, "utc", None),
    ]
    assert drift_of(tables)["naive_timestamps"] == 0


def test_a_condition_may_ask_for_the_time_of_the_event(tmp_path: Path) -> None:
    rows = [event(timestamp=f"2025-03-01T{hour}:00:00Z") for hour in (10, 11, 12)]
    within = "event_ts >= TIMESTAMP '2025-03-01 11:00:00' AND event_ts < TIMESTAMP '2025-03-01 12:00:00'"
    tables = land(tmp_path, {NAME: as_csv(rows)}, repairs=[repair({"user_agent": "NULL"}, "accepted", where=within)])
    assert accepted(tables).select("source_line", "user_agent", "repair").filter(
        pl.col("repair").is_not_null()
    ).rows() == [(3, None, "incident")]


def test_a_row_that_a_repair_spoils_is_quarantined_as_delivered(tmp_path: Path) -> None:
    row = event(timestamp="2025-03-02 20:00:00")
    tables = land(tmp_path, {NAME: as_csv([row])}, repairs=[repair({"timestamp": "timestamp || '-08:00'"}, "accepted")])
    assert tables["raw_events"].is_empty()
    found = tables["quarantined_events"].row(0, named=True)
    assert (found["rule"], found["repair"]) == ("in_future", "incident")
    assert "2025-03-02 20:00:00," in found["raw"]


def test_a_row_a_repair_does_not_mend_says_which_was_tried_and_what_it_breaks_now(tmp_path: Path) -> None:
    tables = land(tmp_path, {NAME: renamed(event(timestamp="soon"))}, repairs=[repair({"timestamp": "occurred"})])
    assert tables["quarantined_events"].select("rule", "repair").rows() == [("unreadable_timestamp", "incident")]


def test_the_first_repair_that_is_for_a_row_is_the_one(tmp_path: Path) -> None:
    first = repair({"client_id": "'one'"}, "accepted", name="first", where="client_id = 'c-1'")
    second = repair({"client_id": "'two'"}, "accepted", name="second")
    rows = [event(), event(client_id="c-2")]
    tables = land(tmp_path, {NAME: as_csv(rows)}, repairs=[first, second])
    assert accepted(tables).select("client_id", "repair").rows() == [("one", "first"), ("two", "second")]


def test_a_missing_value_that_only_a_repair_gives_an_empty_text_is_still_missing(tmp_path: Path) -> None:
    tables = land(tmp_path, {NAME: as_csv([event()])}, repairs=[repair({"page_url": "''"}, "accepted")])
    assert rules_of(tables) == {"missing_value": 1}


def test_a_referrer_set_by_a_repair_was_recorded(tmp_path: Path) -> None:
    row = event()
    row["came_from"] = row.pop("referrer")
    tables = land(tmp_path, {NAME: as_csv([row])}, repairs=[repair({"referrer": "came_from"}, "accepted")])
    assert accepted(tables).select("referrer", "referrer_recorded").rows() == [("https://www.google.com/", True)]
    assert not accepted(land(tmp_path, {NAME: as_csv([row])}))["referrer_recorded"].any()


def test_a_column_that_this_file_does_not_have_is_null(tmp_path: Path) -> None:
    tables = land(tmp_path, {NAME: renamed(event(), name="other")}, repairs=[repair({"timestamp": "occurred"})])
    assert tables["quarantined_events"].select("rule", "repair").rows() == [("missing_value", "incident")]


def test_an_unknown_column_may_have_any_name(tmp_path: Path) -> None:
    names = ["rule", "message", "event_ts", "source_line", "repair", "extra", "day", "event_id", "met", "chosen"]
    row = event(**dict.fromkeys(names, "x"))
    tables = land(tmp_path, {NAME: as_csv([row])}, repairs=[repair({"user_agent": "'UA'"}, "accepted")])
    assert json.loads(accepted(tables)["extra"][0]) == dict.fromkeys(names, "x")


@pytest.mark.parametrize("form", ["csv", "ndjson", "parquet"])
def test_a_repair_works_in_every_format(tmp_path: Path, form: str) -> None:
    rows = [{("occurred" if k == "timestamp" else k): v for k, v in event(client_id=c).items()} for c in ("a", "b")]
    frame = pl.DataFrame(rows)
    path = tmp_path / "made"
    {"csv": frame.write_csv, "ndjson": frame.write_ndjson, "parquet": frame.write_parquet}[form](path)
    data = path.read_bytes()
    tables = land(tmp_path, {f"events_20250301.{form}": data}, repairs=[repair({"timestamp": "occurred"})])
    assert accepted(tables)["repair"].to_list() == ["incident", "incident"]


def test_a_line_with_a_comma_too_many_is_mended_in_its_text(tmp_path: Path) -> None:
    broken = "c-2,https://puffy.com/,,2025-03-01T12:00:01Z,page_viewed,,UA, like Gecko"
    mend = repair({"raw": "REPLACE(raw, 'UA, like', 'UA like')"}, "wrong_column_count")
    tables = land(tmp_path, {NAME: as_text(GOOD, broken, GOOD.replace("c-1", "c-3"))}, repairs=[mend])
    assert accepted(tables).select("source_line", "user_agent", "repair").rows() == [
        (2, "UA", None),
        (3, "UA like Gecko", "incident"),
        (4, "UA", None),
    ]


def test_a_text_that_stays_broken_stays_as_it_was_and_swallows_no_other(tmp_path: Path) -> None:
    two = ['c-8,"https://puffy.com/,,2025-03-01T12:00:01Z,page_viewed,,UA', 'c-9,x",y']
    mend = repair({"raw": "raw || ' '"}, "wrong_column_count", "unterminated_quote")
    tables = land(tmp_path, {NAME: as_text(GOOD, *two, GOOD)}, repairs=[mend])
    found = tables["quarantined_events"].sort("source_line").select("source_line", "raw", "repair").rows()
    assert found == [(3, two[0], "incident"), (4, two[1], "incident")]


def test_a_broken_json_line_is_mended_in_its_text(tmp_path: Path) -> None:
    good = json.dumps(event())
    file = {"events_20250301.ndjson": f"{good}\n{good[:-1]},}}\n".encode()}
    tables = land(tmp_path, file, repairs=[repair({"raw": "REPLACE(raw, ',}', '}')"}, "broken_json_line")])
    assert tables["duplicate_events"].select("source_line", "repair").rows() == [(2, "incident")]


def test_files_without_header_and_unreadable_ones_are_left_to_be_delivered_again(tmp_path: Path) -> None:
    everything = Repair("all", DAYS, RULES, (("user_agent", "'x'"),))
    files = {NAME: f"{GOOD}\n".encode(), "events_20250301.parquet": b"PAR1 not really"}
    tables = land(tmp_path, files, repairs=[everything])
    assert rules_of(tables) == {"missing_header": 1, "unreadable_file": 1}
    assert tables["quarantined_events"]["repair"].to_list() == [None, None]


def test_sql_that_fails_on_real_rows_stops_with_the_repair_and_the_file_and_no_value(tmp_path: Path) -> None:
    invalid = repair({"client_id": "LPAD(client_id, TRY_CAST(user_agent AS INT), 'x')"}, "accepted")
    with pytest.raises(RepairFailed, match=f"repair incident failed on {NAME}") as failed:
        land(tmp_path, {NAME: as_csv([event(user_agent="-77")])}, repairs=[invalid])
    assert "77" not in str(failed.value)


LINES = st.sampled_from(
    [
        GOOD,
        "c-2,https://puffy.com/,,2025-03-01 10:00:00,page_viewed,,UA",
        "c-3,https://puffy.com/,,soon,page_viewed,,UA",
        "c-4,https://puffy.com/,,2025-03-01T12:00:00Z,page_left,,UA",
        "c-5,https://puffy.com/,,2025-03-01T12:00:00Z,page_viewed,,UA,more",
        'c-6,"https://puffy.com/,,2025-03-01T12:00:00Z,page_viewed,,UA',
        "c-7,https://puffy.com/,,2025-03-01T12:00:00Z,checkout_completed,"
        '"{""transaction_id"": ""O"", ""revenue"": 9.5}",UA',
    ]
)
REPAIRS = st.sampled_from(
    [
        repair({"timestamp": "timestamp || '-08:00'"}, "accepted", name="zone", where="timestamp_kind = 'naive'"),
        repair({"event_name": "'page_viewed'"}, "unknown_event", name="name"),
        repair({"timestamp": "'2025-03-01T11:00:00Z'"}, "unreadable_timestamp", name="time"),
        repair({"raw": "REPLACE(raw, ',more', '')"}, "wrong_column_count", name="comma"),
        repair({"raw": "REPLACE(raw, '\"', '')"}, "unterminated_quote", name="quote"),
        repair({"event_data": "REPLACE(event_data, '9.5', '19.5')"}, "accepted", name="price"),
        repair({"page_url": "NULL"}, "accepted", name="spoils", where="client_id = 'c-1'"),
    ]
)


@settings(max_examples=40, deadline=None)
@given(lines=st.lists(LINES, max_size=12), repairs=st.lists(REPAIRS, unique_by=lambda found: found.name, max_size=7))
def test_whatever_is_repaired_every_line_is_in_one_place_and_repairs_of_other_rows_leave_it_alone(
    lines: list[str], repairs: list[Repair]
) -> None:
    file = LandingFile(DAY, Path(NAME), "csv", 0)
    data = as_text(*lines, header=HEADER)
    before, after = read_content(file, data, DEFAULTS), read_content(file, data, DEFAULTS, repairs)
    placed = sorted([*after.rows["source_line"], *after.quarantined["source_line"]])
    assert placed == list(range(2, len(lines) + 2))
    columns = ["source_line", "event_id", "event_ts", "client_id", "page_url", "event_data", "user_agent"]
    untouched = after.rows.filter(pl.col("repair").is_null()).select(columns)
    assert untouched.equals(
        before.rows.filter(pl.col("source_line").is_in(untouched["source_line"].implode())).select(columns)
    )
    raws = dict(after.quarantined.select("source_line", "raw").iter_rows())
    assert all(lines[line - 2] == raw for line, raw in raws.items()), "what is quarantined is kept as delivered"
