"""Two backfills of overlapping days at once, each a process of its own, leave what one computation leaves."""

import datetime as dt
from pathlib import Path
from random import Random

import pytest

from puffy_platform.pipeline.verify import verify
from puffy_platform.table import DayRange
from puffy_platform_tests.soak import Soak, leftovers


def backfill_at_once(home: Path, times: int) -> None:
    shop = Soak(home, Random(6))
    for number in range(times):
        shop.rewrite()
        third = dt.timedelta(days=len(shop.days) // 3)
        parts = [DayRange(shop.days.first, shop.days.last - third), DayRange(shop.days.first + third, shop.days.last)]
        shop.random.shuffle(parts)
        for process in [shop.start(part) for part in parts]:
            assert shop.end(process)
        assert not shop.look(), f"round {number}"
        assert verify(shop.platform, shop.days) == [], f"round {number}"
    assert leftovers(shop) == []


def test_two_backfills_of_overlapping_days_at_once_verify_as_identical(tmp_path: Path) -> None:
    backfill_at_once(tmp_path / "home", times=1)


@pytest.mark.soak
def test_ten_times_over(tmp_path: Path) -> None:
    backfill_at_once(tmp_path / "home", times=10)
