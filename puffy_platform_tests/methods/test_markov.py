"""Markov removal effects: by hand, published examples, against direct matrix inversion, and on cyclic paths."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from puffy_platform.methods import markov
from puffy_platform.methods.journeys import Journeys
from puffy_platform.methods.markov import MarkovChain, removal_effects
from puffy_platform_tests.methods.journey_frames import WORKED_EXAMPLE, journeys, random_journeys

ORDERS = (1, 2, 3, 4)


def effects(found: pl.DataFrame) -> dict[str, float]:
    return dict(found.select("channel", "removal_effect").iter_rows())


def orders(found: pl.DataFrame) -> dict[str, float]:
    return dict(found.select("channel", "orders").iter_rows())


def inverted(frame: pl.DataFrame, order: int) -> dict[str, float]:
    """The definition: transition matrix of the states, (I - Q)^-1 with and without each channel."""
    steps: dict[tuple[object, object], float] = defaultdict(float)
    for row in frame.iter_rows(named=True):
        state: tuple[str, ...] = ()
        for channel in row["path"]:
            following = (*state, channel)[-order:]
            steps[state, following] += row["conversions"] + row["non_conversions"]
            state = following
        steps[state, "conversion"] += row["conversions"]
        steps[state, "null"] += row["non_conversions"]
    states = sorted({before for before, _ in steps})  # type: ignore[type-var]
    place = {state: number for number, state in enumerate(states)}
    counts = np.zeros((len(states), len(states) + 2))
    for (before, after), count in steps.items():
        column = {"conversion": -2, "null": -1}.get(after, place.get(after))  # type: ignore[call-overload]
        counts[place[before], column] += count
    chances = np.divide(counts, counts.sum(axis=1, keepdims=True), out=counts, where=counts > 0)
    walk, converts = chances[:, :-2], chances[:, -2]

    def converted(without: str | None) -> float:
        kept = walk * np.array([not state or state[-1] != without for state in states])  # type: ignore[index]
        return float((np.linalg.inv(np.eye(len(states)) - kept) @ converts)[place[()]])

    channels = sorted({channel for row in frame["path"] for channel in row})
    return {channel: 1 - converted(channel) / converted(None) for channel in channels}


@pytest.fixture(params=["inverses", "iteration", "elimination"])
def solver(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param != "inverses":
        monkeypatch.setattr(markov, "DENSE_STATES", 0)
    if request.param == "elimination":
        monkeypatch.setattr(markov, "MOST_ITERATIONS", 1)
    return str(request.param)


def test_the_worked_example(solver: str) -> None:
    found = removal_effects(WORKED_EXAMPLE)
    # Without Email 10 of the 28 orders are left. Without Search 50 of 170 walkers reach Email, where 18 of 70 order.
    assert effects(found) == pytest.approx({"Email": 18 / 28, "Search": 1 - 50 * 18 / 70 / 28})
    assert orders(found) == pytest.approx({"Email": 28 * 63 / 116, "Search": 28 * 53 / 116})


def test_the_example_of_bryl_is_reproduced(solver: str) -> None:
    """Bryl', "Marketing multi-channel attribution model with R (part 1)" (2016): effects .5, 1 and 1."""
    found = removal_effects(journeys(("C1 > C2 > C3", 1, 0), ("C1", 0, 1), ("C2 > C3", 0, 1)))
    assert effects(found) == pytest.approx({"C1": 0.5, "C2": 1.0, "C3": 1.0})
    assert orders(found) == pytest.approx({"C1": 0.2, "C2": 0.4, "C3": 0.4})


def test_the_cyclic_example_of_pychattr_is_met_without_its_simulation_error(solver: str) -> None:
    """The page of pychattr (after ChannelAttribution) simulates 1.991106 and 1.008894; exact are 2 and 1."""
    found = removal_effects(journeys(("A > B > A > B > B > A", 1, 0), ("A > B > B > A > A", 1, 0), ("A > A", 1, 0)))
    assert effects(found) == pytest.approx({"A": 1.0, "B": 0.5})
    assert orders(found) == pytest.approx({"A": 2.0, "B": 1.0})


