"""The tasks of `puffy bench methods` at a tiny size: what comes out is right. How long it takes is not asked here."""

from __future__ import annotations

from pathlib import Path

import pytest

from puffy_platform.speed import GROUPS, TASKS, Task
from puffy_platform.speed.measure import peak_mib, run
from puffy_platform.speed.samples import customers, events
from puffy_platform_tests.command import puffy

TINY = {"attribution": 2_000, "clv": 300, "churn": 400, "funnel": 5_000, "retention": 5_000}


def of_group(group: str) -> list[Task]:
    return [task for task in TASKS.values() if task.group == group]


@pytest.mark.parametrize("task", of_group("attribution"), ids=lambda task: task.name)
def test_every_model_credits_all_orders(task: Task) -> None:
    said = task.run(task.sample(TINY["attribution"]))
    assert said["orders"] > 30
    assert said["credited"] == pytest.approx(said["orders"])


def test_all_customers_are_fitted_and_scored() -> None:
    fitted, scored = (task.run(task.sample(TINY["clv"])) for task in of_group("clv"))
    repeat = customers(TINY["clv"]).filter(frequency=0).height
    assert fitted["repeat customers"] == TINY["clv"] - repeat > 50
    assert scored["scored"] == TINY["clv"]


def test_as_many_churn_as_the_models_expect_and_all_are_scored() -> None:
    *trained, scored = (task.run(task.sample(TINY["churn"])) for task in of_group("churn"))
    assert [one["churned"] == pytest.approx(one["expected"], abs=1) for one in trained] == [True, True]
    assert scored["scored"] == TINY["churn"]


@pytest.mark.parametrize("task", of_group("funnel"), ids=lambda task: task.name)
def test_who_views_a_page_enters_the_funnel(task: Task) -> None:
    rows = events(TINY["funnel"])
    said = task.run(rows)
    viewed = rows if task.name == "funnel_any_best" else rows.filter(event_name="page_viewed")
    if task.name.endswith("best"):
        assert said["entered"] == viewed["client_id"].n_unique()
    else:
        assert viewed["client_id"].n_unique() < said["entered"] <= viewed.height
    assert 0 <= said["completed"] < said["entered"]


def test_every_client_is_a_member_and_few_had_no_week() -> None:
    said = [task.run(task.sample(TINY["retention"])) for task in of_group("retention")]
    clients = events(TINY["retention"])["client_id"].n_unique()
    assert [one["members"] for one in said] == [clients, clients]
    assert all(0 < one["came"] < one["had the time"] <= clients for one in said)


def test_the_command_measures_a_group_in_processes_of_their_own(tmp_path: Path) -> None:
    found = puffy(tmp_path, "bench", "methods", "clv", "--size", "0.003", "--json").json()
    assert [(one["task"], one["size"]) for one in found] == [("clv_fit", 300), ("clv_score", 300)]
    assert all(one["peak_mib"] > one["sample_mib"] and one["cpu"] >= 0 for one in found)
    assert found[1]["said"] == TASKS["clv_score"].run(customers(300))
    mistyped = puffy(tmp_path, "bench", "methods", "funnels")
    assert mistyped.message == f"puffy: there is no group funnels; there are {', '.join(GROUPS)}"


def test_the_peak_of_a_process_is_its_own_and_not_that_of_the_one_that_began_it() -> None:
    ballast = b"x" * (300 << 20)
    assert peak_mib() > 300
    assert 0 < run("calendar").peak_mib < 200
    del ballast
