"""How cohorts is computed: first days and activity become every cohort's cells, for a range of days at once.

What is drawn from the cells (triangles, curves) is for readers; the query is in the contract.
"""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl
import polars_hash as plh

from puffy_platform.settings import Settings
from puffy_platform.table import DayRange, Inputs
from puffy_platform.tables.cohorts.contract import CELL, MEASURED, PERIODS

__all__ = ["build", "counted_orders"]

# Client-days of history that are held at once: about 100 bytes each.
ROWS_AT_ONCE = 8_000_000
COLUMNS = (*CELL, "offset", "cohort_size", "is_complete", *MEASURED)


def build(inputs: Inputs, days: DayRange, settings: Settings) -> pl.LazyFrame:
    """The cells of all units as of each of the days.

    One pass serves a range, because later days rewrite nothing: a first day stays the first, and a complete
    period holds only days up to its end. So each day just selects, by date, from the same aggregates.
    """
    visits = _visits(inputs, settings)
    orders = counted_orders(inputs)
    return pl.concat(
        [
            *_triangles("client", visits, _client_earnings(visits, inputs), days),
            *_triangles("customer", orders.select("member", "active_day").unique(), orders, days),
        ]
    )


def _visits(inputs: Inputs, settings: Settings) -> pl.LazyFrame:
    """member, active_day: the client-days that count as visits."""
    client_days = inputs["client_days"]
    human = client_days if settings.bots.include else client_days.filter(~pl.col("is_bot"))
    return human.select(member=_number("client_id"), active_day="day")


def _client_earnings(visits: pl.LazyFrame, inputs: Inputs) -> pl.LazyFrame:
    """member, active_day, revenue_cents: what clients bought on days on which they count as visitors."""
    bought = inputs["conversions"].filter(pl.col("is_counted") & pl.col("client_id").is_not_null())
    named = bought.select("revenue_cents", member=_number("client_id"), active_day="day")
    return named.join(visits, on=["member", "active_day"])


def counted_orders(inputs: Inputs) -> pl.LazyFrame:
    """member, active_day, revenue_cents: the conversions that count and whose customer is known."""
    known = inputs["conversions"].filter(pl.col("is_counted") & pl.col("customer_id").is_not_null())
    return known.select("revenue_cents", member=_number("customer_id"), active_day="day")


def _number(name: str) -> pl.Expr:
    """An id as a number of 128 bits (XXH3), as unique as event ids are: millions of them are compared."""
    return plh.col(name).nchash.xxh3_128()


def _triangles(member: str, activity: pl.LazyFrame, earnings: pl.LazyFrame, days: DayRange) -> Iterator[pl.LazyFrame]:
    """The cells of one kind of member, a frame for each unit.

    Members are taken a part at a time, by their number: of all of history they need not fit into memory.
    """
    parts = activity.select(pl.len()).collect().item() // ROWS_AT_ONCE + 1
    # Few, and for each part all of history would be read for them.
    earnings = earnings.collect(engine="streaming").lazy()
    found = [_of_members(activity, earnings, days, parts, part) for part in range(parts)]
    newcomers, recent, earned = (pl.concat(frames).lazy() for frames in zip(*found, strict=True))
    newcomers = newcomers.group_by("first_day").agg(pl.col("members").sum())
    earned = earned.group_by("first_day", "active_day").agg(pl.col("revenue_cents").sum())
    for unit in PERIODS:
        yield (_cells(unit, days, newcomers, recent, earned).with_columns(member=pl.lit(member)).select(COLUMNS))


def _of_members(
    activity: pl.LazyFrame, earnings: pl.LazyFrame, days: DayRange, parts: int, part: int
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Of one part of the members: how many began each day, on which days they were there of late, what they brought."""
    if parts > 1:
        is_of_part = pl.col("member") % parts == part
        activity, earnings = activity.filter(is_of_part), earnings.filter(is_of_part)
    # Made once, where each unit would make them again. The whole history streams through.
    first_days = (
        activity.group_by("member").agg(first_day=pl.col("active_day").min()).collect(engine="streaming").lazy()
    )
    newcomers = first_days.group_by("first_day").agg(members=pl.len().cast(pl.Int64))
    # No period that ends inside the range began more than a month before it.
    lately = activity.filter(pl.col("active_day") >= days.widen(before=31).first)
    recent = lately.join(first_days, on="member").select("member", "active_day", "first_day")
    earned = (
        earnings.join(first_days, on="member").group_by("first_day", "active_day").agg(pl.col("revenue_cents").sum())
    )
    return newcomers.collect(), recent.collect(), earned.collect(engine="streaming")


def _cells(
    unit: str, days: DayRange, newcomers: pl.LazyFrame, recent: pl.LazyFrame, earned: pl.LazyFrame
) -> pl.LazyFrame:
    """The cells of one unit: every cohort on every day, with numbers where the period ends that day."""
    length = PERIODS[unit]

    def start(column: str) -> pl.Expr:
        return pl.col(column).dt.truncate(length)

    ends = days.frame().with_columns(
        period=start("day"), is_complete=start("day").dt.offset_by(length) == pl.col("day").dt.offset_by("1d")
    )
    sizes = (
        ends.join_where(newcomers, pl.col("first_day") <= pl.col("day"))
        .group_by("day", "period", "is_complete", cohort=start("first_day"))
        .agg(cohort_size=pl.col("members").sum())
    )
    active = (
        recent.select("member", period=start("active_day"), cohort=start("first_day"))
        .join(ends.filter("is_complete"), on="period", how="semi")
        .group_by("cohort", "period")
        .agg(active=pl.col("member").n_unique().cast(pl.Int64))
    )
    revenue = (
        earned.group_by(cohort=start("first_day"), period=start("active_day"))
        .agg(pl.col("revenue_cents").sum())
        .sort("period")
        .with_columns(
            cumulative_revenue_cents=pl.col("revenue_cents").cum_sum().over("cohort"),
            earned_period="period",
        )
    )
    return (
        sizes.sort("period")
        .join(active, on=["cohort", "period"], how="left", maintain_order="left")
        # The last period with revenue, up to this one: its running total is this one's too.
        .join_asof(revenue, on="period", by="cohort", check_sortedness=False)
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
    )


def _periods_between(unit: str, earlier: str, later: str) -> pl.Expr:
    if unit == "month":
        years = pl.col(later).dt.year() - pl.col(earlier).dt.year()
        return years.cast(pl.Int64) * 12 + pl.col(later).dt.month() - pl.col(earlier).dt.month()
    return (pl.col(later) - pl.col(earlier)).dt.total_days() // (7 if unit == "week" else 1)


def _rounded_share(total: str, parts: str) -> pl.Expr:
    """total / parts rounded half up, in whole numbers: money never passes through a float."""
    return (2 * pl.col(total) + pl.col(parts)) // (2 * pl.col(parts))
