"""One landing file to its valid rows, its quarantined records and its line in file_drift.

Bad input never raises; what one row may hold is said in `judge`, what duplicates are in `accept`.
"""

from __future__ import annotations

import gzip
import hashlib
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import polars as pl
import polars_hash as plh

from puffy_platform.ingest.columns import RAW_COLUMNS, Drift, recognise, to_raw_columns
from puffy_platform.ingest.csv_text import read_csv
from puffy_platform.ingest.judge import judge
from puffy_platform.ingest.landing import LandingFile
from puffy_platform.ingest.other_formats import read_ndjson, read_parquet
from puffy_platform.ingest.records import BROKEN_SCHEMA, LINE, Records, Unreadable
from puffy_platform.ingest.repairs import Repair, repair_rows
from puffy_platform.settings import Settings

__all__ = ["DRIFT_SCHEMA", "Landed", "no_quarantine", "no_rows", "read_content", "read_file"]

SEPARATOR = "\x1f"
HASHED_AT_ONCE = 1 << 16
# Beginnings of files that are no text; a NUL byte soon after says that it is no coincidence.
GZIP = b"\x1f\x8b"
NO_TEXT = {GZIP: "gzip data", b"PAR1": "Parquet data", b"PK\x03\x04": "a zip archive or a workbook"}
# What stands between columns where it is no comma.
SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars"}
QUARANTINE_SCHEMA: dict[str, type[pl.DataType]] = {**BROKEN_SCHEMA, "repair": pl.String, "revenue_cents": pl.Int64}
DRIFT_SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "day": pl.Date,
    "source_file": pl.String,
    "format": pl.String,
    "encoding": pl.String,
    "status": pl.String,
    "bytes": pl.Int64,
    "content_hash": pl.String,
    "rows": pl.Int64,
    "quarantined": pl.Int64,
    "renamed": pl.List(pl.Struct({"seen": pl.String, "meant": pl.String})),
    "missing": pl.List(pl.String),
    "added": pl.List(pl.String),
    "naive_timestamps": pl.Int64,
    "offset_timestamps": pl.Int64,
    "empty_client_ids": pl.Int64,
    "revenue_cents": pl.Int64,
    "notes": pl.List(pl.String),
}


@dataclass(frozen=True)
class Landed:
    """A file taken apart: `rows` (raw_events' columns and revenue_cents, duplicates in), `quarantined`, `drift`."""

    rows: pl.DataFrame
    quarantined: pl.DataFrame
    drift: dict[str, object]


def read_file(file: LandingFile, settings: Settings, repairs: Sequence[Repair] = ()) -> Landed:
    """Read one file under the contract of the raw event, with these repairs of known incidents.

    A file that cannot be read at all is one quarantined record.
    """
    try:
        data = file.path.read_bytes()
    except OSError as error:
        return _unreadable(file, b"", f"it cannot be opened ({error.strerror or type(error).__name__})")
    return read_content(file, data, settings, repairs)


def read_content(file: LandingFile, data: bytes, settings: Settings, repairs: Sequence[Repair] = ()) -> Landed:
    """The same of a file with this content."""
    try:
        records = _records(file, data)
    except Unreadable as error:
        return _unreadable(file, data, str(error))
    drift = recognise(records.header, settings.ingest.aliases)
    if drift.has_no_header and records.header_text is not None:
        return _without_header(file, data, records, settings)
    judged, broken = repair_rows(_judged(records, drift, file, settings), records, drift, repairs, file, settings)
    good = judged.filter(pl.col("rule").is_null())
    bad = judged.filter(pl.col("rule").is_not_null()).select(
        "source_line", "rule", "column", "message", "repair", "revenue_cents"
    )
    bad = bad.with_columns(raw=pl.Series(records.raw(bad["source_line"].to_list()), dtype=pl.String))
    quarantined = pl.concat([bad, broken], how="diagonal_relaxed")
    referrer_set = {repair.name for repair in repairs if "referrer" in dict(repair.change)}
    rows = _as_raw_events(
        good, file, ("referrer" in drift.found) | pl.col("repair").is_in(referrer_set).fill_null(False)
    )
    return Landed(
        rows,
        _placed(quarantined, file, records.header_text),
        _drift_row(file, data, records, drift, rows=rows, quarantined=quarantined),
    )


def _records(file: LandingFile, data: bytes) -> Records:
    if file.format == "parquet":
        return read_parquet(data)
    if file.format.endswith(".gz") and data:
        data = _unzipped(data)
    for beginning, kind in NO_TEXT.items():
        if data.startswith(beginning) and b"\0" in data[:4096]:
            raise Unreadable(f"it holds {kind}, not what its name says")
    return read_csv(data) if file.format.startswith("csv") else read_ndjson(data)


def _unzipped(data: bytes) -> bytes:
    if not data.startswith(GZIP):
        raise Unreadable("it is not gzip data, though its name says so")
    try:
        return gzip.decompress(data)
    except (OSError, EOFError, zlib.error):
        raise Unreadable("its gzip stream is damaged or cut off") from None


def _judged(records: Records, drift: Drift, file: LandingFile, settings: Settings) -> pl.DataFrame:
    """Every row with the rule it breaks; where the file lacks a required column, all rows break that."""
    rows = judge(to_raw_columns(records.rows, drift), file.day, settings)
    if not records.header or not drift.missing_required:
        return rows
    column = drift.missing_required[0]
    message = (
        f"The file has no column {column}. If it is called otherwise from now on, add an alias (ingest.aliases), if it "
        "was on these days only, a repair; then replay."
    )
    return rows.with_columns(rule=pl.lit(f"missing_column:{column}"), column=pl.lit(column), message=pl.lit(message))


