"""What a detector said about a shop, and how much of it was true."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from puffy_platform.monitoring.benchmark.shops import HISTORY_DAYS, SimulatedShop
from puffy_platform.monitoring.causes import suspicions
from puffy_platform.monitoring.detect import judge
from puffy_platform.monitoring.panel import Series
from puffy_platform.settings import Monitoring

__all__ = ["Message", "Score", "detected", "quieted", "score"]

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
    """One shop's year. `found`: place of a planted incident -> day of the message that found it.

    `true`: messages that found an incident; `repeats`: about one that was found before; `false`: about nothing that was
    planted; `in_sales`: of those, on days of an undeclared sale.
    """

    planted: tuple[int, ...]
    found: dict[int, int]
    true: int
    repeats: int
    false: int
    in_sales: int

    @property
    def messages(self) -> int:
        return self.true + self.repeats + self.false


def detected(shop: SimulatedShop, rules: Monitoring) -> list[Message]:
    """What the platform's own detector posts, day by day: one message an incident, until it was quiet for a while."""
    judgement = judge(shop.panel, rules)
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


def score(shop: SimulatedShop, messages: Iterable[Message]) -> Score:
    """Each message is matched to one incident that lasts on its day and moves the metric that leads it, one that was
    not found yet if there is one. Only the scored year counts."""
    found: dict[int, int] = {}
    true = repeats = false = in_sales = 0
    for message in messages:
        meant = [
            place
            for place, planted in enumerate(shop.planted)
            if planted.lasts_on(message.day) and planted.is_meant_by(*message.lead, message.side)
        ]
        new = [place for place in meant if place not in found]
        is_scored = message.day >= HISTORY_DAYS
        if new:
            # Of several, the one whose kind the message names.
            best = min(new, key=lambda place: (shop.planted[place].kind.split()[-1] not in message.key, place))
            found[best] = message.day
            true += is_scored
        elif is_scored:
            repeats += bool(meant)
            false += not meant
            in_sales += not meant and bool(shop.undeclared_sale_days[max(message.day - 1, 0) : message.day + 1].any())
    scored = tuple(place for place, planted in enumerate(shop.planted) if planted.first >= HISTORY_DAYS)
    return Score(
        scored,
        {place: day for place, day in found.items() if place in scored},
        int(true),
        int(repeats),
        int(false),
        int(in_sales),
    )


def quieted(days: np.ndarray, quiet_days: int = QUIET_DAYS) -> list[int]:
    """The days on which a message is posted, of the days on which something is off: not again until it was quiet."""
    posted, last = [], None
    for day in np.flatnonzero(days):
        if last is None or day - last > quiet_days:
            posted.append(int(day))
        last = day
    return posted
