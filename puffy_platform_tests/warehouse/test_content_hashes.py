"""A day's content hash covers all bits of all its rows' hashes, in whatever order the rows come."""

import datetime as dt

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from puffy_platform.tables import TABLES
from puffy_platform.warehouse.ledger import content_hashes

TABLE = TABLES["channel_summary"]
FIRST = dt.date(2025, 3, 1)


@given(st.lists(st.tuples(st.integers(0, 1), st.text(max_size=3)), min_size=1, max_size=8))
def test_both_halves_of_every_row_hash_are_added_up(rows: list[tuple[int, str]]) -> None:
    frame = pl.DataFrame([{"day": FIRST + dt.timedelta(days=number), "text": text} for number, text in rows])
    found = dict(content_hashes(TABLE, frame).select("day", "content_hash").iter_rows())
    hashed = frame.with_columns(h=frame.hash_rows(seed=20_250_223))
    for (day,), part in hashed.partition_by("day", as_dict=True).items():
        hashes = part["h"].to_list()
        high, low = sum(h >> 32 for h in hashes) % 2**32, sum(h % 2**32 for h in hashes)
        assert found[day] == f"{len(hashes)}-{high}.{low}"
    assert dict(content_hashes(TABLE, frame.reverse()).select("day", "content_hash").iter_rows()) == found
