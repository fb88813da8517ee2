"""Maximum likelihood over positive parameters: the best of several starts, its convergence and its standard errors.

Knows no model. The parameters are optimised as logarithms, so they cannot become negative.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

__all__ = ["Fit", "Floats", "maximise", "require"]

Floats = NDArray[np.float64]
# Log-likelihood and its gradient at some parameters.
Likelihood = Callable[[Floats], tuple[float, Floats]]
# Parameters beyond exp(+-this), in units of the data's own scale, are no estimates: the likelihood has no maximum.
FURTHEST = 12.0
# Relative to the number of customers: the largest slope per logarithm of a parameter at a maximum.
FLAT = 1e-6
STEP = 1e-4


def require(customers: pl.DataFrame, *columns: str) -> None:
    """Raise ValueError naming what is missing of the columns a model is fitted to."""
    if missing := [name for name in columns if name not in customers.columns]:
        raise ValueError(
            f"customers need the columns {', '.join(columns)}; {', '.join(missing)} missing, there are "
            f"{', '.join(customers.columns) or 'none'}"
        )


@dataclass(frozen=True)
class Fit:
    """The parameters at the maximum, their standard errors (nan where the curvature gives none), the log-likelihood,
    and whether it is a maximum: flat, curved downwards in every direction, neither at the edge of what was searched nor
    so shallow that the error of a parameter's logarithm is as wide as the search.
    """

    parameters: tuple[float, ...]
    standard_errors: tuple[float, ...]
    log_likelihood: float
    converged: bool


def maximise(likelihood: Likelihood, starts: Sequence[Sequence[float]], customers: int) -> Fit:
    """The maximum over positive parameters, searched from each of the starts until one converges."""
    import scipy.optimize  # noqa: F401
    from threadpoolctl import threadpool_limits

    fits: list[Fit] = []
    # Of so few parameters there is nothing to share out, and threads spin while they wait for more. Only libraries that
    # are loaded by now are limited, hence the import.
    with threadpool_limits(1, user_api="blas"):
        for start in starts:
            fits.append(_from(likelihood, np.log(np.asarray(start, dtype=np.float64)), customers))
            if fits[-1].converged:
                break
    return max(fits, key=lambda fit: (fit.converged, fit.log_likelihood))


def _from(likelihood: Likelihood, start: Floats, customers: int) -> Fit:
    from scipy.optimize import minimize

    def loss(logs: Floats) -> tuple[float, Floats]:
        parameters = np.exp(logs)
        value, gradient = likelihood(parameters)
        return -value / customers, -gradient * parameters / customers

    bounds = [(-FURTHEST, FURTHEST)] * len(start)
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"ftol": 1e-14, "gtol": 1e-9})
    logs = np.asarray(found.x, dtype=np.float64)
    logs = _polished(loss, logs)
    curvature = _curvature(loss, logs)
    value, slope = loss(logs)
    inside = bool(np.all(np.abs(logs) < FURTHEST - 0.01))
    is_maximum = bool(np.all(np.isfinite(curvature)) and np.linalg.eigvalsh(curvature).min() > 0)
    parameters = np.exp(logs)
    errors = np.full(len(logs), np.nan)
    if is_maximum:
        errors = np.sqrt(np.diag(np.linalg.inv(curvature)) / customers)
    converged = inside and bool(np.abs(slope).max() < FLAT) and bool((errors < FURTHEST).all())
    # The delta method: the error of exp(log p) is p times that of log p.
    errors = parameters * errors
    return Fit(tuple(parameters.tolist()), tuple(errors.tolist()), -value * customers, converged)


def _polished(loss: Callable[[Floats], tuple[float, Floats]], logs: Floats) -> Floats:
    """Some steps of Newton's, as long as they lead downwards: L-BFGS stops a little early in flat valleys."""
    value, slope = loss(logs)
    for _ in range(8):
        curvature = _curvature(loss, logs)
        if not np.all(np.isfinite(curvature)) or np.linalg.eigvalsh(curvature).min() <= 0:
            break
        tried = logs - np.linalg.solve(curvature, slope)
        if np.abs(tried).max() > FURTHEST:
            break
        new_value, new_slope = loss(tried)
        if not new_value <= value + 1e-15:
            break
        moved, logs, value, slope = np.abs(tried - logs).max(), tried, new_value, new_slope
        if moved < 1e-9:
            break
    return logs


def _curvature(loss: Callable[[Floats], tuple[float, Floats]], logs: Floats) -> Floats:
    """The Hessian, by central differences of the gradient."""
    rows = []
    for place in range(len(logs)):
        step = np.zeros(len(logs))
        step[place] = STEP
        rows.append((loss(logs + step)[1] - loss(logs - step)[1]) / (2 * STEP))
    hessian = np.array(rows)
    return np.asarray((hessian + hessian.T) / 2, dtype=np.float64)
