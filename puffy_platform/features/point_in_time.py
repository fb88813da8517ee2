"""The look-up itself: which day of a table an instant may see, and the values of that day. Frames in, frames out."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Sequence

import polars as pl

from puffy_platform.features.declare import AGE, Feature, FeatureSet

__all__ = ["AS_OF", "OUTCOME", "last_whole_day", "look_up", "snapshots"]

AS_OF, OUTCOME = "as_of_day", "outcome"
# How many days up to and including the as-of day were computed without a gap.
UNBROKEN = "unbroken_days"


def last_whole_day(timestamp: pl.Expr) -> pl.Expr:
    """The last UTC day that was over at the instant: at 5 March 00:00 it is 4 March, a microsecond earlier 3 March.

    So nothing of the instant's own day is used, and every event used is earlier than the instant.
    """
    return timestamp.dt.convert_time_zone("UTC").dt.date().dt.offset_by("-1d")


def snapshots(timestamps: pl.Series, computed: Collection[dt.date], max_age_days: int) -> pl.DataFrame:
    """Per timestamp the day of a table that it sees (AS_OF), the days without a gap up to it, and OUTCOME so far.

    `computed` are the days the table has. The newest of them up to the last whole day serves, if it is at most
    `max_age_days` older. OUTCOME: `ok`, `no_snapshot` (there is none up to then), `stale` (it is older), `no_time`.
    """
    days = pl.DataFrame({AS_OF: sorted(computed)}, schema={AS_OF: pl.Date}).with_columns(day=pl.col(AS_OF))
    begins = (pl.col("day").diff() != pl.duration(days=1)).fill_null(True)
    runs = days.with_columns(run=begins.cum_sum()).select(
        "day", AS_OF, (pl.int_range(1, pl.len() + 1).over("run").cast(pl.Int64)).alias(UNBROKEN)
    )
    asked = pl.DataFrame({"timestamp": timestamps}).with_row_index("row")
    wanted = asked.select("row", wanted=last_whole_day(pl.col("timestamp")))
    distinct = wanted.select(pl.col("wanted").unique()).drop_nulls().sort("wanted")
    seen = distinct.join_asof(runs, left_on="wanted", right_on="day")
    age = (pl.col("wanted") - pl.col(AS_OF)).dt.total_days()
    outcome = (
        pl.when(pl.col("wanted").is_null())
        .then(pl.lit("no_time"))
        .when(pl.col(AS_OF).is_null())
        .then(pl.lit("no_snapshot"))
        .when(age > max_age_days)
        .then(pl.lit("stale"))
        .otherwise(pl.lit("ok"))
    )
    return (
        wanted.join(seen, on="wanted", how="left", maintain_order="left")
        .with_columns(outcome.alias(OUTCOME))
        .select(AS_OF, UNBROKEN, OUTCOME)
    )


def look_up(
    one: FeatureSet, features: Sequence[Feature], ids: pl.Series, seen: pl.DataFrame, rows: pl.LazyFrame
) -> pl.DataFrame:
    """The features of these entities, each as of its own day: a row an entity, in their order.

    `seen` is what `snapshots` gave for them, `rows` what the table holds (`FeatureSet.columns_for`; days that nobody
    asked for do not disturb). Beside the features there are AS_OF (null unless a snapshot was used) and OUTCOME: `ok`,
    what `snapshots` said, `no_id` for a null one, `unknown` when the table has no such entity that day, and
    `short_history` when days of the longest window asked for are missing; features whose own window is whole have
    their value even then.
    """
    asked = pl.concat([pl.DataFrame({one.entity: ids}), seen], how="horizontal")
    usable = (pl.col(OUTCOME) == "ok") & pl.col(one.entity).is_not_null()
    pairs = asked.lazy().filter(usable).select(one.entity, AS_OF).unique()
    values = _values(one, features, pairs, rows).collect(engine="streaming")
    joined = asked.join(values, on=[one.entity, AS_OF], how="left", maintain_order="left")
    has_rows = pl.col("found").fill_null(False)
    longest = max((feature.window_days for feature in features), default=0)
    outcome = (
        pl.when(pl.col(one.entity).is_null())
        .then(pl.lit("no_id"))
        .when(pl.col(OUTCOME) != "ok")
        .then(pl.col(OUTCOME))
        .when(~has_rows & pl.lit(not one.absence_is_known))
        .then(pl.lit("unknown"))
        .when(pl.col(UNBROKEN) < longest)
        .then(pl.lit("short_history"))
        .otherwise(pl.lit("ok"))
    )

    def value(feature: Feature) -> pl.Expr:
        there = pl.when(has_rows).then(pl.col(feature.name)).otherwise(pl.lit(feature.without_rows, feature.dtype))
        return pl.when(usable & (pl.col(UNBROKEN) >= feature.window_days)).then(there).alias(feature.name)

    return joined.select(*map(value, features), pl.when(usable).then(AS_OF).alias(AS_OF), outcome.alias(OUTCOME))


def _values(one: FeatureSet, features: Sequence[Feature], pairs: pl.LazyFrame, rows: pl.LazyFrame) -> pl.LazyFrame:
    """The features per entity and as-of day of which there are rows."""
    told = rows if one.only is None else rows.filter(one.only)
    if one.look_back_days == 1:
        own = pairs.join(told, left_on=[one.entity, AS_OF], right_on=[one.entity, "day"])
    else:
        age = (pl.col(AS_OF) - pl.col("day")).dt.total_days()
        is_inside = age >= 0 if one.look_back_days is None else age.is_between(0, one.look_back_days - 1)
        own = pairs.join(told, on=one.entity).filter(is_inside).with_columns(age.alias(AGE))
    if one.order:
        own = own.sort("day", *one.order)
    return own.group_by(one.entity, AS_OF, maintain_order=bool(one.order)).agg(
        *(feature.value.cast(feature.dtype).alias(feature.name) for feature in features), found=pl.lit(True)
    )
