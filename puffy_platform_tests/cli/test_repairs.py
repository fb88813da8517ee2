"""puffy repairs and puffy quarantine replay, as a data engineer types them on the morning after."""

from __future__ import annotations

import os
from pathlib import Path
from unittest.mock import patch

import dagster as dg
import polars as pl

from puffy_platform.orchestration.run import open_instance
from puffy_platform_tests.command import Demo, open_home, puffy

REPAIR = """
[[repair]]
name = "crm-renamed-timestamp"
from = {day}
files = "events_*_crm.csv"
rules = "missing_column:timestamp"
set.timestamp = "occurred"
reason = "The CRM called the column occurred on this day."
author = "ana"

[[repair.example]]
given = {{ clientId = "c", page_url = "https://puffy.com/", event_name = "page_viewed", occurred = "{day}T10:00:00Z" }}
then = {{ event_ts = {day}T10:00:00Z, client_id = "c" }}
"""
NAME = "crm-renamed-timestamp"


def number_of_runs(home: Path) -> int:
    with patch.dict(os.environ), open_instance(open_home(home)) as instance:
        return instance.get_runs_count(dg.RunsFilter())


def rows(home: Path, name: str) -> pl.DataFrame:
    platform = open_home(home)
    return platform.warehouse.read(platform.tables[name]).collect()


def write_repair(home: Path) -> int:
    """For the file of the demo whose timestamp column has another name; returns how many rows wait in it."""
    waiting = rows(home, "quarantined_events").filter(rule="missing_column:timestamp")
    (home / "repairs.toml").write_text(REPAIR.format(day=waiting["day"].unique().item()), "utf-8")
    return waiting.height


def test_a_repair_is_tried_planned_applied_once_and_counted(demo: Demo, shop: Path) -> None:
    waiting = write_repair(shop)
    events = rows(shop, "raw_events").height + rows(shop, "duplicate_events").height
    assert puffy(shop, "repairs", "test", "--json").json() == [
        {"name": NAME, "examples": 1, "files": 1, "rows": waiting, "valid": waiting}
    ]
    assert any(NAME in step["why"] for step in puffy(shop, "plan", "--json").json())

    replayed = puffy(shop, "quarantine", "replay", "--json").json()
    assert (replayed["recovered"], replayed["repaired"]) == (waiting, {NAME: waiting})
    assert "missing_column:timestamp" not in replayed["after"]
    (listed,) = puffy(shop, "repairs", "list", "--json").json()
    assert (listed["name"], listed["accepted"] + listed["duplicates"], listed["quarantined"]) == (NAME, waiting, 0)
    assert rows(shop, "raw_events").height + rows(shop, "duplicate_events").height == events + waiting
    named = rows(shop, "events_enriched").filter(repair=NAME)
    assert named.height == listed["accepted"]
    assert named["source_file"].str.ends_with("_crm.csv").all()

    runs = number_of_runs(shop)
    again = puffy(shop, "quarantine", "replay", "--json").json()
    assert (again["recovered"], again["before"]) == (0, again["after"])
    assert number_of_runs(shop) == runs, "there was nothing to run"
    assert puffy(shop, "plan", "--json").json() == []


def test_what_repairs_are_and_did_is_told_in_words(shop: Path) -> None:
    assert "No repairs" in puffy(shop, "repairs", "list").out
    assert "No repairs" in puffy(shop, "repairs", "test").out
    waiting = write_repair(shop)
    tried = puffy(shop, "repairs", "test", NAME).out
    assert NAME in tried
    assert str(waiting) in tried
    assert "Nothing was written" in tried
    assert "The CRM called the column occurred on this day. (ana)" in " ".join(
        puffy(shop, "repairs", "list").out.split()
    )


def test_an_unknown_repair_and_a_mistake_in_the_file_are_told_with_what_to_do(shop: Path) -> None:
    write_repair(shop)
    unknown = puffy(shop, "repairs", "test", "crm")
    assert (unknown.code, NAME in unknown.message) == (2, True)
    file = shop / "repairs.toml"
    file.write_text(file.read_text("utf-8").replace("author", "auhtor"), "utf-8")
    for words in (("repairs", "list"), ("repairs", "test"), ("plan",), ("status",), ("quarantine", "replay")):
        refused = puffy(shop, *words)
        assert refused.code == 2, words
        assert (
            f"repairs.toml, line 2, repair 1 ({NAME}): unknown key 'auhtor'; did you mean 'author'" in refused.message
        )
