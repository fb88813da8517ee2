"""Runs a repair's own examples through the reader of real files.

They run wherever repairs are used, so that one which does not do what it promises is not used at all.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from dataclasses import replace
from pathlib import Path

from puffy_platform.ingest.columns import RAW_COLUMNS
from puffy_platform.ingest.landing import LandingFile
from puffy_platform.ingest.reader import Landed, read_content
from puffy_platform.ingest.repairs import RAW_TEXT, Example, Repair
from puffy_platform.settings import Settings

__all__ = ["mistake_in"]

COMPARED = (*(column for column in RAW_COLUMNS if column != "timestamp"), "event_ts")


def mistake_in(repair: Repair, example: Example, settings: Settings) -> str | None:
    """What is wrong with an example, or None when it comes out as it says. Quotes no value of the row but its time."""
    unknown = [name for name in example.then if name not in COMPARED]
    if unknown:
        instead = "; say event_ts, the time in UTC" if unknown[0] == "timestamp" else ""
        return f"'then' cannot hold {unknown[0]!r}{instead}; known here: {', '.join(COMPARED)}"
    named = re.search(r"events_([0-9]{8})", example.file or f"events_{repair.days.first:%Y%m%d}")
    if named is None:
        return "'file' must be the name of a landing file, for example events_20250304.csv"
    is_csv = "header" in example.given and repair.is_of_texts
    if repair.is_of_texts and RAW_TEXT not in example.given:
        return "'given' must hold 'raw', the text of the record, and for CSV 'header', the line of column names"
    name = example.file or named[0]
    file = LandingFile(dt.datetime.strptime(named[1], "%Y%m%d").date(), Path(name), "csv" if is_csv else "ndjson", 0)
    content = _content(repair, example, is_csv=is_csv)
    # Without a file of its own the example says nothing of file names.
    mine = repair if example.file else replace(repair, files=())
    after = read_content(file, content, settings, [mine])
    if after.rows.height + after.quarantined.height != 1:
        return "'given' must be exactly one record"
    return _untouched(after) if example.untouched else _repaired(mine, example, after)


def _content(repair: Repair, example: Example, *, is_csv: bool) -> bytes:
    if not repair.is_of_texts:
        return json.dumps(example.given).encode()
    lines = [example.given["header"]] if is_csv else []
    return "\n".join([*lines, example.given[RAW_TEXT]]).encode()


def _untouched(after: Landed) -> str | None:
    tried = [*after.rows["repair"], *after.quarantined["repair"]] != [None]
    return "the repair changes the row, which was to stay untouched" if tried else None


def _repaired(repair: Repair, example: Example, after: Landed) -> str | None:
    if after.rows.is_empty():
        rule, tried = after.quarantined.select("rule", "repair").row(0)
        if tried is None:
            return f"the repair is not for this row: as delivered its rule is {rule}, or 'where' is not met"
        return f"the repaired row is still quarantined, under the rule {rule}"
    row = after.rows.row(0, named=True)
    if row["repair"] != repair.name:
        return "the repair is not for this row: as delivered it is accepted, or 'where' is not met"
    for column, expected in example.then.items():
        if column == "event_ts":
            if not isinstance(expected, dt.datetime) or expected.tzinfo is None:
                return "'then.event_ts' must be a time with an offset, for example 2025-03-04T18:00:00Z"
            if row["event_ts"] != expected:
                return f"event_ts comes out as {row['event_ts']:%Y-%m-%dT%H:%M:%S.%fZ}, expected {expected.isoformat()}"
        elif (row[column] or "") != expected:
            return f"{column} does not come out as 'then' says"
    return None
