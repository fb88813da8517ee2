"""quarantined_events: records that could not be accepted, with the rule they break and their raw text."""

import pandera.polars as pa
import polars as pl

from puffy_platform.table import Table


class QuarantinedEventsContract(pa.DataFrameModel):
    day: pl.Date = pa.Field(description="Landing day: the day of the file.")
    source_file: str = pa.Field(description="Name of the landing file.")
    source_line: pl.Int64 = pa.Field(ge=0, description="Line of the file, from 1; 0 stands for the file as a whole.")
    rule: str = pa.Field(description="The one rule the record breaks, for example unreadable_timestamp.")
    column: str = pa.Field(nullable=True, description="The column at fault, where it is one.")
    message: str = pa.Field(description="What is wrong and what to do; never holds a value of the record.")
    raw: str = pa.Field(description="The record as delivered.", metadata={"tags": ("pii",)})
    header: str = pa.Field(nullable=True, description="The file's header line, to read the record by.")
    repair: str = pa.Field(
        nullable=True, description="Name of the repair that was tried; the rule is then the one it breaks all the same."
    )
    revenue_cents: pl.Int64 = pa.Field(
        nullable=True, description="Revenue of a checkout_completed in cents, where it can be read."
    )

    class Config:
        strict = True


TABLE = Table(
    name="quarantined_events",
    description=(
        "Raw records that could not be accepted, with their reason, ready to be replayed: `puffy quarantine replay` "
        "reads their landing days again under today's contract and settings."
    ),
    owner="team:ingest",
    group="raw",
    contract=QuarantinedEventsContract,
    key=("source_file", "source_line"),
    settings_sections=("ingest", "shop", "partitions"),
    sort=("source_file", "source_line"),
    money="revenue_cents",
)
