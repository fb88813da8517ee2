"""What a detector said about a shop, and how much of it was true."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import astuple, dataclass

import numpy as np

from puffy_platform.monitoring.benchmark.shops import HISTORY_DAYS, WEEKS, SimulatedShop
from puffy_platform.monitoring.causes import suspicions
from puffy_platform.monitoring.detect import Judgement
from puffy_platform.monitoring.panel import Series

__all__ = ["Message", "Score", "Scored", "detected", "quieted", "score"]

# An incident that was quiet for more days than this has ended; before, it is the same one that comes and goes.
QUIET_DAYS = 3


@dataclass(frozen=True)
class Message:
    """One message: posted after this day, led by this metric, which was too low (-1) or too high (1)."""

    day: int
    key: str
    lead: Series
    side: int


@dataclass(frozen=True)
class Score:
    """What came of one shop's year, or of several added up.

    `incidents` were planted, `found` of them had a message, `on_first_day` on the first day they lasted. Messages:
    `true` found an incident; `repeats` are about one that had been found; `false` are about nothing that was planted,
    `in_sales` of them on days of a sale that nobody declared.
    """

    weeks: int = 0
    incidents: int = 0
    found: int = 0
    on_first_day: int = 0
    true: int = 0
    repeats: int = 0
    false: int = 0
    in_sales: int = 0

    def __add__(self, other: Score) -> Score:
        return Score(*(one + another for one, another in zip(astuple(self), astuple(other), strict=True)))

    @property
    def precision(self) -> float:
        """Share of the messages that found an incident; repeats count against it."""
        messages = self.true + self.repeats + self.false
        return self.true / messages if messages else float("nan")

    @property
    def recall(self) -> float:
        return self.found / self.incidents if self.incidents else float("nan")

    @property
    def first_day_share(self) -> float:
        """Of the incidents found, those found on the first day on which they could be."""
        return self.on_first_day / self.found if self.found else float("nan")

    @property
    def posted_a_week(self) -> float:
        """All messages, true or not."""
        return (self.true + self.repeats + self.false) / self.weeks if self.weeks else float("nan")

    @property
    def false_a_week(self) -> float:
        return self.false / self.weeks if self.weeks else float("nan")

    @property
    def repeats_a_week(self) -> float:
        return self.repeats / self.weeks if self.weeks else float("nan")


@dataclass(frozen=True)
class Scored:
    """A shop's score, whole and by kind of incident (messages are not of a kind), and its untrue messages."""

    whole: Score
    by_kind: dict[str, Score]
    untrue: tuple[Message, ...]


def detected(shop: SimulatedShop, judgement: Judgement) -> list[Message]:
    """What the platform's own detector posts, day by day: one message an incident, until it was quiet for a while."""
    is_off = (judgement.unusual != 0).any(axis=0) | judgement.expectation.empty_hours.any(axis=0)
    messages: list[Message] = []
    last: dict[str, int] = {}
    for day in np.flatnonzero(is_off).tolist():
        for each in suspicions(judgement, day):
            # An incident that was quiet for no more than QUIET_DAYS is still the same one; what only the digest tells
            # opens none.
            is_known = each.key in last and day - last[each.key] <= QUIET_DAYS
            if is_known or each.is_posted:
                last[each.key] = day
            if each.is_posted and not is_known:
                place = shop.panel.place[each.lead]
                side = -1 if each.lead[0] == "hour_events" else int(judgement.unusual[place, day])
                messages.append(Message(day, each.key, each.lead, side))
    return messages


def score(shop: SimulatedShop, messages: Iterable[Message]) -> Scored:
    """Each message is matched to one incident that lasts on its day and moves the metric that leads it, one that was
    not found yet if there is one. Only the scored year counts."""
    found: dict[int, int] = {}
    told = Counter[str]()
    untrue = []
    for message in messages:
        meant = [
            place
            for place, planted in enumerate(shop.planted)
            if planted.lasts_on(message.day) and planted.is_meant_by(*message.lead, message.side)
        ]
        new = [place for place in meant if place not in found]
        if new:
            # Of several, the one whose kind the message names.
            best = min(new, key=lambda place: (shop.planted[place].kind.split()[-1] not in message.key, place))
            found[best] = message.day
        if message.day >= HISTORY_DAYS:
            told["true" if new else "repeats" if meant else "false"] += 1
            is_of_sale = bool(shop.undeclared_sale_days[max(message.day - 1, 0) : message.day + 1].any())
            told["in_sales"] += not meant and is_of_sale
            untrue += [] if new else [message]
    by_kind: dict[str, Score] = {}
    for place, planted in enumerate(shop.planted):
        if planted.first >= HISTORY_DAYS:
            one = Score(0, 1, int(place in found), int(found.get(place) == planted.first))
            name = f"{planted.kind} {planted.direction}".strip()
            by_kind[name] = by_kind.get(name, Score()) + one
    whole = sum(by_kind.values(), Score(weeks=WEEKS, **told))
    return Scored(whole, by_kind, tuple(untrue))


def quieted(days: np.ndarray, quiet_days: int = QUIET_DAYS) -> list[int]:
    """The days on which a message is posted, of the days on which something is off: not again until it was quiet."""
    posted, last = [], None
    for day in np.flatnonzero(days):
        if last is None or day - last > quiet_days:
            posted.append(int(day))
        last = day
    return posted
