"""The day by the hour, and the running day judged by the hours it has: the same hours of earlier days, the same rules.

Pure, and without a clock: how far the running day has come is told by its own events. What runs it is elsewhere.
"""

from __future__ import annotations

import datetime as dt

import polars as pl

from puffy_platform.monitoring.detect import reach
from puffy_platform.monitoring.measure import CAP
from puffy_platform.monitoring.metrics import METRICS, REFERRER, UNIDENTIFIED
from puffy_platform.monitoring.report import anomalies
from puffy_platform.settings import Settings
from puffy_platform.settings_model import Monitoring
from puffy_platform.table import DayRange, Inputs

__all__ = ["DELIVERED", "HOURLY", "complete_hours", "judge_running_day", "measure_hours", "until"]

HOURS = 24
PLACE = ("day", "hour")
UNKNOWN = "Unknown"
GRAIN_DECIMALS = 2
CHECKOUT = "checkout_started"
# The metrics there are by the hour. Each is made of counts that add up over hours.
HOURLY = (
    "events",
    "event_share",
    "null_share",
    "unknown_channel_share",
    "sessions",
    "clients",
    "channel_share",
    "device_share",
    "add_to_cart_rate",
    "checkout_rate",
    "orders",
    "conversion_rate",
    "checkout_completion",
    "revenue",
    "average_order_value",
    "capped_order_value",
)
# What part of a day has landed makes no difference to these: they are compared with whole days.
DELIVERED = ("column_drift", "duplicate_share", "quarantined_share", "naive_timestamp_share", "null_share")

# An hour has begun when so many events, and this share of the day's, are as late: a few clients' clocks run ahead.
LEAST_EVENTS, LEAST_SHARE = 3, 0.005
# A day is looked at up to 24 times, so each time it takes more to be unusual.
CAUTION = 1.1

SCHEMA = {
    "day": pl.Date,
    "hour": pl.Int64,
    "metric": pl.String,
    "segment": pl.String,
    "amount": pl.Int64,
    "basis": pl.Int64,
    "grain": pl.Float64,
}


def measure_hours(inputs: Inputs, settings: Settings) -> pl.LazyFrame:
    """day, hour, metric, segment, amount, basis, grain: what began or happened in each UTC hour.

    A metric of some hours is the sum of their amounts (over the sum of their bases): a client counts in the hour of
    its first session of the day, and what a session led to in the hour in which it began. `grain` of money is the size
    of a typical order; of other metrics it is 1.
    """
    with_bots = pl.lit(settings.bots.include)
    every = inputs["events_enriched"].with_columns(hour=pl.col("event_ts").dt.hour())
    people = every.filter(with_bots | ~pl.col("is_bot"))
    started = inputs["sessions"].filter(with_bots | ~pl.col("is_bot")).with_columns(hour=pl.col("started_at").dt.hour())
    bought = inputs["conversions"].filter("is_counted").with_columns(hour=pl.col("converted_at").dt.hour())
    all_events = every.group_by(PLACE).agg(
        rows=pl.len(),
        unknown=(pl.col("channel") == UNKNOWN).sum(),
        unidentified=pl.col("client_id").is_null().sum(),
        unreferred=pl.col("referrer").is_null().sum(),
    )
    clients = started.group_by("day", "client_id").agg(pl.col("hour").min()).group_by(PLACE).agg(clients=pl.len())
    hours = _counts(people, started, bought)
    return pl.concat(
        [
            _rows(hours, "events", "events"),
            _shares(people, "event_share", "event_name"),
            _rows(all_events, UNIDENTIFIED[0], "unidentified", "rows", segment=UNIDENTIFIED[1]),
            _rows(all_events, REFERRER[0], "unreferred", "rows", segment=REFERRER[1]),
            _rows(all_events, "unknown_channel_share", "unknown", "rows"),
            _rows(hours, "sessions", "sessions"),
            _rows(clients, "clients", "clients"),
            _shares(started, "channel_share", "channel"),
            _shares(started, "device_share", "device_class"),
            _rows(hours, "add_to_cart_rate", "carts", "sessions"),
            _rows(hours, "checkout_rate", "checking_out", "sessions"),
            _rows(hours, "orders", "orders"),
            _rows(hours, "conversion_rate", "orders", "sessions"),
            _rows(hours, "checkout_completion", "orders", "checkouts"),
            _rows(hours, "revenue", "revenue", grain="typical"),
            _rows(hours, "average_order_value", "revenue", "orders", grain="typical"),
            _rows(hours, "capped_order_value", "capped", "orders", grain="capped_typical"),
        ]
    )


