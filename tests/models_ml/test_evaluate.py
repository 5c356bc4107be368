"""The measures, on rankings whose value is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score

from models_ml.evaluate import (
    MINIMUM_GROUP_CLASS,
    Estimate,
    ProfitParameters,
    auc_difference,
    by_group,
    calibration_bins,
    calibration_error,
    evaluate,
    expected_maximum_profit,
    intervals,
    top_decile_lift,
)

IS_CHURNED = np.array([1] * 5 + [0] * 95, dtype=np.int8)
MEASURES = {
    "roc_auc",
    "pr_auc",
    "top_decile_lift",
    "brier",
    "calibration_error",
    "expected_maximum_profit",
}

Labels = NDArray[np.int8]
Floats = NDArray[np.float64]


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
    assert result.top_decile_lift == pytest.approx(1.0)  # although the leavers stand first


def test_lift_shares_a_tie_at_its_edge() -> None:
    probability = np.array([0.9] * 4 + [0.5] * 12 + [0.1] * 84)  # the tenth takes 6 of the 12
    assert top_decile_lift(IS_CHURNED, probability) == pytest.approx((4 + 1 / 2) / 10 / 0.05)


def test_calibration_error_of_constant_and_of_shifted_probability() -> None:
    assert calibration_error(IS_CHURNED, np.full(100, 0.05)) == pytest.approx(0.0)
    assert calibration_error(IS_CHURNED, np.full(100, 0.25)) == pytest.approx(0.2)


def test_calibration_error_is_the_mean_over_equally_filled_bins() -> None:
    is_churned = np.array([0, 0, 0, 1, 0, 1, 1, 1], dtype=np.int8)
    probability = np.array([0.1, 0.1, 0.3, 0.3, 0.6, 0.6, 0.9, 0.9])
    # shares 0, 1/2, 1/2, 1 against 0.1, 0.3, 0.6, 0.9; in two bins 1/4, 3/4 against 0.2, 0.75
    assert calibration_error(is_churned, probability, bins=4) == pytest.approx(0.5 / 4)
    assert calibration_error(is_churned, probability, bins=2) == pytest.approx(0.05 / 2)


def test_calibration_error_tells_calibrated_from_exaggerated() -> None:
    is_churned, probability = _draw(np.random.default_rng(3), 40_000)
    log_odds = np.log(probability / (1 - probability))
    assert calibration_error(is_churned, probability) < 0.01
    assert calibration_error(is_churned, 1 / (1 + np.exp(-2 * log_odds))) > 0.05


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    "parameters",
    [ProfitParameters(), ProfitParameters(1200.0, 60.0, 4.0, 2.5, 3.0)],
    ids=["paper", "other"],
)
def test_profit_is_that_of_a_slow_integration(seed: int, parameters: ProfitParameters) -> None:
    chance = np.random.default_rng(seed)
    is_churned, probability = _draw(chance, 150)
    probability = probability.round(2)  # ties
    expected = _slow_profit(is_churned, probability, parameters)
    assert expected > 0.1
    measured = expected_maximum_profit(is_churned, probability, parameters)
    assert measured == pytest.approx(expected, rel=1e-4)


def test_profit_of_the_best_ranking_calls_all_leavers() -> None:
    # 95 % stay uncalled; of 5 % each brings (200 - 10) * 30 % - 1; acceptance under 1/190 is rare
    assert expected_maximum_profit(IS_CHURNED, IS_CHURNED.astype(np.float64)) == pytest.approx(
        0.05 * (190 * 0.3 - 1), rel=1e-3
    )


def test_profit_of_a_random_ranking_is_that_of_nobody_or_all() -> None:
    chance = np.random.default_rng(5)
    few = (chance.random(50_000) < 0.02).astype(np.int8)  # calling all costs more than it brings
    many = (chance.random(50_000) < 0.5).astype(np.int8)
    noise = chance.random(50_000)
    assert expected_maximum_profit(few, np.full(50_000, 0.02)) == pytest.approx(0.0, abs=1e-6)
    assert expected_maximum_profit(few, noise) == pytest.approx(0.0, abs=0.01)
    all_called = many.mean() * (190 * 0.3 - 1) - (1 - many.mean()) * 11
    assert expected_maximum_profit(many, noise) == pytest.approx(all_called, rel=0.01)


def test_intervals_hold_the_same_figures_as_the_measures() -> None:
    is_churned, probability = _draw(np.random.default_rng(1), 1500)
    probability = probability.round(2)
    result = intervals(is_churned, probability, seed=1, resamples=100)
    value = {name: estimate.value for name, estimate in result.items()}
    assert value == pytest.approx(
        {
            "roc_auc": roc_auc_score(is_churned, probability),
            "pr_auc": average_precision_score(is_churned, probability),
            "top_decile_lift": top_decile_lift(is_churned, probability),
            "brier": brier_score_loss(is_churned, probability),
            "calibration_error": calibration_error(is_churned, probability),
            "expected_maximum_profit": expected_maximum_profit(is_churned, probability),
        }
    )
    assert all(each.low <= each.value <= each.high for each in result.values())


def test_intervals_depend_on_the_seed_only() -> None:
    is_churned, probability = _draw(np.random.default_rng(1), 800)
    order = np.random.default_rng(2).permutation(800)
    first = intervals(is_churned, probability, seed=4, resamples=50)
    assert intervals(is_churned, probability, seed=4, resamples=50) == first
    assert intervals(is_churned[order], probability[order], seed=4, resamples=50) == first
    assert intervals(is_churned, probability, seed=5, resamples=50) != first


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    is_churned, probability = _draw(np.random.default_rng(99), 500_000, exaggeration=1.6)
    truth = {
        name: estimate.value
        for name, estimate in intervals(is_churned, probability, resamples=1).items()
    }
    hits = dict.fromkeys(MEASURES, 0)
    repetitions = 100
    for repetition in range(repetitions):
        sample = _draw(np.random.default_rng(repetition), 1000, exaggeration=1.6)
        for name, estimate in intervals(*sample, seed=repetition, resamples=80).items():
            hits[name] += estimate.low <= truth[name] <= estimate.high
    assert all(0.9 <= count / repetitions <= 0.99 for count in hits.values()), hits


def test_interval_of_a_calibrated_model_starts_at_zero() -> None:
    starts_at_zero, are_above = 0, 0
    for repetition in range(12):
        calibrated = _draw(np.random.default_rng(repetition), 1500)
        exaggerated = _draw(np.random.default_rng(repetition), 1500, exaggeration=2.0)
        starts_at_zero += intervals(*calibrated, resamples=60)["calibration_error"].low == 0.0
        are_above += intervals(*exaggerated, resamples=60)["calibration_error"].low > 0.02
    assert starts_at_zero >= 10
    assert are_above == 12


def test_intervals_with_a_single_leaver() -> None:
    is_churned = np.array([1] + [0] * 30, dtype=np.int8)
    result = intervals(is_churned, np.linspace(0.5, 0.0, 31), resamples=50)
    assert result["roc_auc"] == Estimate(1.0, 1.0, 1.0)


def test_by_group_names_small_groups_without_figures() -> None:
    enough, short = MINIMUM_GROUP_CLASS, MINIMUM_GROUP_CLASS - 1
    counts = {"enough": (enough, enough), "few leavers": (short, 200), "few stayers": (200, short)}
    group = np.concatenate([[name] * sum(both) for name, both in counts.items()])
    is_churned = np.concatenate(
        [np.repeat([1, 0], both).astype(np.int8) for both in counts.values()]
    )
    probability = np.random.default_rng(1).random(len(group))
    result = by_group(is_churned, probability, group, resamples=20)
    assert set(result) == set(counts)
    assert set(result["enough"]) == {"row_count", "churner_count"} | MEASURES
    assert result["few leavers"] == {
        "row_count": Estimate(short + 200, short + 200, short + 200),
        "churner_count": Estimate(short, short, short),
    }
    assert set(result["few stayers"]) == {"row_count", "churner_count"}


def test_by_group_measures_each_group_by_itself() -> None:
    is_churned, probability = _draw(np.random.default_rng(8), 2000)
    group = np.array(["north"] * 1000 + [None] * 1000, dtype=object)
    probability[1000:] = 0.2
    result = by_group(is_churned, probability, group, resamples=20)
    assert set(result) == {"north", "(missing)"}
    assert result["north"]["roc_auc"].value == roc_auc_score(is_churned[:1000], probability[:1000])
    assert result["(missing)"]["roc_auc"] == Estimate(0.5, 0.5, 0.5)


def _draw(
    chance: np.random.Generator, count: int, *, exaggeration: float = 1.0
) -> tuple[Labels, Floats]:
    """Return labels and their true probability, or one whose log odds are exaggerated."""
    log_odds = chance.normal(-1.5, 1.2, count)
    is_churned = chance.random(count) < 1 / (1 + np.exp(-log_odds))
    return is_churned.astype(np.int8), 1 / (1 + np.exp(-exaggeration * log_odds))


def _slow_profit(is_churned: Labels, probability: Floats, parameters: ProfitParameters) -> float:
    """Return the best profit over all thresholds, for each of 5000 acceptances, weighted."""
    alpha, beta = parameters.acceptance_alpha, parameters.acceptance_beta
    scale = math.gamma(alpha + beta) / math.gamma(alpha) / math.gamma(beta)
    steps = 5000
    total = 0.0
    lists = [probability >= threshold for threshold in [*np.unique(probability), 2.0]]
    sizes = [(int(is_churned[called].sum()), int(called.sum())) for called in lists]
    for step in range(steps):
        acceptance = (step + 0.5) / steps
        worth = parameters.lifetime_value - parameters.offer_cost
        best = max(
            leavers * acceptance * worth
            - (called - leavers) * parameters.offer_cost
            - called * parameters.contact_cost
            for leavers, called in sizes
        )
        density = scale * acceptance ** (alpha - 1) * (1 - acceptance) ** (beta - 1)
        total += best * density / steps
    return total / len(is_churned)


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
