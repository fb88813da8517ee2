"""marts.duckdb: what analysts find in it, and that readers and publishing never wait for one another."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import duckdb

from puffy_platform.marts import ALL_TABLES, MARTS
from puffy_platform.orchestration.build import build_definitions
from puffy_platform.orchestration.names import MARTS_JOB
from puffy_platform.orchestration.run import open_instance
from puffy_platform.table import DayRange
from puffy_platform_tests.command import Demo, open_home, puffy

# Holds the file open as a notebook does: counts the days, waits for a line, counts again in the same connection.
READER = """
import duckdb, sys
with duckdb.connect(sys.argv[1], read_only=True) as connection:
    for line in sys.stdin:
        print(connection.execute("select count(*) from daily_kpis").fetchone()[0], flush=True)
"""
# DuckDB makes a waiting writer wait for as long as the reader stays; publishing takes a second.
PUBLISHING_SECONDS = 30


def publish(home: Path) -> bool:
    """Publish as a run does; says whether the run succeeded."""
    platform = open_home(home)
    with patch.dict(os.environ), open_instance(platform) as instance:
        job = build_definitions(platform).resolve_job_def(MARTS_JOB)
        return job.execute_in_process(instance=instance, raise_on_error=False).success


def query(home: Path, text: str) -> list[tuple[object, ...]]:
    with duckdb.connect(str(home / "marts.duckdb"), read_only=True) as connection:
        return connection.execute(text).fetchall()


@contextmanager
def reader(home: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", READER, str(home / "marts.duckdb")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            assert process.stdin is not None
            process.stdin.close()
            assert process.wait(30) == 0


def days_seen(process: subprocess.Popen[str]) -> int:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("\n")
    process.stdin.flush()
    return int(process.stdout.readline())


def take_a_day_away(home: Path) -> None:
    """The last day's sessions and conversions leave the warehouse, so that a new publication differs."""
    platform = open_home(home)
    last = max(platform.warehouse.read(platform.tables["sessions"]).collect()["day"])
    for name in ("sessions", "conversions"):
        table = platform.tables[name]
        platform.warehouse.replace(table, DayRange(last, last), table.empty(), {})


def test_every_mart_is_there_and_says_what_the_warehouse_says(demo: Demo) -> None:
    tables = {name for (name,) in query(demo.home, "select table_name from duckdb_tables()")}
    assert tables == {mart.name for mart in MARTS}
    warehouse = "select sum(revenue_cents) cents, count(*) orders from conversions where is_counted"
    counted = puffy(demo.home, "sql", warehouse, "--json").json()[0]
    ((orders, revenue),) = query(demo.home, "select sum(orders), sum(revenue) from daily_kpis")
    assert (orders, revenue * 100) == (counted["orders"], counted["cents"])


def test_money_in_a_mart_is_an_exact_decimal_and_a_day_is_a_date(demo: Demo) -> None:
    types = dict(query(demo.home, "select column_name, column_type from (describe daily_kpis)"))
    assert (types["revenue"], types["day"], types["is_final"]) == ("DECIMAL(18,2)", "DATE", "BOOLEAN")


def test_the_monitoring_page_has_the_colours_and_reasons_that_status_has(demo: Demo) -> None:
    day = demo.days.last
    status = {each["table"]: each for each in puffy(demo.home, "status", "--date", str(day), "--json").json()["tables"]}
    of_day = f"from monitoring where day = '{day}'"
    columns = '"table", colour, not_passed, why'
    found = query(demo.home, f"select {columns} {of_day} and \"table\" <> '{ALL_TABLES}'")
    assert {name for name, *_ in found} == set(status)
    for name, colour, not_passed, why in found:
        assert colour == status[str(name)]["colour"], name
        assert str(why or "").count("(expected") == not_passed == len(status[str(name)]["reasons"])
    assert {colour for _, colour, *_ in found} == {"GREEN", "YELLOW"}
    ((overall, not_passed, why),) = query(
        demo.home, f"select colour, not_passed, why {of_day} and \"table\" = '{ALL_TABLES}'"
    )
    assert (overall, not_passed) == ("YELLOW", sum(int(str(count)) for _, _, count, _ in found))
    assert set(str(why).split(", ")) == {f"{name} {colour}" for name, colour, *_ in found if colour != "GREEN"}


def test_the_monitoring_page_has_the_anomalies_of_a_day(demo: Demo) -> None:
    leads = "select day, incident, explanation from anomalies where is_lead"
    known = {(row["day"], row["explanation"]) for row in puffy(demo.home, "sql", leads, "--json").json()}
    assert known
    found = query(demo.home, f"select day, incidents from monitoring where \"table\" = '{ALL_TABLES}'")
    told = {str(day): str(words) for day, words in found}
    assert all(explanation in told[str(day)[:10]] for day, explanation in known)
    assert {day for day, words in told.items() if words} == {str(day)[:10] for day, _ in known}


def test_nothing_but_the_published_file_is_left(demo: Demo) -> None:
    assert [path.name for path in demo.home.glob("*marts.duckdb*")] == ["marts.duckdb"]


def test_a_reader_neither_waits_for_publishing_nor_makes_it_wait(shop: Path) -> None:
    with reader(shop) as process:
        before = days_seen(process)
        take_a_day_away(shop)
        began = time.monotonic()
        assert publish(shop)
        assert time.monotonic() - began < PUBLISHING_SECONDS
        assert days_seen(process) == before, "who has the file open goes on reading what was there"
    assert query(shop, "select count(*) from daily_kpis") == [(before - 1,)]


def test_after_a_failed_publication_the_old_file_is_still_there_and_the_next_one_clears_up(shop: Path) -> None:
    before = (shop / "marts.duckdb").read_bytes()

    def fails(*inputs: object) -> None:
        raise RuntimeError("no cohorts today")

    broken = [dataclasses.replace(mart, build=fails) if mart.name == "cohorts" else mart for mart in MARTS]
    with patch("puffy_platform.orchestration.marts.MARTS", broken):
        assert not publish(shop)
    assert (shop / "marts.duckdb").read_bytes() == before
    assert publish(shop)
    assert [path.name for path in shop.glob("*marts.duckdb*")] == ["marts.duckdb"]


def test_the_marts_cannot_be_published_one_by_one(shop: Path) -> None:
    before = (shop / "marts.duckdb").read_bytes()
    platform = open_home(shop)
    with patch.dict(os.environ), open_instance(platform) as instance:
        job = build_definitions(platform).resolve_job_def(MARTS_JOB)
        result = job.execute_in_process(instance=instance, raise_on_error=False, op_selection=["published_marts"])
    assert not result.success
    assert (shop / "marts.duckdb").read_bytes() == before
