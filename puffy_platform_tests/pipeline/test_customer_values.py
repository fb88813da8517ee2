"""puffy clv over stored tables: what it prints of a fitted model, and of too few repeat customers."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from puffy_platform.cli import app
from puffy_platform.pipeline import Platform
from puffy_platform.pipeline.customer_values import CustomerValueError, customer_values
from puffy_platform.settings import load_settings
from puffy_platform.tables import TABLES
from puffy_platform_tests.tables.customer_history import day, days
from puffy_platform_tests.tables.test_customer_value import SETTINGS, shop
from puffy_platform_tests.windows import compute


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Day 20, with too few repeat customers, and day 176."""
    folder = tmp_path_factory.mktemp("home")
    platform = Platform(load_settings(folder, environment={}))
    for number in (20, 176):
        span = days(number, number)
        frames = {"conversions": shop()}
        frames["customer_value_model"] = compute(TABLES["customer_value_model"], frames, span, SETTINGS)
        for name in ("customer_value_model", "customer_value"):
            rows = compute(TABLES[name], frames, span, SETTINGS)
            platform.warehouse.replace(TABLES[name], span, rows, {})
    return folder


def asked(home: Path, *arguments: str) -> Any:
    return CliRunner().invoke(app, ["clv", *arguments], env={"PUFFY_HOME": str(home), "COLUMNS": "80"})


def lines_of(home: Path, *arguments: str) -> list[str]:
    run = asked(home, *arguments)
    assert run.exit_code == 0, run.output
    return [" ".join(line.split()) for line in run.stdout.splitlines()]


def test_a_fitted_model_is_shown_with_its_errors_and_its_holdout(home: Path) -> None:
    lines = lines_of(home)
    assert lines[0] == f"Customer value as of {day(176)}"
    assert any(line.startswith("BG/NBD: r 1.") and line.count("±") == 4 for line in lines)
    assert any(line.startswith("Gamma-Gamma: p ") and line.count("±") == 3 for line in lines)
    assert "Tried on the last 60 days before the fit" in lines
    assert any(line.startswith("mean error a customer ") for line in lines)
    assert max(map(len, asked(home).stdout.splitlines())) <= 80


def test_the_groups_add_up_to_all_customers(home: Path) -> None:
    found = json.loads(asked(home, "--json").stdout)
    assert sum(group["customers"] for group in found["groups"]) == 300
    assert [group["group"] for group in found["groups"]] == ["0", "1", "2", "3+"]
    assert 0.1 < found["top_tenth_share"] < 1
    assert found["model"]["status"] == "ok"


def test_too_few_repeat_customers_are_named_and_nothing_is_expected(home: Path) -> None:
    lines = lines_of(home, "--date", str(day(20)))
    assert any(line.startswith("insufficient_repeat: ") for line in lines)
    assert not any("alive" in line or "BG/NBD" in line for line in lines)
    assert json.loads(asked(home, "--date", str(day(20)), "--json").stdout)["top_tenth_share"] is None


def test_a_day_without_values_says_which_there_are(home: Path, tmp_path: Path) -> None:
    platform = Platform(load_settings(home, environment={}))
    with pytest.raises(CustomerValueError, match=f"there are {day(20)} to {day(176)}"):
        customer_values(platform, dt.date(2020, 1, 1))
    assert asked(tmp_path).exit_code == 2
