"""Labels end where they should, and models are the same as plain numbers as they were in scikit-learn."""

from __future__ import annotations

import datetime as dt
import json

import numpy as np
import polars as pl
import pytest

from puffy_platform.methods.churn.customers import COLUMNS, FEATURES, labelled, matrix
from puffy_platform.methods.churn.drift import drift, reference
from puffy_platform.methods.churn.learners import BASELINES, BOOSTING, LEARNERS, CannotFit, apply, fit
from puffy_platform.methods.clv.bg_nbd import BgNbd
from puffy_platform_tests.methods.clv.shoppers import CDNOW_SPEND, shoppers
from puffy_platform_tests.windows import settings_with

CHURN = settings_with().churn
DAY = dt.date(2025, 3, 31)


def customers_of(seed: int, count: int) -> pl.DataFrame:
    """Rows of churn_features of customers who buy as BG/NBD has it, and browse at random."""
    random = np.random.default_rng(seed)
    bought = shoppers(BgNbd(1.2, 40.0, 0.8, 2.5), CDNOW_SPEND, count, 360.0, seed)
    tenure = np.ceil(bought["T"].to_numpy()).astype(int)
    since = tenure - bought["recency"].round().cast(pl.Int64).to_numpy()
    whole = {name: random.poisson(3, count) for name in FEATURES if not name.endswith("_share_90d")}
    shares = {name: random.random(count) for name in FEATURES if name.endswith("_share_90d")}
    return pl.DataFrame(
        {
            "day": [DAY] * count,
            "customer_id": [f"c{number:05}" for number in range(count)],
            **whole,
            **shares,
            "tenure_days": tenure,
            "frequency": bought["frequency"] + 1,
            "recency_days": since,
        }
    ).select(COLUMNS)


def churned_of(customers: pl.DataFrame) -> np.ndarray:
    odds = customers["recency_days"].to_numpy() / 100 - customers["sessions_30d"].to_numpy() / 2
    return np.random.default_rng(2).random(customers.height) < 1 / (1 + np.exp(-odds))


CUSTOMERS = customers_of(seed=1, count=1_500)
CHURNED = churned_of(CUSTOMERS)


def row(customer: str, day: dt.date, recency_days: int, last_seen_days: int | None) -> dict[str, object]:
    return dict.fromkeys(COLUMNS, 0) | {
        "day": day, "customer_id": customer, "recency_days": recency_days, "last_seen_days": last_seen_days
    }  # fmt: skip


def test_the_horizon_begins_after_the_day_and_its_last_day_still_counts() -> None:
    """Known on 31 March; 90 days are 1 April to 29 June. Ann orders on 29 June, Ben on 31 March and never again, Cat's
    last order was too long ago, and of Dan nothing is known on 29 June."""
    end = dt.date(2025, 6, 29)
    features = pl.DataFrame(
        [
            row("ann", DAY, 30, None), row("ann", end, 0, None),
            row("ben", DAY, 0, 3), row("ben", end, 90, None),
            row("cat", DAY, 365, 0), row("cat", end, 1, 0),
            row("dan", DAY, 3, 3),
        ]
    )  # fmt: skip
    found = labelled(features, [DAY], CHURN)
    assert found.select("customer_id", "churned").rows() == [("ann", False), ("ben", True)]
    visits = settings_with(churn={"activity": "visit"}).churn
    found = labelled(features, [DAY], visits)
    assert found.select("customer_id", "churned").rows() == [("ben", True), ("cat", False)]


@pytest.mark.parametrize("learner", [*LEARNERS, *BASELINES])
def test_a_model_survives_json_and_a_shuffle_of_those_it_is_applied_to(learner: str) -> None:
    model = json.loads(json.dumps(fit(learner, CUSTOMERS, CHURNED, CUSTOMERS, CHURN)))
    found = apply(model, CUSTOMERS)
    assert ((found > 0) & (found < 1)).all()
    assert found.mean() == pytest.approx(CHURNED.mean(), abs=0.01)
    backwards = apply(model, CUSTOMERS.reverse())
    assert np.allclose(backwards[::-1], found, rtol=1e-12)


def test_boosted_trees_as_plain_numbers_say_what_scikit_learn_says() -> None:
    from sklearn.ensemble import HistGradientBoostingClassifier
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        theirs = HistGradientBoostingClassifier(**BOOSTING).fit(matrix(CUSTOMERS), CHURNED)
    others = customers_of(seed=9, count=500)
    mine = apply(fit("gradient_boosting", CUSTOMERS, CHURNED, CUSTOMERS, CHURN), others)
    assert np.allclose(mine, theirs.predict_proba(matrix(others))[:, 1], rtol=1e-7)


def test_the_logistic_regression_finds_the_slope_it_was_made_with() -> None:
    model = fit("logistic", CUSTOMERS, CHURNED, CUSTOMERS, CHURN)
    weights = {feature["name"]: feature["weight"] for feature in model["features"]}
    assert list(weights) == list(FEATURES)
    strongest = sorted(weights, key=lambda name: -abs(weights[name]))[:2]
    assert set(strongest) == {"recency_days", "sessions_30d"}
    assert weights["recency_days"] > 0 > weights["sessions_30d"]


def test_p_alive_says_when_too_few_have_bought_again() -> None:
    once = CUSTOMERS.with_columns(frequency=pl.lit(1), recency_days="tenure_days")
    with pytest.raises(CannotFit, match="0 customers have bought again; BG/NBD needs 50"):
        fit("p_alive", CUSTOMERS, CHURNED, once, CHURN)


def test_drift_names_the_feature_that_moved() -> None:
    known = reference(CUSTOMERS)
    same = drift(known, customers_of(seed=3, count=1_000))
    assert max(same.values()) < 0.1
    moved = drift(known, customers_of(seed=3, count=1_000).with_columns(pl.col("page_views_30d") * 3))
    assert moved["page_views_30d"] > 1
    assert {name: value for name, value in moved.items() if name != "page_views_30d"} == {
        name: value for name, value in same.items() if name != "page_views_30d"
    }
