"""Runs the `puffy` command in tests, in this process (quick) or in one of its own (as a shell does)."""

from __future__ import annotations

import datetime as dt
import io
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

from puffy_platform.cli import main
from puffy_platform.cli.common import console, errors
from puffy_platform.pipeline import Platform
from puffy_platform.settings import load_settings
from puffy_platform.table import DayRange

__all__ = ["Demo", "Finished", "open_home", "puffy", "puffy_process"]


@dataclass(frozen=True)
class Finished:
    """What a command left: its exit code and what it printed."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def message(self) -> str:
        """The error message in one line, whatever the terminal's width made of it."""
        return " ".join(self.err.replace("│", " ").split())


@dataclass(frozen=True)
class Demo:
    """A home made by `puffy demo`, and what that printed."""

    home: Path
    finished: Finished
    number_of_days: int
    events_per_day: int

    @property
    def days(self) -> DayRange:
        made = json.loads((self.home / "demo.json").read_text("utf-8"))
        return DayRange(dt.date.fromisoformat(made["from"]), dt.date.fromisoformat(made["to"]))


def puffy(home: Path, *words: str, variables: Mapping[str, str] | None = None) -> Finished:
    """The command in this process. An exception that a shell would see as a traceback is raised."""
    out, err = io.StringIO(), io.StringIO()
    at = environment(home, variables)
    with (
        patch.dict(os.environ, at, clear=True),
        patch.object(sys, "argv", ["puffy", *words]),
        patch.object(console, "_width", int(at["COLUMNS"])),
        patch.object(errors, "_width", int(at["COLUMNS"])),
        redirect_stdout(out),
        redirect_stderr(err),
    ):
        try:
            main()
            code: object = 0
        except SystemExit as ended:
            code = ended.code
    assert isinstance(code, int | None)
    return Finished(code or 0, out.getvalue(), err.getvalue())


def puffy_process(home: Path, *words: str, variables: Mapping[str, str] | None = None) -> Finished:
    """The command in a process of its own."""
    ended = subprocess.run(
        [sys.executable, "-m", "puffy_platform.cli", *words],
        env=environment(home, variables),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    return Finished(ended.returncode, ended.stdout, ended.stderr)


def environment(home: Path, variables: Mapping[str, str] | None = None) -> dict[str, str]:
    """The variables of this process, none of puffy's or Dagster's but these."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PUFFY_", "DAGSTER_"))}
    return {**kept, "PUFFY_HOME": str(home), "COLUMNS": "80", **(variables or {})}


def open_home(home: Path) -> Platform:
    return Platform(load_settings(home, environment={}))
