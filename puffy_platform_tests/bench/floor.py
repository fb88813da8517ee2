"""The floor: the same files, CSV to Parquet with the fastest reader, and nothing else."""

import sys
from pathlib import Path

import polars as pl


def main(landing: Path, target: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    for file in sorted(landing.glob("*.csv")):
        pl.scan_csv(file, infer_schema=False).sink_parquet(target / f"{file.stem}.parquet")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
