"""The data files of days: Parquet, written by Polars with all cores, and described as a commit to Delta names them."""

from __future__ import annotations

import datetime as dt
import json
import os
import time
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

import polars as pl
from deltalake.transaction import AddAction, RemoveAction

from puffy_platform.ordering import sorted_by

__all__ = ["write_days"]

# Few enough that of a large day several are written, and read, side by side.
ROWS_A_GROUP = 1 << 16


def write_days(uri: str, rows: pl.DataFrame, storage_options: Mapping[str, str]) -> list[AddAction | RemoveAction]:
    """Write one new file for each `day` of the rows under the table's folder or URL.

    No file has a name that was there before, and none is read until a commit names it: what is left of a write that
    failed is in nobody's way, until `puffy maintain` removes it.
    """
    in_order, start = sorted_by(rows, ("day",)), 0
    stored = in_order.drop("day")
    files: list[AddAction | RemoveAction] = []  # as a transaction takes them
    for day, statistics in _statistics(in_order):
        files.append(_write(uri, day, stored.slice(start, statistics["numRecords"]), statistics, dict(storage_options)))
        start += statistics["numRecords"]
    return files


def _write(
    uri: str, day: dt.date, rows: pl.DataFrame, statistics: dict[str, Any], storage_options: dict[str, str]
) -> AddAction:
    path = f"day={day}/part-{uuid.uuid4()}.parquet"
    file = f"{uri}/{path}"
    rows.write_parquet(
        file,
        compression="zstd",
        compression_level=1,
        statistics=False,
        row_group_size=ROWS_A_GROUP,
        storage_options=storage_options or None,
        mkdir=True,
    )
    return AddAction(
        path=path,
        size=_size(uri, path, storage_options),
        partition_values={"day": str(day)},
        modification_time=int(time.time() * 1000),
        data_change=True,
        stats=json.dumps(statistics),
    )


def _size(uri: str, path: str, storage_options: dict[str, str]) -> int:
    if "://" not in uri:
        return os.path.getsize(f"{uri}/{path}")
    from deltalake.fs import DeltaStorageHandler
    from pyarrow.fs import PyFileSystem

    return int(PyFileSystem(DeltaStorageHandler(uri, storage_options)).get_file_info(path).size)


def _statistics(in_order: pl.DataFrame) -> Iterator[tuple[dt.date, dict[str, Any]]]:
    """Of each day in turn how many rows there are, and of columns of days the first, the last and how many are null.

    Days are what reads are narrowed to. Of the other columns a file of a day holds about every value there is: theirs
    were most of the log, and of what opening a table of two years cost. All days are told at once: to ask for one of
    them takes as long as to write a small file.
    """
    names = [name for name, dtype in in_order.schema.items() if dtype == pl.Date and name != "day"]
    told = in_order.group_by("day", maintain_order=True).agg(
        pl.len().alias("rows"),
        pl.col(names).min().name.prefix("first "),
        pl.col(names).max().name.prefix("last "),
        pl.col(names).null_count().name.prefix("nulls "),
    )
    for row in told.iter_rows(named=True):
        known = [name for name in names if row[f"first {name}"] is not None]
        yield (
            row["day"],
            {
                "numRecords": row["rows"],
                "minValues": {name: str(row[f"first {name}"]) for name in known},
                "maxValues": {name: str(row[f"last {name}"]) for name in known},
                "nullCount": {name: row[f"nulls {name}"] for name in names},
            },
        )
