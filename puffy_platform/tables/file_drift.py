"""file_drift: one row a landing file: where its rows and its money went, how its columns differ from the contract."""

from collections.abc import Callable

import pandera.polars as pa
import polars as pl

from puffy_platform.settings import Settings
from puffy_platform.table import Check, DayRange, Inputs, Reads, Table

# So many changes of columns a check names; the table names all.
CHANGES_NAMED = 20


class FileDriftContract(pa.DataFrameModel):
    day: pl.Date = pa.Field(description="Landing day: the day of the file.")
    source_file: str = pa.Field(description="Name of the landing file.")
    format: str = pa.Field(
        isin=["csv", "csv.gz", "ndjson", "ndjson.gz", "parquet"], description="Format, by the file's name."
    )
    encoding: str = pa.Field(description="How its bytes were read; utf-8+latin-1 when single lines were not UTF-8.")
    status: str = pa.Field(
        isin=["read", "empty", "header_only", "unreadable"],
        description="Whether the file held rows and could be read.",
    )
    bytes: pl.Int64 = pa.Field(ge=0, description="Size of the file.")
    content_hash: str = pa.Field(description="SHA-256 of its bytes.")
    rows: pl.Int64 = pa.Field(ge=0, description="Records in the file; an unreadable file counts as one.")
    accepted: pl.Int64 = pa.Field(ge=0, description="Rows accepted into raw_events.")
    duplicates: pl.Int64 = pa.Field(ge=0, description="Rows that repeat an earlier one.")
    quarantined: pl.Int64 = pa.Field(ge=0, description="Records set aside with their reason.")
    renamed: pl.List(pl.Struct({"seen": pl.String, "meant": pl.String})) = pa.Field(  # type: ignore[valid-type]
        description="Columns that came under another name."
    )
    missing: pl.List(pl.String) = pa.Field(description="Columns of the contract the file does not have.")  # type: ignore[valid-type]
    added: pl.List(pl.String) = pa.Field(description="Columns the contract does not know; kept in `extra`.")  # type: ignore[valid-type]
    naive_timestamps: pl.Int64 = pa.Field(ge=0, description="Valid rows whose timestamp has no offset.")
    offset_timestamps: pl.Int64 = pa.Field(ge=0, description="Valid rows whose timestamp has an offset other than Z.")
    empty_client_ids: pl.Int64 = pa.Field(ge=0, description="Valid rows without client id.")
    revenue_cents: pl.Int64 = pa.Field(description="Sum over all purchases of the file whose revenue can be read.")
    notes: pl.List(pl.String) = pa.Field(description="What else was noticed while reading.")  # type: ignore[valid-type]

    class Config:
        strict = True


def rows_are_conserved(frame: pl.DataFrame, inputs: Inputs, days: DayRange, settings: Settings) -> pl.DataFrame:
    """rows in the files = rows in raw_events + duplicate_events + quarantined_events, counted in those tables."""
    placed = (
        pl.concat([inputs[name].select("day") for name in ("raw_events", "duplicate_events", "quarantined_events")])
        .group_by("day")
        .agg(placed=pl.len().cast(pl.Int64))
        .collect()
    )
    by_file = pl.col("accepted") + pl.col("duplicates") + pl.col("quarantined")
    return (
        frame.group_by("day")
        .agg(pl.col("rows").sum(), each=(pl.col("rows") == by_file).all())
        .join(placed, on="day", how="full", coalesce=True)
        .with_columns(pl.col("rows", "placed").fill_null(0), pl.col("each").fill_null(True))
        .select(
            "day",
            passed=(pl.col("rows") == pl.col("placed")) & pl.col("each"),
            observed=pl.format("{} of {} rows are in one place", "placed", "rows"),
            expected=pl.lit("accepted + duplicate + quarantined = rows, per file"),
        )
    )


def revenue_is_conserved(frame: pl.DataFrame, inputs: Inputs, days: DayRange, settings: Settings) -> pl.DataFrame:
    """Cents in the files = cents of accepted, duplicate and quarantined rows."""
    from puffy_platform.event_data import PURCHASE, purchase_money

    bought = inputs["raw_events"].filter(pl.col("event_name") == PURCHASE).select("day", "event_name", "event_data")
    parts = [
        purchase_money(bought).select("day", "revenue_cents"),
        inputs["duplicate_events"].select("day", "revenue_cents"),
        inputs["quarantined_events"].select("day", "revenue_cents"),
    ]
    placed = pl.concat(parts).group_by("day").agg(placed=pl.col("revenue_cents").sum()).collect()
    return (
        frame.group_by("day")
        .agg(pl.col("revenue_cents").sum())
        .join(placed, on="day", how="full", coalesce=True)
        .with_columns(pl.col("revenue_cents", "placed").fill_null(0))
        .select(
            "day",
            passed=pl.col("revenue_cents") == pl.col("placed"),
            observed=pl.format("{} cents placed", "placed"),
            expected=pl.format("{} cents as in the files", "revenue_cents"),
        )
    )


