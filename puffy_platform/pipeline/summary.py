"""What a run left behind, in numbers: rows and money from the files to the reports, sessions, channels, drift.

Every figure is read back from the warehouse, so the summary describes what is stored and not what was intended.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import polars as pl

from puffy_platform.event_data import purchase_money
from puffy_platform.pipeline.platform import Platform
from puffy_platform.table import DayRange

__all__ = ["MoneyStep", "Summary", "summarise"]


@dataclass(frozen=True)
class MoneyStep:
    """One stage of the way money takes; `cents` must equal `expected_cents`."""

    name: str
    cents: int
    expected_cents: int

    @property
    def reconciles(self) -> bool:
        return self.cents == self.expected_cents


@dataclass(frozen=True)
class Summary:
    """Landing figures count files of the landing days; the others count event days of the same range."""

    days: DayRange
    files: int
    rows: int
    accepted: int
    duplicates: int
    quarantined: int
    quarantined_by_rule: dict[str, int]
    orders: int
    revenue_cents: int
    repeats: int
    collisions: int
    sessions: int
    bot_sessions: int
    money: tuple[MoneyStep, ...]
    models: tuple[str, str]
    window_days: int
    channels: tuple[tuple[str, float, int, float, int], ...]
    drift: tuple[tuple[str, str, int], ...]

    @property
    def reconciles(self) -> bool:
        """Every row is in one place and every cent is where it should be."""
        rows_add_up = self.rows == self.accepted + self.duplicates + self.quarantined
        return rows_add_up and all(step.reconciles for step in self.money)

    def to_json(self) -> dict[str, object]:
        values = asdict(self)
        values["days"] = {"from": str(self.days.first), "to": str(self.days.last)}
        values["reconciles"] = self.reconciles
        return values


def summarise(platform: Platform, days: DayRange, models: tuple[str, str] = ("first_touch", "last_touch")) -> Summary:
    """Read the summary of these days. `models` are shown side by side, in the shortest look-back window."""

    def read(name: str, within: DayRange | None = days) -> pl.DataFrame:
        return platform.warehouse.read(platform.tables[name], within).collect()

    files = read("file_drift")
    quarantined = read("quarantined_events")
    conversions = read("conversions")
    counted = conversions.filter("is_counted")
    sessions = platform.warehouse.read(platform.tables["sessions"], days).select("is_bot").collect()
    window = min(platform.settings.attribution.windows_days)
    summary = platform.warehouse.read(platform.tables["channel_summary"], days).collect()
    by_rule = quarantined.group_by("rule").len().sort("len", "rule", descending=[True, False])
    return Summary(
        days=days,
        files=files.height,
        rows=_total(files, "rows"),
        accepted=_total(files, "accepted"),
        duplicates=_total(files, "duplicates"),
        quarantined=_total(files, "quarantined"),
        quarantined_by_rule=dict(by_rule.iter_rows()),
        orders=counted.height,
        revenue_cents=_total(counted, "revenue_cents"),
        repeats=conversions.filter(kind="repeat").height,
        collisions=conversions.filter(kind="collision").height,
        sessions=sessions.height,
        bot_sessions=_total(sessions, "is_bot"),
        money=tuple(_money_trail(platform, days, files, conversions, summary)),
        models=models,
        window_days=window,
        channels=_side_by_side(summary.filter(window_days=window), models),
        drift=tuple(_drift(files)),
    )


def _total(frame: pl.DataFrame, column: str) -> int:
    return int(frame[column].sum() or 0)


def _money_trail(
    platform: Platform, days: DayRange, files: pl.DataFrame, conversions: pl.DataFrame, summary: pl.DataFrame
) -> list[MoneyStep]:
    """From the raw files to every report: first by landing day, then, from raw rows on, by event day."""

    def cents(name: str) -> int:
        rows = platform.warehouse.read(platform.tables[name], days)
        return int(rows.select(pl.col("revenue_cents").sum()).collect().item() or 0)

    in_files = _total(files, "revenue_cents")
    landed = _raw_purchases(platform, days, landing=True)
    touching = _raw_purchases(platform, days, landing=False)
    purchases, gross = cents("purchases"), _total(conversions, "revenue_cents")
    counted = _total(conversions.filter("is_counted"), "revenue_cents")
    steps = [
        MoneyStep(
            "files = accepted + duplicate + quarantined",
            landed + cents("duplicate_events") + cents("quarantined_events"),
            in_files,
        ),
        MoneyStep("accepted rows = purchases", purchases, touching),
        MoneyStep("purchases = conversions of every kind", gross, purchases),
    ]
    credited = summary.group_by("model", "window_days").agg(pl.col("revenue_cents").sum()).sort("window_days", "model")
    for model, window, credit in credited.iter_rows():
        steps.append(MoneyStep(f"counted conversions = {model}, {window} days", credit, counted))
    return steps


def _raw_purchases(platform: Platform, days: DayRange, *, landing: bool) -> int:
    """Cents of the accepted purchases that landed in these days, or that happened in them."""
    table = platform.tables["raw_events"]
    rows = platform.warehouse.read(table, days if landing else None, ("day", "event_day", "event_name", "event_data"))
    if not landing:
        rows = rows.filter(days.covers("event_day"))
    fields = purchase_money(rows.filter(pl.col("event_name") == "checkout_completed"))
    return int(fields.lazy().select(pl.col("revenue_cents").sum()).collect().item() or 0)


def _side_by_side(summary: pl.DataFrame, models: tuple[str, str]) -> tuple[tuple[str, float, int, float, int], ...]:
    """Per channel: conversions and cents under the first model, then under the second."""
    first, second = (
        summary.filter(model=model).group_by("channel").agg(pl.col("conversions").sum(), pl.col("revenue_cents").sum())
        for model in models
    )
    both = first.join(second, on="channel", how="full", coalesce=True, suffix="_second").fill_null(0)
    return tuple(both.sort(["revenue_cents", "channel"], descending=[True, False]).iter_rows())


def _drift(files: pl.DataFrame) -> list[tuple[str, str, int]]:
    """What drifted, the first landing day, and in how many files."""
    renamed = (
        files.explode("renamed")
        .drop_nulls("renamed")
        .select(
            "day",
            what=pl.format(
                "{} renamed to {}",
                pl.col("renamed").struct.field("meant"),
                pl.col("renamed").struct.field("seen"),
            ),
        )
    )
    missing = files.explode("missing").drop_nulls("missing").select("day", what=pl.format("{} missing", "missing"))
    added = files.explode("added").drop_nulls("added").select("day", what=pl.format("{} is new", "added"))
    status = files.filter(pl.col("status") != "read").select("day", what=pl.format("file {}", "status"))
    return [
        (what, str(first), count)
        for what, first, count in pl.concat([renamed, missing, added, status])
        .group_by("what")
        .agg(first=pl.col("day").min(), n=pl.len())
        .sort("first", "what")
        .iter_rows()
    ]
