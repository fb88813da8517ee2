"""The columns of cohorts, with their meaning and units. How they are computed is in cells.py."""

from __future__ import annotations

import pandera.polars as pa
import polars as pl

__all__ = ["CELL", "MEASURED", "PERIODS", "CohortsContract"]

# The units, as Polars writes their length.
PERIODS = {"day": "1d", "week": "1w", "month": "1mo"}
CELL = ("day", "member", "unit", "cohort")
# What can be known of a period only when it is over.
MEASURED = ("active", "retention", "revenue_cents", "cumulative_revenue_cents", "revenue_per_member_cents")


class CohortsContract(pa.DataFrameModel):
    """A cohort's cell in the period that contains `day`, as known at the end of that UTC day.

    Members: `client` by first visit (client_days; bots left out unless settings.bots.include), active on a
    day with an event; `customer` by first counted purchase (conversions with a known customer), active on a
    day with a counted purchase. Units: day, ISO week (from Monday), month. Active members are distinct over
    the whole period. Every cohort with a member has a row on every day from its first: a complete period in
    which nobody came is 0; one that still runs is null.

    Revenue is that of counted conversions. Customer cohorts hold all of it that has a known customer. Client
    cohorts hold what members bought on days they count as visitors: of bots only if bots are included.

    The whole triangle as of a day D is the complete cells up to it, each in exactly one partition:

        SELECT cohort, "offset", cohort_size, active, retention, revenue_cents, cumulative_revenue_cents
        FROM cohorts
        WHERE member = 'client' AND unit = 'week' AND is_complete AND day <= DATE '2025-03-31'
        ORDER BY cohort, "offset"

    Left-censored: nobody's visits before the first day of the tables are known, so the first cohorts also
    hold people who had come before, and a week or month that began before that day is only a part of one.
    Compare retention between later cohorts.
    """

    day: pl.Date = pa.Field(description="As-of day: only what was known at the end of this UTC date")
    member: str = pa.Field(isin=["client", "customer"], description="client: a browser; customer: a known person")
    unit: str = pa.Field(isin=list(PERIODS), description="Length of the periods: day, week (from Monday), month")
    cohort: pl.Date = pa.Field(description="First date of the period in which the members came first")
    offset: pl.Int64 = pa.Field(ge=0, description="Periods from the cohort's to the one that contains the day")
    cohort_size: pl.Int64 = pa.Field(
        ge=1, description="Members known at the end of the day; still growing at offset 0 until is_complete"
    )
    is_complete: bool = pa.Field(description="The period ends on this day, so its numbers are final")
    active: pl.Int64 = pa.Field(
        ge=0, nullable=True, description="Distinct members active in the period; null while it runs"
    )
    retention: pl.Float64 = pa.Field(
        ge=0, le=1, nullable=True, description="active / cohort_size, 0 to 1; null while the period runs"
    )
    revenue_cents: pl.Int64 = pa.Field(
        nullable=True, description="Members' counted revenue in the period, minor units; null while it runs"
    )
    cumulative_revenue_cents: pl.Int64 = pa.Field(
        nullable=True, description="Members' counted revenue from their first day to the period's end"
    )
    revenue_per_member_cents: pl.Int64 = pa.Field(
        nullable=True, description="cumulative_revenue_cents / cohort_size, rounded half up to a minor unit"
    )

    class Config:
        strict = True
