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
sys.stdin.readline()
open_instance(platform).dispose()
"""


def test_processes_that_open_a_new_home_at_once_all_find_one_instance(tmp_path: Path) -> None:
    command = [sys.executable, "-c", OPEN, str(tmp_path)]
    pipe = subprocess.PIPE
    started = [
        subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, env=environment(tmp_path))
        for _ in range(3)
    ]
    for process in started:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    said = []
    for process in started:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    for process in started:
        _, errors = process.communicate()
        said.append((process.returncode, errors))
    assert [code for code, _ in said] == [0, 0, 0], said
