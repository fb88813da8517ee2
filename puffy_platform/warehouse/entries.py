"""What is known of each day of one table: an `Entry` a day, and all days of a table together as `Entries`."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import polars as pl

__all__ = ["ROLLED_BACK", "Entries", "Entry", "entry_of"]

# Begins the inputs hash of a day that a person has put back to earlier rows; the time they are of follows.
ROLLED_BACK = "rolled back to "


@dataclass(frozen=True)
class Entry:
    """What is known of one day of one table. `parts` holds a hash per date of the table's `hash_by` column; `files`
    says which data files the entry is about (StoredDay.files; empty for none), `version` which commit made them."""

    table: str
    day: dt.date
    rows: int
    content_hash: str
    parts: dict[dt.date, str]
    definition_hash: str
    inputs_hash: str
    files: str
    version: int
    money_cents: int | None
    run_id: str
    recorded_at: dt.datetime | None

    @property
    def is_recorded(self) -> bool:
        """False for rows that are there, but that no run has recorded: a run was cut off, or still is at work."""
        return self.recorded_at is not None

    @property
    def rolled_back_to(self) -> str | None:
        """The time whose rows the day was put back to, and holds until that is undone; None for any other day."""
        return self.inputs_hash.removeprefix(ROLLED_BACK) if self.inputs_hash.startswith(ROLLED_BACK) else None

    def content(self, part: dt.date | None = None) -> str | None:
        """What names the day's rows, or of those the rows of one part; None when there are none."""
        if not self.rows:
            return None
        return self.content_hash if part is None or not self.is_recorded else self.parts.get(part)


def entry_of(row: dict[str, Any]) -> Entry:
    """A row of the ledger as an Entry."""
    return Entry(**{**row, "parts": {part["part"]: part["hash"] for part in row["parts"]}})


class Entries(Mapping[dt.date, Entry]):
    """The entries of one table by day, in order.

    Years have many days, and a run of one day asks for few of them: an entry is made when it is asked for, and what
    is asked of all days is told from columns.
    """

    def __init__(self, days: pl.DataFrame) -> None:
        """`days` has the ledger's columns and a row a day, in order; `recorded_at` is null for rows nobody recorded."""
        self._days = days
        self._place = {day: place for place, day in enumerate(days["day"].to_list())}
        self._made: dict[dt.date, Entry] = {}

    def __getitem__(self, day: dt.date) -> Entry:
        if day not in self._made:
            place = self._place[day]
            parts = self._parts[place] if self._has_parts[place] else ()
            known = {name: values[place] for name, values in self._plain.items()}
            self._made[day] = entry_of({**known, "parts": parts})
        return self._made[day]

    def __iter__(self) -> Iterator[dt.date]:
        return iter(self._place)

    def __len__(self) -> int:
        return len(self._place)

    def __contains__(self, day: object) -> bool:
        return day in self._place

    @cached_property
    def rows(self) -> dict[dt.date, int]:
        """How many rows each day has."""
        return dict(zip(self._place, self._days["rows"].to_list(), strict=True))

    @cached_property
    def contents(self) -> dict[dt.date, str]:
        """What names the rows of each day that has any: `Entry.content()` of all days at once."""
        return dict(self._days.filter(pl.col("rows") > 0).select("day", "content_hash").iter_rows())

    @cached_property
    def inputs_hashes(self) -> dict[dt.date, str | None]:
        """What each day was computed from; None where its rows are there and nobody has recorded them."""
        recorded = pl.when(pl.col("recorded_at").is_not_null()).then("inputs_hash")
        return dict(self._days.select("day", recorded).iter_rows())

    def with_inputs(self, inputs_hash: str) -> set[dt.date]:
        """The days recorded with exactly this inputs hash."""
        return set(self._days.filter(pl.col("inputs_hash") == inputs_hash)["day"])

    def rolled_back(self) -> dict[dt.date, str]:
        """The days that are rolled back, with the time whose rows they hold."""
        held = self._days.filter(pl.col("inputs_hash").str.starts_with(ROLLED_BACK))
        return {day: told.removeprefix(ROLLED_BACK) for day, told in held.select("day", "inputs_hash").iter_rows()}

    @cached_property
    def _plain(self) -> dict[str, list[Any]]:
        return self._days.drop("parts").to_dict(as_series=False)

    @cached_property
    def _parts(self) -> pl.Series:
        return self._days["parts"]

    @cached_property
    def _has_parts(self) -> list[bool]:
        return (self._parts.list.len() > 0).to_list()
