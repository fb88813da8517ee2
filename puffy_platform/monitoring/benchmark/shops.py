"""Simulated shops at the level of daily metrics, with weekly season, trend, noise, sales and planted incidents.

The truth (what was planted where) is returned beside the panel and never enters it. All numbers that steer the
simulation are in `ShopModel`; what an incident does is in `incidents.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from puffy_platform.monitoring.benchmark.planted import Planted, plant
from puffy_platform.monitoring.panel import Panel
from puffy_platform.monitoring.windows import Floats, divided

__all__ = ["CHANNELS", "DAYS", "HISTORY_DAYS", "SimulatedShop", "simulate"]

HISTORY_DAYS = 8 * 7  # before the year that is scored; incidents happen here as well
DAYS = HISTORY_DAYS + 52 * 7
CHANNELS = (
    "Direct",
    "Organic Search",
    "Paid Search",
    "Paid Social",
    "Email",
    "Affiliates",
    "Referral",
    "Display",
)
DEVICES = ("mobile", "desktop", "tablet")
HOURS = tuple(f"{hour:02d}" for hour in range(24))
EVENT_NAMES = (
    "page_viewed",
    "email_filled_on_popup",
    "product_added_to_cart",
    "checkout_started",
    "checkout_completed",
)
CONVERSION_RATE = 0.02
CAP = 4.0  # an order counts at most as this many median orders of its day in capped_order_value


@dataclass(frozen=True)
class ShopModel:
    """What is normal in a simulated shop. Noise is the standard deviation of a day's logarithm."""

    channel_shares: tuple[float, ...] = (0.24, 0.20, 0.19, 0.14, 0.10, 0.06, 0.04, 0.03)
    # How well the channel's sessions convert, relative to all.
    channel_quality: tuple[float, ...] = (1.0, 1.1, 1.2, 0.5, 1.7, 1.2, 0.9, 0.2)
    device_shares: tuple[float, ...] = (0.62, 0.31, 0.07)
    hours: tuple[float, ...] = (
        2.9, 2.1, 1.5, 1.2, 1.1, 1.3, 1.9, 2.8, 3.7, 4.5, 5.0, 5.3,
        5.5, 5.5, 5.4, 5.3, 5.3, 5.4, 5.6, 5.9, 6.0, 5.7, 4.9, 3.9,
    )  # fmt: skip
    weekday_spread: float = 0.10
    season_amplitude: float = 0.12
    growth_per_year: tuple[float, float] = (-0.25, 0.5)
    # Lasting changes of the level that are no incident (a campaign scaled up, a price list): up to this much.
    level_shifts_per_year: float = 4.0
    level_shift: tuple[float, float] = (0.05, 0.15)
    demand_noise: tuple[float, float] = (0.03, 0.06)  # all sessions together; drawn per shop
    demand_memory: float = 0.35  # autocorrelation of that noise
    channel_noise: tuple[float, float] = (0.03, 0.07)
    hour_noise: float = 0.06
    rate_noise: float = 0.03  # conversion, carts, checkouts
    value_noise: float = 0.02
    share_noise: float = 0.15  # null, duplicate, quarantined shares
    carts_per_session: float = 0.08
    checkouts_per_session: float = 0.04
    events_per_session: float = 5.0
    order_value_sigma: float = 0.6
    bulk_order_share: float = 0.002
    bulk_order_factor: float = 8.0
    sales_per_year: float = 8.0
    sale_days: tuple[int, int] = (2, 4)
    sale_sessions: tuple[float, float] = (1.2, 1.6)
    sale_conversion: tuple[float, float] = (1.15, 1.6)
    sale_value: tuple[float, float] = (0.85, 0.97)


@dataclass(frozen=True)
class SimulatedShop:
    """A panel as the platform would measure it, the declared sale days, and the truth."""

    orders_per_day: int
    incidents_per_week: int
    seed: int
    panel: Panel
    undeclared_sale_days: npt.NDArray[np.bool_]
    planted: tuple[Planted, ...] = field(repr=False)


