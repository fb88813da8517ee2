"""The data files of days: Parquet, written by Polars with all cores, and described as a commit to Delta names them."""

from __future__ import annotations

import datetime as dt
import json
import os
import time
import uuid
from collections.abc import Mapping

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
    files: list[AddAction | RemoveAction] = []  # as a transaction takes them
    for day, count in in_order.group_by("day", maintain_order=True).len().iter_rows():
        files.append(_write(uri, day, in_order.slice(start, count).drop("day"), dict(storage_options)))
        start += count
    return files


def _write(uri: str, day: dt.date, rows: pl.DataFrame, storage_options: dict[str, str]) -> AddAction:
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
        stats=json.dumps(_statistics(rows)),
    )


def _size(uri: str, path: str, storage_options: dict[str, str]) -> int:
    if "://" not in uri:
        return os.path.getsize(f"{uri}/{path}")
    from deltalake.fs import DeltaStorageHandler
    from pyarrow.fs import PyFileSystem

    return int(PyFileSystem(DeltaStorageHandler(uri, storage_options)).get_file_info(path).size)


def _statistics(rows: pl.DataFrame) -> dict[str, object]:
    """How many rows there are, and of days the first, the last and how many are null.

    Days are what reads are narrowed to. Of the other columns a file of a day holds about every value there is: theirs
    were most of the log, and of what opening a table of two years cost.
    """
    days = rows.select(pl.col(pl.Date))
    first, last = days.min().to_dicts(), days.max().to_dicts()
    return {
        "numRecords": rows.height,
        "minValues": {name: str(day) for ends in first for name, day in ends.items() if day is not None},
        "maxValues": {name: str(day) for ends in last for name, day in ends.items() if day is not None},
        "nullCount": {name: days[name].null_count() for name in days.columns},
    }
