"""The measures, on rankings whose value is known."""

from __future__ import annotations

import numpy as np
import pytest

from models_ml.evaluate import evaluate

IS_CHURNED = np.array([1] * 5 + [0] * 95, dtype=np.int8)


def test_perfect_ranking() -> None:
    result = evaluate(IS_CHURNED, IS_CHURNED.astype(np.float64))
    assert (result.row_count, result.churner_count, result.churn_rate) == (100, 5, 0.05)
    assert (result.roc_auc, result.pr_auc, result.brier_score) == (1.0, 1.0, 0.0)
    assert result.top_decile_lift == pytest.approx(10.0)  # 5 of 10 against 5 of 100


def test_reversed_ranking_and_level() -> None:
    result = evaluate(IS_CHURNED, np.linspace(0.0, 0.1, 100))
    assert result.roc_auc == 0.0
    assert result.top_decile_lift == 0.0
    assert result.mean_probability == pytest.approx(0.05)


def test_constant_probability_knows_nothing() -> None:
    result = evaluate(IS_CHURNED, np.full(100, 0.05))
    assert result.roc_auc == 0.5
    assert result.pr_auc == pytest.approx(0.05)
    assert result.brier_score == pytest.approx(0.05 * 0.95)
