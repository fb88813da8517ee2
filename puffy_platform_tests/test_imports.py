"""The rooms and their doors: imports run downwards only, and Dagster lives in one corner."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "puffy_platform"
# Lower rooms first; a room may import from itself and from rooms of a lower number.
FLOORS = {
    "settings_model": 0,
    "settings": 0,
    "table": 1,
    "event_data": 1,
    "spend": 1,
    "methods": 1,
    "rules": 1,
    "distinct": 0,
    "ordering": 0,
    "clients": 0,
    "cycles": 0,
    "runs": 0,
    "threads": 0,
    "contract_pass": 2,
    "outcomes": 2,
    "monitoring": 2,
    "demo": 2,
    "marts": 3,
    "catalog": 4,
    "ingest": 3,
    "tables": 3,
    "warehouse": 3,
    "pipeline": 4,
    "features": 5,
    "speed": 4,
    "alerts": 5,
    "orchestration": 5,
    "present": 6,
    "present_alert_benchmark": 7,
    "present_alerts": 7,
    "present_attribution": 7,
    "present_churn": 7,
    "present_clv": 7,
    "present_experiment": 7,
    "present_features": 7,
    "present_funnel": 7,
    "present_retention": 7,
    "present_history": 7,
    "present_why": 7,
    "present_repairs": 7,
    "present_speed": 7,
    "present_summary": 7,
    "definitions": 7,
    "cli": 8,
}
MODULES = sorted(PACKAGE.rglob("*.py"))


def imported_names(path: Path) -> list[str]:
    names = []
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute here"
            names.append(node.module or "")
            names += [f"{node.module}.{alias.name}" for alias in node.names]
    return names


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_only_orchestration_and_definitions_import_dagster(path: Path) -> None:
    uses = [name for name in imported_names(path) if name.split(".")[0].startswith("dagster")]
    assert not uses or room(path) in ("orchestration", "definitions"), uses


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_run_downwards(path: Path) -> None:
    if path == PACKAGE / "__init__.py":
        assert imported_names(path) == ["os"]
        return
    for name in imported_names(path):
        parts = name.split(".")
        if parts[0] == "puffy_platform" and len(parts) > 1:
            assert FLOORS[parts[1]] <= FLOORS[room(path)], f"{room(path)} may not import {name}"


@pytest.mark.parametrize(
    "name",
    [
        "tables",
        "rules",
        "methods",
        "monitoring",
        "spend.py",
        "event_data.py",
        "outcomes.py",
        "marts.py",
        "table.py",
        "features/declare.py",
        "features/registry.py",
        "features/point_in_time.py",
    ],
)
def test_the_pure_core_knows_no_clock_no_network_and_no_storage(name: str) -> None:
    target = PACKAGE / name
    for path in [target] if target.is_file() else sorted(target.rglob("*.py")):
        text = path.read_text("utf-8")
        for word in (
            "datetime.now",
            "date.today",
            "time.time",
            "open(",
            "write_delta",
            "deltalake",
            "requests",
            "urllib.request",
        ):
            assert word not in text, f"{path}: {word}"


@pytest.mark.parametrize(
    ("module", "unneeded"),
    [
        # Help and mistakes are answered at once.
        ("cli", {"dagster", "deltalake", "duckdb", "numpy", "pandas", "pandera", "polars", "pydantic", "scipy"}),
        # What few commands need is loaded by the functions that need it.
        ("tables", {"dagster", "deltalake", "duckdb", "scipy", "sklearn"}),
    ],
)
def test_heavy_libraries_are_loaded_only_where_they_are_used(module: str, unneeded: set[str]) -> None:
    program = f"import sys, puffy_platform.{module}; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert f"puffy_platform.{module}" in loaded
    assert unneeded.isdisjoint(loaded)
