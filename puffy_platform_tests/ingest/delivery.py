"""Writes landing files in tests and reads them as the platform does. Expected values live in the tests."""

from __future__ import annotations

import csv
import datetime as dt
import gzip
import io
import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from puffy_platform.ingest.accept import index, ingest
from puffy_platform.ingest.columns import RAW_COLUMNS
from puffy_platform.ingest.judge import ROW_RULES
from puffy_platform.ingest.landing import find_landing_files
from puffy_platform.ingest.records import BROKEN_RULES, FILE_RULES
from puffy_platform.ingest.repairs import Repair
from puffy_platform.outcomes import evaluate
from puffy_platform.settings import Settings
from puffy_platform.table import DayRange
from puffy_platform.tables import TABLES
from puffy_platform_tests.windows import settings_with

__all__ = [
    "DAY",
    "DAYS",
    "DECLARED_RULES",
    "DEFAULTS",
    "HEADER",
    "INGESTED",
    "ITEM",
    "NAME",
    "WRITERS",
    "Row",
    "Tables",
    "as_csv",
    "as_ndjson",
    "as_parquet",
    "as_text",
    "deliver",
    "drift_of",
    "event",
    "judged",
    "land",
    "purchase",
    "rules_of",
    "with_settings",
]

DAY = dt.date(2025, 3, 1)
DAYS = DayRange(DAY, DAY)
DEFAULTS = settings_with()
NAME = "events_20250301.csv"
HEADER = ",".join(RAW_COLUMNS)
WRITTEN = ("row_index", "raw_events", "duplicate_events", "quarantined_events", "file_drift")
INGESTED = {name: TABLES[name] for name in WRITTEN}
ITEM = {"item_id": "M-1", "item_name": "Mattress", "item_variant": "Queen", "quantity": 1, "item_price": 349}

DECLARED_RULES = {*FILE_RULES, *BROKEN_RULES, *ROW_RULES}

Row = dict[str, str]
Tables = dict[str, pl.DataFrame]


def event(**fields: str) -> Row:
    """A page view at noon of DAY; fields given by name replace its own, unknown ones become new columns."""
    usual = {
        "client_id": "c-1",
        "page_url": "https://puffy.com/",
        "referrer": "https://www.google.com/",
        "timestamp": "2025-03-01T12:00:00.000Z",
        "event_name": "page_viewed",
        "event_data": "",
        "user_agent": "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7, like Gecko)",
    }
    return usual | fields


def purchase(data: str | Mapping[str, Any] | None = None, **fields: str) -> Row:
    """A checkout_completed with this event_data; by default order ORD-1 of 349.00 for one item."""
    usual = {
        "transaction_id": "ORD-1",
        "revenue": 349.0,
        "items": [
            {
                "item_id": "M-1",
                "item_name": "Mattress",
                "item_variant": "Queen",
                "quantity": 1,
                "item_price": 349,
            }
        ],
        "user_email": "f" * 64,
    }
    text = data if isinstance(data, str) else json.dumps(usual if data is None else data)
    return event(**{"event_name": "checkout_completed", "event_data": text, **fields})


def as_csv(rows: Sequence[Row], columns: Iterable[str] | None = None, line_end: str = "\n") -> bytes:
    """The rows under the header of these columns (of the first row, when none are given)."""
    names = list(columns) if columns else list(rows[0])
    into = io.StringIO(newline="")
    writer = csv.DictWriter(into, names, lineterminator=line_end, extrasaction="ignore")
    writer.writeheader()
    writer.writerows(rows)
    return into.getvalue().encode()


def as_ndjson(rows: Sequence[Row]) -> bytes:
    """A JSON object a line; empty values are nulls."""
    return "".join(json.dumps({k: v or None for k, v in row.items()}) + "\n" for row in rows).encode()


def as_parquet(rows: Sequence[Row] | pl.DataFrame) -> bytes:
    into = io.BytesIO()
    pl.DataFrame(rows).write_parquet(into)
    return into.getvalue()


# How rows are written in each format, by the ending of the file's name.
WRITERS: dict[str, Callable[[Sequence[Row]], bytes]] = {
    "csv": as_csv,
    "csv.gz": lambda rows: gzip.compress(as_csv(rows), mtime=0),
    "ndjson": as_ndjson,
    "parquet": as_parquet,
}


def as_text(*lines: str, header: str = HEADER) -> bytes:
    """Header and lines as they are, to be damaged on purpose."""
    return "\n".join([header, *lines, ""]).encode()


def with_settings(**sections: Mapping[str, Any]) -> Settings:
    """The default settings with some values changed; aliases are added to the default ones."""
    ingest_section = dict(sections.get("ingest", {}))
    if "aliases" in ingest_section:
        known = DEFAULTS.ingest.aliases
        added = ingest_section["aliases"]
        ingest_section["aliases"] = {**known, **{name: (*known[name], *more) for name, more in added.items()}}
    return settings_with(**{**sections, "ingest": ingest_section})


def land(
    folder: Path,
    files: Mapping[str, bytes],
    days: DayRange = DAYS,
    settings: Settings | None = None,
    repairs: Sequence[Repair] = (),
) -> Tables:
    """The five tables of these landing days from a folder of exactly these files.

    Contracts and keys are verified, and so is that every row and cent is in one place.
    """
    tables = deliver(folder, files, days, settings, repairs)
    assert {rule.partition(":")[0] for rule in rules_of(tables)} <= DECLARED_RULES
    for name, outcomes in judged(tables, days, settings).items():
        failed = outcomes.filter(pl.col("status") == "fail")
        assert failed.is_empty(), f"{name}: {failed.rows(named=True)}"
    return tables


def deliver(
    folder: Path,
    files: Mapping[str, bytes],
    days: DayRange = DAYS,
    settings: Settings | None = None,
    repairs: Sequence[Repair] = (),
) -> Tables:
    """The same, not verified. The index of earlier days is made from the earlier ones of the files."""
    settings = settings or DEFAULTS
    for old in folder.iterdir():
        old.unlink()
    for name, data in files.items():
        (folder / name).write_bytes(data)
    found, ignored = find_landing_files(folder)
    assert not ignored
    earlier = days.widen(before=settings.ingest.late_days + 1)
    before = index([file for file in found if file.day in earlier and file.day < days.first], settings, repairs)
    return {
        name: rows.select(pl.col(column).cast(dtype) for column, dtype in INGESTED[name].schema.items())
        for name, rows in ingest(found, days, before.lazy(), settings, repairs).items()
    }


def judged(tables: Tables, days: DayRange = DAYS, settings: Settings | None = None) -> dict[str, pl.DataFrame]:
    """The outcomes of every check of the five tables."""
    inputs = {name: rows.lazy() for name, rows in tables.items()}
    return {name: evaluate(INGESTED[name], rows, inputs, days, settings or DEFAULTS) for name, rows in tables.items()}


def rules_of(tables: Tables) -> dict[str, int]:
    """How many records are quarantined under each rule."""
    return dict(Counter(tables["quarantined_events"]["rule"].to_list()))


def drift_of(tables: Tables, name: str = NAME) -> dict[str, Any]:
    """The file's row of file_drift."""
    return tables["file_drift"].row(by_predicate=pl.col("source_file") == name, named=True)
