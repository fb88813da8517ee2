"""The allocator that Polars brings along works as the package asks, unless its user asks for something else."""

import os
import subprocess
import sys

import pytest

PRINT_SETTINGS = """
import os
import puffy_platform
os.environ["_RJEM_MALLOC_CONF"] += ",stats_print:true"
import polars
"""


def settings_of_the_allocator(**environment: str) -> str:
    kept = {name: value for name, value in os.environ.items() if name != "_RJEM_MALLOC_CONF"}
    done = subprocess.run(
        [sys.executable, "-c", PRINT_SETTINGS], env=kept | environment, capture_output=True, text=True, check=True
    )
    return done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere Polars may come with another allocator")
def test_freed_memory_is_kept_for_the_next_step_and_found_by_all_threads() -> None:
    said = settings_of_the_allocator()
    arenas = max(1, (os.cpu_count() or 1) // 2)
    for setting in (f"opt.narenas: {arenas}\n", "opt.oversize_threshold: 0\n", "opt.dirty_decay_ms: 3000 "):
        assert setting in said
    # It says so of a setting that it does not know.
    assert "Invalid conf" not in said


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere Polars may come with another allocator")
def test_ones_own_setting_stands() -> None:
    said = settings_of_the_allocator(_RJEM_MALLOC_CONF="narenas:3")
    assert "opt.narenas: 3\n" in said
    assert "opt.oversize_threshold: 0\n" not in said
