"""What is expected of the customers as of a day, in sum, from the stored tables. Computes no table."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

import polars as pl

from puffy_platform.pipeline.platform import Platform
from puffy_platform.table import DayRange
from puffy_platform.tables.customer_value import HORIZONS
from puffy_platform.warehouse.store import stored_days

__all__ = ["CustomerValueError", "CustomerValues", "customer_values"]

TOP_SHARE = 0.1


class CustomerValueError(ValueError):
    """There is nothing for the day; the message says what there is."""


@dataclass(frozen=True)
class CustomerValues:
    """`model`: the row of customer_value_model of the day. `groups`: by purchases after the first (0, 1, 2, 3+) the
    number of customers, the sums of p_alive and of what is expected, and the revenue to date. `top_share`: the part of
    the value expected in the longest horizon that the most valuable tenth brings; None without any."""

    day: dt.date
    model: dict[str, Any]
    groups: pl.DataFrame
    top_share: float | None


def customer_values(platform: Platform, day: dt.date | None = None) -> CustomerValues:
    """As of a day; by default the newest with a model. Raises CustomerValueError."""
    table = platform.tables["customer_value_model"]
    there = stored_days(platform.warehouse.open(table.name))
    if not there:
        raise CustomerValueError("no customer values yet: `puffy run` computes customer_value")
    chosen = day or max(there)
    if chosen not in there:
        raise CustomerValueError(f"no customer values of {chosen}; there are {min(there)} to {max(there)}")
    span = DayRange(chosen, chosen)
    model = platform.warehouse.read(table, span).collect().row(0, named=True)
    rows = platform.warehouse.read(platform.tables["customer_value"], span).collect()
    sums = ["total_cents", "p_alive", *_expected()]
    name = pl.when(pl.col("frequency") >= 3).then(pl.lit("3+")).otherwise(pl.col("frequency").cast(pl.String))
    groups = (
        rows.group_by(name.alias("group"))
        .agg(
            pl.len().cast(pl.Int64).alias("customers"),
            *(pl.when(pl.col(one).count() > 0).then(pl.col(one).sum()).alias(one) for one in sums),
        )
        .sort("group")
    )
    values = rows[f"expected_value_{HORIZONS[-1]}d_cents"].drop_nulls().sort(descending=True)
    total = int(values.sum())
    top = values.head(-(-len(values) // round(1 / TOP_SHARE)))
    return CustomerValues(chosen, model, groups, int(top.sum()) / total if total else None)


def _expected() -> list[str]:
    return [
        name for horizon in HORIZONS for name in (f"expected_purchases_{horizon}d", f"expected_value_{horizon}d_cents")
    ]
