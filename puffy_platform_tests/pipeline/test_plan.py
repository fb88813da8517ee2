"""`puffy plan` names exactly the days that what happened can change, and why; a run computes them and no others."""

from __future__ import annotations

import datetime as dt
import re
import shutil
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import pytest

from puffy_platform.pipeline import Platform, affected, materialise, materialise_ingest
from puffy_platform.settings import DEFAULT_RULES_FILE
from puffy_platform.table import DayRange
from puffy_platform.tables import TABLES
from puffy_platform.warehouse import Ledger
from puffy_platform_tests.command import open_home, puffy
from puffy_platform_tests.ingest.delivery import as_csv, event, purchase
from puffy_platform_tests.properties.driving import INGESTED, differences, hashes, in_one_computation, settle

FIRST = dt.date(2025, 3, 3)
DAYS = DayRange(FIRST, FIRST + dt.timedelta(days=4))
SETTINGS = """\
[ingest]
late_days = 2
[attribution]
windows_days = [1]
[data_driven]
rolling_days = 2
min_conversions = 2
draws = 50
[partitions]
start_day = 2025-03-03
"""
NEW = "never computed"
DEFINITION = "its settings or its definition changed"
FILES = "its landing files changed"
ROWS = "rows it reads changed"
UPSTREAM = "an upstream day will be computed and may change"
CURRENT = "Everything is current: nothing would be computed."

Planned = dict[tuple[str, str], str]


def day(number: int) -> dt.date:
    return FIRST + dt.timedelta(days=number)


def rows_of(number: int) -> list[dict[str, str]]:
    """A visitor with a view and an order on the day, each its own."""
    client = f"c-{number}"
    order = {"transaction_id": f"ORD-{number}", "revenue": 100.0, "items": []}
    return [
        event(client_id=client, timestamp=f"{day(number)}T10:00:00Z"),
        purchase(order, client_id=client, timestamp=f"{day(number)}T10:05:00Z"),
    ]


def land(home: Path, number: int, *rows: dict[str, str], line_end: str = "\n") -> Path:
    path = home / "landing" / f"events_{day(number):%Y%m%d}.csv"
    path.write_bytes(as_csv(rows or rows_of(number), line_end=line_end))
    return path


@pytest.fixture
def home(tmp_path: Path, current: Path) -> Path:
    """Five days of a shop, all current."""
    return Path(shutil.copytree(current, tmp_path / "home"))


