"""How cohorts is computed: first days and activity become every cohort's cells, for a range of days at once.

What is drawn from the cells (triangles, curves) is for readers; the query is in the contract.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

import polars as pl
import polars_hash as plh

from puffy_platform.settings import Settings
from puffy_platform.table import DayRange, Inputs
from puffy_platform.tables.cohorts.contract import CELL, MEASURED, PERIODS

__all__ = ["build", "counted_orders"]

# Visits of all history that are held at once, 16 bytes each; and of these, put in order at once, for 50 bytes more.
ROWS_AT_ONCE = 16_000_000
SORTED_AT_ONCE = 4_000_000
# A visit is one number of 128 bits: the member's, of 104, and below it the day's, for which 1970 is in the middle.
MEMBER_NUMBERS, DAY_NUMBERS = 2**104, 2**24
NUMBER_OF_1970 = DAY_NUMBERS // 2
COLUMNS = (*CELL, "offset", "cohort_size", "is_complete", *MEASURED)


def build(inputs: Inputs, days: DayRange, settings: Settings) -> pl.LazyFrame:
    """The cells of all units as of each of the days.

    One pass serves a range, because later days rewrite nothing: a first day stays the first, and a complete
    period holds only days up to its end. So each day just selects, by date, from the same aggregates.
    """
    orders = counted_orders(inputs)
    return pl.concat(
        [
            *_triangles("client", _client_days(inputs, settings), _client_earnings(inputs), days),
            *_triangles("customer", orders.select("visit"), orders.select("visit", "revenue_cents"), days),
        ]
    )


def _client_days(inputs: Inputs, settings: Settings) -> pl.LazyFrame:
    """visit: the client-days that count as visits."""
    client_days = inputs["client_days"]
    human = client_days if settings.bots.include else client_days.filter(~pl.col("is_bot"))
    return human.select(visit=_visit_of("client_id"))


def _client_earnings(inputs: Inputs) -> pl.LazyFrame:
    """visit, revenue_cents: what clients bought; some of it on days on which they do not count as visitors."""
    bought = inputs["conversions"].filter(pl.col("is_counted") & pl.col("client_id").is_not_null())
    return bought.select("revenue_cents", visit=_visit_of("client_id"))


def counted_orders(inputs: Inputs) -> pl.LazyFrame:
    """visit, day, revenue_cents: the conversions that count and whose customer is known."""
    known = inputs["conversions"].filter(pl.col("is_counted") & pl.col("customer_id").is_not_null())
    return known.select("day", "revenue_cents", visit=_visit_of("customer_id"))


def _visit_of(name: str) -> pl.Expr:
    """A member's day as one number: millions of them are put in order.

    Ids are told apart by 104 bits of their XXH3, as good as unique. In order each member's days stand below each other,
    the first day first.
    """
    number = plh.col(name).nchash.xxh3_128()
    return number // DAY_NUMBERS * DAY_NUMBERS + (pl.col("day").to_physical() + NUMBER_OF_1970).cast(pl.UInt128)


def _member_of(visit: str) -> pl.Expr:
    return pl.col(visit) // DAY_NUMBERS


def _day_of(visit: str) -> pl.Expr:
    return ((pl.col(visit) % DAY_NUMBERS).cast(pl.Int32) - NUMBER_OF_1970).cast(pl.Date)


def _triangles(member: str, visits: pl.LazyFrame, earnings: pl.LazyFrame, days: DayRange) -> Iterator[pl.LazyFrame]:
    """The cells of one kind of member, a frame for each unit."""
    ended = [_ends(unit, days).filter("is_complete") for unit in PERIODS]
    since = min((period for each in ended for period in each["period"]), default=days.first)
    # Few, and for each part all of history would be read for them.
    earned_by_visit = earnings.collect(engine="streaming").sort("visit")
    found = [_of_members(part, earned_by_visit, since) for part in _in_order(visits)]
    newcomers, recent, earned = (pl.concat(frames).lazy() for frames in zip(*found, strict=True))
    newcomers = newcomers.group_by("first_day").agg(pl.col("members").sum())
    earned = earned.group_by("first_day", "active_day").agg(pl.col("revenue_cents").sum())
    for unit in PERIODS:
        yield _cells(unit, days, newcomers, recent, earned).with_columns(member=pl.lit(member)).select(COLUMNS)


def _in_order(visits: pl.LazyFrame) -> Iterator[pl.DataFrame]:
    """The visits in order, a part of the members at a time: of all of history they need not fit into memory."""
    everybody = visits.head(ROWS_AT_ONCE + 1).collect(engine="streaming")
    if everybody.height <= ROWS_AT_ONCE:
        yield from _sorted_in_parts(everybody, 0, 1)
        return
    del everybody
    parts = visits.select(pl.len()).collect().item() // ROWS_AT_ONCE + 1
    for part in range(parts):
        yield from _sorted_in_parts(visits.filter(_is_in(part, parts)).collect(engine="streaming"), part, parts)


def _sorted_in_parts(visits: pl.DataFrame, part: int, parts: int) -> Iterator[pl.DataFrame]:
    """The visits of one of so many parts, in order, in parts of their own."""
    cuts = visits.height // SORTED_AT_ONCE + 1
    for cut in range(cuts):
        yield visits.filter(_is_in(part * cuts + cut, parts * cuts)).sort("visit")


def _is_in(part: int, parts: int) -> pl.Expr:
    """Whether a visit's member is in one of so many parts, which are about as large: numbers are spread evenly."""
    first, end = (MEMBER_NUMBERS * number // parts * DAY_NUMBERS for number in (part, part + 1))
    return pl.col("visit").is_between(pl.lit(first, pl.UInt128), pl.lit(end - 1, pl.UInt128))


def _of_members(
    visits: pl.DataFrame, earnings: pl.DataFrame, since: dt.date
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Of one part of the members: how many began each day, on which days they were there of late, what they brought."""
    # The visits stream through: numbers of members take as much room as they.
    firsts = (
        visits.lazy()
        .with_columns(above=pl.col("visit").shift())
        .filter(_member_of("visit").ne_missing(_member_of("above")))
        .select("visit", first_day=_day_of("visit"))
        .collect(engine="streaming")
    )

    def placed(rows: pl.DataFrame) -> pl.LazyFrame:
        # The last first visit up to a visit is its own member's.
        return rows.join_asof(firsts, on="visit").lazy().with_columns(active_day=_day_of("visit"))

    newcomers = firsts.lazy().group_by("first_day").agg(members=pl.len().cast(pl.Int64))
    recent = placed(visits.filter(_day_of("visit") >= since)).with_columns(member=_member_of("visit"))
    earned = (
        placed(earnings.join_asof(visits.with_columns(nearest="visit"), on="visit").filter(nearest=pl.col("visit")))
        .group_by("first_day", "active_day")
        .agg(pl.col("revenue_cents").sum())
    )
    return newcomers.collect(), recent.drop("visit").collect(), earned.collect()


def _ends(unit: str, days: DayRange) -> pl.DataFrame:
    """The days with the start of the period that each is in, and whether that ends with the day."""
    start, length = pl.col("day").dt.truncate(PERIODS[unit]), PERIODS[unit]
    is_complete = start.dt.offset_by(length) == pl.col("day").dt.offset_by("1d")
    return days.frame().with_columns(period=start, is_complete=is_complete).collect()


def _cells(
    unit: str, days: DayRange, newcomers: pl.LazyFrame, recent: pl.LazyFrame, earned: pl.LazyFrame
) -> pl.LazyFrame:
    """The cells of one unit: every cohort on every day, with numbers where the period ends that day."""
    length = PERIODS[unit]

    def start(column: str) -> pl.Expr:
        return pl.col(column).dt.truncate(length)

    ends = _ends(unit, days).lazy()
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
