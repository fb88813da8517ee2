"""Measures the metrics of each day from the tables: lazy frames in, one long frame out. No judgement here.

Every metric of a day depends on the rows of that day alone, in each table.
"""

from __future__ import annotations

from collections.abc import Iterable

import polars as pl

from puffy_platform.monitoring.metrics import METRICS
from puffy_platform.settings import Settings
from puffy_platform.table import Inputs

__all__ = ["CAP", "ENRICHED_COLUMNS", "RAW_COLUMNS", "measure", "measure_delivery"]

# An order counts at most as this many median orders of its day in capped_order_value: one bulk order is no price list.
CAP = 4.0
# The model of which channel_revenue speaks, under the longest look-back window.
MODEL = "last_non_direct"
UNKNOWN = "Unknown"
# The last bits of a quotient or of a sum of floats depend on what else is computed with it.
VALUE_DECIMALS, GRAIN_DECIMALS = 9, 2

RAW_COLUMNS = ("client_id", "referrer", "event_data", "user_agent")
ENRICHED_COLUMNS = (
    "host",
    "utm_source",
    "utm_medium",
    "utm_campaign",
    "click_id_type",
    "referrer_host",
    "browser",
    "os",
)
PURCHASE_COLUMNS = ("client_id", "email_hash")
SCHEMA = {
    "day": pl.Date,
    "metric": pl.String,
    "segment": pl.String,
    "kind": pl.String,
    "amount": pl.Int64,
    "basis": pl.Int64,
    "grain": pl.Float64,
    "value": pl.Float64,
}


def measure(inputs: Inputs, settings: Settings, counted_tables: Iterable[str]) -> pl.LazyFrame:
    """day, metric, segment, kind, amount, basis, grain, value; one row a day, metric and segment.

    `value` is the metric itself: the amount of a count or of money, else amount / basis, null on an empty basis.
    `grain` is the size of an independent piece of the amount: 1 of what is counted, cents of a typical order of money.
    """
    parts = [
        *measure_delivery(inputs),
        *_events(inputs["events_enriched"], settings),
        *_sessions(inputs["sessions"], settings),
        *_orders(inputs, settings),
        *(_table_rows(inputs[name], name) for name in counted_tables),
    ]
    kinds = {name: metric.kind for name, metric in METRICS.items()}
    is_ratio = pl.col("kind").is_in(["share", "mean", "state"])
    return (
        pl.concat(parts)
        .with_columns(kind=pl.col("metric").replace_strict(kinds, return_dtype=pl.String))
        .with_columns(
            value=pl.when(~is_ratio)
            .then(pl.col("amount").cast(pl.Float64))
            .when(pl.col("basis") > 0)
            .then((pl.col("amount") / pl.col("basis")).round(VALUE_DECIMALS)),
            grain=pl.col("grain").round(GRAIN_DECIMALS),
        )
        .select(pl.col(name).cast(dtype) for name, dtype in SCHEMA.items())
    )


def _long(
    rows: pl.LazyFrame,
    metric: str,
    amount: pl.Expr | str,
    basis: pl.Expr | str | None = None,
    segment: pl.Expr | str | None = None,
    grain: pl.Expr | str | None = None,
) -> pl.LazyFrame:
    """One metric out of a frame that has a row a day (and segment)."""

    def column(value: pl.Expr | str | None, otherwise: object) -> pl.Expr:
        return pl.lit(otherwise) if value is None else pl.col(value) if isinstance(value, str) else value

    return rows.select(
        "day",
        metric=pl.lit(metric),
        segment=column(segment, "").cast(pl.String),
        amount=column(amount, None).cast(pl.Int64),
        basis=column(basis, 1).cast(pl.Int64),
        grain=column(grain, 1.0).cast(pl.Float64),
    )


def _by_segment(rows: pl.LazyFrame, metric: str, segment: pl.Expr, amount: pl.Expr | None = None) -> pl.LazyFrame:
    """A share by segment: the rows (or the amount) of each, of all of the day's."""
    counted = rows.group_by("day", segment=segment).agg(amount=pl.len() if amount is None else amount)
    return _long(counted, metric, "amount", pl.col("amount").sum().over("day"), "segment")


