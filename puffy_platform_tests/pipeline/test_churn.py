"""puffy churn and puffy bench churn: what they print of models, of too little data, and of a shop that is known."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from typer.testing import CliRunner

from puffy_platform.cli import app
from puffy_platform.pipeline import Platform, materialise
from puffy_platform.pipeline.materialise import store
from puffy_platform.settings import load_settings
from puffy_platform.table import DayRange
from puffy_platform.tables import TABLES
from puffy_platform.warehouse import Ledger
from puffy_platform_tests.tables.churn_shop import RETRAINED, SETTINGS, SPAN, frames

SHORT = {
    f"PUFFY_CHURN__{name.upper()}": str(value)
    for name, value in SETTINGS.churn.model_dump().items()
    if name not in ("activity", "max_psi")
}
CHURN_TABLES = ("churn_training", "churn_models", "churn_scores")
DAYS = {name: SPAN for name in CHURN_TABLES} | {
    "churn_training": DayRange(RETRAINED - dt.timedelta(days=56), SPAN.last)
}
# A retraining that knows a single customer, lost long ago, and nothing of its snapshots.
LATER = RETRAINED + dt.timedelta(days=28 * 12)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Around the day of a retraining with a model in force; and a later day, on which there is not enough data."""
    folder = tmp_path_factory.mktemp("home")
    platform = platform_of(folder)
    known = frames()["churn_features"]
    long_ago = pl.lit(1_000, pl.Int64).alias("recency_days")
    known = pl.concat([known, known.filter(day=RETRAINED).head(1).with_columns(long_ago, day=pl.lit(LATER))])
    for day in known["day"].unique():
        span = DayRange(day, day)
        rows = known.filter(day=day)
        store(platform, Ledger(platform.warehouse), TABLES["churn_features"], span, rows, {day: "given"}, "test")
    for name in CHURN_TABLES:
        report = materialise(platform, TABLES[name], DAYS[name], run_id="test")
        assert report.outcomes.filter(status="fail").is_empty()
    materialise(platform, TABLES["churn_training"], DayRange(LATER, LATER), run_id="test")
    for name in ("churn_models", "churn_scores"):
        materialise(platform, TABLES[name], DayRange(LATER, LATER), run_id="test")
    return folder


def platform_of(home: Path, **run: int) -> Platform:
    settings = load_settings(home, environment={})
    changes = {"churn": SETTINGS.churn, "run": settings.run.model_copy(update=run)}
    return Platform(settings.model_copy(update=changes))


def asked(home: Path, *arguments: str) -> Any:
    return CliRunner().invoke(app, [*arguments], env={"PUFFY_HOME": str(home), "COLUMNS": "80", **SHORT})


def lines_of(home: Path, *arguments: str) -> list[str]:
    run = asked(home, *arguments)
    assert run.exit_code == 0, run.output
    assert max(map(len, run.stdout.splitlines())) <= 80
    return [" ".join(line.split()) for line in run.stdout.splitlines()]


def test_day_by_day_the_same_versions_come_into_force_and_nothing_is_written_again(home: Path) -> None:
    platform = platform_of(home, chunk_days=1)
    assert platform.warehouse.read(TABLES["churn_models"]).filter(status="promoted").collect().height == len(SPAN)
    for name in CHURN_TABLES:
        days = DAYS[name] if name != "churn_training" else DayRange(RETRAINED, RETRAINED)
        report = materialise(platform, TABLES[name], days, run_id="test")
        assert [result.changed for result in report.days] == [False] * len(days)


def test_versions_baselines_calibration_and_drift_are_shown(home: Path) -> None:
    lines = lines_of(home, "churn", "--date", str(RETRAINED))
    assert lines[0] == f"Churn as of {RETRAINED}"
    assert sum(line.startswith(("logistic 0", "gradient_boosting 0")) for line in lines) == 4
    assert sum(" baseline " in line for line in lines) == 2
    assert any(line.endswith(" is in force") for line in lines)
    assert any(line.startswith("AUC lost without: ") for line in lines)
    assert any(line.startswith("Drift: ") for line in lines)
    assert "The customers by risk" in lines


def test_too_little_data_is_said_and_nobody_is_scored(home: Path) -> None:
    lines = lines_of(home, "churn")
    assert "No model is in force: nobody has a score." in lines
    assert any(line.startswith("not_enough_data: of the customers of ") for line in lines)
    assert not any("AUC" in line for line in lines)


def test_json_holds_the_registry_and_the_groups(home: Path) -> None:
    found = json.loads(asked(home, "churn", "--date", str(RETRAINED), "--json").stdout)
    assert found["in_force"].startswith(("logistic-", "gradient_boosting-"))
    assert len(found["models"]) == 6
    assert sum(group["customers"] for group in found["groups"]) == found["customers"]
    assert "parameters" not in found["models"][0]
    assert json.loads(asked(home, "churn", "--json").stdout)["in_force"] is None


def test_a_day_without_models_says_which_there_are(home: Path, tmp_path: Path) -> None:
    missing = asked(home, "churn", "--date", "2020-01-01")
    assert missing.exit_code == 2
    assert f"there are {SPAN.first} to {LATER}" in " ".join(missing.output.split())
    assert asked(tmp_path, "churn").exit_code == 2


def test_the_benchmark_puts_models_between_the_baselines_and_the_best_possible(tmp_path: Path) -> None:
    (shop,) = json.loads(asked(tmp_path, "bench", "churn", "--shops", "1", "--json").stdout)
    aucs = {each["name"]: each["auc"]["value"] for each in shop["contenders"]}
    models = [value for name, value in aucs.items() if name.startswith(("logistic", "gradient"))]
    assert len(models) == 4
    assert max(aucs["recency"], aucs["p_alive"]) < min(models)
    assert max(models) < aucs["(all knowing)"]


def test_the_benchmark_is_of_orders_only(tmp_path: Path) -> None:
    run = CliRunner().invoke(
        app, ["bench", "churn"], env={"PUFFY_HOME": str(tmp_path), "PUFFY_CHURN__ACTIVITY": "visit"}
    )
    assert run.exit_code == 2
    assert "churn.activity" in run.output
