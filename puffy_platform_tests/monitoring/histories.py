"""Small histories of daily metrics for the tests of monitoring, day by day as a person would write them down."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

from puffy_platform.monitoring.detect import Judgement, judge
from puffy_platform.monitoring.metrics import METRICS
from puffy_platform.monitoring.panel import Panel, Series
from puffy_platform.tables import TABLES
from puffy_platform_tests.windows import settings_with

__all__ = ["MONDAY", "RULES", "judged", "metric_rows", "panel", "poisson_panel"]

MONDAY = dt.date(2025, 1, 6)
RULES = settings_with().monitoring
Column = Sequence[float]


def panel(
    amounts: Mapping[Series, Column],
    basis: Mapping[Series, Column] | None = None,
    *,
    absent: Sequence[int] = (),
    event: Sequence[int] = (),
) -> Panel:
    """A panel that begins on a Monday; `absent` and `event` are places of days."""
    basis = basis or {}
    series = tuple(amounts)
    days = len(next(iter(amounts.values())))
    there, is_event = np.ones(days, dtype=np.bool_), np.zeros(days, dtype=np.bool_)
    there[list(absent)], is_event[list(event)] = False, True
    return Panel(
        series,
        np.array([amounts[each] for each in series], dtype=np.float64),
        np.array([basis.get(each, [1.0] * days) for each in series], dtype=np.float64),
        np.ones((len(series), days)),
        there,
        is_event,
        np.arange(days) % 7,
    )


def judged(built: Panel) -> Judgement:
    """The panel under the default settings."""
    return judge(built, RULES)


def poisson_panel(rates: Mapping[Series, float], days: int, seed: int) -> Panel:
    """Counts without any season, each day on its own."""
    rng = np.random.default_rng(seed)
    return panel({series: rng.poisson(rate, days).tolist() for series, rate in rates.items()})


def metric_rows(rows: Sequence[tuple[int, str, str, int, int]], first: dt.date = MONDAY) -> pl.DataFrame:
    """Rows of daily_metrics out of (day from 0, metric, segment, amount, basis)."""
    return pl.DataFrame(
        [
            (
                first + dt.timedelta(days=day),
                metric,
                segment,
                METRICS[metric].kind,
                amount,
                basis,
                1.0,
                amount / basis if basis else None,
            )
            for day, metric, segment, amount, basis in rows
        ],
        schema=TABLES["daily_metrics"].schema,
        orient="row",
    )
