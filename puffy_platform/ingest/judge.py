"""The contract of a raw event, row by row: which rows can be accepted, and for the others the one rule they break."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import polars as pl

from puffy_platform.event_data import PURCHASE, is_json_object, purchase_money
from puffy_platform.ingest.columns import RAW_COLUMNS, REQUIRED
from puffy_platform.ingest.times import to_utc
from puffy_platform.settings import Settings

__all__ = ["EVENTS", "ROW_RULES", "judge"]

EVENTS = (
    "page_viewed",
    "email_filled_on_popup",
    "product_added_to_cart",
    "checkout_started",
    "checkout_completed",
)
# What a row may break, in the order in which it is judged.
ROW_RULES = (
    "field_too_large",
    "missing_value",
    "unknown_event",
    "nonexistent_local_time",
    "unreadable_timestamp",
    "in_future",
    "too_late",
    "before_start",
    "broken_json",
    "purchase_without_transaction_id",
    "unreadable_revenue",
)

_VERDICT = ("rule", "column", "message")


def judge(rows: pl.DataFrame, day: dt.date, settings: Settings) -> pl.DataFrame:
    """Add event_ts, event_day, timestamp_kind, revenue_cents, and `rule`, `column`, `message` where a rule is broken.

    The first broken rule in the order below is named. Messages say what is wrong and what to do, never the value.
    """
    times = to_utc(rows["timestamp"], settings.shop.time_zone)
    money = purchase_money(rows.select("event_name", "event_data").lazy())
    judged = (
        rows.hstack(times)
        .hstack(money.select("transaction_id", "revenue_cents").collect())
        .with_columns(event_day=pl.col("event_ts").dt.date())
    )
    rules = _rules(day, settings)
    # Almost all rules are kept by every row of a file; which one comes first is asked of the others alone.
    are_broken = judged.select(condition.any().alias(str(n)) for n, (condition, *_) in enumerate(rules)).row(0)
    rules = [rule for rule, is_broken in zip(rules, are_broken, strict=True) if is_broken]
    texts = [pl.Series(name, [rule[n] for rule in rules], pl.String) for n, name in enumerate(_VERDICT, start=1)]
    return (
        judged.with_columns(broken=_first([condition for condition, *_ in rules]))
        .with_columns(pl.lit(series).gather("broken").alias(series.name) for series in texts)
        .drop("transaction_id", "in_gap", "broken")
    )


def _first(conditions: Sequence[pl.Expr]) -> pl.Expr:
    """The place of the first condition that is met; null where none is."""
    places = [pl.when(met.fill_null(False)).then(pl.lit(n, pl.UInt32)) for n, met in enumerate(conditions)]
    return pl.coalesce(*places, pl.lit(None, pl.UInt32))


def _rules(day: dt.date, settings: Settings) -> list[tuple[pl.Expr, str, str, str]]:
    """Condition, rule, column and message, in the order in which they are judged."""
    limit, late_days = settings.ingest.max_field_bytes, settings.ingest.late_days
    is_purchase = pl.col("event_name") == PURCHASE
    # Without a first day of the tables nothing is before it: a comparison with null is never met.
    event_day, start = pl.col("event_day"), settings.partitions.start_day
    return [
        *(
            (
                pl.col(name).str.len_bytes() > limit,
                "field_too_large",
                name,
                f"The field is larger than {limit:,} bytes (ingest.max_field_bytes).",
            )
            for name in (*RAW_COLUMNS, "extra")
        ),
        *(
            (pl.col(name).is_null(), "missing_value", name, f"Every event needs a {name}, and this one has none.")
            for name in REQUIRED
            if name != "client_id"
        ),
        (
            ~pl.col("event_name").is_in(EVENTS),
            "unknown_event",
            "event_name",
            f"The event is not one of {', '.join(EVENTS)}.",
        ),
        (
            pl.col("in_gap"),
            "nonexistent_local_time",
            "timestamp",
            f"The clock change of {settings.shop.time_zone} skips this hour: send an offset.",
        ),
        (
            pl.col("event_ts").is_null(),
            "unreadable_timestamp",
            "timestamp",
            "The timestamp is not ISO 8601, for example 2025-02-23T00:00:01.750Z.",
        ),
        (
            event_day > pl.lit(day + dt.timedelta(days=1)),
            "in_future",
            "timestamp",
            "The event lies more than a day after its file: check the sender's clock.",
        ),
        (
            event_day < pl.lit(day - dt.timedelta(days=late_days)),
            "too_late",
            "timestamp",
            f"The event is more than {late_days} days older than its file (ingest.late_days).",
        ),
        (
            event_day < pl.lit(start, pl.Date),
            "before_start",
            "timestamp",
            f"The event is older than the first day of the tables, {start} (partitions.start_day).",
        ),
        (
            ~is_json_object(pl.col("event_data")).fill_null(True),
            "broken_json",
            "event_data",
            "The text is not a JSON object: it may have been cut off or quoted wrongly.",
        ),
        (
            is_purchase & pl.col("transaction_id").is_null(),
            "purchase_without_transaction_id",
            "event_data",
            "A checkout_completed needs a transaction_id.",
        ),
        (
            is_purchase & pl.col("revenue_cents").is_null(),
            "unreadable_revenue",
            "event_data",
            "The revenue of a checkout_completed must be an amount, for example 349.00.",
        ),
    ]