@pytest.fixture(scope="module")
def current(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("current") / "home"
    (home / "landing").mkdir(parents=True)
    (home / "puffy.toml").write_text(SETTINGS, "utf-8")
    for number in range(len(DAYS)):
        land(home, number)
    assert {why for why in plan(home).values()} == {NEW}
    settle(open_home(home), DAYS)
    return home


def plan(home: Path) -> Planned:
    """What `puffy plan` prints: (table, days) -> why."""
    printed = puffy(home, "plan", variables={"COLUMNS": "200"})
    assert printed.code == 0
    if CURRENT in printed.out:
        return {}
    lines = [re.split(r"\s{2,}", line.strip()) for line in printed.out.splitlines()]
    return {(table, days): why for table, _, days, why in (line for line in lines if len(line) == 4)}


def why(planned: Planned, reason: str) -> set[str]:
    return {table for (table, _), found in planned.items() if found == reason}


def versions(platform: Platform) -> dict[str, int | None]:
    return {name: platform.warehouse.version(name) for name in platform.tables}


def downstream(names: Collection[str]) -> set[str]:
    """The tables that read any of these, directly or not."""
    found: set[str] = set()
    for name, table in TABLES.items():
        if any(read.table in found or read.table in names for read in table.reads):
            found.add(name)
    return found - set(names)


def assert_settles_to_one_computation(platform: Platform) -> None:
    settle(platform, DAYS)
    truth = in_one_computation(platform, DAYS, platform.settings.home / "truth")
    assert differences(platform, truth) == []


def test_a_file_touched_but_with_the_same_bytes_is_no_change(home: Path) -> None:
    land(home, 2)
    assert plan(home) == {}


def test_a_file_rewritten_with_the_same_rows_stops_the_wave_after_ingest(home: Path) -> None:
    platform = open_home(home)
    before = versions(platform)
    land(home, 2, line_end="\r\n")
    planned = plan(home)
    assert why(planned, FILES) == set(INGESTED)
    assert {days for (_, days), found in planned.items() if found == FILES} == {str(day(2))}
    assert settle_ingest(platform) == {"file_drift"}
    assert {table for table, _ in plan(home)} <= downstream({"file_drift"})
    settle(platform, DAYS)
    changed = {name for name, version in versions(platform).items() if version != before[name]}
    assert changed <= {"file_drift", *downstream({"file_drift"})}


def settle_ingest(platform: Platform) -> set[str]:
    """Read the landing days that are not current; returns the tables that came out with other rows."""
    before = {name: hashes(platform, platform.tables[name]) for name in INGESTED}
    settle(replace(platform, tables=INGESTED), DAYS)
    return {name for name in INGESTED if hashes(platform, platform.tables[name]) != before[name]}


def test_a_late_row_has_only_its_own_event_day_computed_again(home: Path) -> None:
    late = event(client_id="c-late", timestamp=f"{day(2)}T12:00:00Z")
    land(home, 4, *rows_of(4), late)
    assert {days for (_, days), found in plan(home).items() if found == FILES} == {str(day(4))}
    assert settle_ingest(open_home(home)) == {"row_index", "raw_events", "file_drift"}
    planned = plan(home)
    assert {days for (table, days), found in planned.items() if (table, found) == ("events_enriched", ROWS)} == {
        str(day(2))
    }
    assert planned["sessions", f"{day(1)}..{day(4)}"] == UPSTREAM
    assert_settles_to_one_computation(open_home(home))


def test_a_removed_file_takes_its_rows_with_it(home: Path) -> None:
    land(home, 3).unlink()
    assert why(plan(home), FILES) == set(INGESTED)
    platform = open_home(home)
    assert_settles_to_one_computation(platform)
    assert day(3) not in hashes(platform, TABLES["events_enriched"])
    assert plan(home) == {}


def test_a_new_look_back_window_has_only_what_depends_on_it_computed_again(home: Path) -> None:
    set_in(home, "windows_days = [1]", "windows_days = [1, 2]")
    planned = plan(home)
    declared = {name for name, table in TABLES.items() if "attribution" in table.settings_sections}
    assert why(planned, DEFINITION) == declared
    assert why(planned, UPSTREAM) == downstream(declared) - declared
    assert planned.keys() == {(name, str(DAYS)) for name in declared | downstream(declared)}
    assert_settles_to_one_computation(open_home(home))


def test_changed_channel_rules_leave_everything_before_the_channel_alone(home: Path) -> None:
    rules = DEFAULT_RULES_FILE.read_text("utf-8").replace('"Organic Search"', '"Search"')
    (home / "rules.toml").write_text(rules, "utf-8")
    set_in(home, "[partitions]", '[channels]\nrules_file = "rules.toml"\n[partitions]')
    planned = plan(home)
    assert why(planned, DEFINITION) == {name for name, table in TABLES.items() if "channels" in table.settings_sections}
    assert not {table for table, _ in planned} & INGESTED.keys()
    platform = open_home(home)
    assert_settles_to_one_computation(platform)
    channels = platform.warehouse.read(TABLES["sessions"]).collect()["channel"]
    assert set(channels) == {"Search"}


def test_a_changed_contract_is_computed_again_and_the_same_rows_stop_the_wave(home: Path) -> None:
    platform = open_home(home)
    before = versions(platform)
    changed = replace(platform, tables={**TABLES, "sessions": replace(TABLES["sessions"], version=2)})
    reasons = {table: reason.value for table, reason, _ in affected(changed, DAYS).spans()}
    assert reasons == {"sessions": DEFINITION, **dict.fromkeys(downstream({"sessions"}), UPSTREAM)}
    settle(changed, DAYS)
    assert versions(changed) == before
    assert why(plan(home), DEFINITION) == {"sessions"}


def test_rows_under_an_unknown_name_are_accepted_once_the_name_is_known(home: Path) -> None:
    path = land(home, 2)
    path.write_bytes(path.read_bytes().replace(b"timestamp", b"zeitpunkt"))
    platform = open_home(home)
    settle(platform, DAYS)
    assert platform.warehouse.read(TABLES["quarantined_events"]).collect().height == len(rows_of(2))
    set_in(home, "[attribution]", '[ingest.aliases]\ntimestamp = ["zeitpunkt"]\n[attribution]')
    planned = plan(home)
    assert why(planned, DEFINITION) == {name for name, table in TABLES.items() if "ingest" in table.settings_sections}
    platform = open_home(home)
    assert_settles_to_one_computation(platform)
    assert platform.warehouse.read(TABLES["quarantined_events"]).collect().is_empty()
    assert plan(home) == {}


def test_rows_that_were_written_and_not_recorded_are_named_and_computed_again(home: Path) -> None:
    land(home, 2, *rows_of(2)[:1])
    platform = open_home(home)
    settle_ingest(platform)
    with (
        patch.object(Ledger, "record", side_effect=OSError("the process ends here")),
        pytest.raises(OSError, match="the process ends here"),
    ):
        materialise(platform, TABLES["events_enriched"], DAYS, run_id="cut off", force=False)
    assert plan(home)["events_enriched", str(day(2))] == "a run was cut off after writing it"
    assert_settles_to_one_computation(open_home(home))


def test_a_file_that_changes_back_after_a_run_was_cut_off_is_not_taken_for_current(home: Path, current: Path) -> None:
    land(home, 2, *rows_of(2)[:1])
    platform = open_home(home)
    with (
        patch.object(Ledger, "record", side_effect=OSError("the process ends here")),
        pytest.raises(OSError, match="the process ends here"),
    ):
        materialise_ingest(platform, DAYS, run_id="cut off", force=False)
    land(home, 2)
    assert plan(home)["row_index", str(day(2))] == "a run was cut off after writing it"
    settle(platform, DAYS)
    assert differences(platform, open_home(current)) == []


def set_in(home: Path, old: str, new: str) -> None:
    path = home / "puffy.toml"
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new), "utf-8")