def _counts(people: pl.LazyFrame, started: pl.LazyFrame, bought: pl.LazyFrame) -> pl.LazyFrame:
    """Of each hour the events, sessions and orders, and what there is of money; 0 of what there was none of."""
    cents = pl.col("revenue_cents")
    events = people.group_by(PLACE).agg(events=pl.len(), checkouts=(pl.col("event_name") == CHECKOUT).sum())
    sessions = started.group_by(PLACE).agg(
        sessions=pl.len(),
        carts=(pl.col("add_to_carts") > 0).sum(),
        checking_out=(pl.col("checkouts_started") > 0).sum(),
    )
    capped = pl.min_horizontal(cents.cast(pl.Float64), CAP * cents.median().over("day"))
    orders = (
        bought.with_columns(capped=capped)
        .group_by(PLACE)
        .agg(
            orders=pl.len(),
            revenue=cents.sum(),
            typical=_typical(cents.cast(pl.Float64)),
            capped=pl.col("capped").sum().round(0),
            capped_typical=_typical(pl.col("capped")),
        )
    )
    return (
        events.join(sessions, on=PLACE, how="full", coalesce=True)
        .join(orders, on=PLACE, how="full", coalesce=True)
        .with_columns(pl.exclude(PLACE).fill_null(0))
    )


def _typical(cents: pl.Expr) -> pl.Expr:
    """The size of a typical order: large ones decide how money varies."""
    return ((cents**2).sum() / cents.sum()).fill_nan(None).round(GRAIN_DECIMALS)


def _rows(
    hours: pl.LazyFrame, metric: str, amount: str, basis: str = "", segment: str = "", grain: str = ""
) -> pl.LazyFrame:
    values = {
        "day": pl.col("day"),
        "hour": pl.col("hour"),
        "metric": pl.lit(metric),
        "segment": pl.lit(segment),
        "amount": pl.col(amount),
        "basis": pl.col(basis) if basis else pl.lit(1),
        "grain": pl.col(grain) if grain else pl.lit(1.0),
    }
    return hours.select(values[name].cast(dtype).alias(name) for name, dtype in SCHEMA.items())


def _shares(rows: pl.LazyFrame, metric: str, by: str) -> pl.LazyFrame:
    """The rows of each value, of all of the hour."""
    counted = rows.group_by("day", "hour", pl.col(by).alias("segment")).agg(amount=pl.len())
    return counted.select(
        "day",
        pl.col("hour").cast(pl.Int64),
        pl.lit(metric).alias("metric"),
        pl.col("segment").cast(pl.String),
        pl.col("amount").cast(pl.Int64),
        pl.col("amount").sum().over("day", "hour").cast(pl.Int64).alias("basis"),
        pl.lit(1.0).alias("grain"),
    )


def complete_hours(hours: pl.DataFrame, day: dt.date) -> int:
    """How many hours of the day are over, by its own events: those before the last hour that has begun. 0 without any.

    What lands later may be of earlier hours as well: pieces in any order lead to the same number.
    """
    found = hours.filter(pl.col("day") == day, pl.col("metric") == "events").sort("hour", descending=True)
    as_late = found.with_columns(pl.col("amount").cum_sum())
    least = max(float(LEAST_EVENTS), LEAST_SHARE * float(found["amount"].sum()))
    begun = as_late.filter(pl.col("amount") >= least)["hour"]
    return int(begun[0]) if len(begun) else 0


