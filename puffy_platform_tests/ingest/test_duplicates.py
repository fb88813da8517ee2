"""Re-delivered rows, within a file, across files and days, name their original; in any chunking the same."""

from __future__ import annotations

import datetime as dt
import gzip
import json
import tempfile
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from puffy_platform.ingest.accept import index, ingest
from puffy_platform.ingest.landing import find_landing_files
from puffy_platform.table import DayRange
from puffy_platform_tests.ingest.delivery import (
    DAY,
    DEFAULTS,
    INGESTED,
    NAME,
    Tables,
    as_csv,
    drift_of,
    event,
    land,
    purchase,
    with_settings,
)

NEXT_DAY = "events_20250302.csv"
ONE_DAY = dt.timedelta(days=1)


def originals(tables: Tables) -> list[tuple[str, int, str, int]]:
    found = tables["duplicate_events"].sort("source_file", "source_line")
    return found.select("source_file", "source_line", "original_file", "original_line").rows()


def test_a_row_repeated_in_its_file_is_a_duplicate_of_the_first_line_that_says_it(tmp_path: Path) -> None:
    tables = land(tmp_path, {NAME: as_csv([event(), purchase(), event(), purchase(), event()])})
    assert originals(tables) == [(NAME, 4, NAME, 2), (NAME, 5, NAME, 3), (NAME, 6, NAME, 2)]
    assert tables["raw_events"].height == 2
    assert drift_of(tables)["duplicates"] == 3
    assert drift_of(tables)["revenue_cents"] == 2 * 349_00
    assert tables["duplicate_events"]["revenue_cents"].sum() == 349_00


def test_each_file_counts_its_own_rows_whatever_other_files_repeat(tmp_path: Path) -> None:
    second = "events_20250301.a.csv"  # by its name it comes first
    rows = [event(client_id=str(number)) for number in range(4)]
    files = {second: rows[:1], NAME: rows[:3], NEXT_DAY: [rows[3], rows[0], rows[0]]}
    tables = land(tmp_path, {name: as_csv(sent) for name, sent in files.items()}, days=DayRange(DAY, DAY + ONE_DAY))
    found = tables["file_drift"].select("source_file", "accepted", "duplicates").sort("source_file").rows()
    assert found == [(second, 1, 0), (NAME, 2, 1), (NEXT_DAY, 1, 2)]
    accepted = dict(tables["raw_events"]["source_file"].value_counts().iter_rows())
    assert accepted == {second: 1, NAME: 2, NEXT_DAY: 1}


def test_rows_that_differ_in_any_field_are_no_duplicates(tmp_path: Path) -> None:
    usual = event(event_data="{}")
    others = [usual | {name: value + " " for name, value in [pair]} for pair in usual.items()]
    changed = [row for row in others if row["event_name"] == usual["event_name"]]
    tables = land(tmp_path, {NAME: as_csv([usual, *changed])})
    # A space after the timestamp is the same time; the event's name has to be right.
    assert tables["duplicate_events"].height == 1
    assert tables["raw_events"].height == len(changed)


def test_the_same_time_in_another_notation_is_the_same_event(tmp_path: Path) -> None:
    times = ["2025-03-01T12:00:00.500Z", "2025-03-01 12:00:00.5Z", "2025-03-01T04:00:00.500-08:00"]
    tables = land(tmp_path, {NAME: as_csv([event(timestamp=time) for time in times])})
    assert originals(tables) == [(NAME, 3, NAME, 2), (NAME, 4, NAME, 2)]


def test_values_moved_into_the_neighbouring_column_make_another_event(tmp_path: Path) -> None:
    rows = [event(client_id="a", page_url="b", referrer=""), event(client_id="", page_url="a", referrer="b")]
    assert land(tmp_path, {NAME: as_csv(rows)})["duplicate_events"].is_empty()


def test_between_files_of_a_day_the_first_by_name_holds_the_original(tmp_path: Path) -> None:
    files = {"events_20250301_b.csv": as_csv([event()]), "events_20250301_a.csv": as_csv([event(), event()])}
    assert originals(land(tmp_path, files)) == [
        ("events_20250301_a.csv", 3, "events_20250301_a.csv", 2),
        ("events_20250301_b.csv", 2, "events_20250301_a.csv", 2),
    ]


def test_a_whole_file_delivered_twice_is_duplicates_only(tmp_path: Path) -> None:
    rows = [event(client_id=str(number)) for number in range(5)]
    files = {NAME: as_csv(rows), "events_20250301.csv.gz": gzip.compress(as_csv(rows))}
    tables = land(tmp_path, files)
    assert drift_of(tables, "events_20250301.csv.gz")["duplicates"] == 5
    assert drift_of(tables, "events_20250301.csv.gz")["accepted"] == 0


def test_a_row_of_the_next_day_names_its_original_of_the_day_before(tmp_path: Path) -> None:
    files = {NAME: as_csv([event()]), NEXT_DAY: as_csv([event(client_id="c-2"), event()])}
    day = dt.date(2025, 3, 2)
    tables = land(tmp_path, files, DayRange(day, day))
    assert originals(tables) == [(NEXT_DAY, 3, NAME, 2)]
    assert tables["duplicate_events"]["original_day"].to_list() == [DAY]
    assert tables["raw_events"]["client_id"].to_list() == ["c-2"]


def test_a_file_delivered_again_under_the_next_days_name_is_duplicates_only(tmp_path: Path) -> None:
    data = as_csv([event(), purchase()])
    both = DayRange(DAY, dt.date(2025, 3, 2))
    tables = land(tmp_path, {NAME: data, NEXT_DAY: data}, both)
    assert originals(tables) == [(NEXT_DAY, 2, NAME, 2), (NEXT_DAY, 3, NAME, 3)]
    first, second = drift_of(tables), drift_of(tables, NEXT_DAY)
    assert first["content_hash"] == second["content_hash"]
    assert (second["accepted"], second["duplicates"], second["revenue_cents"]) == (0, 2, 349_00)


