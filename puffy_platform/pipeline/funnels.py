"""Answers a question about a funnel from the stored events, sessions and client days. Computes no table."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from puffy_platform.methods.funnel import Funnel, attempts
from puffy_platform.methods.funnel_groups import BREAKDOWNS, COHORT
from puffy_platform.methods.funnel_question import FunnelError, Step, mark_steps
from puffy_platform.methods.funnel_steps import fold, with_entry_session
from puffy_platform.pipeline.platform import Platform
from puffy_platform.table import DayRange
from puffy_platform.tables.funnel import EVENT_COLUMNS
from puffy_platform.warehouse.store import stored_days

__all__ = ["FunnelAnswer", "ask_funnel", "event_days"]

KEPT = ("client_id", "event_ts", "landing_day", "source_file", "source_line", "revenue_cents")


@dataclass(frozen=True)
class FunnelAnswer:
    """A row a step, for each group when it was broken down (see methods/funnel_steps.fold; the column `by` holds the
    group), and what one must know to trust it.

    `still_open`: attempts that stopped short, but may go on after the last event there is. `nameless`:
    events of the days without client id, which belong to no attempt.
    """

    rows: pl.DataFrame
    last_event_day: dt.date
    still_open: int
    nameless: int


def event_days(platform: Platform) -> DayRange | None:
    """The first to the last day with events; None while there are none."""
    days = stored_days(platform.warehouse.open("events_enriched"))
    return DayRange(min(days), max(days)) if days else None


def ask_funnel(
    platform: Platform, steps: Sequence[Step], funnel: Funnel, entered: DayRange, by: str | None = None
) -> FunnelAnswer:
    """Follow the attempts that begin on the days `entered` through their windows, as far as there are events.

    `by` is one of BREAKDOWNS or COHORT, the week of the client's first visit. Raises FunnelError when there are no
    events, or when a condition cannot be computed on them.
    """
    stored = event_days(platform)
    if stored is None:
        raise FunnelError("there are no events yet: `puffy run` computes them")
    last = entered.last + dt.timedelta(days=-(-funnel.within // dt.timedelta(days=1)))
    window = DayRange(entered.first, min(last, stored.last)) if entered.first <= stored.last else entered
    try:
        marked, nameless = _events(platform, steps, funnel, window, entered)
        found = attempts(marked, funnel, entered)
    except pl.exceptions.PolarsError as error:
        # Its message may quote data.
        raise FunnelError(
            f"a condition cannot be computed on these events ({type(error).__name__}): "
            "does it cast text that is no number or time? try_cast(... as ...) gives null instead"
        ) from None
    except ValueError as error:
        raise FunnelError(str(error)) from None
    return FunnelAnswer(
        rows=fold(*_grouped(platform, found, funnel, entered, by)),
        last_event_day=stored.last,
        still_open=_still_open(found, marked, funnel, entered, stored.last),
        nameless=nameless,
    )


def _events(
    platform: Platform, steps: Sequence[Step], funnel: Funnel, window: DayRange, entered: DayRange
) -> tuple[pl.DataFrame, int]:
    """The clients' events with their steps marked, as many as the funnel needs; and how many have no client."""
    asked = {name for step in steps if step.condition for name in pl.sql_expr(step.condition).meta.root_names()}
    columns = tuple(dict.fromkeys((*EVENT_COLUMNS, *sorted(asked))))
    human = pl.lit(platform.settings.bots.include) | ~pl.col("is_bot")
    events = platform.warehouse.read(platform.tables["events_enriched"], window, columns).filter(human)
    if funnel.order != "strict":
        events = events.filter(pl.col("event_name").is_in([step.event for step in steps]))
    marked = mark_steps(events, steps)
    if funnel.order != "strict":
        marked = marked.filter(pl.any_horizontal(pl.col("^step_.*$")))
    named = marked.filter(pl.col("client_id").is_not_null()).select(*KEPT, pl.col("^step_.*$")).collect()
    nameless = marked.filter(pl.col("client_id").is_null() & entered.covers()).select(pl.len()).collect().item()
    return named, nameless


def _still_open(found: pl.DataFrame, events: pl.DataFrame, funnel: Funnel, entered: DayRange, last_day: dt.date) -> int:
    """The attempts that stopped short and may go on after the data: their window does, and, if they are strict, nothing
    came after their last step. A client that counts by its best attempt may also go on with any later one."""
    end_of_data = pl.lit(last_day).cast(pl.Datetime("us", "UTC")).dt.offset_by("1d")
    newest = (
        pl.lit(True) if funnel.order != "strict" else pl.col("event_ts") == pl.col("event_ts").max().over("client_id")
    )
    last_step = pl.max_horizontal(f"at_{step}" for step in range(1, funnel.steps + 1))
    short = found.lazy().filter(pl.col("reached") < funnel.steps).with_columns(event_ts=last_step)
    open_ = short.filter(pl.col("entered_at") + funnel.within >= end_of_data)
    if funnel.order == "strict":
        open_ = open_.join(events.lazy().filter(newest), on=["client_id", "event_ts"], how="semi")
    if funnel.reentry == "best":
        begins = pl.any_horizontal("^step_.*$") if funnel.order == "any" else pl.col("step_1")
        is_open = (
            begins & (pl.col("event_ts") + funnel.within >= end_of_data) & entered.covers(pl.col("event_ts").dt.date())
        )
        again = short.join(events.lazy().filter(is_open & newest), on="client_id", how="semi")
        open_ = pl.concat([open_, again]).unique("client_id")
    return open_.collect().height


def _grouped(
    platform: Platform, found: pl.DataFrame, funnel: Funnel, entered: DayRange, by: str | None
) -> tuple[pl.DataFrame, int, tuple[str, ...]]:
    """The attempts with their group in the column `by`, as `fold` takes them."""
    if by is None:
        return found, funnel.steps, ()
    if by == COHORT:
        seen = platform.warehouse.read(
            platform.tables["client_days"], DayRange(dt.date.min, entered.last), ("day", "client_id")
        )
        first = (
            seen.join(found.lazy().select("client_id").unique(), on="client_id", how="semi")
            .group_by("client_id")
            .agg(by=pl.col("day").min().dt.truncate("1w").cast(pl.String))
        )
        grouped = found.lazy().join(first, on="client_id", how="left").collect()
    else:
        column = BREAKDOWNS[by]
        sessions = platform.warehouse.read(
            platform.tables["sessions"], entered.widen(before=1), ("day", "client_id", "started_at", column)
        )
        grouped = with_entry_session(found, sessions, [column]).rename({column: "by"})
    return grouped.with_columns(pl.col("by").fill_null("(none)")), funnel.steps, ("by",)
