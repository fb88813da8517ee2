"""The lifetime value model in force on each day: parameters with their errors, how it did on a holdout, or why not.

Contract, transform and checks. The models are in methods/clv/; what they expect of each customer is customer_value.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

import pandera.polars as pa
import polars as pl

from puffy_platform.methods.clv.bg_nbd import fit_bg_nbd
from puffy_platform.methods.clv.holdout import Holdout, calibrate
from puffy_platform.methods.clv.lifetime import STATUSES, Lifetime, fit_lifetime
from puffy_platform.methods.clv.rfm import rfm_of
from puffy_platform.settings import Settings
from puffy_platform.table import Check, DayRange, Inputs, Reads, Table

__all__ = ["TABLE", "counted_orders"]

# Expected purchases in the holdout below which their number says nothing.
FEWEST_EXPECTED = 10.0
GROUP = pl.Struct({"group": pl.String, "customers": pl.Int64, "expected": pl.Float64, "actual": pl.Int64})


def _parameter(text: str, **more: Any) -> Any:
    return pa.Field(nullable=True, description=text, **more)


class CustomerValueModelContract(pa.DataFrameModel):
    """One row a day."""

    day: pl.Date = pa.Field(description="UTC date on which the model is in force.")
    fitted_on: pl.Date = pa.Field(description="The last day whose orders it was fitted to.")
    status: str = pa.Field(
        isin=STATUSES,
        description="ok; no_value: only purchases are expected; not_converged and insufficient_repeat: nothing is.",
    )
    why: str = pa.Field(description="The reason in words; empty when ok.")
    customers: pl.Int64 = pa.Field(ge=0, description="Customers with a counted order by then.")
    repeat_customers: pl.Int64 = pa.Field(ge=0, description="Of these, who bought on two days or more.")
    r: pl.Float64 = _parameter("Shape of the purchase rates (BG/NBD).")
    r_error: pl.Float64 = _parameter("Standard error of r.")
    alpha_days: pl.Float64 = _parameter("Scale of the purchase rates: a customer alive buys r / alpha times a day.")
    alpha_days_error: pl.Float64 = _parameter("Standard error of alpha.")
    a: pl.Float64 = _parameter("After a purchase a customer is gone with the mean chance a / (a + b).")
    a_error: pl.Float64 = _parameter("Standard error of a.")
    b: pl.Float64 = _parameter("See a.")
    b_error: pl.Float64 = _parameter("Standard error of b.")
    log_likelihood: pl.Float64 = _parameter("Of BG/NBD at its maximum, in days.")
    p: pl.Float64 = _parameter("Shape of a customer's orders around its mean (Gamma-Gamma).")
    p_error: pl.Float64 = _parameter("Standard error of p.")
    q: pl.Float64 = _parameter("Shape of the customers' rates.")
    q_error: pl.Float64 = _parameter("Standard error of q.")
    v_cents: pl.Float64 = _parameter("Their scale, minor units: the mean order is p v / (q - 1).")
    v_cents_error: pl.Float64 = _parameter("Standard error of v.")
    correlation: pl.Float64 = _parameter("Of frequency and monetary value; Gamma-Gamma takes it to be 0.")
    correlation_low: pl.Float64 = _parameter("Lower end of its 95 % interval.")
    correlation_high: pl.Float64 = _parameter("Upper end of it.")
    holdout_days: pl.Int64 = _parameter("Last days before the fit on which a model of the days before was tried.")
    holdout_customers: pl.Int64 = _parameter("Customers there were before these days.")
    holdout_expected: pl.Float64 = _parameter("Purchases that model expected of them.")
    holdout_actual: pl.Int64 = _parameter("Purchases they made.")
    holdout_error: pl.Float64 = _parameter("Mean absolute error of it a customer.")
    holdout_rate_error: pl.Float64 = _parameter("The same if everybody had gone on at its own rate: the baseline.")
    holdout_groups: pl.List(GROUP) = _parameter(  # type: ignore[valid-type]
        "Customers, expected and actual by purchases after the first until then."
    )

    class Config:
        strict = True


def counted_orders(inputs: Inputs) -> pl.LazyFrame:
    """The conversions that count and whose customer is known."""
    return (
        inputs["conversions"]
        .filter(pl.col("is_counted") & pl.col("customer_id").is_not_null())
        .select("day", "customer_id", "revenue_cents")
    )


def transform(inputs: Inputs, days: DayRange, settings: Settings) -> pl.LazyFrame:
    """Fit once for every fit day, to the customers as they were known then; each day has the model of its last one."""
    chosen = settings.clv
    in_force = {day: day - dt.timedelta(days=day.toordinal() % chosen.fit_every_days) for day in days}
    fit_days = sorted(set(in_force.values()))
    before = {day: day - dt.timedelta(days=chosen.holdout_days) for day in fit_days}
    as_of = pl.LazyFrame({"day": sorted({*fit_days, *before.values()})}, schema={"day": pl.Date})
    known = rfm_of(counted_orders(inputs), as_of).collect()
    by_day = {day: rows for (day,), rows in known.partition_by("day", as_dict=True).items()}
    nobody = known.clear()
    fitted = [_row(day, by_day.get(day, nobody), by_day.get(before[day], nobody), settings) for day in fit_days]
    schema = {name: dtype for name, dtype in TABLE.schema.items() if name != "day"}
    models = pl.LazyFrame(fitted, schema=schema)
    forced = pl.LazyFrame(
        {"day": list(in_force), "fitted_on": list(in_force.values())}, schema={"day": pl.Date, "fitted_on": pl.Date}
    )
    return forced.join(models, on="fitted_on")


def _row(day: dt.date, customers: pl.DataFrame, earlier: pl.DataFrame, settings: Settings) -> dict[str, Any]:
    found = fit_lifetime(customers, settings.clv.min_repeat_customers)
    row: dict[str, Any] = {
        "fitted_on": day,
        "status": found.status,
        "why": found.why,
        "customers": found.customers,
        "repeat_customers": found.repeat_customers,
    }
    for fit, names in ((found.purchases_fit, ("r", "alpha_days", "a", "b")), (found.value_fit, ("p", "q", "v_cents"))):
        if fit is not None:
            row |= dict(zip(names, fit.parameters, strict=True))
            errors = (f"{name}_error" for name in names)
            row |= {
                name: error if error == error else None for name, error in zip(errors, fit.standard_errors, strict=True)
            }
    if found.purchases_fit is not None:
        row["log_likelihood"] = found.purchases_fit.log_likelihood
    if found.independence is not None:
        related = found.independence
        row |= {"correlation": related.correlation, "correlation_low": related.low, "correlation_high": related.high}
    return row | _tried(found, customers, earlier, settings)


def _tried(found: Lifetime, customers: pl.DataFrame, earlier: pl.DataFrame, settings: Settings) -> dict[str, Any]:
    """What a model of the earlier customers expected of the days since; nothing when there were too few of them."""
    if found.status == "insufficient_repeat" or (earlier["frequency"] > 0).sum() < settings.clv.min_repeat_customers:
        return {}
    model, fit = fit_bg_nbd(earlier)
    if not fit.converged:
        return {}
    since = earlier.join(customers.select("customer_id", now="frequency"), on="customer_id", how="left")
    tried: Holdout = calibrate(
        model, since.with_columns(bought=pl.col("now") - pl.col("frequency")), settings.clv.holdout_days
    )
    return {
        "holdout_days": tried.days,
        "holdout_customers": tried.customers,
        "holdout_expected": tried.expected,
        "holdout_actual": tried.actual,
        "holdout_error": tried.error,
        "holdout_rate_error": tried.rate_error,
        "holdout_groups": tried.groups.to_dicts(),
    }


def everybody_is_in(frame: pl.DataFrame, inputs: Inputs, days: DayRange, settings: Settings) -> pl.DataFrame:
    """The model was fitted to all customers with a counted order up to its fit day."""
    firsts = counted_orders(inputs).group_by("customer_id").agg(fitted_on=pl.col("day").min())
    to_date = firsts.group_by("fitted_on").len().sort("fitted_on")
    return (
        frame.lazy()
        .sort("fitted_on")
        .join_asof(to_date.select("fitted_on", expected=pl.col("len").cast(pl.Int64).cum_sum()), on="fitted_on")
        .with_columns(pl.col("expected").fill_null(0))
        .select(
            "day",
            passed=pl.col("customers") == pl.col("expected"),
            observed=pl.format("{} customers", "customers"),
            expected=pl.format("{} customers with a counted order", "expected"),
        )
        .collect()
    )


def has_a_maximum(frame: pl.DataFrame, inputs: Inputs, days: DayRange, settings: Settings) -> pl.DataFrame:
    """Where there were enough customers, both models converged."""
    return frame.select(
        "day",
        passed=pl.when(pl.col("status") != "insufficient_repeat").then(pl.col("status") == "ok"),
        observed=pl.concat_str("status", pl.lit(": "), "why").str.strip_chars_end(": "),
        expected=pl.lit("ok"),
    )


def holdout_is_met(frame: pl.DataFrame, inputs: Inputs, days: DayRange, settings: Settings) -> pl.DataFrame:
    """In the holdout customers made between half and twice the purchases expected; of few nothing is said."""
    ratio = pl.col("holdout_actual") / pl.col("holdout_expected")
    return frame.select(
        "day",
        passed=pl.when(pl.col("holdout_expected") >= FEWEST_EXPECTED).then(ratio.is_between(0.5, 2.0)),
        observed=pl.format("{} purchases", "holdout_actual").fill_null("no holdout"),
        expected=pl.format("about {}", pl.col("holdout_expected").round(1)).fill_null("a holdout"),
    )


def value_is_independent(frame: pl.DataFrame, inputs: Inputs, days: DayRange, settings: Settings) -> pl.DataFrame:
    """Frequency and monetary value are not clearly correlated by more than 0.1: Gamma-Gamma takes that for granted."""
    return frame.select(
        "day",
        passed=(pl.col("correlation_low") <= 0.1) & (pl.col("correlation_high") >= -0.1),
        observed=pl.format("correlation {}", pl.col("correlation").round(3)).fill_null("not enough data"),
        expected=pl.lit("an interval that reaches into -0.1 to 0.1"),
    )


TABLE = Table(
    name="customer_value_model",
    description=(
        "The model of customer lifetime value in force on each day (BG/NBD and Gamma-Gamma): parameters with their "
        "standard errors, correlation of frequency and value, and how it did on a holdout; or why there is none."
    ),
    owner="team:marketing",
    group="customers",
    contract=CustomerValueModelContract,
    key=("day",),
    reads=(Reads("conversions", history=True, columns=("day", "customer_id", "revenue_cents", "is_counted")),),
    transform=transform,
    settings_sections=("clv",),
    version=2,
    checks=(
        Check(
            "everybody_is_in", "It was fitted to all customers with a counted order by its fit day.", everybody_is_in
        ),
        Check("has_a_maximum", "Where there are enough customers, both models converged.", has_a_maximum, "warn"),
        Check(
            "holdout_is_met",
            "In the holdout customers made between half and twice the purchases expected.",
            holdout_is_met,
            "warn",
        ),
        Check(
            "value_is_independent",
            "How much customers spend is not clearly correlated with how often they buy.",
            value_is_independent,
            "warn",
        ),
    ),
    lineage={
        "repeat_customers": (("conversions", "customer_id"),),
        "r": (("conversions", "customer_id"), ("conversions", "day")),
        "p": (("conversions", "customer_id"), ("conversions", "revenue_cents")),
    },
)
