"""The churn tables on a simulated shop: what they learn from, which version is in force, and what they never see."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from puffy_platform.methods.churn.customers import FEATURES
from puffy_platform.methods.churn.learners import apply
from puffy_platform.methods.churn.measures import auc
from puffy_platform.table import DayRange
from puffy_platform.tables import TABLES
from puffy_platform_tests.tables.churn_shop import LAST, RETRAINED, SETTINGS, SPAN, features, frames, shop
from puffy_platform_tests.windows import assert_chunking_does_not_matter, compute, outcomes, settings_with

TRAINING, MODELS, SCORES = (TABLES[name] for name in ("churn_training", "churn_models", "churn_scores"))
DAYS = dt.timedelta(days=1)
HORIZON = SETTINGS.churn.horizon_days * DAYS
TODAY = DayRange(RETRAINED, RETRAINED)


def models(day: dt.date = RETRAINED) -> pl.DataFrame:
    return frames()["churn_models"].filter(day=day)


def in_force() -> dict[str, object]:
    return models().filter(status="promoted").row(0, named=True)


def test_it_learns_on_retraining_days_from_customers_whose_future_ends_where_the_holdout_begins() -> None:
    rows = frames()["churn_training"]
    assert rows["day"].unique().sort().to_list() == [RETRAINED - 56 * DAYS, RETRAINED - 28 * DAYS, RETRAINED]
    row = rows.filter(day=RETRAINED, learner="logistic").row(0, named=True)
    assert (row["first_snapshot"], row["last_snapshot"]) == (RETRAINED - 88 * DAYS, RETRAINED - 60 * DAYS)
    assert row["labels_until"] == in_force()["holdout_day"] == RETRAINED - HORIZON
    known = frames()["churn_features"]
    at_risk = known.filter(pl.col("recency_days") < 120)
    snapshots = [RETRAINED - 88 * DAYS, RETRAINED - 60 * DAYS]
    assert row["customers"] == at_risk.filter(pl.col("day").is_in(snapshots)).height
    # Who churned, from the orders themselves.
    came = 0
    for snapshot in snapshots:
        after = shop().conversions.filter(pl.col("day").is_between(snapshot + DAYS, snapshot + HORIZON))
        came += at_risk.filter(day=snapshot).join(after, on="customer_id", how="semi").height
    assert row["customers"] - row["churned"] == came


def test_a_version_names_its_data_its_code_and_its_settings() -> None:
    rows = frames()["churn_training"]
    assert rows["version"].n_unique() == rows.height
    assert rows.filter(day=RETRAINED)["data_hash"].n_unique() == 1
    other = settings_with(churn={**SETTINGS.churn.model_dump(), "max_psi": 0.3})
    again = compute(TRAINING, frames(), TODAY, other)
    mine = rows.filter(day=RETRAINED)
    assert again["data_hash"].to_list() == mine["data_hash"].to_list()
    assert again["parameters"].to_list() == mine["parameters"].to_list()
    assert not set(again["version"]) & set(mine["version"])


def test_one_version_is_in_force_and_beats_both_baselines_by_its_own_measure() -> None:
    rows = models()
    assert sorted(rows["learner"]) == sorted([*["gradient_boosting", "logistic"] * 2, "p_alive", "recency"])
    assert rows.filter(status="promoted").height == 1
    assert rows.filter(status="baseline")["learner"].sort().to_list() == ["p_alive", "recency"]
    row = in_force()
    assert row["gain_recency_low"] > 0  # type: ignore[operator]
    assert row["gain_p_alive_low"] > 0  # type: ignore[operator]
    assert row["learner"] in ("logistic", "gradient_boosting")
    assert {each["feature"] for each in row["importance"]} == set(FEATURES)  # type: ignore[attr-defined]
    assert {each["feature"] for each in row["drift"]} == set(FEATURES)  # type: ignore[attr-defined]
    for words in ("place no order in the 30 days", "AUC above recency alone", "takes an experiment"):
        assert words in str(row["card"])
    trained = frames()["churn_training"].filter(version=row["version"]).row(0, named=True)
    assert row["parameters"] == trained["parameters"]


def test_the_registry_changes_with_a_retraining_and_forgets_the_oldest() -> None:
    before, after = models(RETRAINED - DAYS), models(RETRAINED)
    assert before["decided_on"].unique().to_list() == [RETRAINED - 28 * DAYS]
    assert before["trained_on"].unique().sort().to_list() == [RETRAINED - 56 * DAYS, RETRAINED - 28 * DAYS]
    assert after["decided_on"].unique().to_list() == [RETRAINED]
    assert after["trained_on"].unique().sort().to_list() == [RETRAINED - 28 * DAYS, RETRAINED]
    columns = ["version", "status", "auc", "brier"]
    assert after.select(columns).equals(models(RETRAINED + DAYS).select(columns))


def test_everybody_at_risk_is_scored_by_the_version_in_force() -> None:
    rows = compute(SCORES, frames(), TODAY, SETTINGS)
    known = frames()["churn_features"].filter(pl.col("day") == RETRAINED, pl.col("recency_days") < 120)
    assert rows["customer_id"].to_list() == known["customer_id"].sort().to_list()
    assert rows["version"].unique().to_list() == [in_force()["version"]]
    mine = apply(json.loads(str(in_force()["parameters"])), known.sort("customer_id"))
    assert rows["churn_probability"].to_list() == pytest.approx(mine.tolist())
    groups = pl.DataFrame(in_force()["calibration"]).with_row_index("risk_group", 1)
    own = rows.join(groups, on=pl.col("risk_group").cast(pl.UInt32), suffix="_of_group", maintain_order="left")
    # The first group reaches down to 0, the last up to 1.
    up_to = [*own["up_to"]]
    below = {0.0, *groups["up_to"]}
    for probability, border in zip(rows["churn_probability"], up_to, strict=True):
        assert max(each for each in below if each < border) < probability
        assert probability <= border or border == groups["up_to"][-1]
    assert own["group_observed"].to_list() == own["observed"].to_list()
    assert (rows["group_low"] <= rows["group_observed"]).all()


def test_on_the_simulated_shop_the_model_tells_who_left_better_than_both_baselines() -> None:
    """Of the scored customers, by what came after and by who had really left: neither was known."""
    rows = compute(SCORES, frames(), TODAY, SETTINGS).join(shop().customers, on="customer_id")
    after = shop().conversions.filter(pl.col("day").is_between(RETRAINED + DAYS, RETRAINED + HORIZON))
    came = rows["customer_id"].is_in(after["customer_id"].unique().implode()).to_numpy()
    gone = (rows["leaves"] <= RETRAINED).to_numpy()
    known = frames()["churn_features"].filter(day=RETRAINED)
    own = rows.join(known.drop("day"), on="customer_id", maintain_order="left")
    trained = frames()["churn_training"].filter(day=RETRAINED)
    for truth, least in ((~came, 0.7), (gone, 0.75)):
        mine = auc(rows["churn_probability"].to_numpy(), truth).value
        assert mine > least
        for learner in ("recency", "p_alive"):
            baseline = json.loads(trained.filter(learner=learner)["parameters"][0])
            assert mine > auc(apply(baseline, own), truth).value + 0.02


def test_nothing_that_happens_later_changes_a_score_or_a_model() -> None:
    """The shop closes on the retraining day: everything as of that day stays as it was."""
    known = {name: getattr(shop(), name) for name in ("client_days", "conversions", "identities")}
    closed = dataclasses.replace(
        shop(), **{name: rows.filter(pl.col("day") <= RETRAINED) for name, rows in known.items()}
    )
    inputs = {"churn_features": features(closed)}
    assert not inputs["churn_features"].filter(day=LAST).equals(frames()["churn_features"].filter(day=LAST))
    training = DayRange(RETRAINED - 28 * DAYS, RETRAINED)
    inputs["churn_training"] = compute(TRAINING, inputs, training, SETTINGS)
    inputs["churn_models"] = compute(MODELS, inputs, TODAY, SETTINGS)
    for name in ("churn_training", "churn_models"):
        own = inputs[name]
        assert_frame_equal(own, frames()[name].filter(pl.col("day").is_in(own["day"].implode())), check_exact=True)
    scored = [compute(SCORES, each, TODAY, SETTINGS) for each in (inputs, frames())]
    assert_frame_equal(*scored, check_exact=True)


def test_what_comes_in_the_horizon_changes_labels_and_no_feature() -> None:
    """Everybody orders on the day after the last snapshot: the model learns other labels, from the same numbers."""
    snapshot = RETRAINED - 60 * DAYS
    known = frames()["churn_features"]
    all_came = known.with_columns(
        recency_days=pl.when(pl.col("day") == snapshot + HORIZON)
        .then(pl.min_horizontal("recency_days", SETTINGS.churn.horizon_days - 1))
        .otherwise("recency_days")
    )
    one = settings_with(churn={**SETTINGS.churn.model_dump(), "snapshots": 1, "min_each": 2})
    mine, other = (
        compute(TRAINING, {"churn_features": each}, TODAY, one).filter(learner="logistic").row(0, named=True)
        for each in (known, all_came)
    )
    assert mine["customers"] == other["customers"]
    assert (mine["churned"] > 0, other["churned"]) == (True, 0)
    assert other["status"] == "not_enough_data"


def test_any_chunking_gives_the_same_models_and_scores() -> None:
    assert_chunking_does_not_matter(MODELS, frames(), SPAN, SETTINGS, chunks=(1,))
    assert_chunking_does_not_matter(SCORES, frames(), SPAN, SETTINGS, chunks=(1, 2))


def test_with_too_little_data_it_says_so_and_nobody_is_scored() -> None:
    most = settings_with(churn={**SETTINGS.churn.model_dump(), "min_each": 100_000})
    inputs = {"churn_features": frames()["churn_features"]}
    inputs["churn_training"] = compute(TRAINING, inputs, TODAY, most)
    row = inputs["churn_training"].row(0, named=True)
    assert (row["status"], row["parameters"], row["reference"]) == ("not_enough_data", None, None)
    assert row["why"].endswith("at least 100000 of both are needed")
    inputs["churn_models"] = compute(MODELS, inputs, TODAY, most)
    found = inputs["churn_models"]
    assert found["status"].unique().to_list() == ["not_enough_data"]
    assert found.select(pl.col("auc", "parameters", "drift", "importance").count()).row(0) == (0, 0, 0, 0)
    assert found["card"][0].endswith(f"It was not measured: {row['why']}.")
    rows = compute(SCORES, inputs, TODAY, most)
    assert rows.height == frames()["churn_features"].filter(day=RETRAINED).filter(pl.col("recency_days") < 120).height
    assert rows["status"].unique().to_list() == ["no_model"]
    assert rows.select(pl.col("version", "churn_probability", "risk_group").count()).row(0) == (0, 0, 0)
    for table in (TRAINING, MODELS, SCORES):
        judged = outcomes(table, compute(table, inputs, TODAY, most), inputs, TODAY, most)
        assert set(judged.values()) <= {"pass", "skipped"}


def test_without_p_alive_nothing_is_shipped() -> None:
    """Nobody has bought twice: BG/NBD cannot be fitted, and is not taken for beaten."""
    once = {"churn_features": frames()["churn_features"].with_columns(frequency=pl.lit(1, pl.Int64))}
    training = DayRange(RETRAINED - 28 * DAYS, RETRAINED)
    once["churn_training"] = compute(TRAINING, once, training, SETTINGS)
    baseline = once["churn_training"].filter(day=RETRAINED, learner="p_alive").row(0, named=True)
    assert (baseline["status"], baseline["parameters"]) == ("cannot_fit", None)
    rows = compute(MODELS, once, TODAY, SETTINGS)
    models = rows.filter(pl.col("learner").is_in(["logistic", "gradient_boosting"]))
    assert models["status"].unique().to_list() == ["rejected"]
    assert models["why"].str.contains("P(alive) of BG/NBD could not be fitted", literal=True).all()
    assert rows.filter(learner="p_alive").select("status", "auc").row(0) == ("baseline", None)


def judged(name: str, **changes: pl.Expr) -> dict[str, str]:
    """By check, the outcome of the retraining day when these columns are otherwise."""
    table = TABLES[name]
    rows = frames()[name].filter(day=RETRAINED) if name in frames() else compute(table, frames(), TODAY, SETTINGS)
    found = outcomes(table, rows.with_columns(**changes), frames(), TODAY, SETTINGS)
    return {check: status for (_, check), status in found.items()}


def test_the_checks_pass_on_a_sound_shop_and_fail_on_what_they_are_for() -> None:
    for name in ("churn_training", "churn_models", "churn_scores"):
        assert set(judged(name).values()) == {"pass"}
    assert judged("churn_training", customers=pl.col("customers") + 1)["everybody_at_risk_is_in"] == "fail"
    everyone = pl.lit("promoted")
    assert judged("churn_models", status=everyone)["better_is_in_force"] == "fail"
    assert judged("churn_models", gain_recency_low=pl.lit(-0.1))["better_is_in_force"] == "fail"
    moved = pl.when(pl.col("drift").is_not_null()).then(
        pl.lit([{"feature": "page_views_30d", "psi": 0.9}, {"feature": "clients", "psi": 0.1}])
    )
    assert judged("churn_models", drift=moved)["features_are_stable"] == "warn"
    assert judged("churn_models", calibration_error=pl.lit(0.2))["is_calibrated"] == "warn"
    assert judged("churn_scores", version=pl.lit("another"))["scored_or_said_why"] == "fail"
    assert judged("churn_scores", churn_probability=pl.lit(None, pl.Float64))["scored_or_said_why"] == "fail"
    assert judged("churn_scores", customer_id=pl.lit("one"))["everybody_at_risk_once"] == "fail"


def test_a_retraining_day_before_the_first_customer_has_no_rows_as_if_it_had_never_been_computed() -> None:
    """Else the registry of a home that is computed from its first landing day on would not be that of all history."""
    nobody = {"churn_features": frames()["churn_features"].filter(pl.col("day") != RETRAINED)}
    assert compute(TRAINING, nobody, TODAY, SETTINGS).is_empty()
    assert not compute(TRAINING, frames(), TODAY, SETTINGS).is_empty()