def _as_raw_events(rows: pl.DataFrame, file: LandingFile, referrer_recorded: pl.Expr) -> pl.DataFrame:
    # The time as such, not as written: a re-delivery in another format or notation is the same event.
    written = {"timestamp": pl.col("event_ts").dt.epoch("us").cast(pl.String)}
    identity = [written.get(name, pl.col(name)).fill_null("") for name in (*RAW_COLUMNS, "extra")]
    event_hash = plh.concat_str(identity, separator=SEPARATOR).nchash.xxh3_128()
    # Some rows at a time: what is hashed, the texts one after the other, is as large as the file.
    hashed = [some.select(event_hash=event_hash) for some in (rows.head(0), *rows.iter_slices(HASHED_AT_ONCE))]
    return (
        rows.hstack(pl.concat(hashed, rechunk=True))
        .with_columns(
            event_id=pl.col("event_hash").cast(pl.String),
            id_high=(pl.col("event_hash") // 2**64).cast(pl.UInt64).reinterpret(signed=True),
            id_low=(pl.col("event_hash") % 2**64).cast(pl.UInt64).reinterpret(signed=True),
            day=pl.lit(file.day),
            referrer_recorded=referrer_recorded,
            source_file=pl.lit(file.path.name),
        )
        .drop("event_hash", "rule", "column", "message", "timestamp")
    )


def _placed(quarantined: pl.DataFrame, file: LandingFile, header: str | None) -> pl.DataFrame:
    return quarantined.select(
        *(pl.col(name).cast(dtype) for name, dtype in QUARANTINE_SCHEMA.items()),
        day=pl.lit(file.day),
        source_file=pl.lit(file.path.name),
        header=pl.lit(header, pl.String),
    )


def _drift_row(
    file: LandingFile,
    data: bytes,
    records: Records,
    drift: Drift,
    *,
    rows: pl.DataFrame,
    quarantined: pl.DataFrame,
) -> dict[str, object]:
    return {
        "day": file.day,
        "source_file": file.path.name,
        "format": file.format,
        "encoding": records.encoding,
        "status": "read" if records.count else "header_only" if records.header else "empty",
        "bytes": len(data),
        "content_hash": hashlib.sha256(data).hexdigest(),
        "rows": records.count,
        "quarantined": quarantined.height,
        "renamed": [{"seen": seen, "meant": meant} for seen, meant in drift.renamed],
        "missing": list(drift.missing) if records.header else [],
        "added": drift.added_to_show,
        "naive_timestamps": rows.filter(pl.col("timestamp_kind") == "naive").height,
        "offset_timestamps": rows.filter(pl.col("timestamp_kind") == "offset").height,
        "empty_client_ids": rows["client_id"].null_count(),
        "revenue_cents": int(rows["revenue_cents"].sum() or 0) + int(quarantined["revenue_cents"].sum() or 0),
        "notes": [*records.notes, *drift.notes_to_show],
    }


def _without_header(file: LandingFile, data: bytes, records: Records, settings: Settings) -> Landed:
    """Every record is kept as delivered, the one in the header's place too, of which nothing is shown as a name."""
    lines = records.rows[LINE].to_list()
    first = records.header_text or ""
    texts = [first, *records.raw(lines)]
    message = (
        "The first line names no column that every event needs: the header is missing, or another file was "
        "delivered. Deliver it with its header."
    )
    for separator, name in SEPARATORS.items():
        if not recognise(first.split(separator), settings.ingest.aliases).has_no_header:
            message = f"The columns are separated by {name}, not by commas. Deliver the file with commas."
    found = pl.DataFrame(
        {"source_line": [records.header_line, *lines], "raw": texts},
        schema={"source_line": pl.Int64, "raw": pl.String},
    ).with_columns(rule=pl.lit("missing_header"), message=pl.lit(message))
    quarantined = pl.concat(
        [no_quarantine().select(list(QUARANTINE_SCHEMA)), found, records.broken], how="diagonal_relaxed"
    )
    nothing, counted = no_rows(), replace(records, count=records.count + 1)
    return Landed(
        nothing,
        _placed(quarantined, file, None),
        _drift_row(file, data, counted, recognise((), {}), rows=nothing, quarantined=quarantined),
    )


def _unreadable(file: LandingFile, data: bytes, why: str) -> Landed:
    """The file itself stays in the landing folder; one quarantined record stands for it."""
    message = f"The file could not be read: {why}. Deliver it again; the day is then computed anew."
    quarantined = pl.DataFrame(
        [(0, "unreadable_file", None, message, f"{file.path.name}: {len(data)} bytes", None, None)],
        schema=QUARANTINE_SCHEMA,
        orient="row",
    )
    nothing = no_rows()
    stands_for_it = Records(count=1, encoding="unknown", notes=(why,))
    row = _drift_row(file, data, stands_for_it, recognise((), {}), rows=nothing, quarantined=quarantined)
    return Landed(nothing, _placed(quarantined, file, None), row | {"status": "unreadable"})


def no_rows() -> pl.DataFrame:
    """An empty frame of valid rows."""
    text = ("client_id", "page_url", "referrer", "event_name", "event_data", "user_agent")
    return pl.DataFrame(
        schema={
            **dict.fromkeys((*text, "event_id", "extra", "timestamp_kind", "source_file", "repair"), pl.String),
            "day": pl.Date,
            "event_day": pl.Date,
            "event_ts": pl.Datetime("us", "UTC"),
            "referrer_recorded": pl.Boolean,
            **dict.fromkeys(("source_line", "revenue_cents", "id_high", "id_low"), pl.Int64),
        }
    )


def no_quarantine() -> pl.DataFrame:
    """An empty frame of quarantined records."""
    return pl.DataFrame(schema={**QUARANTINE_SCHEMA, "day": pl.Date, "source_file": pl.String, "header": pl.String})
