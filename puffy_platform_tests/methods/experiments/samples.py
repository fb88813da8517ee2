"""Moments of clients given one by one, for tests."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from puffy_platform.methods.experiments.moments import Moments

__all__ = ["moments_of", "share_of"]


def moments_of(y: ArrayLike, d: ArrayLike | None = None, x: ArrayLike | None = None) -> Moments:
    """A client a place; d is 1 and x 0 unless given."""
    y = np.asarray(y, dtype=float)
    d = np.ones_like(y) if d is None else np.asarray(d, dtype=float)
    x = np.zeros_like(y) if x is None else np.asarray(x, dtype=float)
    products = (y, d, x, y * y, d * d, x * x, y * d, y * x, d * x)
    return Moments(len(y), *(float(values.sum()) for values in products))


def share_of(successes: int, clients: int) -> Moments:
    return Moments(clients, successes, clients, 0, successes, clients, 0, successes)
