"""Uplift from controls in PostgreSQL: what is proven ranks and is scored, what is not is left."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest

from models_ml import registry, train_uplift, uplift, uplift_model
from models_ml.evaluate import Estimate
from models_ml.experiment import Experiment, NoExperiment
from models_ml.features import FEATURE_NAMES
from models_ml.score_uplift import score_uplift
from models_ml.stored_files import UnreadableModelError
from models_ml.train_uplift import UpliftParameters, read_parameters, train_uplift_model
from models_ml.uplift import Judgement, RankingComparison, SleepingDogs
from scripts import database, nightly_steps
from scripts.warehouse import Role
from tests.models_ml.conftest import copy_into
from tests.models_ml.planted import DECISION_DATE, NIGHT, fill_marts, planted_experiment

VERDICTS = "select * from ml.uplift_verdict order by judged_at"
SCORES = "select * from ml.uplift_score order by model_version, customer_id"


@pytest.fixture
def few_trees(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the training short: what is planted is coarse."""
    monkeypatch.setattr(uplift, "MAXIMUM_TREES", 20)
    parameters = replace(read_parameters(), fold_count=2)
    monkeypatch.setattr(train_uplift, "read_parameters", lambda: parameters)


@pytest.mark.usefixtures("warehouse_db", "few_trees")
def test_proven_uplift_ranks_and_is_scored_once(model_name: str) -> None:
    planted = planted_experiment(3000, effect="persuadable", seed=1)
    fill_marts(planted, planted)
    verdict = train_uplift_model(NIGHT, model_name)

    assert (verdict.ranking, verdict.model_version) == ("uplift", "1")
    assert verdict.reason.startswith("uplift beats risk: effect on the 30% ranked highest +")
    assert verdict.treated_count + verdict.control_count == 3000
    measures: Any = verdict.measures
    assert set(measures) == {"T", "X", "risk", "T less risk", "sleeping dogs"}
    assert measures["T less risk"]["uplift_at_k"]["low"] > 0
    assert measures["T"]["uplift_at_k"]["value"] == pytest.approx(0.35, abs=0.07)
    effect = measures["T"]["average_effect"]
    assert effect["low"] < 0.05 / 3 < effect["high"]
    assert train_uplift_model(NIGHT, model_name) == verdict
    [stored] = database.fetch_all(Role.SCORER, VERDICTS)
    assert stored["measures"] == measures
    champion_now = uplift_model.load_champion(model_name)
    assert champion_now is not None and champion_now.version == "1"

    tonight = planted.assign(decision_date=NIGHT)[::-1]
    add_features(tonight)
    first = score_uplift(NIGHT, model_name)
    rows = pd.DataFrame(database.fetch_all(Role.SCORER, SCORES))
    second = score_uplift(NIGHT, model_name)
    assert (first.status, first.model_version, first.customer_count) == ("scored", "1", 3000)
    assert second == replace(first, status="already_scored")
    pd.testing.assert_frame_equal(rows, pd.DataFrame(database.fetch_all(Role.SCORER, SCORES)))

    scored = rows.merge(planted, on="customer_id")
    means = scored.groupby("star_level")["uplift"].mean()
    assert means[3] > 0.2
    assert means[1] < -0.15
    assert verdict.has_sleeping_dogs
    assert scored["is_sleeping_dog"].equals(scored["uplift"] < 0)
    assert scored[scored["star_level"] == 1]["is_sleeping_dog"].mean() > 0.9
    assert first.sleeping_dog_count == scored["is_sleeping_dog"].sum()


@pytest.mark.usefixtures("warehouse_db", "few_trees")
def test_harm_to_everybody_is_no_reason_to_rank_by_uplift(model_name: str) -> None:
    """The model is kept for comparison; nobody sleeps while risk ranks, and nothing is scored."""
    planted = planted_experiment(1500, effect="harm", seed=2)
    fill_marts(planted, planted)
    champion(model_name)
    verdict = train_uplift_model(NIGHT, model_name)
    assert (verdict.ranking, verdict.model_version) == ("risk", "2")
    assert verdict.reason.startswith("uplift does not beat risk: ")
    measures: Any = verdict.measures
    assert measures["sleeping dogs"]["effect"]["high"] < 0  # there are some
    assert not verdict.has_sleeping_dogs
    assert uplift_model.load_champion(model_name) is None  # the one before has been withdrawn
    assert score_uplift(NIGHT, model_name).status == "no_champion"
    assert database.fetch_all(Role.SCORER, SCORES) == []


