"""customer_value and its model: point-in-time, in any chunking, and nothing where there is too little."""

from __future__ import annotations

from functools import cache

import numpy as np
import polars as pl
import pytest

from puffy_platform.methods.clv.bg_nbd import BgNbd
from puffy_platform.methods.clv.gamma_gamma import GammaGamma
from puffy_platform.methods.clv.lifetime import expect, fit_lifetime
from puffy_platform.methods.clv.rfm import rfm_of
from puffy_platform.settings import Settings
from puffy_platform.table import DayRange
from puffy_platform.tables import TABLES
from puffy_platform_tests.methods.clv.shoppers import histories
from puffy_platform_tests.tables.customer_history import conversions, day, days
from puffy_platform_tests.windows import assert_chunking_does_not_matter, compute, outcomes, settings_with

MODEL, VALUE = TABLES["customer_value_model"], TABLES["customer_value"]
SETTINGS = settings_with(clv={"min_repeat_customers": 40, "holdout_days": 60})
# Buyers of something one needs again: rates around once in three weeks.
BUYERS, SPEND = BgNbd(1.2, 40.0, 0.8, 2.5), GammaGamma(4.0, 4.0, 15_000.0)
LAST = 180


@cache
def shop() -> pl.DataFrame:
    """Conversions of 300 customers over 181 days; and some that do not count or have no known customer."""
    random = np.random.default_rng(1)
    rows: list[tuple[int, str | None, str | None, int, bool]] = []
    for number, times in enumerate(histories(BUYERS, 300, LAST, seed=5, first_until=120)):
        rate = random.gamma(SPEND.q, 1 / SPEND.v)
        rows += [(int(when), None, f"c{number}", round(random.gamma(SPEND.p, 1 / rate)), True) for when in times]
    rows += [(50, None, "c1", 99_999, False), (51, None, None, 77_777, True)]
    return conversions(*sorted(rows, key=str))


def models(chosen: Settings, span: DayRange) -> pl.DataFrame:
    return compute(MODEL, {"conversions": shop()}, span, chosen)


def test_the_model_is_fitted_on_sundays_to_what_was_known_and_is_in_force_for_a_week() -> None:
    """Day 0 is a Monday, so days 6, 13, ... 174 are Sundays."""
    rows = models(SETTINGS, days(174, 180))
    assert rows["fitted_on"].unique().to_list() == [day(174)]
    assert rows.drop("day").unique(maintain_order=True).height == 1
    row = rows.row(0, named=True)
    assert row["status"] == "ok"
    known = rfm_of(
        shop().lazy().filter(pl.col("is_counted") & pl.col("customer_id").is_not_null()),
        pl.LazyFrame({"day": [day(174)]}),
    ).collect()
    found = fit_lifetime(known, 40)
    assert found.purchases_fit is not None
    assert (row["r"], row["alpha_days"], row["a"], row["b"]) == pytest.approx(found.purchases_fit.parameters)
    assert (row["r_error"], row["b_error"]) == pytest.approx(
        (found.purchases_fit.standard_errors[0], found.purchases_fit.standard_errors[3])
    )
    assert row["customers"] == known.height
    assert row["holdout_days"] == 60
    assert sum(group["actual"] for group in row["holdout_groups"]) == row["holdout_actual"]
    # What happens later changes nothing.
    earlier = {"conversions": shop().filter(pl.col("day") <= day(180))}
    assert compute(MODEL, earlier, days(174, 180), SETTINGS).equals(rows)


def test_before_there_is_enough_it_says_so_and_expects_nothing() -> None:
    first = models(SETTINGS, days(6, 6)).row(0, named=True)
    assert first["status"] == "insufficient_repeat"
    assert first["why"].endswith("customers have bought again; at least 40 are needed")
    assert (first["r"], first["holdout_days"]) == (None, None)
    frames = {"conversions": shop(), "customer_value_model": models(SETTINGS, days(6, 6))}
    rows = compute(VALUE, frames, days(6, 6), SETTINGS)
    assert rows.height > 0
    assert rows["status"].unique().to_list() == ["insufficient_repeat"]
    empty = [name for name in rows.columns if name.startswith("expected") or name == "p_alive"]
    assert rows.select(pl.col(empty).count()).row(0) == (0,) * len(empty)
    nobody = compute(MODEL, {"conversions": shop().clear()}, days(0, 1), SETTINGS)
    assert nobody["why"].to_list() == ["0 of 0 customers have bought again; at least 40 are needed"] * 2


