"""Each customer's value as of each day: RFM, the chance to be still one, and what is expected of it.

Contract, transform and checks. The model comes from customer_value_model, the formulas from methods/clv/.
"""

from __future__ import annotations

from itertools import pairwise

import pandera.polars as pa
import polars as pl

from puffy_platform.methods.clv.bg_nbd import BgNbd
from puffy_platform.methods.clv.gamma_gamma import GammaGamma
from puffy_platform.methods.clv.lifetime import STATUSES, Lifetime, expect
from puffy_platform.methods.clv.rfm import SCORES, rfm_of, with_scores
from puffy_platform.settings import Settings
from puffy_platform.table import Check, DayRange, Inputs, Reads, Table, count_broken
from puffy_platform.tables.churn_features.checks import measure_every_buyer, measure_monetary
from puffy_platform.tables.customer_value_model import counted_orders

__all__ = ["HORIZONS", "TABLE"]

HORIZONS = (90, 180, 365)


class CustomerValueContract(pa.DataFrameModel):
    """One row per customer with a counted order and as-of day. A purchase is a day with orders."""

    day: pl.Date = pa.Field(description="As-of day; nothing after its end is used.")
    customer_id: str = pa.Field(description="The customer: the hashed email.", metadata={"tags": ("pii", "identity")})
    first_purchase_day: pl.Date = pa.Field(description="UTC date of the first purchase.")
    frequency: pl.Int64 = pa.Field(ge=0, description="Purchases after the first.")
    recency_days: pl.Int64 = pa.Field(ge=0, description="Days from the first purchase to the last; 0 for one purchase.")
    age_days: pl.Int64 = pa.Field(ge=0, description="Days from the first purchase to the as-of day (T).")
    monetary_cents: pl.Int64 = pa.Field(
        nullable=True, description="Mean of the purchases after the first, minor units; null without any."
    )
    total_cents: pl.Int64 = pa.Field(description="Revenue of all purchases, minor units.")
    recency_score: pl.Int64 = pa.Field(ge=1, le=SCORES, description="Fifth of the day's customers; 5 bought latest.")
    frequency_score: pl.Int64 = pa.Field(ge=1, le=SCORES, description="Fifth of the customers; 5 bought most often.")
    monetary_score: pl.Int64 = pa.Field(ge=1, le=SCORES, description="Fifth of the customers; 5 brought most.")
    status: str = pa.Field(isin=STATUSES, description="Of the model; customer_value_model says why.")
    p_alive: pl.Float64 = pa.Field(ge=0, le=1, nullable=True, description="Chance that the customer will buy again.")
    expected_purchases_90d: pl.Float64 = pa.Field(ge=0, nullable=True, description="Purchases expected in 90 days.")
    expected_purchases_180d: pl.Float64 = pa.Field(ge=0, nullable=True, description="Purchases expected in 180 days.")
    expected_purchases_365d: pl.Float64 = pa.Field(ge=0, nullable=True, description="Purchases expected in 365 days.")
    expected_order_cents: pl.Int64 = pa.Field(nullable=True, description="Mean of a purchase to come, minor units.")
    expected_value_90d_cents: pl.Int64 = pa.Field(nullable=True, description="Revenue expected in 90 days.")
    expected_value_180d_cents: pl.Int64 = pa.Field(nullable=True, description="Revenue expected in 180 days.")
    expected_value_365d_cents: pl.Int64 = pa.Field(
        nullable=True, description="Revenue expected in 365 days; not discounted, and not profit."
    )

    class Config:
        strict = True


def transform(inputs: Inputs, days: DayRange, settings: Settings) -> pl.LazyFrame:
    """The customers as known on each day, and what the model in force on it expects of them."""
    known = with_scores(rfm_of(counted_orders(inputs), days.frame())).collect()
    models = inputs["customer_value_model"].filter(days.covers()).collect()
    customers = known.join(models.select("day", "fitted_on", "status"), on="day", maintain_order="left")
    parts = [TABLE.empty()]
    for (fitted_on,), own in customers.partition_by("fitted_on", as_dict=True).items():
        model = lifetime_of(models.filter(fitted_on=fitted_on).row(0, named=True))
        parts.append(_shaped(expect(model, own, HORIZONS)))
    return pl.concat(parts).lazy()


