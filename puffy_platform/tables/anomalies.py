"""anomalies: every metric of every day against what earlier days let expect, and the incidents they add up to.

Contract, transform and checks. How days are judged is in monitoring/: expect.py, detect.py, causes.py.
"""

from __future__ import annotations

from collections.abc import Callable

import pandera.polars as pa
import polars as pl

from puffy_platform.monitoring.detect import reach
from puffy_platform.monitoring.metrics import METRICS
from puffy_platform.monitoring.report import STATUSES, anomalies
from puffy_platform.settings import Settings
from puffy_platform.table import Check, DayRange, Inputs, Reads, Table

__all__ = ["CHECKS", "TABLE"]

NAMED = 3  # metrics named in the outcome of a check
# From the best to the worst; a check says the worst of its metrics.
ORDER = ("skipped", "not enough history", "pass", "warn", "fail")

# Check -> what it says, and of which metrics.
CHECKS: dict[str, tuple[str, tuple[str, ...]]] = {
    "columns_are_usual": ("The files have the columns of the landing day before.", ("column_drift",)),
    "rows_are_usual": (
        "Rows of files and tables are as many as on earlier days, and no hour is empty.",
        ("landed_rows", "events", "hour_events", "table_rows"),
    ),
    "duplicates_are_usual": (
        "Rows delivered again and orders sent again are as many as on earlier days.",
        ("duplicate_share", "repeat_share"),
    ),
    "quarantine_is_usual": (
        "Of every reason, as many rows are quarantined as on earlier days.",
        ("quarantined_share",),
    ),
    "timestamps_are_usual": ("As many timestamps have an offset as on earlier days.", ("naive_timestamp_share",)),
    "nulls_are_usual": ("Every column has as many nulls as on earlier days.", ("null_share",)),
    "event_names_are_usual": ("Every kind of event has its share of earlier days.", ("event_share",)),
    "sources_are_usual": (
        "Every channel, Unknown too, has its share of sessions and its revenue of earlier days.",
        ("unknown_channel_share", "channel_share", "channel_revenue"),
    ),
    "devices_are_usual": ("Devices and crawlers have their share of earlier days.", ("device_share", "bot_share")),
    "order_ids_are_usual": (
        "Order ids used again and orders without revenue are as many as on earlier days.",
        ("collision_share", "zero_revenue_share"),
    ),
    "traffic_is_usual": ("Sessions and clients are as many as on earlier days.", ("sessions", "clients")),
    "buying_is_usual": (
        "Carts, checkouts and orders are as many, and as large a part of the sessions, as on earlier days.",
        ("add_to_cart_rate", "checkout_rate", "checkout_completion", "conversion_rate", "orders"),
    ),
    "revenue_is_usual": (
        "Revenue and what an order brings are as on earlier days.",
        ("revenue", "capped_order_value"),
    ),
}


class AnomaliesContract(pa.DataFrameModel):
    """One row for each day, metric and segment that is judged."""

    day: pl.Date = pa.Field(description="The day judged; only days before it say what was expected.")
    metric: str = pa.Field(isin=list(METRICS), description="The metric of daily_metrics.")
    segment: str = pa.Field(description="Its segment; empty for the whole.")
    table: str = pa.Field(description="The table it is measured of, whose owner is asked.")
    layer: str = pa.Field(
        isin=["delivery", "quality", "business"], description="delivery: files; quality: rows; business: the shop."
    )
    status: str = pa.Field(
        isin=STATUSES,
        description=(
            "pass; warn: unusual, nothing is lost; fail: unusual, money or data is in doubt; not enough history; "
            "skipped: no file landed for the day."
        ),
    )
    observed: pl.Float64 = pa.Field(nullable=True, description="The metric's value: count, share, cents.")
    expected: pl.Float64 = pa.Field(nullable=True, description="What earlier days let expect.")
    low: pl.Float64 = pa.Field(nullable=True, description="Under this it would be unusual; null when not judged.")
    high: pl.Float64 = pa.Field(nullable=True, description="Over this it would be unusual; null when not judged.")
    deviation: pl.Float64 = pa.Field(
        nullable=True,
        description="Distance in standard deviations of a normal that is as rare; with the days before if they add up.",
    )
    explanation: str = pa.Field(description="Why this status, in words.")
    incident: str = pa.Field(
        nullable=True, description="The incident that explains it: the same on every day the incident lasts."
    )
    cause: str = pa.Field(nullable=True, description="The likely cause of that incident.")
    is_lead: bool = pa.Field(description="The metric that says the incident best.")
    is_posted: bool = pa.Field(
        description="Part of an incident worth a message; unusual metrics that are not go to the daily digest."
    )
    money_at_stake_cents: pl.Int64 = pa.Field(
        ge=0, nullable=True, description="Revenue of the day that the incident puts in doubt; minor units."
    )

    class Config:
        strict = True


