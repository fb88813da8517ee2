"""Simulated customers who are exactly what the models take customers for; their parameters are known."""

from __future__ import annotations

import numpy as np
import polars as pl

from puffy_platform.methods.clv.bg_nbd import BgNbd
from puffy_platform.methods.clv.gamma_gamma import GammaGamma

__all__ = ["CDNOW", "CDNOW_SPEND", "histories", "shoppers"]

# Weeks; Fader, Hardie and Lee (2005), table 2. Dollars; Fader and Hardie (2013), section 4.
CDNOW = BgNbd(0.243, 4.414, 0.793, 2.426)
CDNOW_SPEND = GammaGamma(6.25, 3.74, 15.44)


def histories(model: BgNbd, customers: int, until: float, seed: int, first_until: float = 0.0) -> list[list[float]]:
    """Times of purchases of each customer after its first one, which is somewhere in 0..first_until."""
    random = np.random.default_rng(seed)
    found = []
    for _ in range(customers):
        rate, drop = random.gamma(model.r, 1 / model.alpha), random.beta(model.a, model.b)
        times = [random.uniform(0, first_until)]
        while True:
            if len(times) > 1 and random.random() < drop:
                break
            following = times[-1] + random.exponential(1 / max(rate, 1e-12))
            if following > until:
                break
            times.append(following)
        found.append(times)
    return found


def shoppers(model: BgNbd, spend: GammaGamma, customers: int, until: float, seed: int) -> pl.DataFrame:
    """frequency, recency, T and monetary; every customer buys first at some time in the first third."""
    random = np.random.default_rng(seed + 1)
    rows = []
    for times in histories(model, customers, until, seed, until / 3):
        count = len(times) - 1
        rate = random.gamma(spend.q, 1 / spend.v)
        amounts = random.gamma(spend.p, 1 / rate, size=count)
        monetary = float(amounts.mean()) if count else 0.0
        rows.append((count, times[-1] - times[0], until - times[0], monetary))
    return pl.DataFrame(rows, schema=["frequency", "recency", "T", "monetary"], orient="row")
