"""Which stored days are old rows: the last good ones, still served while their new rows are held back or not computed.

Who reads a table, and does not ask `puffy status`, sees it by this: the marts say it of every row.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict

import polars as pl

from puffy_platform.pipeline.plan import Reason, affected
from puffy_platform.pipeline.platform import Platform
from puffy_platform.pipeline.status import days_that_read
from puffy_platform.table import DayRange
from puffy_platform.warehouse.ledger import HELD_BACK

__all__ = ["stale_days"]

SCHEMA = {"table": pl.String, "day": pl.Date}


def stale_days(platform: Platform) -> pl.DataFrame:
    """table, day of every stored day that is not what the files, settings and repairs of now would make of it, or may
    not be: a check held its new rows back, or it was not computed since (a step failed), or it is rolled back, or it
    rests on such a day."""
    ledger, landed = platform.ledger(), platform.landing().days
    if landed is None:
        return pl.DataFrame(schema=SCHEMA)
    plan = affected(platform, landed)
    found: dict[str, set[dt.date]] = defaultdict(set)
    for name, days in plan.days.items():
        found[name] |= {day for day, why in days.items() if why is not Reason.NEW}
    for name, held in plan.rolled_back.items():
        found[name] |= set(held)
    roots = {(name, day) for name in platform.tables for day in ledger.of(name).with_inputs(HELD_BACK)}
    roots |= {(name, day) for name, held in plan.rolled_back.items() for day in held}
    for name, day in roots:
        reached = {name: DayRange(day, day)}
        for table in platform.derived:
            end = max(ledger.of(table.name), default=day)
            reading = days_that_read(platform, table, reached, end)
            if reading is not None and table.name != name:
                reached[table.name] = reading
        for reader, days_read in reached.items():
            found[reader] |= set(days_read)
    rows = [
        (name, day)
        for name, days in found.items()
        for day in sorted(days)
        if (entry := ledger.get(name, day)) is not None and entry.rows
    ]
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")
