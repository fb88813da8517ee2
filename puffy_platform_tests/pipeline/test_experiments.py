"""Experiments over stored tables: read on any day, from another file, planned from what is usual; and how they look."""

from __future__ import annotations

import datetime as dt
import io
import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from rich.console import Console
from typer.testing import CliRunner

from puffy_platform.cli import app
from puffy_platform.pipeline import Platform, materialise
from puffy_platform.pipeline.experiments import ExperimentError, Read, read_stored, usual
from puffy_platform.present_experiment import print_assignments, print_reading
from puffy_platform.settings import load_settings
from puffy_platform.tables import TABLES
from puffy_platform_tests.pipeline.stored import store
from puffy_platform_tests.tables.visits import CONVERSIONS, at, conversion, day, days, event, events

CART = "product_added_to_cart"
CLIENTS = 400
STATS = TABLES["experiment_stats"]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """400 clients, two a day apart in two variants, come on days 1 and 2; of treatment 40 % buy for 100.00, of control
    20 %. Everybody looked before on day 0, half of them twice."""
    numbers = range(CLIENTS)
    variant = {n: "treatment" if n % 2 else "control" for n in numbers}
    came = {n: at(1 + n // (CLIENTS // 2)) for n in numbers}
    before = [event(f"c{n}", at(0, "09:00")) for n in numbers] + [event(f"c{n}", at(0)) for n in numbers if n % 4 < 2]
    views = [event(f"c{n}", came[n]) for n in numbers]
    orders = [
        conversion(f"o{n}", f"c{n}", came[n] + dt.timedelta(hours=1), 10_000)
        for n in numbers
        if n // 2 % 10 < (4 if n % 2 else 2)
    ]
    platform = Platform(load_settings(tmp_path, environment={}))
    store(platform, TABLES["events_enriched"], events(*before, *views, event("x", at(9))))
    store(platform, TABLES["conversions"], pl.DataFrame(orders, schema=CONVERSIONS))
    lines = [f"c{n},e,{variant[n]},{came[n].isoformat()}" for n in numbers]
    (tmp_path / "assignments.csv").write_text("client_id,experiment,variant,time\n" + "\n".join(lines) + "\n", "utf-8")
    (tmp_path / "landing").mkdir()
    return tmp_path


def computed(home: Path) -> Platform:
    platform = Platform(load_settings(home, environment={}))
    report = materialise(platform, STATS, days(0, 9), run_id="test")
    assert not report.held_back
    return platform


def text_of(found: Read) -> list[str]:
    printed = io.StringIO()
    print_reading(Console(width=80, file=printed), found, 28)
    return [" ".join(line.split()) for line in printed.getvalue().splitlines()]


def test_an_experiment_is_read_on_any_day_from_the_stored_sums(home: Path) -> None:
    platform = computed(home)
    for number, clients, z in ((1, 100, 3.09), (9, 200, 4.37)):
        found = read_stored(platform, "e", day(number))
        comparison = found.reading.metric("conversion", "treatment").comparison
        assert comparison is not None
        assert found.reading.clients == {"control": clients, "treatment": clients}
        assert (comparison.control, comparison.treatment) == (0.2, 0.4)
        assert comparison.z == pytest.approx(z, abs=0.01)
        assert not found.is_stale
    assert found.reading.verdicts == {"treatment": "no_plan"}
    revenue = found.reading.metric("revenue", "treatment").comparison
    assert revenue is not None
    assert (revenue.control, revenue.treatment) == (2_000, 4_000)


def test_what_clients_did_before_is_taken_out_on_request(home: Path) -> None:
    platform = computed(home)
    views = read_stored(platform, "e", covariate=True).reading.metric("page_views", "treatment").comparison
    assert views is None  # everybody viewed one page: nothing varies
    orders = read_stored(platform, "e", covariate=True).reading.metric("orders", "treatment").comparison
    assert orders is not None
    assert orders.variance_reduction == pytest.approx(0, abs=1e-9)  # nobody had bought before


def test_a_plan_in_the_settings_gives_a_verdict_and_a_mismatch_blanks_it(home: Path) -> None:
    design = '[designs.e]\nvariants = ["control", "treatment"]\nclients = 400\n'
    (home / "puffy.toml").write_text(design, "utf-8")
    found = read_stored(computed(home), "e", day(3))
    assert found.reading.verdicts == {"treatment": "undecided"}  # two or three of 28 days of outcomes are in
    (home / "puffy.toml").write_text(f"{design}\n[experiments]\noutcome_days = 5\n", "utf-8")
    found = read_stored(computed(home), "e")
    assert found.reading.verdicts == {"treatment": "better"}
    lines = text_of(found)
    assert "treatment: better than control" in lines
    assert "clients: control 200 (50% planned), treatment 200 (50% planned)" in lines
    assert "conversion 20.00% 40.00% +100.0% +46.9% to +186.6% 1e-05 2e-05" in lines
    (home / "puffy.toml").write_text(f"{design}shares = [0.8, 0.2]\n", "utf-8")
    found = read_stored(computed(home), "e")
    assert found.reading.is_mismatch
    lines = text_of(found)
    assert "treatment: cannot be judged" in lines
    assert not any("conversion" in line for line in lines)


def test_a_file_that_changed_since_is_said_so(home: Path) -> None:
    computed(home)
    with (home / "assignments.csv").open("a", encoding="utf-8") as file:
        file.write(f"new,e,control,{at(3).isoformat()}\nc0,e,treatment,{at(3).isoformat()}\nnew,e,control,soon\n")
    found = read_stored(Platform(load_settings(home, environment={})), "e")
    assert (found.is_stale, found.not_counted, found.crossed) == (True, 1, 1)
    notes = [line for line in text_of(found) if line.startswith("note:")]
    assert len(notes) == 4
    assert "note: 1 unusable line in the file: `puffy experiment list`." in notes


def test_another_file_is_computed_on_the_spot(home: Path) -> None:
    file = home / "other.csv"
    file.write_text((home / "assignments.csv").read_text("utf-8").replace(",e,", ",f,"), "utf-8")
    platform = Platform(load_settings(home, environment={}))
    found = read_stored(platform, "f", day(9), file)
    assert found.reading.clients == {"control": 200, "treatment": 200}
    assert found.reading.metrics == read_stored(computed(home), "e", day(9)).reading.metrics


def test_what_cannot_be_read_says_what_there_is(home: Path) -> None:
    platform = Platform(load_settings(home, environment={}))
    for name, when, words in (
        ("other", None, "no experiment 'other'; there are: e"),
        ("e", None, "`puffy run` computes experiment_stats"),
    ):
        with pytest.raises(ExperimentError, match=words):
            read_stored(platform, name, when)
    with pytest.raises(ExperimentError, match="its first assignment is on 2025-02-04"):
        read_stored(computed(home), "e", day(0))
    (home / "assignments.csv").write_text("client\n", "utf-8")
    with pytest.raises(ExperimentError, match=r"assignments.csv: its header names no column"):
        read_stored(platform, "e")
    (home / "assignments.csv").unlink()
    with pytest.raises(ExperimentError, match="there is none in"):
        read_stored(platform, "e")


def test_what_is_usual_is_an_experiment_with_one_variant(home: Path) -> None:
    found = usual(Platform(load_settings(home, environment={})), "conversion")
    # 401 clients on ten days, of whom 40 + 80 bought.
    assert (found.clients, found.days) == (CLIENTS + 1, days(0, 9))
    assert found.baseline.value == pytest.approx(120 / 401)
    assert found.daily == pytest.approx(40.1)
    with pytest.raises(ExperimentError, match="there is no metric 'clicks'; there are: conversion, revenue"):
        usual(Platform(load_settings(home, environment={})), "clicks")


def test_the_list_names_every_experiment_and_every_unusable_line(home: Path) -> None:
    with (home / "assignments.csv").open("a", encoding="utf-8") as file:
        file.write("new,e,control,soon\n")
    run = invoke(home, "list")
    assert run.exit_code == 1
    lines = [" ".join(line.split()) for line in run.stdout.splitlines()]
    assert "e control 200 2025-02-04 2025-02-05 none" in lines
    assert "line 402: The time is none: write it like 2025-03-01T12:00:00Z." in lines
    found = json.loads(invoke(home, "list", "--json").stdout)
    assert found["problems"][0]["line"] == 402
    empty = io.StringIO()
    from puffy_platform.ingest.assignments import load_assignments

    nowhere = load_settings(home / "nowhere", environment={})
    print_assignments(Console(width=200, file=empty), nowhere.assignments, load_assignments(nowhere), [])
    assert "does not exist or is empty" in empty.getvalue()


def test_the_commands_answer_scripts_in_json(home: Path) -> None:
    computed(home)
    found = json.loads(invoke(home, "read", "e", "--json").stdout)
    assert found["clients"] == {"control": 200, "treatment": 200}
    assert found["metrics"][0]["comparison"]["control"] == 0.2
    assert invoke(home, "read", "other").exit_code == 2
    plan = json.loads(invoke(home, "plan", "--base", "0.1", "--lift", "20%", "--daily", "500", "--json").stdout)
    assert (plan["one_look"]["each"], plan["one_look"]["days"]) == (3_841, 16)
    assert [row["weeks"] for row in plan["detectable"]] == [1, 2, 3, 4, 6, 8]
    money = json.loads(
        invoke(home, "plan", "--metric", "revenue", "--base", "20", "--deviation", "200", "--json").stdout
    )
    assert (money["baseline"]["value"], money["detectable"]) == (2_000, [])
    measured = invoke(home, "plan", "--metric", "conversion")
    assert "of 401 clients on 2025-02-03..2025-02-12, about 40 new ones a day" in measured.stdout


@pytest.mark.parametrize(
    "arguments",
    [("--base", "2"), ("--lift", "much"), ("--metric", "clicks"), ("--metric", "revenue", "--base", "2")],
)
def test_a_plan_that_makes_no_sense_is_refused(home: Path, arguments: tuple[str, ...]) -> None:
    assert invoke(home, "plan", *arguments).exit_code == 2


def invoke(home: Path, *arguments: str) -> Any:
    return CliRunner().invoke(app, ["experiment", *arguments], env={"PUFFY_HOME": str(home), "COLUMNS": "80"})
