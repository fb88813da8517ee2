"""Attribution models: the weight of each touchpoint of a conversion, and its money divided to the cent.

Pure expressions over columns in hand. What a touchpoint is, and where rows come from, is not decided here.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

__all__ = ["DIRECT", "MODELS", "allocated_cents", "days_between", "model_weights"]

# The channel of a session without an observed source; last_non_direct looks past it.
DIRECT = "Direct"

MODELS = ("first_touch", "last_touch", "last_non_direct", "linear", "position_based", "time_decay")

# Weights and quotas are rounded here, far below a cent of any order, so that the last bits of a float decide
# nothing: those of a sum depend on its order.
WEIGHT_DECIMALS = 12
QUOTA_DECIMALS = 6

DAY_DECIMALS = 12
DAYS_A_MICROSECOND = 1 / 86_400_000_000
OUTER_SHARE = 0.4  # position_based: of the first and of the last touchpoint


def model_weights(
    *,
    position: pl.Expr,
    touchpoints: pl.Expr,
    channel: pl.Expr,
    age_days: pl.Expr,
    half_life_days: float,
    over: str,
) -> dict[str, pl.Expr]:
    """The weight of a touchpoint under each model of MODELS; all are >= 0 and sum to 1 over a conversion.

    `position` counts a conversion's touchpoints from 1 (oldest) to `touchpoints`, `age_days` is the time from
    the touchpoint to the conversion, and `over` names the column that tells conversions apart.
    """
    return {
        "first_touch": first_touch(position),
        "last_touch": last_touch(position, touchpoints),
        "last_non_direct": last_non_direct(position, touchpoints, channel, over),
        "linear": linear(touchpoints),
        "position_based": position_based(position, touchpoints),
        "time_decay": time_decay(age_days, half_life_days, over),
    }


def days_between(earlier: pl.Expr, later: pl.Expr) -> pl.Expr:
    """The time between in days, with the same last bit whatever else is computed with it.

    A multiplication on purpose: Polars divides a column of one row and a longer one by different last bits.
    """
    return ((later - earlier).dt.total_microseconds() * DAYS_A_MICROSECOND).round(DAY_DECIMALS)


def first_touch(position: pl.Expr) -> pl.Expr:
    """All to the oldest touchpoint (Google Analytics: "first click")."""
    return (position == 1).cast(pl.Float64)


def last_touch(position: pl.Expr, touchpoints: pl.Expr) -> pl.Expr:
    """All to the newest touchpoint, Direct or not (Google Analytics: "last interaction")."""
    return (position == touchpoints).cast(pl.Float64)


def last_non_direct(position: pl.Expr, touchpoints: pl.Expr, channel: pl.Expr, over: str) -> pl.Expr:
    """All to the newest touchpoint that is not Direct; to the newest of all when every one is Direct.

    Google Analytics' "last non-direct click", the default of its standard reports.
    """
    newest = position.filter(channel != DIRECT).max().over(over).fill_null(touchpoints)
    return (position == newest).cast(pl.Float64)


def linear(touchpoints: pl.Expr) -> pl.Expr:
    """1 / n to each of n touchpoints (Google Analytics: "linear")."""
    return 1.0 / touchpoints


def position_based(position: pl.Expr, touchpoints: pl.Expr) -> pl.Expr:
    """40 % to the first, 40 % to the last, 20 % shared by those between; one takes all, two take half each.

    Google Analytics' and Google Ads' "position-based", also known as U-shaped.
    """
    is_end = (position == 1) | (position == touchpoints)
    between = (1 - 2 * OUTER_SHARE) / (touchpoints - 2)
    return pl.when(touchpoints <= 2).then(1.0 / touchpoints).when(is_end).then(OUTER_SHARE).otherwise(between)


def time_decay(age_days: pl.Expr, half_life_days: float, over: str) -> pl.Expr:
    """2 ** (-age / half-life), divided by its sum over the conversion.

    Google Analytics' "time decay" (there the half-life is 7 days). Ages are taken from the newest touchpoint,
    which changes no share and keeps very old ones from all vanishing together.
    """
    age = age_days - age_days.min().over(over)
    share = pl.lit(2.0).pow(-age * (1 / half_life_days))
    return (share / share.sum().over(over)).round(WEIGHT_DECIMALS)


def allocated_cents(cents: pl.Expr, weight: pl.Expr, order: pl.Expr, over: Sequence[str]) -> pl.Expr:
    """Whole cents by weight that sum exactly to `cents` within `over`: largest remainders (Hamilton).

    Each row takes the whole part of its quota, and the cents left over go one by one to the largest
    remainders, ties to the smallest `order`. `cents` is the same in all rows of a group, its sign kept; the
    weights of a group are positive and sum to 1 (within 1e-9, for amounts below ten million).
    """
    quota = (cents.abs() * weight).round(QUOTA_DECIMALS)
    whole = quota.floor().cast(pl.Int64)
    remainder = (quota - whole).round(QUOTA_DECIMALS)
    left_over = cents.abs() - whole.sum().over(over)
    turn = pl.struct(-remainder, order).rank("ordinal").over(over)
    return cents.sign() * (whole + (turn <= left_over))
