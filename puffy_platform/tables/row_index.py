"""row_index: the identity and place of every valid row, before duplicates are removed."""

import pandera.polars as pa
import polars as pl

from puffy_platform.table import Table


class RowIndexContract(pa.DataFrameModel):
    day: pl.Date = pa.Field(description="Landing day: the day of the file.")
    id_high: pl.Int64 = pa.Field(description="Upper 64 bits of the row's event_id, as a signed number.")
    id_low: pl.Int64 = pa.Field(description="Lower 64 bits of the row's event_id, as a signed number.")
    source_file: str = pa.Field(description="Name of the landing file.")
    source_line: pl.Int64 = pa.Field(ge=1, description="Line of the file (row, for Parquet), from 1.")

    class Config:
        strict = True


TABLE = Table(
    name="row_index",
    description=(
        "Where every valid row was delivered, re-deliveries included. Later landing days compare their rows with it, "
        "so that a duplicate is found whichever day is ingested first."
    ),
    owner="team:ingest",
    group="raw",
    contract=RowIndexContract,
    key=("source_file", "source_line"),
    sort=("source_file", "source_line"),
    settings_sections=("ingest", "shop", "partitions"),
)
