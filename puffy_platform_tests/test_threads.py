"""Work done side by side is given in its order, may ask for more of it, and raises what it raises."""

import os
from functools import partial
from threading import Barrier

import pytest

from puffy_platform.threads import at_once


@pytest.mark.skipif(os.cpu_count() == 1, reason="one core does one work after the other")
def test_results_come_in_the_order_of_their_works_which_run_side_by_side() -> None:
    both = Barrier(2, timeout=10)

    def wait_for_the_other(name: str) -> str:
        both.wait()
        return name

    assert at_once(partial(wait_for_the_other, name) for name in "ab") == ["a", "b"]


def test_works_may_ask_for_works_however_many_there_are() -> None:
    def many(number: int) -> list[int]:
        return at_once(partial(pow, number, power) for power in range(3))

    assert at_once(partial(many, number) for number in range(20)) == [[1, n, n * n] for n in range(20)]


def test_an_error_of_one_is_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        at_once([lambda: 1 // 0, lambda: 1])
