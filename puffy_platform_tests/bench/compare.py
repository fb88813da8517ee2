"""The platform's sessions and attribution against DuckDB SQL over the same raw files, row for row."""

import json
import shutil
import sys
from pathlib import Path

import polars as pl

from puffy_platform.pipeline import Platform, materialise, materialise_ingest
from puffy_platform.settings import load_settings
from puffy_platform_tests.bench.by_duckdb import TOUCHES, open_events

__all__ = ["differences"]


def differences(home: Path) -> dict[str, int]:
    """Rows that differ between the warehouse and DuckDB SQL over the raw files, without bots and channels."""
    shutil.copy(home / "puffy.toml", home / "same.toml")
    with (home / "same.toml").open("a", encoding="utf-8") as settings:
        settings.write("[bots]\ninclude = true\n[attribution]\nexcluded_channels = []\n")
    here = Platform(load_settings(home, home / "same.toml"))
    days = here.landing().days
    assert days is not None
    materialise_ingest(here, days, run_id="bench")
    for name in ("events_enriched", "purchases", "sessions", "conversions", "attribution"):
        materialise(here, here.tables[name], days, run_id="bench")
    tables = {name: here.warehouse.read(here.tables[name]) for name in ("sessions", "attribution")}
    credit = tables["attribution"].filter(window_days=7).collect()
    with open_events(home / "landing") as connection:
        sessions = connection.sql("select * exclude (number) from sessions").pl()
        touches = connection.sql(TOUCHES).pl()
    found = {"sessions": unlike(tables["sessions"].select(sessions.columns).collect(), sessions)}
    for which in ("first", "last"):
        ours = credit.filter(model=f"{which}_touch").select("transaction_id", "touched_at")
        theirs = touches.select("transaction_id", touched_at=f"{which}_at")
        found[f"{which} touch"] = unlike(ours.drop_nulls(), theirs)
    return found


def unlike(left: pl.DataFrame, right: pl.DataFrame) -> int:
    """How many rows of either frame the other does not have."""
    plain = [
        frame.with_columns(
            pl.col(pl.Datetime).dt.replace_time_zone(None).cast(pl.Datetime("us")),
            pl.col(pl.Int64, pl.Decimal).cast(pl.Int64),
        )
        for frame in (left, right)
    ]
    return sum(one.join(two, on=left.columns, how="anti", nulls_equal=True).height for one, two in (plain, plain[::-1]))


if __name__ == "__main__":
    print(json.dumps(differences(Path(sys.argv[1]))))
