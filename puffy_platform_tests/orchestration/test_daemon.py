"""The real daemon with the real definitions: whatever the files do and whenever it is killed, the tables come right."""

from __future__ import annotations

import datetime as dt
import random
import shutil
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.execution.backfill import BulkActionStatus, PartitionBackfill

from puffy_platform.demo import write_landing
from puffy_platform.orchestration.attempts import WORK_TAG
from puffy_platform.orchestration.build import build_definitions
from puffy_platform.orchestration.run import dagster_home, open_instance
from puffy_platform.orchestration.waves import UNFINISHED, next_publication
from puffy_platform.pipeline import Platform, affected
from puffy_platform.pipeline.verify import verify
from puffy_platform.settings import load_settings
from puffy_platform.table import DayRange
from puffy_platform_tests.orchestration.daemon import Daemon

FIRST = dt.date(2025, 3, 1)
DAYS = 10
KILLS = 6
ENDED = (BulkActionStatus.COMPLETED_SUCCESS, BulkActionStatus.COMPLETED_FAILED)
SETTINGS = """
[run]
look_every_seconds = 3
settled_after_seconds = 1.0
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The files of a small shop, all defects planted."""
    folder = tmp_path_factory.mktemp("made")
    write_landing(folder, FIRST, DAYS, seed=7, events_per_day=200)
    return sorted(folder.iterdir())


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    """On a home with an empty landing folder; nothing of it is left running."""
    (tmp_path / "landing").mkdir()
    (tmp_path / "puffy.toml").write_text(SETTINGS, "utf-8")
    daemon = Daemon(Platform(load_settings(tmp_path, environment={})))
    yield daemon
    daemon.kill()


def deliver(platform: Platform, *files: Path) -> None:
    for file in files:
        shutil.copyfile(file, platform.settings.landing / file.name)


def is_done(platform: Platform, instance: dg.DagsterInstance) -> bool:
    """Nothing is under way, what was computed is published, and nothing is left to do."""
    if instance.get_runs(dg.RunsFilter(statuses=UNFINISHED), limit=1):
        return False
    published = next_publication(platform, instance, dt.datetime.now(dt.UTC)).waiting == "the marts are published"
    days = platform.landing().days
    return published and days is not None and not affected(platform, days)


def runs_of(instance: dg.DagsterInstance, *statuses: dg.DagsterRunStatus) -> list[dg.DagsterRun]:
    return list(instance.get_runs(dg.RunsFilter(statuses=list(statuses))))


def status_of(instance: dg.DagsterInstance, backfill_id: str) -> BulkActionStatus:
    backfill = instance.get_backfill(backfill_id)
    assert backfill is not None
    return backfill.status


def request_backfill(platform: Platform, instance: dg.DagsterInstance, names: list[str], days: DayRange) -> str:
    """As the UI's backfill page does."""
    graph = build_definitions(platform).get_repository_def().asset_graph
    with warnings.catch_warnings():
        # Dagster calls a deprecated function of its own here.
        warnings.simplefilter("ignore", DeprecationWarning)
        backfill = PartitionBackfill.from_asset_partitions(
            backfill_id="".join(random.choices("abcdefgh", k=8)),
            asset_graph=graph,
            partition_names=[str(day) for day in days],
            asset_selection=[dg.AssetKey(name) for name in names],
            backfill_timestamp=time.time(),
            tags={},
            dynamic_partitions_store=instance,
            all_partitions=False,
            title=None,
            description=None,
            run_config=None,
        )
    instance.add_backfill(backfill)
    return backfill.backfill_id


def test_files_in_any_order_one_rewritten_one_deleted_the_daemon_killed_and_a_backfill_besides(
    made: list[Path], daemon: Daemon
) -> None:
    platform = daemon.platform
    files = random.Random(3).sample(made, len(made))
    first, rest = files[: len(files) // 2], files[len(files) // 2 :]
    with open_instance(platform) as instance:
        daemon.start()
        deliver(platform, *first)
        daemon.wait_for("run", lambda: bool(runs_of(instance, dg.DagsterRunStatus.STARTED)), 300)
        (killed,) = runs_of(instance, dg.DagsterRunStatus.STARTED)
        daemon.kill()

        deliver(platform, *rest)
        rewritten, deleted = (platform.settings.landing / file.name for file in (first[0], first[1]))
        rewritten.write_bytes(b"\n".join(rewritten.read_bytes().splitlines()[:-20]))
        deleted.unlink()
        whole = DayRange(FIRST, FIRST + dt.timedelta(days=DAYS - 1))
        backfill = request_backfill(platform, instance, ["purchases", "sessions"], whole)
        daemon.start()
        daemon.wait_for("end of the backfill", lambda: status_of(instance, backfill) in ENDED, 300)
        daemon.wait_for("end", lambda: is_done(platform, instance), 300)
        daemon.kill()

        assert status_of(instance, backfill) is BulkActionStatus.COMPLETED_SUCCESS
        assert verify(platform, whole) == []
        dead = instance.get_run_by_id(killed.run_id)
        assert dead is not None
        assert dead.status is dg.DagsterRunStatus.FAILURE
        works = [run.tags[WORK_TAG] for run in runs_of(instance, dg.DagsterRunStatus.SUCCESS) if WORK_TAG in run.tags]
        assert len(works) == len(set(works)), "no work that succeeded was asked for again"


@pytest.mark.soak
def test_killed_at_random_instants_again_and_again(made: list[Path], daemon: Daemon) -> None:
    """Also while a run is only asked for, queued or starting, and with a backfill that widens downstream."""
    platform, chance = daemon.platform, random.Random()
    files = chance.sample(made, len(made))
    whole = DayRange(FIRST, FIRST + dt.timedelta(days=DAYS - 1))
    settings = dagster_home(platform) / "dagster.yaml"
    patient = settings.read_text("utf-8")
    assert "start_timeout_seconds: 180" in patient
    settings.write_text(patient.replace("start_timeout_seconds: 180", "start_timeout_seconds: 60"), "utf-8")
    with open_instance(platform) as instance:
        for number in range(KILLS):
            daemon.start()
            deliver(platform, *files[number::KILLS])
            daemon.wait_for("run", lambda: bool(instance.get_runs(dg.RunsFilter(statuses=UNFINISHED), limit=1)), 600)
            time.sleep(chance.uniform(0, 20))
            daemon.kill()
        backfill = request_backfill(platform, instance, ["purchases", "sessions", "attribution"], whole)
        daemon.start()
        daemon.wait_for("end of the backfill", lambda: status_of(instance, backfill) in ENDED, 1_200)
        daemon.wait_for("end", lambda: is_done(platform, instance), 1_200)
    assert verify(platform, whole) == []
