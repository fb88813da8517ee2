"""duplicate_events: rows delivered again, each naming its original."""

import pandera.polars as pa
import polars as pl

from puffy_platform.table import Reads, Table


class DuplicateEventsContract(pa.DataFrameModel):
    day: pl.Date = pa.Field(description="Landing day of the repeated row.")
    event_id: str = pa.Field(description="Identity of the row, the same as its original's.")
    event_day: pl.Date = pa.Field(description="UTC date of the event.")
    source_file: str = pa.Field(description="Landing file of the repeated row.")
    source_line: pl.Int64 = pa.Field(ge=1, description="Its line in that file.")
    original_day: pl.Date = pa.Field(description="Landing day of the original, the accepted row.")
    original_file: str = pa.Field(description="Landing file of the original.")
    original_line: pl.Int64 = pa.Field(ge=1, description="Line of the original in its file.")
    repair: str = pa.Field(nullable=True, description="Name of the repair by which the repeated row was read.")
    revenue_cents: pl.Int64 = pa.Field(nullable=True, description="Revenue of a repeated checkout_completed, in cents.")

    class Config:
        strict = True


TABLE = Table(
    name="duplicate_events",
    description="Exact re-deliveries, within a file or across files, each naming the accepted row it repeats.",
    owner="team:ingest",
    group="raw",
    contract=DuplicateEventsContract,
    key=("source_file", "source_line"),
    reads=(Reads("row_index", before=lambda settings: settings.ingest.late_days + 1),),
    together="event_id",
    settings_sections=("ingest", "shop", "partitions"),
    sort=("source_file", "source_line"),
    money="revenue_cents",
)
