"""The metrics of a day: what each one counts, from which table, and what it takes to call it unusual.

Declarations only. How they are measured is in `measure.py`, how they are judged in `detect.py`. The simulated shops of
the benchmark have metrics of these names, so that both go through the same judgement.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["METRICS", "REFERRER", "UNIDENTIFIED", "Kind", "Layer", "Metric", "metric_named"]

Kind = Literal["count", "share", "money", "mean", "state"]
Layer = Literal["delivery", "quality", "business"]

# The null shares that others are corrected by.
UNIDENTIFIED = ("null_share", "raw_events.client_id")
REFERRER = ("null_share", "raw_events.referrer")


@dataclass(frozen=True)
class Metric:
    """One metric, whole or by segment.

    `kind`: a count, a share (part of a whole), money (a sum of orders' cents), a mean (cents an order) or a state
    (files that show something; unusual when the day before showed none).

    A day is unusual when its deviation passes `sigmas` and its effect both `least_change` (relative) and `least_points`
    (of a share, 0 to 1), on an amount that is off by `least_amount` grains at least (a grain of money is one order). It
    is judged from `least_days` of history on. `up_only`: a fall is no trouble. `is_judged`: false for metrics that only
    help others.

    What a day without some of its hours, or with rows without client id, or with lost referrers does to a metric is
    known and taken out before it is judged: `is_covered` (grows with the hours there are), `identified` (needs a client
    id: of the amount, or of the basis), `needs_source` (a day of lost tracking is no history).
    """

    name: str
    words: str
    kind: Kind
    layer: Layer
    table: str
    sigmas: float = 4.9
    least_change: float = 0.20
    least_points: float = 0.0
    least_amount: float = 0.0
    least_days: int = 21
    up_only: bool = False
    is_judged: bool = True
    is_covered: bool = False
    identified: Literal["", "amount", "basis"] = ""
    needs_source: bool = False

    @property
    def feels_events(self) -> bool:
        """A sale moves it: such a day is no history for it, and a rise on it is no surprise."""
        return self.layer == "business" or self.kind in ("count", "money") or self.name == "event_share"

    def described(self, segment: str) -> str:
        """The metric of a segment in words."""
        return self.words.format(segment) if segment else self.words.replace(" {}", "").replace("{} ", "")


def _quality_share(name: str, words: str, table: str, **more: float | bool) -> Metric:
    """A share that should be small: it has no weekly season, so a few days are enough, and only a rise is trouble."""
    options = {"least_points": 0.02, "least_amount": 4.0, "least_days": 5, "up_only": True, "sigmas": 4.9, **more}
    return Metric(name, words, "share", "quality", table, **options)  # type: ignore[arg-type]


_ALL = (
    Metric("landed_files", "landing files", "count", "delivery", "file_drift", is_judged=False),
    Metric("landed_rows", "rows in the landing files", "count", "delivery", "file_drift", is_covered=True),
    Metric("column_drift", "files with {}", "state", "delivery", "file_drift", least_days=1),
    _quality_share("duplicate_share", "share of rows delivered again", "duplicate_events"),
    _quality_share("quarantined_share", "share of rows quarantined {}", "quarantined_events", least_points=0.01),
    _quality_share("naive_timestamp_share", "share of timestamps without an offset", "raw_events"),
    _quality_share("null_share", "share of nulls in {}", "raw_events", sigmas=4.3),
    Metric("events", "events", "count", "quality", "events_enriched", sigmas=3.9, least_change=0.18, is_covered=True),
    # Of hours, only empty ones are looked for.
    Metric("hour_events", "events of {0}:00 to {0}:59 UTC", "count", "quality", "events_enriched", is_judged=False),
    Metric("event_share", "share of events {}", "share", "quality", "events_enriched", sigmas=6.5, least_change=0.40),
    _quality_share("unknown_channel_share", "share of events of Unknown channel", "events_enriched"),
    _quality_share("bot_share", "share of crawlers' events", "events_enriched", least_points=0.10),
    Metric("table_rows", "rows of {}", "count", "quality", "", sigmas=5.4, least_change=0.30, is_covered=True),
    _quality_share("collision_share", "share of orders under a used order id", "conversions"),
    _quality_share("repeat_share", "share of orders sent again", "conversions", least_points=0.05),
    _quality_share("zero_revenue_share", "share of orders without revenue", "purchases", least_points=0.05),
    Metric(
        "sessions",
        "sessions",
        "count",
        "business",
        "sessions",
        sigmas=3.9,
        least_change=0.18,
        is_covered=True,
        identified="amount",
    ),
    Metric("clients", "clients", "count", "business", "sessions", is_covered=True, identified="amount"),
    Metric("device_share", "share of sessions on {}", "share", "business", "sessions", least_change=0.25),
    Metric(
        "channel_share",
        "share of sessions from {}",
        "share",
        "business",
        "sessions",
        sigmas=3.9,
        least_change=0.20,
        least_points=0.02,
        needs_source=True,
    ),
    Metric("add_to_cart_rate", "share of sessions with a product in the cart", "share", "business", "sessions"),
    Metric("checkout_rate", "share of sessions with a checkout started", "share", "business", "sessions"),
    Metric("orders", "orders", "count", "business", "conversions", is_covered=True),
    Metric(
        "conversion_rate",
        "orders a session",
        "share",
        "business",
        "conversions",
        sigmas=3.6,
        least_change=0.18,
        identified="basis",
    ),
    Metric(
        "checkout_completion",
        "orders a started checkout",
        "share",
        "business",
        "conversions",
        sigmas=3.6,
        least_change=0.18,
    ),
    Metric("revenue", "revenue", "money", "business", "conversions", is_covered=True),
    Metric("average_order_value", "average order value", "mean", "business", "conversions", is_judged=False),
    Metric(
        "capped_order_value",
        "average order value (no order above four medians)",
        "mean",
        "business",
        "conversions",
        sigmas=3.8,
        least_change=0.18,
    ),
    Metric(
        "channel_revenue",
        "revenue credited to {}",
        "money",
        "business",
        "channel_summary",
        sigmas=5.4,
        least_change=0.30,
        least_amount=5.0,
        is_covered=True,
        needs_source=True,
    ),
)

METRICS: dict[str, Metric] = {metric.name: metric for metric in _ALL}


def metric_named(name: str) -> Metric:
    """Raises KeyError for a metric that is not declared."""
    return METRICS[name]
