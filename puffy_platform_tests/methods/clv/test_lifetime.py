"""Both models together: what is said when, what is expected of whom, RFM from orders, and the holdout."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from puffy_platform.methods.clv.bg_nbd import expected_purchases, fit_bg_nbd, p_alive
from puffy_platform.methods.clv.gamma_gamma import expected_order_value
from puffy_platform.methods.clv.holdout import calibrate
from puffy_platform.methods.clv.lifetime import Lifetime, expect, fit_lifetime
from puffy_platform.methods.clv.rfm import rfm_of, with_scores
from puffy_platform_tests.methods.clv.shoppers import CDNOW, CDNOW_SPEND, histories, shoppers

DAY = dt.date(2025, 1, 27)
ORDERS = {"day": pl.Date, "customer_id": pl.String, "revenue_cents": pl.Int64}


def day(number: int) -> dt.date:
    return DAY + dt.timedelta(days=number)


def test_each_customer_gets_what_the_formulas_say() -> None:
    customers = shoppers(CDNOW, CDNOW_SPEND, 2_000, 39, seed=9)
    found = fit_lifetime(customers)
    assert (found.status, found.why, found.customers) == ("ok", "", 2_000)
    assert found.purchases is not None
    assert found.value is not None
    rows = expect(found, customers, (13, 26))
    x, tx, age, m = (rows[name].cast(pl.Float64).to_numpy() for name in ("frequency", "recency", "T", "monetary"))
    assert rows["p_alive"].to_numpy() == pytest.approx(p_alive(found.purchases, x, tx, age))
    assert rows["expected_order"].to_numpy() == pytest.approx(expected_order_value(found.value, x, m))
    for horizon in (13, 26):
        count = expected_purchases(found.purchases, horizon, x, tx, age)
        assert rows[f"expected_purchases_{horizon}"].to_numpy() == pytest.approx(count)
        assert rows[f"expected_value_{horizon}"].to_numpy() == pytest.approx(count * rows["expected_order"].to_numpy())
    assert (rows["expected_purchases_13"] <= rows["expected_purchases_26"]).all()


def test_below_the_minimum_nothing_is_invented() -> None:
    customers = shoppers(CDNOW, CDNOW_SPEND, 60, 39, seed=9)
    repeat = customers.filter(pl.col("frequency") > 0).height
    found = fit_lifetime(customers)
    assert found.status == "insufficient_repeat"
    assert found.why == f"{repeat} of 60 customers have bought again; at least 50 are needed"
    rows = expect(found, customers, (90,))
    assert (
        rows.select("p_alive", "expected_order", "expected_purchases_90", "expected_value_90").null_count().row(0)
        == (60,) * 4
    )
    assert fit_lifetime(customers.head(0)).status == "insufficient_repeat"


def test_without_amounts_purchases_are_still_expected() -> None:
    customers = shoppers(CDNOW, CDNOW_SPEND, 1_000, 39, seed=9).drop("monetary")
    found = fit_lifetime(customers)
    assert (found.status, found.value) == ("no_value", None)
    rows = expect(found, customers, (90,))
    assert rows["expected_purchases_90"].null_count() == 0
    assert rows["expected_value_90"].null_count() == 1_000


def test_what_has_no_maximum_is_said_so() -> None:
    steady = pl.DataFrame({"frequency": [10] * 99, "recency": [10.0] * 99, "T": [10.0] * 99, "monetary": [5.0] * 99})
    found = fit_lifetime(steady)
    assert found.status == "not_converged"
    assert found.why.startswith("nobody shows signs of having left")
    assert expect(found, steady, (90,))["expected_purchases_90"].null_count() == 99


def test_a_maximum_too_shallow_to_be_an_estimate_is_said_so() -> None:
    """Short histories of customers who never leave: the likelihood is all but flat along a and b."""
    random = np.random.default_rng(10)
    age = random.integers(0, 25, 1_500)
    frequency = random.poisson(random.gamma(1.0, 1 / 300, 1_500) * age)
    recency = np.where(frequency > 0, np.ceil(age * random.beta(np.maximum(frequency, 1), 1)), 0.0)
    found = fit_lifetime(pl.DataFrame({"frequency": frequency, "recency": recency, "T": age.astype(np.float64)}))
    assert found.repeat_customers > 50
    assert (found.status, found.why[:44]) == ("not_converged", "nobody shows signs of having left (a near 0)")


def test_missing_amounts_are_those_of_who_bought_once() -> None:
    customers = shoppers(CDNOW, CDNOW_SPEND, 1_000, 39, seed=9)
    empty = customers.with_columns(monetary=pl.when(pl.col("frequency") > 0).then("monetary"))
    assert (
        expect(fit_lifetime(customers), customers, (90,))
        .drop("monetary")
        .equals(expect(fit_lifetime(empty), empty, (90,)).drop("monetary"))
    )


# From orders to customers.


def test_purchases_are_days_and_the_first_is_not_counted() -> None:
    """Ann buys on days 0 (twice), 10 and 30; Ben on day 20."""
    orders = pl.LazyFrame(
        [
            (day(0), "ann", 10_000),
            (day(0), "ann", 5_000),
            (day(10), "ann", 3_000),
            (day(30), "ann", 4_000),
            (day(20), "ben", 9_000),
        ],
        schema=ORDERS,
        orient="row",
    )
    as_of = pl.LazyFrame({"day": [day(0), day(25), day(30)]})
    found = rfm_of(orders, as_of).sort("day", "customer_id").collect()
    assert found.drop("first_purchase_day").rows() == [
        (day(0), "ann", 0, 0, 0, None, 15_000),
        (day(25), "ann", 1, 10, 25, 3_000.0, 18_000),
        (day(25), "ben", 0, 0, 5, None, 9_000),
        (day(30), "ann", 2, 30, 30, 3_500.0, 22_000),
        (day(30), "ben", 0, 0, 10, None, 9_000),
    ]
    assert found["first_purchase_day"].to_list() == [day(0), day(0), day(20), day(0), day(20)]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 12), st.sampled_from("abc"), st.integers(-5, 5_000)), max_size=12))
def test_customers_are_those_of_a_loop_over_orders(rows: list[tuple[int, str, int]]) -> None:
    orders = pl.LazyFrame([(day(number), *rest) for number, *rest in rows], schema=ORDERS, orient="row")
    as_of = pl.LazyFrame({"day": [day(number) for number in range(14)]}, schema={"day": pl.Date})
    expected = []
    for number in range(14):
        by_customer: dict[str, dict[int, int]] = defaultdict(lambda: defaultdict(int))
        for when, name, cents in rows:
            if when <= number:
                by_customer[name][when] += cents
        for name, days in sorted(by_customer.items()):
            first, last = min(days), max(days)
            further = [cents for when, cents in days.items() if when > first]
            mean = sum(further) / len(further) if further else None
            expected.append((day(number), name, len(further), last - first, number - first, mean, sum(days.values())))
    found = rfm_of(orders, as_of).sort("day", "customer_id").drop("first_purchase_day").collect()
    assert found.rows() == expected


def test_scores_are_fifths_and_equals_are_equal() -> None:
    customers = pl.LazyFrame(
        {
            "day": [DAY] * 10,
            "recency": [0] * 10,
            "T": [9, 8, 7, 6, 5, 4, 3, 2, 1, 0],
            "frequency": [0] * 8 + [1, 2],
            "total_cents": [1, 1, 3, 4, 5, 6, 7, 8, 9, 10],
        }
    )
    found = with_scores(customers).collect()
    assert found["recency_score"].to_list() == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
    assert found["frequency_score"].to_list() == [1] * 8 + [5, 5]
    assert found["monetary_score"].to_list() == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5]


# The holdout.


def test_a_model_of_the_weeks_before_meets_the_weeks_after() -> None:
    """Simulated customers are cut at week 39, and the next 39 weeks are what the model must meet."""
    rows = []
    for times in histories(CDNOW, 6_000, 78, seed=11, first_until=13):
        known = [when for when in times if when <= 39]
        rows.append((len(known) - 1, known[-1] - known[0], 39 - known[0], len(times) - len(known)))
    customers = pl.DataFrame(rows, schema=["frequency", "recency", "T", "bought"], orient="row")
    model, fit = fit_bg_nbd(customers)
    assert fit.converged
    tried = calibrate(model, customers, 39)
    assert tried.expected == pytest.approx(tried.actual, rel=0.1)
    assert tried.error < tried.rate_error
    assert tried.groups["group"].to_list() == ["0", "1", "2", "3+"]
    assert tried.groups["customers"].sum() == tried.customers == 6_000
    assert tried.groups["actual"].sum() == tried.actual
    for group in tried.groups.iter_rows(named=True):
        assert group["expected"] == pytest.approx(group["actual"], rel=0.3, abs=25)


def test_the_baseline_goes_on_at_its_own_rate() -> None:
    """Two purchases in 20 days, and ten more days: one. It made three: wrong by two; the other was right with none."""
    customers = pl.DataFrame({"frequency": [2, 0], "recency": [15, 0], "T": [20, 4], "bought": [3, 0]})
    tried = calibrate(CDNOW, customers, 10)
    assert tried.rate_error == pytest.approx(1.0)
    expected = expected_purchases(CDNOW, 10, *(np.array(values, dtype=float) for values in ([2, 0], [15, 0], [20, 4])))
    assert tried.error == pytest.approx((abs(expected[0] - 3) + expected[1]) / 2)


def test_the_example_of_the_documentation() -> None:
    """The paper's customer under the paper's parameters."""
    found = Lifetime("ok", "", 2_357, 946, purchases=CDNOW, value=CDNOW_SPEND)
    customers = pl.DataFrame(
        {"frequency": [2, 0], "recency": [30.43, 0.0], "T": [38.86, 38.86], "monetary": [22.35, 0.0]}
    )
    rows = expect(found, customers, (39,))
    assert rows["p_alive"].to_list() == pytest.approx([0.727, 1.0], abs=5e-4)
    assert rows["expected_purchases_39"][0] == pytest.approx(1.226, abs=5e-4)
    assert rows["expected_order"].to_list() == pytest.approx([24.66, 35.22], abs=5e-3)
    assert rows["expected_value_39"][0] == pytest.approx(30.23, abs=0.02)