def _by_hour(rows: pl.LazyFrame, metric: str, time: str) -> pl.LazyFrame:
    """A count by UTC hour, all 24 hours of every day that has any row."""
    hours = pl.LazyFrame({"hour": [f"{hour:02d}" for hour in range(24)]})
    found = rows.group_by("day", hour=pl.col(time).dt.strftime("%H")).agg(amount=pl.len())
    return _long(
        rows.select(pl.col("day").unique()).join(hours, how="cross").join(found, on=["day", "hour"], how="left"),
        metric,
        pl.col("amount").fill_null(0),
        segment="hour",
    )


def measure_delivery(inputs: Inputs) -> list[pl.LazyFrame]:
    """The metrics of files and raw rows, by landing day; without kind and value."""
    files, raw = inputs["file_drift"], inputs["raw_events"]
    delivered = files.group_by("day").agg(files=pl.len(), rows=pl.col("rows").sum())
    again = inputs["duplicate_events"].group_by("day").agg(amount=pl.len())
    aside = inputs["quarantined_events"].group_by("day", segment="rule").agg(amount=pl.len())
    valid = raw.group_by("day").agg(
        pl.len().alias("rows"),
        (pl.col("timestamp_kind") == "naive").sum().alias("naive"),
        *(pl.col(name).is_null().sum() for name in RAW_COLUMNS),
    )
    renamed = pl.format(
        "{} renamed to {}",
        pl.col("renamed").struct.field("meant"),
        pl.col("renamed").struct.field("seen"),
    )
    drift = pl.concat(
        [
            files.select("day", "renamed").explode("renamed").drop_nulls().select("day", segment=renamed),
            files.select("day", "missing")
            .explode("missing")
            .drop_nulls()
            .select("day", pl.format("{} missing", "missing").alias("segment")),
            files.select("day", "added")
            .explode("added")
            .drop_nulls()
            .select("day", pl.format("{} is new", "added").alias("segment")),
        ]
    )
    drift = drift.group_by("day", "segment").agg(amount=pl.len()).join(delivered, on="day", how="left")
    every = delivered.filter(pl.col("rows") > 0)
    return [
        _long(delivered, "landed_files", "files"),
        _long(delivered, "landed_rows", "rows"),
        _long(every.join(again, on="day", how="left"), "duplicate_share", pl.col("amount").fill_null(0), "rows"),
        _long(aside.join(every, on="day"), "quarantined_share", "amount", "rows", "segment"),
        _long(drift, "column_drift", "amount", "files", "segment"),
        _long(valid, "naive_timestamp_share", "naive", "rows"),
        *(_long(valid, "null_share", name, "rows", pl.lit(f"raw_events.{name}")) for name in RAW_COLUMNS),
    ]


def _events(events: pl.LazyFrame, settings: Settings) -> list[pl.LazyFrame]:
    people = events.filter(pl.lit(settings.bots.include) | ~pl.col("is_bot"))
    every = events.group_by("day").agg(
        pl.len().alias("rows"),
        pl.col("is_bot").sum().alias("bots"),
        (pl.col("channel") == UNKNOWN).sum().alias("unknown"),
        *(pl.col(name).is_null().sum() for name in ENRICHED_COLUMNS),
    )
    return [
        _long(people.group_by("day").agg(amount=pl.len()), "events", "amount"),
        _by_hour(people, "hour_events", "event_ts"),
        _by_segment(people, "event_share", pl.col("event_name")),
        _long(every, "unknown_channel_share", "unknown", "rows"),
        _long(every, "bot_share", "bots", "rows"),
        *(_long(every, "null_share", name, "rows", pl.lit(f"events_enriched.{name}")) for name in ENRICHED_COLUMNS),
    ]


def _sessions(sessions: pl.LazyFrame, settings: Settings) -> list[pl.LazyFrame]:
    people = sessions.filter(pl.lit(settings.bots.include) | ~pl.col("is_bot"))
    every = people.group_by("day").agg(
        sessions=pl.len(),
        clients=pl.col("client_id").n_unique(),
        carts=(pl.col("add_to_carts") > 0).sum(),
        checkouts=(pl.col("checkouts_started") > 0).sum(),
    )
    return [
        _long(every, "sessions", "sessions"),
        _long(every, "clients", "clients"),
        _long(every, "add_to_cart_rate", "carts", "sessions"),
        _long(every, "checkout_rate", "checkouts", "sessions"),
        _by_segment(people, "device_share", pl.col("device_class")),
        _by_segment(people, "channel_share", pl.col("channel")),
    ]


