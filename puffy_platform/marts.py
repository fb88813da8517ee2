"""The small tables analysts open in notebooks and BI: what each holds and how it follows from the core tables. Pure.

Money leaves its integer cents here and becomes DECIMAL(18, 2), exact as well.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import polars as pl

from puffy_platform.table import Inputs

__all__ = ["ALL_TABLES", "MARTS", "Mart"]

# Stands for a table in the row of a day as a whole.
ALL_TABLES = "all tables"


@dataclass(frozen=True)
class Mart:
    """One table of the DuckDB file. `build(inputs, final_until)` gets its tables whole; `final_until` says, by
    table, the last day that can no longer change (None while nothing has landed). With `reads_outcomes` it also gets
    `check_results`: the newest outcome of every table, day and check. `day` is its column of days."""

    name: str
    description: str
    reads: tuple[str, ...]
    build: Callable[[Inputs, Mapping[str, dt.date | None]], pl.LazyFrame]
    reads_outcomes: bool = False
    day: str = "day"

    def rows(self, inputs: Inputs, final_until: Mapping[str, dt.date | None], stale: pl.DataFrame) -> pl.LazyFrame:
        """What is published. `is_stale`: the row is of a day of which any of the mart's tables holds old rows (`stale`,
        by table and day); of a mart about tables, of which the table in the row does."""
        rows = self.build(inputs, final_until)
        if "table" in rows.collect_schema():
            whole = stale.select(pl.lit(ALL_TABLES).alias("table"), "day").unique()
            old, on = pl.concat([whole, stale]).rename({"day": self.day}), ["table", self.day]
        else:
            of_its_tables = stale.filter(pl.col("table").is_in(self.reads))
            old, on = of_its_tables.select(pl.col("day").alias(self.day)).unique(), [self.day]
        marked = old.lazy().with_columns(is_stale=pl.lit(True))
        return rows.join(marked, on=on, how="left", maintain_order="left").with_columns(
            pl.col("is_stale").fill_null(False)
        )


def money(cents: str) -> pl.Expr:
    """Cents as an exact decimal with two places."""
    return (pl.col(cents).cast(pl.Decimal(18, 2)) / pl.lit(100, pl.Decimal(18, 2))).cast(pl.Decimal(18, 2))


def _is_final(day: dt.date | None) -> pl.Expr:
    return (pl.col("day") <= pl.lit(day, pl.Date)).fill_null(False).alias("is_final")


def _daily_kpis(inputs: Inputs, final_until: Mapping[str, dt.date | None]) -> pl.LazyFrame:
    """One row a day: traffic, orders, money."""
    sessions = (
        inputs["sessions"]
        .group_by("day")
        .agg(
            sessions=(~pl.col("is_bot")).sum(),
            bot_sessions=pl.col("is_bot").sum(),
            clients=pl.col("client_id").filter(~pl.col("is_bot")).n_unique(),
        )
    )
    orders = (
        inputs["conversions"]
        .group_by("day")
        .agg(
            orders=pl.col("is_counted").sum(),
            revenue_cents=pl.col("revenue_cents").filter("is_counted").sum(),
            repeats=(pl.col("kind") == "repeat").sum(),
            collisions=(pl.col("kind") == "collision").sum(),
        )
    )
    counts = ["sessions", "bot_sessions", "clients", "orders", "repeats", "collisions"]
    return (
        sessions.join(orders, on="day", how="full", coalesce=True)
        .with_columns(pl.col(counts).fill_null(0).cast(pl.Int64), pl.col("revenue_cents").fill_null(0))
        .select(
            "day",
            *counts,
            revenue=money("revenue_cents"),
            conversion_rate=pl.when(pl.col("sessions") > 0).then(pl.col("orders") / pl.col("sessions")),
            average_order_value=pl.when(pl.col("orders") > 0).then(
                (pl.col("revenue_cents") / pl.col("orders") / 100).round(2)
            ),
            is_final=_is_final(final_until["sessions"]),
        )
        .sort("day")
    )


def _channel_daily(inputs: Inputs, final_until: Mapping[str, dt.date | None]) -> pl.LazyFrame:
    """channel_summary with money as decimals."""
    return (
        inputs["channel_summary"]
        .with_columns(revenue=money("revenue_cents"), is_final=_is_final(final_until["channel_summary"]))
        .drop("revenue_cents")
        .sort("day", "channel", "model", "window_days")
    )


def _orders(inputs: Inputs, final_until: Mapping[str, dt.date | None]) -> pl.LazyFrame:
    """One row per purchase, with the journey of those that count. No client or customer ids."""
    journeys = inputs["user_journeys"].select(
        "event_id", "path", "touchpoints", "days_to_convert", "first_touch_channel", "last_touch_channel"
    )
    return (
        inputs["conversions"]
        .join(journeys, on="event_id", how="left")
        .select(
            "day",
            "transaction_id",
            "converted_at",
            "kind",
            "is_counted",
            "items_count",
            "path",
            "touchpoints",
            "days_to_convert",
            "first_touch_channel",
            "last_touch_channel",
            revenue=money("revenue_cents"),
            is_final=_is_final(final_until["user_journeys"]),
        )
        .sort("converted_at", "transaction_id")
    )


def _cohorts(inputs: Inputs, final_until: Mapping[str, dt.date | None]) -> pl.LazyFrame:
    """The complete cells of every cohort, and the newest state of the incomplete ones."""
    cell = ["member", "unit", "cohort", "offset"]
    return (
        inputs["cohorts"]
        .sort("day")
        .unique(cell, keep="last", maintain_order=True)
        .with_columns(is_final=_is_final(final_until["cohorts"]))
        .rename({"day": "as_of"})
        .with_columns(revenue=money("revenue_cents"), cumulative_revenue=money("cumulative_revenue_cents"))
        .drop("revenue_cents", "cumulative_revenue_cents")
        .sort(cell)
    )


def _data_quality(inputs: Inputs, final_until: Mapping[str, dt.date | None]) -> pl.LazyFrame:
    """One row a landing file: where every row and every cent of it went, and what drifted."""
    return (
        inputs["file_drift"]
        .with_columns(
            revenue=money("revenue_cents"),
            renamed=pl.col("renamed")
            .list.eval(pl.format("{} -> {}", pl.element().struct.field("seen"), pl.element().struct.field("meant")))
            .list.join(", "),
            missing=pl.col("missing").list.join(", "),
            added=pl.col("added").list.join(", "),
            notes=pl.col("notes").list.join("; "),
        )
        .rename({"day": "landing_day"})
        .drop("revenue_cents")
        .sort("landing_day", "source_file")
    )


def _monitoring(inputs: Inputs, final_until: Mapping[str, dt.date | None]) -> pl.LazyFrame:
    """One row a table and day that was judged: its colour as `puffy status` has it, as far as checks decide it, why,
    and the anomalies of the day; and one row a day for all tables."""
    is_red = (pl.col("status") == "fail") & (pl.col("severity") == "error")
    is_off = pl.col("status").is_in(["warn", "fail"])
    why = pl.format("{}: {} (expected {})", "check", "observed", "expected")
    found = (
        inputs["anomalies"]
        .filter("is_lead")
        .sort("day", "table", "incident")
        .group_by("day", "table", maintain_order=True)
        .agg(incidents=pl.col("explanation").str.join("; "))
    )
    tables = (
        inputs["check_results"]
        .sort("day", "table", "check")
        .group_by("day", "table", maintain_order=True)
        .agg(
            colour=_worst(is_red.any(), is_off.any()),
            checks=pl.col("status").is_in(["pass", "warn", "fail"]).sum().cast(pl.Int64),
            not_passed=is_off.sum().cast(pl.Int64),
            why=why.filter(is_off).str.join("; "),
        )
        .join(found, on=["day", "table"], how="left", maintain_order="left")
    )
    colour = pl.col("colour")
    whole = tables.group_by("day", maintain_order=True).agg(
        table=pl.lit(ALL_TABLES),
        colour=_worst((colour == "RED").any(), (colour != "GREEN").any()),
        checks=pl.col("checks").sum(),
        not_passed=pl.col("not_passed").sum(),
        why=pl.format("{} {}", "table", "colour").filter(colour != "GREEN").str.join(", "),
        incidents=pl.col("incidents").drop_nulls().str.join("; "),
    )
    return (
        pl.concat([whole.select(pl.col(name) for name in tables.collect_schema()), tables])
        .with_columns(pl.col("incidents").fill_null(""), is_final=_is_final(final_until["anomalies"]))
        .sort("day", maintain_order=True)
    )


def _worst(is_red: pl.Expr, is_off: pl.Expr) -> pl.Expr:
    return pl.when(is_red).then(pl.lit("RED")).when(is_off).then(pl.lit("YELLOW")).otherwise(pl.lit("GREEN"))


MARTS = (
    Mart("daily_kpis", "Sessions, orders, revenue and rates a day.", ("sessions", "conversions"), _daily_kpis),
    Mart("channel_daily", "Channels by model and look-back window a day.", ("channel_summary",), _channel_daily),
    Mart("orders", "Every purchase with its kind and journey.", ("conversions", "user_journeys"), _orders),
    Mart("cohorts", "Retention and revenue triangles.", ("cohorts",), _cohorts, day="as_of"),
    Mart("data_quality", "Every landing file: rows, money, drift.", ("file_drift",), _data_quality, day="landing_day"),
    Mart(
        "monitoring",
        "GREEN, YELLOW or RED a table and day and overall, why, and the anomalies.",
        ("anomalies",),
        _monitoring,
        True,
    ),
)
