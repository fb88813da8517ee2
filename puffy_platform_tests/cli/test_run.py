"""`puffy run`, `quarantine replay` and `verify`: commands that compute."""

from __future__ import annotations

import dataclasses
import datetime as dt
from pathlib import Path
from unittest.mock import patch

import polars as pl
import pytest

from puffy_platform.demo import write_landing
from puffy_platform.orchestration.names import last_partition
from puffy_platform.table import DayRange
from puffy_platform.tables import TABLES
from puffy_platform_tests.command import Demo, Finished, open_home, puffy
from puffy_platform_tests.ingest.delivery import as_csv, event, purchase

DAYS = DayRange(dt.date(2025, 3, 1), dt.date(2025, 3, 2))
RANGE = ("--from", str(DAYS.first), "--to", str(DAYS.last))


@dataclasses.dataclass(frozen=True)
class Shop:
    """A home without files, a landing folder and a settings file elsewhere, and what a run over them printed."""

    home: Path
    options: tuple[str, ...]
    finished: Finished


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    folder = tmp_path_factory.mktemp("run")
    landing, settings = folder / "mail", folder / "mine.toml"
    landing.mkdir()
    settings.write_text(f"[attribution]\nwindows_days = [14]\n[partitions]\nstart_day = {DAYS.first}\n")
    for day in DAYS:
        data = {"transaction_id": f"ORD-{day}", "revenue": 100.25, "items": [], "user_email": "f" * 64}
        rows = [
            event(timestamp=f"{day}T09:00:00Z"),
            purchase(data, timestamp=f"{day}T09:10:00Z"),
            event(event_name="?"),
        ]
        (landing / f"events_{day:%Y%m%d}.csv").write_bytes(as_csv(rows))
    options = ("--landing", str(landing), "--settings", str(settings))
    return Shop(folder / "home", options, puffy(folder / "home", "run", *RANGE, *options, "--json"))


def test_a_run_reads_the_landing_folder_and_the_settings_it_is_given(ran: Shop) -> None:
    assert ran.finished.code == 0, ran.finished.err
    windows = puffy(ran.home, "sql", "select distinct window_days from attribution", "--json", *ran.options[2:])
    assert windows.json() == [{"window_days": 14}]
    assert not (ran.home / "landing").exists()
    assert puffy(ran.home, "plan", *RANGE, *ran.options, "--json").json() == []


def test_a_run_starts_no_other_process_that_could_outlive_it(tmp_path: Path) -> None:
    (tmp_path / "landing").mkdir()
    (tmp_path / "landing" / "events_20250301.csv").write_bytes(as_csv([event(timestamp="2025-03-01T09:00:00Z")]))
    with patch("subprocess.Popen", side_effect=AssertionError("a process was started")) as started:
        assert puffy(tmp_path, "run", *RANGE).code == 0
    started.assert_not_called()


def test_json_of_a_run_holds_what_a_script_asks_for(ran: Shop) -> None:
    found = ran.finished.json()
    assert found["days"] == {"from": str(DAYS.first), "to": str(DAYS.last)}
    counts = {name: found[name] for name in ("files", "rows", "accepted", "duplicates", "quarantined", "orders")}
    assert counts == {"files": 2, "rows": 6, "accepted": 4, "duplicates": 0, "quarantined": 2, "orders": 2}
    assert found["quarantined_by_rule"] == {"unknown_event": 2}
    assert found["revenue_cents"] == 20050
    assert found["reconciles"] is True
    assert found["held_back"] == []
    assert found["seconds"] > 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "Missing option '--from'."),
        (("--from", "2025-03-01"), "Missing option '--to'."),
        (("--from", "2025-02-30", "--to", "2025-03-01"), "'2025-02-30' is not a day of the calendar"),
        (("--from", "1 March", "--to", "2025-03-01"), "'1 March' is not a day of the calendar"),
        (("--from", "2025-03-02", "--to", "2025-03-01"), "--from 2025-03-02 is after --to 2025-03-01"),
        (("--from", "2025-01-01", "--to", "2025-03-01"), "--from 2025-01-01 is before the first day of the tables"),
        (("--from", "2025-03-01", "--to", "2999-01-01"), f"the last complete day is {last_partition()} (UTC)"),
        ((*RANGE, "--landing", "nowhere"), "landing folder nowhere does not exist"),
        ((*RANGE, "--settings", "nowhere.toml"), "settings file nowhere.toml does not exist"),
    ],
)
def test_a_range_that_cannot_be_run_is_one_message_and_no_work(
    tmp_path: Path, words: tuple[str, ...], message: str
) -> None:
    (tmp_path / "landing").mkdir()
    (tmp_path / "landing" / "events_20250301.csv").write_text("client_id\n")
    finished = puffy(tmp_path, "run", *words)
    assert (finished.code, finished.out) == (2, "")
    assert message in finished.message
    assert not (tmp_path / "warehouse").exists()


