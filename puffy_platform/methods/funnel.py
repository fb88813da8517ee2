"""Funnels: how far clients get through steps inside a conversion window, and how long each step takes them.

Pure. How a question is written down is in methods/funnel_question.py; where events come from is not decided here.
Definitions, with an example by hand: docs/methods/funnels.md.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from puffy_platform.methods.client_order import ClientOrder
from puffy_platform.table import DayRange

__all__ = ["Funnel", "Order", "Reentry", "attempts", "step_columns"]

Order = Literal["ordered", "strict", "any"]
Reentry = Literal["best", "first", "every"]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Funnel:
    """How attempts are made out of a client's events; the steps themselves are the columns step_1 to step_n.

    An attempt begins with an entry and lasts at most `within` from it, that instant included. `order`:

    - ordered: the entry does step 1; each next step is done by the client's first later event that does it.
    - strict: so, and with no other event of the client between two steps.
    - any: the entry does any step, and the others follow in whatever order; the k-th step done is step k. An event
      may then do one step only.

    One event never does two steps of an attempt. `reentry` says how often a client counts:

    - best: a client counts once, by its attempt that gets furthest; of equal ones the earliest.
    - first: a client counts once, by its first attempt.
    - every: every attempt counts that begins after the one before has ended: by its last step, by the end of the
      window, or, of a strict one, by the event that broke it.

    With `per_day`, best and first count a client once for every UTC day on which it enters.
    """

    steps: int
    within: dt.timedelta
    order: Order = "ordered"
    reentry: Reentry = "best"
    per_day: bool = False

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise ValueError("a funnel has at least one step")
        if self.within <= dt.timedelta(0):
            raise ValueError("the conversion window is longer than nothing")

    @property
    def within_microseconds(self) -> int:
        return self.within // dt.timedelta(microseconds=1)


def step_columns(steps: int) -> list[str]:
    return [f"step_{number}" for number in range(1, steps + 1)]


def attempts(events: pl.DataFrame, funnel: Funnel, entered: DayRange) -> pl.DataFrame:
    """The attempts that count, a row each, of those that begin on the days `entered`.

    `events` has client_id (no nulls), event_ts, landing_day, source_file, source_line, revenue_cents and the
    Boolean columns step_1 to step_n: does the event do the step? For a strict funnel it must hold every event of
    the clients, else those that do any step are enough.

    Columns: client_id; entered_at; reached, the steps done, 1 to n; at_1 to at_n, when the k-th was done, null when
    it was not; revenue_cents, of the events that did them. Raises ValueError when an event does two steps of a
    funnel in any order.
    """
    order = ClientOrder(events)
    does = [order.column(name).fill_null(False).to_numpy() for name in step_columns(funnel.steps)]
    places = _entries(order, does, funnel, entered)
    done = _STEPS_DONE[funnel.order](order, does, places, funnel)
    reached = (done < len(order)).sum(axis=0).astype(np.int64)
    counted = _COUNTED[funnel.reentry](order, places, reached, done, funnel)
    return _frame(order, done[:, counted], reached[counted])


def _entries(order: ClientOrder, does: Sequence[Flags], funnel: Funnel, entered: DayRange) -> Ints:
    """The places of the events that begin an attempt."""
    if funnel.order == "any":
        if (np.sum(does, axis=0, dtype=np.int8) > 1).any():
            raise ValueError("in any order an event may do one step only: let the conditions exclude each other")
        begins = np.logical_or.reduce(does)
    else:
        begins = does[0]
    day = order.time // _MICROSECONDS_A_DAY
    first, last = ((edge - dt.date(1970, 1, 1)).days for edge in (entered.first, entered.last))
    return np.flatnonzero(begins & (first <= day) & (day <= last)).astype(np.int64)


def _ordered(order: ClientOrder, does: Sequence[Flags], entries: Ints, funnel: Funnel) -> Ints:
    """From each step the first later event that does the next: nothing can get further from the same entry."""
    done = [entries]
    for flags in does[1:]:
        done.append(_inside(order, entries, _next_place(flags, done[-1], after=True), funnel))
    return np.stack(done)


def _strict(order: ClientOrder, does: Sequence[Flags], entries: Ints, funnel: Funnel) -> Ints:
    """The k-th step is done by the k-th event from the entry, or not at all."""
    done = [entries]
    nowhere = len(order)
    for number, flags in enumerate(does[1:], start=1):
        place = entries + number
        is_done = np.append(flags, False)[np.minimum(place, nowhere)] & (done[-1] < nowhere)
        done.append(_inside(order, entries, np.where(is_done, place, nowhere), funnel))
    return np.stack(done)


def _any_order(order: ClientOrder, does: Sequence[Flags], entries: Ints, funnel: Funnel) -> Ints:
    """For every step the first event from the entry on that does it; then these by time."""
    done = [_inside(order, entries, _next_place(flags, entries, after=False), funnel) for flags in does]
    return np.sort(np.stack(done), axis=0)


_STEPS_DONE: dict[str, Callable[[ClientOrder, Sequence[Flags], Ints, Funnel], Ints]] = {
    "ordered": _ordered,
    "strict": _strict,
    "any": _any_order,
}


def _next_place(flags: Flags, places: Ints, *, after: bool) -> Ints:
    """For each place the next one that is flagged, itself excepted with `after`; len(flags) where there is none."""
    nowhere = len(flags)
    flagged: Ints = np.append(np.flatnonzero(flags), nowhere).astype(np.int64)
    passed = np.append(np.cumsum(flags), len(flagged) - 1)
    here: Ints = np.append(flags & (not after), False).astype(np.int64)
    return flagged[passed[places] - here[places]]


def _inside(order: ClientOrder, entries: Ints, places: Ints, funnel: Funnel) -> Ints:
    """The places that are events of the entry's client inside the window; len(order) for the others."""
    nowhere = len(order)
    place = np.minimum(places, nowhere - 1) if nowhere else places
    is_inside = (
        (places < nowhere)
        & (order.client[place] == order.client[entries])
        & (order.time[place] - order.time[entries] <= funnel.within_microseconds)
    )
    return np.where(is_inside, places, nowhere)