@pytest.mark.usefixtures("warehouse_db", "few_trees")
def test_too_few_controls_change_nothing_but_the_verdict(model_name: str) -> None:
    planted = planted_experiment(1500, effect="persuadable", seed=3, control_share=0.1)
    fill_marts(planted, planted)
    verdict = train_uplift_model(NIGHT, model_name)
    controls = 1500 - int(planted["is_treated"].sum())
    assert controls < 200
    assert verdict.reason == (
        f"too few to compare: {controls} control customer(s), 200 needed"
        " (of campaigns with 20 called and as many controls)"
    )
    assert (verdict.ranking, verdict.model_version, verdict.measures) == ("risk", None, {})
    assert verdict.control_count == controls
    assert train_uplift_model(NIGHT, model_name) == verdict
    assert len(database.fetch_all(Role.SCORER, VERDICTS)) == 1
    assert uplift_model.load_champion(model_name) is None


@pytest.mark.usefixtures("warehouse_db")
def test_an_experiment_that_has_changed_is_judged_again(model_name: str) -> None:
    planted = planted_experiment(40, effect="none", seed=4)
    fill_marts(planted, planted)
    first = train_uplift_model(NIGHT, model_name)
    with database.connect(Role.TRANSFORMER) as connection:
        connection.execute("update marts.fct_retention_experiment set has_stayed = not has_stayed")
    second = train_uplift_model(NIGHT, model_name)
    assert first.experiment_hash != second.experiment_hash
    assert len(database.fetch_all(Role.SCORER, VERDICTS)) == 2


@pytest.mark.usefixtures("warehouse_db")
def test_an_older_experiment_does_not_undo_a_later_verdict(model_name: str) -> None:
    planted = planted_experiment(40, effect="none", seed=4)
    fill_marts(planted, planted)
    train_uplift_model(NIGHT, model_name)
    earlier = NIGHT - timedelta(days=1)
    with database.connect(Role.TRANSFORMER) as connection:
        connection.execute(
            "update marts.fct_retention_experiment set business_date = %s", [earlier]
        )
    with pytest.raises(NoExperiment, match=f"as of {NIGHT} has been judged already"):
        train_uplift_model(earlier, model_name)


@pytest.mark.usefixtures("warehouse_db")
def test_the_steps_say_what_ranks_and_why(model_name: str) -> None:
    nightly_steps.train_uplift_model(NIGHT)
    planted = planted_experiment(100, effect="none", seed=5)
    fill_marts(planted, planted)
    nightly_steps.train_uplift_model(NIGHT)
    nightly_steps.score_uplift(NIGHT)
    champion(uplift_model.MODEL_NAME)
    nightly_steps.score_uplift(DECISION_DATE)
    shutil.rmtree(registry.artifact_dir())
    nightly_steps.score_uplift(DECISION_DATE)
    registry.set_champion(uplift_model.MODEL_NAME, None)

    runs = database.fetch_all(
        None, "select step, status, message, counts from ops.step_run order by step_run_id"
    )
    absent, judged, unproven, scored, lost = runs
    statuses = [run["status"] for run in runs]
    assert statuses == ["skipped", "success", "skipped", "success", "skipped"]
    assert "no night has decided" in absent["message"]
    assert judged["message"].startswith("calls are ranked by risk: too few to compare: ")
    called = int(planted["is_treated"].sum())
    assert judged["counts"] == {
        "model_version": None,
        "called_customers": called,
        "control_customers": 100 - called,
    }
    assert unproven["message"].startswith("calls are ranked by risk: uplift has not been shown")
    assert scored["counts"]["customers_scored"] == 100
    assert "calls are ranked by risk until uplift is trained" in lost["message"]


