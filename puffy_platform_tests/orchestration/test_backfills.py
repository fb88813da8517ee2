"""What the UI starts: any assets over any range in one run, or one day of one asset, and the rows are the same."""

from __future__ import annotations

import datetime as dt
import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from puffy_platform.orchestration.build import build_definitions
from puffy_platform.orchestration.names import range_tags
from puffy_platform.pipeline import Platform, affected
from puffy_platform.table import DayRange
from puffy_platform.tables import TABLES
from puffy_platform.warehouse import Ledger
from puffy_platform_tests.command import Demo, open_home

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@pytest.fixture(scope="module")
def platform(demo: Demo, tmp_path_factory: pytest.TempPathFactory) -> Platform:
    """A small shop with everything computed. All tests share it: none of them may change a row."""
    home = shutil.copytree(demo.home, tmp_path_factory.mktemp("backfills") / "home")
    return open_home(Path(home))


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def contents(platform: Platform) -> dict[tuple[str, dt.date], str]:
    return {(entry.table, entry.day): entry.content_hash for entry in Ledger(platform.warehouse)}


def run(
    platform: Platform, instance: dg.DagsterInstance, names: list[str], days: DayRange | dt.date
) -> dg.ExecuteInProcessResult:
    """One run of these assets, forced as a person's is: over a range, or of one partition."""
    job = build_definitions(platform).resolve_implicit_global_asset_job_def()
    over = (
        {"tags": range_tags(days, skip_current=False)} if isinstance(days, DayRange) else {"partition_key": str(days)}
    )
    return job.execute_in_process(
        instance=instance,
        asset_selection=[dg.AssetKey(name) for name in names],
        run_config=QUIET,
        **over,  # type: ignore[arg-type]
    )


@pytest.mark.parametrize("seed", range(4))
def test_any_assets_over_any_range_in_one_run_leave_the_same_rows(
    demo: Demo, platform: Platform, instance: dg.DagsterInstance, seed: int
) -> None:
    chance = random.Random(seed)
    names = chance.sample(sorted(TABLES), chance.randint(1, 6))
    first, last = sorted(chance.choices(list(demo.days), k=2))
    before = contents(platform)
    assert run(platform, instance, names, DayRange(first, last)).success
    assert contents(platform) == before
    assert not affected(platform, demo.days)
    for name in names:
        days = {str(day) for day in DayRange(first, last)}
        assert instance.get_materialized_partitions(dg.AssetKey(name)) == days


@pytest.mark.parametrize("name", list(TABLES))
def test_one_day_of_one_asset_leaves_the_same_rows(
    demo: Demo, platform: Platform, instance: dg.DagsterInstance, name: str
) -> None:
    before, day = contents(platform), demo.days.first + dt.timedelta(days=4)
    assert run(platform, instance, [name], day).success
    assert contents(platform) == before
    assert instance.get_materialized_partitions(dg.AssetKey(name)) == {str(day)}


def test_a_range_from_dagsters_own_command(demo: Demo, platform: Platform) -> None:
    before, days = contents(platform), DayRange(demo.days.first, demo.days.first + dt.timedelta(days=2))
    home = platform.settings.home
    finished = subprocess.run(
        [
            *(sys.executable, "-m", "dagster", "job", "execute", "-m", "puffy_platform.definitions"),
            *("-j", "compute_days", "--tags", json.dumps(range_tags(days, skip_current=False))),
        ],
        env=os.environ | {"PUFFY_HOME": str(home), "DAGSTER_HOME": str(home / "dagster")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr[-2000:]
    assert contents(platform) == before
