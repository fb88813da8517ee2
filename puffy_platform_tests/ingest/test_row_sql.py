"""SQL of a repair sees one row, no other rows and no clock, and never stops a day."""

from __future__ import annotations

import polars as pl
import pytest

from puffy_platform.ingest.row_sql import RowSqlError, row_expression

COLUMNS = {"timestamp": pl.String(), "event_ts": pl.Datetime("us")}


def texts(sql: str, *values: str | None) -> list[str | None]:
    """The expression over a column `a` of these values."""
    expression, _ = row_expression(sql, COLUMNS, pl.String)
    return pl.DataFrame({"a": list(values)}, schema={"a": pl.String}).select(found=expression)["found"].to_list()


def test_an_expression_says_which_columns_it_reads() -> None:
    sql = "CASE WHEN \"occurred at\" IN ('x', 'y') THEN timestamp ELSE NULLIF(a, '') END"
    assert row_expression(sql, COLUMNS, pl.String)[1] == ["a", "occurred at", "timestamp"]


@pytest.mark.parametrize(
    "sql",
    [
        "SUM(a)",
        "COUNT(*)",
        "FIRST(a)",
        "MAX(a)",
        "STRING_AGG(a, ',')",
        "LAG(a) OVER (ORDER BY a)",
        "CAST(ROW_NUMBER() OVER (ORDER BY a) AS VARCHAR)",
        "(SELECT 'x')",
        "UNNEST(STRING_TO_ARRAY(a, ','))",
        "COLUMNS('a')",
    ],
)
def test_what_depends_on_other_rows_is_refused(sql: str) -> None:
    with pytest.raises(RowSqlError, match="from the row alone"):
        row_expression(sql, COLUMNS, pl.String)


@pytest.mark.parametrize("sql", ["CAST(NOW() AS VARCHAR)", "current_timestamp", "STRFTIME(CURRENT_DATE, '%Y')"])
def test_what_reads_the_clock_is_refused(sql: str) -> None:
    with pytest.raises(RowSqlError, match="reads the clock"):
        row_expression(sql, COLUMNS, pl.String)


def test_a_quoted_word_is_not_the_clock() -> None:
    assert texts("REPLACE(a, 'now', 'today')", "now") == ["today"]


def test_the_type_of_the_result_is_checked_before_any_row_is_seen() -> None:
    with pytest.raises(RowSqlError, match=r"gives Datetime.* where String is needed"):
        row_expression("event_ts", COLUMNS, pl.String)
    with pytest.raises(RowSqlError, match="gives String where Boolean is needed"):
        row_expression("a", COLUMNS, pl.Boolean)


@pytest.mark.parametrize("sql", ["a ||", "NO_SUCH_FUNCTION(a)", "a = 1", ""])
def test_what_is_no_sql_is_refused_with_a_reason_of_one_line(sql: str) -> None:
    with pytest.raises(RowSqlError) as refused:
        row_expression(sql, COLUMNS, pl.Boolean)
    assert str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_bad_regular_expression_is_refused_with_its_reason() -> None:
    with pytest.raises(RowSqlError, match="unclosed group"):
        row_expression("a ~ '('", COLUMNS, pl.Boolean)


def test_a_value_that_does_not_fit_gives_null_and_stops_nothing() -> None:
    assert texts("CAST(CAST(a AS INT) AS VARCHAR)", "7", "seven", None) == ["7", None, None]
    assert texts("STRFTIME(STRPTIME(a, '%d/%m/%Y'), '%Y-%m-%d')", "04/03/2025", "x", None) == ["2025-03-04", None, None]


def test_local_time_of_a_clock_change_reads_as_ingest_reads_it() -> None:
    pacific = "STRPTIME(a, '%Y-%m-%d %H:%M')::timestamp AT TIME ZONE 'America/Los_Angeles'"
    found = texts(f"STRFTIME({pacific}, '%Y-%m-%dT%H:%MZ')", "2025-03-09 01:30", "2025-03-09 02:30", "2025-11-02 01:30")
    assert found == ["2025-03-09T09:30Z", None, "2025-11-02T08:30Z"], "skipped: no time; repeated: the first of the two"
