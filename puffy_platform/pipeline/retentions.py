"""Answers a question about retention from the stored client days, events and orders. Computes no table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import polars as pl

from puffy_platform.methods.retention import Clock, Cohort, Mark, RetentionError, retention
from puffy_platform.pipeline.funnels import event_days
from puffy_platform.pipeline.platform import Platform
from puffy_platform.table import DayRange

__all__ = ["By", "RetentionAnswer", "ask_retention"]

By = Literal["visit", "purchase"]


@dataclass(frozen=True)
class RetentionAnswer:
    """The rows of methods/retention.retention, and the days there are: nothing is known before or after them."""

    rows: pl.DataFrame
    known: DayRange


def ask_retention(
    platform: Platform,
    by: By,
    marks: Sequence[Mark],
    born: DayRange,
    clock: Clock = "calendar",
    cohort: Cohort = "week",
) -> RetentionAnswer:
    """Of the members who came first on the days `born`, how many came again, as far as there are events.

    By `visit` members are clients and every event is coming; crawlers are left out unless bots.include says
    otherwise. By `purchase` members are customers (known by their email), and coming is a counted order. Raises
    RetentionError when there are no events.
    """
    known = event_days(platform)
    if known is None:
        raise RetentionError("there are no events yet: `puffy demo` or `puffy run` makes them")
    births, activity = _visits(platform, born, known, clock) if by == "visit" else _purchases(platform)
    chosen = births.filter(born.covers(pl.col("born_at").dt.date()))
    return RetentionAnswer(retention(chosen, activity, marks, known.last, clock, cohort), known)


def _visits(platform: Platform, born: DayRange, known: DayRange, clock: Clock) -> tuple[pl.LazyFrame, pl.LazyFrame]:
    """A client is born with the first event of its first day. On calendar days its days tell when it came, else its
    events do."""
    counted = pl.lit(platform.settings.bots.include) | ~pl.col("is_bot")
    days = platform.warehouse.read(
        platform.tables["client_days"], columns=("day", "client_id", "first_event_at", "is_bot")
    ).filter(counted)
    births = days.group_by(member="client_id").agg(born_at=pl.col("first_event_at").min())
    if clock == "calendar":
        return births, days.select(member="client_id", at="first_event_at")
    since = DayRange(born.first, max(born.first, known.last))
    events = platform.warehouse.read(
        platform.tables["events_enriched"], since, ("day", "client_id", "event_ts", "is_bot")
    )
    return births, events.filter(counted & pl.col("client_id").is_not_null()).select(member="client_id", at="event_ts")


def _purchases(platform: Platform) -> tuple[pl.LazyFrame, pl.LazyFrame]:
    """A customer is born with its first counted order."""
    orders = (
        platform.warehouse.read(
            platform.tables["conversions"], columns=("day", "customer_id", "converted_at", "is_counted")
        )
        .filter(pl.col("is_counted") & pl.col("customer_id").is_not_null())
        .select(member="customer_id", at="converted_at")
    )
    return orders.group_by("member").agg(born_at=pl.col("at").min()), orders
