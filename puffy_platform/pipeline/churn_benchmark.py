"""How well churn is told on a simulated shop whose customers' fate is known: models, baselines, and the best possible.

Runs the tables' own transforms in memory, over histories that no file is written for.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from puffy_platform.demo.histories import CustomerHistories, customer_histories
from puffy_platform.methods.churn.customers import COLUMNS, labelled
from puffy_platform.methods.churn.learners import BASELINES, apply, histories
from puffy_platform.methods.churn.measures import (
    Bools,
    Estimate,
    Floats,
    auc,
    brier,
    calibration,
    calibration_error,
    lift_in_top_decile,
)
from puffy_platform.methods.clv.bg_nbd import BgNbd, expected_purchases
from puffy_platform.settings import Settings
from puffy_platform.table import DayRange, Inputs, Table
from puffy_platform.tables import TABLES
from puffy_platform.tables.churn_training import training_days

__all__ = ["BEST", "EXPECTED", "IN_FORCE", "ChurnBenchmark", "Contender", "mean_aucs", "measure", "run"]

FIRST_DAY = dt.date(2024, 1, 1)
# Who knows each customer's true rate, and whether it has left, can only be beaten by chance.
BEST = "(all knowing)"
# The other way to use BG/NBD: the chance of no purchase when so many are expected (Poisson). No baseline.
EXPECTED = "(BG/NBD purchases)"
IN_FORCE = "(in force)"


@dataclass(frozen=True)
class Contender:
    """One way to predict: on the customers of the scored day, none of whose future was known to any.

    `auc` of who did order in the horizon after it or not, `auc_gone` of who had left the shop for good by then; the
    others as in methods/churn/measures.py. `status` as in churn_models.
    """

    name: str
    status: str
    auc: Estimate
    auc_gone: float
    brier: float
    lift: float
    calibration_error: float


@dataclass(frozen=True)
class ChurnBenchmark:
    """`contenders` are the versions that could be in force, the baselines, and BEST."""

    seed: int
    scored_day: dt.date
    customers: int
    churned: int
    gone: int
    in_force: str | None
    contenders: list[Contender]


def run(seed: int, settings: Settings, events_per_day: int = 2_000) -> ChurnBenchmark:
    """Simulate a shop as long as training and holdout take and the horizon more, and measure it. The same arguments
    give the same result. Needs settings.churn.activity to be order."""
    churn = settings.churn
    history = churn.reach_days + (churn.keep_retrainings + 1) * churn.retrain_every_days + churn.recent_days
    scored_day = churn.retrained_on(FIRST_DAY + dt.timedelta(days=history))
    days = (scored_day - FIRST_DAY).days + 1 + churn.horizon_days
    return measure(customer_histories(FIRST_DAY, days, seed, events_per_day), seed, scored_day, settings)


def measure(shop: CustomerHistories, seed: int, scored_day: dt.date, settings: Settings) -> ChurnBenchmark:
    """What the tables say on a retraining day of the shop, beside what comes."""
    churn = settings.churn
    features = _features(shop, scored_day, settings)
    trained = [
        scored_day - dt.timedelta(days=back * churn.retrain_every_days) for back in range(churn.keep_retrainings)
    ]
    inputs = {"churn_features": features.lazy()}
    training = pl.concat([_rows(TABLES["churn_training"], inputs, day, settings) for day in reversed(trained)])
    models = _rows(TABLES["churn_models"], inputs | {"churn_training": training.lazy()}, scored_day, settings)
    customers = labelled(features, [scored_day], churn).join(shop.customers, on="customer_id", maintain_order="left")
    churned, gone = customers["churned"].to_numpy(), (customers["leaves"] <= scored_day).to_numpy()
    parameters = dict(training.select("version", "parameters").iter_rows())
    found = [
        _contender(
            row["version"] if row["learner"] not in BASELINES else row["learner"], row["status"], mine, churned, gone
        )
        for row in models.iter_rows(named=True)
        if parameters[row["version"]] is not None
        for mine in [apply(json.loads(parameters[row["version"]]), customers)]
    ]
    purchases = training.filter(day=scored_day, learner="p_alive")["parameters"][0]
    if purchases is not None:
        model = BgNbd(**json.loads(purchases)["bg_nbd"])
        found.append(_contender(EXPECTED, "", _none_expected(model, customers, churn.horizon_days), churned, gone))
    found.append(_contender(BEST, "", _all_knowing(customers, gone, shop, churn.horizon_days), churned, gone))
    promoted = models.filter(status="promoted")["version"].to_list()
    return ChurnBenchmark(
        seed, scored_day, customers.height, int(churned.sum()), int(gone.sum()), next(iter(promoted), None), found
    )


def _features(shop: CustomerHistories, scored_day: dt.date, settings: Settings) -> pl.DataFrame:
    """churn_features of just the days that are looked at."""
    churn = settings.churn
    horizon = dt.timedelta(days=churn.horizon_days)
    wanted = {scored_day, scored_day + horizon, scored_day - horizon}
    for back in range(churn.keep_retrainings):
        retrained_on = scored_day - dt.timedelta(days=back * churn.retrain_every_days)
        wanted.add(retrained_on)
        for day in training_days(retrained_on, churn):
            wanted |= {day, day + horizon}
    inputs = {name: getattr(shop, name).lazy() for name in ("client_days", "conversions", "identities")}
    table = TABLES["churn_features"]
    return pl.concat([_rows(table, _until(inputs, day), day, settings).select(COLUMNS) for day in sorted(wanted)])


def _until(inputs: Inputs, day: dt.date) -> Inputs:
    return {name: rows.filter(pl.col("day") <= day) for name, rows in inputs.items()}


def _rows(table: Table, inputs: Inputs, day: dt.date, settings: Settings) -> pl.DataFrame:
    assert table.transform is not None
    days = DayRange(day, day)
    return table.transform(inputs, days, settings).filter(days.covers()).select(list(table.schema)).collect()


def _none_expected(model: BgNbd, customers: pl.DataFrame, horizon_days: int) -> Floats:
    known = histories(customers).cast(pl.Float64)
    return np.exp(-expected_purchases(model, horizon_days, *(known[name].to_numpy() for name in known.columns)))


def _all_knowing(customers: pl.DataFrame, gone: Bools, shop: CustomerHistories, horizon_days: int) -> Floats:
    """The chance of no order, for orders at the true rate until an exponential lifetime ends."""
    rate, leaving = customers["purchases_per_day"].to_numpy(), 1 / shop.model.lifetime_mean_days
    none = (leaving + rate * np.exp(-(rate + leaving) * horizon_days)) / (rate + leaving)
    return np.where(gone, 1.0, none)


def _contender(name: str, status: str, mine: Floats, churned: Bools, gone: Bools) -> Contender:
    return Contender(
        name,
        status,
        auc(mine, churned),
        auc(mine, gone).value,
        brier(mine, churned),
        lift_in_top_decile(mine, churned),
        calibration_error(calibration(mine, churned)),
    )


def mean_aucs(found: Sequence[ChurnBenchmark]) -> dict[str, float]:
    """Mean AUC over shops: of the model in force (0.5 where there is none: then nobody is told from anybody), of the
    newest version of each learner, of the baselines and the best."""
    aucs: dict[str, list[float]] = {}
    for shop in found:
        known = {each.name: each.auc.value for each in shop.contenders}
        aucs.setdefault(IN_FORCE, []).append(known.get(shop.in_force or "", 0.5))
        newest = {name.split("-")[0]: auc for name, auc in known.items()}
        for name, value in newest.items():
            aucs.setdefault(name, []).append(value)
    return {name: float(np.mean(values)) for name, values in aucs.items()}