def test_each_customer_has_what_the_model_of_the_day_expects() -> None:
    frames = {"conversions": shop(), "customer_value_model": models(SETTINGS, days(173, 176))}
    rows = assert_chunking_does_not_matter(VALUE, frames, days(173, 176), SETTINGS)
    own = rows.filter(day=day(176))
    model = frames["customer_value_model"].filter(day=day(176)).row(0, named=True)
    assert model["fitted_on"] == day(174)
    customers = own.select(
        "customer_id",
        "frequency",
        recency="recency_days",
        T="age_days",
        monetary=pl.col("monetary_cents").cast(pl.Float64),
    )
    known = rfm_of(
        shop().lazy().filter(pl.col("is_counted") & pl.col("customer_id").is_not_null()),
        pl.LazyFrame({"day": [day(174)]}),
    ).collect()
    expected = expect(fit_lifetime(known, 40), customers, (90, 365))
    for name, mine, tolerance in (
        ("expected_purchases_90", "expected_purchases_90d", 1e-6),  # the table rounds the mean order to cents
        ("expected_value_365", "expected_value_365d_cents", 20.0),
        ("expected_order", "expected_order_cents", 1.5),
    ):
        assert own[mine].to_list() == pytest.approx(expected[name].to_list(), abs=tolerance)
    assert own["total_cents"].sum() == (
        shop()
        .filter((pl.col("day") <= day(176)) & pl.col("is_counted") & pl.col("customer_id").is_not_null())[
            "revenue_cents"
        ]
        .sum()
    )


def test_any_chunking_gives_the_same_models() -> None:
    daily = settings_with(clv={"min_repeat_customers": 40, "fit_every_days": 3, "holdout_days": 60})
    assert_chunking_does_not_matter(MODEL, {"conversions": shop()}, days(171, 175), daily, chunks=(1, 3))


def test_the_checks_pass_on_a_sound_shop() -> None:
    span = days(172, 176)
    frames = {"conversions": shop(), "customer_value_model": models(SETTINGS, span)}
    for table in (MODEL, VALUE):
        rows = compute(table, frames, span, SETTINGS)
        assert set(outcomes(table, rows, frames, span, SETTINGS).values()) == {"pass"}


@cache
def sound(name: str) -> tuple[dict[str, pl.DataFrame], pl.DataFrame]:
    """The inputs of day 176, and the table's rows."""
    span = days(176, 176)
    inputs = {"conversions": shop(), "customer_value_model": models(SETTINGS, span)}
    return inputs, compute(TABLES[name], inputs, span, SETTINGS)


def judged(table_name: str, **changes: pl.Expr) -> dict[str, str]:
    """By check, the outcome of day 176 when these columns are otherwise."""
    span, table = days(176, 176), TABLES[table_name]
    frames, whole = sound(table_name)
    rows = whole.with_columns(**changes)
    return {check: status for (_, check), status in outcomes(table, rows, frames, span, SETTINGS).items()}


def test_each_check_fails_on_what_it_is_for() -> None:
    model, value = "customer_value_model", "customer_value"
    assert judged(model, customers=pl.col("customers") + 1)["everybody_is_in"] == "fail"
    assert judged(model, status=pl.lit("no_value"))["has_a_maximum"] == "warn"
    assert judged(model, holdout_actual=pl.col("holdout_actual") * 3)["holdout_is_met"] == "warn"
    assert judged(model, holdout_expected=pl.lit(None, pl.Float64))["holdout_is_met"] == "skipped"
    assert judged(model, correlation_low=pl.lit(0.2))["value_is_independent"] == "warn"
    assert judged(value, total_cents=pl.col("total_cents") + 1)["totals_are_all_counted"] == "fail"
    assert judged(value, expected_purchases_90d=pl.lit(99.0))["expectations_grow"] == "fail"
    assert judged(value, expected_purchases_90d=pl.lit(None, pl.Float64))["expectations_grow"] == "fail"
    assert judged(value, customer_id=pl.lit("one"))["every_buyer_once"] == "fail"
