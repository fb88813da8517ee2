"""Every declared window is wide enough and no wider: one day less on either side, and some history tells.

The variants are made from the registry's declarations alone, so a new table is tried the day it is registered.
"""

from __future__ import annotations

import datetime as dt
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

import pytest

from puffy_platform.pipeline import Platform
from puffy_platform.table import DayRange, Reads, Table
from puffy_platform.tables import TABLES
from puffy_platform_tests.properties.driving import (
    INGESTED,
    compute,
    differences,
    in_one_computation,
    live,
    platform_for,
    settle,
    shop_settings,
)
from puffy_platform_tests.properties.histories import FIRST_DAY, Compute, History, history

SHOP_DAYS = 4
# Histories that tell every variant; the first two do in less than a second each.
SEEDS = (6, 0, *range(7, 30))
MOST_EDGES = 12
A_DAY = DayRange(FIRST_DAY, FIRST_DAY)
SETTINGS = shop_settings(policy="first", with_bots=True)


@dataclass(frozen=True)
class Variant:
    """A declaration to try: some tables of the registry with one of their reads changed."""

    tables: Mapping[str, Table]
    what: str

    def __str__(self) -> str:
        return f"{'+'.join(self.tables)} with {self.what}"


def offsets(read: Reads) -> tuple[int, int]:
    """How many days before and after a day it reads; for all of history, two days are enough to miss."""
    if read.history:
        return 2, 0
    window = read.window(A_DAY, SETTINGS, A_DAY.first)
    return (A_DAY.first - window.first).days, (window.last - A_DAY.last).days


def wrong_variants() -> Iterator[Variant]:
    """Every declared window with one day less before it, and one less after it; instead of all history, one day.

    The tables that ingest writes are one: what makes a landing day stale for one of them has it read for all.
    """
    ingested = [table for table in TABLES.values() if table.transform is None and table.reads]
    for tables in (ingested, *([table] for table in TABLES.values() if table.transform is not None)):
        for read in tables[0].reads:
            before, after = offsets(read)
            days = f"{before} days" if not read.history else "all days"
            if before:
                yield _variant(tables, read, f"{before - 1}, not {days} before", history=False, before=before - 1)
            if after:
                yield _variant(tables, read, f"{after - 1}, not {after} days after", after=after - 1)


def _variant(tables: list[Table], read: Reads, what: str, **changes: int | bool) -> Variant:
    def changed(table: Table) -> Table:
        return replace(
            table,
            reads=tuple(replace(each, **changes) if each.table == read.table else each for each in table.reads),  # type: ignore[arg-type]
        )

    return Variant({table.name: changed(table) for table in tables}, f"{read.table} of {what}")


@dataclass(frozen=True)
class Lived:
    """A history lived to its end, computed as the registry declares; and the same in one computation."""

    story: History
    platform: Platform
    truth: Platform


class Trials:
    """Tries declarations on histories. What is right is computed once for each; the trials work on copies."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.lived: dict[int, Lived] = {}
        self.made = 0

    def tells(self, tables: Mapping[str, Table], seed: int) -> bool:
        """Whether with these declarations the history leaves other rows than one computation.

        A derived table is computed again day by day, where a window matters. Of those that ingest writes, the window
        is what the plan goes by: a file is taken away, and what must then be read again is.
        """
        lived = self.live(seed)
        if not tables.keys() <= INGESTED.keys():
            platform = self._copy(lived, {**TABLES, **tables})
            for table in tables.values():
                for day in _edges(platform, table, lived.story.days):
                    compute(platform, Compute((table.name,), DayRange(day, day), 1, force=True), may_hold_back=True)
            return bool(differences(platform, lived.truth, tables))
        return any(self._tells_without(file.name, tables, lived) for file in sorted(_landing(lived.platform).iterdir()))

    def _tells_without(self, file: str, tables: Mapping[str, Table], lived: Lived) -> bool:
        platform = self._copy(lived, {**INGESTED, **tables})
        settle(platform, lived.story.days)
        (_landing(platform) / file).unlink()
        settle(platform, lived.story.days)
        truth = in_one_computation(platform, lived.story.days, self._new_folder())
        return bool(differences(platform, truth, tables))

    def live(self, seed: int) -> Lived:
        if seed not in self.lived:
            story = history(Random(seed), SHOP_DAYS, runs=0)
            # Some windows are longer than the shop was open; their last days must be among those that are computed.
            longest = max(offsets(read)[0] for table in TABLES.values() for read in table.reads)
            story = replace(story, days=story.days.widen(after=longest))
            platform = platform_for(self._new_folder(), story)
            live(platform, story)
            settle(platform, story.days)
            self.lived[seed] = Lived(story, platform, in_one_computation(platform, story.days, self._new_folder()))
        return self.lived[seed]

    def _copy(self, lived: Lived, tables: Mapping[str, Table]) -> Platform:
        home = shutil.copytree(lived.platform.settings.home, self._new_folder())
        return Platform(lived.platform.settings.model_copy(update={"home": home}), tables)

    def _new_folder(self) -> Path:
        self.made += 1
        return self.folder / str(self.made)


def _landing(platform: Platform) -> Path:
    return platform.settings.landing


def _edges(platform: Platform, table: Table, within: DayRange) -> list[dt.date]:
    """The days that have a day with rows at the very edge of a window of theirs, as the registry declares it."""
    found = set()
    for read in TABLES[table.name].reads:
        before, after = offsets(read)
        if not (before or after):
            continue  # the day itself is no window that could be too short
        for day in platform.warehouse.read(platform.tables[read.table]).collect()["day"].unique():
            found |= {day + dt.timedelta(days=before), day - dt.timedelta(days=after)}
    days = sorted(day for day in found if day in within)
    # Where a table has rows on every day to come, some of the days tell as much as all.
    return (
        [days[place * (len(days) - 1) // (MOST_EDGES - 1)] for place in range(MOST_EDGES)]
        if len(days) > MOST_EDGES
        else days
    )


@pytest.fixture(scope="module")
def trials(tmp_path_factory: pytest.TempPathFactory) -> Trials:
    return Trials(tmp_path_factory.mktemp("trials"))


@pytest.mark.parametrize("wrong", list(wrong_variants()), ids=str)
def test_a_window_one_day_too_short_is_found_out(wrong: Variant, trials: Trials) -> None:
    assert any(trials.tells(wrong.tables, seed) for seed in SEEDS)


def test_the_declared_windows_pass_the_same_trials(trials: Trials) -> None:
    tried = {name: TABLES[name] for wrong in wrong_variants() for name in wrong.tables if name not in INGESTED}
    assert not trials.tells(tried, SEEDS[0])
