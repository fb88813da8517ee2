"""What marketing cost: a file of day, channel and amount, read strictly. What it brought is not known here."""

from __future__ import annotations

import csv
import datetime as dt
import io
from collections import defaultdict
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation

import polars as pl

__all__ = ["SPEND_SCHEMA", "SpendError", "read_spend"]

COLUMNS = ("day", "channel", "amount")
SPEND_SCHEMA = {"day": pl.Date, "channel": pl.String, "amount_cents": pl.Int64}
# Below ten billion a day, so that sums of years stay far inside 64 bits.
LARGEST = Decimal(10) ** 10


class SpendError(ValueError):
    """The file cannot be used: the message names the line, the column, and what is expected."""


def read_spend(content: bytes, name: str) -> pl.DataFrame:
    """day, channel, amount_cents of a CSV file with the columns day (2025-03-01), channel and amount (1234.50).

    Amounts are in units of the shop's currency. Several rows of a day and channel (campaigns) are added up exactly
    and then rounded to the cent. Other columns are ignored. Raises SpendError for the first mistake; `name` is the
    file's name for its message.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise SpendError(f"{name}: is not UTF-8 text") from None
    lines = csv.reader(io.StringIO(text, newline=""), strict=True)
    spent: dict[tuple[dt.date, str], Decimal] = defaultdict(Decimal)
    try:
        places = _places(next(lines, []), name)
        for row in lines:
            where = f"{name}, line {lines.line_num}"
            if not any(cell.strip() for cell in row):
                continue
            if len(row) <= max(places.values()):
                raise SpendError(f"{where}: has {len(row)} cells, too few for its columns")
            day, channel, amount = (row[places[column]].strip() for column in COLUMNS)
            if not channel:
                raise SpendError(f"{where}, column channel: is empty")
            spent[_day(day, where), channel] += _amount(amount, where)
    except csv.Error as error:
        raise SpendError(f"{name}, line {lines.line_num}: is not CSV: {error}") from None
    rows = [(day, channel, int(_cents(amount))) for (day, channel), amount in sorted(spent.items())]
    return pl.DataFrame(rows, schema=SPEND_SCHEMA, orient="row")


def _places(header: list[str], name: str) -> dict[str, int]:
    seen = [cell.strip().lower() for cell in header]
    missing = [column for column in COLUMNS if column not in seen]
    if missing:
        raise SpendError(
            f"{name}, line 1: no column {', '.join(missing)}; the header must name {', '.join(COLUMNS)}, "
            "separated by commas"
        )
    return {column: seen.index(column) for column in COLUMNS}


def _day(text: str, where: str) -> dt.date:
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise SpendError(f"{where}, column day: {text!r} is not a day; write it like 2025-03-01") from None


def _amount(text: str, where: str) -> Decimal:
    try:
        amount = Decimal(text)
    except InvalidOperation:
        raise SpendError(
            f"{where}, column amount: {text!r} is not an amount; write it like 1234.50, without currency or separators"
        ) from None
    if not amount.is_finite() or not 0 <= amount < LARGEST:
        raise SpendError(f"{where}, column amount: {text!r} must be at least 0 and below {LARGEST:,.0f}")
    return amount


def _cents(amount: Decimal) -> Decimal:
    return (amount * 100).quantize(Decimal(1), ROUND_HALF_UP)
