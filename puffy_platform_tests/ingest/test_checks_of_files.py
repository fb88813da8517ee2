"""What the checks of file_drift say of a day: lost rows and cents fail, odd files and shares are warnings."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import polars as pl
import pytest

from puffy_platform.table import DayRange
from puffy_platform_tests.ingest.delivery import (
    DAY,
    DAYS,
    HEADER,
    NAME,
    Tables,
    as_csv,
    deliver,
    event,
    judged,
    land,
    purchase,
    with_settings,
)

ROWS = [event(), event(), purchase(), purchase(), event(event_name="x"), purchase(timestamp="2026-03-01T12:00:00Z")]


def said(tables: Tables, check: str, days: DayRange = DAYS) -> list[tuple[str, str]]:
    outcomes = judged(tables, days)["file_drift"].filter(pl.col("check") == check).sort("day")
    return outcomes.select("status", "observed").rows()


@pytest.mark.parametrize("table", ["raw_events", "duplicate_events", "quarantined_events"])
def test_a_row_lost_from_any_table_fails_and_so_does_one_that_is_twice(tmp_path: Path, table: str) -> None:
    tables = deliver(tmp_path, {NAME: as_csv(ROWS)})
    assert said(tables, "rows_are_conserved") == [("pass", "6 of 6 rows are in one place")]
    lost = tables | {table: tables[table].head(1)}
    assert said(lost, "rows_are_conserved") == [("fail", "5 of 6 rows are in one place")]
    twice = tables | {table: pl.concat([tables[table], tables[table].head(1)])}
    assert said(twice, "rows_are_conserved") == [("fail", "7 of 6 rows are in one place")]


@pytest.mark.parametrize("table", ["duplicate_events", "quarantined_events", "file_drift"])
def test_a_cent_too_many_in_any_table_fails(tmp_path: Path, table: str) -> None:
    tables = deliver(tmp_path, {NAME: as_csv(ROWS)})
    assert said(tables, "revenue_is_conserved") == [("pass", "104700 cents placed")]
    wrong = tables | {table: tables[table].with_columns(pl.col("revenue_cents") + 1)}
    assert said(wrong, "revenue_is_conserved")[0][0] == "fail"


def test_a_purchase_lost_from_the_accepted_rows_fails_by_its_money(tmp_path: Path) -> None:
    tables = deliver(tmp_path, {NAME: as_csv(ROWS)})
    page_views = tables["raw_events"].filter(pl.col("event_name") == "page_viewed")
    assert said(tables | {"raw_events": page_views}, "revenue_is_conserved") == [("fail", "69800 cents placed")]


def test_rows_of_a_day_whose_files_are_not_listed_fail(tmp_path: Path) -> None:
    tables = deliver(tmp_path, {NAME: as_csv(ROWS)})
    unlisted = tables | {"file_drift": tables["file_drift"].clear()}
    assert said(unlisted, "rows_are_conserved") == [("fail", "6 of 0 rows are in one place")]
    assert said(unlisted, "revenue_is_conserved") == [("fail", "104700 cents placed")]


def test_files_that_cannot_be_read_or_hold_no_rows_are_named(tmp_path: Path) -> None:
    files = {
        NAME: as_csv([event()]),
        "events_20250301_a.csv": b"",
        "events_20250301_b.csv": f"{HEADER}\n".encode(),
        "events_20250301_c.csv.gz": b"\x1f\x8b",
    }
    told = "events_20250301_a.csv (empty), events_20250301_b.csv (header_only), events_20250301_c.csv.gz (unreadable)"
    assert said(land(tmp_path, files), "files_can_be_read") == [("warn", told)]
    assert said(land(tmp_path, {NAME: files[NAME]}), "files_can_be_read") == [("pass", "every file was read")]


@pytest.mark.parametrize(("again", "status", "share"), [(3, "pass", "15.0%"), (5, "warn", "25.0%")])
def test_fifteen_percent_of_rows_sent_again_are_usual_and_a_quarter_is_a_warning(
    tmp_path: Path, again: int, status: str, share: str
) -> None:
    """Half of them within the file, half in another one of the next day."""
    later = DAY + dt.timedelta(days=1)
    first, second = [event(client_id=str(n)) for n in range(20)], [event(client_id=str(n)) for n in range(20, 40)]
    files = {
        NAME: as_csv([*first[: 20 - again], *first[:again]]),
        f"events_{later:%Y%m%d}.csv": as_csv([*second[: 20 - again], *first[:again]]),
    }
    days = DayRange(DAY, later)
    tables = land(tmp_path, files, days)
    assert said(tables, "duplicate_share", days) == [(status, share)] * 2
    assert tables["duplicate_events"]["original_file"].to_list() == [NAME] * 2 * again
    assert tables["raw_events"].height == 2 * (20 - again)


def test_many_quarantined_rows_are_a_warning_and_few_are_not(tmp_path: Path) -> None:
    rows = [event(client_id=str(n)) for n in range(99)]
    tables = land(tmp_path, {NAME: as_csv([*rows, event(event_name="x")])})
    assert said(tables, "quarantined_share") == [("pass", "1.0%")]
    tables = land(tmp_path, {NAME: as_csv([*rows[:47], *[event(event_name="x")] * 3])})
    assert said(tables, "quarantined_share") == [("warn", "6.0%")]


def test_the_share_of_a_day_without_rows_is_skipped_not_passed(tmp_path: Path) -> None:
    tables = land(tmp_path, {NAME: f"{HEADER}\n".encode()})
    assert said(tables, "quarantined_share")[0][0] == "skipped"
    assert said(tables, "duplicate_share")[0][0] == "skipped"


def test_the_limits_of_these_shares_are_settings(tmp_path: Path) -> None:
    strict = with_settings(thresholds={"max_duplicate_share": 0.0})
    tables = land(tmp_path, {NAME: as_csv([event(), event()])}, settings=strict)
    outcomes = judged(tables, settings=strict)["file_drift"].filter(pl.col("check") == "duplicate_share")
    assert outcomes.select("status", "expected").rows() == [("warn", "at most 0.00%")]
