"""purchases: every completed purchase with its money and its basket, by event day.

Contract, transform and checks. Which purchases are one order is decided in conversions.
"""

from __future__ import annotations

from typing import Annotated

import pandera.polars as pa
import polars as pl

from puffy_platform.event_data import ITEMS, PURCHASE
from puffy_platform.settings import Settings
from puffy_platform.table import Check, DayRange, Inputs, Reads, Table

__all__ = ["TABLE"]

READS = Reads(
    "events_enriched",
    sparse=True,
    columns=(
        "day",
        "event_id",
        "event_ts",
        "event_name",
        "client_id",
        "email_hash",
        "transaction_id",
        "revenue_cents",
        "items",
        "items_total_cents",
        "channel",
        "is_bot",
    ),
)


class PurchasesContract(pa.DataFrameModel):
    """One row a checkout_completed event; orders that were sent twice are here twice."""

    event_id: str = pa.Field(description="The purchase event.")
    day: pl.Date = pa.Field(description="UTC date of the purchase.")
    purchased_at: Annotated[pl.Datetime, "us", "UTC"] = pa.Field(description="Time of the purchase in UTC.")
    client_id: str = pa.Field(
        nullable=True, description="The browser or device, if known.", metadata={"tags": ("pii",)}
    )
    email_hash: str = pa.Field(
        nullable=True,
        description="The buyer's hashed email, if known.",
        metadata={"tags": ("pii", "identity")},
    )
    transaction_id: str = pa.Field(description="The shop's order id; not always unique.")
    revenue_cents: pl.Int64 = pa.Field(description="Revenue as sent, in minor units of the shop's currency.")
    items_total_cents: pl.Int64 = pa.Field(
        nullable=True,
        description="Sum of the line totals, in minor units; null when a line has no readable price.",
    )
    items_count: pl.Int64 = pa.Field(ge=0, description="Lines of the order.")
    quantity: pl.Int64 = pa.Field(
        nullable=True, description="Pieces over all lines; null when a line says none, or there is no line."
    )
    revenue_matches_items: bool = pa.Field(
        nullable=True,
        description="Revenue is items_total_cents, to the cent; null when that is null or there is no line. "
        "False is not always an error: discounts, tax and shipping are in the revenue only.",
    )
    items: ITEMS = pa.Field(  # type: ignore[valid-type]
        nullable=True, description="Lines of the order as sent."
    )
    is_zero_revenue: bool = pa.Field(description="Revenue is exactly 0: a replacement, a test, or a lost amount.")
    channel: str = pa.Field(
        description="Channel of the purchase event itself, often Internal; attribution says what led to it."
    )
    is_bot: bool = pa.Field(description="The user agent is a crawler's; the purchase counts all the same.")

    class Config:
        strict = True


def transform(inputs: Inputs, days: DayRange, settings: Settings) -> pl.LazyFrame:
    """The purchase events, with what their items say about the revenue."""
    lines = pl.col("items").list.len().fill_null(0).cast(pl.Int64)
    pieces = pl.col("items").list.eval(pl.element().struct.field("quantity"))
    is_counted = (lines > 0) & ~pieces.list.contains(None, nulls_equal=True)
    is_priced = (lines > 0) & pl.col("items_total_cents").is_not_null()
    return (
        inputs["events_enriched"]
        .filter(days.covers() & (pl.col("event_name") == PURCHASE))
        .rename({"event_ts": "purchased_at"})
        .with_columns(
            items_count=lines,
            quantity=pl.when(is_counted).then(pieces.list.sum()),
            revenue_matches_items=pl.when(is_priced).then(pl.col("revenue_cents") == pl.col("items_total_cents")),
            is_zero_revenue=pl.col("revenue_cents") == 0,
        )
        .select(list(PurchasesContract.to_schema().columns))
    )


def nothing_is_lost(frame: pl.DataFrame, inputs: Inputs, days: DayRange, settings: Settings) -> pl.DataFrame:
    """As many purchases, and as much revenue, as events_enriched holds for the day."""
    events = (
        inputs["events_enriched"]
        .group_by("day")
        .agg(event_rows=(pl.col("event_name") == PURCHASE).sum(), event_cents=pl.col("revenue_cents").sum())
    )
    held = frame.lazy().group_by("day").agg(rows=pl.len(), cents=pl.col("revenue_cents").sum())
    return (
        events.join(held, on="day", how="full", coalesce=True)
        .with_columns(pl.exclude("day").fill_null(0))
        .select(
            "day",
            passed=(pl.col("rows") == pl.col("event_rows")) & (pl.col("cents") == pl.col("event_cents")),
            observed=pl.format("{} purchases, {} cents", "rows", "cents"),
            expected=pl.format("{} purchases, {} cents", "event_rows", "event_cents"),
        )
        .collect()
    )


def revenue_matches_items(frame: pl.DataFrame, inputs: Inputs, days: DayRange, settings: Settings) -> pl.DataFrame:
    """The share of orders whose revenue is not the sum of their lines stays under the threshold.

    Orders with a line without a price cannot be judged and are left out; a day with only such is skipped.
    """
    limit = settings.thresholds.max_revenue_mismatch_share
    judged = pl.col("revenue_matches_items").count()
    mismatched = (~pl.col("revenue_matches_items")).sum()
    return frame.group_by("day").agg(
        passed=pl.when(judged > 0).then(mismatched / judged <= limit),
        observed=pl.format(
            "{} of {} orders differ, {} have a line without price",
            mismatched,
            judged,
            pl.col("revenue_matches_items").is_null().sum(),
        ),
        expected=pl.lit(f"at most {limit:.1%} of orders"),
    )


def no_zero_revenue(frame: pl.DataFrame, inputs: Inputs, days: DayRange, settings: Settings) -> pl.DataFrame:
    """Every order has revenue."""
    zero = pl.col("is_zero_revenue").sum()
    return frame.group_by("day").agg(
        passed=zero == 0,
        observed=pl.format("{} of {} orders without revenue", zero, pl.len()),
        expected=pl.lit("every order has revenue"),
    )


TABLE = Table(
    name="purchases",
    description="Completed purchases, a row an event: order id, revenue, basket, and whether the two agree.",
    owner="team:analytics",
    group="events",
    contract=PurchasesContract,
    key=("event_id",),
    reads=(READS,),
    transform=transform,
    together="event_id",
    settings_sections=("thresholds",),
    checks=(
        Check(
            "nothing_is_lost",
            "Purchases and their revenue are those of events_enriched, to the cent.",
            nothing_is_lost,
        ),
        Check(
            "revenue_matches_items",
            "Revenue is the sum of the lines for most orders (thresholds.max_revenue_mismatch_share).",
            revenue_matches_items,
            severity="warn",
        ),
        Check("no_zero_revenue", "Every order has revenue.", no_zero_revenue, severity="warn"),
    ),
    sort=("purchased_at", "event_id"),
    money="revenue_cents",
    lineage={
        "purchased_at": (("events_enriched", "event_ts"),),
        **{
            name: (("events_enriched", name),)
            for name in (
                "event_id",
                "day",
                "client_id",
                "email_hash",
                "transaction_id",
                "revenue_cents",
                "items_total_cents",
                "items",
                "channel",
                "is_bot",
            )
        },
        "items_count": (("events_enriched", "items"),),
        "quantity": (("events_enriched", "items"),),
        "revenue_matches_items": (
            ("events_enriched", "revenue_cents"),
            ("events_enriched", "items_total_cents"),
        ),
        "is_zero_revenue": (("events_enriched", "revenue_cents"),),
    },
)
