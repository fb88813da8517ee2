"""All files of some landing days to the tables of ingest: first deliveries accepted, later ones duplicates."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from functools import partial

import polars as pl

from puffy_platform.ingest.landing import LandingFile
from puffy_platform.ingest.reader import DRIFT_SCHEMA, Landed, no_quarantine, no_rows, read_file
from puffy_platform.ingest.repairs import Repair
from puffy_platform.ordering import sorted_by
from puffy_platform.settings import Settings
from puffy_platform.table import DayRange
from puffy_platform.threads import at_once

__all__ = ["index", "ingest"]

PLACE = ("day", "source_file", "source_line")
# event_id in two numbers: less work than texts make.
ID = ("id_high", "id_low")
INDEX = ("day", *ID, "source_file", "source_line")


def index(files: Sequence[LandingFile], settings: Settings, repairs: Sequence[Repair] = ()) -> pl.DataFrame:
    """row_index of these files: every valid row's identity and place."""
    return _rows(_read(files, settings, repairs)).select(INDEX)


def ingest(
    files: Sequence[LandingFile],
    days: DayRange,
    earlier: pl.LazyFrame,
    settings: Settings,
    repairs: Sequence[Repair] = (),
) -> dict[str, pl.DataFrame]:
    """The five tables of ingest for exactly these landing days, with the repairs of known incidents.

    `earlier` is row_index of the `late_days + 1` landing days before. A row is a duplicate when its event_id occurs
    earlier by (day, source_file, source_line), and then names the first occurrence. That window is enough: equal
    event ids have equal timestamps, and a row is accepted only from a day before to `late_days` after its event.

    Invariant: per file, rows = accepted + duplicates + quarantined, and the same for cents.
    """
    landed = _read([file for file in files if file.day in days], settings, repairs)
    rows = sorted_by(_rows(landed), PLACE)
    window = days.widen(before=settings.ingest.late_days + 1)
    known = earlier.filter(window.covers() & (pl.col("day") < days.first)).select(INDEX)
    before = _that_come_again(known, rows.lazy(), days.first).collect(engine="streaming").sort(PLACE)
    occurrences = pl.concat([before, rows.select(INDEX)])
    is_first = occurrences.select(_event_hash().is_first_distinct()).to_series()
    is_accepted = is_first.slice(before.height)
    accepted = rows.filter(is_accepted)
    originals = occurrences.filter(is_first).rename(
        {"day": "original_day", "source_file": "original_file", "source_line": "original_line"}
    )
    repeated = rows.filter(~is_accepted)
    # They are few: what they are joined with is made few first.
    originals = originals.join(repeated.select(ID), on=ID, how="semi")
    duplicates = repeated.join(originals, on=ID, how="left", maintain_order="left")
    return {
        "row_index": rows.select(INDEX),
        "raw_events": accepted,
        "duplicate_events": duplicates,
        "quarantined_events": _quarantined(landed),
        "file_drift": _file_drift(landed, is_accepted),
    }


def _that_come_again(earlier: pl.LazyFrame, rows: pl.LazyFrame, first: dt.date) -> pl.LazyFrame:
    """Of the rows of days before the first those whose ids come again: they are few, and those days are many.

    A file holds no event of more than a day after it. So all but the last day before are compared only with the few
    rows that are late: those of events before the first day. Ask for it by the streaming engine: it reads bit by bit.
    """
    day, event_day, eve = pl.col("day"), pl.col("event_day"), first - dt.timedelta(days=1)
    compared = [
        (earlier.filter(day == eve), rows.filter(event_day <= first)),
        (earlier.filter(day < eve), rows.filter(event_day < first)),
    ]
    return pl.concat([known.join(coming.select(ID), on=ID, how="semi") for known, coming in compared])


def _read(files: Sequence[LandingFile], settings: Settings, repairs: Sequence[Repair]) -> list[Landed]:
    """The files taken apart, in their order."""
    return at_once(partial(read_file, file, settings, repairs) for file in files)


def _event_hash() -> pl.Expr:
    high, low = (pl.col(name).reinterpret(signed=False).cast(pl.UInt128) for name in ID)
    return high * 2**64 + low


def _rows(landed: Sequence[Landed]) -> pl.DataFrame:
    return pl.concat([no_rows(), *(found.rows for found in landed)], how="diagonal_relaxed")


def _quarantined(landed: Sequence[Landed]) -> pl.DataFrame:
    return pl.concat([no_quarantine(), *(found.quarantined for found in landed)], how="diagonal_relaxed")


def _file_drift(landed: Sequence[Landed], is_accepted: pl.Series) -> pl.DataFrame:
    """A row a file, with what became of its rows: they stand in `is_accepted` file after file, by PLACE."""
    counted: list[dict[str, object]] = []
    begin = 0
    for found in sorted(landed, key=lambda found: (str(found.drift["day"]), str(found.drift["source_file"]))):
        rows = found.rows.height
        accepted = int(is_accepted.slice(begin, rows).sum())
        counted.append(found.drift | {"accepted": accepted, "duplicates": rows - accepted})
        begin += rows
    return pl.DataFrame(counted, schema={**DRIFT_SCHEMA, "accepted": pl.Int64, "duplicates": pl.Int64})