def transform(inputs: Inputs, days: DayRange, settings: Settings) -> pl.LazyFrame:
    """Judge the days, with the window of metrics before them."""
    return anomalies(inputs["daily_metrics"].collect(), days, settings.monitoring).lazy()


def is_usual(metrics: tuple[str, ...]) -> Callable[[pl.DataFrame, Inputs, DayRange, Settings], pl.DataFrame]:
    """A check of some metrics: the worst of their statuses, and the farthest of them in words."""

    def measure(frame: pl.DataFrame, inputs: Inputs, days: DayRange, settings: Settings) -> pl.DataFrame:
        rank = pl.col("status").replace_strict({name: place for place, name in enumerate(ORDER)}, return_dtype=pl.Int8)
        is_off = pl.col("status").is_in(["warn", "fail"])
        return (
            frame.filter(pl.col("metric").is_in(metrics))
            .with_columns(rank=rank)
            .sort("day", "rank", pl.col("deviation").abs().fill_null(0.0), descending=[False, True, True])
            .group_by("day", maintain_order=True)
            .agg(
                pl.col("status").first(),
                observed=pl.col("explanation").filter(is_off).unique(maintain_order=True).head(NAMED).str.join("; "),
                unusual=is_off.sum(),
                judged=pl.col("status").is_in(["pass", "warn", "fail"]).sum(),
            )
            .select(
                "day",
                "status",
                passed=pl.when(pl.col("judged") > 0).then(pl.col("unusual") == 0),
                observed=pl.when(pl.col("unusual") > 0)
                .then(pl.format("{} of {} metrics: {}", "unusual", "judged", "observed"))
                .otherwise(pl.format("{} metrics as usual", "judged")),
                expected=pl.lit("as on the days before, weekdays and chance allowed for"),
            )
        )

    return measure


TABLE = Table(
    name="anomalies",
    description=(
        "Every metric of a day against the twelve weeks before it: expected value, usual limits, verdict, and the "
        "incident it belongs to, with the likely cause and the money at stake. Only earlier days speak about a day."
    ),
    owner="team:analytics",
    group="monitoring",
    contract=AnomaliesContract,
    key=("day", "metric", "segment"),
    reads=(Reads("daily_metrics", before=lambda settings: reach(settings.monitoring)),),
    transform=transform,
    settings_sections=("monitoring",),
    checks=tuple(
        Check(name, description, is_usual(metrics), severity="warn") for name, (description, metrics) in CHECKS.items()
    ),
    sort=("metric", "segment"),
    version=2,
    lineage={
        "observed": (("daily_metrics", "value"),),
        "expected": (("daily_metrics", "amount"), ("daily_metrics", "basis")),
        "low": (("daily_metrics", "amount"), ("daily_metrics", "grain")),
        "high": (("daily_metrics", "amount"), ("daily_metrics", "grain")),
        "money_at_stake_cents": (("daily_metrics", "amount"),),
    },
)
