"""Commands that look and change nothing: status, plan, sql, settings show, quarantine list and show."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import polars as pl
import pytest

from puffy_platform.settings import load_settings
from puffy_platform.tables import TABLES
from puffy_platform_tests.command import Demo, open_home, puffy


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


# status


def test_status_has_a_line_for_every_table_and_says_why_one_is_not_green(demo: Demo) -> None:
    finished = puffy(demo.home, "status")
    assert finished.code == 0
    assert finished.out.startswith(f"{demo.days.last}  YELLOW")
    for name in TABLES:
        assert name in finished.out
    assert "client_id renamed to" in finished.out
    assert "\x1b" not in finished.out, "no colour codes where there is no terminal"


def test_status_for_scripts_names_colours_rows_and_reasons(demo: Demo) -> None:
    found = puffy(demo.home, "status", "--json").json()
    assert (found["day"], found["colour"]) == (str(demo.days.last), "YELLOW")
    tables = {row["table"]: row for row in found["tables"]}
    assert set(tables) == set(TABLES)
    for name, row in tables.items():
        assert row["colour"] in ("GREEN", "YELLOW", "RED")
        assert (row["colour"] == "GREEN") == (row["reasons"] == []), name
    stored = open_home(demo.home).warehouse.read(TABLES["sessions"], None).collect()
    assert tables["sessions"]["rows"] == stored.filter(pl.col("day") == demo.days.last).height


def test_status_of_a_day_that_was_never_computed_is_red(demo: Demo, shop: Path) -> None:
    name = next(path.name for path in (shop / "landing").glob(f"events_{demo.days.last:%Y%m%d}*"))
    (shop / "warehouse").rename(shop / "elsewhere")
    assert (shop / "landing" / name).exists()
    finished = puffy(shop, "status")
    assert finished.code == 1
    assert finished.out.startswith(f"{demo.days.last}  RED")
    assert "never computed for this day" in " ".join(finished.out.split())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--date", "2025-02-30"), "'2025-02-30' is not a day of the calendar; write it like 2025-03-01."),
        (("--date", "yesterday"), "'yesterday' is not a day of the calendar; write it like 2025-03-01."),
        (("--date", "2020-01-01"), "2020-01-01 is before the first day of the tables,"),
        (("--date", "2999-01-01"), "2999-01-01 is not over yet: the last complete day is"),
    ],
)
def test_status_of_an_impossible_day_is_one_message(demo: Demo, words: tuple[str, ...], message: str) -> None:
    finished = puffy(demo.home, "status", *words)
    assert (finished.code, finished.out) == (2, "")
    assert message in finished.message


@pytest.mark.parametrize("command", ["status", "plan", "verify"])
def test_before_anything_has_landed_the_folder_is_named(tmp_path: Path, command: str) -> None:
    finished = puffy(tmp_path, command)
    assert (finished.code, finished.out) == (2, "")
    assert str(tmp_path / "landing") in finished.err.replace("\n", "")


# plan


def test_after_a_run_there_is_nothing_to_do(demo: Demo) -> None:
    assert puffy(demo.home, "plan").out == "Everything is current: nothing would be computed.\n"
    assert puffy(demo.home, "plan", "--json").json() == []


def test_a_changed_file_is_planned_with_its_reason_and_all_that_reads_it(demo: Demo, shop: Path) -> None:
    (shop / "landing" / f"events_{demo.days.last:%Y%m%d}_more.csv").write_text("client_id\n")
    before = contents(shop / "warehouse")
    found = puffy(shop, "plan", "--json").json()
    assert found[0] == {
        "table": "row_index",
        "from": str(demo.days.last),
        "to": str(demo.days.last),
        "why": "its landing files changed",
    }
    assert {row["table"] for row in found} == set(TABLES)
    assert contents(shop / "warehouse") == before, "a plan computes nothing"


# sql


def test_sql_answers_in_a_table_and_for_scripts_in_json(demo: Demo) -> None:
    columns = "day, count(*) as n, sum(events) as events, 1.5 as x"
    query = f"select {columns} from sessions where day = '{demo.days.last}' group by 1"
    stored = open_home(demo.home).warehouse.read(TABLES["sessions"]).collect().filter(pl.col("day") == demo.days.last)
    assert puffy(demo.home, "sql", query, "--json").json() == [
        {"day": str(demo.days.last), "n": stored.height, "events": stored["events"].sum(), "x": "1.5"}
    ]
    shown = puffy(demo.home, "sql", query).out
    assert "events" in shown
    assert str(stored["events"].sum()) in shown


def test_json_of_sql_is_json_whatever_is_asked_for(demo: Demo) -> None:
    query = (
        "select 0 / 0 as nothing, 'NaN'::double as nan, null as missing, timestamp '2025-03-01 10:00:00' as t, [1] as l"
    )
    assert puffy(demo.home, "sql", query, "--json").json() == [
        {"nothing": None, "nan": None, "missing": None, "t": "2025-03-01 10:00:00", "l": [1]}
    ]


def test_the_check_results_can_be_asked_too(demo: Demo) -> None:
    query = 'select count(distinct "table") as n from check_results'
    assert puffy(demo.home, "sql", query, "--json").json() == [{"n": len(TABLES)}]


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("select nope from sessions", 'Referenced column "nope" not found'),
        ("selec 1", "syntax error"),
        ("select * from session", "there is no table session, did you mean sessions? There are: row_index, raw_events"),
        ("select * from zzz", "there is no table zzz. There are: row_index"),
        ("", "sql only reads: give one statement"),
        ("select 1; select 2", "sql only reads: give one statement"),
    ],
)
def test_a_query_that_cannot_be_answered_is_one_message(demo: Demo, query: str, message: str) -> None:
    finished = puffy(demo.home, "sql", query)
    assert (finished.code, finished.out) == (2, "")
    assert message in finished.message


@pytest.mark.parametrize(
    "query",
    [
        "insert into sessions select * from sessions",
        "delete from sessions",
        "update sessions set events = 0",
        "drop view sessions",
        "create table mine as select * from sessions",
        "copy (select 1) to '{file}'",
        "copy (pivot sessions on channel) to '{file}'",
        "explain analyze copy (select 1) to '{file}'",
        "export database '{file}'",
        "attach '{file}' as other",
        "attach '{home}/marts.duckdb' as marts",
        "select 1; copy (select 1) to '{file}'",
        "pragma enable_profiling",
        "install httpfs",
    ],
)
def test_sql_can_write_nothing_anywhere(demo: Demo, tmp_path: Path, query: str) -> None:
    before = contents(demo.home)
    file = next((demo.home / "warehouse" / "sessions").rglob("*.parquet")) if "copy" in query else tmp_path / "new"
    finished = puffy(demo.home, "sql", query.format(file=file, home=demo.home))
    assert (finished.code, finished.out) == (2, "")
    assert "sql only reads" in finished.message
    assert contents(demo.home) == before
    assert not list(tmp_path.iterdir())


def test_own_files_can_be_read_beside_the_tables(demo: Demo, tmp_path: Path) -> None:
    (tmp_path / "costs.csv").write_text("channel,cost\nDirect,5\n")
    query = f"select count(*) > 0 as found from sessions join read_csv('{tmp_path}/costs.csv') using (channel)"
    before = contents(demo.home)
    assert puffy(demo.home, "sql", query, "--json").json() == [{"found": True}]
    assert contents(demo.home) == before


# settings


def test_settings_show_is_a_file_that_can_be_used_as_it_is(tmp_path: Path) -> None:
    shown = puffy(tmp_path, "settings", "show").out
    values = load_settings(tmp_path, environment={}).model_dump(mode="json", exclude={"home"})
    values["partitions"].pop("start_day")
    assert {"partitions": {}, **tomllib.loads(shown)} == values
    (tmp_path / "again.toml").write_text(shown)
    assert puffy(tmp_path, "settings", "show", "--settings", str(tmp_path / "again.toml")).out == shown


def test_settings_show_what_is_in_force(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text("[attribution]\nwindows_days = [14]\n")
    words = ("settings", "show", "--json", "--settings", str(tmp_path / "mine.toml"))
    found = puffy(tmp_path, *words, variables={"PUFFY_SESSIONS__TIMEOUT_MINUTES": "45"}).json()
    assert found["attribution"]["windows_days"] == [14]
    assert found["sessions"]["timeout_minutes"] == 45
    assert found["home"] == str(tmp_path)


# quarantine


def test_the_quarantine_is_counted_by_day_file_and_rule(demo: Demo) -> None:
    rows = open_home(demo.home).warehouse.read(TABLES["quarantined_events"]).collect()
    listed = puffy(demo.home, "quarantine", "list", "--json").json()
    assert sum(row["rows"] for row in listed) == rows.height
    assert {"day", "source_file", "rule", "rows"} == set(listed[0])
    assert "missing_column:timestamp" in puffy(demo.home, "quarantine", "list").out


def test_a_quarantined_row_is_shown_with_its_place_and_without_its_text(demo: Demo) -> None:
    rows = open_home(demo.home).warehouse.read(TABLES["quarantined_events"]).collect()
    broken = rows.filter(rule="broken_json").sort("day")
    words = ("quarantine", "show", "--rule", "broken_json")
    shown = puffy(demo.home, *words, "--json").json()
    assert [row["source_line"] for row in shown] == broken["source_line"].to_list()
    assert "raw" not in shown[0]
    with_text = puffy(demo.home, *words, "--raw", "--json").json()
    assert [row["raw"] for row in with_text] == broken["raw"].to_list()
    for raw in broken["raw"]:
        # The client's id begins the record, or follows the name of its column.
        client = raw.split(",")[0] if not raw.startswith("{") else json.dumps(raw).split('\\"')[3]
        assert len(client) > 5
        assert client not in json.dumps(shown)
        assert client not in puffy(demo.home, *words).out
        assert raw in puffy(demo.home, *words, "--raw").out


def test_quarantined_rows_can_be_chosen_by_rule_day_and_number(demo: Demo) -> None:
    listed = puffy(demo.home, "quarantine", "list", "--json").json()
    day = listed[-1]["day"]
    shown = puffy(demo.home, "quarantine", "show", "--date", day, "--json").json()
    assert len(shown) == sum(row["rows"] for row in listed if row["day"] == day)
    assert len(puffy(demo.home, "quarantine", "show", "--limit", "3", "--json").json()) == 3
    assert puffy(demo.home, "quarantine", "show", "--rule", "nonsense").out == "No such rows are quarantined.\n"


def test_an_empty_quarantine_is_said_to_be_empty(tmp_path: Path) -> None:
    assert puffy(tmp_path, "quarantine", "list").out == "Nothing is quarantined.\n"
    assert puffy(tmp_path, "quarantine", "replay").out == "Nothing is quarantined: there is nothing to replay.\n"
    assert puffy(tmp_path, "quarantine", "list", "--json").json() == []


def test_help_names_every_command_and_a_wrong_one_is_refused(tmp_path: Path) -> None:
    finished = puffy(tmp_path, "--help")
    assert finished.code == 0
    for name in ("demo", "run", "plan", "verify", "ui", "status", "sql", "quarantine", "settings"):
        assert f" {name} " in finished.out
    assert "No such command 'frob'" in puffy(tmp_path, "frob").message
