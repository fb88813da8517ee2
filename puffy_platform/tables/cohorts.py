"""cohorts: who came first when, and how many of them came back and what they spent since.

The cells of the period that contains the partition's day, as known at its end; drawing triangles is for readers.
"""

from __future__ import annotations

from typing import Annotated

import pandera.polars as pa
import polars as pl

from puffy_platform.settings import Settings
from puffy_platform.table import Check, DayRange, Inputs, Reads, Table

__all__ = ["TABLE", "CohortsContract"]

PERIODS = {"day": "1d", "week": "1w", "month": "1mo"}
CELL = ("day", "member", "unit", "cohort")
MEASURED = ("active", "retention", "revenue_cents", "cumulative_revenue_cents", "revenue_per_member_cents")


class CohortsContract(pa.DataFrameModel):
    """A cohort's cell in the period that contains `day`, as known at the end of that UTC day.

    Members: `client` by first visit (client_days; bots left out unless settings.bots.include), active on a day
    with an event; `customer` by first counted purchase (conversions with a known customer), active on a day with
    a counted purchase. Units: day, ISO week (from Monday), month. Active members are distinct over the whole
    period. Every cohort with a member has a row on every day from its first: a complete period in which nobody
    came is 0; one that still runs is null.

    Revenue is that of counted conversions. A customer cohort holds all of it that has a known customer. A client
    cohort holds what its members bought on days they count as visitors, so bots' purchases are in it only if
    bots are.

    The whole triangle as of a day D is the complete cells up to it, each in exactly one partition:

        SELECT cohort, "offset", cohort_size, active, retention, revenue_cents, cumulative_revenue_cents
        FROM cohorts
        WHERE member = 'client' AND unit = 'week' AND is_complete AND day <= DATE '2025-03-31'
        ORDER BY cohort, "offset"

    Left-censored: nobody's visits before the first day of the tables are known, so the first cohorts also hold
    people who had come before, and a week or month that began before that day is a part of one. Read retention
    from the second period on, or later for shops with long memories.
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


def build(inputs: Inputs, days: DayRange, settings: Settings) -> pl.LazyFrame:
    """The cells of all units as of each of the days.

    One pass serves a range, because nothing here is rewritten by later days: a first day stays the first, and a
    complete period holds only days up to its end. So each day just selects, by date, from the same aggregates.
    """
    activity, earnings = _activity(inputs, settings), _earnings(inputs, settings)
    firsts = activity.group_by("member", "member_id").agg(first_day=pl.col("active_day").min())
    newcomers = firsts.group_by("member", "first_day").agg(members=pl.len().cast(pl.Int64))
    # No period that ends inside the range began more than a month before it.
    recent = activity.filter(pl.col("active_day") >= days.widen(before=31).first).join(
        firsts, on=["member", "member_id"]
    )
    earned = (
        earnings.join(firsts, on=["member", "member_id"])
        .group_by("member", "first_day", "active_day")
        .agg(pl.col("revenue_cents").sum())
    )
    return pl.concat([_cells(unit, days, newcomers, recent, earned) for unit in PERIODS])


def _visits(inputs: Inputs, settings: Settings) -> pl.LazyFrame:
    """The client-days that count as visits."""
    client_days = inputs["client_days"]
    return client_days if settings.bots.include else client_days.filter(~pl.col("is_bot"))


def _orders(inputs: Inputs) -> pl.LazyFrame:
    """The conversions that count and whose customer is known."""
    return inputs["conversions"].filter(pl.col("is_counted") & pl.col("customer_id").is_not_null())


def _activity(inputs: Inputs, settings: Settings) -> pl.LazyFrame:
    """member, member_id, active_day: distinct days on which each client or customer was active."""
    clients = _visits(inputs, settings).select(
        member=pl.lit("client"), member_id="client_id", active_day="day"
    )
    customers = (
        _orders(inputs).select(member=pl.lit("customer"), member_id="customer_id", active_day="day").unique()
    )
    return pl.concat([clients, customers])


def _earnings(inputs: Inputs, settings: Settings) -> pl.LazyFrame:
    """member, member_id, active_day, revenue_cents: what members spent on days on which they were active."""
    bought = inputs["conversions"].filter("is_counted").group_by("client_id", "day").agg(pl.col("revenue_cents").sum())
    by_client = (
        _visits(inputs, settings)
        .select("client_id", "day")
        .join(bought, on=["client_id", "day"])
        .select("revenue_cents", member=pl.lit("client"), member_id="client_id", active_day="day")
    )
    by_customer = _orders(inputs).select(
        "revenue_cents", member=pl.lit("customer"), member_id="customer_id", active_day="day"
    )
    return pl.concat([by_client, by_customer], how="diagonal")


def _cells(
    unit: str, days: DayRange, newcomers: pl.LazyFrame, recent: pl.LazyFrame, earned: pl.LazyFrame
) -> pl.LazyFrame:
    """The cells of one unit: every cohort on every day, with its numbers where the period ends on that day."""
    length = PERIODS[unit]

    def start(column: str) -> pl.Expr:
        return pl.col(column).dt.truncate(length)

    ends = days.frame().with_columns(
        period=start("day"), is_complete=start("day").dt.offset_by(length) == pl.col("day").dt.offset_by("1d")
    )
    sizes = (
        ends.join_where(newcomers, pl.col("first_day") <= pl.col("day"))
        .group_by("day", "period", "is_complete", "member", cohort=start("first_day"))
        .agg(cohort_size=pl.col("members").sum())
    )
    active = (
        recent.select("member", "member_id", period=start("active_day"), cohort=start("first_day"))
        .join(ends.filter("is_complete"), on="period", how="semi")
        .group_by("member", "cohort", "period")
        .agg(active=pl.col("member_id").n_unique().cast(pl.Int64))
    )
    revenue = (
        earned.group_by("member", cohort=start("first_day"), period=start("active_day"))
        .agg(pl.col("revenue_cents").sum())
        .sort("period")
        .with_columns(
            cumulative_revenue_cents=pl.col("revenue_cents").cum_sum().over("member", "cohort"),
            earned_period="period",
        )
    )
    return (
        sizes.sort("period")
        .join(active, on=["member", "cohort", "period"], how="left", maintain_order="left")
        # The last period with revenue, up to this one: its running total is this one's too.
        .join_asof(revenue, on="period", by=["member", "cohort"], check_sortedness=False)
        .with_columns(
            unit=pl.lit(unit),
            offset=_periods_between(unit, "cohort", "period"),
            active=pl.col("active").fill_null(0),
            revenue_cents=pl.when(pl.col("earned_period") == pl.col("period")).then("revenue_cents").otherwise(0),
            cumulative_revenue_cents=pl.col("cumulative_revenue_cents").fill_null(0),
        )
        .with_columns(
            retention=pl.col("active") / pl.col("cohort_size"),
            revenue_per_member_cents=_rounded_share("cumulative_revenue_cents", "cohort_size"),
        )
        .with_columns(pl.when("is_complete").then(pl.col(MEASURED)))
        .select(*CELL, "offset", "cohort_size", "is_complete", *MEASURED)
    )


def _periods_between(unit: str, earlier: str, later: str) -> pl.Expr:
    if unit == "month":
        years = pl.col(later).dt.year() - pl.col(earlier).dt.year()
        return years.cast(pl.Int64) * 12 + pl.col(later).dt.month() - pl.col(earlier).dt.month()
    return (pl.col(later) - pl.col(earlier)).dt.total_days() // (7 if unit == "week" else 1)


def _rounded_share(total: str, parts: str) -> pl.Expr:
    """total / parts rounded half up, in whole numbers: money never passes through a float."""
    return (2 * pl.col(total) + pl.col(parts)) // (2 * pl.col(parts))


def _measure_active_within_size(frame: pl.DataFrame, inputs: Inputs, settings: Settings) -> pl.DataFrame:
    return (
        frame.group_by("day")
        .agg(wrong=(pl.col("active") > pl.col("cohort_size")).sum())
        .select(
            "day",
            passed=pl.col("wrong") == 0,
            observed=pl.format("{} cells with more active than members", "wrong"),
            expected=pl.lit("none"),
        )
    )


def _measure_null_while_incomplete(frame: pl.DataFrame, inputs: Inputs, settings: Settings) -> pl.DataFrame:
    filled = pl.all_horizontal(pl.col(MEASURED).is_not_null())
    empty = pl.all_horizontal(pl.col(MEASURED).is_null())
    return (
        frame.group_by("day")
        .agg(wrong=(~pl.when("is_complete").then(filled).otherwise(empty)).sum())
        .select(
            "day",
            passed=pl.col("wrong") == 0,
            observed=pl.format("{} cells filled too early or empty too late", "wrong"),
            expected=pl.lit("none"),
        )
    )


def _measure_units_agree(frame: pl.DataFrame, inputs: Inputs, settings: Settings) -> pl.DataFrame:
    return (
        frame.group_by("day", "member", "unit")
        .agg(pl.col("cohort_size").sum())
        .group_by("day", "member")
        .agg(apart=pl.col("cohort_size").max() - pl.col("cohort_size").min(), units=pl.len())
        .group_by("day")
        .agg(pl.col("apart").max(), pl.col("units").min())
        .select(
            "day",
            passed=(pl.col("apart") == 0) & (pl.col("units") == len(PERIODS)),
            observed=pl.format("{} units, {} members apart at most", "units", "apart"),
            expected=pl.lit(f"{len(PERIODS)} units with the same number of members"),
        )
    )


def _measure_customer_revenue(frame: pl.DataFrame, inputs: Inputs, settings: Settings) -> pl.DataFrame:
    orders = _orders(inputs).group_by("day").agg(expected=pl.col("revenue_cents").sum())
    held = (
        frame.lazy()
        .group_by("day")
        .agg(
            observed=pl.col("revenue_cents")
            .filter((pl.col("member") == "customer") & (pl.col("unit") == "day"))
            .sum()
        )
    )
    return (
        held.join(orders, on="day", how="full", coalesce=True)
        .with_columns(pl.col("expected", "observed").fill_null(0))
        .select(
            "day",
            passed=pl.col("observed") == pl.col("expected"),
            observed=pl.format("{} cents", "observed"),
            expected=pl.format("{} cents of counted conversions with a known customer", "expected"),
        )
        .collect()
    )


TABLE = Table(
    name="cohorts",
    description=(
        "Cohorts of clients (first visit) and customers (first purchase) by day, week and month: size, active "
        "members, retention and revenue in the period that contains the day, as of its end."
    ),
    owner="team:marketing",
    group="customers",
    contract=CohortsContract,
    key=CELL,
    reads=(
        Reads("client_days", history=True, columns=("day", "client_id", "is_bot")),
        Reads(
            "conversions",
            history=True,
            columns=("day", "client_id", "customer_id", "revenue_cents", "is_counted"),
        ),
    ),
    transform=build,
    settings_sections=("bots",),
    checks=(
        Check(
            name="active_within_size",
            description="No cohort has more active members than members.",
            measure=_measure_active_within_size,
        ),
        Check(
            name="null_while_incomplete",
            description="A running period's numbers are null, a complete one's are not: zero means nobody came.",
            measure=_measure_null_while_incomplete,
        ),
        Check(
            name="units_agree",
            description="Every member is in exactly one cohort of each unit.",
            measure=_measure_units_agree,
        ),
        Check(
            name="customer_revenue_is_all_counted",
            description="The day's revenue over all customer cohorts is that of its counted conversions.",
            measure=_measure_customer_revenue,
        ),
    ),
    sort=("member", "unit", "cohort"),
    lineage={
        "cohort": (("client_days", "day"), ("conversions", "day")),
        "cohort_size": (("client_days", "client_id"), ("conversions", "customer_id")),
        "active": (("client_days", "client_id"), ("conversions", "customer_id")),
        "retention": (("client_days", "client_id"), ("conversions", "customer_id")),
        "revenue_cents": (("conversions", "revenue_cents"),),
        "cumulative_revenue_cents": (("conversions", "revenue_cents"),),
        "revenue_per_member_cents": (("conversions", "revenue_cents"),),
    },
)