def test_a_run_without_any_file_names_the_folder_it_looked_into(tmp_path: Path) -> None:
    finished = puffy(tmp_path, "run", *RANGE)
    assert finished.code == 2
    assert f"no landing files in {tmp_path}/landing" in finished.err.replace("\n", "")


def test_a_step_that_crashes_ends_the_run_with_code_1_and_its_own_words(tmp_path: Path) -> None:
    (tmp_path / "landing").mkdir()
    (tmp_path / "landing" / "events_20250301.csv").write_bytes(as_csv([event()]))

    def crashes(*inputs: object) -> pl.LazyFrame:
        raise ZeroDivisionError("the moon is full")

    broken = {**TABLES, "events_enriched": dataclasses.replace(TABLES["events_enriched"], transform=crashes)}
    with patch("puffy_platform.pipeline.platform.TABLES", broken):
        finished = puffy(tmp_path, "run", "--from", "2025-03-01", "--to", "2025-03-01")
    assert finished.code == 1
    assert "events_enriched: " in finished.message
    assert "the moon is full" in finished.message
    assert "Traceback" not in finished.err


# quarantine replay


def versions(home: Path) -> dict[str, int | None]:
    return {name: open_home(home).warehouse.version(name) for name in TABLES}


def test_a_new_alias_and_a_replay_turn_quarantined_rows_into_accepted_ones(
    demo: Demo, shop: Path, tmp_path: Path
) -> None:
    truth = write_landing(tmp_path / "again", demo.days.first, demo.number_of_days, 7, demo.events_per_day)
    waiting = truth.quarantined["missing_column:timestamp"]
    with (shop / "puffy.toml").open("a") as settings:
        settings.write('[ingest.aliases]\ntimestamp = ["occurred"]\n')

    replayed = puffy(shop, "quarantine", "replay", "--json")
    assert replayed.code == 0
    found = replayed.json()
    assert found["before"] == truth.quarantined
    assert "missing_column:timestamp" not in found["after"]
    # Some rows of that file have other defects as well.
    assert found["recovered"] == sum(found["before"].values()) - sum(found["after"].values())
    assert 0 < found["recovered"] <= waiting

    query = (
        "select (select count(*) from purchases) purchases, "
        "(select sum(revenue_cents) from purchases) purchases_cents, "
        "(select count(*) from conversions where is_counted) orders, "
        "(select sum(revenue_cents) from conversions where is_counted) revenue_cents, "
        "(select count(*) from sessions where not is_bot) sessions_of_people"
    )
    tables = puffy(shop, "sql", query, "--json").json()[0]
    assert tables == {name: getattr(truth.shop_after_alias, name) for name in tables}

    before = versions(shop)
    again = puffy(shop, "quarantine", "replay")
    assert again.code == 0
    assert "0 rows recovered" in again.out
    assert versions(shop) == before, "a second replay changes nothing"


# verify


def test_verify_finds_the_demo_identical(demo: Demo) -> None:
    finished = puffy(demo.home, "verify")
    assert finished.code == 0
    assert " ".join(finished.out.split()) == (
        f"identical: {len(TABLES)} tables, {demo.days}, row by row as computed from the raw files."
    )


def test_verify_shows_a_row_and_the_money_that_were_tampered_with(demo: Demo, shop: Path) -> None:
    platform, table = open_home(shop), TABLES["conversions"]
    rows = platform.warehouse.read(table).collect()
    day = max(rows["day"])
    one = rows["event_id"] == rows.filter(pl.col("day") == day)["event_id"][0]
    forged = rows.with_columns(revenue_cents=pl.col("revenue_cents") + pl.when(one).then(12_345).otherwise(0))
    platform.warehouse.replace(table, DayRange(day, day), forged.filter(pl.col("day") == day), {})

    finished = puffy(shop, "verify", "--json")
    assert finished.code == 1
    (found,) = finished.json()
    assert (found["table"], found["day"], found["money_cents"]) == ("conversions", str(day), 12_345)
    assert (found["only_stored"], found["only_recomputed"]) == (1, 1)
