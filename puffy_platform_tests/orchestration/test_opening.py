"""Dagster's instance of a new home, opened by several processes at once."""

import subprocess
import sys
from pathlib import Path

from puffy_platform_tests.command import environment

OPEN = """\
import sys
from pathlib import Path
from puffy_platform.orchestration.run import open_instance
from puffy_platform.pipeline import Platform
from puffy_platform.settings import load_settings
platform = Platform(load_settings(Path(sys.argv[1])))
print("ready", flush=True)
while not (Path(sys.argv[1]) / "go").exists():
    pass
open_instance(platform).dispose()
"""


def test_processes_that_open_a_new_home_at_once_all_find_one_instance(tmp_path: Path) -> None:
    command = [sys.executable, "-c", OPEN, str(tmp_path)]
    pipe, env = subprocess.PIPE, environment(tmp_path)
    started = [subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=env) for _ in range(4)]
    for process in started:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    (tmp_path / "go").touch()
    errors = [process.communicate()[1] for process in started]
    assert [process.returncode for process in started] == [0] * 4, errors
