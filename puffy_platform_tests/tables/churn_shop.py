"""A small simulated shop for the churn tables: its customers' rows of churn_features on the days that are looked at.

Day numbers count from a Sunday that is a retraining day. What is expected is in the tests.
"""

from __future__ import annotations

import datetime as dt
from functools import cache

import polars as pl

from puffy_platform.demo.histories import CustomerHistories, customer_histories
from puffy_platform.table import DayRange
from puffy_platform.tables import TABLES
from puffy_platform.tables.churn_training import training_days
from puffy_platform_tests.windows import compute, settings_with

__all__ = ["FIRST", "LAST", "RETRAINED", "SETTINGS", "SPAN", "features", "frames", "shop"]

# Windows as short as the shop; its customers buy more often than most, so that 30 days tell something.
SETTINGS = settings_with(
    churn={"horizon_days": 30, "recent_days": 120, "snapshots": 2, "keep_retrainings": 2, "min_each": 40}
)
FIRST = dt.date(2024, 1, 7)
RETRAINED = FIRST + dt.timedelta(days=8 * 28)
# The registry is looked at around a retraining.
SPAN = DayRange(RETRAINED - dt.timedelta(days=1), RETRAINED + dt.timedelta(days=1))
LAST = SPAN.last


@cache
def shop() -> CustomerHistories:
    return customer_histories(FIRST, (LAST - FIRST).days + 40, seed=3, events_per_day=2_000)


def looked_at() -> list[dt.date]:
    """The days of which the tables of SPAN read churn_features."""
    churn = SETTINGS.churn
    horizon, cadence = (dt.timedelta(days=days) for days in (churn.horizon_days, churn.retrain_every_days))
    found = set(SPAN)
    for trained in (RETRAINED - 2 * cadence, RETRAINED - cadence, RETRAINED):
        found |= {trained - horizon, trained}
        for day in training_days(trained, churn):
            found |= {day, day + horizon}
    return sorted(found)


def features(events: CustomerHistories) -> pl.DataFrame:
    """churn_features of the days that are looked at, each from what was known at its end."""
    inputs = {name: getattr(events, name) for name in ("client_days", "conversions", "identities")}
    days = [compute(TABLES["churn_features"], inputs, DayRange(day, day), SETTINGS, FIRST) for day in looked_at()]
    return pl.concat(days)


@cache
def frames() -> dict[str, pl.DataFrame]:
    """Inputs of the churn tables: churn_features, and what is computed from it for SPAN."""
    found = {"churn_features": features(shop())}
    training = DayRange(RETRAINED - dt.timedelta(days=56), LAST)
    found["churn_training"] = compute(TABLES["churn_training"], found, training, SETTINGS)
    found["churn_models"] = compute(TABLES["churn_models"], found, SPAN, SETTINGS)
    return found
