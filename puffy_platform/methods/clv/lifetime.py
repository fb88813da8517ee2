"""Customer lifetime value: both models together, how far they can be trusted, and what they expect of each customer.

Any frame of customers will do; the tables customer_value and customer_value_model are made with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl

from puffy_platform.methods.clv.bg_nbd import BgNbd, expected_purchases, fit_bg_nbd, p_alive
from puffy_platform.methods.clv.fitting import Fit, Floats, require
from puffy_platform.methods.clv.gamma_gamma import (
    GammaGamma,
    Independence,
    expected_order_value,
    fit_gamma_gamma,
    independence,
)

__all__ = ["MIN_REPEAT_CUSTOMERS", "STATUSES", "Lifetime", "Status", "expect", "fit_lifetime"]

Status = Literal["ok", "no_value", "not_converged", "insufficient_repeat"]
STATUSES = ("ok", "no_value", "not_converged", "insufficient_repeat")
# With fewer customers who have bought again, the errors of the four parameters are as large as the parameters.
MIN_REPEAT_CUSTOMERS = 50
NEGLIGIBLE = 1e-4


@dataclass(frozen=True)
class Lifetime:
    """What could be learned from some customers.

    status:

    - ok: both models converged; purchases and value can be expected;
    - no_value: only purchases can, for Gamma-Gamma did not converge or has no finite mean;
    - not_converged: the BG/NBD likelihood has no maximum; nothing can be expected;
    - insufficient_repeat: too few have bought again to fit anything.

    `why` says it in words, empty when ok. Models and fits are None when they were not tried; what did not converge is
    kept to be looked at.
    """

    status: Status
    why: str
    customers: int
    repeat_customers: int
    purchases: BgNbd | None = None
    purchases_fit: Fit | None = None
    value: GammaGamma | None = None
    value_fit: Fit | None = None
    independence: Independence | None = None


def fit_lifetime(customers: pl.DataFrame, min_repeat_customers: int = MIN_REPEAT_CUSTOMERS) -> Lifetime:
    """Fit both models to customers: a row each, with the columns

    - frequency: number of purchases after the first (not the number of all);
    - recency: time from the first purchase to the last, 0 for who bought once;
    - T: time from the first purchase to now; recency and T in any one unit, in which horizons are given too;
    - monetary: mean amount of the purchases after the first, in any unit; null, nan or 0 for who bought once.

    Other columns are ignored. Without `monetary` only purchases are modelled. Raises ValueError for impossible values.
    Sources: see bg_nbd.py and gamma_gamma.py.
    """
    require(customers, "frequency", "recency", "T")
    number = customers.height
    repeat = int((customers["frequency"] > 0).sum())
    if repeat < max(1, min_repeat_customers):
        why = f"{repeat} of {number} customers have bought again; at least {min_repeat_customers} are needed"
        return Lifetime("insufficient_repeat", why, number, repeat)
    purchases, purchases_fit = fit_bg_nbd(customers)
    if not purchases_fit.converged:
        return Lifetime("not_converged", _no_maximum(purchases), number, repeat, purchases, purchases_fit)
    paid = _paid(customers)
    if paid < max(1, min_repeat_customers):
        why = f"{paid} customers have paid for what they bought again; at least {min_repeat_customers} are needed"
        return Lifetime("no_value", why, number, repeat, purchases, purchases_fit)
    value, value_fit = fit_gamma_gamma(customers)
    related = independence(customers)
    status: Status = "ok"
    why = ""
    if not value_fit.converged:
        status, why = "no_value", "the likelihood of Gamma-Gamma has no maximum inside the bounds"
    elif value.q <= 1:
        status, why = "no_value", f"the mean order of all customers is infinite (q = {value.q:.2f}, not above 1)"
    return Lifetime(status, why, number, repeat, purchases, purchases_fit, value, value_fit, related)


def expect(lifetime: Lifetime, customers: pl.DataFrame, horizons: Sequence[float]) -> pl.DataFrame:
    """The customers with p_alive, expected_order (amount of a further purchase), and for each horizon
    expected_purchases_<horizon> and expected_value_<horizon> (their product, not discounted); null for what the status
    does not allow. Revenue, not profit.
    """
    history = customers.select(pl.col("frequency", "recency", "T").cast(pl.Float64))
    # Days are whole: of many customers few have a history that no other has.
    distinct = history.unique().sort(pl.all())
    known = distinct.with_columns(
        pl.Series(name, values, dtype=pl.Float64).fill_nan(None)
        for name, values in _purchases_of(lifetime, distinct, horizons).items()
    )
    order = np.full(customers.height, np.nan)
    if lifetime.status == "ok" and lifetime.value is not None:
        order = expected_order_value(lifetime.value, _floats(customers, "frequency"), _floats(customers, "monetary"))
    expected = history.join(known, on=history.columns, how="left", maintain_order="left").drop(history.columns)
    return (
        customers.hstack(expected)
        .with_columns(pl.Series("expected_order", order, dtype=pl.Float64).fill_nan(None))
        .with_columns(
            (pl.col(f"expected_purchases_{horizon:g}") * pl.col("expected_order")).alias(f"expected_value_{horizon:g}")
            for horizon in horizons
        )
    )


def _no_maximum(model: BgNbd) -> str:
    """Where the likelihood of BG/NBD still rises at the edge of what was searched, and what that says."""
    if model.a < NEGLIGIBLE * (model.a + model.b):
        return "nobody shows signs of having left (a near 0): the orders go back too short a time to tell"
    if model.a + model.b > 1 / NEGLIGIBLE:
        return "customers do not differ in how soon they leave (a and b without bound): BG/NBD has no maximum"
    return "the likelihood of BG/NBD has no maximum inside the bounds: purchases follow no pattern it knows"


def _purchases_of(lifetime: Lifetime, customers: pl.DataFrame, horizons: Sequence[float]) -> dict[str, Floats]:
    names = [f"expected_purchases_{horizon:g}" for horizon in horizons]
    if lifetime.status not in ("ok", "no_value") or lifetime.purchases is None:
        return dict.fromkeys(("p_alive", *names), np.full(customers.height, np.nan))
    model = lifetime.purchases
    history = [_floats(customers, name) for name in ("frequency", "recency", "T")]
    found = {"p_alive": p_alive(model, *history)}
    for name, horizon in zip(names, horizons, strict=True):
        found[name] = expected_purchases(model, horizon, *history)
    return found


def _paid(customers: pl.DataFrame) -> int:
    if "monetary" not in customers.columns:
        return 0
    return customers.filter((pl.col("frequency") > 0) & (pl.col("monetary").fill_nan(None) > 0)).height


def _floats(customers: pl.DataFrame, name: str) -> Floats:
    return customers[name].cast(pl.Float64).fill_null(0.0).fill_nan(0.0).to_numpy()
