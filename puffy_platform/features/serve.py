"""Features out of the warehouse: which version of it an instant saw, which days, and reading no more than these.

The thin layer over point_in_time.py. Computes no table and writes nothing.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal, get_args

import polars as pl

from puffy_platform.features.declare import ENTITIES, Feature, FeatureError, FeatureSet, chosen
from puffy_platform.features.point_in_time import AS_OF, OUTCOME, look_up, snapshots
from puffy_platform.features.registry import SETS
from puffy_platform.pipeline.platform import Platform
from puffy_platform.warehouse.history import HistoryError, Moment, Past, moments, past_at
from puffy_platform.warehouse.ledger import HELD_BACK

__all__ = ["Basis", "as_of", "end_of", "latest", "newest_days"]

Basis = Literal["event_time", "known"]
LANDED = "file_drift"
UTC_TIME = pl.Datetime("us", "UTC")
# So few ids are worth naming to the reader of the files, which then skips what cannot hold them.
IDS_NAMED = 1_000


def as_of(
    entities: pl.DataFrame,
    features: Iterable[str],
    *,
    basis: Basis = "event_time",
    time_column: str = "timestamp",
    platform: Platform | None = None,
    now: dt.datetime | None = None,
) -> pl.DataFrame:
    """The entities, each with the features as of its own timestamp: the same rows, in the same order.

    `entities` has timestamps with a time zone, and client_id, customer_id or both. A timestamp sees the last UTC day
    that was over by then, and nothing later. With the basis `event_time` (for training) it sees that day as the tables
    tell it now, late and corrected rows included; with `known`, as it had been recorded at that very instant: what
    `latest` would have answered then.

    For each table there are two columns more, `<table>.as_of_day` and `<table>.outcome`: what is not known is null, and
    the outcome says why (see point_in_time.look_up; with `known` also `not_kept`: so far back nothing is kept).
    `platform` is that of the home, `now` the clock, unless given. Raises FeatureError.
    """
    if basis not in get_args(Basis):
        raise FeatureError(f"basis {basis!r} is none; there are {' and '.join(get_args(Basis))}")
    wanted = chosen(SETS, features)
    now = now or dt.datetime.now(dt.UTC)
    asked = _checked(entities, wanted, time_column, now)
    platform = platform or _of_home()
    kept = [moment for moment in moments(platform.warehouse) if moment.at <= now]
    parts = []
    for moment, rows, otherwise in _by_moment(asked, kept, wanted, basis):
        try:
            past = None if moment is None else past_at(platform.warehouse, moment.version)
            found = [_features(past, one, some, rows, otherwise) for one, some in wanted]
        except HistoryError:
            if basis == "event_time":
                raise
            found = [_features(None, one, some, rows, "not_kept") for one, some in wanted]
        parts.append(pl.concat([rows.select("row"), *found], how="horizontal"))
    return pl.concat([entities, pl.concat(parts).sort("row").drop("row")], how="horizontal")


def latest(
    entities: pl.DataFrame,
    features: Iterable[str],
    *,
    platform: Platform | None = None,
    now: dt.datetime | None = None,
) -> pl.DataFrame:
    """The features of these clients or customers as they are known now: `as_of` this instant, for serving."""
    now = now or dt.datetime.now(dt.UTC)
    at, names = "serving_time", list(entities.columns)
    timed = entities.with_columns(pl.lit(now).dt.convert_time_zone("UTC").cast(UTC_TIME).alias(at))
    found = as_of(timed, features, basis="known", time_column=at, platform=platform, now=now)
    return found.select(*names, pl.exclude(*names, at))


def end_of(day: str | pl.Expr) -> pl.Expr:
    """The instant at which a UTC day is over, and its features are known: the timestamp of a row about that day."""
    return (pl.col(day) if isinstance(day, str) else day).cast(UTC_TIME).dt.offset_by("1d")


def newest_days(platform: Platform, now: dt.datetime | None = None) -> dict[str, tuple[dt.date | None, str]]:
    """By set, the day whose features are served now and its outcome: `ok`, `stale` or `no_snapshot`."""
    now = now or dt.datetime.now(dt.UTC)
    kept = [moment for moment in moments(platform.warehouse) if moment.at <= now]
    past = past_at(platform.warehouse, kept[-1].version) if kept and kept[-1].version else None
    found = {}
    for one in SETS:
        instant = pl.Series([now]).cast(UTC_TIME)
        seen = snapshots(instant, _complete_days(past, one.name) if past else (), one.max_age_days).row(0, named=True)
        found[one.name] = (seen[AS_OF], seen[OUTCOME])
    return found


def _of_home() -> Platform:
    from puffy_platform.settings import load_settings

    return Platform(load_settings())


def _checked(
    entities: pl.DataFrame, wanted: Sequence[tuple[FeatureSet, list[Feature]]], time_column: str, now: dt.datetime
) -> pl.DataFrame:
    """The ids and timestamps (UTC) of the rows, numbered. Raises FeatureError naming what is wrong with the frame."""
    needed = {one.entity for one, _ in wanted}
    for name in (*ENTITIES, time_column):
        if name not in entities.columns and (name in needed or name == time_column):
            raise FeatureError(f"the entities have no column {name}; they have {', '.join(entities.columns) or 'none'}")
    dtype = entities.schema[time_column]
    if not isinstance(dtype, pl.Datetime) or dtype.time_zone is None:
        raise FeatureError(
            f"{time_column} is {dtype}, which is no instant: give a Datetime with a time zone "
            "(of what is known at the end of a day: features.end_of(day))"
        )
    for name in needed:
        if entities.schema[name] not in (pl.String, pl.Null):
            raise FeatureError(f"{name} is {entities.schema[name]}; ids are text")
    added = {name for one, some in wanted for name in (*(f.name for f in some), *_own_columns(one))}
    if taken := sorted(added & set(entities.columns)):
        raise FeatureError(f"the entities already have {', '.join(taken)}")
    asked = entities.select(
        *(pl.col(name).cast(pl.String) for name in sorted(needed)),
        pl.col(time_column).dt.convert_time_zone("UTC").cast(UTC_TIME).alias("timestamp"),
    ).with_row_index("row")
    if late := asked.filter(pl.col("timestamp") > now).height:
        raise FeatureError(f"{late} timestamps lie in the future: what will be known then, nobody knows yet")
    return asked


def _own_columns(one: FeatureSet) -> tuple[str, str]:
    return f"{one.name}.{AS_OF}", f"{one.name}.{OUTCOME}"


def _by_moment(
    asked: pl.DataFrame, kept: Sequence[Moment], wanted: Sequence[tuple[FeatureSet, list[Feature]]], basis: Basis
) -> Iterator[tuple[Moment | None, pl.DataFrame, str]]:
    """The rows that see the same version of the platform, with it; without one, the outcome that says why."""
    if basis == "event_time" or asked.is_empty():
        yield (kept[-1] if kept and kept[-1].version else None), asked, "no_snapshot"
        return
    names = {LANDED, *(one.name for one, _ in wanted)}
    recorded = [moment for moment in kept if moment.version]
    # Versions between which none of these tables was recorded show the same rows: they are one.
    changes = pl.Series([names.isdisjoint(moment.tables) for moment in recorded], dtype=pl.Boolean).not_().cum_sum()
    versions = pl.DataFrame(
        {"at": [moment.at for moment in recorded], "place": range(len(recorded)), "state": changes},
        schema={"at": UTC_TIME, "place": pl.Int64, "state": pl.UInt32},
    ).unique("at", keep="last", maintain_order=True)
    seen = asked.sort("timestamp").join_asof(versions, left_on="timestamp", right_on="at", check_sortedness=False)
    is_all_kept = not kept or kept[0].version == 0
    for (state,), rows in seen.partition_by("state", as_dict=True).items():
        ordered = rows.select(asked.columns)
        newest = rows["place"].max()
        if state is None or not isinstance(newest, int):
            without_time = ordered["timestamp"].null_count() == ordered.height
            yield None, ordered, "no_snapshot" if is_all_kept or without_time else "not_kept"
        else:
            yield recorded[newest], ordered, "no_snapshot"


def _features(
    past: Past | None, one: FeatureSet, features: list[Feature], rows: pl.DataFrame, otherwise: str
) -> pl.DataFrame:
    """The features of one set for these rows, as the tables were then."""
    seen = snapshots(rows["timestamp"], _complete_days(past, one.name) if past else (), one.max_age_days)
    if past is None:
        seen = seen.with_columns(pl.col(OUTCOME).replace("no_snapshot", otherwise))
    ids = rows[one.entity]
    held = one.table.empty().lazy() if past is None else _rows(past, one, features, ids, seen)
    found = look_up(one, features, ids, seen, held)
    return found.rename(dict(zip((AS_OF, OUTCOME), _own_columns(one), strict=True)))


def _complete_days(past: Past, name: str) -> list[dt.date]:
    """The days of a table that were computed, from the first landing day to the newest.

    The tables also have days beyond these: rows of clocks that run behind or ahead, a shadow of a day.
    """
    landed = [day for day, entry in past.of(LANDED).items() if entry.rows]
    first, last = min(landed, default=dt.date.min), max(landed, default=dt.date.max)
    return [
        day
        for day, entry in past.of(name).items()
        if first <= day <= last and (entry.rows or entry.inputs_hash != HELD_BACK)
    ]


def _rows(past: Past, one: FeatureSet, features: list[Feature], ids: pl.Series, seen: pl.DataFrame) -> pl.LazyFrame:
    """What the table holds of these entities and the days they see, and only the columns that are needed."""
    seen_days = set(seen.filter(pl.col(OUTCOME) == "ok")[AS_OF])
    there = past.of(one.name)
    if one.look_back_days is None:
        days = {day for day in there if day <= max(seen_days, default=dt.date.min)}
    else:
        reach = range(one.look_back_days)
        days = {day - dt.timedelta(days=n) for day in seen_days for n in reach}
    columns = one.columns_for(features)
    rows = past.read(one.table, days).select(columns)
    distinct = ids.drop_nulls().unique()
    if len(distinct) <= IDS_NAMED:
        return rows.filter(pl.col(one.entity).is_in(distinct.implode()))
    return rows.join(distinct.to_frame(one.entity).lazy(), on=one.entity, how="semi")
