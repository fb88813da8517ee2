"""Repairs of known incidents: which rows one is for, what it changes, and how rows are judged after it.

How a repair is written down and tested is in `repairs_file`, what its SQL may say in `row_sql`.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from functools import cached_property

import polars as pl

from puffy_platform.ingest.columns import RAW_COLUMNS, REQUIRED, Drift, recognise, to_raw_columns
from puffy_platform.ingest.csv_text import read_single_lines
from puffy_platform.ingest.judge import ROW_RULES, judge
from puffy_platform.ingest.landing import LandingFile
from puffy_platform.ingest.other_formats import read_ndjson
from puffy_platform.ingest.records import BROKEN_RULES, LINE, Records
from puffy_platform.ingest.row_sql import row_expression
from puffy_platform.settings import Settings
from puffy_platform.table import DayRange

__all__ = ["ACCEPTED", "RAW_TEXT", "RULES", "Example", "Repair", "RepairFailed", "repair_rows", "repairs_key"]

# Among a repair's rules: the rows that break none.
ACCEPTED = "accepted"
# Set instead of a column: the text of a record that could not be cut into fields.
RAW_TEXT = "raw"
RULES = (ACCEPTED, *(f"missing_column:{column}" for column in REQUIRED), *ROW_RULES, *BROKEN_RULES)

_PLACE: dict[str, pl.DataType] = {"source_file": pl.String(), "source_line": pl.Int64(), "rule": pl.String()}
_OF_ROWS = {
    **dict.fromkeys(RAW_COLUMNS, pl.String()),
    "event_ts": pl.Datetime("us"),
    "timestamp_kind": pl.String(),
    **_PLACE,
}
_OF_TEXTS = {RAW_TEXT: pl.String(), **_PLACE}


class RepairFailed(RuntimeError):
    """A repair's SQL failed on real rows; names the repair and the file, never a value."""


@dataclass(frozen=True)
class Example:
    """A row as delivered (text by column; for texts `raw` and, for CSV, `header`) and what must become of it.

    `then` holds columns after the repair, `event_ts` among them; `untouched` says that the repair is not for it.
    """

    given: Mapping[str, str]
    then: Mapping[str, str | dt.datetime] = field(default_factory=dict)
    untouched: bool = False
    file: str | None = None


@dataclass(frozen=True)
class Repair:
    """A named change to the raw rows of some landing days, as they were delivered.

    For rows that break one of `rules` (or, with ACCEPTED, none) and meet `where`; `change` gives SQL by raw column,
    or for RAW_TEXT. `files` are patterns of file names; none means all files of the days. The SQL may read the raw
    columns, the file's unknown columns by their own names, and the names of `columns`.
    """

    name: str
    days: DayRange
    rules: tuple[str, ...]
    change: tuple[tuple[str, str], ...]
    where: str = "TRUE"
    files: tuple[str, ...] = ()
    reason: str = ""
    author: str = ""
    examples: tuple[Example, ...] = field(default=(), compare=False)

    def covers(self, day: dt.date, file: str) -> bool:
        return day in self.days and (not self.files or any(fnmatchcase(file, pattern) for pattern in self.files))

    @property
    def is_of_texts(self) -> bool:
        """It changes the text of records that could not be cut into fields."""
        return any(column == RAW_TEXT for column, _ in self.change)

    @property
    def columns(self) -> dict[str, pl.DataType]:
        """What its SQL may read beside a file's unknown columns."""
        return _OF_TEXTS if self.is_of_texts else _OF_ROWS

    @cached_property
    def condition(self) -> tuple[pl.Expr, list[str]]:
        """Which rows, and the columns it reads. Raises RowSqlError."""
        return row_expression(self.where, self.columns, pl.Boolean)

    @cached_property
    def changes(self) -> dict[str, tuple[pl.Expr, list[str]]]:
        """By changed column its new text, and the columns that reads. Raises RowSqlError."""
        return {column: row_expression(sql, self.columns, pl.String) for column, sql in self.change}

    @property
    def consumed(self) -> set[str]:
        """The unknown columns that became part of known ones: they are extra no longer."""
        return {name for _, reads in self.changes.values() for name in reads} - self.columns.keys()

    @property
    def fingerprint(self) -> str:
        """Stable hash of all that decides which rows it changes into what; its days are not in it."""
        parts = [sorted(self.files), sorted(self.rules), self.where, sorted(self.change)]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:12]


def repairs_key(repairs: Sequence[Repair], day: dt.date) -> str:
    """What the rows of a landing day depend on: name=hash of its repairs, in order; empty when it has none."""
    return ",".join(f"{repair.name}={repair.fingerprint}" for repair in repairs if day in repair.days)


