"""Numpy on fixed windows of days: the days before each day, medians of what is usable, safe division.

Every function works row by row along the last axis, so a row's result never depends on the rows beside it.
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import numpy.typing as npt

__all__ = ["Bools", "Floats", "before", "divided", "median", "shifted"]

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Scalar = TypeVar("Scalar", bound=np.generic)


def before(values: npt.NDArray[Scalar], days: int, fill: float | bool) -> npt.NDArray[Scalar]:
    """[..., T] -> [..., T, days]: the `days` days before each day, oldest first; `fill` before the first day."""
    padding = np.full((*values.shape[:-1], days), fill, dtype=values.dtype)
    padded = np.concatenate([padding, values], axis=-1)
    windows: npt.NDArray[Scalar] = np.lib.stride_tricks.sliding_window_view(padded, days, axis=-1)
    return windows[..., :-1, :]


def shifted(values: Floats, days: int) -> Floats:
    """Each day's value of `days` days ago; 0 before the first day."""
    padding = np.zeros((*values.shape[:-1], days))
    return np.concatenate([padding, values[..., : values.shape[-1] - days]], axis=-1)


def divided(dividend: npt.ArrayLike, divisor: npt.ArrayLike, otherwise: float = 0.0) -> Floats:
    """dividend / divisor where the divisor is positive, else `otherwise`."""
    dividend, divisor = np.broadcast_arrays(np.asarray(dividend, np.float64), np.asarray(divisor, np.float64))
    quotient: Floats = np.divide(dividend, divisor, out=np.full(dividend.shape, otherwise), where=divisor > 0)
    return quotient


def median(values: Floats, usable: Bools, otherwise: float | Floats = np.nan, axis: int = -1) -> Floats:
    """Median along the axis of the usable values; `otherwise` where there is none."""
    ordered = np.sort(np.where(usable, values, np.inf), axis=axis)
    count = usable.sum(axis=axis, keepdims=True)
    last = ordered.shape[axis] - 1
    lower = np.take_along_axis(ordered, np.maximum((count - 1) // 2, 0), axis)
    upper = np.take_along_axis(ordered, np.minimum(count // 2, last), axis)
    found = np.squeeze(count, axis) > 0
    middle = np.squeeze(np.where(count > 0, lower, 0.0) + np.where(count > 0, upper, 0.0), axis) / 2
    return np.where(found, middle, otherwise)
