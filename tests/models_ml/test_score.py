"""Scores: appended once, the same alone as in a batch, with reasons."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd
import psycopg
import pytest

from models_ml import explain, registry, score
from models_ml.features import MissingFeatureError
from models_ml.model import ChurnModel
from models_ml.score import score_customers, score_frame
from scripts import database
from scripts.warehouse import Role

BUSINESS_DATE = date(2026, 11, 20)


def test_one_row_scores_as_in_the_batch(churn_model: ChurnModel, tonight: pd.DataFrame) -> None:
    batch = score_frame(churn_model, tonight, codes_of(churn_model))
    for place in range(0, 200, 10):
        alone = score_frame(churn_model, tonight[place : place + 1], codes_of(churn_model))
        pd.testing.assert_frame_equal(
            alone, batch[place : place + 1].reset_index(drop=True), check_exact=True
        )


def test_column_order_does_not_matter(churn_model: ChurnModel, tonight: pd.DataFrame) -> None:
    columns = np.random.default_rng(3).permutation(tonight.columns)
    pd.testing.assert_frame_equal(
        score_frame(churn_model, tonight, codes_of(churn_model)),
        score_frame(churn_model, tonight[list(columns)], codes_of(churn_model)),
        check_exact=True,
    )


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
    monkeypatch.setattr(score, "CHUNK_ROWS", 700)  # several chunks, the last one short
    first = score_customers(BUSINESS_DATE, model_name)
    rows = read_scores()
    second = score_customers(BUSINESS_DATE, model_name)

    assert (first.status, first.model_version, first.customer_count) == ("scored", "1", 3000)
    assert (second.status, second.customer_count) == ("already_scored", 3000)
    assert read_scores() == rows  # scored_at too
    expected = score_frame(churn_model, tonight, codes_of(churn_model)).replace({np.nan: None})
    columns = ["customer_id", "churn_probability", "reason_1", "reason_2", "reason_3"]
    assert [[row[name] for name in columns] for row in rows] == expected[columns].values.tolist()
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


def test_scores_cannot_be_changed_afterwards(warehouse_db: str) -> None:
    with (
        database.connect(Role.SCORER) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute("update ml.churn_score set churn_probability = 0")


def codes_of(model: ChurnModel) -> explain.ReasonCodes:
    """Return the reason codes of the model's features."""
    return explain.read_reason_codes(model.metadata.features)


def register_champion(model: ChurnModel, model_name: str) -> None:
    """Make `model` the champion."""
    registry.register(model, is_champion=True, reason="test", model_name=model_name)


def read_scores() -> list[dict[str, Any]]:
    """Return all rows of ml.churn_score by version and customer."""
    return database.fetch_all(
        Role.SCORER, "select * from ml.churn_score order by model_version, customer_id"
    )
