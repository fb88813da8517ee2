"""Journeys as the data-driven models want them: equal paths added up once, channels as numbers.

What a journey is, tables/paths.py decides; what it is worth to a channel, the models do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl
from numpy.typing import NDArray

__all__ = ["HIGHEST_ORDER", "SEPARATOR", "Counts", "Floats", "Ints", "Journeys", "credit_frame"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
# A column for each bootstrap sample, a row for each distinct path.
Counts = NDArray[np.int64] | NDArray[np.float64]

# Stands between the channels of a path while equal ones are found: no name of a channel holds it.
SEPARATOR = "\x1f"
# A Markov chain remembers at most so many touchpoints.
HIGHEST_ORDER = 4


@dataclass(frozen=True)
class Journeys:
    """Distinct paths of at least one touchpoint, in the order of their names, and how often each was walked.

    `channels` are the ones that occur, sorted. `steps` holds the channels of all paths by their place in
    `channels`, one path after the other; those of path p begin at `starts[p]`. `converted` and `lost` count the
    journeys with and without a conversion, `revenue_cents` is the money of the former.
    """

    channels: tuple[str, ...]
    steps: Ints
    starts: Ints
    converted: Ints
    lost: Ints
    revenue_cents: Ints

    @classmethod
    def from_frame(cls, paths: pl.DataFrame) -> Journeys:
        """From rows of `path` (list of channels, oldest first), `conversions`, `non_conversions` and, if the money
        matters, `revenue_cents`; equal paths are added up. Raises ValueError for an empty path or a negative count.
        """
        if "revenue_cents" not in paths.columns:
            paths = paths.with_columns(revenue_cents=pl.lit(0, pl.Int64))
        if paths.select((pl.col("path").list.len().fill_null(0) == 0).any()).item():
            raise ValueError("a path without touchpoint has no channel to credit: leave it out")
        if paths.select((pl.min_horizontal("conversions", "non_conversions") < 0).any()).item():
            raise ValueError("conversions and non_conversions are counts: they cannot be negative")
        distinct = (
            paths.lazy()
            .group_by(name=pl.col("path").list.join(SEPARATOR))
            .agg(pl.col("conversions", "non_conversions", "revenue_cents").sum())
            .filter(pl.col("conversions") + pl.col("non_conversions") > 0)
            .sort("name")
            .collect()
        )
        return cls.from_names(
            distinct["name"],
            distinct["conversions"].to_numpy(),
            distinct["non_conversions"].to_numpy(),
            distinct["revenue_cents"].to_numpy(),
        )

    @classmethod
    def from_names(cls, names: pl.Series, converted: Ints, lost: Ints, revenue_cents: Ints) -> Journeys:
        """From distinct, sorted paths whose channels are joined by SEPARATOR."""
        lists = names.str.split(SEPARATOR)
        steps = lists.explode()
        channels = tuple(steps.unique().sort().to_list())
        lengths = lists.list.len().cast(pl.Int64).to_numpy()
        return cls(
            channels,
            steps.cast(pl.Enum(channels)).to_physical().cast(pl.Int64).to_numpy(),
            np.concatenate([[0], lengths.cumsum()[:-1]]).astype(np.int64) if len(lengths) else lengths,
            converted,
            lost,
            revenue_cents,
        )

    @property
    def paths(self) -> int:
        return len(self.starts)

    @cached_property
    def lengths(self) -> Ints:
        """Touchpoints of each path."""
        return np.diff(self.starts, append=len(self.steps))

    @cached_property
    def path_of_step(self) -> Ints:
        return np.repeat(np.arange(self.paths), self.lengths)

    def walked(self, converted: Ints, lost: Ints, revenue_cents: Ints) -> Journeys:
        """The same paths with other counts, without those that nobody walked and the channels they alone had."""
        kept = converted + lost > 0
        steps = self.steps[kept[self.path_of_step]]
        used, codes = np.unique(steps, return_inverse=True)
        lengths = self.lengths[kept]
        return Journeys(
            tuple(self.channels[place] for place in used),
            codes.astype(np.int64),
            (lengths.cumsum() - lengths).astype(np.int64),
            converted[kept],
            lost[kept],
            revenue_cents[kept],
        )


def credit_frame(channels: Sequence[str], credited: Floats) -> pl.DataFrame:
    """channel, orders and share (of all orders; null when there are none), largest first."""
    total = float(credited.sum())
    share = credited / total if total else np.full(len(channels), np.nan)
    frame = pl.DataFrame(
        {"channel": channels, "orders": credited, "share": share}, schema_overrides={"channel": pl.String}
    )
    return frame.with_columns(pl.col("share").fill_nan(None)).sort(["orders", "channel"], descending=[True, False])
