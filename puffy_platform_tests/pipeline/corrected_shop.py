"""A shop of three days whose numbers fit in the head; later a file is corrected: the 100.00 of an order were 90.00."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from puffy_platform.pipeline import Platform, affected, materialise, materialise_ingest
from puffy_platform.settings import load_settings
from puffy_platform.table import DayRange
from puffy_platform.tables import TABLES
from puffy_platform.warehouse.history import Moment, moment_at
from puffy_platform_tests.ingest.delivery import as_csv, event, purchase

__all__ = ["CORRECTED", "DAYS", "NAMES", "compute", "deliver", "open_shop", "order"]

DAYS = DayRange(dt.date(2025, 3, 1), dt.date(2025, 3, 3))
CORRECTED = dt.date(2025, 3, 2)
INGESTED = ("row_index", "raw_events", "duplicate_events", "quarantined_events", "file_drift")
NAMES = (*INGESTED, "events_enriched", "purchases", "identity_links", "identities", "conversions")
BUYER = "c-0123456789"


def order(day: dt.date, dollars: float, name: str = "ORD") -> dict[str, str]:
    """One order of the day, at nine in the morning, for this amount."""
    data = json.dumps({"transaction_id": f"{name}-{day:%d}", "revenue": dollars, "items": [], "user_email": "f" * 64})
    return purchase(data, timestamp=f"{day}T09:10:00Z", client_id=BUYER)


def deliver(platform: Platform, day: dt.date, *orders: dict[str, str], name: str = "") -> None:
    """Put the day's file into the landing folder: one page view, then these orders."""
    rows = [event(timestamp=f"{day}T09:00:00Z", client_id=BUYER), *orders]
    (platform.settings.landing / (name or f"events_{day:%Y%m%d}.csv")).write_bytes(as_csv(rows))


def open_shop(home: Path, *names: str, **sections: Mapping[str, Any]) -> Platform:
    """The shop with 100.00 on every day, delivered and not yet computed. `names` are its tables, NAMES by default."""
    environment = {
        f"PUFFY_{section.upper()}__{key.upper()}": str(value)
        for section, values in sections.items()
        for key, value in values.items()
    }
    tables = {name: TABLES[name] for name in names or NAMES}
    platform = Platform(load_settings(home, environment=environment), tables)
    if not platform.settings.landing.exists():
        platform.settings.landing.mkdir(parents=True)
        for day in DAYS:
            deliver(platform, day, order(day, 100.0))
    return platform


def compute(platform: Platform, run_id: str, *, force: bool = False) -> Moment:
    """What a run does, without an orchestrator; returns the version of the platform it leaves."""
    materialise_ingest(platform, DAYS, run_id=run_id, force=force)
    for table in platform.derived:
        materialise(platform, table, DAYS, run_id=run_id, force=force)
    assert not affected(platform, DAYS), list(affected(platform, DAYS).spans())
    return moment_at(platform.warehouse)
