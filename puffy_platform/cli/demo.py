"""`puffy demo`: a simulated shop with known defects goes through the whole platform, and the result meets the truth."""

from __future__ import annotations

import datetime as dt
import json
import shutil
import sys
from pathlib import Path
from typing import Any

from rich.console import Console

from puffy_platform.pipeline import Platform
from puffy_platform.present import run_with_progress
from puffy_platform.present_summary import print_demo_truth, print_next_commands, print_summary
from puffy_platform.settings import Settings, load_settings
from puffy_platform.table import DayRange

__all__ = ["DemoRefused", "run_demo"]

MARKER = "demo.json"
FOREIGN_SHOWN = 3


class DemoRefused(RuntimeError):
    """The home holds data that is not a demo's; nothing was touched."""


def run_demo(console: Console, *, days: int, events_per_day: int, seed: int) -> bool:
    """Make the shop's files, land and compute everything, print the summary and what to type next.

    The last day is yesterday (UTC), so that the tables are as fresh as a real shop's. A home that holds anything
    but an earlier demo is refused. True when the platform found exactly what was planted.
    """
    from puffy_platform.demo import write_landing
    from puffy_platform.orchestration.names import last_partition
    from puffy_platform.pipeline.summary import summarise

    settings = Platform(load_settings()).settings
    _clear(settings)
    last = last_partition()
    span = DayRange(last - dt.timedelta(days=days - 1), last)
    _prepare(settings.home, span)
    settings = load_settings()
    with console.status(f"Simulating {days} days of a shop ..."):
        truth = write_landing(settings.landing, span.first, days, seed, events_per_day)
    _write_marker(settings.home, span, [file.name for file in truth.by_file])
    console.print(
        f"Wrote {len(truth.by_file)} files with {truth.rows:,} rows to {_short(settings.landing)}, "
        "defects planted and known."
    )
    platform = Platform(settings)
    seconds = run_with_progress(console, platform, span)
    summary = summarise(platform, span)
    print_summary(console, summary, seconds)
    is_exact = print_demo_truth(console, summary, truth) and summary.reconciles
    print_next_commands(console, span, _program())
    return is_exact


def _program() -> str:
    """How the user called puffy: its path, or the plain name when the shell would find this very program under it."""
    called = Path(sys.argv[0])
    if not called.exists() or called.name != "puffy":
        return "puffy"
    found = shutil.which("puffy")
    return "puffy" if found and Path(found).samefile(called) else _short(called)


def _clear(settings: Settings) -> None:
    """Remove an earlier demo's data, and only that. Raises DemoRefused when anything else would go with it."""
    foreign = _foreign(settings)
    if foreign:
        shown = ", ".join(foreign[:FOREIGN_SHOWN]) + (" ..." if len(foreign) > FOREIGN_SHOWN else "")
        raise DemoRefused(
            f"{_short(settings.home)} holds what no demo made ({shown}), and was left untouched. "
            "Choose another home: PUFFY_HOME=/tmp/puffy puffy demo"
        )
    for path in (*_places(settings), settings.home / "landing_hashes.json"):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _places(settings: Settings) -> tuple[Path, ...]:
    """Everything in the home that a demo writes and clears away."""
    home, warehouse = settings.home, settings.home / settings.paths.warehouse
    return settings.landing, warehouse, settings.marts, home / "dagster", home / "puffy.toml"


def _foreign(settings: Settings) -> list[str]:
    """What is not a demo's in this home, or lies outside it though the settings name it."""
    home = settings.home
    paths = settings.paths.model_dump(exclude={"repairs"})
    outside = [f"paths.{name} = {path}" for name, path in paths.items() if not _is_inside(home, path)]
    if outside:
        return outside
    demo = _read_marker(home)
    if demo is None:
        return [path.name for path in _places(settings) if path.is_file() or (path.is_dir() and any(path.iterdir()))]
    foreign = []
    if demo["files"] is not None and settings.landing.is_dir():
        landed = {path.name for path in settings.landing.iterdir() if not path.name.startswith(".")}
        foreign += [f"{settings.paths.landing}/{name}" for name in sorted(landed - set(demo["files"]))]
    changed = home / "puffy.toml"
    if changed.exists() and changed.read_text("utf-8") != _settings_text(demo["from"]):
        foreign.append(changed.name)
    return foreign


def _is_inside(home: Path, path: str) -> bool:
    return "://" not in path and (home / path).resolve().is_relative_to(home.resolve())


def _prepare(home: Path, span: DayRange) -> None:
    home.mkdir(parents=True, exist_ok=True)
    _write_marker(home, span, None)
    (home / "puffy.toml").write_text(_settings_text(str(span.first)), "utf-8")


def _settings_text(first_day: str) -> str:
    return f"# Written by `puffy demo`; yours to change.\n[partitions]\nstart_day = {first_day}\n"


def _write_marker(home: Path, span: DayRange, files: list[str] | None) -> None:
    """Remember what the demo made; `files` are None as long as they are being written."""
    made = {"made_by": "puffy demo", "from": str(span.first), "to": str(span.last), "files": files}
    (home / MARKER).write_text(json.dumps(made), "utf-8")


def _read_marker(home: Path) -> dict[str, Any] | None:
    try:
        made: dict[str, Any] = json.loads((home / MARKER).read_text("utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    return {"from": "", "files": [], **made}


def _short(path: Path) -> str:
    here = Path().absolute()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
