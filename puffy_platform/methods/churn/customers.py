"""Who is at risk, who has churned, and what a model may look at: from rows of churn_features to numbers.

A row of churn_features is what was known at the end of its day. The as-of day of a prediction is the day after it: the
features are strictly before it, the label is of the `horizon_days` from it on.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

import numpy as np
import polars as pl

from puffy_platform.methods.churn.measures import Floats
from puffy_platform.settings_model import Churn

__all__ = ["COLUMNS", "FEATURES", "at_risk", "labelled", "matrix", "on_days", "recency"]

# What a visit longest ago may be (churn_features knows 90 days); 90 stands for longer ago, or never.
NEVER_SEEN = 90.0


def _logged(name: str) -> pl.Expr:
    """Counts, days and money are spread over orders of magnitude."""
    return pl.col(name).cast(pl.Float64).clip(lower_bound=0).log1p()


def _plain(name: str) -> pl.Expr:
    return pl.col(name).cast(pl.Float64).fill_null(0.0)


# What models look at, by the name of the column of churn_features, and as what.
FEATURES: dict[str, pl.Expr] = {
    **{
        name: _logged(name)
        for name in ("recency_days", "tenure_days", "frequency", "monetary_cents", "average_order_cents", "clients")
    },
    "last_seen_days": pl.col("last_seen_days").cast(pl.Float64).fill_null(NEVER_SEEN).log1p(),
    **{f"{name}_{days}d": _logged(f"{name}_{days}d") for name in ("sessions", "active_days") for days in (7, 30, 90)},
    "sessions_trend_30d": _plain("sessions_trend_30d"),
    "active_days_trend_30d": _plain("active_days_trend_30d"),
    "page_views_30d": _logged("page_views_30d"),
    "add_to_carts_30d": _logged("add_to_carts_30d"),
    "channels_90d": _plain("channels_90d"),
    "paid_share_90d": _plain("paid_share_90d"),
    "direct_share_90d": _plain("direct_share_90d"),
}
COLUMNS = ("day", "customer_id", *FEATURES)


def matrix(customers: pl.DataFrame) -> Floats:
    """A row a customer, a column a feature, in the order of FEATURES; nothing is missing."""
    found: Floats = customers.select(FEATURES.values()).to_numpy()
    return np.ascontiguousarray(found, dtype=np.float64)


def recency(churn: Churn) -> str:
    """The column that says how long ago the activity was that counts; null in it means too long ago."""
    return "recency_days" if churn.activity == "order" else "last_seen_days"


def at_risk(churn: Churn) -> pl.Expr:
    """Whose churn is a question: who did it in the last `recent_days`. The others are lost already."""
    return (pl.col(recency(churn)) < churn.recent_days).fill_null(False)


def on_days(features: pl.LazyFrame, days: Iterable[dt.date]) -> pl.DataFrame:
    """All customers of these days, read in one go."""
    return features.filter(pl.col("day").is_in(sorted(set(days)))).select(COLUMNS).collect()


def labelled(features: pl.DataFrame, snapshots: Iterable[dt.date], churn: Churn) -> pl.DataFrame:
    """The customers at risk at the end of each of these days, with `churned`; by day and customer.

    Churned has who does nothing of the kind in the horizon after it: on its last day the latest activity is older than
    the horizon. Customers are left out when that day is not there.
    """
    days = sorted(set(snapshots))
    horizon = dt.timedelta(days=churn.horizon_days)
    last = recency(churn)
    came = (pl.col(last) < churn.horizon_days).fill_null(False)
    ends = features.filter(pl.col("day").is_in([day + horizon for day in days])).select(
        "customer_id", day=pl.col("day") - horizon, churned=~came
    )
    return (
        features.filter(pl.col("day").is_in(days) & at_risk(churn))
        .select(COLUMNS)
        .join(ends, on=["day", "customer_id"])
        .sort("day", "customer_id")
    )