class _Recorder:
    """Collects the series of one shop."""

    def __init__(self) -> None:
        self.series: list[tuple[str, str]] = []
        self.amount: list[Floats] = []
        self.basis: list[Floats] = []
        self.grain: list[Floats] = []

    def add(
        self,
        metric: str,
        segment: str,
        amount: npt.ArrayLike,
        basis: npt.ArrayLike | None = None,
        *,
        grain: npt.ArrayLike | None = None,
    ) -> None:
        ones = np.ones(DAYS)
        self.series.append((metric, segment))
        self.amount.append(np.asarray(amount, dtype=np.float64))
        self.basis.append(ones if basis is None else np.asarray(basis, dtype=np.float64))
        self.grain.append(ones if grain is None else np.asarray(grain, dtype=np.float64))


def simulate(orders_per_day: int, incidents_per_week: int, seed: int, model: ShopModel | None = None) -> SimulatedShop:
    """One shop of 60 weeks, the first 8 of them only history. The same arguments give the same shop."""
    model = model or ShopModel()
    rng = np.random.default_rng([seed, orders_per_day, incidents_per_week])
    weekday = np.arange(DAYS) % 7
    planted = plant(rng, DAYS, incidents_per_week, CHANNELS, model.channel_shares)
    sale, declared, undeclared = _sales(rng, model)

    # What the day would be without incidents, as expectations.
    demand = orders_per_day / CONVERSION_RATE * _level(rng, model) * _weekdays(rng, model.weekday_spread)[weekday]
    demand *= np.exp(_noise(rng, rng.uniform(*model.demand_noise), model.demand_memory)) * sale["sessions"]
    mix = np.array(model.channel_shares)[:, None] * np.exp(
        np.stack([_noise(rng, rng.uniform(*model.channel_noise), 0.5) for _ in CHANNELS])
    )
    sessions = demand * mix / mix.sum(axis=0)
    quality = np.array(model.channel_quality)
    quality = quality / (quality * model.channel_shares).sum()
    conversion = CONVERSION_RATE * quality[:, None] * np.exp(_noise(rng, model.rate_noise, 0.3)) * sale["conversion"]
    conversion = conversion * _weekdays(rng, 0.04)[weekday]
    checkout_rate = model.checkouts_per_session * np.exp(_noise(rng, model.rate_noise, 0.3)) * sale["conversion"]
    cart_rate = model.carts_per_session * np.exp(_noise(rng, model.rate_noise, 0.3)) * np.sqrt(sale["conversion"])
    hours = np.array(model.hours)[:, None] * np.exp(rng.normal(0, model.hour_noise, (24, DAYS)))
    hours /= hours.sum(axis=0)
    value_factor = np.exp(_noise(rng, model.value_noise, 0.3)) * sale["value"]

    def small_share(mean: float) -> Floats:
        return mean * np.exp(_noise(rng, model.share_noise, 0.3))

    nulls = {"raw_events.client_id": small_share(0.01), "raw_events.user_agent": small_share(0.004)}
    no_referrer = 0.45 * np.exp(_noise(rng, 0.03, 0.3))
    unknown = small_share(0.004)
    devices = np.array(model.device_shares)[:, None] * np.exp(rng.normal(0, 0.02, (3, DAYS)))

    # What the incidents do to them.
    for each in planted:
        span, factor = slice(each.first, each.last + 1), each.factor
        if each.kind == "traffic":
            sessions[:, span] *= factor
        elif each.kind == "channel":
            sessions[CHANNELS.index(each.segment), span] *= factor
        elif each.kind == "conversion":
            conversion[:, span] *= factor
        elif each.kind == "order value":
            value_factor[span] *= factor
        elif each.kind == "lost tracking":
            # The share of visits whose source is lost: they arrive without referrer and parameters.
            lost = each.severity
            moved = sessions[1:, span] * lost
            sessions[1:, span] -= moved
            sessions[0, span] += moved.sum(axis=0)
            no_referrer[span] += (1 - no_referrer[span]) * lost
        elif each.kind == "missing hours":
            hours[list(each.hours), span] = 0.0
        elif each.kind == "nulls":
            nulls[each.segment][span] += (1 - nulls[each.segment][span]) * each.severity
    kept = hours.sum(axis=0)  # under 1 where hours are missing
    without_client = nulls["raw_events.client_id"]  # such events make no session, but their orders count

    # What is measured.
    record = _Recorder()
    visits = rng.poisson(sessions * kept)
    orders_by_channel = rng.binomial(visits, np.minimum(conversion, 1))
    sessions_seen = rng.binomial(visits, 1 - without_client)
    total = sessions_seen.sum(axis=0)
    checkouts_extra = np.clip(checkout_rate - CONVERSION_RATE * sale["conversion"], 0.002, 1)
    orders = orders_by_channel.sum(axis=0)
    lost_in_checkout = np.clip(CONVERSION_RATE * sale["conversion"] - conversion.mean(axis=0) / quality.mean(), 0, 1)
    everyone = visits.sum(axis=0)
    checkouts = orders + rng.binomial(everyone, np.clip(checkouts_extra + lost_in_checkout, 0, 1))
    carts = checkouts + rng.binomial(everyone, np.clip(cart_rate - checkout_rate, 0.001, 1))
    events_by_hour = rng.poisson(demand_events(rng, sessions.sum(axis=0), model)[None, :] * hours).astype(np.float64)
    events = events_by_hour.sum(axis=0)
    popups = rng.binomial(everyone, 0.012)

    revenue, squares, capped, capped_squares = _revenue(rng, orders, value_factor, model)
    by_channel = _split_revenue(rng, revenue, orders_by_channel)
    order_grain = np.divide(squares, revenue, out=np.zeros(DAYS), where=revenue > 0)

    record.add("events", "", events)
    record.add("sessions", "", total)
    record.add("clients", "", rng.binomial(total, 0.88))
    record.add("orders", "", orders)
    record.add("revenue", "", revenue, grain=order_grain)
    capped_mean = np.divide(capped, orders, out=np.zeros(DAYS), where=orders > 0)
    capped_grain = np.divide(capped_squares, capped, out=np.zeros(DAYS), where=capped > 0) - capped_mean
    record.add("capped_order_value", "", capped, orders, grain=np.maximum(capped_grain, 0))
    record.add("conversion_rate", "", orders, total)
    record.add("add_to_cart_rate", "", carts, total)
    record.add("checkout_rate", "", checkouts, total)
    record.add("checkout_completion", "", orders, checkouts)
    for place, channel in enumerate(CHANNELS):
        record.add("channel_share", channel, sessions_seen[place], total)
    for place, channel in enumerate(CHANNELS):
        record.add("channel_revenue", channel, by_channel[place], grain=order_grain)
    for place, device in enumerate(DEVICES):
        share = devices[place] / devices.sum(axis=0)
        record.add("device_share", device, rng.binomial(total, share), total)
    counted = dict(zip(EVENT_NAMES[1:], (popups, carts, checkouts, orders), strict=True))
    for name, count in counted.items():
        record.add("event_share", name, count, np.maximum(events, count))
    for place, hour in enumerate(HOURS):
        record.add("hour_events", hour, events_by_hour[place])
    for column, share in nulls.items():
        record.add("null_share", column, rng.binomial(events.astype(np.int64), share), events)
    record.add(
        "null_share", "raw_events.referrer", rng.binomial(events.astype(np.int64), np.clip(no_referrer, 0, 1)), events
    )
    record.add("unknown_channel_share", "", rng.binomial(events.astype(np.int64), unknown), events)
    record.add("duplicate_share", "", rng.binomial(events.astype(np.int64), small_share(0.02)), events)
    record.add("quarantined_share", "", rng.binomial(events.astype(np.int64), small_share(0.002)), events)
    record.add("collision_share", "", rng.binomial(orders, np.minimum(small_share(0.012), 1)), orders)

    panel = Panel(
        series=tuple(record.series),
        amount=np.stack(record.amount),
        basis=np.stack(record.basis),
        grain=np.stack(record.grain),
        there=np.ones(DAYS, dtype=np.bool_),
        event=declared,
        weekday=weekday.astype(np.int64),
    )
    return SimulatedShop(orders_per_day, incidents_per_week, seed, panel, undeclared, planted)


