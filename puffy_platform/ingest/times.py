"""Timestamps as trackers write them, to UTC."""

from __future__ import annotations

import polars as pl
import pyarrow as pa

__all__ = ["to_utc"]

# What almost every row says, read in one step; the rest is taken apart.
_USUAL = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-5][0-9](?:\.[0-9]{1,9})?Z$"
_PARTS = (
    r"^([0-9]{4}-[0-9]{2}-[0-9]{2})[T ]([0-9]{2}:[0-9]{2})(:[0-9]{2})?(?:[.,]([0-9]{1,9}))?"
    r"\s?(?:([Zz])|([+-])([0-9]{2}):?([0-9]{2})?)?$"
)
UTC = pl.Datetime("us", "UTC")


def to_utc(text: pl.Series, zone: str) -> pl.DataFrame:
    """Per text: `event_ts` (UTC, microseconds), `timestamp_kind` (utc, offset, naive) and `in_gap`.

    Reads ISO 8601 date-times with `T` or a space, with or without seconds, fraction and offset. A naive one is
    read in `zone`: of an hour that a clock change repeats, the first; in an hour that a clock change skips,
    `event_ts` is null and `in_gap` true. Everything else is null.
    """
    columns = ["event_ts", "timestamp_kind", "in_gap"]
    usual = pl.lit("utc").alias("timestamp_kind"), pl.lit(False).alias("in_gap")
    frame = pl.DataFrame({"text": text, "event_ts": _usual_times(text)}).with_columns(*usual)
    if not frame["event_ts"].has_nulls():
        return frame.select(columns)
    rows = frame.with_row_index("row")
    is_usual = pl.col("event_ts").is_not_null()
    unusual = _take_apart(rows.filter(~is_usual).select("row", "text"), zone)
    return (
        pl.concat([found.select("row", *columns) for found in (rows.filter(is_usual), unusual)]).sort("row").drop("row")
    )


def _usual_times(texts: pl.Series) -> pl.Series:
    """The times of UTC that are well formed; null where a text is another one, or none."""
    # Arrow reads an hour without minutes too.
    is_likely = texts.str.ends_with("Z") & (texts.str.len_bytes() >= len("2025-03-01T12:00Z"))
    likely = texts.set(~is_likely, None)
    try:
        return pl.Series(likely.to_arrow().cast(pa.timestamp("us", "UTC")), dtype=UTC)
    except pa.ArrowInvalid:
        # It says no more than that one of them is none.
        usual = likely.set(~likely.str.contains(_USUAL), None)
        return usual.str.to_datetime("%Y-%m-%dT%H:%M:%S%.fZ", time_unit="us", strict=False).dt.replace_time_zone("UTC")


def _take_apart(frame: pl.DataFrame, zone: str) -> pl.DataFrame:
    part = pl.col("text").str.strip_chars().str.extract_groups(_PARTS).struct
    local = pl.concat_str(
        pl.col("date"),
        pl.lit("T"),
        pl.col("time"),
        pl.col("seconds").fill_null(":00"),
        pl.lit("."),
        pl.col("fraction").fill_null("0").str.pad_end(9, "0").str.head(6),
    ).str.to_datetime("%Y-%m-%dT%H:%M:%S%.f", time_unit="us", strict=False)
    hours = pl.col("offset_hours").cast(pl.Int64)
    minutes = pl.col("offset_minutes").fill_null("00").cast(pl.Int64)
    sign = pl.when(pl.col("sign") == "-").then(-1).otherwise(1)
    valid_offset = (hours <= 14) & (minutes < 60)
    shifted = pl.when(valid_offset).then(pl.col("local") - pl.duration(minutes=sign * (hours * 60 + minutes)))
    naive = pl.col("local").dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null")
    kind = (
        pl.when(pl.col("z").is_not_null())
        .then(pl.lit("utc"))
        .when(pl.col("sign").is_not_null())
        .then(pl.lit("offset"))
        .otherwise(pl.lit("naive"))
    )
    return (
        frame.with_columns(
            date=part.field("1"),
            time=part.field("2"),
            seconds=part.field("3"),
            fraction=part.field("4"),
            z=part.field("5"),
            sign=part.field("6"),
            offset_hours=part.field("7"),
            offset_minutes=part.field("8"),
        )
        .with_columns(local=local, timestamp_kind=kind)
        .with_columns(
            event_ts=pl.when(pl.col("timestamp_kind") == "utc")
            .then(pl.col("local").dt.replace_time_zone("UTC"))
            .when(pl.col("timestamp_kind") == "offset")
            .then(shifted.dt.replace_time_zone("UTC"))
            .otherwise(naive.dt.convert_time_zone("UTC"))
            .cast(UTC)
        )
        .with_columns(
            in_gap=(pl.col("timestamp_kind") == "naive") & pl.col("local").is_not_null() & pl.col("event_ts").is_null()
        )
    )
