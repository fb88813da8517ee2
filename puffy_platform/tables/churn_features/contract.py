"""The columns of churn_features, with their meaning and units. How they are computed is in features.py."""

from __future__ import annotations

import pandera.polars as pa
import polars as pl

__all__ = ["ChurnFeaturesContract"]


class ChurnFeaturesContract(pa.DataFrameModel):
    """A customer with at least one counted purchase, as known at the end of `day`: nothing later enters it.

    Customers known only by a popup email are not here: without a purchase there is nobody to lose, and
    recency, frequency and monetary value (Fader & Hardie) have no meaning. All days are UTC dates, and a
    window of n days is the day itself and the n - 1 before it.

    Activity is that of the customer's clients: those whose primary link in `identities` was known by the end
    of the day. Once a link is known, the client's visits before it count too (that they were this person's is
    known from then on), so a row never uses a link of a later day. Days flagged as a bot's are left out
    unless settings.bots.include; purchases always count.

    As a label for training, join a later row: churned(D, h) is `frequency(D + h) = frequency(D)`.
    """

    day: pl.Date = pa.Field(description="As-of day: only what was known at the end of this UTC date")
    customer_id: str = pa.Field(description="The person, by hashed email", metadata={"tags": ("pii", "identity")})
    recency_days: pl.Int64 = pa.Field(ge=0, description="Days since the last order; 0 when it is of this day")
    frequency: pl.Int64 = pa.Field(ge=1, description="Counted orders to date, the first included")
    monetary_cents: pl.Int64 = pa.Field(description="Revenue of the counted orders to date, minor units")
    average_order_cents: pl.Int64 = pa.Field(description="monetary_cents / frequency, rounded half up to a minor unit")
    tenure_days: pl.Int64 = pa.Field(ge=0, description="Days since the first order")
    clients: pl.Int64 = pa.Field(
        ge=0, description="Browsers and devices linked to the customer (primary links); 0 when none is known"
    )
    last_seen_days: pl.Int64 = pa.Field(
        ge=0,
        le=89,
        nullable=True,
        description="Days since a client was last active; null when over 89 or never",
    )
    sessions_7d: pl.Int64 = pa.Field(ge=0, description="Sessions started in the last 7 days")
    sessions_30d: pl.Int64 = pa.Field(ge=0, description="Sessions started in the last 30 days")
    sessions_90d: pl.Int64 = pa.Field(ge=0, description="Sessions started in the last 90 days")
    active_days_7d: pl.Int64 = pa.Field(
        ge=0, le=7, description="Distinct days of the last 7 with an event of any of the clients"
    )
    active_days_30d: pl.Int64 = pa.Field(
        ge=0, le=30, description="Distinct days of the last 30 with an event of any of the clients"
    )
    active_days_90d: pl.Int64 = pa.Field(
        ge=0, le=90, description="Distinct days of the last 90 with an event of any of the clients"
    )
    sessions_trend_30d: pl.Int64 = pa.Field(
        description="Sessions of the last 30 days less those of the 30 days before; below 0: comes less often"
    )
    active_days_trend_30d: pl.Int64 = pa.Field(
        ge=-30, le=30, description="Active days of the last 30 days less those of the 30 days before"
    )
    page_views_30d: pl.Int64 = pa.Field(ge=0, description="page_viewed events in the last 30 days")
    add_to_carts_30d: pl.Int64 = pa.Field(ge=0, description="product_added_to_cart events in the last 30 days")
    top_channel_90d: str = pa.Field(
        nullable=True,
        description="Channel of most sessions in 90 days, each counted under its client-day's channel (ties: "
        "the first by name); null without sessions",
    )
    channels_90d: pl.Int64 = pa.Field(ge=0, description="Distinct channels of the sessions in 90 days")
    paid_share_90d: pl.Float64 = pa.Field(
        ge=0,
        le=1,
        nullable=True,
        description="Share of the sessions in 90 days of channels named Paid ..., 0 to 1; null if none",
    )
    direct_share_90d: pl.Float64 = pa.Field(
        ge=0,
        le=1,
        nullable=True,
        description="Share of the sessions in 90 days of the channel Direct, 0 to 1; null if none",
    )

    class Config:
        strict = True