def demand_events(rng: np.random.Generator, sessions: Floats, model: ShopModel) -> Floats:
    """Expected events of a day: pages and actions a session vary from day to day."""
    noise = np.exp(_noise(rng, 0.015, 0.3))
    scatter = rng.normal(0, 1, DAYS) * np.sqrt(sessions) * model.events_per_session * 0.9
    expected: Floats = np.maximum(sessions * model.events_per_session * noise + scatter, 1.0)
    return expected


def _noise(rng: np.random.Generator, sigma: float, memory: float) -> Floats:
    """First-order autoregression with this standard deviation."""
    shocks = rng.normal(0, sigma * np.sqrt(1 - memory**2), DAYS)
    path = np.empty(DAYS)
    last = rng.normal(0, sigma)
    for day in range(DAYS):
        last = memory * last + shocks[day]
        path[day] = last
    return path


def _level(rng: np.random.Generator, model: ShopModel) -> Floats:
    """Growth, a yearly season and lasting shifts, around 1."""
    day = np.arange(DAYS)
    growth = np.exp(np.log1p(rng.uniform(*model.growth_per_year)) * day / 365)
    season = np.exp(model.season_amplitude * np.sin(2 * np.pi * (day + rng.integers(365)) / 365))
    level: Floats = growth * season
    for _ in range(rng.poisson(model.level_shifts_per_year * DAYS / 365)):
        at, size = rng.integers(DAYS), rng.uniform(*model.level_shift) * rng.choice([-1, 1])
        level[at:] *= 1 + size
    return level


