"""identities: which clients belong to which customer, each link on the day it was first seen.

A fold by minimum over all of history, so the order in which files arrive cannot matter.
"""

from __future__ import annotations

from typing import Annotated

import pandera.polars as pa
import polars as pl

from puffy_platform.settings import Settings
from puffy_platform.table import Check, DayRange, Inputs, Reads, Table

__all__ = ["TABLE", "IdentitiesContract"]


class IdentitiesContract(pa.DataFrameModel):
    """Links between clients (browsers) and customers (hashed emails); a pair is in exactly one partition.

    **Who is this client?** Its primary link: `is_primary AND day <= D` maps each client to one customer, as
    known at the end of D. Later days never change that answer: a later link cannot be an earlier first.

    **Why not connected components?** Merging everyone who ever shared a client is the textbook answer and the
    wrong one here: one library computer, shop tablet or gift ordered for a friend chains strangers into one
    person, the chain only grows, and a link of today rewrites who people were last month. A link here says
    only what was seen. The cases a merge would hide stay visible:

    - clients with several customers (a shared device):
      `SELECT client_id, count(*) FROM identities GROUP BY 1 HAVING count(*) > 1`
    - customers with several clients (one person, many devices; the primary links are what other tables use):
      `SELECT customer_id, count(*) FROM identities WHERE is_primary GROUP BY 1 HAVING count(*) > 1`
    """

    day: pl.Date = pa.Field(description="UTC date on which this pair was seen for the first time ever")
    client_id: str = pa.Field(description="The browser or device", metadata={"tags": ("pii",)})
    customer_id: str = pa.Field(
        description="The person: the email, hashed by the shop before it reaches us",
        metadata={"tags": ("pii", "identity")},
    )
    first_seen_at: Annotated[pl.Datetime, "us", "UTC"] = pa.Field(
        description="Time of the first event that carries both"
    )
    is_primary: bool = pa.Field(
        description="The client's first link of all (by first_seen_at, then customer_id): its customer"
    )

    class Config:
        strict = True


def resolve(inputs: Inputs, days: DayRange, settings: Settings) -> pl.LazyFrame:
    """The pairs first seen on each of the days; primary is the arg-min of a client's links over all history.

    Links after a day are later than every link of that day, so they cannot take its primary away: the rows
    of a day are the same whether later days are in the input or not.
    """
    pairs = (
        inputs["identity_links"]
        .group_by("client_id", "customer_id")
        .agg(pl.col("day").min(), pl.col("first_seen_at").min())
    )
    first_of_client = (
        pairs.sort("client_id", "first_seen_at", "customer_id")
        .unique("client_id", keep="first", maintain_order=True)
        .select("client_id", "customer_id", is_primary=pl.lit(True))
    )
    return (
        pairs.filter(days.covers())
        .join(first_of_client, on=["client_id", "customer_id"], how="left")
        .with_columns(pl.col("is_primary").fill_null(False))
    )


def _measure_one_primary(frame: pl.DataFrame, inputs: Inputs, days: DayRange, settings: Settings) -> pl.DataFrame:
    links = inputs["identity_links"]
    linked_since = links.group_by("client_id").agg(pl.col("day").min())
    primary = frame.lazy().filter("is_primary")
    right = primary.join(linked_since, on=["client_id", "day"], how="semi").group_by("day").agg(right=pl.len())
    return (
        links.filter(days.covers())
        .select(pl.col("day").unique())
        .join(linked_since.group_by("day").agg(new=pl.len()), on="day", how="left")
        .join(primary.group_by("day").agg(primary=pl.len()), on="day", how="left")
        .join(right, on="day", how="left")
        .with_columns(pl.col("new", "primary", "right").fill_null(0))
        .select(
            "day",
            passed=(pl.col("primary") == pl.col("new")) & (pl.col("right") == pl.col("new")),
            observed=pl.format("{} primary links, {} of them of new clients", "primary", "right"),
            expected=pl.format("one for each of {} clients linked for the first time in all history", "new"),
        )
        .collect()
    )


def _measure_each_pair_once(frame: pl.DataFrame, inputs: Inputs, days: DayRange, settings: Settings) -> pl.DataFrame:
    links = inputs["identity_links"]
    first_days = links.group_by("client_id", "customer_id").agg(pl.col("day").min())
    return (
        links.filter(days.covers())
        .select(pl.col("day").unique())
        .join(first_days.group_by("day").agg(new=pl.len()), on="day", how="left")
        .join(frame.lazy().group_by("day").agg(rows=pl.len()), on="day", how="left")
        .with_columns(pl.col("new", "rows").fill_null(0))
        .select(
            "day",
            passed=pl.col("rows") == pl.col("new"),
            observed=pl.format("{} links", "rows"),
            expected=pl.format("{} pairs not seen on an earlier day", "new"),
        )
        .collect()
    )


TABLE = Table(
    name="identities",
    description="Which clients belong to which customer (same hashed email), by the day first seen.",
    owner="team:analytics",
    group="customers",
    contract=IdentitiesContract,
    key=("client_id", "customer_id"),
    # No other client's links decide about those of the days.
    reads=(Reads("identity_links", history=True, sharing="client_id"),),
    transform=resolve,
    together="client_id",
    checks=(
        Check(
            name="one_primary_link_per_client",
            description="A client has exactly one primary link in all history, of its first linked day.",
            measure=_measure_one_primary,
        ),
        Check(
            name="each_pair_once",
            description="A pair is in the partition of the day it was first seen, and in no other.",
            measure=_measure_each_pair_once,
        ),
    ),
    sort=("client_id", "customer_id"),
    lineage={
        "client_id": (("identity_links", "client_id"),),
        "customer_id": (("identity_links", "customer_id"),),
        "first_seen_at": (("identity_links", "first_seen_at"),),
        "is_primary": (("identity_links", "first_seen_at"), ("identity_links", "customer_id")),
    },
)
