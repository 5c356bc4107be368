"""Columns that know the label are named; honest ones, even good ones, are not."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from models_ml.leak_guard import (
    ONE_COLUMN_AUC,
    PLAUSIBLE_AUC,
    PURE_COVERAGE,
    LeakSuspected,
    of_one_column,
    require_no_leak,
    suspicions,
)

ROW_COUNT = 3000
PLAUSIBLE = 0.80

Labels = NDArray[np.int8]


def customers(strength: float = 0.6, column_count: int = 6) -> tuple[pd.DataFrame, Labels]:
    """Return columns that each move the log odds by `strength`, and the label they bring about."""
    chance = np.random.default_rng(21)
    frame = pd.DataFrame(
        chance.normal(size=(ROW_COUNT, column_count)),
        columns=list("abcdefghijklmnop")[:column_count],
    )
    log_odds = strength * frame.sum(axis=1) - 1.5
    return frame, (chance.random(ROW_COUNT) < 1 / (1 + np.exp(-log_odds))).astype(np.int8)


def flipped(labels: Labels, share: float) -> Labels:
    """Return the labels with a share of them wrong."""
    is_wrong = np.random.default_rng(22).random(len(labels)) < share
    return np.where(is_wrong, 1 - labels, labels).astype(np.int8)


def test_honest_columns_raise_no_suspicion() -> None:
    frame, labels = customers()
    assert suspicions(frame, labels, model_auc=PLAUSIBLE) == []
    require_no_leak(frame, labels, model_auc=PLAUSIBLE)


@pytest.mark.parametrize(("wrong", "is_suspected"), [(0.02, True), (0.05, True), (0.15, False)])
def test_a_copy_of_the_label_is_suspected_beyond_the_limit(
    wrong: float, is_suspected: bool
) -> None:
    _, labels = customers()
    column = pd.Series(flipped(labels, wrong).astype(np.float64), name="copy")
    found = of_one_column(column, labels)
    assert (found is not None) is is_suspected
    if found:
        assert found.columns == ("copy",)
        assert found.figure > ONE_COLUMN_AUC
        assert "column copy alone" in found.message and f"{found.figure:.3f}" in found.message


def test_a_category_that_names_the_label_is_suspected() -> None:
    _, labels = customers()
    texts = pd.Series(flipped(labels, 0.01), name="reason").map({1: "moved away"})
    assert of_one_column(texts, labels) is not None


def test_many_categories_do_not_look_like_a_leak() -> None:
    _, labels = customers()
    chance = np.random.default_rng(23)
    texts = pd.Series(chance.integers(0, 1000, ROW_COUNT).astype(str), name="street")
    assert of_one_column(texts, labels) is None


@pytest.mark.parametrize("as_text", [False, True])
@pytest.mark.parametrize(("share", "is_suspected"), [(0.06, False), (0.16, True)])
def test_a_value_that_only_leavers_have(share: float, is_suspected: bool, as_text: bool) -> None:
    _, labels = customers()
    is_filled = (labels == 1) & (np.random.default_rng(24).random(ROW_COUNT) < share)
    column = pd.Series(is_filled, name="left_on").map({True: "2026-01-31" if as_text else 20484.0})
    found = of_one_column(column, labels)
    assert (found is not None) is is_suspected
    if found:
        assert found.figure == pytest.approx(is_filled.sum() / labels.sum())
        assert found.limit == PURE_COVERAGE
        assert "left_on" in found.message


def test_a_value_that_only_stayers_have_is_no_leak() -> None:
    _, labels = customers()
    is_filled = (labels == 0) & (np.random.default_rng(25).random(ROW_COUNT) < 0.3)
    assert of_one_column(pd.Series(np.where(is_filled, 1.0, np.nan), name="bound"), labels) is None


def test_a_few_columns_behind_an_implausible_model_are_named() -> None:
    frame, labels = customers()
    frame["d_after"] = 2.2 * labels + np.random.default_rng(26).normal(size=ROW_COUNT)
    found = suspicions(frame, labels, model_auc=0.95, plausible_auc=PLAUSIBLE_AUC)
    assert [suspicion.columns for suspicion in found][-1] == ("d_after",)
    assert "0.950" in found[-1].message and "d_after" in found[-1].message
    with pytest.raises(LeakSuspected, match="d_after"):
        require_no_leak(frame, labels, model_auc=0.95)


def test_a_plausible_model_is_not_looked_into() -> None:
    frame, labels = customers()
    frame["good"] = 1.0 * labels + np.random.default_rng(27).normal(size=ROW_COUNT)
    assert suspicions(frame, labels, model_auc=PLAUSIBLE_AUC) == []
    found = suspicions(frame, labels, model_auc=PLAUSIBLE_AUC + 0.001)
    assert [suspicion.columns for suspicion in found] == [("good",)]


def test_a_high_figure_that_many_columns_carry_is_no_leak() -> None:
    frame, labels = customers(strength=1.5, column_count=12)
    assert suspicions(frame, labels, model_auc=0.95) == []


def test_no_column_is_suspected_for_its_name() -> None:
    frame, labels = customers()
    frame = frame.rename(columns={"a": "churn_score", "b": "cancellation_date"})
    assert suspicions(frame, labels, model_auc=PLAUSIBLE) == []
