"""Four kills of a real `puffy run`; `python -m puffy_platform_tests.soak --kills 200` is the long form."""

import subprocess
from pathlib import Path
from random import Random

import pytest

from puffy_platform_tests import soak as long_form
from puffy_platform_tests.soak import Soak, soak


def test_four_kills_at_random_points_leave_nothing_wrong_and_nothing_behind(tmp_path: Path) -> None:
    said: list[str] = []
    assert soak(tmp_path / "home", kills=4, seed=6, say=said.append) == []
    assert said[-1].startswith("identical: ")


def test_a_process_that_outlives_its_killed_run_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(long_form, "STRAY_SECONDS", 0.2)
    command = ["bash", "-c", "sleep 5 & kill -9 $$"]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as killed:
        killed.wait()
        with pytest.raises(RuntimeError, match="a process that it started has not"):
            Soak(tmp_path / "home", Random(1)).end(killed)
