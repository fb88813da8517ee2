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

__all__ = ["TABLE"]

NAMED = 3  # metrics named in the outcome of a check
# From the best to the worst; a check says the worst of its metrics.
ORDER = ("skipped", "not enough history", "pass", "warn", "fail")


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


def is_usual(layer: str) -> Callable[[pl.DataFrame, Inputs, Settings], pl.DataFrame]:
    """A check of one layer: the worst status of its metrics, and the farthest of them by name."""

    def measure(frame: pl.DataFrame, inputs: Inputs, settings: Settings) -> pl.DataFrame:
        rank = pl.col("status").replace_strict({name: place for place, name in enumerate(ORDER)}, return_dtype=pl.Int8)
        is_off = pl.col("status").is_in(["warn", "fail"])
        return (
            frame.filter(pl.col("layer") == layer)
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
    checks=(
        Check(
            "delivery_is_usual",
            "Rows in the files, duplicates, quarantine and columns are as on earlier days.",
            is_usual("delivery"),
            severity="warn",
        ),
        Check(
            "quality_is_usual",
            "Events, their hours, kinds, nulls and sources are as on earlier days.",
            is_usual("quality"),
            severity="warn",
        ),
        Check(
            "business_is_usual",
            "Sessions, channels, rates, orders and revenue are as on earlier days.",
            is_usual("business"),
            severity="warn",
        ),
    ),
    sort=("metric", "segment"),
    lineage={
        "observed": (("daily_metrics", "value"),),
        "expected": (("daily_metrics", "amount"), ("daily_metrics", "basis")),
        "low": (("daily_metrics", "amount"), ("daily_metrics", "grain")),
        "high": (("daily_metrics", "amount"), ("daily_metrics", "grain")),
        "money_at_stake_cents": (("daily_metrics", "amount"),),
    },
)