def share_under(column: str, threshold: str) -> Callable[[pl.DataFrame, Inputs, DayRange, Settings], pl.DataFrame]:
    """A check that the share of `column` among a day's rows stays under settings.thresholds.<threshold>."""

    def measure(frame: pl.DataFrame, inputs: Inputs, days: DayRange, settings: Settings) -> pl.DataFrame:
        limit: float = getattr(settings.thresholds, threshold)
        share = pl.col(column).sum() / pl.col("rows").sum()
        return frame.group_by("day").agg(
            passed=pl.when(pl.col("rows").sum() > 0).then(share <= limit),
            observed=pl.format("{}%", (share * 100).round(2)),
            expected=pl.lit(f"at most {limit:.2%}"),
        )

    return measure


def columns_are_as_declared(frame: pl.DataFrame, inputs: Inputs, days: DayRange, settings: Settings) -> pl.DataFrame:
    """Every file has the columns of the contract under their own names, and no others."""
    renamed = pl.col("renamed").list.eval(
        pl.format("{} renamed to {}", pl.element().struct.field("meant"), pl.element().struct.field("seen"))
    )
    missing = pl.col("missing").list.eval(pl.format("{} missing", pl.element()))
    added = pl.col("added").list.eval(pl.format("{} is new", pl.element()))
    drift = frame.select("day", what=pl.concat_list(renamed, missing, added)).explode("what").drop_nulls()
    more = pl.col("what").n_unique().cast(pl.Int64) - CHANGES_NAMED
    what = drift.group_by("day").agg(
        pl.concat_str(
            pl.col("what").unique().sort().head(CHANGES_NAMED).str.join(", "),
            pl.when(more > 0).then(pl.format(", and {} more", more)).otherwise(pl.lit("")),
        ).alias("what")
    )
    return _days_without(frame, what, "as declared", "the seven columns of the raw event")


def files_can_be_read(frame: pl.DataFrame, inputs: Inputs, days: DayRange, settings: Settings) -> pl.DataFrame:
    """No file is empty, only a header, or unreadable."""
    odd = (
        frame.filter(pl.col("status") != "read")
        .group_by("day")
        .agg(pl.format("{} ({})", "source_file", "status").sort().str.join(", ").alias("what"))
    )
    return _days_without(frame, odd, "every file was read", "files with rows")


def _days_without(frame: pl.DataFrame, found: pl.DataFrame, otherwise: str, expected: str) -> pl.DataFrame:
    """A day passes when nothing was found on it; `found` has at most one row a day: day, what."""
    return (
        frame.select("day")
        .unique()
        .join(found, on="day", how="left")
        .select(
            "day",
            passed=pl.col("what").is_null(),
            observed=pl.col("what").fill_null(otherwise),
            expected=pl.lit(expected),
        )
    )


TABLE = Table(
    name="file_drift",
    description=(
        "Every landing file: how many rows were accepted, duplicate or quarantined, its money, what drifted: renamed, "
        "missing and new columns. It keeps `no referrer` apart from `referrer not recorded`."
    ),
    owner="team:ingest",
    group="raw",
    contract=FileDriftContract,
    key=("source_file",),
    reads=(Reads("row_index", before=lambda settings: settings.ingest.late_days + 1),),
    settings_sections=("ingest", "shop", "partitions"),
    checks=(
        Check("rows_are_conserved", "Every raw row is in exactly one place.", rows_are_conserved),
        Check("revenue_is_conserved", "Every cent of the files is in exactly one place.", revenue_is_conserved),
        Check(
            "columns_are_as_declared",
            "No column is renamed, missing or new.",
            columns_are_as_declared,
            "warn",
        ),
        Check("files_can_be_read", "No file is empty or unreadable.", files_can_be_read, "warn"),
        Check(
            "quarantined_share",
            "Few rows are quarantined.",
            share_under("quarantined", "max_quarantined_share"),
            "warn",
        ),
        Check(
            "duplicate_share",
            "Few rows are re-delivered.",
            share_under("duplicates", "max_duplicate_share"),
            "warn",
        ),
    ),
    sort=("source_file",),
    money="revenue_cents",
)
