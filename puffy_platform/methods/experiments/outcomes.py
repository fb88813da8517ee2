"""What clients did after they were assigned, as daily additions to the Moments of every variant and metric.

Pure frames. The metrics are declared here; who was assigned and what happened comes from the caller.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations_with_replacement

import polars as pl

from puffy_platform.methods.experiments.moments import Kind

__all__ = ["COUNTS", "METRICS", "SUMS", "Metric", "additions"]

# What a client does, in whole numbers: the columns of the deeds.
COUNTS = ("page_views", "emails", "carts", "checkouts", "orders", "revenue_cents")
# The additive columns, as Moments names them.
SUMS = ("clients", "y", "d", "x", "yy", "dd", "xx", "yd", "yx", "dx")
CLIENT = ("experiment", "variant", "client_id")
GROUP = ("day", "experiment", "variant")


@dataclass(frozen=True)
class Metric:
    """Of a client's counts so far `y`, and `d` that a ratio divides it by (1 when it is not given)."""

    kind: Kind
    description: str
    y: Callable[[Callable[[str], pl.Expr]], pl.Expr]
    d: Callable[[Callable[[str], pl.Expr]], pl.Expr] | None = None
    is_money: bool = False


def _did(count: str) -> Callable[[Callable[[str], pl.Expr]], pl.Expr]:
    return lambda of: (of(count) > 0).cast(pl.Int64)


def _amount(count: str) -> Callable[[Callable[[str], pl.Expr]], pl.Expr]:
    return lambda of: of(count)


METRICS: dict[str, Metric] = {
    "conversion": Metric("share", "Clients with at least one counted order.", _did("orders")),
    "revenue": Metric("mean", "Revenue of counted orders a client.", _amount("revenue_cents"), is_money=True),
    "orders": Metric("mean", "Counted orders a client.", _amount("orders")),
    "order_value": Metric(
        "ratio", "Revenue of a counted order.", _amount("revenue_cents"), _amount("orders"), is_money=True
    ),
    "cart": Metric("share", "Clients that added a product to the cart.", _did("carts")),
    "checkout": Metric("share", "Clients that started a checkout.", _did("checkouts")),
    "email": Metric("share", "Clients that left their email in the popup.", _did("emails")),
    "page_views": Metric("mean", "Pages viewed a client.", _amount("page_views")),
}


def additions(assignments: pl.LazyFrame, deeds: pl.LazyFrame, outcome_days: int, covariate_days: int) -> pl.LazyFrame:
    """For every day, experiment, variant and metric what the day adds to the Moments: GROUP, metric, kind, SUMS.

    `assignments`: each client once an experiment, experiment, variant, client_id, assigned_at. `deeds`: client_id, at,
    COUNTS, each row one deed. A deed counts for an experiment from the instant of the client's assignment on, for
    `outcome_days` times 24 hours; those of the `covariate_days` before make the covariate x, the metric's y of that
    time. A client enters with its assignment, whatever it does; on later days it changes what it added before, so
    that the additions up to a day sum to the Moments of that day.
    """
    since = pl.col("at") - pl.col("assigned_at")
    joined = deeds.join(assignments, on="client_id")
    after = joined.filter((since >= pl.duration()) & (since < pl.duration(days=outcome_days)))
    before = joined.filter((since < pl.duration()) & (since >= pl.duration(days=-covariate_days)))
    entries = assignments.select(
        *CLIENT, pl.col("assigned_at").dt.date().alias("day"), pl.lit(True).alias("enters"), *_no_counts()
    )
    deeds_after = after.select(*CLIENT, pl.col("at").dt.date().alias("day"), pl.lit(False).alias("enters"), *COUNTS)
    steps = (
        pl.concat([entries, deeds_after])
        .group_by(*CLIENT, "day")
        .agg(pl.col("enters").any(), pl.col(COUNTS).sum())
        .join(before.group_by(CLIENT).agg(pl.col(COUNTS).sum().name.prefix("x_")), on=CLIENT, how="left")
        .with_columns(pl.col([f"x_{name}" for name in COUNTS]).fill_null(0))
        .sort(*CLIENT, "day")
        .with_columns(pl.col(COUNTS).cum_sum().over(CLIENT).name.prefix("now_"))
        .with_columns((pl.col(f"now_{name}") - pl.col(name)).alias(f"was_{name}") for name in COUNTS)
        .collect()
        .lazy()
    )
    return pl.concat([_of_metric(steps, name, metric) for name, metric in METRICS.items()])


def _no_counts() -> list[pl.Expr]:
    return [pl.lit(0, pl.Int64).alias(name) for name in COUNTS]


def _of_metric(steps: pl.LazyFrame, name: str, metric: Metric) -> pl.LazyFrame:
    """The additions of one metric: its sums with the day's deeds, less those without."""
    known = (~pl.col("enters")).cast(pl.Int64)
    divisor = metric.d or (lambda of: pl.lit(1, pl.Int64))

    def at(when: str) -> Callable[[str], pl.Expr]:
        return lambda count: pl.col(f"{when}_{count}")

    covariate = metric.y(at("x"))
    now = {"y": metric.y(at("now")), "d": divisor(at("now")), "x": covariate}
    was = {"y": metric.y(at("was")), "d": divisor(at("was")) * known, "x": covariate * known}
    changes = {letter: now[letter] - was[letter] for letter in "ydx"} | {
        one + other: now[one] * now[other] - was[one] * was[other]
        for one, other in combinations_with_replacement("ydx", 2)
    }
    return (
        steps.with_columns(**{f"add_{letters}": change for letters, change in changes.items()})
        .group_by(GROUP)
        .agg(
            pl.col("enters").sum().cast(pl.Int64).alias("clients"),
            *(pl.col(f"add_{letters}").sum().alias(letters) for letters in SUMS[1:]),
        )
        .select(*GROUP, pl.lit(name).alias("metric"), pl.lit(metric.kind).alias("kind"), *SUMS)
    )
