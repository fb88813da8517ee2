"""The churn models as of a day and the customers they scored, from the stored tables. Computes no table."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

import polars as pl

from puffy_platform.pipeline.platform import Platform
from puffy_platform.settings_model import Churn
from puffy_platform.table import DayRange
from puffy_platform.warehouse.store import stored_days

__all__ = ["ChurnError", "ChurnReport", "churn_report"]


class ChurnError(ValueError):
    """There is nothing for the day; the message says what there is."""


@dataclass(frozen=True)
class ChurnReport:
    """`models`: the rows of churn_models of the day, oldest first. `groups`: by risk_group of churn_scores the number
    of customers, their mean probability, what was observed of such scores, and the revenue they have brought; empty
    without a model in force. `customers`: all at risk on the day."""

    day: dt.date
    settings: Churn
    models: list[dict[str, Any]]
    customers: int
    groups: pl.DataFrame

    @property
    def in_force(self) -> dict[str, Any] | None:
        return next((row for row in self.models if row["status"] == "promoted"), None)


def churn_report(platform: Platform, day: dt.date | None = None) -> ChurnReport:
    """As of a day; by default the newest with models. Raises ChurnError."""
    table = platform.tables["churn_models"]
    there = stored_days(platform.warehouse.open(table.name))
    if not there:
        raise ChurnError(
            "no churn models yet: `puffy run` computes churn_models, from the first retraining day on (every "
            f"{platform.settings.churn.retrain_every_days} days)"
        )
    chosen = day or max(there)
    if chosen not in there:
        raise ChurnError(f"no churn models of {chosen}; there are {min(there)} to {max(there)}")
    span = DayRange(chosen, chosen)
    models = platform.warehouse.read(table, span).collect().sort("trained_on", maintain_order=True)
    scores = platform.warehouse.read(platform.tables["churn_scores"], span)
    features = platform.warehouse.read(platform.tables["churn_features"], span, ("customer_id", "monetary_cents"))
    customers = scores.join(features, on="customer_id", how="left").collect()
    groups = (
        customers.filter(status="scored")
        .group_by("risk_group")
        .agg(
            pl.len().cast(pl.Int64).alias("customers"),
            pl.col("churn_probability").mean(),
            pl.col("group_observed", "group_low", "group_high").first(),
            pl.col("monetary_cents").sum(),
        )
        .sort("risk_group")
    )
    return ChurnReport(chosen, platform.settings.churn, models.to_dicts(), customers.height, groups)
