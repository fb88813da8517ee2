"""The files of the core tables and nothing else: the landing files parsed, each table's files read and written again.

What remains of the pipeline's cost when it computes nothing, hashes nothing and checks nothing. Over a home in which
the tables have been computed.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from puffy_platform.warehouse.files import write_days


def main(home: Path, tables: Sequence[str]) -> None:
    for file in sorted((home / "landing").glob("*.csv")):
        pl.read_csv(file, infer_schema=False)
    for table in tables:
        for file in sorted((home / "warehouse" / table).glob("day=*/*.parquet")):
            rows = pl.read_parquet(file, hive_partitioning=True, hive_schema={"day": pl.Date})
            write_days(str(home / "floor" / table), rows, {})


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
