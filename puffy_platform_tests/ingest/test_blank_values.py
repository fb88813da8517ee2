"""A value of nothing but white space, of whatever kind, is no value; every other text is kept as it is."""

import polars as pl
from hypothesis import example, given
from hypothesis import strategies as st

from puffy_platform.ingest.columns import RAW_COLUMNS, recognise, to_raw_columns
from puffy_platform.ingest.records import LINE

WHITE_SPACE = " \t\n\x0b\x85\xa0\u2003\u3000"
VALUES = st.lists(st.none() | st.text(WHITE_SPACE + "!\x7fé\U0001f600", max_size=3), min_size=1, max_size=3)


@given(VALUES, VALUES)
@example(["a", "\u3000"], ["\xa0"])
def test_white_space_alone_is_no_value(clients: list[str | None], others: list[str | None]) -> None:
    rows = pl.DataFrame(
        {"client_id": clients, "other": (others * 3)[: len(clients)], LINE: range(len(clients))},
        schema={"client_id": pl.String, "other": pl.String, LINE: pl.Int64},
        strict=False,
    )
    found = to_raw_columns(rows, recognise(("client_id", "other"), {}))
    assert found["client_id"].to_list() == [text if text and text.strip(WHITE_SPACE) else None for text in clients]
    assert found.columns == [*RAW_COLUMNS, "extra", "source_line"]
    assert found["extra"].is_null().to_list() == [
        not (text and text.strip(WHITE_SPACE)) for text in rows["other"].to_list()
    ]
