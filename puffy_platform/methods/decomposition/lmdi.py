"""LMDI: the change of revenue between two periods, divided exactly into sessions, conversion rate and order value.

Logarithmic mean Divisia index, additive form I: Ang (2005), "The LMDI approach to decomposition analysis: a practical
guide", Energy Policy 33; zeros by their limits, Ang and Liu (2007), Energy Policy 35. Pure frames.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

__all__ = ["AFTER", "BEFORE", "PARTS", "decompose", "summed"]

# The columns of a segment, in the period that is compared with and in the one that is explained.
BEFORE = ("sessions_before", "orders_before", "revenue_before_cents")
AFTER = ("sessions_after", "orders_after", "revenue_after_cents")
# What the change is divided into; they sum to change_cents in every segment.
PARTS = ("from_sessions_cents", "from_conversion_cents", "from_order_value_cents", "from_elsewhere_cents")


def decompose(segments: pl.LazyFrame) -> pl.LazyFrame:
    """The segments (whatever columns name them, BEFORE and AFTER, all Int64) with change_cents and PARTS, Int64.

    In each segment revenue = sessions x (orders / sessions) x (revenue / orders), and each factor x contributes
    L(after, before) ln(x_after / x_before), L being the logarithmic mean of the two revenues. The sum is exact, without
    a remainder to explain away, whichever period comes first. In particular:

    - a revenue of zero in one period: the first factor that is missing there brought or took all of it, of sessions,
      conversion and order value in this order. It is the limit of the formula, the others taken as unchanged;
    - a negative revenue (more refunded than sold) has no logarithm: there the change is divided by Shapley's value over
      the three factors, which is as exact (Sun 1998, Energy Economics 20; Ang, Liu and Chew 2003);
    - orders without sessions in a period (a visit that began before it, a buyer without client id) have no rate:
      the change of such a segment is from_elsewhere_cents.

    Cents are rounded so that they add up: the odd one goes to the order value.
    """
    revenue_before, revenue_after = pl.col(BEFORE[2]), pl.col(AFTER[2])
    has_no_rate = _has_orders_without_sessions(*BEFORE) | _has_orders_without_sessions(*AFTER)
    is_positive = (revenue_before > 0) & (revenue_after > 0)
    is_negative = (revenue_before < 0) | (revenue_after < 0)
    factors = segments.with_columns(
        s0=pl.col("sessions_before").cast(pl.Float64),
        s1=pl.col("sessions_after").cast(pl.Float64),
        c0=_ratio("orders_before", "sessions_before"),
        c1=_ratio("orders_after", "sessions_after"),
        v0=_ratio("revenue_before_cents", "orders_before"),
        v1=_ratio("revenue_after_cents", "orders_after"),
        change_cents=revenue_after - revenue_before,
    ).with_columns(
        # A rate or value that is not defined is taken as that of the other period.
        *(
            pl.coalesce(f"{name}{mine}", f"{name}{other}", pl.lit(0.0)).alias(f"{name}{mine}")
            for name in "cv"
            for mine, other in ((0, 1), (1, 0))
        )
    )
    parts = {
        name: pl.when(has_no_rate)
        .then(0.0)
        .when(is_negative)
        .then(_shapley(factor, *others))
        .when(is_positive)
        .then(_logarithmic_mean(revenue_before, revenue_after) * (pl.col(f"{factor}1") / pl.col(f"{factor}0")).log())
        .otherwise(pl.when(_is_missing(factor)).then(pl.col("change_cents").cast(pl.Float64)).otherwise(0.0))
        .round()
        .cast(pl.Int64)
        for name, factor, others in ((PARTS[0], "s", "cv"), (PARTS[1], "c", "sv"))
    }
    return (
        factors.with_columns(**parts)
        .with_columns(pl.when(has_no_rate).then("change_cents").otherwise(0).alias(PARTS[3]))
        .with_columns((pl.col("change_cents") - pl.col(PARTS[0]) - pl.col(PARTS[1]) - pl.col(PARTS[3])).alias(PARTS[2]))
        .drop("s0", "s1", "c0", "c1", "v0", "v1")
    )


def summed(decomposed: pl.LazyFrame, by: Sequence[str] = ()) -> pl.LazyFrame:
    """Segments added up, by some of their names or all of them in one row: every cent stays where it is."""
    columns = pl.col(*BEFORE, *AFTER, "change_cents", *PARTS)
    return decomposed.group_by(by).agg(columns.sum()) if by else decomposed.select(columns.sum())


def _has_orders_without_sessions(sessions: str, orders: str, revenue: str) -> pl.Expr:
    return (pl.col(sessions) == 0) & ((pl.col(orders) != 0) | (pl.col(revenue) != 0))


def _ratio(above: str, below: str) -> pl.Expr:
    return pl.when(pl.col(below) > 0).then(pl.col(above) / pl.col(below))


def _logarithmic_mean(one: pl.Expr, other: pl.Expr) -> pl.Expr:
    """(b - a) / ln(b / a), and a where they are equal; by log1p it keeps its digits where they nearly are."""
    relative = (other - one) / one
    return pl.when(one == other).then(one.cast(pl.Float64)).otherwise((other - one) / relative.log1p())


def _is_missing(factor: str) -> pl.Expr:
    """Where one revenue is zero: is this factor the first that is zero in that period, so that all came from it?"""
    zero_before = pl.col("revenue_before_cents") == 0
    sessions = pl.when(zero_before).then("sessions_before").otherwise("sessions_after")
    orders = pl.when(zero_before).then("orders_before").otherwise("orders_after")
    return {"s": sessions == 0, "c": (sessions > 0) & (orders == 0)}[factor]


def _shapley(factor: str, one: str, other: str) -> pl.Expr:
    """The change of a product of three that comes from this factor, on average over the orders in which they change."""
    a0, a1, b0, b1 = (pl.col(f"{name}{period}") for name in (one, other) for period in (0, 1))
    mixed = (a0 * b1 + a1 * b0) / 6
    return (pl.col(f"{factor}1") - pl.col(f"{factor}0")) * (a0 * b0 / 3 + a1 * b1 / 3 + mixed)
