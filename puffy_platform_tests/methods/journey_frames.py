"""Journeys for tests of the data-driven models: the worked example of the docs, and random ones."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl
from hypothesis import strategies as st

SCHEMA = {"path": pl.List(pl.String), "conversions": pl.Int64, "non_conversions": pl.Int64, "revenue_cents": pl.Int64}

Row = tuple[Sequence[str], int, int]


def journeys(*rows: tuple[str, int, int] | tuple[str, int, int, int]) -> pl.DataFrame:
    """Rows of path ("A > B"), conversions, non-conversions, and cents of the conversions (default 0)."""
    full = [(path.split(" > "), *(*numbers, 0)[:3]) for path, *numbers in rows]
    return pl.DataFrame(full, schema=SCHEMA, orient="row")


# 100 journeys came by Search alone, 50 by Email alone, 20 by both; 10, 10 and 8 of them ordered.
WORKED_EXAMPLE = journeys(
    ("Search", 10, 90, 1_000_00),
    ("Email", 10, 40, 1_000_00),
    ("Search > Email", 8, 12, 1_200_00),
)


@st.composite
def random_journeys(draw: st.DrawFn, channels: int = 5, longest: int = 6, most: int = 12) -> pl.DataFrame:
    """Paths over few channels, repeats and equal paths included; at least one conversion."""
    names = st.sampled_from("ABCDEFGHIJKLMNO"[:channels])
    path = st.lists(names, min_size=1, max_size=longest)
    row = st.tuples(path, st.integers(0, 5), st.integers(0, 20), st.integers(0, 100_000))
    first = draw(st.tuples(path, st.integers(1, 5), st.integers(0, 20), st.integers(0, 100_000)))
    rows = [first, *draw(st.lists(row, max_size=most))]
    money = [(path, won, lost, cents if won else 0) for path, won, lost, cents in rows]
    return pl.DataFrame(money, schema=SCHEMA, orient="row")
