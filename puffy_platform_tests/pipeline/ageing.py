"""Makes a warehouse as old as if it had been written days ago: its files, its logs, and what it recorded of itself."""

from __future__ import annotations

import datetime as dt
import json
import os
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

__all__ = ["age"]

MILLISECONDS = ("timestamp", "modificationTime", "deletionTimestamp", "createdTime")
LOGS = ("_ledger", "check_results", "_definitions")


def age(warehouse: Path, days: int) -> None:
    """Move every time in the folder of Delta tables, the files' own included, so many days into the past."""
    by = dt.timedelta(days=days)
    for table in (path for path in warehouse.iterdir() if path.is_dir()):
        written = {file: file.stat().st_mtime for file in table.rglob("*") if file.is_file()}
        for checkpoint in table.glob("_delta_log/*.checkpoint.parquet"):
            if table.name in LOGS:
                checkpoint.unlink()
                (table / "_delta_log" / "_last_checkpoint").unlink(missing_ok=True)
            else:
                _age_checkpoint(checkpoint, by)
        for commit in table.glob("_delta_log/*.json"):
            actions = [json.loads(line) for line in commit.read_text("utf-8").splitlines()]
            for action in actions:
                _age_action(table, action, by)
            commit.write_text("\n".join(json.dumps(action) for action in actions), "utf-8")
        for file, at in written.items():
            if file.exists():
                os.utime(file, (at - by.total_seconds(),) * 2)


def _age_checkpoint(file: Path, by: dt.timedelta) -> None:
    table = pq.read_table(file)
    for column, name in (("add", "modificationTime"), ("remove", "deletionTimestamp")):
        whole = table[column].combine_chunks()
        parts = [whole.field(number) for number in range(whole.type.num_fields)]
        place = whole.type.get_field_index(name)
        parts[place] = pc.subtract(parts[place], int(by.total_seconds() * 1000))
        aged = pa.StructArray.from_arrays(parts, fields=list(whole.type), mask=whole.is_null())
        table = table.set_column(table.schema.get_field_index(column), table.schema.field(column), aged)
    pq.write_table(table, file)


def _age_action(table: Path, action: dict[str, Any], by: dt.timedelta) -> None:
    for body in action.values():
        for name in MILLISECONDS:
            if body.get(name) is not None:
                body[name] -= int(by.total_seconds() * 1000)
    added = action.get("add")
    if added and table.name in LOGS:
        file = table / added["path"]
        rows = pl.read_parquet(file)
        rows.with_columns(pl.col("recorded_at") - by).write_parquet(file)
        added["size"] = file.stat().st_size
        added.pop("stats", None)
