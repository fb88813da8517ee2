"""Shares of a count and how far to trust them: the Wilson score interval. Pure expressions over columns in hand."""

from __future__ import annotations

import polars as pl

__all__ = ["DECIMALS", "Z_95", "share", "wilson_interval"]

# Two-sided 95 %.
Z_95 = 1.959963984540054
# Shares are rounded here: Polars divides a column of one row and a longer one by different last bits.
DECIMALS = 9


def share(part: str, whole: str) -> pl.Expr:
    """part / whole, 0 to 1; null when there is no whole."""
    return pl.when(pl.col(whole) > 0).then(pl.col(part) / pl.col(whole)).round(DECIMALS)


def wilson_interval(part: str, whole: str, z: float = Z_95) -> tuple[pl.Expr, pl.Expr]:
    """The bounds of the Wilson score interval for part / whole; null when there is no whole.

    It stays inside 0 and 1 and keeps its coverage for shares near them, where p +- z * sqrt(p q / n) does not.
    Source: Wilson (1927), JASA 22; recommended by Brown, Cai and DasGupta (2001), Statistical Science 16.
    """
    n, p = pl.col(whole), pl.col(part) / pl.col(whole)
    centre = p + z**2 / (2 * n)
    spread = z * (p * (1 - p) / n + z**2 / (4 * n * n)).sqrt()
    low, high = (centre - spread) / (1 + z**2 / n), (centre + spread) / (1 + z**2 / n)
    is_known = n > 0
    return (
        pl.when(is_known).then(low.clip(0, 1)).round(DECIMALS),
        pl.when(is_known).then(high.clip(0, 1)).round(DECIMALS),
    )