def test_a_channel_again_and_again_is_one_of_order_one_and_not_of_order_two() -> None:
    once = journeys(("A > B", 5, 0), ("C > B", 1, 9))
    again = journeys(("A > B > B", 5, 0), ("C > B > B", 0, 5), ("C > B", 1, 4))
    assert effects(removal_effects(again)) == pytest.approx(effects(removal_effects(once)))
    assert effects(removal_effects(once, 2)) == pytest.approx({"A": 5 / 6, "B": 1.0, "C": 1 / 6})
    # After B twice it is forgotten whence: 5 of these 10 order, 5 of them came from A.
    assert effects(removal_effects(again, 2)) == pytest.approx({"A": 2.5 / 6, "B": 1.0, "C": 3.5 / 6})


def test_a_chain_that_remembers_whole_paths_loses_just_the_orders_whose_path_holds_the_channel() -> None:
    frame = journeys(("A > B > C", 4, 6), ("C > A", 3, 3), ("B", 2, 8), ("C > B > A > A", 1, 2))
    assert effects(removal_effects(frame, 4)) == pytest.approx({"A": 0.8, "B": 0.7, "C": 0.8})


@pytest.mark.parametrize("order", ORDERS)
@settings(max_examples=15, deadline=None)
@given(frame=random_journeys(channels=4, longest=9))
def test_removal_effects_are_those_of_matrix_inversion(order: int, frame: pl.DataFrame) -> None:
    frame = frame.filter(pl.col("conversions") + pl.col("non_conversions") > 0)
    expected = inverted(frame, order)
    for dense, iterations in ((64, 2_000), (0, 2_000), (0, 1)):
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(markov, "DENSE_STATES", dense)
            patched.setattr(markov, "MOST_ITERATIONS", iterations)
            found = removal_effects(frame, order)
        assert effects(found) == pytest.approx(expected, abs=1e-12)
        assert found["orders"].sum() == pytest.approx(frame["conversions"].sum())


def test_a_walk_in_long_circles_is_solved_all_the_same(solver: str) -> None:
    circle = " > ".join(["A", "B"] * 20_000)
    found = removal_effects(journeys((circle, 1, 1), ("A", 1, 0), ("B", 0, 1)))
    assert effects(found) == pytest.approx(inverted(journeys((circle, 1, 1), ("A", 1, 0), ("B", 0, 1)), 1), abs=1e-9)


@settings(max_examples=15, deadline=None)
@given(frame=random_journeys(channels=4), seed=st.integers(0, 1_000), order=st.sampled_from(ORDERS))
def test_samples_are_computed_side_by_side_as_each_alone(frame: pl.DataFrame, seed: int, order: int) -> None:
    walked = Journeys.from_frame(frame)
    rng = np.random.default_rng(seed)
    won, lost = (rng.poisson(counts[:, None], (walked.paths, 3)) for counts in (walked.converted, walked.lost))
    chain = MarkovChain(walked, order)
    together = chain.credit(won + lost, won)
    for sample in range(3):
        one = [sample]
        assert together[:, one] == pytest.approx(chain.credit((won + lost)[:, one], won[:, one]), abs=1e-9)


def test_money_goes_by_the_money_that_is_lost() -> None:
    walked = Journeys.from_frame(WORKED_EXAMPLE)
    counts, cents = (walked.converted + walked.lost)[:, None], walked.revenue_cents[:, None]
    found = dict(zip(walked.channels, MarkovChain(walked, 1).effects(counts, cents)[:, 0], strict=True))
    # Of 320,000 cents 100,000 are left without Email; without Search 50 walkers reach Email and bring 2,200.00 / 70.
    assert found == pytest.approx({"Email": 1 - 1_000 / 3_200, "Search": 1 - 50 * 2_200 / 70 / 3_200})


@pytest.mark.parametrize("order", [0, 5])
def test_a_chain_remembers_one_to_four_touchpoints(order: int) -> None:
    with pytest.raises(ValueError, match=f"order {order}: a chain remembers 1 to 4"):
        removal_effects(WORKED_EXAMPLE, order)


def test_without_an_order_nothing_is_credited() -> None:
    found = removal_effects(journeys(("A > B", 0, 5), ("B", 0, 2)))
    assert found["removal_effect"].to_list() == [0.0, 0.0]
    assert found["share"].to_list() == [None, None]
