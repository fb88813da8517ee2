"""identity_links: every pair of client and hashed email seen on a day, one row a pair and day.

The small per-day summary that `identities` folds; which link is the first of all is decided there, not here.
"""

from __future__ import annotations

from typing import Annotated

import pandera.polars as pa
import polars as pl

from puffy_platform.settings import Settings
from puffy_platform.table import Check, DayRange, Inputs, Reads, Table

__all__ = ["TABLE", "IdentityLinksContract"]


class IdentityLinksContract(pa.DataFrameModel):
    """A client gave an email on a day, in a popup or at the checkout. Source: events_enriched."""

    day: pl.Date = pa.Field(description="UTC date of the events that carry both the client and the email")
    client_id: str = pa.Field(description="The browser or device", metadata={"tags": ("pii",)})
    customer_id: str = pa.Field(
        description="The person: the email, hashed by the shop before it reaches us",
        metadata={"tags": ("pii", "identity")},
    )
    first_seen_at: Annotated[pl.Datetime, "us", "UTC"] = pa.Field(
        description="Time of the first event of the day that carries both"
    )

    class Config:
        strict = True


def link(inputs: Inputs, days: DayRange, settings: Settings) -> pl.LazyFrame:
    """Each day's pairs and when each was first seen that day: a minimum, so the order of rows cannot matter.

    Events of bots count: an address typed at a checkout identifies its buyer whatever the user agent says.
    """
    return (
        _identified(inputs)
        .filter(days.covers())
        .group_by("day", "client_id", customer_id="email_hash")
        .agg(first_seen_at=pl.col("event_ts").min())
    )


def _identified(inputs: Inputs) -> pl.LazyFrame:
    return inputs["events_enriched"].filter(pl.col("client_id").is_not_null() & pl.col("email_hash").is_not_null())


def _measure_no_pair_is_lost(frame: pl.DataFrame, inputs: Inputs, days: DayRange, settings: Settings) -> pl.DataFrame:
    expected = _identified(inputs).group_by("day").agg(pairs=pl.struct("client_id", "email_hash").n_unique())
    return (
        expected.join(frame.lazy().group_by("day").agg(linked=pl.len()), on="day", how="left")
        .with_columns(pl.col("linked").fill_null(0))
        .select(
            "day",
            passed=pl.col("linked") == pl.col("pairs"),
            observed=pl.format("{} pairs", "linked"),
            expected=pl.format("{} distinct pairs in events_enriched", "pairs"),
        )
        .collect()
    )


TABLE = Table(
    name="identity_links",
    description="Client-email pairs seen each day, with the time each was first seen that day.",
    owner="team:analytics",
    group="customers",
    contract=IdentityLinksContract,
    key=("day", "client_id", "customer_id"),
    reads=(Reads("events_enriched", columns=("day", "client_id", "email_hash", "event_ts")),),
    transform=link,
    together="client_id",
    checks=(
        Check(
            name="no_pair_is_lost",
            description="Every pair of client and hashed email among the day's events is one row.",
            measure=_measure_no_pair_is_lost,
        ),
    ),
    sort=("client_id", "customer_id"),
    lineage={
        "client_id": (("events_enriched", "client_id"),),
        "customer_id": (("events_enriched", "email_hash"),),
        "first_seen_at": (("events_enriched", "event_ts"),),
    },
)
