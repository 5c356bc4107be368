"""Scores: appended once, the same alone as in a batch, with reasons."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd
import psycopg
import pyarrow as pa
import pytest

from models_ml import explain, features, registry, score
from models_ml.drift import Bins
from models_ml.drift_watch import SCORE, DriftWatch
from models_ml.features import FeatureBlock, MissingFeatureError
from models_ml.model import ChurnModel
from models_ml.registry import Champion
from models_ml.score import highest, read_scoring_parameters, score_blocks, score_customers
from models_ml.stored_files import UnreadableModelError
from scripts import database, nightly_steps
from scripts.summarize_run import summarize
from scripts.warehouse import Role

BUSINESS_DATE = date(2026, 11, 20)


def test_one_row_scores_as_in_the_batch(churn_model: ChurnModel, tonight: pd.DataFrame) -> None:
    batch = scored(churn_model, tonight)
    for place in range(0, 200, 10):
        alone = scored(churn_model, tonight[place : place + 1])
        assert alone.equals(batch.slice(place, 1))


def test_blocks_do_not_matter(churn_model: ChurnModel, tonight: pd.DataFrame) -> None:
    whole = scored(churn_model, tonight, explained=500)
    assert scored(churn_model, tonight, explained=500, block_rows=700).equals(whole)


@pytest.mark.parametrize("explained", [0, 1, 500, 2999, 3000, 5000])
def test_the_highest_get_reasons(
    churn_model: ChurnModel, tonight: pd.DataFrame, explained: int
) -> None:
    everybody = scored(churn_model, tonight).to_pandas()
    highest = scored(churn_model, tonight, explained).to_pandas()
    order = everybody.sort_values(
        ["churn_probability", "customer_id"], ascending=[False, True], ignore_index=False
    )
    is_explained = highest.index.isin(order.index[:explained])
    reasons = ["reason_1", "reason_2", "reason_3"]
    pd.testing.assert_frame_equal(highest[is_explained], everybody[is_explained])
    assert highest.loc[~is_explained, reasons].isna().all(axis=None)
    pd.testing.assert_frame_equal(
        highest.drop(columns=reasons), everybody.drop(columns=reasons), check_exact=True
    )


def test_of_equal_probabilities_the_first_ids_are_highest() -> None:
    probability = np.array([0.2, 0.5, 0.2, 0.9, 0.2])
    ids = pa.chunked_array([["d", "b"], ["c", "e", "a"]])
    assert highest(probability, ids, 3).tolist() == [1, 3, 4]
    assert highest(probability, ids, 4).tolist() == [1, 2, 3, 4]
    assert highest(probability, ids, 2).tolist() == [1, 3]


def test_no_champion_scores_nothing(marts: str, model_name: str) -> None:
    result = score_customers(BUSINESS_DATE, model_name)
    assert (result.status, result.model_version) == ("no_champion", None)
    assert read_scores() == []


def test_scores_every_customer_once(
    marts: str,
    model_name: str,
    churn_model: ChurnModel,
    tonight: pd.DataFrame,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    register_champion(churn_model, model_name)
    monkeypatch.setattr(features, "BLOCK_ROWS", 700)  # several blocks, the last one short
    monkeypatch.setattr(score, "EXPLAINED_ROWS", 700)
    monkeypatch.setattr(score, "APPENDED_ROWS", 700)
    first = score_customers(BUSINESS_DATE, model_name)
    rows = read_scores()
    second = score_customers(BUSINESS_DATE, model_name)

    assert (first.status, first.model_version, first.customer_count) == ("scored", "1", 3000)
    assert (second.status, second.customer_count) == ("already_scored", 3000)
    assert read_scores() == rows  # scored_at too
    expected = scored(churn_model, tonight)
    assert [{name: row[name] for name in expected.column_names} for row in rows] == (
        expected.to_pylist()
    )
    assert {row["feature_hash"] for row in rows} == {churn_model.metadata.feature_hash}
    assert {row["business_date"] for row in rows} == {BUSINESS_DATE}
    assert any(row["reason_1"] == "amount_overdue" for row in rows)


def test_a_new_champion_adds_its_own_scores(
    marts: str, model_name: str, churn_model: ChurnModel
) -> None:
    for _ in range(2):
        register_champion(churn_model, model_name)
        assert score_customers(BUSINESS_DATE, model_name).status == "scored"
    scores: dict[str, list[float]] = {"1": [], "2": []}
    for row in read_scores():
        scores[row["model_version"]].append(row["churn_probability"])
    assert len(scores["1"]) == 3000
    assert scores["1"] == scores["2"]


def test_a_date_without_features_is_an_error(
    marts: str, model_name: str, churn_model: ChurnModel
) -> None:
    register_champion(churn_model, model_name)
    with pytest.raises(LookupError, match="2026-11-21"):
        score_customers(BUSINESS_DATE + timedelta(days=1), model_name)


def test_a_feature_the_champion_needs_is_named(
    marts: str, model_name: str, churn_model: ChurnModel
) -> None:
    register_champion(churn_model, model_name)
    with database.connect(Role.TRANSFORMER) as connection:
        connection.execute("alter table marts.fct_churn_feature rename star_level to stars")
    with pytest.raises(MissingFeatureError, match="star_level"):
        score_customers(BUSINESS_DATE, model_name)
    assert read_scores() == []


def test_drift_is_measured_once_with_the_scores(
    marts: str, model_name: str, churn_model: ChurnModel
) -> None:
    register_champion(churn_model, model_name)
    with database.connect(Role.TRANSFORMER) as connection:
        connection.execute(
            "update marts.fct_churn_feature set age_years = age_years + 40,"
            " tenure_days = tenure_days + 8 where observation_date = %s",
            [BUSINESS_DATE],
        )
    first = score_customers(BUSINESS_DATE, model_name)
    rows = read_drift()
    # The score follows: how far depends on what the model makes of ages that it has not seen.
    assert {drift.feature for drift in first.moved} - {SCORE} == {"age_years"}
    assert score_customers(BUSINESS_DATE, model_name).moved == first.moved
    assert read_drift() == rows
    levels = {row["feature"]: row["drift_level"] for row in rows}
    assert set(levels) == {*churn_model.metadata.features, SCORE}
    del levels[SCORE]
    assert (levels.pop("age_years"), levels.pop("tenure_days")) == ("moved", "moving")
    assert set(levels.values()) == {"stable"}
    assert {(row["business_date"], row["model_version"]) for row in rows} == {(BUSINESS_DATE, "1")}


def test_the_step_tells_what_has_moved(
    marts: str, churn_model: ChurnModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "load_champion", lambda _: Champion("7", churn_model))
    with database.connect(Role.TRANSFORMER) as connection:
        connection.execute("update marts.fct_churn_feature set age_years = age_years + 40")
    nightly_steps.score(BUSINESS_DATE)
    [run] = read_step_runs()
    assert run["status"] == "success"
    assert run["counts"]["customers_scored"] == 3000
    assert run["counts"]["moved"] == run["message"].count(", ") + 1
    assert run["message"].startswith("moved since the churn model was made (stability index): ")
    assert "age_years " in run["message"]
    assert "age_years" in summarize(BUSINESS_DATE)


def test_a_champion_that_cannot_be_read_leaves_the_night_its_warnings(
    marts: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreadable(_: str) -> Champion:
        raise UnreadableModelError("trees.ubj does not exist")

    monkeypatch.setattr(registry, "load_champion", unreadable)
    nightly_steps.score(BUSINESS_DATE)
    [run] = read_step_runs()
    assert run["status"] == "skipped"
    assert run["message"] == (
        "trees.ubj does not exist: tonight's list comes from the risk warnings alone"
    )


@pytest.mark.parametrize(
    ("limits", "level"),
    [((0.415, 0.9), "stable"), ((0.412, 0.415), "moving"), ((0.4, 0.412), "moved")],
)
def test_a_limit_must_be_exceeded_beyond_chance(limits: tuple[float, float], level: str) -> None:
    bins = Bins.of(np.arange(10_000, dtype=np.float32))
    watch = DriftWatch(["x"], [bins], bins)
    # The upper fifth holds half of the rows instead: 0.3 * ln(2.5) + 0.3 * ln(1.6) = 0.4159; chance
    # alone would bring 9 * (1/10,000 + 1/10,000) = 0.0018.
    values = np.concatenate([np.arange(0, 8000, 1.6), np.arange(8000, 10_000, 0.4)])
    watch.see(values.astype(np.float32)[:, np.newaxis], values)
    [first, second] = watch.measured(*limits)
    assert (first.feature, second.feature) == ("score", "x")
    assert first.stability_index == pytest.approx(0.4159, abs=0.0005)
    assert first.drift_level == second.drift_level == level


def test_scoring_parameters_are_read() -> None:
    parameters = read_scoring_parameters()
    assert parameters.explained_customer_count >= 1
    assert 0 < parameters.drift_moving_above < parameters.drift_moved_above


def test_scores_cannot_be_changed_afterwards(warehouse_db: str) -> None:
    with (
        database.connect(Role.SCORER) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute("update ml.churn_score set churn_probability = 0")


def scored(
    model: ChurnModel, frame: pd.DataFrame, explained: int = 3000, block_rows: int = 3000
) -> pa.Table:
    """Return the scores of a frame's customers, given in blocks."""
    metadata = model.metadata
    blocks = [
        FeatureBlock(
            pa.array(part["customer_id"], pa.string()), model.learner.encoding.matrix(part)
        )
        for part in (
            frame[start : start + block_rows] for start in range(0, len(frame), block_rows)
        )
    ]
    watch = DriftWatch(metadata.features, metadata.feature_bins, metadata.score_bins)
    codes = explain.read_reason_codes(metadata.features)
    return score_blocks(model, blocks, codes, explained, watch).combine_chunks()


def register_champion(model: ChurnModel, model_name: str) -> None:
    """Make `model` the champion."""
    registry.register(model, is_champion=True, reason="test", model_name=model_name)


def read_step_runs() -> list[dict[str, Any]]:
    """Return status, message and counts of the steps that have run."""
    return database.fetch_all(Role.SCORER, "select status, message, counts from ops.step_run")


def read_drift() -> list[dict[str, Any]]:
    """Return all rows of ml.feature_drift."""
    return database.fetch_all(Role.SCORER, "select * from ml.feature_drift order by feature")


def read_scores() -> list[dict[str, Any]]:
    """Return all rows of ml.churn_score by version and customer."""
    return database.fetch_all(
        Role.SCORER, "select * from ml.churn_score order by model_version, customer_id"
    )
