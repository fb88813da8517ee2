"""LMDI by hand, against integration along the path, with zeros and refunds, and to the cent."""

from __future__ import annotations

import math

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad

from puffy_platform.methods.decomposition.lmdi import AFTER, BEFORE, PARTS, decompose, summed

Period = tuple[int, int, int]
SCHEMA = dict.fromkeys((*BEFORE, *AFTER), pl.Int64)


def parts_of(before: Period, after: Period) -> tuple[int, ...]:
    frame = pl.LazyFrame([(*before, *after)], schema=SCHEMA, orient="row")
    return decompose(frame).select(PARTS).collect().row(0)


def test_the_example_of_the_documentation() -> None:
    """1,000 sessions, 2.0 %, 20 orders of 1,000.00; then 1,200 sessions, 1.5 %, 18 orders of 1,100.00."""
    parts = parts_of((1_000, 20, 2_000_000), (1_200, 18, 1_980_000))
    mean = -20_000 / math.log(1_980_000 / 2_000_000)
    assert mean == pytest.approx(1_989_983, abs=1)
    assert parts == (362_817, -572_483, 189_666, 0)
    assert sum(parts) == -20_000


@given(
    st.tuples(st.integers(1, 10**6), st.integers(1, 10**4), st.integers(1, 10**9)),
    st.tuples(st.integers(1, 10**6), st.integers(1, 10**4), st.integers(1, 10**9)),
)
def test_parts_are_the_integral_along_the_path_of_constant_growth(before: Period, after: Period) -> None:
    """Divisia's index: what revenue grows by a factor at each instant, added up while all grow at constant rates."""
    growth = math.log(after[2] / before[2])
    mean = quad(lambda time: before[2] * math.exp(growth * time), 0, 1)[0]
    rates = [
        math.log(after[0] / before[0]),
        math.log((after[1] / after[0]) / (before[1] / before[0])),
        math.log((after[2] / after[1]) / (before[2] / before[1])),
    ]
    assert parts_of(before, after) == (*(pytest.approx(mean * rate, rel=1e-9, abs=1.01) for rate in rates), 0)


@pytest.mark.parametrize(
    ("before", "after", "parts"),
    [
        ((0, 0, 0), (100, 2, 5_000), (5_000, 0, 0, 0)),  # a segment appears
        ((100, 2, 5_000), (0, 0, 0), (-5_000, 0, 0, 0)),  # and disappears
        ((80, 0, 0), (100, 2, 5_000), (0, 5_000, 0, 0)),  # its first orders
        ((80, 2, 0), (100, 2, 5_000), (0, 0, 5_000, 0)),  # orders for nothing, then for money
        ((80, 0, 0), (100, 0, 0), (0, 0, 0, 0)),
        ((0, 1, 700), (100, 2, 5_000), (0, 0, 0, 4_300)),  # an order without a session has no rate
        ((0, 0, 0), (0, 3, 900), (0, 0, 0, 900)),
        ((10, 1, 700), (20, 2, 1_400), (700, 0, 0, 0)),  # only sessions changed
        ((10, 1, 700), (10, 2, 1_400), (0, 700, 0, 0)),
        ((10, 1, 700), (10, 1, 1_400), (0, 0, 700, 0)),
        ((10, 1, 700), (10, 1, 700), (0, 0, 0, 0)),
        ((10, 1, -600), (20, 2, -1_200), (-600, 0, 0, 0)),  # refunds
    ],
)
def test_zeros_and_refunds_by_hand(before: Period, after: Period, parts: tuple[int, ...]) -> None:
    assert parts_of(before, after) == parts


def test_equal_products_of_other_factors_have_parts_all_the_same() -> None:
    """Twice the sessions at half the rate: 1,000.00 before and after, + and - 1,000.00 ln 2."""
    assert parts_of((100, 10, 100_000), (200, 10, 100_000)) == (69_315, -69_315, 0, 0)


def test_zeros_are_the_limit_of_small_numbers() -> None:
    """With a conversion rate of 1e-300 instead of zero, 99.7 % of the change comes from it."""
    sessions, orders, revenue = 100.0, 2.0, 5_000.0
    tiny = 1e-300
    before = (80.0, 80.0 * tiny, 80.0 * tiny * revenue / orders)
    mean = (revenue - before[2]) / math.log(revenue / before[2])
    from_conversion = mean * math.log((orders / sessions) / tiny)
    assert from_conversion == pytest.approx(revenue, rel=0.02)
    assert parts_of((80, 0, 0), (100, 2, 5_000))[1] == 5_000


PERIODS = st.tuples(
    st.integers(0, 3) | st.integers(0, 10**6), st.integers(0, 2) | st.integers(0, 10**5), st.integers(-(10**7), 10**10)
).map(lambda p: (p[0], p[1], p[2] if p[1] else 0))


@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("xy"), PERIODS, PERIODS), max_size=8))
def test_parts_sum_to_the_change_to_the_cent_in_every_segment_and_view(
    rows: list[tuple[str, str, Period, Period]],
) -> None:
    frame = pl.LazyFrame(
        [(channel, device, *before, *after) for channel, device, before, after in rows],
        schema={"channel": pl.String, "device": pl.String} | SCHEMA,
        orient="row",
    )
    found = decompose(frame)
    total = sum(after[2] - before[2] for _, _, before, after in rows)
    for view in (found, summed(found), summed(found, ("channel",)), summed(found, ("device",))):
        collected = view.collect()
        assert collected.select(pl.sum_horizontal(PARTS)).to_series().to_list() == collected["change_cents"].to_list()
        assert collected["change_cents"].sum() == total
        assert collected.select(pl.col(PARTS).null_count()).row(0) == (0,) * 4


@given(PERIODS, PERIODS)
def test_the_way_back_is_the_way_there_turned_round(before: Period, after: Period) -> None:
    there, back = parts_of(before, after), parts_of(after, before)
    assert all(abs(one + other) <= 2 for one, other in zip(there, back, strict=True))
