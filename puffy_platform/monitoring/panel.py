"""Daily metrics as arrays: one row a series (a metric of a segment), one column a day. No judgement here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import polars as pl

from puffy_platform.monitoring.metrics import METRICS, Metric
from puffy_platform.monitoring.windows import Bools, Floats
from puffy_platform.table import DayRange

__all__ = ["Panel", "Series", "panel_of"]

Series = tuple[str, str]  # metric, segment; "" is the whole


@dataclass(frozen=True)
class Panel:
    """Series by days, the days one after the other.

    `amount / basis` is the metric's value: a count over 1, a part over its whole, cents over orders. `grain` is the
    size of an independent piece of the amount, which makes its random error: 1 of what is counted, of money the sum of
    squares over the sum of the orders' values. `there`: days on which a file landed; others are neither judged nor
    history. `event`: declared events (sales) by day; business metrics of such days are no history.
    """

    series: tuple[Series, ...]
    amount: Floats
    basis: Floats
    grain: Floats
    there: Bools
    event: Bools
    weekday: npt.NDArray[np.int64]  # 0 is Monday

    @property
    def days(self) -> int:
        return int(self.amount.shape[1])

    @cached_property
    def place(self) -> Mapping[Series, int]:
        return {series: place for place, series in enumerate(self.series)}

    @cached_property
    def metrics(self) -> tuple[Metric, ...]:
        return tuple(METRICS[name] for name, _ in self.series)

    @cached_property
    def is_share(self) -> Bools:
        return np.array([metric.kind in ("share", "state") for metric in self.metrics], dtype=np.bool_)

    @cached_property
    def usable(self) -> Bools:
        """By series and day: may serve as history."""
        return self.there[None, :] & ~(self.feels_events[:, None] & self.event[None, :]) & (self.basis > 0)

    @cached_property
    def feels_events(self) -> Bools:
        return np.array([metric.feels_events for metric in self.metrics], dtype=np.bool_)

    def of(self, metric: str) -> list[int]:
        """The places of all segments of a metric."""
        return [place for place, (name, _) in enumerate(self.series) if name == metric]


def panel_of(rows: pl.DataFrame, days: DayRange, events: Bools | None = None) -> Panel:
    """The panel of rows of daily_metrics over these days; what a landed day has no row of is 0.

    A day has landed when its landed_files are more than 0.
    """
    calendar = pl.DataFrame({"day": list(days)}, schema={"day": pl.Date})
    rows = rows.filter(days.covers())
    series = rows.select("metric", "segment").unique().sort("metric", "segment")
    grid = calendar.join(series, how="cross").join(rows, on=["day", "metric", "segment"], how="left")
    # The whole of a share is the same for all its segments, so a segment that is not there has it too.
    whole = rows.group_by("day", "metric").agg(pl.col("basis").max().alias("whole"))
    grid = grid.join(whole, on=["day", "metric"], how="left").sort("metric", "segment", "day")
    shape = (series.height, len(days))

    def filled(column: pl.Expr) -> Floats:
        return grid.select(column.cast(pl.Float64)).to_series().to_numpy().reshape(shape)

    names = tuple(series.iter_rows())
    is_counted = np.array([METRICS[name].kind in ("count", "money") for name, _ in names], dtype=np.bool_)
    basis = filled(pl.coalesce("basis", "whole").fill_null(0))
    landed = rows.filter(pl.col("metric") == "landed_files", pl.col("amount") > 0)["day"].to_list()
    there = np.isin(np.array(list(days), dtype="datetime64[D]"), np.array(landed, dtype="datetime64[D]"))
    return Panel(
        series=names,
        amount=filled(pl.col("amount").fill_null(0)),
        basis=np.where(is_counted[:, None], 1.0, basis),
        grain=filled(pl.col("grain").fill_null(0)),
        there=there,
        event=np.zeros(len(days), dtype=np.bool_) if events is None else events,
        weekday=np.array([day.weekday() for day in days], dtype=np.int64),
    )
