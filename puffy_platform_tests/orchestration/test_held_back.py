"""A day that a check of error severity holds back: what stays, what goes on, what is said, and how it ends.

The check looks for a page in the events, so that a file can be bad and be mended.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import os
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import dagster as dg
import duckdb
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from puffy_platform.orchestration.run import open_instance
from puffy_platform.settings import Settings
from puffy_platform.table import Check, DayRange, Inputs, Table
from puffy_platform.tables import TABLES
from puffy_platform_tests.command import Finished, open_home, puffy
from puffy_platform_tests.ingest.delivery import as_csv, event, purchase

DAYS = DayRange(dt.date(2025, 3, 1), dt.date(2025, 3, 3))
# When they are held back, the first was never computed before, and the last was.
NEW, OLD = DAYS.first, DAYS.last
FAULT = "https://puffy.com/fault"
# They read events_enriched, directly or through others.
DOWNSTREAM = [name for name, table in TABLES.items() if table.transform and name != "events_enriched"]


def no_faults(frame: pl.DataFrame, inputs: Inputs, days: DayRange, settings: Settings) -> pl.DataFrame:
    faults = (pl.col("page_url") == FAULT).sum()
    return frame.group_by("day").agg(
        passed=faults == 0, observed=pl.format("{} faulty page", faults), expected=pl.lit("none")
    )


CHECKED: dict[str, Table] = {name: dataclasses.replace(table, checks=()) for name, table in TABLES.items()}
CHECKED["events_enriched"] = dataclasses.replace(
    TABLES["events_enriched"], checks=(Check("no_faults", "No page is faulty.", no_faults),)
)


@dataclass(frozen=True)
class Stage:
    """What a run said, what `puffy status` said of the held-back day after it, and what was there; which days the marts
    call stale, by mart, and what Dagster shows of the held-back day of events_enriched."""

    run: Finished
    status: Finished
    frames: dict[str, pl.DataFrame]
    materialised: dict[str, set[str]]
    stale: dict[str, set[dt.date]]
    observed: list[object]

    def rows(self, table: str, day: dt.date) -> pl.DataFrame:
        return self.frames[table].filter(pl.col("day") == day)

    def told(self, table: str) -> tuple[str, str]:
        """The table's colour and reasons."""
        found = next(row for row in self.status.json()["tables"] if row["table"] == table)
        return found["colour"], "; ".join(found["reasons"])


@dataclass(frozen=True)
class Story:
    """Three days of one customer. At first a file of one day is bad, then it is mended and one of another day becomes
    bad, then that is taken back."""

    home: Path
    at_first: Stage
    then: Stage
    at_last: Stage


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    home = tmp_path_factory.mktemp("held_back")
    (home / "landing").mkdir()
    (home / "puffy.toml").write_text(f"[partitions]\nstart_day = {DAYS.first}\n")
    for day in DAYS:
        data = {"transaction_id": f"ORD-{day}", "revenue": 100.0, "items": [], "user_email": "f" * 64}
        rows = [event(timestamp=f"{day}T09:00:00Z"), purchase(data, timestamp=f"{day}T09:10:00Z")]
        (home / "landing" / f"events_{day:%Y%m%d}.csv").write_bytes(as_csv(rows))

    def deliver(day: dt.date, *pages: str) -> None:
        rows = [event(timestamp=f"{day}T12:00:0{number}Z", page_url=page) for number, page in enumerate(pages)]
        (home / "landing" / f"events_{day:%Y%m%d}_extra.csv").write_bytes(as_csv(rows))

    with patch("puffy_platform.pipeline.platform.TABLES", CHECKED):
        deliver(NEW, "https://puffy.com/one", FAULT)
        at_first = run_and_look(home, NEW)
        deliver(NEW, "https://puffy.com/one")
        deliver(OLD, "https://puffy.com/two", FAULT)
        then = run_and_look(home, OLD)
        (home / "landing" / f"events_{OLD:%Y%m%d}_extra.csv").unlink()
        at_last = run_and_look(home, OLD)
    return Story(home, at_first, then, at_last)


def run_and_look(home: Path, day: dt.date) -> Stage:
    run = puffy(home, "run", "--from", str(DAYS.first), "--to", str(DAYS.last))
    status = puffy(home, "status", "--date", str(day), "--json")
    platform = open_home(home)
    frames = {name: platform.warehouse.read(table).collect() for name, table in TABLES.items()}
    with patch.dict(os.environ), open_instance(platform) as instance:
        materialised = {name: instance.get_materialized_partitions(dg.AssetKey(name)) for name in TABLES}
        asked = dg.AssetRecordsFilter(dg.AssetKey("events_enriched"), asset_partitions=[str(day)])
        found = instance.fetch_observations(asked, limit=1).records
    observed = [record.asset_observation.metadata["state"].value for record in found if record.asset_observation]
    with duckdb.connect(str(home / "marts.duckdb"), read_only=True) as marts:
        stale = {
            name: {day for (day,) in marts.execute(f"select distinct {column} from {name} where is_stale").fetchall()}
            for name, column in (("daily_kpis", "day"), ("orders", "day"), ("data_quality", "landing_day"))
        }
        named = marts.execute("select distinct day from monitoring where is_stale and \"table\" = 'events_enriched'")
        stale["monitoring of events_enriched"] = {day for (day,) in named.fetchall()}
    return Stage(run, status, frames, materialised, stale, observed)


