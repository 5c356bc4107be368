"""Uplift on customers whose effect is planted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from models_ml.evaluate import Estimate
from models_ml.stored_files import UnreadableModelError
from models_ml.uplift import (
    Learner,
    compare_rankings,
    cross_fitted_uplift,
    fit_uplift,
    fold_numbers,
    load_uplift,
    qini,
    rate_difference,
    save_uplift,
    sleeping_dogs,
    uplift_at_k,
    uplift_intervals,
)

Arm = NDArray[np.bool_]
Outcome = NDArray[np.int8]
Floats = NDArray[np.float64]

LEARNERS: list[Learner] = ["T", "X"]


def test_planted_effect_is_found_by_either_learner() -> None:
    features, effect = _customers(5000, seed=1)
    treated, outcome = _experiment(features, effect, seed=1)
    for learner in LEARNERS:
        uplift = cross_fitted_uplift(features, treated, outcome, learner=learner, seed=1, folds=3)
        assert np.corrcoef(uplift, effect)[0, 1] > 0.7, learner
        assert uplift.mean() == pytest.approx(effect.mean(), abs=0.03)
        measured = uplift_intervals(uplift, treated, outcome, seed=1, resamples=200)
        assert measured["qini"].low > 0
        assert measured["uplift_at_k"].low > effect.mean()


def test_no_effect_gives_a_qini_around_zero() -> None:
    features, _ = _customers(3000, seed=2)
    treated, outcome = _experiment(features, np.zeros(3000), seed=2)
    uplift = cross_fitted_uplift(features, treated, outcome, seed=1, folds=3)
    measured = uplift_intervals(uplift, treated, outcome, seed=1, resamples=200)
    assert set(measured) == {"uplift_at_k", "qini", "average_effect"}
    for estimate in measured.values():
        assert estimate.low < 0 < estimate.high


def test_cross_fitting_is_deterministic_and_never_sees_the_row() -> None:
    features, effect = _customers(600, seed=3)
    treated, outcome = _experiment(features, effect, seed=3)
    first = cross_fitted_uplift(features, treated, outcome, seed=5, folds=2)
    assert np.array_equal(first, cross_fitted_uplift(features, treated, outcome, seed=5, folds=2))
    flipped = outcome.copy()
    fold = fold_numbers(treated * 2 + outcome, 2, seed=5)
    first_of_fold = int(np.flatnonzero((fold == 0) & treated)[0])
    rows = fold == 0
    flipped[first_of_fold] = 1 - flipped[first_of_fold]
    model = fit_uplift(features[~rows], treated[~rows], flipped[~rows], seed=5)
    assert np.array_equal(first[rows], model.effect(features[rows]))


def test_too_few_controls_are_named() -> None:
    features, effect = _customers(100, seed=3)
    treated, outcome = _experiment(features, effect, seed=3)
    treated[:] = True
    treated[:9] = False
    with pytest.raises(ValueError, match="9 rows, 5 folds need 10"):
        cross_fitted_uplift(features, treated, outcome, seed=1)
    treated[9] = False
    assert len(cross_fitted_uplift(features, treated, outcome, seed=1)) == 100


def test_an_arm_with_one_outcome_only_can_be_fitted() -> None:
    features, _ = _customers(400, seed=4)
    treated = np.arange(400) % 2 == 0
    effect = fit_uplift(features, treated, treated.astype(np.int8), seed=1).effect(features)
    assert effect.min() > 0.9
    assert effect.max() < 0.9999  # 200 rows make nothing certain
    nobody = fit_uplift(features, treated, np.zeros(400, dtype=np.int8), seed=1).effect(features)
    assert np.abs(nobody).max() < 0.01


@pytest.mark.parametrize("learner", LEARNERS)
def test_stored_model_gives_the_same_effects(tmp_path: Path, learner: Learner) -> None:
    features, effect = _customers(1500, seed=6)
    treated, outcome = _experiment(features, effect, seed=6)
    model = fit_uplift(features, treated, outcome, learner=learner, seed=1)
    save_uplift(model, tmp_path)
    assert {file.suffix for file in tmp_path.iterdir()} == {".ubj", ".json"}
    loaded = load_uplift(tmp_path)
    shuffled = features[features.columns[::-1]]
    assert np.array_equal(loaded.effect(shuffled), model.effect(features))
    assert loaded.effect(features[7:8])[0] == model.effect(features)[7]


def test_damaged_store_is_refused(tmp_path: Path) -> None:
    features, effect = _customers(300, seed=6)
    save_uplift(fit_uplift(features, *_experiment(features, effect, seed=6), seed=1), tmp_path)
    file = next(tmp_path.glob("*difference.ubj"))
    file.write_bytes(file.read_bytes() + b" ")
    with pytest.raises(UnreadableModelError, match=r"difference\.ubj is not the file"):
        load_uplift(tmp_path)
    file.unlink()
    with pytest.raises(UnreadableModelError, match=r"difference\.ubj does not exist"):
        load_uplift(tmp_path)


def test_missing_feature_is_named() -> None:
    features, effect = _customers(300, seed=6)
    model = fit_uplift(features, *_experiment(features, effect, seed=6), seed=1)
    with pytest.raises(ValueError, match="plan, usage"):
        model.effect(features[["channel", "overdue"]])


def test_uplift_at_k_on_counted_rows() -> None:
    # the 3 ranked highest: treated 1 of 2, controls 0 of 1; of all: 2 of 5 and 3 of 5
    uplift = np.arange(10, 0, -1) / 10
    treated = np.array([1, 1, 0, 1, 1, 1, 0, 0, 0, 0], dtype=bool)
    outcome = np.array([1, 0, 0, 1, 0, 0, 1, 1, 1, 0], dtype=np.int8)
    assert uplift_at_k(uplift, treated, outcome) == pytest.approx(0.5)
    assert uplift_at_k(uplift, treated, outcome, k=1.0) == pytest.approx(-0.2)
    assert np.isnan(uplift_at_k(uplift, treated, outcome, k=0.2))  # no control among them


def test_qini_on_counted_rows() -> None:
    uplift = np.array([0.4, 0.4, 0.1, 0.1])
    treated = np.array([True, False, True, False])
    outcome = np.array([1, 0, 0, 0], dtype=np.int8)
    # the curve is 0, 1/2, 1/2 over the shares 0, 1/2, 1; the line ends at 1/2 as well
    assert qini(uplift, treated, outcome) == pytest.approx(0.375 - 0.25)
    assert qini(-uplift, treated, outcome) == pytest.approx(0.125 - 0.25)
    assert qini(np.zeros(4), treated, outcome) == pytest.approx(0.0)


def test_ties_do_not_depend_on_the_order_of_rows() -> None:
    features, effect = _customers(500, seed=7)
    treated, outcome = _experiment(features, effect, seed=7)
    order = np.argsort(outcome, kind="stable")
    tied = effect.round(1)
    for measure in (uplift_at_k, qini):
        assert measure(tied, treated, outcome) == pytest.approx(
            measure(tied[order], treated[order], outcome[order])
        )


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    features, effect = _customers(100_000, seed=8)
    truth = uplift_intervals(effect, *_experiment(features, effect, seed=8), resamples=1)
    hits = dict.fromkeys(truth, 0)
    for repetition in range(100):
        features, effect = _customers(600, seed=100 + repetition)
        treated, outcome = _experiment(features, effect, seed=200 + repetition)
        found = uplift_intervals(effect, treated, outcome, seed=repetition, resamples=60)
        for name, estimate in found.items():
            hits[name] += estimate.low <= truth[name].value <= estimate.high
    assert all(88 <= count <= 99 for count in hits.values()), hits


def test_risk_is_beaten_where_the_effect_has_nothing_to_do_with_it() -> None:
    features, effect = _customers(6000, seed=9)
    treated, outcome = _experiment(features, effect, seed=9)
    comparison = compare_rankings(effect, _risk(features), treated, outcome, seed=1, resamples=200)
    assert comparison.is_better
    assert comparison.uplift_at_k.low > 0
    assert comparison.qini.low > 0


def test_risk_is_not_beaten_where_the_effect_is_the_same() -> None:
    features, _ = _customers(6000, seed=10)
    risk = _risk(features)
    treated, outcome = _experiment(features, 0.3 * risk, seed=10)
    noisy = 0.3 * risk + np.random.default_rng(1).normal(0, 0.01, 6000)
    same = compare_rankings(0.3 * risk, risk, treated, outcome, seed=1, resamples=100)
    assert same.qini == Estimate(0.0, 0.0, 0.0)
    assert not same.is_better
    assert not compare_rankings(noisy, risk, treated, outcome, seed=1, resamples=200).is_better


def test_uplift_is_not_better_by_one_measure_alone() -> None:
    # the 40 % ranked highest are the same, so are the 30 % called; only the others differ
    count = 4000
    treated = np.arange(count) % 2 == 0
    group = np.arange(count) * 10 // count  # tenths, 0 to 9
    rate = np.select([group < 4, group < 7], [0.9, 0.7], 0.1)
    outcome = (treated & (np.random.default_rng(1).random(count) < rate)).astype(np.int8)
    uplift = np.select([group < 4, group < 7], [3.0, 2.0], 1.0)
    risk = np.select([group < 4, group < 7], [3.0, 1.0], 2.0)
    comparison = compare_rankings(uplift, risk, treated, outcome, seed=1, resamples=100)
    assert comparison.qini.low > 0
    assert comparison.uplift_at_k == Estimate(0.0, 0.0, 0.0)
    assert not comparison.is_better


def test_planted_sleeping_dogs_are_named() -> None:
    features, effect = _customers(6000, seed=11)
    harmed = features["channel"] == "phone"
    effect = np.where(harmed, -0.2, effect + 0.15)
    treated, outcome = _experiment(features, effect, seed=11)
    uplift = cross_fitted_uplift(features, treated, outcome, seed=1, folds=3)
    found = sleeping_dogs(uplift, treated, outcome)
    assert found.are_found
    assert found.effect is not None
    assert found.effect.high < 0
    assert found.candidate_count == found.is_suppressed.sum()
    assert (found.is_suppressed & harmed).sum() > 0.9 * harmed.sum()
    assert harmed[found.is_suppressed].mean() > 0.9


def test_nobody_is_suppressed_where_the_call_harms_nobody() -> None:
    features, effect = _customers(4000, seed=12)
    treated, outcome = _experiment(features, effect, seed=12)
    mistaken = np.where(np.arange(4000) % 4 == 0, -0.1, 0.1)  # 1000 thought harmed, who are not
    found = sleeping_dogs(mistaken, treated, outcome)
    assert (found.candidate_count, found.are_found) == (1000, False)
    assert not found.is_suppressed.any()


def test_sleeping_dogs_need_both_arms() -> None:
    uplift = np.array([-0.1, -0.1, 0.1, 0.0])
    treated = np.array([True, True, False, False])
    found = sleeping_dogs(uplift, treated, np.zeros(4, dtype=np.int8))
    assert (found.candidate_count, found.effect) == (2, None)
    assert not found.is_suppressed.any()


def test_rate_difference_is_newcombe_s() -> None:
    # Newcombe 1998, table II, method 10: (a) 56/70 - 48/80, (h) 0/10 - 0/20
    difference = rate_difference(_outcomes(56, 70), _outcomes(48, 80))
    assert difference is not None
    assert difference.value == pytest.approx(0.2)
    assert (difference.low, difference.high) == pytest.approx((0.0524, 0.3339), abs=5e-5)
    nobody = rate_difference(_outcomes(0, 10), _outcomes(0, 20))
    assert nobody is not None
    assert (nobody.low, nobody.high) == pytest.approx((-0.1611, 0.2775), abs=5e-5)
    assert rate_difference(_outcomes(0, 0), _outcomes(0, 20)) is None


def _outcomes(ones: int, count: int) -> Outcome:
    return (np.arange(count) < ones).astype(np.int8)


def _customers(count: int, seed: int) -> tuple[pd.DataFrame, Floats]:
    """Return features and the effect: 25 points for a fibre plan, 10 with much usage, else none."""
    chance = np.random.default_rng(seed)
    features = pd.DataFrame(
        {
            "plan": chance.choice(["fibre", "copper", "mobile"], count),
            "channel": pd.Categorical(chance.choice(["phone", "web"], count, p=[0.3, 0.7])),
            "usage": chance.normal(0, 1, count),
            "overdue": chance.normal(0, 1, count),
        }
    )
    features.loc[chance.random(count) < 0.1, "overdue"] = np.nan
    is_fibre = (features["plan"] == "fibre").to_numpy()
    return features, 0.25 * is_fibre + 0.1 * (features["usage"] > 0.5).to_numpy()


def _risk(features: pd.DataFrame) -> Floats:
    """Return the probability of leaving uncalled, which hangs on the overdue amount only."""
    log_odds = 0.8 * features["overdue"].fillna(0.0).to_numpy() + 0.2
    return np.asarray(1 / (1 + np.exp(-log_odds)), dtype=np.float64)


def _experiment(features: pd.DataFrame, effect: Floats, seed: int) -> tuple[Arm, Outcome]:
    """Draw half of the customers to be called, and who stays."""
    chance = np.random.default_rng([seed, 1])
    treated = chance.random(len(features)) < 0.5
    stays = np.clip(1 - _risk(features) + treated * effect, 0.0, 1.0)
    return treated, (chance.random(len(features)) < stays).astype(np.int8)