def _weekdays(rng: np.random.Generator, spread: float) -> Floats:
    factors: Floats = np.exp(rng.normal(0, spread, 7))
    factors /= factors.mean()
    return factors


def _sales(
    rng: np.random.Generator, model: ShopModel
) -> tuple[dict[str, Floats], npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    effects = {name: np.ones(DAYS) for name in ("sessions", "conversion", "value")}
    declared, undeclared = np.zeros(DAYS, np.bool_), np.zeros(DAYS, np.bool_)
    for number in range(rng.poisson(model.sales_per_year * DAYS / 365)):
        first = int(rng.integers(DAYS - 4))
        span = slice(first, first + int(rng.integers(model.sale_days[0], model.sale_days[1] + 1)))
        effects["sessions"][span] *= rng.uniform(*model.sale_sessions)
        effects["conversion"][span] *= rng.uniform(*model.sale_conversion)
        effects["value"][span] *= rng.uniform(*model.sale_value)
        (declared if number % 2 else undeclared)[span] = True
    return effects, declared, undeclared & ~declared


def _revenue(
    rng: np.random.Generator, orders: npt.NDArray[np.int64], factor: Floats, model: ShopModel
) -> tuple[Floats, Floats, Floats, Floats]:
    """Cents of a day's orders and the sum of their squares, then both of the orders capped: log-normal values with a
    few bulk orders."""
    sigma, median = model.order_value_sigma, 80_000.0
    count = int(orders.sum())
    if count <= 400_000:
        values = median * np.exp(rng.normal(0, sigma, count))
        values[rng.random(count) < model.bulk_order_share] *= model.bulk_order_factor
        day = np.repeat(np.arange(DAYS), orders)
        values *= factor[day]
        place = np.argsort(values + day * values.max() * 2, kind="stable")
        ends = np.cumsum(orders)
        middle = np.clip(ends - orders + orders // 2, 0, count - 1)
        medians = values[place][middle]
        capped = np.minimum(values, CAP * medians[day])
        return tuple(np.bincount(day, each, DAYS) for each in (values, values**2, capped, capped**2))  # type: ignore
    # Thousands of orders a day: the sum is normal.
    bulk, times = model.bulk_order_share, model.bulk_order_factor
    first = median * np.exp(sigma**2 / 2) * (1 + bulk * (times - 1))
    second = median**2 * np.exp(2 * sigma**2) * (1 + bulk * (times**2 - 1))
    total = (orders * first + rng.normal(0, 1, DAYS) * np.sqrt(orders * (second - first**2))) * factor
    return total, orders * second * factor**2, total * 0.98, orders * second * factor**2 * 0.9


def _split_revenue(rng: np.random.Generator, revenue: Floats, orders_by_channel: npt.NDArray[np.int64]) -> Floats:
    """The day's revenue over channels: by their orders, with the scatter of the values of single orders."""
    weights: Floats = rng.gamma(np.maximum(orders_by_channel, 1e-9) * 2.0)
    weights[orders_by_channel == 0] = 0.0
    total = weights.sum(axis=0)
    return divided(revenue * weights, total).round()
