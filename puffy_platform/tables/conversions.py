"""Conversions: every purchase event, judged against the earlier ones with the same transaction id.

Contract, transform and checks. Which touchpoints led to a conversion is the matter of attribution.
"""

from __future__ import annotations

from typing import Annotated

import pandera.polars as pa
import polars as pl

from puffy_platform.settings import Settings
from puffy_platform.table import Check, DayRange, Inputs, Reads, Table, count_broken

__all__ = ["TABLE"]

READS = Reads(
    "purchases",
    history=True,
    # The earlier ones of the days' transaction ids suffice.
    sharing="transaction_id",
    columns=(
        "day",
        "event_id",
        "purchased_at",
        "client_id",
        "email_hash",
        "transaction_id",
        "revenue_cents",
        "items_count",
        "is_bot",
    ),
)


class ConversionsContract(pa.DataFrameModel):
    """One row a purchase event; nothing is dropped, `is_counted` says what adds up."""

    day: pl.Date = pa.Field(description="UTC date of the purchase.")
    event_id: str = pa.Field(description="The purchase event.")
    transaction_id: str = pa.Field(description="The shop's order id; not always unique.")
    converted_at: Annotated[pl.Datetime, "us", "UTC"] = pa.Field(description="Time of the purchase.")
    client_id: str = pa.Field(
        nullable=True, description="The browser or device, if known.", metadata={"tags": ("pii",)}
    )
    customer_id: str = pa.Field(
        nullable=True,
        description="The buyer: the hashed email, if known.",
        metadata={"tags": ("pii", "identity")},
    )
    revenue_cents: pl.Int64 = pa.Field(description="Revenue as sent; minor units of the shop's currency.")
    kind: str = pa.Field(
        isin=["unique", "repeat", "collision"],
        description=(
            "unique: the first purchase of its transaction id. repeat: an earlier one of the same id has the "
            "same buyer and revenue. collision: none has, the shop used the id again."
        ),
    )
    is_counted: bool = pa.Field(
        description="Counts as an order: unique ones, and collisions if orders.duplicate_policy keeps them."
    )
    first_event_id: str = pa.Field(description="The first purchase of the transaction id; of itself when unique.")
    repeat_of: str = pa.Field(nullable=True, description="For a repeat: the earliest purchase that it repeats.")
    items_count: pl.Int64 = pa.Field(ge=0, description="Lines of the order.")
    is_bot: bool = pa.Field(description="The user agent is a crawler's; counted all the same.")

    class Config:
        strict = True


def transform(inputs: Inputs, days: DayRange, settings: Settings) -> pl.LazyFrame:
    """Order the purchases of each transaction id by time, and look for each one's earlier twin.

    Twins have the same transaction id, the same revenue and the same buyer: the same email when both emails
    are known, else the same client. An unknown buyer is nobody's twin.
    """
    ordered = inputs["purchases"].sort("transaction_id", "purchased_at", "event_id").with_row_index("place")
    place, transaction = pl.col("place"), ["transaction_id", "revenue_cents"]
    has_email, has_client = pl.col("email_hash").is_not_null(), pl.col("client_id").is_not_null()
    # The earliest purchase of the same email; of the same client; of the same client where it left no email.
    by_email = pl.when(has_email).then(place.min().over(*transaction, "email_hash"))
    by_client = pl.when(has_client).then(place.min().over(*transaction, "client_id"))
    by_nameless_client = pl.when(has_client).then(place.filter(~has_email).min().over(*transaction, "client_id"))
    earliest = pl.when(has_email).then(pl.min_horizontal(by_email, by_nameless_client)).otherwise(by_client)
    kind = (
        pl.when(pl.col("event_id") == pl.col("first_event_id"))
        .then(pl.lit("unique"))
        .when(pl.col("repeat_of").is_not_null())
        .then(pl.lit("repeat"))
        .otherwise(pl.lit("collision"))
    )
    counted = ["unique", "collision"] if settings.orders.duplicate_policy == "keep_collisions" else ["unique"]
    return (
        ordered.with_columns(twin=pl.when(earliest < place).then(earliest))
        .with_columns(
            first_event_id=pl.col("event_id").first().over("transaction_id"),
            repeat_of=pl.col("event_id").gather(pl.col("twin")),
        )
        .filter(days.covers())
        .with_columns(kind=kind)
        .select(
            "day",
            "event_id",
            "transaction_id",
            "client_id",
            "revenue_cents",
            "kind",
            "first_event_id",
            "repeat_of",
            "items_count",
            "is_bot",
            converted_at="purchased_at",
            customer_id="email_hash",
            is_counted=pl.col("kind").is_in(counted),
        )
    )


