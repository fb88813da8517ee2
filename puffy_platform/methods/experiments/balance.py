"""Is a variant as large as it was planned to be? When not, something filters clients, and no number means anything."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["MISMATCH_BELOW", "sample_ratio_p"]

# A p value below this is a mismatch: of sound experiments looked at once one in a thousand is stopped for nothing.
MISMATCH_BELOW = 0.001


def sample_ratio_p(clients: Mapping[str, int], shares: Mapping[str, float]) -> float | None:
    """The chi-square test of the clients of each variant against the planned shares (any positive numbers).

    None when nobody was assigned or there is a single variant. Raises ValueError when a variant was not planned.
    Source: Fabijan et al. (2019), KDD.
    """
    unplanned = sorted(set(clients) - set(shares))
    if unplanned:
        raise ValueError(f"no share is planned for {', '.join(unplanned)}")
    counts = [clients.get(variant, 0) for variant in shares]
    if not sum(counts) or len(counts) < 2:
        return None
    from scipy.stats import chisquare

    scale = sum(counts) / sum(shares.values())
    return float(chisquare(counts, [share * scale for share in shares.values()]).pvalue)
