"""Timestamps of every kind: which instant they mean, or the word for why they mean none."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from puffy_platform.ingest.times import to_utc
from puffy_platform.table import DayRange
from puffy_platform_tests.ingest.delivery import (
    NAME,
    as_csv,
    drift_of,
    event,
    judged,
    land,
    rules_of,
    with_settings,
)

PUFFY = "America/Los_Angeles"


def read(text: str | None, zone: str = PUFFY) -> tuple[str | None, str, bool]:
    found = to_utc(pl.Series([text], dtype=pl.String), zone).row(0, named=True)
    when = found["event_ts"]
    return when and when.isoformat().replace("+00:00", "Z"), found["timestamp_kind"], found["in_gap"]


@pytest.mark.parametrize(
    ("text", "utc", "kind"),
    [
        ("2025-03-01T12:00:00.750Z", "2025-03-01T12:00:00.750000Z", "utc"),
        ("2025-03-01T12:00:00Z", "2025-03-01T12:00:00Z", "utc"),
        ("2025-03-01 12:00:00z", "2025-03-01T12:00:00Z", "utc"),
        ("2025-03-01T12:00Z", "2025-03-01T12:00:00Z", "utc"),
        (" 2025-03-01T12:00:00 Z ", "2025-03-01T12:00:00Z", "utc"),
        ("2025-03-01T12:00:00.123456789Z", "2025-03-01T12:00:00.123456Z", "utc"),
        ("2025-03-01T12:00:00,5Z", "2025-03-01T12:00:00.500000Z", "utc"),
        ("2025-03-01T12:00:00+01:00", "2025-03-01T11:00:00Z", "offset"),
        ("2025-03-01T12:00:00.250+0530", "2025-03-01T06:30:00.250000Z", "offset"),
        ("2025-03-01T12:00:00-08", "2025-03-01T20:00:00Z", "offset"),
        ("2025-03-01T12:00:00 -09:30", "2025-03-01T21:30:00Z", "offset"),
        ("2025-03-01T12:00:00+00:00", "2025-03-01T12:00:00Z", "offset"),
        ("2025-03-01T00:30:00+14:00", "2025-02-28T10:30:00Z", "offset"),
        ("2025-03-01T12:00:00", "2025-03-01T20:00:00Z", "naive"),
        ("2025-07-01 12:00", "2025-07-01T19:00:00Z", "naive"),
    ],
)
def test_every_iso_notation_means_its_instant(text: str, utc: str, kind: str) -> None:
    assert read(text) == (utc, kind, False)


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "yesterday",
        "2025-03-01",
        "2025-02-30T12:00:00Z",
        "2025-13-01T12:00:00Z",
        "2025-03-01T24:00:00Z",
        "2025-03-01T12:60:00Z",
        "2025-03-01T12:00:61Z",
        "2025-3-1T12:00:00Z",
        "2025-03-01T1:00:00Z",
        "+2025-03-01T12:00:00Z",
        "12025-03-01T12:00:00Z",
        "2025-03-01T12:00:00+15:00",
        "2025-03-01T12:00:00+01:60",
        "2025-03-01T12:00:00ZZ",
        "2025-03-01T12:00:00Z2025-03-01T12:00:00Z",
        "03/01/2025 12:00",
        "1740830400",
        "٢٠٢٥-03-01T12:00:00Z",
    ],
)
def test_anything_else_means_no_instant(text: str | None) -> None:
    assert read(text)[0] is None
    assert read(text)[2] is False


def test_a_naive_time_in_the_hour_that_spring_skips_does_not_exist() -> None:
    assert read("2025-03-09T01:59:59")[0] == "2025-03-09T09:59:59Z"
    assert read("2025-03-09T02:30:00") == (None, "naive", True)
    assert read("2025-03-09T03:00:00")[0] == "2025-03-09T10:00:00Z"
    assert read("2025-03-09T02:30:00", "UTC") == ("2025-03-09T02:30:00Z", "naive", False)


def test_a_naive_time_in_the_hour_that_autumn_repeats_is_the_first() -> None:
    assert read("2025-11-02T01:30:00")[0] == "2025-11-02T08:30:00Z"
    assert read("2025-11-02T02:00:00")[0] == "2025-11-02T10:00:00Z"


@settings(max_examples=60, deadline=None)
@given(
    st.datetimes(dt.datetime(1970, 1, 2), dt.datetime(2100, 1, 1)),
    st.integers(-14 * 60, 14 * 60),
    st.sampled_from(["T", " "]),
    st.booleans(),
)
def test_any_offset_is_taken_off_exactly(moment: dt.datetime, minutes: int, between: str, colon: bool) -> None:
    zone = dt.timezone(dt.timedelta(minutes=minutes))
    text = moment.replace(tzinfo=zone).strftime(f"%Y-%m-%d{between}%H:%M:%S.%f%z")
    text = f"{text[:-2]}:{text[-2:]}" if colon else text
    expected = moment.replace(tzinfo=zone).astimezone(dt.UTC)
    assert to_utc(pl.Series([text]), PUFFY)["event_ts"].item() == expected


@settings(max_examples=60, deadline=None)
@given(st.datetimes(dt.datetime(1970, 1, 2), dt.datetime(2100, 1, 1)), st.integers(0, 9))
def test_utc_is_read_to_the_microsecond_whatever_its_number_of_digits(moment: dt.datetime, digits: int) -> None:
    fraction = f"{moment.microsecond:06d}789"[:digits]
    text = moment.strftime("%Y-%m-%dT%H:%M:%S") + (f".{fraction}" if fraction else "") + "Z"
    expected = moment.replace(microsecond=int(fraction.ljust(6, "0")[:6]), tzinfo=dt.UTC)
    found = to_utc(pl.Series([text, text.replace("Z", "+00:00")]), PUFFY)
    assert found["event_ts"].to_list() == [expected, expected]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(max_size=30)))
def test_no_text_makes_reading_times_raise_and_every_row_keeps_its_place(texts: list[str]) -> None:
    texts = [*texts, "2025-03-01T12:00:00Z"]
    found = to_utc(pl.Series(texts), PUFFY)
    assert found.height == len(texts)
    assert found["event_ts"][-1] is not None
    assert found["timestamp_kind"].null_count() == 0


WRITTEN = st.sampled_from(
    [
        *("2025-03-01T12:00:00.750Z", "2025-03-01 12:00:00Z", "2025-03-01T12:00Z", "2025-03-01T12:00:00.1234567Z"),
        *("2025-03-01T12Z", "2025-03-01Z", "2025-02-30T12:00:00Z", "2025-03-01T12:00:60Z"),
        *("2025-03-01T12:00:00+01:00", "2025-03-01T12:00:00+01:00Z", "2025-03-01T12:00:00", "never", "", None),
    ]
)


@settings(max_examples=60, deadline=None)
@given(st.lists(WRITTEN, min_size=1, max_size=8))
def test_a_text_means_the_same_whatever_stands_beside_it(texts: list[str | None]) -> None:
    together = to_utc(pl.Series(texts, dtype=pl.String), PUFFY)
    assert [together.row(place) for place in range(len(texts))] == [
        to_utc(pl.Series([text], dtype=pl.String), PUFFY).row(0) for text in texts
    ]


def test_rows_with_offsets_and_without_are_accepted_in_utc_and_counted(tmp_path: Path) -> None:
    times = ["2025-03-01T12:00:00Z", "2025-03-01T12:00:00-08:00", "2025-03-01T12:00:00"]
    rows = [event(client_id=str(number), timestamp=time) for number, time in enumerate(times)]
    tables = land(tmp_path, {NAME: as_csv(rows)}, settings=with_settings(shop={"time_zone": "Europe/Berlin"}))
    raw = tables["raw_events"].sort("source_line")
    assert raw["event_ts"].dt.hour().to_list() == [12, 20, 11]
    assert raw["timestamp_kind"].to_list() == ["utc", "offset", "naive"]
    assert drift_of(tables)["offset_timestamps"] == 1
    assert drift_of(tables)["naive_timestamps"] == 1
    outcomes = judged(tables)["raw_events"].filter(pl.col("check") == "timestamps_are_explicit")
    assert outcomes.select("status", "observed").rows() == [("warn", "1 naive timestamps")]


def test_the_event_day_is_the_utc_date_and_not_that_of_the_text(tmp_path: Path) -> None:
    tables = land(tmp_path, {NAME: as_csv([event(timestamp="2025-03-01T20:00:00-08:00")])})
    assert tables["raw_events"]["event_day"].to_list() == [dt.date(2025, 3, 2)]


@pytest.mark.parametrize(
    ("time", "rule"),
    [
        ("2025-03-02T23:59:59.999Z", None),
        ("2025-03-03T00:00:00Z", "in_future"),
        ("2025-03-02T16:00:00-08:00", "in_future"),
        ("2099-01-01T00:00:00Z", "in_future"),
        ("9999-12-31T23:59:59-14:00", "in_future"),
        ("2025-02-22T00:00:00Z", None),
        ("2025-02-21T23:59:59.999Z", "too_late"),
        ("0001-01-01T00:00:00+14:00", "too_late"),
        ("last tuesday", "unreadable_timestamp"),
        ("", "missing_value"),
    ],
)
def test_a_row_lies_between_seven_days_before_and_a_day_after_its_file(
    tmp_path: Path, time: str, rule: str | None
) -> None:
    tables = land(tmp_path, {NAME: as_csv([event(timestamp=time)])})
    assert rules_of(tables) == ({rule: 1} if rule else {})
    assert set(tables["quarantined_events"]["column"]) <= {"timestamp"}


def test_how_late_a_row_may_be_is_a_setting(tmp_path: Path) -> None:
    rows = [event(timestamp="2025-02-28T00:00:00Z"), event(timestamp="2025-02-27T23:59:59Z")]
    files = {NAME: as_csv(rows)}
    assert rules_of(land(tmp_path, files, settings=with_settings(ingest={"late_days": 1}))) == {"too_late": 1}


def test_a_row_before_the_first_day_of_the_tables_is_before_start(tmp_path: Path) -> None:
    rows = [event(timestamp="2025-02-27T23:59:59Z"), event(timestamp="2025-02-28T00:00:00Z")]
    files = {NAME: as_csv(rows)}
    settings = with_settings(partitions={"start_day": dt.date(2025, 2, 28)})
    tables = land(tmp_path, files, settings=settings)
    assert rules_of(tables) == {"before_start": 1}
    assert "2025-02-28" in tables["quarantined_events"]["message"].item()


def test_a_naive_time_in_a_skipped_hour_is_quarantined_as_nonexistent_local_time(tmp_path: Path) -> None:
    files = {"events_20250309.csv": as_csv([event(timestamp="2025-03-09T02:30:00")])}
    day = dt.date(2025, 3, 9)
    tables = land(tmp_path, files, DayRange(day, day), with_settings(shop={"time_zone": PUFFY}))
    assert rules_of(tables) == {"nonexistent_local_time": 1}