def until(hours: pl.DataFrame, end: int) -> pl.DataFrame:
    """The metrics of the hours before `end` (1 to 24) of every day, as rows of daily_metrics have them: what is judged,
    and the hours themselves."""
    hours = hours.filter(pl.col("hour") < end)
    is_ratio = pl.col("metric").is_in([name for name in HOURLY if METRICS[name].kind in ("share", "mean")])
    is_mean = pl.col("metric").is_in([name for name in HOURLY if METRICS[name].kind == "mean"])
    left = pl.col("grain") - pl.col("amount") / pl.col("basis")
    # A segment without rows in an hour is a part of that hour all the same.
    whole = (
        hours.group_by("day", "hour", "metric")
        .agg(pl.col("basis").max())
        .group_by("day", "metric")
        .agg(whole=pl.col("basis").sum())
    )
    squares = (pl.col("grain") * pl.col("amount")).sum()
    metrics = (
        hours.group_by("day", "metric", "segment")
        .agg(pl.col("amount").sum(), grain=pl.when(pl.col("amount").sum() > 0).then(squares / pl.col("amount").sum()))
        .join(whole, on=["day", "metric"])
        .with_columns(basis=pl.when(is_ratio).then("whole").otherwise(1), grain=pl.col("grain").fill_null(1.0))
        # Once the number of orders is known, only what they differ by is left to chance.
        .with_columns(grain=pl.when(is_mean).then(left.clip(lower_bound=0.0).fill_nan(0.0)).otherwise("grain"))
    )
    delivery = _delivery(hours)
    return pl.concat([metrics.select(delivery.columns), delivery], how="vertical_relaxed")


def _delivery(hours: pl.DataFrame) -> pl.DataFrame:
    """What the metrics are judged by: of each day the events of every hour of the clock, and that it has landed."""
    days = hours.select(pl.col("day").unique())
    clock = pl.DataFrame({"hour": range(HOURS)}, schema={"hour": pl.Int64})
    by_hour = (
        days.join(clock, how="cross")
        .join(hours.filter(pl.col("metric") == "events"), on=["day", "hour"], how="left")
        .select(
            "day",
            metric=pl.lit("hour_events"),
            segment=pl.col("hour").cast(pl.String).str.zfill(2),
            amount=pl.col("amount").fill_null(0),
        )
    )
    landed = days.select("day", metric=pl.lit("landed_files"), segment=pl.lit(""), amount=pl.lit(1, pl.Int64))
    return pl.concat([by_hour, landed]).with_columns(basis=pl.lit(1, pl.Int64), grain=pl.lit(1.0))


def judge_running_day(
    hours: pl.DataFrame, delivered: pl.DataFrame, day: dt.date, rules: Monitoring
) -> tuple[int, pl.DataFrame]:
    """How many hours of the day are over, and the rows of `anomalies` for it up to then.

    `hours` are those of the day and of the days before it that the judgement reaches; `delivered` is what
    daily_metrics says of their files and rows: a part of a day has the columns and the shares of a whole one.
    """
    end = complete_hours(hours, day)
    window = DayRange(day, day).widen(before=reach(rules))
    cautious = rules.model_copy(update={"sigma_factor": CAUTION * rules.sigma_factor})
    parts = until(hours.filter(window.covers()), end)
    series, of_today = ["metric", "segment"], delivered.filter(pl.col("day") == day)
    shares = (
        delivered.filter(pl.col("metric").is_in(DELIVERED))
        .join(of_today, on=series, how="semi")
        .join(parts, on=series, how="anti")
    )
    metrics = pl.concat([parts, shares.select(parts.columns)], how="vertical_relaxed")
    found = anomalies(metrics, DayRange(day, day), cautious)
    is_off = pl.col("status").is_in(["warn", "fail"])
    said = pl.when(is_off).then(pl.format("until {}:00 UTC: {}", pl.lit(f"{end:02d}"), "explanation"))
    return end, found.with_columns(explanation=said.otherwise("explanation"))
