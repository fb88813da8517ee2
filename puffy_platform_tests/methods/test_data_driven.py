"""Shares, intervals, money and status of data-driven attribution."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from puffy_platform.methods.bootstrap import draw, share_interval
from puffy_platform.methods.data_driven import Evidence, attribute, model_names
from puffy_platform.methods.journeys import Journeys
from puffy_platform_tests.methods.journey_frames import WORKED_EXAMPLE, journeys, random_journeys

MODELS = model_names((1, 2))


def evidence(frame: pl.DataFrame, without: int = 0, cents: int = 0, seed: int = 1) -> Evidence:
    return Evidence(Journeys.from_frame(frame), without, cents, (seed,))


def credited(*cases: Evidence, models: tuple[str, ...] = MODELS, min_conversions: int = 2) -> pl.DataFrame:
    return attribute(
        cases, models=models, min_conversions=min_conversions, draws=200, unattributed_channel="(unattributed)"
    )


def test_the_worked_example_with_two_orders_that_have_no_touchpoint() -> None:
    found = credited(evidence(WORKED_EXAMPLE, 2, 555_55), models=("shapley_rate", "shapley_sum"))
    assert found.select("model", "channel", "orders", "revenue_cents").rows() == [
        # Per journey Search brings 10.00, Email 20.00 and both 60.00: their dividends are 10, 20 and 30.
        ("shapley_rate", "Email", 15.0, 20 * 70_00 + 15 * 20_00),
        ("shapley_rate", "Search", 13.0, 10 * 120_00 + 15 * 20_00),
        ("shapley_sum", "Email", 14.0, 1_600_00),
        ("shapley_sum", "Search", 14.0, 1_600_00),
        ("shapley_rate", "(unattributed)", 2.0, 555_55),
        ("shapley_sum", "(unattributed)", 2.0, 555_55),
    ]
    assert found["share"].to_list() == pytest.approx([n / 30 for n in (15, 13, 14, 14, 2, 2)])


@settings(max_examples=25, deadline=None)
@given(frames=st.lists(random_journeys(), min_size=1, max_size=3), without=st.integers(0, 3), cents=st.integers(0, 999))
def test_shares_sum_to_one_orders_to_all_and_money_exactly(
    frames: list[pl.DataFrame], without: int, cents: int
) -> None:
    cases = [evidence(frame, without, cents if without else 0) for frame in frames]
    found = credited(*cases)
    for (case, _model), rows in found.group_by("case", "model"):
        about = cases[int(str(case))]
        assert rows["revenue_cents"].sum() == about.revenue_cents
        assert rows["orders"].sum() == pytest.approx(about.orders)
        if rows["status"][0] == "not_enough_data":
            assert rows.select("channel", "share", "share_low").rows() == [("(unattributed)", None, None)]
        else:
            assert rows["share"].sum() == pytest.approx(1)
            assert (rows["share_low"] <= rows["share_high"]).all()
    assert found.select("case", "model").n_unique() == len(cases) * len(MODELS)


def test_money_that_comes_back_is_divided_exactly_too() -> None:
    returned = WORKED_EXAMPLE.with_columns(revenue_cents=pl.Series([-1_000_01, 3, 2]))
    found = credited(evidence(returned))
    assert found.group_by("model").agg(pl.col("revenue_cents").sum())["revenue_cents"].to_list() == [-999_96] * 4


def test_orders_without_money_are_still_credited() -> None:
    found = credited(evidence(WORKED_EXAMPLE.with_columns(revenue_cents=pl.lit(0, pl.Int64))))
    assert found["revenue_cents"].to_list() == [0] * 8
    assert found["orders"].sum() == pytest.approx(4 * 28)


def test_with_few_orders_it_says_so_and_leaves_the_money_whole() -> None:
    found = credited(evidence(WORKED_EXAMPLE, 2, 1), min_conversions=29)
    assert found.select("channel", "share", "orders", "revenue_cents", "status").unique().rows() == [
        ("(unattributed)", None, 30.0, 320_001, "not_enough_data")
    ]
    assert credited(evidence(WORKED_EXAMPLE, 2, 1), min_conversions=28)["status"].is_in(["ok", "unstable"]).all()


def test_models_that_learn_from_lost_journeys_say_so_when_there_are_none() -> None:
    found = credited(evidence(WORKED_EXAMPLE.with_columns(non_conversions=pl.lit(0, pl.Int64))))
    status = dict(found.select("model", "status").unique().iter_rows())
    assert status == {
        "shapley_rate": "not_enough_data",
        "shapley_sum": "ok",
        "markov_1": "not_enough_data",
        "markov_2": "not_enough_data",
    }


def test_without_an_order_there_is_no_row() -> None:
    assert credited(evidence(journeys(("A", 0, 9)))).is_empty()
    assert credited(evidence(journeys())).is_empty()


def test_orders_none_of_which_has_a_touchpoint_are_not_enough_data() -> None:
    found = credited(evidence(journeys(), 50, 700))
    assert found.select("orders", "revenue_cents", "status").unique().rows() == [(50.0, 700, "not_enough_data")]


def test_orders_without_a_touchpoint_join_the_channel_they_are_called_after() -> None:
    apart = credited(evidence(WORKED_EXAMPLE, 2, 555_55))
    joined = attribute(
        [evidence(WORKED_EXAMPLE, 2, 555_55)], models=MODELS, min_conversions=2, draws=200, unattributed_channel="Email"
    )
    assert joined.height == apart.height - len(MODELS)
    for model in MODELS:
        email, nothing = (
            apart.filter(model=model, channel=name).row(0, named=True) for name in ("Email", "(unattributed)")
        )
        (row,) = joined.filter(model=model, channel="Email").to_dicts()
        assert row["orders"] == pytest.approx(email["orders"] + 2)
        assert row["share"] == pytest.approx(email["share"] + nothing["share"])
        assert row["revenue_cents"] == email["revenue_cents"] + 555_55
        # Narrower than the two intervals put together: they do not err in the same direction.
        ends = [email[end] + nothing[end] for end in ("share_low", "share_high")]
        assert ends[0] < row["share_low"] < row["share"] < row["share_high"] < ends[1]


def test_the_same_journeys_and_seed_give_the_same_intervals_whatever_else_is_asked() -> None:
    alone = credited(evidence(WORKED_EXAMPLE))
    after_another = credited(evidence(journeys(("A", 50, 50), ("B > A", 9, 9))), evidence(WORKED_EXAMPLE))
    assert after_another.filter(case=1).drop("case").equals(alone.drop("case"))
    assert not credited(evidence(WORKED_EXAMPLE, seed=2)).equals(alone)


def test_few_orders_of_a_channel_are_unstable_and_many_are_not() -> None:
    thin = credited(evidence(journeys(("A", 300, 900), ("B", 3, 20))), models=("shapley_sum",))
    assert dict(thin.select("channel", "status").iter_rows()) == {"A": "ok", "B": "unstable"}
    thick = credited(evidence(journeys(("A", 300, 900), ("B", 60, 400))), models=("shapley_sum",))
    assert dict(thick.select("channel", "status").iter_rows()) == {"A": "ok", "B": "ok"}


def test_an_interval_is_as_wide_as_theory_has_it() -> None:
    """Of one-touch journeys the sum game's share is a binomial proportion: 1.645 standard errors to each side."""
    walked = Journeys.from_frame(journeys(("A", 300, 0), ("B", 700, 0)))
    samples = draw(walked, 0, 4_000, (5,))
    low, high = share_interval(samples.converted.astype(np.float64), samples.orders)
    error = 1.645 * np.sqrt(0.3 * 0.7 / 1_000)
    assert low == pytest.approx([0.3 - error, 0.7 - error], abs=0.003)
    assert high == pytest.approx([0.3 + error, 0.7 + error], abs=0.003)


def test_samples_without_an_order_say_nothing() -> None:
    low, high = share_interval(np.array([[0.0, 2.0]]), np.array([0, 4]))
    assert (low[0], high[0]) == (0.5, 0.5)
    assert np.isnan(share_interval(np.array([[0.0]]), np.array([0]))[0][0])


def test_orders_of_no_channel_join_the_channel_they_are_called_after() -> None:
    """A shop may call its unattributed orders Direct, which is a channel of some journeys as well."""
    found = attribute(
        [evidence(journeys(("Direct", 40, 60), ("Email", 60, 40)), 20, 900)],
        models=("shapley_sum",),
        min_conversions=10,
        draws=50,
        unattributed_channel="Direct",
    )
    assert dict(found.select("channel", "orders").iter_rows()) == {"Direct": 60.0, "Email": 60.0}
    assert found["share"].to_list() == [0.5, 0.5]