def _orders(inputs: Inputs, settings: Settings) -> list[pl.LazyFrame]:
    orders = _counted_orders(inputs["conversions"])
    # Every day with visitors, so that a day without any order has a row of 0.
    people = inputs["sessions"].filter(pl.lit(settings.bots.include) | ~pl.col("is_bot"))
    started = people.group_by("day").agg(sessions=pl.len(), checkouts=pl.col("checkouts_started").sum())
    every = started.join(orders, on="day", how="full", coalesce=True).with_columns(
        pl.col("sessions", "checkouts", "orders", "revenue", "capped").fill_null(0),
        pl.col("typical", "capped_typical").fill_nan(None).fill_null(0.0),
    )
    judged = (
        inputs["conversions"]
        .group_by("day")
        .agg(
            purchases=pl.len(),
            collisions=(pl.col("kind") == "collision").sum(),
            repeats=(pl.col("kind") == "repeat").sum(),
        )
    )
    bought = (
        inputs["purchases"]
        .group_by("day")
        .agg(
            pl.len().alias("purchases"),
            pl.col("is_zero_revenue").sum().alias("zero"),
            *(pl.col(name).is_null().sum() for name in PURCHASE_COLUMNS),
        )
    )
    credited = (
        inputs["channel_summary"]
        .filter(
            pl.col("model") == MODEL,
            pl.col("window_days") == settings.attribution.longest_window_days,
        )
        .select("day", "channel", "revenue_cents")
        .join(orders.select("day", "typical"), on="day", how="left")
        .with_columns(pl.col("typical").fill_nan(None).fill_null(0.0))
    )
    return [
        _long(every, "orders", "orders"),
        _long(every, "revenue", "revenue", grain="typical"),
        _long(every, "average_order_value", "revenue", "orders", grain=_spread("typical", "revenue")),
        _long(every, "capped_order_value", "capped", "orders", grain="capped_typical"),
        _long(every, "conversion_rate", "orders", "sessions"),
        _long(every, "checkout_completion", "orders", "checkouts"),
        _long(judged, "collision_share", "collisions", "purchases"),
        _long(judged, "repeat_share", "repeats", "purchases"),
        _long(bought, "zero_revenue_share", "zero", "purchases"),
        *(_long(bought, "null_share", name, "purchases", pl.lit(f"purchases.{name}")) for name in PURCHASE_COLUMNS),
        _long(credited, "channel_revenue", "revenue_cents", segment="channel", grain="typical"),
    ]


def _counted_orders(conversions: pl.LazyFrame) -> pl.LazyFrame:
    """Of each day with orders their number and money, whole and with large ones capped; `typical` is the size of an
    order as the money varies by it, `capped_typical` what is left of it once the number of orders is known."""
    cents, capped = pl.col("revenue_cents"), pl.col("capped")
    return (
        conversions.filter("is_counted")
        .with_columns(capped=pl.min_horizontal(cents.cast(pl.Float64), CAP * cents.median().over("day")))
        .group_by("day")
        .agg(
            orders=pl.len(),
            revenue=cents.sum(),
            typical=(cents.cast(pl.Float64) ** 2).sum() / cents.sum(),
            capped=capped.sum().round(0),
            capped_typical=(capped**2).sum() / capped.sum() - capped.mean(),
        )
    )


def _spread(typical: str, total: str) -> pl.Expr:
    """Variance of an order's value over its mean: what is left of the grain once the number of orders is known."""
    mean = pl.col(total) / pl.col("orders")
    return (pl.col(typical) - mean).fill_nan(0.0).fill_null(0.0).clip(lower_bound=0.0)


def _table_rows(rows: pl.LazyFrame, name: str) -> pl.LazyFrame:
    return _long(rows.group_by("day").agg(amount=pl.len()), "table_rows", "amount", segment=pl.lit(name))
