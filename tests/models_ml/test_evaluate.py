"""The measures, on rankings whose value is known."""

from __future__ import annotations

import numpy as np
import pytest

from models_ml.evaluate import Estimate, auc_difference, calibration_bins, evaluate

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


def test_calibration_bins() -> None:
    is_churned = np.array([0, 0, 0, 1, 1, 0], dtype=np.int8)
    low, high = calibration_bins(is_churned, np.array([0.1, 0.3, 0.2, 0.6, 0.7, 0.8]), bins=2)
    assert (low.row_count, low.churn_rate, high.row_count) == (3, 0, 3)
    assert low.mean_probability == pytest.approx(0.2)
    assert high.mean_probability == pytest.approx(0.7)
    assert high.churn_rate == pytest.approx(2 / 3)
    assert len(calibration_bins(is_churned, np.linspace(0, 1, 6), bins=10)) == 6


def test_difference_of_two_rankings_is_paired() -> None:
    chance = np.random.default_rng(5)
    is_churned = (chance.random(2000) < 0.2).astype(np.int8)
    score = is_churned + chance.normal(0, 1.5, 2000)
    same = auc_difference(is_churned, score, 3 * score - 1, resamples=50)
    assert same == Estimate(0.0, 0.0, 0.0)  # drawn apart the two would differ
    worse = auc_difference(is_churned, score + chance.normal(0, 2, 2000), score, resamples=200)
    assert worse.low < worse.value < worse.high < 0
    alike = auc_difference(is_churned, score + chance.normal(0, 0.2, 2000), score, resamples=200)
    assert alike.low < 0 < alike.high


def test_estimate_reads_well() -> None:
    assert str(Estimate(0.81234, 0.8, 0.83)) == "0.8123 (0.8000–0.8300)"
    assert str(Estimate(12.345, 9.0, 15.0)) == "12.35 (9.00–15.00)"
