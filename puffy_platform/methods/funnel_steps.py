"""A funnel's attempts beside the session they began in, and folded into a row a step: how many, how fast, how much.

What an attempt is, methods/funnel.py decides.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from puffy_platform.methods.proportions import share, wilson_interval

__all__ = ["ENOUGH", "fold", "with_entry_session"]

# With fewer attempts that went on there is not enough data to say what one of them is worth.
ENOUGH = 30
SECONDS_DECIMALS = 6


def with_entry_session(attempts: pl.DataFrame, sessions: pl.LazyFrame, columns: Sequence[str]) -> pl.DataFrame:
    """Add these columns of the session in which each attempt began: its client's last one started by then.

    `sessions` has client_id, started_at and the columns, of the days of the entries and the day before.
    """
    begun = sessions.select("client_id", "started_at", *columns).sort("started_at")
    return (
        attempts.lazy()
        .sort("entered_at")
        .join_asof(begun, left_on="entered_at", right_on="started_at", by="client_id", check_sortedness=False)
        .drop("started_at")
        .collect()
    )


def fold(attempts: pl.DataFrame, steps: int, by: Sequence[str] = ()) -> pl.DataFrame:
    """For each group of `by` (or all attempts at once) and each step, in this order:

    - step, 1 to n; reached: the attempts that did it; dropped: those of them that did not do the next, 0 at the last;
    - rate: reached / reached at the step before; rate_of_all: reached / reached at step 1, and its 95 % Wilson
      interval rate_low, rate_high; null at step 1 and where nobody got so far as to try;
    - mean_seconds, median_seconds: from the step before, of the attempts that reached this one;
    - revenue_cents: what the attempts that reached it brought in the end;
    - dropped_value_cents: what those that dropped would have brought, had each been worth as much as those that
      went on were on average. It says how much the step holds, not how much can be won: who stops is not who goes
      on. Null when fewer than ENOUGH went on.
    """
    groups = list(by)
    folded = [
        attempts.lazy().with_columns(step=pl.lit(number, pl.Int64)).group_by(*groups, "step").agg(_measures(number))
        for number in range(1, steps + 1)
    ]
    return _compared(pl.concat(folded), groups).collect()


def _measures(number: int) -> list[pl.Expr]:
    """Of one step, over a group of attempts."""
    got_there = pl.col("reached") >= number
    took = (pl.col(f"at_{number}") - pl.col(f"at_{max(number - 1, 1)}")).dt.total_microseconds().filter(got_there)
    return [
        got_there.sum().cast(pl.Int64).alias("reached"),
        pl.col("revenue_cents").filter(got_there).sum(),
        *(
            (measure / 1e6 if number > 1 else pl.lit(None, pl.Float64)).round(SECONDS_DECIMALS).alias(name)
            for name, measure in (("mean_seconds", took.mean()), ("median_seconds", took.median()))
        ),
    ]


def _compared(rows: pl.LazyFrame, groups: list[str]) -> pl.LazyFrame:
    """Each step beside the one before it, the next one, and the first."""

    def beside(column: str, places: int) -> pl.Expr:
        value = pl.col(column).shift(places)
        return value.over(groups) if groups else value

    first = pl.col("reached").first().over(groups) if groups else pl.col("reached").first()
    low, high = wilson_interval("reached", "first")
    went_on = pl.col("went_on")
    # Rounded half up, in whole numbers: money never passes through a float.
    value = (2 * pl.col("dropped").cast(pl.Int128) * pl.col("brought") + went_on) // (2 * went_on)
    return (
        rows.sort(*groups, "step")
        .with_columns(
            before=beside("reached", 1),
            first=pl.when(pl.col("step") > 1).then(first),
            went_on=beside("reached", -1),
            brought=beside("revenue_cents", -1),
        )
        .with_columns(dropped=(pl.col("reached") - went_on).fill_null(0))
        .select(
            *groups,
            "step",
            "reached",
            "dropped",
            share("reached", "before").alias("rate"),
            share("reached", "first").alias("rate_of_all"),
            low.alias("rate_low"),
            high.alias("rate_high"),
            "mean_seconds",
            "median_seconds",
            "revenue_cents",
            pl.when(went_on >= ENOUGH).then(value).cast(pl.Int64).alias("dropped_value_cents"),
        )
    )
