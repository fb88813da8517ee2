"""Attribution weights against their published definitions, and the division of money to the cent."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from puffy_platform.methods.attribution import MODELS, allocated_cents, days_between, model_weights


def weights(channels: list[str], ages_days: list[float], half_life_days: float = 7.0) -> dict[str, list[float]]:
    """The weights under each model of one conversion's touchpoints, oldest first."""
    count = len(channels)
    path = pl.DataFrame(
        {"path": [1] * count, "position": range(1, count + 1), "channel": channels, "age": ages_days},
        schema_overrides={"position": pl.Int64, "age": pl.Float64},
    )
    return path.select(
        **model_weights(
            position=pl.col("position"),
            touchpoints=pl.lit(count),
            channel=pl.col("channel"),
            age_days=pl.col("age"),
            half_life_days=half_life_days,
            over="path",
        )
    ).to_dict(as_series=False)


def test_four_touchpoints_get_the_weights_of_the_published_definitions() -> None:
    found = weights(["Email", "Paid Search", "Direct", "Direct"], [21, 14, 7, 0])

    assert found["first_touch"] == [1, 0, 0, 0]
    assert found["last_touch"] == [0, 0, 0, 1]
    assert found["last_non_direct"] == [0, 1, 0, 0]
    assert found["linear"] == [0.25, 0.25, 0.25, 0.25]
    assert found["position_based"] == pytest.approx([0.4, 0.1, 0.1, 0.4])
    # Half-lives of age: 3, 2, 1, 0, so 1/8, 1/4, 1/2 and 1 of 15/8.
    assert found["time_decay"] == pytest.approx([1 / 15, 2 / 15, 4 / 15, 8 / 15])


def test_a_single_touchpoint_takes_all_under_every_model() -> None:
    assert weights(["Email"], [3.5]) == {model: [1.0] for model in MODELS}


def test_position_based_splits_two_touchpoints_in_halves() -> None:
    assert weights(["Email", "Direct"], [1, 0])["position_based"] == [0.5, 0.5]


def test_last_non_direct_is_the_last_touch_when_every_touch_is_direct() -> None:
    assert weights(["Direct", "Direct", "Direct"], [2, 1, 0])["last_non_direct"] == [0, 0, 1]


def test_time_decay_halves_a_touchpoint_one_half_life_older_than_another() -> None:
    older, newer = weights(["Email", "Email"], [4, 1], half_life_days=3)["time_decay"]
    assert newer == pytest.approx(2 * older)


def test_time_decay_stays_a_share_when_every_touchpoint_is_thousands_of_half_lives_old() -> None:
    assert weights(["Email", "Email"], [300, 299.9], half_life_days=0.05)["time_decay"] == pytest.approx([0.2, 0.8])


@given(
    touches=st.lists(
        st.tuples(st.sampled_from(("Direct", "Email", "Unknown")), st.floats(0, 365, allow_nan=False)),
        min_size=1,
        max_size=40,
    ),
    half_life_days=st.floats(0.01, 365),
)
def test_weights_are_never_negative_and_sum_to_one(touches: list[tuple[str, float]], half_life_days: float) -> None:
    ordered = sorted(touches, key=lambda touch: -touch[1])
    for found in weights([c for c, _ in ordered], [age for _, age in ordered], half_life_days).values():
        assert min(found) >= 0
        assert sum(found) == pytest.approx(1, abs=1e-9)


def allocate(cents: int, shares: list[float]) -> list[int]:
    order = {
        "group": [1] * len(shares),
        "cents": [cents] * len(shares),
        "weight": shares,
        "at": range(len(shares)),
    }
    found = pl.DataFrame(order).select(
        cents=allocated_cents(pl.col("cents"), pl.col("weight"), pl.col("at"), over=["group"])
    )
    return found["cents"].to_list()


def test_the_odd_cent_goes_to_the_largest_remainder() -> None:
    # Quotas 40.4, 20.2, 40.4 of 101: whole parts 40, 20, 40; the cent left over to the first of the two 0.4.
    assert allocate(101, [0.4, 0.2, 0.4]) == [41, 20, 40]
    # Quotas 0.5, 0.75, 1.75 of 3: two cents left over, to the two remainders of 0.75.
    assert allocate(3, [1 / 6, 0.25, 7 / 12]) == [0, 1, 2]


def test_equal_shares_differ_by_a_cent_at_most_and_the_oldest_come_first() -> None:
    assert allocate(100, [1 / 3, 1 / 3, 1 / 3]) == [34, 33, 33]


def test_a_refund_is_divided_like_a_sale() -> None:
    assert allocate(-101, [0.4, 0.2, 0.4]) == [-41, -20, -40]


def test_nothing_is_divided_into_nothing() -> None:
    assert allocate(0, [0.5, 0.5]) == [0, 0]


@given(
    cents=st.integers(-(10**9), 10**9),
    parts=st.lists(st.integers(1, 10**6), min_size=1, max_size=60),
)
def test_allocated_cents_sum_exactly_and_are_less_than_a_cent_off_their_quota(cents: int, parts: list[int]) -> None:
    shares = [part / sum(parts) for part in parts]
    found = allocate(cents, shares)
    assert sum(found) == cents
    assert all(abs(got - cents * share) < 1 + 1e-5 for got, share in zip(found, shares, strict=True))


def test_days_between_is_the_same_to_the_last_bit_for_one_row_and_for_many() -> None:
    # Of five hours, Polars' own division gives 0.20833333333333334 in one row and 0.20833333333333331 in two.
    times = pl.DataFrame({"a": [0, 0], "b": [5 * 3_600_000_000, 1]}).cast(pl.Datetime("us"))
    span = days_between(pl.col("a"), pl.col("b"))
    assert times.head(1).select(span).item() == times.select(span).row(0)[0] == pytest.approx(5 / 24)