def lifetime_of(row: dict[str, object]) -> Lifetime:
    """The model that a row of customer_value_model holds."""

    def numbers(*names: str) -> list[float] | None:
        values = [row[name] for name in names]
        return [value for value in values if isinstance(value, float)] if None not in values else None

    purchases, value = numbers("r", "alpha_days", "a", "b"), numbers("p", "q", "v_cents")
    return Lifetime(
        status=row["status"],  # type: ignore[arg-type]
        why=str(row["why"]),
        customers=int(str(row["customers"])),
        repeat_customers=int(str(row["repeat_customers"])),
        purchases=BgNbd(*purchases) if purchases else None,
        value=GammaGamma(*value) if value else None,
    )


def _shaped(customers: pl.DataFrame) -> pl.DataFrame:
    cents = {"monetary_cents": "monetary", "expected_order_cents": "expected_order"} | {
        f"expected_value_{horizon}d_cents": f"expected_value_{horizon}" for horizon in HORIZONS
    }
    named = {"recency_days": "recency", "age_days": "T"} | {
        f"expected_purchases_{horizon}d": f"expected_purchases_{horizon}" for horizon in HORIZONS
    }
    return customers.with_columns(
        **{name: pl.col(column) for name, column in named.items()},
        **{name: pl.col(column).round().cast(pl.Int64) for name, column in cents.items()},
    ).select(list(TABLE.schema))


def totals_are_all_counted(frame: pl.DataFrame, inputs: Inputs, days: DayRange, settings: Settings) -> pl.DataFrame:
    """The customers' totals add up to the counted revenue to date."""
    return measure_monetary(frame.select("day", monetary_cents="total_cents"), inputs, days, settings)


def expectations_grow(frame: pl.DataFrame, inputs: Inputs, days: DayRange, settings: Settings) -> pl.DataFrame:
    """More purchases are expected in more days, and something is expected of everybody or of nobody."""
    columns = [f"expected_purchases_{horizon}d" for horizon in HORIZONS]
    grows = pl.all_horizontal(pl.col(less) <= pl.col(more) for less, more in pairwise(columns))
    is_known = pl.col("status").is_in(["ok", "no_value"])
    is_right = pl.when(is_known).then(grows.fill_null(False)).otherwise(pl.all_horizontal(pl.col(columns).is_null()))
    return count_broken(frame, ~is_right, "{} customers with other expectations", "none")


TABLE = Table(
    name="customer_value",
    description=(
        "One row per customer with a counted order and as-of day: recency, frequency, age and monetary value with "
        "scores, the chance to be still a customer, and purchases and revenue expected in 90, 180 and 365 days. "
        "Point-in-time; with too few repeat customers it says insufficient_repeat and expects nothing."
    ),
    owner="team:marketing",
    group="customers",
    contract=CustomerValueContract,
    key=("day", "customer_id"),
    reads=(
        Reads("conversions", history=True, columns=("day", "customer_id", "revenue_cents", "is_counted")),
        Reads("customer_value_model"),
    ),
    transform=transform,
    checks=(
        Check(
            "every_buyer_once", "The rows of a day are the customers with a counted order by then.", measure_every_buyer
        ),
        Check(
            "totals_are_all_counted",
            "The totals add up to the revenue of all counted orders with a known customer to date.",
            totals_are_all_counted,
        ),
        Check(
            "expectations_grow",
            "More purchases are expected in more days, of everybody or of nobody.",
            expectations_grow,
        ),
    ),
    sort=("customer_id",),
    lineage={
        "customer_id": (("conversions", "customer_id"),),
        "frequency": (("conversions", "customer_id"), ("conversions", "day")),
        "total_cents": (("conversions", "revenue_cents"),),
        "monetary_cents": (("conversions", "revenue_cents"),),
        "p_alive": (("customer_value_model", "r"), ("conversions", "day")),
        **{
            f"expected_value_{horizon}d_cents": (("customer_value_model", "r"), ("customer_value_model", "p"))
            for horizon in HORIZONS
        },
    },
)
