"""A repair is a changed definition of its landing days: planned by name, applied once, undone when it is removed."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import polars as pl
import pytest

from puffy_platform.ingest.repairs_file import RepairsError
from puffy_platform.pipeline import Platform, Reason, affected, materialise, materialise_ingest
from puffy_platform.pipeline.repairing import Repaired, Trial, repaired_rows, try_repair
from puffy_platform.pipeline.status import status_of
from puffy_platform.pipeline.verify import verify
from puffy_platform.settings import load_settings
from puffy_platform.table import DayRange
from puffy_platform.tables import TABLES
from puffy_platform.warehouse import Ledger
from puffy_platform_tests.ingest.delivery import as_csv, event, purchase

DAYS = DayRange(dt.date(2025, 3, 1), dt.date(2025, 3, 4))
INCIDENT = dt.date(2025, 3, 2)
INGESTED = ["row_index", "raw_events", "duplicate_events", "quarantined_events", "file_drift"]
REPAIR = """
[[repair]]
name = "renamed-timestamp"
from = 2025-03-02
rules = "missing_column:timestamp"
set.timestamp = "occurred"
reason = "The release of 2 March called the column occurred."
author = "ana"

[[repair.example]]
given = { client_id = "c", page_url = "https://puffy.com/", event_name = "page_viewed", occurred = "2025-03-02T10:00:00Z" }
then = { event_ts = 2025-03-02T10:00:00Z }
"""  # noqa: E501


PURCHASE = '{"transaction_id": "ORD", "revenue": 349.0, "items": []}'


@pytest.fixture
def platform(tmp_path: Path) -> Platform:
    """Four landing days, computed; the file of the incident names its timestamp otherwise."""
    landing = tmp_path / "landing"
    landing.mkdir()
    for day in DAYS:
        rows = [
            event(timestamp=f"{day}T09:00:00Z"),
            purchase(timestamp=f"{day}T09:10:00Z", event_data=PURCHASE.replace("ORD", f"ORD-{day}")),
        ]
        if day == INCIDENT:
            rows = [{"occurred" if name == "timestamp" else name: text for name, text in row.items()} for row in rows]
        (landing / f"events_{day:%Y%m%d}.csv").write_bytes(as_csv(rows))
    tables = {name: TABLES[name] for name in (*INGESTED, "events_enriched", "purchases")}
    platform = Platform(load_settings(tmp_path, environment={}), tables)
    compute(platform)
    return platform


def compute(platform: Platform) -> None:
    materialise_ingest(platform, DAYS, run_id="test", force=False)
    for table in platform.derived:
        materialise(platform, table, DAYS, run_id="test", force=False)


def write(platform: Platform, text: str) -> None:
    platform.settings.repairs.write_text(text, "utf-8")


def rows(platform: Platform, name: str) -> pl.DataFrame:
    table = platform.tables[name]
    return platform.warehouse.read(table).collect().sort("day", *table.sort)


def versions(platform: Platform) -> dict[tuple[str, dt.date], int]:
    return {(entry.table, entry.day): entry.version for entry in Ledger(platform.warehouse)}


def test_a_new_repair_makes_its_own_landing_days_stale_and_the_plan_names_it(platform: Platform) -> None:
    assert not affected(platform, DAYS)
    write(platform, REPAIR)
    plan = affected(platform, DAYS)
    because = {(table, day) for table, days in plan.days.items() for day, why in days.items() if why is Reason.REPAIRS}
    assert because == {(name, INCIDENT) for name in INGESTED}
    assert plan.repairs == {INCIDENT: ("renamed-timestamp",)}
    told = [row["why"] for row in plan.to_json() if row["table"] == "raw_events"]
    assert "a repair of the day was added, changed or removed: renamed-timestamp" in told


def test_recovered_rows_name_their_repair_down_to_the_events(platform: Platform) -> None:
    write(platform, REPAIR)
    compute(platform)
    assert rows(platform, "quarantined_events").is_empty()
    for name, day in (("raw_events", "event_day"), ("events_enriched", "day")):
        named = rows(platform, name).select(day, "repair").unique().sort(day)["repair"].to_list()
        assert named == [None, "renamed-timestamp", None, None]
    assert rows(platform, "purchases").height == 4
    assert repaired_rows(platform) == {"renamed-timestamp": Repaired(accepted=2)}
    assert verify(platform, DAYS) == []


def test_applied_twice_nothing_changes(platform: Platform) -> None:
    write(platform, REPAIR)
    compute(platform)
    before = versions(platform)
    assert not affected(platform, DAYS)
    compute(platform)
    assert versions(platform) == before


def test_days_of_other_incidents_are_left_as_they_are(platform: Platform) -> None:
    before = versions(platform)
    write(platform, REPAIR)
    compute(platform)
    changed = {day for (table, day), version in versions(platform).items() if before[table, day] != version}
    assert changed == {INCIDENT}


def test_a_changed_repair_is_planned_by_name_and_a_reworded_one_is_not(platform: Platform) -> None:
    write(platform, REPAIR)
    compute(platform)
    write(platform, REPAIR.replace("The release", "The unlucky release"))
    assert not affected(platform, DAYS)
    write(platform, REPAIR.replace('"occurred"\n', '"TRIM(occurred)"\n'))
    assert affected(platform, DAYS).repairs == {INCIDENT: ("renamed-timestamp",)}


def test_a_repair_of_other_days_plans_nothing_here(platform: Platform) -> None:
    write(platform, REPAIR.replace("from = 2025-03-02", "from = 2025-04-02").replace("2025-03-02T", "2025-04-02T"))
    assert not affected(platform, DAYS)


def test_a_repair_with_a_longer_range_touches_the_days_added_to_it_only(platform: Platform) -> None:
    write(platform, REPAIR)
    compute(platform)
    write(platform, REPAIR.replace("from = 2025-03-02", "from = 2025-03-02\nto = 2025-03-03"))
    assert affected(platform, DAYS).repairs == {dt.date(2025, 3, 3): ("renamed-timestamp",)}


def test_a_removed_repair_is_planned_by_name_and_undone(platform: Platform) -> None:
    before = {name: rows(platform, name) for name in platform.tables}
    write(platform, REPAIR)
    compute(platform)
    platform.settings.repairs.unlink()
    assert affected(platform, DAYS).repairs == {INCIDENT: ("renamed-timestamp",)}
    compute(platform)
    assert {name: rows(platform, name).equals(known) for name, known in before.items()} == dict.fromkeys(before, True)
    assert repaired_rows(platform) == {}


def test_a_repair_can_be_tried_before_it_is_applied(platform: Platform) -> None:
    write(platform, REPAIR)
    look = platform.landing()
    assert try_repair(platform, look.repairs[0], look) == Trial(files=1, rows=2, valid=2)
    assert repaired_rows(platform) == {}


def test_a_repair_that_is_not_yet_applied_shows_in_the_status_of_its_day(platform: Platform) -> None:
    write(platform, REPAIR)
    found = status_of(platform, INCIDENT)
    assert found is not None
    reasons = {table.table: " ".join(table.reasons) for table in found.tables}
    assert "repairs" in reasons["raw_events"]


def test_repairs_that_cannot_be_used_stop_everything_that_would_use_them(platform: Platform) -> None:
    write(platform, REPAIR.replace("author", "auhtor"))
    with pytest.raises(RepairsError, match=r"repairs\.toml, line 2, repair 1 \(renamed-timestamp\)"):
        affected(platform, DAYS)
    with pytest.raises(RepairsError):
        compute(platform)
