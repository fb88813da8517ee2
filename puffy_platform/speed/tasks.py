"""What is measured: for each task its size, how its input is made, and what is done with it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import polars as pl

from puffy_platform.speed import samples

__all__ = ["GROUPS", "TASKS", "Task"]

Said = dict[str, int | float]


@dataclass(frozen=True)
class Task:
    """`run` does it on what `sample(size)` made and returns what came out, so that one sees it was done."""

    name: str
    group: str
    size: int
    unit: str
    sample: Callable[[int], pl.DataFrame]
    run: Callable[[pl.DataFrame], Said]


def _attribution(model: str, journeys: pl.DataFrame) -> Said:
    """From rows to credit: equal journeys are added up, and the model is solved."""
    from puffy_platform.methods.journeys import Journeys
    from puffy_platform.methods.markov import MarkovChain
    from puffy_platform.methods.shapley import ConversionRateGame, SumGame

    found = Journeys.from_frame(journeys)
    counts, won = (found.converted + found.lost)[:, None], found.converted[:, None]
    if model == "shapley_rate":
        credit = ConversionRateGame(found).credit(counts, won)
    elif model == "shapley_sum":
        credit = SumGame(found).credit(counts, won)
    else:
        credit = MarkovChain(found, int(model.removeprefix("markov_"))).credit(counts, won)
    return _credited(journeys, found.paths, float(credit.sum()))


def _daily_attribution(journeys: pl.DataFrame) -> Said:
    """What the daily table does: three models, each with 200 bootstrap samples."""
    from puffy_platform.methods.data_driven import Evidence, attribute, model_names
    from puffy_platform.methods.journeys import Journeys

    found = Journeys.from_frame(journeys)
    rows = attribute(
        [Evidence(found, 0, 0)],
        models=model_names([1]),
        min_conversions=min(30, int(journeys["conversions"].sum())),
        draws=200,
        unattributed_channel="(unattributed)",
    )
    return _credited(journeys, found.paths, float(rows["orders"].sum()) / rows["model"].n_unique())


def _credited(journeys: pl.DataFrame, distinct: int, credited: float) -> Said:
    return {"distinct paths": distinct, "orders": int(journeys["conversions"].sum()), "credited": round(credited, 6)}


def _fit(customers: pl.DataFrame) -> Said:
    from puffy_platform.methods.clv.lifetime import fit_lifetime

    found = fit_lifetime(customers, min_repeat_customers=1)
    model = found.purchases
    parameters = {} if model is None else {name: round(getattr(model, name), 3) for name in ("r", "alpha", "a", "b")}
    return {"repeat customers": found.repeat_customers, **parameters}


def _score(customers: pl.DataFrame) -> Said:
    from puffy_platform.methods.clv.lifetime import Lifetime, expect

    repeat = int((customers["frequency"] > 0).sum())
    known = Lifetime("ok", "", customers.height, repeat, samples.PURCHASES, value=samples.SPEND)
    found = expect(known, customers, (90, 180, 365))
    return {"scored": found["p_alive"].count(), "purchases in 365 days": round(found["expected_purchases_365"].sum())}


def _train(learner: str, customers: pl.DataFrame) -> Said:
    """Features are read, scaled and fitted; the model is made plain."""
    from puffy_platform.methods.churn.learners import apply

    model = _churn_model(learner, customers)
    said: Said = {"churned": int(customers["churned"].sum())}
    return said | {"expected": round(float(apply(model, customers).sum()))}


def _predict(customers: pl.DataFrame) -> Said:
    """By boosted trees, the slower of the two, that were fitted to few."""
    from puffy_platform.methods.churn.learners import apply

    found = apply(_churn_model("gradient_boosting", customers.head(1_000)), customers)
    return {"scored": len(found), "expected": round(float(found.sum()))}


def _churn_model(learner: str, customers: pl.DataFrame) -> Mapping[str, Any]:
    from puffy_platform.methods.churn.learners import fit
    from puffy_platform.settings import load_settings

    return fit(learner, customers, customers["churned"].to_numpy(), customers, load_settings(environment={}).churn)


def _funnel(order: str, reentry: str, events: pl.DataFrame) -> Said:
    """Steps are marked, attempts made and folded: the shop's funnel within 7 days."""
    from puffy_platform.methods.funnel import Funnel, attempts
    from puffy_platform.methods.funnel_question import mark_steps
    from puffy_platform.methods.funnel_steps import fold
    from puffy_platform.tables.funnel import STEPS

    funnel = Funnel(len(STEPS), dt.timedelta(days=7), cast("Any", order), cast("Any", reentry))
    marked = mark_steps(events.lazy(), STEPS).drop("event_name").collect()
    reached = fold(attempts(marked, funnel, samples.DAYS), len(STEPS))["reached"]
    return {"entered": reached[0], "completed": reached[-1]}


def _retention(clock: str, events: pl.DataFrame) -> Said:
    from puffy_platform.methods.retention import ALL, read_marks, retention

    activity = events.lazy().select(member="client_id", at="event_ts")
    births = activity.group_by("member").agg(born_at=pl.col("at").min())
    marks = read_marks("1,3,7,14,1-7,8-14,7+")
    found = retention(births, activity, marks, samples.DAYS.last, cast("Any", clock)).filter(cohort=ALL, mark="7")
    return {
        "members": found["members"].item(),
        "had the time": found["reached"].item(),
        "came": found["retained"].item(),
    }


def _all() -> list[Task]:
    models = ("shapley_rate", "shapley_sum", "markov_1", "markov_2", "markov_3", "markov_4")
    questions = (("ordered", "best"), ("ordered", "every"), ("strict", "best"), ("any", "best"))
    paths, people, many = 1_000_000, 100_000, 10_000_000
    return [
        *(
            Task(model, "attribution", paths, "paths", samples.journeys, partial(_attribution, model))
            for model in models
        ),
        Task("daily_table", "attribution", paths, "paths", samples.journeys, _daily_attribution),
        Task("clv_fit", "clv", people, "customers", samples.customers, _fit),
        Task("clv_score", "clv", people, "customers", samples.customers, _score),
        *(
            Task(f"churn_{learner}", "churn", 3 * people, "rows", samples.at_risk, partial(_train, learner))
            for learner in ("logistic", "gradient_boosting")
        ),
        Task("churn_score", "churn", people, "customers", samples.at_risk, _predict),
        *(
            Task(
                f"funnel_{order}_{reentry}", "funnel", many, "events", samples.events, partial(_funnel, order, reentry)
            )
            for order, reentry in questions
        ),
        *(
            Task(f"retention_{clock}", "retention", many, "events", samples.events, partial(_retention, clock))
            for clock in ("calendar", "rolling")
        ),
    ]


TASKS: Mapping[str, Task] = {task.name: task for task in _all()}
GROUPS = tuple(dict.fromkeys(task.group for task in TASKS.values()))
