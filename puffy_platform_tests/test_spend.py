"""A spend file is read exactly, or refused with its line and column."""

from __future__ import annotations

import datetime as dt

import pytest

from puffy_platform.spend import SpendError, read_spend


def test_amounts_of_a_day_and_channel_are_added_up_exactly_and_other_columns_ignored() -> None:
    content = (
        "\ufeffAmount, Campaign ,CHANNEL,day\r\n"
        "0.1,a,Email,2025-03-02\r\n"
        "\r\n"
        '0.2,"b, the second",Email,2025-03-02\r\n'
        "12,c,Paid Search,2025-03-01\r\n"
        "0.004,d,Email,2025-03-01\r\n"
        "0.001,e,Email,2025-03-01\r\n"
    )
    assert read_spend(content.encode(), "spend.csv").rows() == [
        # Half a cent together, rounded up once.
        (dt.date(2025, 3, 1), "Email", 1),
        (dt.date(2025, 3, 1), "Paid Search", 1_200),
        (dt.date(2025, 3, 2), "Email", 30),
    ]


def test_a_file_without_rows_is_no_spend() -> None:
    assert read_spend(b"day,channel,amount\n", "spend.csv").is_empty()


GOOD = "day,channel,amount\n2025-03-01,Email,1.50\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "s.csv, line 1: no column day, channel, amount"),
        (b"day,channel,cost\n", "s.csv, line 1: no column amount; the header must name day, channel, amount"),
        (b"day;channel;amount\n", "s.csv, line 1: no column day, channel, amount"),
        (f"{GOOD}03/02/2025,Email,1\n", "s.csv, line 3, column day: '03/02/2025' is not a day; write it like 2025-"),
        (f"{GOOD}2025-02-29,Email,1\n", "s.csv, line 3, column day: '2025-02-29' is not a day"),
        (f"{GOOD}2025-03-02, ,1\n", "s.csv, line 3, column channel: is empty"),
        (f"{GOOD}2025-03-02,Email,$5\n", r"s.csv, line 3, column amount: '\$5' is not an amount"),
        (f'{GOOD}2025-03-02,Email,"1,200"\n', "s.csv, line 3, column amount: '1,200' is not an amount"),
        (f"{GOOD}2025-03-02,Email,-5\n", "s.csv, line 3, column amount: '-5' must be at least 0"),
        (f"{GOOD}2025-03-02,Email,NaN\n", "s.csv, line 3, column amount: 'NaN' must be at least 0"),
        (f"{GOOD}2025-03-02,Email,1e10\n", "s.csv, line 3, column amount: '1e10' must be .* below 10,000,000,000"),
        (f"{GOOD}2025-03-02,Email\n", "s.csv, line 3: has 2 cells, too few"),
        (f'{GOOD}2025-03-02,"two\nlines",1\n2025-03-02,Email,x\n', "s.csv, line 5, column amount: 'x'"),
        (f'{GOOD}2025-03-02,"Email,1\n', "s.csv, line 3: is not CSV"),
        (GOOD.encode() + b"2025-03-02,Caf\xe9,1\n", "s.csv: is not UTF-8"),
    ],
)
def test_each_mistake_is_named_with_its_line_and_column(content: str | bytes, message: str) -> None:
    with pytest.raises(SpendError, match=message):
        read_spend(content.encode() if isinstance(content, str) else content, "s.csv")
