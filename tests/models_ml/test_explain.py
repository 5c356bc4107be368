"""Reasons: every feature has words, and the strongest upward features give them."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from models_ml.explain import REASON_SEED, directions, explain, read_reason_codes, top_reasons
from models_ml.features import FEATURE_NAMES, FLAGS
from models_ml.model import ChurnModel

NAN = np.nan


def test_every_feature_has_words_for_both_directions() -> None:
    codes = read_reason_codes(FEATURE_NAMES)
    assert codes.shape == (len(FEATURE_NAMES), 2)
    with REASON_SEED.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["reason_code"] for row in rows} == set(codes.flat)
    assert len(rows) == codes.size  # a code stands for one feature and direction
    assert all(value for row in rows for value in row.values())


def test_a_feature_without_words_is_named(tmp_path: Path) -> None:
    seed = tmp_path / "reasons.csv"
    seed.write_text("feature,direction,reason_code\nage_years,high,older\n", encoding="utf-8")
    with pytest.raises(ValueError, match="age_years low"):
        read_reason_codes(["age_years"], seed)


def test_direction_of_a_value() -> None:
    features = ["age_years", "contract_remaining_days", "optical_loss_db"]
    matrix = np.array([[2, 2, 2], [1, 1, 1], [NAN, NAN, NAN]], dtype=np.float32)
    result = directions(matrix, features, [1.0, 1.0, None])
    # Above the median; at it; unknown: no contract is a low value, an unknown age says nothing.
    np.testing.assert_array_equal(result, [[1, 1, -1], [0, 0, -1], [-1, 0, -1]])


def test_a_flag_that_most_customers_have_is_high() -> None:
    matrix = np.array([[1, 1], [0, 0]], dtype=np.float32)
    result = directions(matrix, ["is_auto_pay", "broadband_subscription_count"], [1.0, 1.0])
    np.testing.assert_array_equal(result, [[1, 0], [0, 0]])


def test_flags_are_the_features_that_are_named_so() -> None:
    assert {name for name in FEATURE_NAMES if name.startswith(("is_", "has_"))} == FLAGS


def test_top_reasons_are_upward_and_in_order() -> None:
    codes = np.array([[f"{name}_low", f"{name}_high"] for name in "abcd"], dtype=object)
    contributions = np.array(
        [[0.1, 0.4, 0.2, 0.3], [0.1, -0.4, 0.2, 0.0], [-1, -1, -1, -1]], dtype=np.float64
    )
    direction = np.array([[1, 0, 1, -1], [0, 1, 1, 1], [0, 0, 0, 0]], dtype=np.int8)
    assert top_reasons(contributions, direction, codes).tolist() == [
        ["b_low", "c_high", "a_high"],  # d pushes up, but nothing can be said of it
        ["c_high", "a_low", None],
        [None, None, None],
    ]


def test_planted_causes_are_the_reasons(churn_model: ChurnModel, tonight: pd.DataFrame) -> None:
    matrix = churn_model.learner.encoding.matrix(tonight)
    reasons = explain(churn_model, matrix, read_reason_codes(churn_model.metadata.features))
    is_overdue = (tonight["overdue_amount"] > 0).to_numpy()
    assert (reasons[is_overdue, 0] == "amount_overdue").mean() > 0.8
    assert not (reasons[~is_overdue] == "amount_overdue").any()
    no_contract = tonight["contract_remaining_days"].isna().to_numpy()
    assert (reasons[no_contract] == "contract_ending").any(axis=1).mean() > 0.8
