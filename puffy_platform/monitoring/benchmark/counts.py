"""From what a day was expected to bring to what was counted on it: the chance of single visits, orders and events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from puffy_platform.monitoring.measure import CAP
from puffy_platform.monitoring.panel import Panel, Series
from puffy_platform.monitoring.windows import Bools, Floats, divided

__all__ = ["Expected", "counted"]

Counts = npt.NDArray[np.int64]

EVENTS_PER_SESSION = 5.0
CLIENTS_PER_SESSION = 0.88
POPUPS_PER_SESSION = 0.012
DEVICES = {"mobile": 0.62, "desktop": 0.31, "tablet": 0.07}
DEVICE_NOISE = 0.02
# Values of orders in cents: log-normal, with a few bulk orders.
MEDIAN_CENTS, VALUE_SIGMA = 80_000.0, 0.6
BULK_SHARE, BULK_FACTOR = 0.002, 8.0
# Above so many orders in all, sums of values are drawn as normals.
MOST_SINGLE_ORDERS = 400_000
# Orders of one channel differ in value, too: this many are as good as one with the mean value.
ORDERS_PER_SHARE = 2.0


@dataclass
class Expected:
    """By day: sessions by channel, and how well each channel buys; the day's hours (they sum to 1, less where some are
    missing); carts and checkouts a session, orders a checkout, the share of orders counted twice; the factor on order
    values; the shares of nulls and other small shares; the factor on pages a session."""

    sessions: Floats
    buying: Floats
    hours: Floats
    carts: Floats
    checkouts: Floats
    completion: Floats
    counted_twice: Floats
    value: Floats
    nulls: dict[str, Floats]
    small_shares: dict[str, Floats]
    page_noise: Floats


class _Series:
    """Collects the series of one shop."""

    def __init__(self, days: int) -> None:
        self.ones = np.ones(days)
        self.names: list[Series] = []
        self.columns: list[tuple[Floats, Floats, Floats]] = []

    def add(
        self,
        metric: str,
        amount: npt.ArrayLike,
        basis: npt.ArrayLike | None = None,
        *,
        segment: str = "",
        grain: npt.ArrayLike | None = None,
    ) -> None:
        self.names.append((metric, segment))
        given = (amount, basis, grain)
        amounts, bases, grains = (self.ones if each is None else np.asarray(each, np.float64) for each in given)
        self.columns.append((amounts, bases, grains))


def counted(rng: np.random.Generator, expected: Expected, channels: Sequence[str], declared: Bools) -> Panel:
    """The panel of daily metrics, on the days of whose sales only the declared ones are known."""
    days = expected.sessions.shape[1]
    series = _Series(days)
    kept = expected.hours.sum(axis=0)
    visits = rng.poisson(expected.sessions * kept)
    everyone = visits.sum(axis=0)
    # Events without client id make no session, but their orders count.
    sessions = rng.binomial(visits, 1 - expected.nulls["raw_events.client_id"])
    total = sessions.sum(axis=0)
    checkouts = rng.binomial(everyone, np.clip(expected.checkouts, 0, 1))
    orders = rng.binomial(checkouts, np.clip(expected.completion, 0, 1))
    orders = orders + rng.binomial(orders, expected.counted_twice)
    carts = checkouts + rng.binomial(everyone, np.clip(expected.carts - expected.checkouts, 0.001, 1))
    by_channel = _orders_by_channel(rng, orders, visits * expected.buying[:, None])

    series.add("sessions", total)
    series.add("clients", rng.binomial(total, CLIENTS_PER_SESSION))
    series.add("orders", orders)
    series.add("conversion_rate", orders, total)
    series.add("add_to_cart_rate", carts, total)
    series.add("checkout_rate", checkouts, total)
    series.add("checkout_completion", orders, checkouts)
    for channel, count in zip(channels, sessions, strict=True):
        series.add("channel_share", count, total, segment=channel)
    noise = np.exp(rng.normal(0, DEVICE_NOISE, (len(DEVICES), days)))
    devices = np.array(list(DEVICES.values()))[:, None] * noise
    for device, share in zip(DEVICES, devices / devices.sum(axis=0), strict=True):
        series.add("device_share", rng.binomial(total, share), total, segment=device)
    _money(rng, series, orders, by_channel, expected.value, channels)
    actions = {
        "email_filled_on_popup": rng.binomial(everyone, POPUPS_PER_SESSION),
        "product_added_to_cart": carts,
        "checkout_started": checkouts,
        "checkout_completed": orders,
    }
    _events(rng, series, expected, orders, actions)
    amount, basis, grain = (np.stack(column) for column in zip(*series.columns, strict=True))
    there = np.ones(days, dtype=np.bool_)
    return Panel(tuple(series.names), amount, basis, grain, there, declared, np.arange(days) % 7)


def _events(
    rng: np.random.Generator, series: _Series, expected: Expected, orders: Counts, actions: dict[str, Counts]
) -> None:
    """Events by hour and by name, and the shares of all rows."""
    sessions = expected.sessions.sum(axis=0)
    scatter = rng.normal(0, 1, len(sessions)) * np.sqrt(sessions) * EVENTS_PER_SESSION * 0.9
    whole_day = np.maximum(sessions * EVENTS_PER_SESSION * expected.page_noise + scatter, 1.0)
    by_hour = rng.poisson(whole_day * expected.hours)
    events = by_hour.sum(axis=0)
    series.add("events", events)
    for hour, count in enumerate(by_hour):
        series.add("hour_events", count, segment=f"{hour:02d}")
    for name, count in actions.items():
        series.add("event_share", count, np.maximum(events, count), segment=name)
    for column, share in expected.nulls.items():
        series.add("null_share", rng.binomial(events, np.clip(share, 0, 1)), events, segment=column)
    for metric, share in expected.small_shares.items():
        whole = orders if metric == "collision_share" else events
        series.add(metric, rng.binomial(whole, np.clip(share, 0, 1)), whole)


def _money(
    rng: np.random.Generator,
    series: _Series,
    orders: Counts,
    by_channel: Counts,
    value: Floats,
    channels: Sequence[str],
) -> None:
    """Revenue of all and by channel, and the value of an order with none above CAP medians."""
    cents, squares, capped, capped_squares = _values(rng, orders, value)
    grain = divided(squares, cents)
    series.add("revenue", cents, grain=grain)
    spread = divided(capped_squares, capped) - divided(capped, orders)
    series.add("capped_order_value", capped, orders, grain=np.maximum(spread, 0))
    weights = rng.gamma(np.maximum(by_channel, 1e-9) * ORDERS_PER_SHARE)
    weights = np.where(by_channel > 0, weights, 0.0)
    for channel, part in zip(channels, divided(cents * weights, weights.sum(axis=0)), strict=True):
        series.add("channel_revenue", part, segment=channel, grain=grain)


def _orders_by_channel(rng: np.random.Generator, orders: Counts, weights: Floats) -> Counts:
    """The day's orders over channels, one after the other by their share of what is left."""
    left, rest = orders.copy(), weights.sum(axis=0)
    found = np.zeros(weights.shape, dtype=np.int64)
    for place, weight in enumerate(weights):
        found[place] = rng.binomial(left, np.clip(divided(weight, rest), 0, 1))
        left -= found[place]
        rest = rest - weight
    return found


