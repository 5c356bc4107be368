"""The experiment as it is read from PostgreSQL, and which of its customers can be compared."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest

from models_ml.experiment import Experiment, NoExperiment, comparable, read_experiment
from models_ml.features import FEATURE_NAMES
from scripts import database
from scripts.warehouse import Role
from tests.models_ml.planted import NIGHT, fill_marts, planted_experiment


def test_rows_come_with_the_features_of_their_own_night(warehouse_db: str) -> None:
    planted = planted_experiment(40, effect="none", seed=1)
    without_features = planted["customer_id"] == planted["customer_id"][7]
    other_night = planted.assign(
        decision_date=planted["decision_date"] - timedelta(days=1), tenure_days=-1.0
    )
    features = pd.concat([planted[~without_features], other_night])
    fill_marts(planted, features)
    with database.connect(Role.SCORER) as connection:
        experiment = read_experiment(connection, NIGHT)
        again = read_experiment(connection, NIGHT)
    expected = planted[~without_features].sort_values("customer_id")
    assert experiment.frame["customer_id"].tolist() == expected["customer_id"].tolist()
    assert experiment.treated.tolist() == expected["is_treated"].tolist()
    assert experiment.outcome.tolist() == expected["has_stayed"].astype(int).tolist()
    assert experiment.risk.tolist() == pytest.approx(expected["churn_probability"].tolist())
    np.testing.assert_allclose(
        experiment.features["tenure_days"], expected["tenure_days"], rtol=1e-6
    )
    assert list(experiment.features) == list(FEATURE_NAMES)
    assert experiment.sha256 == again.sha256


def test_without_a_night_there_is_no_experiment(warehouse_db: str) -> None:
    with (
        database.connect(Role.SCORER) as connection,
        pytest.raises(NoExperiment, match="no night has decided"),
    ):
        read_experiment(connection, NIGHT)


def test_the_experiment_of_another_night_is_refused(warehouse_db: str) -> None:
    planted = planted_experiment(4, effect="none", seed=1)
    fill_marts(planted, planted)
    with (
        database.connect(Role.SCORER) as connection,
        pytest.raises(NoExperiment, match=f"as of {NIGHT}, not of 2026-11-21"),
    ):
        read_experiment(connection, date(2026, 11, 21))


def test_each_campaign_weighs_the_same_in_both_arms() -> None:
    experiment = _campaigns(churn_warning=(300, 30), risk_soothing=(80, 20))
    arms = comparable(experiment, 20, seed=1)
    counts = arms.frame.groupby(["campaign_code", "is_treated"]).size().to_dict()
    assert counts == {
        ("churn_warning", True): 120,
        ("churn_warning", False): 30,
        ("risk_soothing", True): 80,
        ("risk_soothing", False): 20,
    }
    assert arms.frame["customer_id"].is_monotonic_increasing
    pd.testing.assert_frame_equal(arms.frame, comparable(experiment, 20, seed=1).frame)
    assert not arms.frame.equals(comparable(experiment, 20, seed=2).frame)


@pytest.mark.parametrize(("called", "controls"), [(80, 19), (19, 80)])
def test_a_campaign_with_too_few_on_one_side_takes_no_part(called: int, controls: int) -> None:
    experiment = _campaigns(churn_warning=(20, 20), risk_soothing=(called, controls))
    arms = comparable(experiment, 20, seed=1)
    assert set(arms.frame["campaign_code"]) == {"churn_warning"}
    assert len(arms.frame) == 40


def test_who_has_no_score_cannot_be_ranked_by_risk() -> None:
    experiment = _campaigns(churn_warning=(20, 20))
    experiment.frame.loc[0, "churn_probability"] = np.nan
    assert comparable(experiment, 20, seed=1).frame.empty
    assert len(comparable(experiment, 19, seed=1).frame) == 39


def _campaigns(**arms: tuple[int, int]) -> Experiment:
    """Return customers of campaigns, so many called and so many controls."""
    frame = pd.DataFrame(
        [
            {"campaign_code": campaign, "is_treated": is_treated, "churn_probability": 0.1}
            for campaign, counts in arms.items()
            for is_treated, count in zip((True, False), counts, strict=True)
            for _ in range(count)
        ]
    )
    frame["customer_id"] = [f"C{number:06d}" for number in range(len(frame))]
    return Experiment(frame, "hash")
