"""The order of each client's events, for millions of them at once. What follows from the order is for others."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

__all__ = ["TIES", "ClientOrder"]

Ints = NDArray[np.int64]

# Events of a client at the same microsecond come in the order of their landing day, file and line.
TIES = ("landing_day", "source_file", "source_line")
_TIME = pl.col("event_ts").dt.epoch("us")


class ClientOrder:
    """Events put in order: a client's are next to each other, by (event_ts, *TIES); clients in any order.

    By place in that order, `client` numbers the clients from 0 and `time` is event_ts in microseconds since 1970;
    by client, `ends` is the place after its last event. The frame has the columns client_id (no nulls), event_ts and
    TIES; it is not copied.
    """

    def __init__(self, events: pl.DataFrame) -> None:
        self._events = events
        self._rows = _by_hash_and_time(events)
        starts = self._starts()
        if starts is None:
            self._rows = events.with_row_index("row").sort("client_id", "event_ts", *TIES)["row"]
            starts = _changes(self.column("client_id"))
        self.client: Ints = starts.cast(pl.Int64).cum_sum().to_numpy() - 1
        self.time: Ints = self._column(_TIME).to_numpy()
        self.ends: Ints = np.append(np.flatnonzero(starts.to_numpy())[1:], len(starts)).astype(np.int64)
        self._order_ties(starts)

    def __len__(self) -> int:
        return len(self.client)

    def column(self, name: str) -> pl.Series:
        """A column of the events, in order."""
        return self._column(pl.col(name))

    def at(self, places: Ints, *columns: str) -> pl.DataFrame:
        """These columns of the events at these places."""
        return self._events.select(columns).gather(self._rows.gather(places))

    def _starts(self) -> pl.Series | None:
        """Is the event its client's first? None when two clients share a hash: then rows of one lie beside rows of
        the other, and a second hash changes where the first does not."""
        first, second = (_changes(self._column(_hash(seed))) for seed in (0, 1))
        return None if (second & ~first).any() else first

    def _order_ties(self, starts: pl.Series) -> None:
        """Events of a client at the same microsecond are few: they are sorted on their own, and put back."""
        follows = ~starts & ~_changes(pl.Series(self.time))
        places = (follows | follows.shift(-1, fill_value=False)).arg_true()
        if len(places):
            tied = self.at(places.to_numpy().astype(np.int64), *TIES).with_columns(
                group=(~follows).cum_sum().gather(places), row=self._rows.gather(places)
            )
            self._rows = self._rows.scatter(places, tied.sort("group", *TIES)["row"])

    def _column(self, expression: pl.Expr) -> pl.Series:
        return self._events.select(expression).to_series().gather(self._rows)


def _by_hash_and_time(events: pl.DataFrame) -> pl.Series:
    """The rows' numbers by client and time: one sort of one number, instead of one of five columns.

    The hash only has to put a client's rows side by side.
    """
    return events.select(_hash(0).cast(pl.Int128) * pl.lit(2**64, pl.Int128) + _TIME).to_series().arg_sort()


def _changes(values: pl.Series) -> pl.Series:
    """Is the value another than the one before it? True for the first."""
    return values.ne_missing(values.shift())


def _hash(seed: int) -> pl.Expr:
    return pl.col("client_id").hash(seed).reinterpret(signed=True)