def _values(rng: np.random.Generator, orders: Counts, factor: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """Cents of a day's orders and the sum of their squares; then both of the orders capped."""
    days, count = len(orders), int(orders.sum())
    if count > MOST_SINGLE_ORDERS:
        mean = MEDIAN_CENTS * np.exp(VALUE_SIGMA**2 / 2) * (1 + BULK_SHARE * (BULK_FACTOR - 1))
        square = MEDIAN_CENTS**2 * np.exp(2 * VALUE_SIGMA**2) * (1 + BULK_SHARE * (BULK_FACTOR**2 - 1))
        chance = rng.normal(0, 1, days) * np.sqrt(orders * (square - mean**2))
        cents = (orders * mean + chance) * factor
        return cents, orders * square * factor**2, cents, orders * square * factor**2
    values = MEDIAN_CENTS * np.exp(rng.normal(0, VALUE_SIGMA, count))
    values[rng.random(count) < BULK_SHARE] *= BULK_FACTOR
    day = np.repeat(np.arange(days), orders)
    values *= factor[day]
    ordered = values[np.lexsort((values, day))]
    middle = np.clip(np.cumsum(orders) - orders + orders // 2, 0, max(count - 1, 0))
    capped = np.minimum(values, CAP * ordered[middle][day])
    cents, squares, capped_cents, capped_squares = (
        np.bincount(day, each, days).astype(np.float64) for each in (values, values**2, capped, capped**2)
    )
    return cents, squares, capped_cents, capped_squares
