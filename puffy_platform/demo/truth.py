"""What is true of a set of files: what must come out of them, and what no table can know.

How it is added up is in `reckoning.py`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from puffy_platform.demo.model import BASELINE

__all__ = ["ChannelTruth", "CustomerTruth", "FileTruth", "OrderTruth", "ShopTruth", "Truth"]


@dataclass(frozen=True)
class FileTruth:
    """One file: rows = accepted + duplicates + the sum of quarantined; money in cents.

    `revenue_cents` is of all purchase rows whose revenue can be read, wherever they end. In a file without a
    required column nothing is read.

    `naive_timestamps`, `offset_timestamps` and `empty_client_ids` count rows that are not quarantined.
    """

    name: str
    day: dt.date
    format: str
    status: str
    rows: int
    accepted: int
    duplicates: int
    quarantined: Mapping[str, int]
    renamed: tuple[tuple[str, str], ...]
    missing: tuple[str, ...]
    added: tuple[str, ...]
    naive_timestamps: int
    offset_timestamps: int
    empty_client_ids: int
    revenue_cents: int


@dataclass(frozen=True)
class OrderTruth:
    """An order as it was placed; counted if its row came through and is the first of its transaction id."""

    transaction_id: str
    ordered_at: dt.datetime
    email_hash: str
    revenue_cents: int
    is_counted: bool
    true_channel: str
    last_channel: str


@dataclass(frozen=True)
class ChannelTruth:
    """What a channel did; `effect` is the hazard of buying that a visit adds (`demo.model`).

    Over all orders placed: how many it caused and their revenue, how many to expect given the visits, and in
    how many it was the channel of the last visit.
    """

    channel: str
    effect: float
    visits: int
    caused_orders: int
    caused_revenue_cents: int
    expected_orders: float
    last_visit_orders: int


@dataclass(frozen=True)
class CustomerTruth:
    """One person who bought at some time and is seen in the files. `leaves` may lie after the last day."""

    email_hash: str
    since: dt.date
    leaves: dt.date
    purchases_per_day: float
    visits_per_day: float


@dataclass(frozen=True)
class ShopTruth:
    """What accepted rows say of the shop, by the default settings.

    `purchases` are rows; `orders` and `revenue_cents` the first row of each transaction id. Of the others,
    those by the same buyer with the same revenue are `repeats`, the rest `collisions`. A purchase is
    mismatched when every line has a price and their sum is not the revenue. `sessions_of_people`: of clients
    with an id, by a timeout of 30 minutes.
    """

    purchases: int
    purchases_cents: int
    orders: int
    revenue_cents: int
    repeats: int
    collisions: int
    free_purchases: int
    mismatched_purchases: int
    sessions_of_people: int
    bot_events: int
    bot_share: float


@dataclass(frozen=True)
class Truth:
    """A set of files and the shop behind it.

    `shop` holds for the files as they are; `shop_after_alias` when `timestamp` has the alias `occurred` and
    the quarantined rows of that file are replayed. `visits_of_people` is how many there were before anything
    was damaged. Orders, channels and customers are the simulated ones, whatever became of their rows.
    """

    first_day: dt.date
    days: int
    seed: int
    events_per_day: int
    by_file: tuple[FileTruth, ...]
    rows: int
    accepted: int
    duplicates: int
    quarantined: Mapping[str, int]
    revenue_cents: int
    accepted_cents: int
    duplicate_cents: int
    quarantined_cents: int
    shop: ShopTruth
    shop_after_alias: ShopTruth
    visits_of_people: int
    channels: tuple[ChannelTruth, ...]
    orders: tuple[OrderTruth, ...]
    customers: tuple[CustomerTruth, ...]

    @property
    def files(self) -> int:
        return len(self.by_file)

    @property
    def caused_shares(self) -> dict[str, float]:
        """Each channel's share of the orders that channels caused, in expectation given the visits.

        What a model of attribution should credit, if all it credits are channels: orders of the baseline, which no
        channel brought about, are left out.
        """
        caused = {channel.channel: channel.expected_orders for channel in self.channels if channel.channel != BASELINE}
        total = sum(caused.values())
        return {channel: orders / total for channel, orders in caused.items()}

    def to_json(self) -> dict[str, Any]:
        """Values that `json` can write; dates and times as ISO 8601."""
        return {name: _plain(value) for name, value in asdict(self).items()}


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return value.isoformat() if isinstance(value, dt.date) else value