def repair_rows(
    judged: pl.DataFrame,
    records: Records,
    drift: Drift,
    repairs: Sequence[Repair],
    file: LandingFile,
    settings: Settings,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The judged rows and the broken records after repair, each with `repair`, the name of the one tried on it.

    The first repair that is for a row is the one; a changed row is judged as if it had been delivered so. What is
    still not acceptable stays, with the rule it breaks now. No record is lost: one that was broken is afterwards in
    exactly one of the two frames.
    """
    nobody = pl.lit(None, pl.String).alias("repair")
    rows, delivered, broken = judged.with_columns(nobody), records.rows, records.broken.with_columns(nobody)
    changed = []
    for repair in repairs:
        if not repair.covers(file.day, file.path.name):
            continue
        if repair.is_of_texts:
            chosen = _chosen(repair, broken, file) & broken["repair"].is_null()
            cut = _cut(repair, broken.filter(chosen), records, file, settings)
            changed.append(cut)
            tried = pl.when(chosen).then(pl.lit(repair.name)).otherwise("repair").alias("repair")
            broken = broken.with_columns(tried).filter(~pl.col("source_line").is_in(cut["source_line"].implode()))
        else:
            unknown = [name for name in drift.added if name not in repair.columns]
            seen = rows.with_columns(pl.col("event_ts").dt.replace_time_zone(None))
            seen = seen.select(_OF_ROWS.keys() - {"source_file"}).hstack(delivered.select(unknown))
            chosen = _chosen(repair, seen, file)
            changed.append(_changed(repair, seen.filter(chosen), delivered.filter(chosen), drift, file, settings))
            rows, delivered = rows.filter(~chosen), delivered.filter(~chosen)
    if changed:
        rows = pl.concat([rows, *changed], how="diagonal_relaxed").sort("source_line")
    return rows, broken


def _chosen(repair: Repair, seen: pl.DataFrame, file: LandingFile) -> pl.Series:
    """Which of the rows the repair is for, by their rule and its condition."""
    is_of_rule = pl.col("rule").fill_null(ACCEPTED).is_in(repair.rules)
    condition, reads = repair.condition
    met = _computed(repair, {"met": condition}, reads, seen, file)["met"].fill_null(False)
    return seen.select(is_of_rule)["rule"] & met


def _changed(
    repair: Repair, seen: pl.DataFrame, delivered: pl.DataFrame, drift: Drift, file: LandingFile, settings: Settings
) -> pl.DataFrame:
    """These rows with the repair's columns, judged. What it used of the unknown columns is extra no longer."""
    left = replace(drift, added=tuple(name for name in drift.added if name not in repair.consumed))
    reads = [name for _, names in repair.changes.values() for name in names]
    new = _computed(repair, {column: change for column, (change, _) in repair.changes.items()}, reads, seen, file)
    raw = to_raw_columns(delivered, left).with_columns(new.select(pl.all().replace("", None)).get_columns())
    return judge(raw, file.day, settings).with_columns(repair=pl.lit(repair.name))


def _cut(repair: Repair, broken: pl.DataFrame, records: Records, file: LandingFile, settings: Settings) -> pl.DataFrame:
    """The rows of those broken records whose changed text is one whole record, judged."""
    change, reads = repair.changes[RAW_TEXT]
    texts = _computed(repair, {RAW_TEXT: change}, reads, broken, file)[RAW_TEXT]
    if file.format.startswith("csv"):
        rows, header = read_single_lines(texts, records.header), records.header
    else:
        whole = texts.fill_null("").str.replace_all("[\r\n]", " ")
        found = read_ndjson("\n".join(whole).encode())
        rows, header = found.rows.with_columns(pl.col(LINE) - 1), found.header
    lines = broken["source_line"].gather(rows[LINE]).alias(LINE)
    raw = to_raw_columns(rows.with_columns(lines), recognise(header, settings.ingest.aliases))
    return judge(raw, file.day, settings).with_columns(repair=pl.lit(repair.name))


def _computed(
    repair: Repair, what: dict[str, pl.Expr], reads: Sequence[str], seen: pl.DataFrame, file: LandingFile
) -> pl.DataFrame:
    """These expressions, a row for each row seen; a column that this file does not have is null."""
    given = seen.with_columns(pl.lit(file.path.name).alias("source_file"), pl.col("rule").fill_null(ACCEPTED))
    absent = [pl.lit(None, pl.String).alias(name) for name in reads if name not in given.columns]
    try:
        return given.with_columns(absent).with_columns(**what).select(list(what))
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        # Polars quotes values, so only the kind of error is passed on.
        raise RepairFailed(
            f"repair {repair.name} failed on {file.path.name} ({type(error).__name__}); nothing was written: "
            "add a row like those of this file to its examples and mend its SQL"
        ) from None
