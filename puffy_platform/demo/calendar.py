"""Which files arrive on which day, with which columns and in which format: the same plan for every set.

Days count from 0, and the plan fits into 10. What the rows suffer is in `defects.py`.
"""

from __future__ import annotations

import datetime as dt
import gzip
from dataclasses import dataclass

__all__ = ["EXTRA_COLUMN", "PARTNER", "RENAMED", "RESENT", "Calendar", "File"]

# The name that the extra column has in the files, and the one the timestamp has where it was renamed.
EXTRA_COLUMN = "consent_state"
UNKNOWN_TIMESTAMP_NAME = "occurred"
RAW_COLUMNS = ("client_id", "page_url", "referrer", "timestamp", "event_name", "event_data", "user_agent")
# Name suffixes of the files beside a day's main file.
RENAMED, RESENT, PARTNER, EMPTY, HEADER_ONLY, CUT_OFF = (
    "_crm",
    "_resend",
    "_partner",
    "_empty",
    "_header",
    "_backup",
)


@dataclass(frozen=True)
class File:
    """One file of the set. Only one of status `read` has rows; the others' content is `body`.

    `columns` maps raw columns (and `extra`) to their names here, in order; absent ones are not delivered.
    """

    day: dt.date
    suffix: str
    format: str
    columns: dict[str, str]
    status: str = "read"
    body: bytes = b""
    has_byte_order_mark: bool = False

    @property
    def name(self) -> str:
        return f"events_{self.day:%Y%m%d}{self.suffix}.{self.format}"

    @property
    def renamed(self) -> tuple[tuple[str, str], ...]:
        """(seen, meant) of the columns that are called otherwise here, under names that the product knows."""
        known = [(seen, meant) for meant, seen in self.columns.items() if meant in RAW_COLUMNS and seen != meant]
        return tuple(pair for pair in known if pair[0] != UNKNOWN_TIMESTAMP_NAME)

    @property
    def missing(self) -> tuple[str, ...]:
        """The raw columns that are not to be found here."""
        if not self.columns:
            return ()
        return tuple(
            name for name in RAW_COLUMNS if self.columns.get(name, UNKNOWN_TIMESTAMP_NAME) == UNKNOWN_TIMESTAMP_NAME
        )

    @property
    def added(self) -> tuple[str, ...]:
        """The columns that nobody knows."""
        return tuple(seen for seen in self.columns.values() if seen in (EXTRA_COLUMN, UNKNOWN_TIMESTAMP_NAME))


@dataclass(frozen=True)
class Calendar:
    """What is special about which day."""

    first_day: dt.date
    days: int
    redelivered_every_days: int

    def at(self, tenths: int) -> int:
        return tenths * self.days // 10

    @property
    def byte_order_mark(self) -> int:
        return self.at(1)

    @property
    def empty_clients_jump(self) -> tuple[int, int]:
        return self.at(2), self.at(8)

    @property
    def latin(self) -> int:
        return self.at(2)

    @property
    def gzip(self) -> int:
        return self.at(3)

    @property
    def renamed_client_from(self) -> int:
        return self.at(4)

    @property
    def renamed_timestamp(self) -> int:
        return self.at(4)

    @property
    def ndjson(self) -> int:
        return self.at(5)

    @property
    def parquet(self) -> int:
        return self.at(6)

    @property
    def extra_from(self) -> int:
        return self.at(7)

    @property
    def without_referrer(self) -> range:
        first = min(self.at(7) + 1, self.days - 3)
        return range(first, first + 3)

    @property
    def huge_field(self) -> int:
        return self.at(9)

    @property
    def unterminated_quotes(self) -> tuple[int, ...]:
        """Every fifth day, as far as it is delivered as CSV."""
        return tuple(day for day in range(1, self.days, 5) if self.is_csv(day))

    @property
    def redelivered(self) -> range:
        return range(self.redelivered_every_days - 1, self.days, self.redelivered_every_days)

    def is_like_the_day_before(self, day: int) -> bool:
        """The same columns are delivered, under whatever names."""
        return day > 0 and self.columns(day).keys() == self.columns(day - 1).keys()

    def is_csv(self, day: int) -> bool:
        return self.format(day).startswith("csv")

    def format(self, day: int) -> str:
        return {self.gzip: "csv.gz", self.ndjson: "ndjson", self.parquet: "parquet"}.get(day, "csv")

    def columns(self, day: int) -> dict[str, str]:
        names = {name: name for name in RAW_COLUMNS}
        if day >= self.renamed_client_from:
            names["client_id"] = "clientId"
        if day in self.without_referrer:
            del names["referrer"]
        if day >= self.extra_from:
            names["extra"] = EXTRA_COLUMN
        return names

    def files(self) -> tuple[File, ...]:
        """All files of the set, by day and name."""
        return tuple(file for day in range(self.days) for file in sorted(self._of(day), key=lambda file: file.name))

    def _of(self, day: int) -> list[File]:
        date, columns = self.first_day + dt.timedelta(days=day), self.columns(day)
        files = [File(date, "", self.format(day), columns, has_byte_order_mark=day == self.byte_order_mark)]
        if day in self.redelivered and self.is_like_the_day_before(day):
            files.append(File(date, RESENT, "csv", columns))
        if day == self.latin:
            files.append(File(date, PARTNER, "csv", columns))
        if day == self.renamed_timestamp:
            files.append(File(date, RENAMED, "csv", columns | {"timestamp": UNKNOWN_TIMESTAMP_NAME}))
        header = (",".join(columns.values()) + "\n").encode()
        if day == self.at(1):
            files.append(File(date, EMPTY, "csv", {}, "empty"))
        if day == self.at(3):
            files.append(File(date, HEADER_ONLY, "csv", columns, "header_only", header))
        if day == self.at(5):
            cut_off = gzip.compress(header * 50, mtime=0)[:40]
            files.append(File(date, CUT_OFF, "csv.gz", {}, "unreadable", cut_off))
        return files
