"""Shapley values of both games: by hand, against enumeration, and what must hold of any."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from puffy_platform.methods import shapley
from puffy_platform.methods.journeys import Journeys
from puffy_platform.methods.shapley import ConversionRateGame, SumGame, conversion_rate_game, sum_game
from puffy_platform_tests.methods.journey_frames import WORKED_EXAMPLE, journeys, random_journeys

Coalition = frozenset[str]


def orders(found: pl.DataFrame) -> dict[str, float]:
    return dict(found.select("channel", "orders").iter_rows())


def counted(frame: pl.DataFrame) -> dict[Coalition, tuple[int, int]]:
    """Exact channel set -> journeys, orders."""
    found: dict[Coalition, tuple[int, int]] = {}
    for row in frame.iter_rows(named=True):
        channels = frozenset(row["path"])
        seen, won = found.get(channels, (0, 0))
        found[channels] = (seen + row["conversions"] + row["non_conversions"], won + row["conversions"])
    return {channels: numbers for channels, numbers in found.items() if numbers[0]}


def enumerated(players: list[str], worth: Callable[[Coalition], float]) -> dict[str, float]:
    """The definition: the mean over all orders of arrival of what a player adds to those before."""
    value = dict.fromkeys(players, 0.0)
    for arrival in itertools.permutations(players):
        for place, player in enumerate(arrival):
            before = frozenset(arrival[:place])
            value[player] += worth(before | {player}) - worth(before)
    return {player: total / math.factorial(len(players)) for player, total in value.items()}


def rate_worth(frame: pl.DataFrame) -> Callable[[Coalition], float]:
    """v(C) of the conversion-rate game by its words: the same journeys, cut to the channels of C."""
    numbers = counted(frame)

    def effect(channels: Coalition) -> float:
        """The dividend: what a set that occurs adds to its subsets; a set that does not occur adds nothing."""
        if channels not in numbers:
            return 0.0
        seen, won = numbers[channels]
        return won / seen - sum(effect(smaller) for smaller in numbers if smaller < channels)

    effects = {channels: effect(channels) for channels in numbers}

    def worth(allowed: Coalition) -> float:
        return sum(
            seen * sum(added for within, added in effects.items() if within <= channels & allowed)
            for channels, (seen, _) in numbers.items()
        )

    return worth


def test_the_worked_example_of_the_conversion_rate_game() -> None:
    # Rates .1, .2 and .4 have the dividends .1, .2 and .1; 120 journeys hold Search, 70 Email, 20 both.
    assert orders(conversion_rate_game(WORKED_EXAMPLE)) == pytest.approx({"Search": 13.0, "Email": 15.0})


def test_the_worked_example_of_the_sum_game() -> None:
    assert orders(sum_game(WORKED_EXAMPLE)) == pytest.approx({"Search": 14.0, "Email": 14.0})


def test_a_channel_in_whose_presence_fewer_convert_has_a_negative_value() -> None:
    found = conversion_rate_game(journeys(("A", 10, 10), ("B", 0, 50), ("A > B", 1, 19)))
    # Dividends .5, 0 and -.45: B is on 20 journeys with A.
    assert orders(found) == pytest.approx({"A": 0.5 * 40 - 0.225 * 20, "B": -0.225 * 20})
    assert found["share"].to_list() == pytest.approx([15.5 / 11, -4.5 / 11])


def test_a_set_that_never_occurs_has_no_effect_of_its_own() -> None:
    # A alone never came: all that is known is that A with B converts like B.
    found = orders(conversion_rate_game(journeys(("B", 1, 9), ("A > B", 2, 18))))
    assert found == pytest.approx({"A": 0.0, "B": 3.0})


def test_the_order_and_the_repeats_of_touchpoints_do_not_matter() -> None:
    one = journeys(("A > B", 3, 7), ("A", 1, 5))
    other = journeys(("B > A > B", 1, 2), ("A > A > B", 2, 5), ("A > A", 1, 5))
    for game in (conversion_rate_game, sum_game):
        assert orders(game(one)) == pytest.approx(orders(game(other)))


@settings(max_examples=40, deadline=None)
@given(frame=random_journeys(channels=5))
def test_the_conversion_rate_game_is_the_value_by_enumeration(frame: pl.DataFrame) -> None:
    found = orders(conversion_rate_game(frame))
    assert found == pytest.approx(enumerated(sorted(found), rate_worth(frame)), abs=1e-9)
    assert sum(found.values()) == pytest.approx(frame["conversions"].sum())


@settings(max_examples=60, deadline=None)
@given(frame=random_journeys(channels=5))
def test_the_sum_game_is_the_value_by_enumeration_and_an_equal_split(frame: pl.DataFrame) -> None:
    found = orders(sum_game(frame))
    numbers = counted(frame)

    def worth(allowed: Coalition) -> float:
        return sum(won for channels, (_, won) in numbers.items() if channels <= allowed)

    assert found == pytest.approx(enumerated(sorted(found), worth), abs=1e-9)
    split = dict.fromkeys(found, 0.0)
    for channels, (_, won) in numbers.items():
        for channel in channels:
            split[channel] += won / len(channels)
    assert found == pytest.approx(split)


@settings(max_examples=25, deadline=None)
@given(frame=random_journeys(channels=8, most=40))
def test_all_sets_of_a_lattice_and_the_few_that_occur_give_the_same(frame: pl.DataFrame) -> None:
    walked = Journeys.from_frame(frame)
    counts, won = (walked.converted + walked.lost)[:, None], walked.converted[:, None]
    found = []
    for make in (lambda sets, channels: shapley._Lattice(channels), lambda sets, channels: shapley._Family(sets)):
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(shapley, "_family", make)
            found.append(ConversionRateGame(walked).credit(counts, won)[:, 0])
    assert found[0] == pytest.approx(found[1], abs=1e-9)


def test_fifteen_channels_with_all_their_sets_are_exact() -> None:
    rng = np.random.default_rng(3)
    names = [f"channel {number:02}" for number in range(15)]
    paths = [[names[place] for place in range(15) if mask >> place & 1] for mask in range(1, 2**15)]
    # Every channel adds .01, and two of them together .02 more.
    rate = [0.01 * len(path) + 0.02 * ({names[0], names[1]} <= set(path)) for path in paths]
    seen = rng.integers(1, 50, len(paths)) * 100
    won = np.rint(seen * rate).astype(np.int64)
    frame = pl.DataFrame({"path": paths, "conversions": won, "non_conversions": seen - won})
    found = orders(conversion_rate_game(frame))
    masks = np.arange(1, 2**15)
    holds = {name: seen[masks >> place & 1 == 1].sum() for place, name in enumerate(names)}
    both = seen[masks & 3 == 3].sum()
    expected = {name: 0.01 * holds[name] + 0.01 * both * (name in names[:2]) for name in names}
    assert found == pytest.approx(expected, rel=1e-9)


@settings(max_examples=20, deadline=None)
@given(frame=random_journeys(), seed=st.integers(0, 1_000))
def test_samples_are_computed_side_by_side_as_each_alone(frame: pl.DataFrame, seed: int) -> None:
    walked = Journeys.from_frame(frame)
    rng = np.random.default_rng(seed)
    won, lost = (rng.poisson(counts[:, None], (walked.paths, 4)) for counts in (walked.converted, walked.lost))
    for game in (ConversionRateGame(walked), SumGame(walked)):
        together = game.credit(won + lost, won)
        for sample in range(4):
            one = [sample]
            assert together[:, one] == pytest.approx(game.credit((won + lost)[:, one], won[:, one]), abs=1e-9)
        assert together.sum(axis=0) == pytest.approx(won.sum(axis=0), abs=1e-9)


def test_more_channels_than_can_be_told_apart_are_refused() -> None:
    many = journeys(*((f"channel {number}", 1, 1) for number in range(63)))
    with pytest.raises(ValueError, match="63 channels: at most 62"):
        conversion_rate_game(many)
    assert sum_game(many)["orders"].sum() == pytest.approx(63)


def test_a_path_without_touchpoint_and_a_negative_count_are_refused() -> None:
    with pytest.raises(ValueError, match="a path without touchpoint"):
        sum_game(WORKED_EXAMPLE.with_columns(path=pl.lit([], pl.List(pl.String))))
    with pytest.raises(ValueError, match="cannot be negative"):
        sum_game(WORKED_EXAMPLE.with_columns(conversions=-1))


def test_without_an_order_there_are_no_shares() -> None:
    for game in (conversion_rate_game, sum_game):
        found = game(journeys(("A", 0, 5), ("B > A", 0, 2)))
        assert found["orders"].to_list() == [0.0, 0.0]
        assert found["share"].to_list() == [None, None]
