"""Every feature, declared once: description from the contract's column, owner from the table, freshness here."""

from __future__ import annotations

from collections.abc import Iterable

import polars as pl

from puffy_platform.features.declare import AGE, Entity, Feature, FeatureSet
from puffy_platform.table import Table
from puffy_platform.tables import TABLES

__all__ = ["SETS"]

# The daily run may be late by a day before a model gets nulls.
LATE_BY_DAYS = 1
WINDOWS_DAYS = (7, 30, 90)
ADDED_UP = (
    "sessions",
    "page_views",
    "add_to_carts",
    "checkouts_started",
    "purchases",
    "revenue_cents",
    "popup_emails",
)


def _row_of_the_day(name: str, entity: Entity) -> FeatureSet:
    """A table with a row for every entity and day, as known at its end: every column is a feature."""
    table = TABLES[name]
    columns = [column for column in table.schema if column not in table.key]
    return FeatureSet(table, entity, tuple(_taken(table, column) for column in columns), max_age_days=LATE_BY_DAYS)


def _taken(table: Table, column: str, name: str = "", description: str = "", which: str = "first") -> Feature:
    """A column as it stands in one row."""
    value = pl.col(column).first() if which == "first" else pl.col(column).last()
    return Feature(
        name=f"{table.name}.{name or column}",
        dtype=table.schema[column],
        description=description or _described(table)[column],
        columns=(column,),
        value=value,
    )


def _described(table: Table) -> dict[str, str]:
    return {column["name"]: column["description"].rstrip(".") for column in table.describe()}


def _activity() -> FeatureSet:
    table = TABLES["client_days"]
    described = _described(table)

    def features(window: int) -> Iterable[Feature]:
        within, last = pl.col(AGE) < window, f"in the last {window} days"
        for column in ADDED_UP:
            yield Feature(
                name=f"client_days.{column}_{window}d",
                dtype=pl.Int64(),
                description=f"Sum {last}: {described[column]}",
                columns=(column,),
                value=pl.col(column).filter(within).sum(),
                window_days=window,
                without_rows=0,
            )
        yield Feature(
            name=f"client_days.active_days_{window}d",
            dtype=pl.Int64(),
            description=f"Days with an event of the client {last}",
            columns=(),
            value=within.sum().cast(pl.Int64),
            window_days=window,
            without_rows=0,
        )

    longest = max(WINDOWS_DAYS)
    seen = Feature(
        name="client_days.last_seen_days",
        dtype=pl.Int64(),
        description=f"Days since the client's last event; null when over {longest - 1} or never",
        columns=(),
        value=pl.col(AGE).min().cast(pl.Int64),
    )
    is_bot = Feature(
        name=f"client_days.is_bot_{longest}d",
        dtype=pl.Boolean(),
        description=f"At least one event of the last {longest} days is a bot's",
        columns=("is_bot",),
        value=pl.col("is_bot").any(),
        window_days=longest,
        without_rows=False,
    )
    return FeatureSet(
        table=table,
        entity="client_id",
        features=(*(feature for window in WINDOWS_DAYS for feature in features(window)), seen, is_bot),
        max_age_days=LATE_BY_DAYS,
        look_back_days=longest,
        absence_is_known=True,
    )


def _last_session() -> FeatureSet:
    """What is known of a session when it starts; how it went on may be known only on the day after."""
    table = TABLES["sessions"]
    described = _described(table)
    columns = ("channel", "device_class", "landing_path", "utm_source", "utm_medium", "utm_campaign", "browser", "os")
    return FeatureSet(
        table=table,
        entity="client_id",
        features=tuple(
            _taken(
                table,
                name,
                f"last_{name}",
                f"Of the last session in {max(WINDOWS_DAYS)} days: {described[name]}",
                "last",
            )
            for name in columns
        ),
        max_age_days=LATE_BY_DAYS,
        look_back_days=max(WINDOWS_DAYS),
        order=("started_at", "session_id"),
    )


def _person() -> FeatureSet:
    table = TABLES["identities"]
    return FeatureSet(
        table=table,
        entity="client_id",
        features=(
            _taken(table, "customer_id", description="The client's customer: its first link to a hashed email"),
            _taken(table, "first_seen_at", "linked_at", description="Time of the first event that carries both"),
        ),
        max_age_days=LATE_BY_DAYS,
        look_back_days=None,
        only=pl.col("is_primary"),
    )


SETS: tuple[FeatureSet, ...] = (
    _row_of_the_day("churn_features", "customer_id"),
    _row_of_the_day("customer_value", "customer_id"),
    _row_of_the_day("churn_scores", "customer_id"),
    _activity(),
    _last_session(),
    _person(),
)
