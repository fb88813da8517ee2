"""The file of assignments: which client got which variant of which experiment, and when. Lines that cannot be used are
named with their line and reason; what the outcomes were is not known here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

import polars as pl

from puffy_platform.ingest.csv_text import read_csv
from puffy_platform.ingest.records import LINE, Records, Unreadable
from puffy_platform.ingest.times import UTC, to_utc
from puffy_platform.settings import Settings

__all__ = ["ASSIGNED", "Assignments", "load_assignments"]

# Each column under the names that are understood, in any case.
NAMES = {
    "client_id": ("client_id", "client", "clientid"),
    "experiment": ("experiment",),
    "variant": ("variant",),
    "time": ("time", "assigned_at", "timestamp"),
}
ASSIGNED: dict[str, pl.DataType | type[pl.DataType]] = {
    "experiment": pl.String,
    "variant": pl.String,
    "client_id": pl.String,
    "assigned_at": UTC,
}
PROBLEMS: dict[str, type[pl.DataType]] = {"line": pl.Int64, "rule": pl.String, "message": pl.String, "day": pl.Date}
CROSSED: dict[str, type[pl.DataType]] = {"experiment": pl.String, "clients": pl.Int64}
REASONS = {
    "missing_value": "The client, the experiment, the variant or the time is empty.",
    "unreadable_time": "The time is none: write it like 2025-03-01T12:00:00Z.",
    "nonexistent_local_time": "A clock change skipped the time, and it has no offset.",
}


@dataclass(frozen=True)
class Assignments:
    """`rows`: each client once an experiment, with its first variant (ASSIGNED). `problems`: the lines that cannot be
    used (line, rule, message, day; the day is that of the nearest usable line above, else below; null without any).

    `mistake` says why the file as a whole cannot be used; `lines` are its records. `repeated` counts the lines that
    say again what an earlier one said, `crossed` the clients of each experiment that later got another variant.
    """

    rows: pl.DataFrame
    problems: pl.DataFrame
    mistake: str | None = None
    lines: int = 0
    repeated: int = 0
    crossed: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=CROSSED))


def load_assignments(settings: Settings) -> Assignments:
    """The assignments of settings.assignments; none when there is no such file."""
    path = settings.assignments
    if not path.exists():
        return _nothing()
    try:
        return _parsed(path.read_bytes(), settings.shop.time_zone)
    except OSError as error:
        return _nothing(f"{path.name} cannot be read: {error.strerror}")


def _nothing(mistake: str | None = None) -> Assignments:
    return Assignments(pl.DataFrame(schema=ASSIGNED), pl.DataFrame(schema=PROBLEMS), mistake)


@lru_cache(maxsize=2)
def _parsed(content: bytes, zone: str) -> Assignments:
    try:
        records = read_csv(content)
    except Unreadable as error:
        return _nothing(str(error))
    columns = {meant: _column(records, names) for meant, names in NAMES.items()}
    missing = [meant for meant, column in columns.items() if column is None]
    if missing:
        return _nothing(f"its header names no column {', '.join(missing)}; it must name {', '.join(NAMES)}")
    text = records.rows.select(
        pl.col(LINE).alias("line"),
        **{meant: pl.col(str(column)).str.strip_chars().replace("", None) for meant, column in columns.items()},
    )
    read = text.with_columns(to_utc(text["time"], zone).rename({"event_ts": "assigned_at"})).with_columns(rule=_rule())
    usable = read.filter(pl.col("rule").is_null()).sort("assigned_at", "line")
    client = ["experiment", "client_id"]
    first = usable.unique(client, keep="first", maintain_order=True)
    variants = usable.group_by(client).agg(variants=pl.col("variant").n_unique(), lines=pl.len())
    crossed = variants.filter(pl.col("variants") > 1)
    return Assignments(
        rows=first.select(list(ASSIGNED)),
        problems=_problems(read, records),
        lines=records.count,
        repeated=usable.height - usable.unique([*client, "variant"]).height,
        crossed=crossed.group_by("experiment").agg(clients=pl.len().cast(pl.Int64)).sort("experiment"),
    )


def _column(records: Records, names: tuple[str, ...]) -> str | None:
    return next((column for column in records.header if column.strip().lower() in names), None)


def _rule() -> pl.Expr:
    return (
        pl.when(pl.any_horizontal(pl.col(list(NAMES)).is_null()))
        .then(pl.lit("missing_value"))
        .when("in_gap")
        .then(pl.lit("nonexistent_local_time"))
        .when(pl.col("assigned_at").is_null())
        .then(pl.lit("unreadable_time"))
    )


def _problems(read: pl.DataFrame, records: Records) -> pl.DataFrame:
    """The lines that cannot be used, in order."""
    unusable = read.filter(pl.col("rule").is_not_null()).select(
        "line", "rule", message=pl.col("rule").replace_strict(REASONS, return_dtype=pl.String)
    )
    broken = records.broken.select("rule", "message", line="source_line").select("line", "rule", "message")
    days = read.filter(pl.col("rule").is_null()).select("line", day=pl.col("assigned_at").dt.date()).sort("line")
    found = pl.concat([unusable, broken]).sort("line")
    return (
        found.join_asof(days, on="line", strategy="backward")
        .join_asof(days.rename({"day": "day_below"}), on="line", strategy="forward")
        .select("line", "rule", "message", day=pl.coalesce("day", "day_below"))
    )
