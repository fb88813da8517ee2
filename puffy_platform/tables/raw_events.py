"""raw_events: the first delivery of every valid row, by landing day."""

from typing import Annotated

import pandera.polars as pa
import polars as pl

from puffy_platform.settings import Settings
from puffy_platform.table import Check, DayRange, Inputs, Reads, Table, count_broken, share_within


class RawEventsContract(pa.DataFrameModel):
    event_id: str = pa.Field(
        description="xxh3-128 of the row's seven raw fields and its unknown columns, as decimal text: the same event "
        "has the same id in every format and under every column name."
    )
    day: pl.Date = pa.Field(description="Landing day: the day of the file.")
    event_day: pl.Date = pa.Field(description="UTC date of the event.")
    event_ts: Annotated[pl.Datetime, "us", "UTC"] = pa.Field(description="Time of the event in UTC.")
    client_id: str = pa.Field(
        nullable=True, description="Browser or device, by first-party cookie.", metadata={"tags": ("pii",)}
    )
    page_url: str = pa.Field(description="Address of the page as sent.", metadata={"tags": ("pii",)})
    referrer: str = pa.Field(nullable=True, description="Referrer as sent.", metadata={"tags": ("pii",)})
    referrer_recorded: bool = pa.Field(description="False when the file had no referrer column at all.")
    event_name: str = pa.Field(
        isin=[
            "page_viewed",
            "email_filled_on_popup",
            "product_added_to_cart",
            "checkout_started",
            "checkout_completed",
        ],
        description="What the client did.",
    )
    event_data: str = pa.Field(nullable=True, description="JSON object as sent.", metadata={"tags": ("pii",)})
    user_agent: str = pa.Field(nullable=True, description="User agent as sent.")
    timestamp_kind: str = pa.Field(
        isin=["utc", "offset", "naive"],
        description="How the time zone was given; naive: read in shop.time_zone.",
    )
    extra: str = pa.Field(nullable=True, description="Unknown columns that held anything, as a JSON object.")
    source_file: str = pa.Field(description="Name of the landing file.")
    source_line: pl.Int64 = pa.Field(ge=1, description="Line of the file (row, for Parquet), from 1.")
    repair: str = pa.Field(
        nullable=True, description="Name of the repair without which the row would read otherwise; null as a rule."
    )

    class Config:
        strict = True


def empty_client_share(frame: pl.DataFrame, inputs: Inputs, days: DayRange, settings: Settings) -> pl.DataFrame:
    """The share of events without a client id stays under the threshold: such events make no session."""
    return share_within(frame, pl.col("client_id").is_null(), settings.thresholds.max_empty_client_share)


def timestamps_are_explicit(frame: pl.DataFrame, inputs: Inputs, days: DayRange, settings: Settings) -> pl.DataFrame:
    """Every timestamp says its offset; a naive one is read in the shop's zone, which is a guess."""
    is_naive = pl.col("timestamp_kind") == "naive"
    return count_broken(frame, is_naive, "{} naive timestamps", "every timestamp has an offset")


TABLE = Table(
    name="raw_events",
    description="Accepted raw events, each once: the first delivery of every valid row. Partitioned by landing day.",
    owner="team:ingest",
    group="raw",
    contract=RawEventsContract,
    key=("event_id",),
    reads=(Reads("row_index", before=lambda settings: settings.ingest.late_days + 1),),
    together="event_id",
    settings_sections=("ingest", "shop", "partitions"),
    checks=(
        Check("empty_client_share", "Few events lack a client id.", empty_client_share, severity="warn"),
        Check(
            "timestamps_are_explicit",
            "Every timestamp has an offset.",
            timestamps_are_explicit,
            severity="warn",
        ),
    ),
    sort=("event_ts", "source_file", "source_line"),
    hash_by="event_day",
    lineage={
        name: (("landing_files", name),)
        for name in ("client_id", "page_url", "referrer", "event_name", "event_data", "user_agent")
    }
    | {"event_ts": (("landing_files", "timestamp"),), "event_day": (("landing_files", "timestamp"),)},
)
