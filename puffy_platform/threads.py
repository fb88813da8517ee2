"""Independent pieces of work side by side: much of what Polars does for one of them, one core does."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TypeVar

__all__ = ["at_once", "in_turn"]

T = TypeVar("T")


_this_thread = threading.local()


def at_once(works: Iterable[Callable[[], T]]) -> list[T]:
    """What each of these gives, in their order; as many at a time as there are cores. An error of one is raised.

    Works that themselves ask for this have theirs done one after the other: threads never wait for each other.
    """
    return list(in_turn(works))


def in_turn(works: Iterable[Callable[[], T]]) -> Iterator[T]:
    """The same, each as soon as it is there. Works not yet begun are dropped when nobody asks for more."""
    if getattr(_this_thread, "is_at_work", False):
        return (work() for work in works)
    return _threads().map(lambda work: work(), works)


@cache
def _threads() -> ThreadPoolExecutor:
    """The same threads throughout: what an allocator keeps for a thread that has ended is not soon used again."""
    return ThreadPoolExecutor(os.cpu_count(), "work", initializer=lambda: setattr(_this_thread, "is_at_work", True))
