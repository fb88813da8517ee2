"""What is usually done instead: each number on its own, by the same detector, a fixed threshold or three sigma."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from puffy_platform.monitoring.benchmark.score import Message, quieted
from puffy_platform.monitoring.benchmark.shops import SimulatedShop
from puffy_platform.monitoring.detect import Judgement
from puffy_platform.monitoring.windows import Bools, Floats, before, divided

__all__ = ["BASELINES", "WATCHED"]

# The numbers on the usual dashboard.
WATCHED = (
    "events",
    "sessions",
    "orders",
    "revenue",
    "capped_order_value",
    "conversion_rate",
    "channel_share",
    "null_share",
)
WEEK = 7


def alone(shop: SimulatedShop, judgement: Judgement) -> list[Message]:
    """The platform's own judgement of each number, without asking what several have in common."""
    return _messages(shop, judgement.unusual)


def threshold(shop: SimulatedShop, judgement: Judgement, share: float = 0.30) -> list[Message]:
    """30 % more or less than on the same day of last week."""
    values = _values(shop)
    last_week = before(values, WEEK, 0.0)[..., 0]
    change = divided(values - last_week, last_week)
    return _messages(shop, np.where(np.abs(change) > share, np.sign(change), 0.0))


def three_sigma(shop: SimulatedShop, judgement: Judgement, days: int = 28) -> list[Message]:
    """More than three standard deviations from the mean of the last 28 days."""
    values = _values(shop)
    past = before(values, days, 0.0)
    distance = divided(values - past.mean(axis=-1), past.std(axis=-1))
    return _messages(shop, np.where(np.abs(distance) > 3, np.sign(distance), 0.0))


BASELINES: dict[str, Callable[[SimulatedShop, Judgement], list[Message]]] = {
    "each number judged alone": alone,
    "30 % against last week": threshold,
    "3 sigma of 28 days": three_sigma,
}


def _values(shop: SimulatedShop) -> Floats:
    return divided(shop.panel.amount, shop.panel.basis)


def _messages(shop: SimulatedShop, sides: Floats | npt.NDArray[np.int64]) -> list[Message]:
    """One message a number and side, folded like those of the detector. Declared sales are known here as well."""
    found = []
    for place, series in enumerate(shop.panel.series):
        if series[0] in WATCHED:
            for side in (-1, 1):
                is_off: Bools = (sides[place] == side) & ~shop.panel.event
                found += [Message(day, " ".join(series), series, side) for day in quieted(is_off)]
    return sorted(found, key=lambda message: (message.day, message.key, message.side))
