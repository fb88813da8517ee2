"""puffy churn and puffy bench churn: what they print of models, of too little data, and of a shop that is known."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from puffy_platform.cli import app
from puffy_platform.pipeline import Platform
from puffy_platform.settings import load_settings
from puffy_platform.table import DayRange
from puffy_platform.tables import TABLES
from puffy_platform_tests.tables.churn_shop import RETRAINED, SETTINGS, SPAN, frames
from puffy_platform_tests.windows import compute, settings_with

SHORT = {
    f"PUFFY_CHURN__{name.upper()}": str(value)
    for name, value in SETTINGS.churn.model_dump().items()
    if name not in ("activity", "max_psi")
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The day of a retraining with a model in force, and the next day, on which it has not enough data."""
    folder = tmp_path_factory.mktemp("home")
    platform = Platform(load_settings(folder, environment={}))
    most = settings_with(churn={**SETTINGS.churn.model_dump(), "min_each": 100_000})
    for day, settings in ((RETRAINED, SETTINGS), (SPAN.last, most)):
        span = DayRange(day, day)
        rows = dict(frames())
        for name in ("churn_training", "churn_models", "churn_scores"):
            window = DayRange(RETRAINED, day) if name == "churn_training" else span
            rows[name] = compute(TABLES[name], rows, window, settings)
        if settings is SETTINGS:
            rows["churn_models"] = frames()["churn_models"].filter(day=day)
            rows["churn_scores"] = compute(TABLES["churn_scores"], rows, span, settings)
        for name in ("churn_features", "churn_models", "churn_scores"):
            own = rows[name].filter(day=day).select(list(TABLES[name].schema))
            platform.warehouse.replace(TABLES[name], span, own, {})
    return folder


def asked(home: Path, *arguments: str) -> Any:
    return CliRunner().invoke(app, [*arguments], env={"PUFFY_HOME": str(home), "COLUMNS": "80", **SHORT})


def lines_of(home: Path, *arguments: str) -> list[str]:
    run = asked(home, *arguments)
    assert run.exit_code == 0, run.output
    assert max(map(len, run.stdout.splitlines())) <= 80
    return [" ".join(line.split()) for line in run.stdout.splitlines()]


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
    assert f"there are {RETRAINED} to {SPAN.last}" in " ".join(missing.output.split())
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
