"""The largest part of a change of revenue in a sentence, for terminals and reports. Figures come from lmdi.py."""

from __future__ import annotations

from collections.abc import Mapping

from puffy_platform.methods.decomposition.lmdi import PARTS

__all__ = ["NAMES", "sentence"]

NAMES = dict(zip(PARTS, ("sessions", "conversion rate", "order value", "orders without a visit"), strict=True))
# A part smaller than this share of the largest one is not worth a word.
WORTH_SAYING = 0.05


def sentence(row: Mapping[str, int]) -> str:
    """Of a row of `lmdi.summed`: "Revenue fell by 200.00 (-1.0 %): conversion rate -5,724.83, sessions +3,628.17"."""
    change, before = row["change_cents"], row["revenue_before_cents"]
    largest = max(abs(row[part]) for part in PARTS)
    if not largest:
        return "Revenue did not change."
    said = sorted(
        (part for part in PARTS if abs(row[part]) >= WORTH_SAYING * largest), key=lambda part: -abs(row[part])
    )
    parts = ", ".join(f"{NAMES[part]} {_signed(row[part])}" for part in said)
    share = f" ({change / before:+.1%})" if before > 0 else ""
    if not change:
        return f"Revenue did not change in sum: {parts}."
    return f"Revenue {'rose' if change > 0 else 'fell'} by {_signed(abs(change))[1:]}{share}: {parts}."


def _signed(cents: int) -> str:
    return f"{'-' if cents < 0 else '+'}{abs(cents) // 100:,}.{abs(cents) % 100:02d}"
