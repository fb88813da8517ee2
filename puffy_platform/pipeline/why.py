"""Why revenue moved between two periods, from the stored sessions and journeys. Computes no table."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from puffy_platform.methods.decomposition.lmdi import AFTER, BEFORE, PARTS, decompose, summed
from puffy_platform.pipeline.funnels import event_days
from puffy_platform.pipeline.platform import Platform
from puffy_platform.table import DayRange

__all__ = ["NO_VISIT", "Why", "WhyError", "why_revenue_moved"]

# The segment of orders that no session holds: a buyer without client id.
NO_VISIT = "(no visit)"
# A session that holds a purchase began on its day or shortly before: sessions are cut at a midnight.
LONGEST_SESSION_DAYS = 3
SEGMENT = {"channel": "channel", "device": "device_class"}


class WhyError(ValueError):
    """The periods cannot be compared; the message says which days there are."""


@dataclass(frozen=True)
class Why:
    """`total` is one row, the others have a row a channel, a device, and both; columns are BEFORE, AFTER, change_cents
    and PARTS of methods/decomposition/lmdi, the largest change first. Every frame sums to the same cents."""

    before: DayRange
    after: DayRange
    total: pl.DataFrame
    by_channel: pl.DataFrame
    by_device: pl.DataFrame
    segments: pl.DataFrame


def why_revenue_moved(platform: Platform, after: DayRange, before: DayRange | None = None) -> Why:
    """Divide the change of counted revenue from `before` (default: as many days right before) to `after`.

    A segment is a channel and a device: of a session its own, of an order those of the session that holds it. Crawlers'
    sessions count only when bots.include says so; their orders always do. Raises WhyError when there are no events on
    the days, or the periods overlap.
    """
    if before is None:
        before = after.widen(before=len(after))
        before = DayRange(before.first, before.first + (after.last - after.first))
    if before.clip(after) is not None:
        raise WhyError(f"{before} and {after} overlap")
    known = event_days(platform)
    for span in (before, after):
        if known is None or span.clip(known) != span:
            there = f"there are events from {known.first} to {known.last}" if known else "there are no events yet"
            raise WhyError(f"{span} is not covered: {there}")
    keys = list(SEGMENT)
    both = _measured(platform, before, BEFORE).join(
        _measured(platform, after, AFTER), on=keys, how="full", coalesce=True
    )
    # Segments are few; what follows reads them several times.
    segments = decompose(both.with_columns(pl.col(*BEFORE, *AFTER).fill_null(0)).collect().lazy()).collect().lazy()
    return Why(
        before,
        after,
        summed(segments).collect(),
        _ordered(summed(segments, ["channel"]), ["channel"]),
        _ordered(summed(segments, ["device"]), ["device"]),
        _ordered(segments, keys),
    )


def _ordered(rows: pl.LazyFrame, keys: list[str]) -> pl.DataFrame:
    columns = [*keys, *BEFORE, *AFTER, "change_cents", *PARTS]
    by = [-pl.col("change_cents").abs(), *map(pl.col, keys)]
    return rows.select(columns).sort(by).collect()


def _measured(platform: Platform, days: DayRange, names: tuple[str, ...]) -> pl.LazyFrame:
    """Sessions, orders and revenue of every channel and device, under these names."""
    sessions_name, orders_name, revenue_name = names
    held = platform.warehouse.read(
        platform.tables["sessions"],
        days.widen(before=LONGEST_SESSION_DAYS),
        ("day", "session_id", "channel", "device_class", "is_bot"),
    ).rename({column: name for name, column in SEGMENT.items() if name != column})
    sessions = (
        held.filter(days.covers() & (pl.lit(platform.settings.bots.include) | ~pl.col("is_bot")))
        .group_by(list(SEGMENT))
        .agg(pl.len().cast(pl.Int64).alias(sessions_name))
    )
    orders = (
        platform.warehouse.read(
            platform.tables["user_journeys"], days, ("day", "event_id", "converting_session_id", "revenue_cents")
        )
        .join(held, left_on="converting_session_id", right_on="session_id", how="left")
        .with_columns(pl.col(list(SEGMENT)).fill_null(NO_VISIT))
        .group_by(list(SEGMENT))
        .agg(pl.len().cast(pl.Int64).alias(orders_name), pl.col("revenue_cents").sum().alias(revenue_name))
    )
    return sessions.join(orders, on=list(SEGMENT), how="full", coalesce=True)
