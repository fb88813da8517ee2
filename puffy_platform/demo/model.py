"""Every number that steers the simulated shop, in one place: the true effects to compare analyses with.

No simulation here. Invented values in the size of a direct-to-consumer mattress shop's; no real shop's data.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["BASELINE", "Channel", "Damage", "ShopModel"]

# The cause of an order that no channel brought about: the visitor would have bought anyway.
BASELINE = "(baseline)"


@dataclass(frozen=True)
class Channel:
    """How often visitors come through a channel, and what a visit through it does.

    `first` is its share of first visits, `again` of later visits of people without an account, `loyal` of
    visits of customers. `effect` is the hazard of buying that a visit adds, at that visit and, fading with
    `ShopModel.effect_half_life_days`, at later ones.
    """

    name: str
    first: float
    again: float
    loyal: float
    effect: float


@dataclass(frozen=True)
class ShopModel:
    """The causal model of who comes, how and when, who buys and why, and who leaves for good.

    Prospects: at each visit the probability to buy is 1 - exp(-hazard), where the hazard is the sum of a
    personal baseline and of what this and earlier visits left behind, by channel (competing risks). So the
    expected credit of a channel for an order is exactly its share of the hazard, and the true cause is drawn
    from these shares. People with a strong baseline come back more often, and then directly: last touch
    flatters Direct.

    Customers (Pareto/NBD; Schmittlein, Morrison and Colombo 1987): from the first order on they visit and buy
    again at personal Poisson rates until they leave for good after an exponential lifetime. The cause of
    repeat orders is the baseline.
    """

    channels: tuple[Channel, ...] = (
        Channel("Direct", 0.22, 0.50, 0.36, 0.0),
        Channel("Organic Search", 0.19, 0.14, 0.10, 0.0060),
        Channel("Paid Search", 0.24, 0.12, 0.08, 0.0110),
        Channel("Paid Social", 0.14, 0.06, 0.04, 0.0030),
        Channel("Affiliates", 0.07, 0.04, 0.02, 0.0180),
        Channel("Email", 0.02, 0.09, 0.36, 0.0080),
        Channel("Organic Social", 0.04, 0.02, 0.02, 0.0015),
        Channel("Referral", 0.05, 0.02, 0.01, 0.0070),
        Channel("Display", 0.03, 0.01, 0.01, 0.0005),
    )
    effect_half_life_days: float = 5.0
    baseline_median: float = 0.0010
    baseline_sigma: float = 1.0

    # Prospects
    warmup_days: int = 14
    max_visits: int = 8
    return_probability: float = 0.34
    return_after_days_mean: float = 3.0
    second_device_share: float = 0.22
    popup_probability: float = 0.024
    cart_probability: float = 0.055
    checkout_probability: float = 0.28
    extra_pages_continue: float = 0.42
    prospects_per_event: float = 0.27

    # Customers. A shop of `history_days` is assumed before the first day.
    history_days: int = 180
    customers_won_per_event: float = 0.005
    purchase_rate_shape: float = 1.2
    purchase_rate_mean_per_day: float = 1 / 200
    visit_rate_mean_per_day: float = 1 / 14
    lifetime_mean_days: float = 120.0

    # Seasons: Monday to Sunday, and UTC hours of American shoppers.
    weekday: tuple[float, ...] = (1.08, 0.98, 0.93, 0.94, 0.96, 1.02, 1.14)
    hour: tuple[float, ...] = (
        5.2, 5.0, 4.9, 4.6, 3.9, 3.0, 2.3, 1.7, 1.3, 1.2, 1.5, 2.1,
        3.1, 4.1, 4.9, 5.3, 5.4, 5.4, 5.3, 5.3, 5.2, 5.1, 5.0, 5.1,
    )  # fmt: skip

    # Crawlers
    bot_share: float = 0.12
    bot_new_id_each_hit: float = 0.6
    marathon_hours: int = 52
    marathon_pause_ms: int = 10 * 60_000
    marathon_share: float = 0.08

    # Orders
    null_item_share: float = 0.012
    zero_revenue_share: float = 0.012
    mismatch_share: float = 0.025
    repeat_share: float = 0.02
    collision_share: float = 0.012

    @property
    def effects(self) -> dict[str, float]:
        """True added hazard per visit and channel."""
        return {channel.name: channel.effect for channel in self.channels}


@dataclass(frozen=True)
class Damage:
    """How much goes wrong on the way into files. Shares are of all events, counts are per set or per day."""

    # Of people's events.
    empty_client_share: float = 0.011
    empty_client_jump_share: float = 0.16
    late_share: float = 0.006
    max_late_days: int = 6
    early_share: float = 0.0004
    offset_share: float = 0.004
    naive_share: float = 0.002
    double_encoded_share: float = 0.01
    broken_json_share: float = 0.0004
    unknown_event_share: float = 0.0004
    missing_value_share: float = 0.0003
    unreadable_timestamp_share: float = 0.0003
    future_share: float = 0.0003
    too_late_share: float = 0.0003
    column_count_share: float = 0.0003
    redelivered_share: float = 0.15
    redelivered_every_days: int = 3
    renamed_timestamp_rows: int = 40
    renamed_timestamp_purchases: int = 3
    latin_rows: int = 30
    huge_field_bytes: int = 1_200_000