@pytest.mark.parametrize(
    ("changed", "shortage"),
    [
        ({"minimum_arm_customers": 31}, "30 {arm} customer(s), 31 needed"),
        ({"minimum_arm_leavers": 6}, "5 {arm} leaver(s), 6 needed"),
    ],
)
def test_both_arms_need_customers_and_leavers(changed: dict[str, int], shortage: str) -> None:
    enough = replace(read_parameters(), minimum_arm_customers=30, minimum_arm_leavers=5)
    for arm, called, controls in (
        ("called", (25, 5), (31, 6)),
        ("control", (31, 6), (25, 5)),
    ):
        arms = counted_arms(called, controls)
        assert train_uplift._shortage(arms, enough) is None
        found = train_uplift._shortage(arms, replace(enough, **changed))
        assert found is not None
        assert found.startswith(f"too few to compare: {shortage.format(arm=arm)}")


def test_what_cannot_be_measured_beats_nothing() -> None:
    nothing = Estimate(float("nan"), float("nan"), float("nan"))
    comparison = RankingComparison(nothing, Estimate(0.1, 0.05, 0.2), is_better=False)
    assert train_uplift._reason(comparison, 0.3).startswith("no interval: among the 30% ranked")
    judgement = Judgement(
        {"T": {"uplift_at_k": nothing}}, comparison, SleepingDogs(np.zeros(0, bool), 0, None)
    )
    unknown = {"value": None, "low": None, "high": None}
    assert train_uplift._measures(judgement) == {"T": {"uplift_at_k": unknown}}


def test_parameters_are_those_of_the_seed() -> None:
    parameters = read_parameters()
    assert parameters == UpliftParameters(
        lookback_days=360,
        top_share=0.3,
        fold_count=5,
        minimum_campaign_controls=20,
        minimum_arm_customers=200,
        minimum_arm_leavers=10,
        random_seed=20261120,
    )


@pytest.mark.usefixtures("warehouse_db")
def test_a_champion_whose_files_were_changed_is_refused(model_name: str) -> None:
    champion(model_name)
    [verdict] = registry.artifact_dir().rglob(uplift_model.VERDICT_FILE)
    model_file = verdict.parent / uplift.METADATA_FILE
    model_file.write_text(model_file.read_text().replace("{", "{ ", 1))
    with pytest.raises(UnreadableModelError, match="is not the file that was saved"):
        score_uplift(NIGHT, model_name)
    verdict.write_text("{}")
    with pytest.raises(UnreadableModelError, match=r"verdict\.json is not this version's verdict"):
        score_uplift(NIGHT, model_name)


def champion(model_name: str) -> None:
    """Make a small model the champion."""
    planted = planted_experiment(60, effect="none", seed=6)
    arms = Experiment(planted, "hash")
    model = uplift.fit_uplift(arms.features, arms.treated, arms.outcome, seed=1)
    verdict = uplift_model.Verdict(
        business_date=NIGHT - timedelta(days=30),
        experiment_hash="hash",
        ranking="uplift",
        reason="test",
        treated_count=30,
        control_count=30,
        has_sleeping_dogs=True,
        measures={"T less risk": {"qini": {"value": 0.1, "low": 0.05, "high": None}}},
    )
    judged = uplift_model.JudgedUplift(model, FEATURE_NAMES, 1, verdict)
    registry.set_champion(model_name, uplift_model.register(judged, model_name))
    loaded = uplift_model.load_champion(model_name)
    assert loaded is not None
    assert (loaded.uplift.verdict, loaded.uplift.features) == (verdict, FEATURE_NAMES)


def add_features(frame: pd.DataFrame) -> None:
    """Append features as of the frame's decision date to marts.fct_churn_feature."""
    observed = frame.rename(columns={"decision_date": "observation_date"})
    columns = ["observation_date", "customer_id", *FEATURE_NAMES]
    with database.connect(Role.TRANSFORMER) as connection:
        copy_into(connection, "fct_churn_feature", observed[columns])


def counted_arms(called: tuple[int, int], controls: tuple[int, int]) -> Experiment:
    """Return so many stayers and leavers among the called and the controls."""
    rows: list[dict[str, Any]] = [
        {"is_treated": is_treated, "has_stayed": has_stayed}
        for is_treated, counts in ((True, called), (False, controls))
        for has_stayed, count in zip((True, False), counts, strict=True)
        for _ in range(count)
    ]
    return Experiment(pd.DataFrame(rows), "hash")