def test_the_run_names_the_day_and_the_check_and_ends_with_code_1(story: Story) -> None:
    for stage, day in ((story.at_first, NEW), (story.then, OLD)):
        assert stage.run.code == 1
        assert "events_enriched: checks held 1 day back, the rows stay as they were:" in stage.run.message
        assert f"{day} no_faults: 1 faulty page (expected none)" in stage.run.message
        assert "When the cause is mended, the same command completes these." in stage.run.message


def test_a_held_back_day_is_not_computed_downstream_and_the_other_days_are(story: Story) -> None:
    stage = story.at_first
    assert stage.rows("raw_events", NEW).height == 4, "ingest has no quarrel with the file"
    for name in ("events_enriched", *DOWNSTREAM):
        assert stage.rows(name, NEW).is_empty(), name
        assert stage.materialised[name] == {str(day) for day in DAYS if day != NEW}, name
        # The customer's identity is of the day on which it was first seen; churn is learnt on Sundays.
        seen = set(DAYS) - ({NEW, OLD} if name in ("identities", "churn_training") else {NEW})
        # Nobody is in an experiment.
        seen = set() if name == "experiment_stats" else seen
        assert set(stage.frames[name]["day"]) == seen, name


def test_status_is_red_on_the_held_back_day_and_says_why(story: Story) -> None:
    stage = story.at_first
    assert (stage.status.code, stage.status.json()["colour"]) == (1, "RED")
    assert stage.told("raw_events") == ("GREEN", "")
    found = "no_faults: 1 faulty page (expected none); never computed for this day"
    assert stage.told("events_enriched") == ("RED", found)
    for name in DOWNSTREAM:
        found = f"never computed for this day; rests on what a check held back: events_enriched {NEW}"
        assert stage.told(name) == ("RED", found)


def test_when_the_file_is_mended_the_next_run_completes_the_day(story: Story) -> None:
    stage = story.then
    for name in ("events_enriched", *DOWNSTREAM):
        assert str(NEW) in stage.materialised[name], name
    assert stage.rows("events_enriched", NEW).height == 3
    assert stage.frames["conversions"]["is_counted"].sum() == len(DAYS)


def test_a_held_back_day_keeps_its_old_rows_in_every_table_downstream(story: Story) -> None:
    assert story.then.rows("raw_events", OLD).height == 4
    for name in ("events_enriched", "purchases", "sessions", "conversions", "client_days"):
        assert_frame_equal(story.then.rows(name, OLD), story.at_first.rows(name, OLD))


def test_status_says_that_old_rows_stand_and_what_rests_on_them(story: Story) -> None:
    stage = story.then
    assert stage.status.code == 1
    found = "no_faults: 1 faulty page (expected none); these are the old rows: a failed check held the new ones back"
    assert stage.told("events_enriched") == ("RED", found)
    for name in DOWNSTREAM:
        colour, reasons = stage.told(name)
        assert colour == "YELLOW"
        assert f"rests on what a check held back: events_enriched {OLD}" in reasons


def test_the_marts_and_dagster_say_that_old_rows_stand(story: Story) -> None:
    """A session of the day before may run on into the held-back day, so its day rests on it as well."""
    before = OLD - dt.timedelta(days=1)
    assert story.then.stale == {
        "daily_kpis": {before, OLD},
        "orders": {before, OLD},
        "data_quality": set(),
        "monitoring of events_enriched": {OLD},
    }
    assert story.then.observed == ["old rows: a check held the new ones back"]
    assert not any(story.at_last.stale.values())


def test_a_bad_file_that_is_taken_back_leaves_no_trace(story: Story) -> None:
    stage = story.at_last
    assert (stage.run.code, stage.status.code) == (0, 0)
    assert stage.status.json()["colour"] == "GREEN"
    assert stage.rows("events_enriched", OLD).height == 2
    with patch("puffy_platform.pipeline.platform.TABLES", CHECKED):
        assert puffy(story.home, "plan", "--json").json() == []


def test_after_all_that_the_warehouse_is_what_one_pass_over_the_files_gives(story: Story) -> None:
    verified = puffy(story.home, "verify", "--json")
    assert (verified.code, verified.json()) == (0, [])
