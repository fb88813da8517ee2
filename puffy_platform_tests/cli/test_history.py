"""The past on the command line: a person corrects a file, sees what it did, goes back, and comes forward again."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from puffy_platform.warehouse.history import Moment
from puffy_platform_tests.command import puffy
from puffy_platform_tests.pipeline.corrected_shop import BUYER, CORRECTED, compute, deliver, open_shop, order

TOTAL = "select sum(revenue_cents) as cents from purchases"


@pytest.fixture(scope="module")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Moment]:
    """Three orders of 100.00; afterwards the one of 2 March is of 90.00."""
    platform = open_shop(tmp_path_factory.mktemp("shop"))
    moment = compute(platform, "first-run")
    deliver(platform, CORRECTED, order(CORRECTED, 90.0))
    compute(platform, "second-run")
    return platform.settings.home, moment


@pytest.fixture
def before(made_once: tuple[Path, Moment]) -> str:
    return str(made_once[1].version)


@pytest.fixture
def home(made_once: tuple[Path, Moment], tmp_path: Path) -> Path:
    return Path(shutil.copytree(made_once[0], tmp_path / "home"))


def total(home: Path, *options: str) -> int:
    cents: int = puffy(home, "sql", TOTAL, "--json", *options).json()[0]["cents"]
    return cents


def test_sql_reads_the_tables_as_of_a_version_or_a_time(home: Path, made_once: tuple[Path, Moment]) -> None:
    moment = made_once[1]
    assert total(home) == 29000
    assert total(home, "--as-of", str(moment.version)) == 30000
    assert total(home, "--as-of", moment.at.isoformat()) == 30000
    early = puffy(home, "sql", TOTAL, "--as-of", "2025-03-04T08:00")
    assert early.code == 2
    assert early.message.startswith(
        "puffy: there is nothing as of 2025-03-04 08:00 UTC: the first version was recorded"
    )
    assert puffy(home, "sql", TOTAL, "--as-of", "9999").message.startswith("puffy: there is nothing as of version 9999")
    assert puffy(home, "sql", TOTAL, "--as-of", "2999-01-01").message == "puffy: 2999-01-01 lies in the future"
    assert "neither a time like" in puffy(home, "sql", TOTAL, "--as-of", "yesterday").message


def test_history_lists_the_versions_that_can_be_read(home: Path) -> None:
    found = puffy(home, "history", "purchases", "--json").json()
    assert [(moment["run_id"], moment["tables"]) for moment in found] == [
        ("first-run", ["purchases"]),
        ("second-run", ["purchases"]),
    ]
    assert total(home, "--as-of", str(found[0]["version"])) == 30000
    lines = puffy(home, "history").out.splitlines()
    assert re.match(r"1\.\.10 .* first-ru +2025-03-01\.\.2025-03-03 +10 tables", lines[2])
    assert re.match(r"11\.\.\d+ .* second-r +2025-03-02\.\.2025-03-03 +\d tables", lines[3])
    assert "and 1 earlier lines" in puffy(home, "history", "--limit", "1").out
    assert puffy(home, "history", "purchase").message.startswith("puffy: there is no table purchase, did you mean")


def test_diff_says_minus_ten_dollars_and_names_the_file_and_the_run(home: Path, before: str) -> None:
    printed = puffy(home, "diff", "purchases", "--from", before).out
    assert "Difference in money: -10.00" in printed
    assert "2025-03-02: file events_20250302.csv changed (run second-r)" in printed
    assert BUYER not in printed
    found = puffy(home, "diff", "purchases", "--from", before, "--json").json()
    assert found["money_cents"] == -1000
    assert found["days"][0]["runs"] == ["second-run"]
    assert puffy(home, "diff", "purchases", "--from", before, "--to", before).out.endswith("No difference.\n")
    newest = str(puffy(home, "history", "--json").json()[-1]["version"])
    late = puffy(home, "diff", "purchases", "--from", newest, "--to", before)
    assert (late.code, "give the earlier one first" in late.message) == (2, True)


def test_a_rollback_is_seen_everywhere_and_can_be_undone(home: Path, before: str) -> None:
    back = puffy(home, "rollback", "purchases", "--date", "2025-03-02", "--to-time", before)
    assert back.code == 0
    assert "puffy rollback purchases --undo" in back.out
    assert total(home) == 30000
    assert "rolled back: purchases 2025-03-02 holds its rows of" in puffy(home, "plan").out
    held = [row for row in puffy(home, "plan", "--json").json() if "rolled_back_to" in row]
    assert [(row["table"], row["from"], row["to"]) for row in held] == [("purchases", "2025-03-02", "2025-03-02")]
    status = {
        table["table"]: table for table in puffy(home, "status", "--date", "2025-03-02", "--json").json()["tables"]
    }
    assert status["purchases"]["colour"] == "YELLOW"
    assert status["purchases"]["reasons"][0].startswith("rolled back")
    verified = puffy(home, "verify", "--from", "2025-03-02", "--to", "2025-03-02")
    assert verified.code == 1
    assert "rolled back: purchases 2025-03-02 holds its rows of" in verified.out
    undone = puffy(home, "rollback", "purchases", "--undo", "--json").json()
    assert [(each["day"], each["money_cents_before"], each["money_cents"]) for each in undone] == [
        ("2025-03-02", 10000, 9000)
    ]
    assert total(home) == 29000
    assert "rolled back" not in puffy(home, "plan").out


def test_an_undone_or_needless_rollback_changes_nothing_and_says_so(home: Path, before: str) -> None:
    assert (
        "No day of purchases is rolled back. Nothing was changed." in puffy(home, "rollback", "purchases", "--undo").out
    )
    first = ("rollback", "purchases", "--date", "2025-03-01", "--to-time", before)
    assert "purchases holds those rows already. Nothing was changed." in puffy(home, *first).out
    assert json.loads(puffy(home, *first, "--json").out) == []
    for words in (("--undo", "--to-time", before), ()):
        assert puffy(home, "rollback", "purchases", *words).message == (
            "puffy: give either --to-time, the time to go back to, or --undo"
        )
    both = ("rollback", "purchases", "--to-time", before, "--date", "2025-03-01", "--from", "2025-03-01")
    assert puffy(home, *both).message == "puffy: give either --date or --from and --to"
