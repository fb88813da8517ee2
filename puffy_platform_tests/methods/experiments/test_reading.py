"""Reading an experiment: balance first, daily looks, several metrics, and saying when there is not enough data."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl
import pytest

from puffy_platform.methods.experiments.outcomes import METRICS, SUMS
from puffy_platform.methods.experiments.reading import Reading, read_experiment, standard_design
from puffy_platform.methods.experiments.sequential import spending_bounds
from puffy_platform.settings_model import Design

FIRST = dt.date(2025, 3, 1)
PLANNED = Design(variants=("control", "treatment"), clients=10_000)
OUTCOME_DAYS = 5


def day(number: int) -> dt.date:
    return FIRST + dt.timedelta(days=number)


def rows(entries: Mapping[str, Sequence[tuple[int, int]]], metrics: Sequence[str] = tuple(METRICS)) -> pl.DataFrame:
    """By variant, for each day from the first: clients that enter, and of all so far those that do it now."""
    found = [
        (day(number), "e", variant, metric, METRICS[metric].kind, clients, y, clients, 0, y, clients, 0, y, 0, 0)
        for variant, days in entries.items()
        for number, (clients, y) in enumerate(days)
        for metric in metrics
    ]
    schema: dict[str, Any] = {"day": pl.Date, "experiment": pl.String, "variant": pl.String, "metric": pl.String}
    return pl.DataFrame(found, schema=schema | {"kind": pl.String} | dict.fromkeys(SUMS, pl.Int64), orient="row")


def read(entries: Mapping[str, Sequence[tuple[int, int]]], design: Design = PLANNED, until: int = 30) -> Reading:
    return read_experiment(rows(entries), design, day(until), OUTCOME_DAYS)


def test_a_result_on_a_day_is_the_sum_of_the_days_up_to_it() -> None:
    entries = {"control": [(1_000, 50), (1_000, 60)], "treatment": [(1_000, 70), (1_000, 90)]}
    first = read(entries, until=0).metric("conversion", "treatment").comparison
    both = read(entries, until=1).metric("conversion", "treatment").comparison
    assert first is not None
    assert both is not None
    assert (first.control, first.treatment) == (0.05, 0.07)
    assert (both.control, both.treatment) == (0.055, 0.08)


def test_a_failed_sample_ratio_blanks_everything_else() -> None:
    found = read({"control": [(5_000, 100)], "treatment": [(4_000, 200)]})
    assert found.is_mismatch
    assert found.verdicts == {"treatment": "sample_ratio_mismatch"}
    assert (found.metrics, found.looks) == ((), {})
    planned_so = PLANNED.model_copy(update={"shares": (5.0, 4.0)})
    assert not read({"control": [(5_000, 100)], "treatment": [(4_000, 200)]}, planned_so).is_mismatch


def test_information_is_the_planned_client_days_that_are_in() -> None:
    """Half of the planned 10,000 clients on day 0, the others on day 2, five days each: 50,000 client-days."""
    half = [(2_500, 100), (0, 0), (2_500, 100)]
    found = read({"control": half, "treatment": half})
    looks = found.looks["treatment"]
    assert [look.information for look in looks] == pytest.approx([0.1, 0.2, 0.4, 0.6, 0.8, 0.9, 1.0])
    assert [look.day for look in looks] == [day(number) for number in range(7)]
    assert [look.bound for look in looks] == spending_bounds(
        [0.1, 0.2, 0.4, 0.6, 0.8, 0.9, 1.0], 0.05, "obrien_fleming"
    )
    assert found.verdicts == {"treatment": "no_difference"}
    assert read({"control": half, "treatment": half}, until=5).verdicts == {"treatment": "undecided"}


def test_what_crossed_its_bound_at_a_look_stays_decided() -> None:
    """On day 3 there are 80 % of the information and z is 3.9; what comes later does not undo it."""
    control, treatment = (
        [(5_000, 0), (0, 0), (0, 0), (0, 300), (0, 100)],
        [(5_000, 0), (0, 0), (0, 0), (0, 400), (0, 0)],
    )
    found = read({"control": control, "treatment": treatment})
    looks = found.looks["treatment"]
    assert [look.crossed for look in looks] == [False, False, False, True, False]
    assert looks[0].z is None  # nobody had bought yet
    assert found.verdicts == {"treatment": "better"}
    assert read({"control": treatment, "treatment": control}).verdicts == {"treatment": "worse"}


def test_a_look_that_a_fixed_test_would_call_significant_is_not_enough_early() -> None:
    found = read({"control": [(1_000, 100)], "treatment": [(1_000, 130)]}, until=0)
    comparison = found.metric("conversion", "treatment").comparison
    assert comparison is not None
    assert comparison.p < 0.05
    assert found.looks["treatment"][0].bound > 5
    assert found.verdicts == {"treatment": "undecided"}


def test_without_a_plan_or_without_data_there_is_no_verdict() -> None:
    unplanned = Design(variants=("control", "treatment"))
    assert read({"control": [(1_000, 100)], "treatment": [(1_000, 130)]}, unplanned).verdicts == {
        "treatment": "no_plan"
    }
    for entries in (
        {"control": [(20, 5)], "treatment": [(20, 9)]},
        {"control": [(1_000, 3)], "treatment": [(1_000, 9)]},
    ):
        found = read(entries)
        assert found.verdicts == {"treatment": "not_enough_data"}
        assert found.metric("conversion", "treatment").comparison is None
        assert found.metric("conversion", "treatment").belief is None


def test_of_several_treatments_each_gets_its_part_of_alpha() -> None:
    design = Design(variants=("a", "b", "c"), clients=15_000)
    thirds = [(5_000, 200)]
    found = read({"a": thirds, "b": thirds, "c": thirds}, design)
    assert [look.bound for look in found.looks["b"]] == spending_bounds(
        [0.2, 0.4, 0.6, 0.8, 1.0], 0.025, "obrien_fleming"
    )
    assert found.verdicts == {"b": "no_difference", "c": "no_difference"}


def test_p_values_of_all_metrics_are_adjusted_together() -> None:
    """Benjamini and Hochberg: the smallest p times the number of tests, and so on, never falling."""
    found = read({"control": [(5_000, 400)], "treatment": [(5_000, 450)]})
    tested = [r for r in found.metrics if r.comparison]
    p_values = [r.comparison.p for r in tested if r.comparison]
    by_hand, least = {}, 1.0
    for rank in range(len(p_values), 0, -1):
        p = sorted(p_values)[rank - 1]
        least = min(least, p * len(p_values) / rank)
        by_hand[p] = least
    assert [r.p_adjusted for r in tested] == pytest.approx([by_hand[p] for p in p_values])
    assert [r.metric for r in tested] == list(METRICS)


def test_beliefs_are_of_shares() -> None:
    found = read({"control": [(5_000, 400)], "treatment": [(5_000, 450)]})
    believed = {r.metric for r in found.metrics if r.belief}
    assert believed == {name for name, metric in METRICS.items() if metric.kind == "share"}


def test_control_is_called_so_or_comes_first() -> None:
    assert standard_design(["b", "control", "a"]).variants == ("control", "a", "b")
    assert standard_design(["b", "a"]).variants == ("a", "b")


def test_a_design_that_does_not_fit_says_so() -> None:
    with pytest.raises(ValueError, match="no share is planned for other"):
        read({"control": [(100, 10)], "other": [(100, 10)]})
    with pytest.raises(ValueError, match="there is no metric 'clicks'"):
        read({"control": [(100, 10)]}, PLANNED.model_copy(update={"primary": "clicks"}))


def test_the_example_of_the_documentation() -> None:
    """1,000 clients a variant and day for two days, whose outcomes are in on the day itself."""
    entries = {"control": [(1_000, 100), (1_000, 100)], "treatment": [(1_000, 130), (1_000, 124)]}
    design = Design(variants=("control", "treatment"), clients=4_000)
    half = read_experiment(rows(entries), design, day(0), 1)
    whole = read_experiment(rows(entries), design, day(1), 1)
    assert (half.sample_ratio_p, whole.sample_ratio_p) == (1, 1)
    first, second = (found.metric("conversion", "treatment").comparison for found in (half, whole))
    assert first is not None
    assert second is not None
    assert (first.difference, first.p) == (pytest.approx(0.030), pytest.approx(0.0355, abs=5e-5))
    assert (second.difference, second.p) == (pytest.approx(0.027), pytest.approx(0.0071, abs=5e-5))
    assert second.lift == pytest.approx(0.27)
    looks = whole.looks["treatment"]
    assert [look.information for look in looks] == [0.5, 1.0]
    assert [look.z for look in looks] == pytest.approx([2.10, 2.69], abs=0.005)
    assert [look.bound for look in looks] == pytest.approx([2.963, 1.969], abs=0.001)
    assert (half.verdicts, whole.verdicts) == ({"treatment": "undecided"}, {"treatment": "better"})
