"""Drift: how far the customers of a day are from those a model was trained on, feature by feature.

The population stability index (PSI) over tenths of the training customers; from frames to numbers, knows no model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

from puffy_platform.methods.churn.customers import FEATURES, matrix
from puffy_platform.methods.churn.measures import Floats

__all__ = ["drift", "psi", "reference"]

TENTHS = np.arange(1, 10) / 10


def reference(customers: pl.DataFrame) -> list[dict[str, object]]:
    """By feature its borders in the training customers and how many are up to each (the last: beyond all).

    `up_to` are the distinct tenths, as models see the feature; a value at a border is below it.
    """
    numbers = matrix(customers)
    found: list[dict[str, object]] = []
    for place, name in enumerate(FEATURES):
        borders = np.unique(np.quantile(numbers[:, place], TENTHS, method="inverted_cdf"))
        found.append(
            {"feature": name, "up_to": borders.tolist(), "customers": _counts(numbers[:, place], borders).tolist()}
        )
    return found


def drift(references: Sequence[Mapping[str, object]], customers: pl.DataFrame) -> dict[str, float]:
    """The PSI of every feature of these customers against the `reference` of a model."""
    numbers = matrix(customers)
    found = {}
    for place, name in enumerate(FEATURES):
        known = next(each for each in references if each["feature"] == name)
        borders = np.asarray(known["up_to"], dtype=np.float64)
        now = _counts(numbers[:, place], borders)
        found[name] = psi(np.asarray(known["customers"], dtype=np.float64), now.astype(np.float64))
    return found


def psi(then: Floats, now: Floats) -> float:
    """Population stability index of two groupings, given by how many are in each group: sum of (q - p) ln(q / p).

    0 for equal shares; by the usual rule of thumb 0.1 is little and above 0.25 is much. So that an empty group does not
    make it infinite every group counts half a customer more. Source: Siddiqi (2006), Credit Risk Scorecards, ch. 10.
    """
    p = (then + 0.5) / (then + 0.5).sum()
    q = (now + 0.5) / (now + 0.5).sum()
    return float(np.sum((q - p) * np.log(q / p)))


def _counts(values: Floats, borders: Floats) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.bincount(np.searchsorted(borders, values), minlength=len(borders) + 1).astype(np.int64)