def _best(order: ClientOrder, entries: Ints, reached: Ints, done: Ints, funnel: Funnel) -> Ints:
    starts = _unit_starts(order, entries, funnel.per_day)
    furthest = np.maximum.reduceat(reached, starts) if len(entries) else reached
    is_furthest = reached == np.repeat(furthest, np.diff(starts, append=len(entries)))
    # Of each unit's furthest attempts the first: the one with no other of its unit before it.
    candidates = np.flatnonzero(is_furthest).astype(np.int64)
    units = np.searchsorted(starts, candidates, side="right")
    return candidates[np.append(True, np.diff(units) > 0)] if len(candidates) else candidates


def _first(order: ClientOrder, entries: Ints, reached: Ints, done: Ints, funnel: Funnel) -> Ints:
    return _unit_starts(order, entries, funnel.per_day)


def _unit_starts(order: ClientOrder, entries: Ints, per_day: bool) -> Ints:
    """Where among the entries those of the next client (or client and day) begin."""
    if not len(entries):
        return entries
    is_new = np.diff(order.client[entries]) != 0
    if per_day:
        is_new |= np.diff(order.time[entries] // _MICROSECONDS_A_DAY) != 0
    return np.flatnonzero(np.append(True, is_new)).astype(np.int64)


def _every(order: ClientOrder, entries: Ints, reached: Ints, done: Ints, funnel: Funnel) -> Ints:
    """From each client's first entry on, again and again the first entry after the attempt's end.

    An attempt's successor does not depend on which attempts count, so all successors are found at once, and those
    that follow from the first ones by doubling: after k rounds the chains are known up to length 2 ** k.
    """
    completed = reached == funnel.steps
    if funnel.order == "strict":
        end = entries + reached
    else:
        end = np.where(completed, done[-1] + 1, _window_ends(order, entries, funnel))
    follower = np.searchsorted(entries, end)
    nobody = len(entries)
    place = np.minimum(follower, nobody - 1) if nobody else follower
    is_same_client = (follower < nobody) & (order.client[entries[place]] == order.client[entries])
    jump = np.append(np.where(is_same_client, follower, nobody), nobody)
    counted = np.zeros(nobody + 1, dtype=np.bool_)
    counted[_unit_starts(order, entries, per_day=False)] = True
    while True:
        news = jump[counted.nonzero()[0]]
        if counted[news[news < nobody]].all():
            return np.flatnonzero(counted[:nobody]).astype(np.int64)
        counted[news] = True
        counted[nobody] = False
        jump = jump[jump]


def _window_ends(order: ClientOrder, entries: Ints, funnel: Funnel) -> Ints:
    """The place of the client's first event after the window, or after its last event: by halving the distance."""
    limit = order.time[entries] + funnel.within_microseconds
    low, high = entries + 1, order.ends[order.client[entries]]
    while (open_ := low < high).any():
        middle = (low + high) // 2
        is_within = open_ & (order.time[np.minimum(middle, len(order) - 1)] <= limit)
        low, high = np.where(is_within, middle + 1, low), np.where(open_ & ~is_within, middle, high)
    return low


_COUNTED: dict[str, Callable[[ClientOrder, Ints, Ints, Ints, Funnel], Ints]] = {
    "best": _best,
    "first": _first,
    "every": _every,
}
_MICROSECONDS_A_DAY = 86_400_000_000


def _frame(order: ClientOrder, done: Ints, reached: Ints) -> pl.DataFrame:
    """A row for each attempt, from the places of its events."""
    nowhere = len(order)
    time = np.append(order.time, 0)
    cents = np.append(order.column("revenue_cents").fill_null(0).to_numpy(), 0)
    times = [
        pl.Series(f"at_{number}", time[places]).set(pl.Series(places == nowhere), None).cast(pl.Datetime("us", "UTC"))
        for number, places in enumerate(done, start=1)
    ]
    return order.at(done[0], "client_id").with_columns(
        times[0].alias("entered_at"),
        pl.Series("reached", reached),
        *times,
        pl.Series("revenue_cents", cents[done].sum(axis=0)),
    )