def test_a_duplicate_is_found_across_a_renamed_column_and_a_day(tmp_path: Path) -> None:
    renamed = {("pageUrl" if name == "page_url" else name): value for name, value in event().items()}
    files = {NAME: as_csv([event()]), NEXT_DAY: as_csv([renamed])}
    both = land(tmp_path, files, DayRange(DAY, dt.date(2025, 3, 2)))
    assert originals(both) == [(NEXT_DAY, 2, NAME, 2)]


def test_the_first_and_the_last_day_a_row_can_come_are_compared(tmp_path: Path) -> None:
    """An event of March 2 may land from March 1 (a fast clock) to March 9 (seven days late)."""
    row = event(timestamp="2025-03-02T12:00:00Z")
    files = {NAME: as_csv([row]), "events_20250309.csv": as_csv([row]), "events_20250310.csv": as_csv([row])}
    last = dt.date(2025, 3, 9)
    assert originals(land(tmp_path, files, DayRange(last, last))) == [("events_20250309.csv", 2, NAME, 2)]
    after = dt.date(2025, 3, 10)
    tables = land(tmp_path, files, DayRange(after, after))
    assert tables["quarantined_events"]["rule"].to_list() == ["too_late"]


@pytest.mark.parametrize("first", [1, 2, 3])
def test_a_row_is_compared_with_every_day_before_on_which_it_may_have_come(tmp_path: Path, first: int) -> None:
    """Of an event of March 2: the day before it, its own and the next ones, whichever day it comes again."""
    row = event(timestamp="2025-03-02T12:00:00Z")
    names = [f"events_2025030{number}.csv" for number in range(first, 10)]
    files = dict.fromkeys(names, as_csv([row]))
    for again in range(first + 1, 10):
        day = dt.date(2025, 3, again)
        found = originals(land(tmp_path, files, DayRange(day, day)))
        assert found == [(f"events_2025030{again}.csv", 2, names[0], 2)]


def test_a_quarantined_row_is_neither_a_duplicate_nor_an_original(tmp_path: Path) -> None:
    broken = event(event_data="{")
    tables = land(tmp_path, {NAME: as_csv([broken, broken])})
    assert tables["duplicate_events"].is_empty()
    assert tables["quarantined_events"].height == 2


def test_rows_without_client_id_are_duplicates_when_all_else_is_equal(tmp_path: Path) -> None:
    assert originals(land(tmp_path, {NAME: as_csv([event(client_id="")] * 2)})) == [(NAME, 3, NAME, 2)]


FIRST = dt.date(2025, 3, 1)
ALL_DAYS = DayRange(FIRST, FIRST + dt.timedelta(days=5))
LATE = with_settings(ingest={"late_days": 1})
# The event's day, its client, and what it is.
contents = st.tuples(st.integers(-2, 7), st.integers(0, 2), st.sampled_from(["view", "order", "broken"]))
# The landing day, the format and the rows of a file.
deliveries = st.lists(
    st.tuples(st.integers(0, len(ALL_DAYS) - 1), st.sampled_from(["csv", "ndjson"]), st.lists(contents, max_size=6)),
    max_size=7,
)


def written(day: int, client: int, kind: str) -> dict[str, str]:
    time = f"{FIRST + dt.timedelta(days=day)}T0{client}:00:00Z"
    if kind == "order":
        return purchase(client_id=str(client), timestamp=time)
    return event(client_id=str(client), timestamp=time, event_data="{" if kind == "broken" else "")


@settings(max_examples=20, deadline=None)
@given(deliveries, st.integers(1, 4), st.booleans())
def test_any_chunking_of_landing_days_gives_the_same_five_tables(
    delivered: list[tuple[int, str, list[tuple[int, int, str]]]], size: int, backwards: bool
) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for number, (day, kind, rows_of_file) in enumerate(delivered):
            rows = [written(*content) for content in rows_of_file]
            data = as_csv(rows, event())
            if kind == "ndjson":
                data = "".join(json.dumps(row) + "\n" for row in rows).encode()
            (folder / f"events_{FIRST + dt.timedelta(days=day):%Y%m%d}_{number}.{kind}").write_bytes(data)
        files, _ = find_landing_files(folder)
        whole = in_storage_order(ingest(files, ALL_DAYS, INGESTED["row_index"].empty().lazy(), LATE))
        parts: list[Tables] = []
        chunks = [*ALL_DAYS.chunks(size)]
        for chunk in reversed(chunks) if backwards else chunks:
            before = chunk.widen(before=LATE.ingest.late_days + 1)
            earlier = index([file for file in files if file.day in before and file.day < chunk.first], LATE)
            parts.append(ingest(files, chunk, earlier.lazy(), LATE))
    for table in whole:
        found = in_storage_order({table: pl.concat(part[table] for part in parts)})[table]
        assert_frame_equal(found, whole[table])
    seen = pl.concat(whole[name].select("day", "event_id") for name in ("raw_events", "duplicate_events"))
    assert seen.height == whole["row_index"].height
    assert not whole["raw_events"]["event_id"].is_duplicated().any()


def in_storage_order(tables: Tables) -> Tables:
    ordered = {}
    for name, rows in tables.items():
        place = ["day", "source_file"] if name == "file_drift" else ["day", "source_file", "source_line"]
        ordered[name] = rows.select(*INGESTED[name].schema).sort(place)
    return ordered


def test_the_settings_of_these_tests_are_the_ones_users_get() -> None:
    assert DEFAULTS.ingest.late_days == 7
