"""A tiny table for tests of the layers that know nothing of what tables mean."""

import datetime as dt

import pandera.polars as pa
import polars as pl

from puffy_platform.settings import Settings
from puffy_platform.table import Check, DayRange, Inputs, Table


class ToyContract(pa.DataFrameModel):
    day: pl.Date = pa.Field(description="the day")
    number: pl.Int64 = pa.Field(ge=0, description="a number")
    word: str = pa.Field(nullable=True, description="a word", metadata={"tags": ("pii",)})

    class Config:
        strict = True


def few_numbers(frame: pl.DataFrame, inputs: Inputs, days: DayRange, settings: Settings) -> pl.DataFrame:
    return frame.group_by("day").agg(
        passed=pl.len() < 3, observed=pl.format("{} rows", pl.len()), expected=pl.lit("under 3 rows")
    )


TOY = Table(
    name="toy",
    description="A toy.",
    owner="team:ingest",
    group="raw",
    contract=ToyContract,
    key=("number",),
    sort=("number",),
    checks=(Check("few_numbers", "Under three rows a day.", few_numbers, severity="warn"),),
)


def day(number: int) -> dt.date:
    return dt.date(2025, 3, number)


def toy_rows(*rows: tuple[int, int, str | None]) -> pl.DataFrame:
    """Rows of (day of March 2025, number, word)."""
    return pl.DataFrame([(day(d), n, w) for d, n, w in rows], schema=TOY.schema, orient="row")