def nothing_is_lost(frame: pl.DataFrame, inputs: Inputs, days: DayRange, settings: Settings) -> pl.DataFrame:
    """As many rows, and as much revenue, as there are purchases on the day."""

    def totals(rows: pl.LazyFrame, name: str) -> pl.LazyFrame:
        return rows.group_by("day").agg(pl.len().alias(name), pl.col("revenue_cents").sum().alias(f"{name}_cents"))

    purchases = totals(inputs["purchases"].filter(days.covers()), "purchases")
    conversions = totals(frame.lazy(), "conversions")
    return (
        purchases.join(conversions, on="day", how="full", coalesce=True)
        .with_columns(pl.exclude("day").fill_null(0))
        .select(
            "day",
            passed=(pl.col("purchases") == pl.col("conversions"))
            & (pl.col("purchases_cents") == pl.col("conversions_cents")),
            observed=pl.format("{} conversions, {} cents", "conversions", "conversions_cents"),
            expected=pl.format("{} conversions, {} cents", "purchases", "purchases_cents"),
        )
        .collect()
    )


def one_unique_per_transaction(frame: pl.DataFrame, inputs: Inputs, days: DayRange, settings: Settings) -> pl.DataFrame:
    """No transaction id has two first purchases; every repeat and collision has a first one elsewhere."""
    is_unique = pl.col("kind") == "unique"
    is_first_twice = is_unique & (is_unique.sum().over("transaction_id") > 1)
    is_broken = (
        is_first_twice
        | (is_unique != (pl.col("event_id") == pl.col("first_event_id")))
        | ((pl.col("kind") == "repeat") != pl.col("repeat_of").is_not_null())
    )
    return count_broken(frame, is_broken, "{} conversions of a wrong kind", "0 conversions")


def few_collisions(frame: pl.DataFrame, inputs: Inputs, days: DayRange, settings: Settings) -> pl.DataFrame:
    """The share of the day's conversions whose transaction id the shop used before for another order."""
    limit = settings.thresholds.max_collision_share
    return (
        frame.group_by("day")
        .agg(collisions=(pl.col("kind") == "collision").sum(), conversions=pl.len())
        .select(
            "day",
            passed=pl.col("collisions") <= limit * pl.col("conversions"),
            observed=pl.format("{} of {} conversions", "collisions", "conversions"),
            expected=pl.lit(f"at most {limit:.1%}"),
        )
    )


TABLE = Table(
    name="conversions",
    description=(
        "Completed purchases, a row each: the first of a transaction id is unique, a later one is a repeat "
        "if an earlier one has the same buyer and revenue, else a collision. Those that count are the orders."
    ),
    owner="team:analytics",
    group="attribution",
    contract=ConversionsContract,
    key=("event_id",),
    reads=(READS,),
    transform=transform,
    together="transaction_id",
    settings_sections=("orders", "thresholds"),
    checks=(
        Check(
            "nothing_is_lost",
            "As many conversions and as much revenue as purchases of the day.",
            nothing_is_lost,
        ),
        Check(
            "one_unique_per_transaction",
            "A transaction id has one first purchase, and only repeats name what they repeat.",
            one_unique_per_transaction,
        ),
        Check(
            "few_collisions",
            "The shop seldom uses a transaction id again for another order (thresholds.max_collision_share).",
            few_collisions,
            severity="warn",
        ),
    ),
    sort=("converted_at", "event_id"),
    money="revenue_cents",
    lineage={
        "event_id": (("purchases", "event_id"),),
        "transaction_id": (("purchases", "transaction_id"),),
        "converted_at": (("purchases", "purchased_at"),),
        "client_id": (("purchases", "client_id"),),
        "customer_id": (("purchases", "email_hash"),),
        "revenue_cents": (("purchases", "revenue_cents"),),
        "kind": tuple(
            ("purchases", column)
            for column in ("transaction_id", "purchased_at", "client_id", "email_hash", "revenue_cents")
        ),
        "is_counted": (("purchases", "transaction_id"), ("purchases", "purchased_at")),
        "items_count": (("purchases", "items_count"),),
        "is_bot": (("purchases", "is_bot"),),
    },
)
