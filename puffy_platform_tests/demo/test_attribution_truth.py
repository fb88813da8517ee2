"""Attribution of the simulated shop beside what its channels truly caused."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

import polars as pl
import pytest

from puffy_platform.demo import Damage, Shop, ShopModel, simulate
from puffy_platform.demo.defects import deliver
from puffy_platform.demo.reckoning import true_of
from puffy_platform.table import DayRange
from puffy_platform.tables import attribution, attribution_data_driven, paths
from puffy_platform_tests.windows import compute, settings_with

FIRST = dt.date(2025, 3, 1)
DAYS = DayRange(FIRST, FIRST + dt.timedelta(days=29))
SETTINGS = settings_with(attribution={"windows_days": (7, 30)}, data_driven={"draws": 50})
WINDOWS = SETTINGS.attribution.windows_days
SHAPLEY = ("shapley_rate", "shapley_sum")


def credited(shop: Shop) -> pl.DataFrame:
    """model, window_days, channel, orders: of last touch and the data-driven models, over all 30 days."""
    people = shop.events.filter(~pl.col("is_bot"))
    at = pl.lit(FIRST).cast(pl.Datetime("us", "UTC")) + pl.duration(milliseconds="ts")
    sessions = (
        people.group_by("visit")
        .agg(pl.col("client_id", "channel").first(), started_at=at.min())
        .with_columns(
            day=pl.col("started_at").dt.date(), session_id=pl.col("visit").cast(pl.String), is_bot=pl.lit(False)
        )
    )
    orders = people.filter(pl.col("order").is_not_null() & ~pl.col("is_reload")).select(
        "client_id", "revenue_cents", converted_at=at, day=at.dt.date(), is_counted=pl.lit(True),
        event_id=pl.format("order {}", "order"), transaction_id=pl.format("order {}", "order"),
    )  # fmt: skip
    inputs = {"sessions": sessions, "conversions": orders}
    rules = compute(attribution.TABLE, inputs, DAYS, SETTINGS).filter(model="last_touch")
    inputs["paths"] = compute(paths.TABLE, inputs, DAYS, SETTINGS)
    learned = compute(attribution_data_driven.TABLE, inputs, DayRange(DAYS.last, DAYS.last), SETTINGS)
    columns = ("model", "window_days", "channel", "orders")
    return pl.concat([rules.rename({"weight": "orders"}).select(columns), learned.select(columns)])


def distances(shop: Shop) -> dict[tuple[str, int], float]:
    """(model, window) -> the part of the credit that is not where the truth has it (total variation)."""
    truth: Mapping[str, float] = true_of(shop, deliver(shop, Damage())).caused_shares
    assert sum(truth.values()) == pytest.approx(1)
    found = (
        credited(shop)
        .filter(pl.col("channel") != SETTINGS.attribution.unattributed_channel)
        .group_by("model", "window_days", "channel")
        .agg(pl.col("orders").sum())
        .with_columns(share=pl.col("orders") / pl.col("orders").sum().over("model", "window_days"))
        .with_columns(true=pl.col("channel").replace_strict(truth, return_dtype=pl.Float64))
        .group_by("model", "window_days")
        .agg(distance=(pl.col("share") - pl.col("true")).abs().sum() / 2)
    )
    return {(model, window): distance for model, window, distance in found.iter_rows()}


@pytest.mark.parametrize("seed", [7, 11])
def test_every_data_driven_model_is_nearer_to_the_truth_than_last_touch(seed: int) -> None:
    found = distances(simulate(FIRST, len(DAYS), seed, 10_000))
    for window in WINDOWS:
        for model in (*SHAPLEY, "markov_1"):
            assert found[model, window] < found["last_touch", window], (model, window)


def test_of_people_who_never_bought_before_shapley_is_nearer_by_far_and_markov_is_not() -> None:
    """A young shop: no customers from before its first day, whose habits look like effects of channels."""
    found = distances(simulate(FIRST, len(DAYS), 7, 10_000, ShopModel(customers_won_per_event=0.0)))
    for window in WINDOWS:
        last = found["last_touch", window]
        assert found["shapley_rate", window] < 0.75 * last
        assert found["shapley_sum", window] < 0.9 * last
        assert found["markov_1", window] > last
