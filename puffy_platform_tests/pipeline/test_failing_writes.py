"""Whatever write fails, whenever: each table-day holds its old rows or its new ones, and the next run completes it."""

from __future__ import annotations

import datetime as dt
import errno
import resource
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any
from unittest.mock import patch

import deltalake
import pytest
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from puffy_platform.pipeline import Platform, affected
from puffy_platform.warehouse import WarehouseError
from puffy_platform_tests.command import open_home, puffy
from puffy_platform_tests.properties.driving import (
    compute,
    hashes,
    in_one_computation,
    live,
    platform_for,
    settle,
    shop_settings,
)
from puffy_platform_tests.properties.histories import INGEST, Compute, History, history

Contents = Mapping[tuple[str, dt.date], str | None]
ERRORS: tuple[Exception, ...] = (
    OSError(errno.ENOSPC, "No space left on device"),
    DeltaError("Generic S3 error: 503 Slow Down"),
)


@dataclass(frozen=True)
class Corrected:
    """A home that is current but for its last deliveries, and what it must hold before and after they are read."""

    home: Path
    story: History
    landing_before: Path
    old: Contents
    new: Contents
    writes: int

    def copy(self, folder: Path) -> Platform:
        settings = shop_settings(self.story.policy, self.story.with_bots)
        return Platform(settings.model_copy(update={"home": Path(shutil.copytree(self.home, folder / "copy"))}))


@pytest.fixture(scope="module")
def corrected(tmp_path_factory: pytest.TempPathFactory) -> Corrected:
    folder = tmp_path_factory.mktemp("corrected")
    story = history(Random(6), days=3, runs=0)
    platform = platform_for(folder / "home", story)
    before = len(story.acts) - 4
    live(platform, replace(story, acts=story.acts[:before]))
    settle(platform, story.days)
    old, landing_before = contents(platform), shutil.copytree(platform.settings.landing, folder / "landing-before")
    live(platform, replace(story, acts=story.acts[before:]))
    new = contents(in_one_computation(platform, story.days, folder / "truth"))
    found = Corrected(platform.settings.home, story, Path(landing_before), old, new, 0)
    with failing_write(10**6, after=False, error=ERRORS[0]) as seen:
        run(found.copy(folder), story)
    return replace(found, writes=seen())


def contents(platform: Platform) -> Contents:
    return {
        (name, day): found for name, table in platform.tables.items() for day, found in hashes(platform, table).items()
    }


def run(platform: Platform, story: History) -> None:
    """Every table over all days, as a run does it; what is current is left alone."""
    compute(platform, Compute((INGEST, *(table.name for table in platform.derived)), story.days, 366, force=False))


@contextmanager
def failing_write(number: int, *, after: bool, error: Exception) -> Iterator[Callable[[], int]]:
    """The commit of this number (from 0), to a table or a log, fails before it did anything, or when it was done."""
    count = 0

    def failing(really: Callable[..., None]) -> Callable[..., None]:
        def commit(*arguments: Any, **options: Any) -> None:
            nonlocal count
            count += 1
            if count - 1 != number:
                return really(*arguments, **options)
            if after:
                really(*arguments, **options)
            raise error

        return commit

    to_a_log, to_a_table = deltalake.write_deltalake, DeltaTable.create_write_transaction
    with (
        patch.object(deltalake, "write_deltalake", failing(to_a_log)),
        patch.object(DeltaTable, "create_write_transaction", failing(to_a_table)),
    ):
        yield lambda: count


def assert_old_or_new(platform: Platform, corrected: Corrected) -> None:
    found = contents(platform)
    for place in found.keys() | corrected.old.keys() | corrected.new.keys():
        assert found.get(place) in (corrected.old.get(place), corrected.new.get(place)), place


def assert_completed_by_the_next_run(platform: Platform, corrected: Corrected) -> None:
    run(platform, corrected.story)
    assert contents(platform) == corrected.new
    assert not affected(platform, corrected.story.days)


def assert_taken_back_by_the_next_run(platform: Platform, corrected: Corrected) -> None:
    """The files are again what they were: so must the tables be, though the ledger has seen these files before."""
    shutil.rmtree(platform.settings.landing)
    shutil.copytree(corrected.landing_before, platform.settings.landing)
    settle(platform, corrected.story.days)
    assert contents(platform) == corrected.old


def assert_harmless(number: int, after: bool, error: Exception, corrected: Corrected, folder: Path) -> Platform:
    platform = corrected.copy(folder)
    with failing_write(number, after=after, error=error), pytest.raises((OSError, WarehouseError)):
        run(platform, corrected.story)
    assert_old_or_new(platform, corrected)
    return platform


@pytest.mark.parametrize("part", [0, 0.25, 0.5, 0.95])
def test_a_failed_write_leaves_old_or_new_rows_and_the_next_run_completes_it(
    part: float, corrected: Corrected, tmp_path: Path
) -> None:
    number = int(part * corrected.writes)
    platform = assert_harmless(number, number % 2 == 0, ERRORS[number % 2], corrected, tmp_path)
    assert_completed_by_the_next_run(platform, corrected)


@pytest.mark.parametrize("number", [0, 8])
def test_a_correction_that_is_taken_back_after_a_failed_write_leaves_no_trace(
    number: int, corrected: Corrected, tmp_path: Path
) -> None:
    platform = assert_harmless(number, True, ERRORS[0], corrected, tmp_path)
    assert_taken_back_by_the_next_run(platform, corrected)


@pytest.mark.soak
def test_every_single_write_may_fail_before_or_after_it_is_done(corrected: Corrected, tmp_path: Path) -> None:
    for number in range(corrected.writes):
        for after in (False, True):
            folder = tmp_path / f"{number}-{after}"
            platform = assert_harmless(number, after, ERRORS[number % 2], corrected, folder)
            if number % 3:
                assert_completed_by_the_next_run(platform, corrected)
            else:
                assert_taken_back_by_the_next_run(platform, corrected)
            shutil.rmtree(folder)


@pytest.mark.parametrize("part", [0.3, 0.6, 0.9])
def test_files_the_system_refuses_to_write_leave_old_or_new_rows(
    part: float, corrected: Corrected, tmp_path: Path
) -> None:
    platform = corrected.copy(tmp_path)
    sizes = sorted(path.stat().st_size for path in (platform.settings.home / "warehouse").rglob("*.parquet"))
    with no_file_larger_than(sizes[int(part * len(sizes))]), pytest.raises((OSError, WarehouseError)):
        run(platform, corrected.story)
    assert_old_or_new(platform, corrected)
    assert_completed_by_the_next_run(platform, corrected)


@contextmanager
def no_file_larger_than(size: int) -> Iterator[None]:
    """Writes beyond this many bytes of a file fail, in whatever library, as on a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_marts_that_cannot_be_put_in_place_leave_the_old_file_and_the_next_run_publishes(shop: Path) -> None:
    platform = open_home(shop)
    marts, landed = platform.settings.marts, platform.landing().days
    assert landed is not None
    words = ("run", "--from", str(landed.first), "--to", str(landed.first))
    before, really = marts.read_bytes(), Path.replace

    def replace_file(self: Path, target: Path) -> Path:
        if target == marts:
            raise OSError(errno.ENOSPC, "No space left on device")
        return really(self, target)

    with patch.object(Path, "replace", replace_file):
        failed = puffy(shop, *words)
    assert failed.code != 0
    assert "No space left on device" in failed.message
    assert marts.read_bytes() == before
    assert puffy(shop, *words).code == 0
    assert marts.read_bytes() != before
    assert [path.name for path in shop.iterdir() if path.name.startswith(".")] == []
