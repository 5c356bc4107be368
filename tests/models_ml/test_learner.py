"""The one training code: what it learns, how it is stored, and that it is the same every time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xgboost as xgb
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from models_ml import learner
from models_ml.encoding import MAXIMUM_LEVELS, Encoding, Standardisation
from models_ml.evaluate import calibration_error
from models_ml.features import MissingFeatureError
from models_ml.learner import Learner, LearnerSettings, fit
from models_ml.stored_files import UnreadableModelError

ROW_COUNT = 3000
KNOWN = 2000

Labels = NDArray[np.int8]


def customers(kind: str) -> tuple[pd.DataFrame, Labels, NDArray[np.float64]]:
    """Return customers with gaps, the label, and its true probability.

    `line`: the log odds are a sum; `corner`: only two columns together say anything.
    """
    chance = np.random.default_rng(31)
    frame = pd.DataFrame(
        {
            "rent": chance.normal(100, 20, ROW_COUNT),
            "months": chance.integers(1, 60, ROW_COUNT).astype(np.float64),
            "tariff": chance.choice(["basic", "flat", "family"], ROW_COUNT),
            "noise": chance.normal(size=ROW_COUNT),
        }
    )
    rent, months = (frame["rent"] - 100) / 20, (frame["months"] - 30) / 17
    line = 1.0 * rent - 0.8 * months + (frame["tariff"] == "flat") - 1.2
    corner = 3.5 * (np.sign(rent) * np.sign(months) > 0) - 2.2
    log_odds = (line if kind == "line" else corner).to_numpy(dtype=np.float64)
    probability = 1 / (1 + np.exp(-log_odds))
    labels = (chance.random(ROW_COUNT) < probability).astype(np.int8)
    frame.loc[chance.random(ROW_COUNT) < 0.1, "noise"] = np.nan
    frame.loc[chance.random(ROW_COUNT) < 0.1, "tariff"] = None
    return frame, labels, probability


@pytest.fixture(scope="module")
def line_learner() -> Learner:
    frame, labels, _ = customers("line")
    return fit(frame[:KNOWN], labels[:KNOWN])


@pytest.fixture(scope="module")
def corner_learner() -> Learner:
    frame, labels, _ = customers("corner")
    return fit(frame[:KNOWN], labels[:KNOWN])


def test_ranks_nearly_as_well_as_the_truth(line_learner: Learner, corner_learner: Learner) -> None:
    for kind, model in (("line", line_learner), ("corner", corner_learner)):
        frame, labels, truth = customers(kind)
        reached = roc_auc_score(labels[KNOWN:], model.probability(frame[KNOWN:]))
        assert reached > roc_auc_score(labels[KNOWN:], truth[KNOWN:]) - 0.02


def test_the_blend_leans_on_whichever_is_right(
    line_learner: Learner, corner_learner: Learner
) -> None:
    assert line_learner.choices.tree_weight < 0.5 < corner_learner.choices.tree_weight
    frame, labels, _ = customers("corner")
    assert roc_auc_score(labels[KNOWN:], corner_learner.baseline_probability(frame[KNOWN:])) < 0.55


def test_probabilities_are_calibrated(line_learner: Learner) -> None:
    frame, labels, truth = customers("line")
    probability = line_learner.probability(frame[KNOWN:])
    assert calibration_error(labels[KNOWN:], probability) < 0.04
    assert np.abs(probability - truth[KNOWN:]).mean() < 0.05


def test_same_rows_and_seed_give_the_same_learner() -> None:
    frame, labels, _ = customers("line")
    one, again, other = (
        fit(frame[:600], labels[:600], settings=LearnerSettings(seed=seed, maximum_depth=2))
        for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(again.probability(frame), one.probability(frame))
    assert (other.probability(frame) != one.probability(frame)).any()


def test_probability_is_the_blend_added_column_by_column(
    corner_learner: Learner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To the last bit, however many rows are taken at a time."""
    frame, _, _ = customers("corner")
    matrix = corner_learner.encoding.matrix(frame)
    line = np.full(len(matrix), corner_learner.line.intercept)
    scaled = corner_learner.line.standardisation.apply(matrix)
    for values, coefficient in zip(scaled.T, corner_learner.line.coefficients, strict=True):
        line += coefficient * values
    trees = corner_learner.trees.predict(xgb.DMatrix(matrix), output_margin=True)
    weight = corner_learner.choices.tree_weight
    blend = weight * trees.astype(np.float64) + (1 - weight) * line
    monkeypatch.setattr(learner, "CACHED_ROWS", 700)
    np.testing.assert_array_equal(
        corner_learner.probability(frame), corner_learner.calibration.apply(blend)
    )


def test_column_order_and_other_rows_do_not_matter(line_learner: Learner) -> None:
    frame, _, _ = customers("line")
    expected = line_learner.probability(frame)
    turned = frame[list(reversed(frame.columns))].assign(another=1)
    np.testing.assert_array_equal(line_learner.probability(turned), expected)
    for place in range(20):
        alone = line_learner.probability(frame.iloc[[place]])
        np.testing.assert_array_equal(alone, expected[[place]])


def test_a_missing_column_is_named(line_learner: Learner) -> None:
    frame, _, _ = customers("line")
    with pytest.raises(MissingFeatureError, match="months"):
        line_learner.probability(frame.drop(columns="months"))


def test_a_value_never_seen_is_scored(line_learner: Learner) -> None:
    frame, _, _ = customers("line")
    strange = frame.iloc[:3].assign(tariff="unheard of", rent=[np.nan, 1e12, -1e12])
    probability = line_learner.probability(strange)
    assert ((probability > 0) & (probability < 1)).all()


def test_contributions_add_up_to_the_log_odds(corner_learner: Learner) -> None:
    frame = customers("corner")[0][:300]
    probability = corner_learner.probability(frame)
    shares = corner_learner.contributions(corner_learner.encoding.matrix(frame))
    assert shares.shape == (300, len(corner_learner.columns))
    rest = np.log(probability / (1 - probability)) - shares.sum(axis=1)
    assert np.ptp(rest) < 1e-4
    weight = dict(zip(corner_learner.columns, np.abs(shares).mean(axis=0), strict=True))
    assert min(weight["rent"], weight["months"]) > 2 * max(weight["noise"], weight["tariff"])


def test_a_stored_learner_is_the_same(corner_learner: Learner, tmp_path: Path) -> None:
    frame = customers("corner")[0][:300]
    corner_learner.save(tmp_path)
    stored = Learner.load(tmp_path)
    np.testing.assert_array_equal(stored.probability(frame), corner_learner.probability(frame))
    np.testing.assert_array_equal(
        stored.baseline_probability(frame), corner_learner.baseline_probability(frame)
    )
    matrix = stored.encoding.matrix(frame)
    np.testing.assert_array_equal(
        stored.contributions(matrix), corner_learner.contributions(matrix)
    )
    assert stored.choices == corner_learner.choices
    assert sorted(file.name for file in tmp_path.iterdir()) == ["learner.json", "trees.ubj"]


def test_a_damaged_store_is_refused(line_learner: Learner, tmp_path: Path) -> None:
    with pytest.raises(UnreadableModelError, match=r"trees\.ubj does not exist"):
        Learner.load(tmp_path)
    line_learner.save(tmp_path)
    with (tmp_path / learner.TREES_FILE).open("ab") as file:
        file.write(b"x")
    with pytest.raises(UnreadableModelError, match="not the file that was saved"):
        Learner.load(tmp_path)


def test_time_order_holds_back_what_does_not_last(tmp_path: Path) -> None:
    frame, labels, _ = customers("line")
    index = np.array([4.0, 1.0, 3.0, 8.0, 2.0, 9.0])[np.arange(ROW_COUNT) * 6 // ROW_COUNT]
    frame = frame.assign(index=index)
    model = fit(frame, labels, in_time_order=True)
    assert [column.column for column in model.held_back] == ["index"]
    assert "index" not in model.columns
    model.save(tmp_path)
    assert Learner.load(tmp_path).held_back == model.held_back
    assert fit(frame, labels).held_back == ()


def test_periods_are_learnt_from_whole_and_in_order() -> None:
    frame, labels, _ = customers("line")
    periods = np.repeat([10, 40, 70], [500, 1500, 1000])
    # A mark of the customer, the same in all rows of one period, that says nothing in the next.
    chance = np.random.default_rng(34)
    frame["mark"] = labels * np.where(periods == 70, -1, 1) + chance.normal(0, 0.3, ROW_COUNT)
    model = fit(frame, labels, in_time_order=True, periods=periods)
    assert [column.column for column in model.held_back] == ["mark"]
    with pytest.raises(ValueError, match="order of their periods"):
        fit(frame, labels, in_time_order=True, periods=periods[::-1])
    with pytest.raises(ValueError, match="fewer than two periods"):
        fit(frame, labels, in_time_order=True, periods=np.full(ROW_COUNT, 10))


def test_many_rows_are_searched_by_a_sample_in_order() -> None:
    labels = np.repeat([0, 1, 0], [6000, 1000, 3000]).astype(np.int8)
    settings = LearnerSettings(search_row_count=1000)
    searched = learner._searched_rows(labels, settings)
    assert (np.diff(searched) > 0).all()
    assert (len(searched), labels[searched].sum()) == (1000, 100)
    np.testing.assert_array_equal(searched, learner._searched_rows(labels, settings))
    whole = learner._searched_rows(labels, LearnerSettings(search_row_count=10_000))
    np.testing.assert_array_equal(whole, np.arange(10_000))


def test_the_final_trees_are_grown_on_all_rows() -> None:
    frame, labels, truth = customers("corner")
    frame = frame.drop(columns="tariff")  # levels are ordered by how many of all rows have them
    settings = LearnerSettings(search_row_count=600)
    sampled = fit(frame[:KNOWN], labels[:KNOWN], settings=settings)
    few = learner._searched_rows(labels[:KNOWN], settings)
    alone = fit(frame.iloc[few], labels[few], settings=settings)
    assert sampled.choices == alone.choices
    np.testing.assert_array_equal(sampled.line.coefficients, alone.line.coefficients)
    tested = frame[KNOWN:]
    assert (sampled.probability(tested) != alone.probability(tested)).any()
    distance = [
        np.abs(model.probability(tested) - truth[KNOWN:]).mean() for model in (sampled, alone)
    ]
    assert distance[0] < distance[1]


def test_no_deeper_trees_than_allowed() -> None:
    frame, labels, _ = customers("corner")
    model = fit(frame[:800], labels[:800], settings=LearnerSettings(maximum_depth=2))
    assert model.choices.parameters["max_depth"] == 2


def test_rows_of_one_customer_are_not_judged_by_what_learnt_them() -> None:
    # Each customer stands there ten times, with a mark and a label that are both pure chance.
    chance = np.random.default_rng(33)
    customer = np.repeat(np.arange(150), 10)
    mark, labels = chance.normal(size=150), (chance.random(150) < 0.4).astype(np.int8)
    frame = pd.DataFrame({"mark": mark[customer], "other": chance.normal(size=1500)})
    apart = fit(frame, labels[customer], groups=customer)
    mixed = fit(frame, labels[customer])
    assert mixed.choices.inner_auc["trees"] > 0.9
    assert apart.choices.inner_auc["trees"] < 0.7


def test_few_rows_are_enough() -> None:
    frame, labels, _ = customers("line")
    few = np.concatenate([np.flatnonzero(labels == 1)[:20], np.flatnonzero(labels == 0)[:40]])
    probability = fit(frame.iloc[few], labels[few]).probability(frame)
    assert roc_auc_score(labels, probability) > 0.6


def test_one_class_is_an_error() -> None:
    frame, labels, _ = customers("line")
    with pytest.raises(ValueError, match="rarer class"):
        fit(frame, np.zeros_like(labels))
    with pytest.raises(ValueError, match="fewer than two blocks"):
        fit(frame, np.zeros_like(labels), in_time_order=True)


def test_encoding_of_categories() -> None:
    levels = [f"l{number:02d}" for number in range(MAXIMUM_LEVELS + 5)]
    frame = pd.DataFrame(
        {
            "two": ["a", "b"] * 550,
            "many": levels * 20,
            "rare": ["common"] * 1000 + ["seldom"] * 91 + ["once"] * 9,
        }
    )
    two, many, rare = Encoding.fitted(frame).columns
    assert two.levels == ("a",)  # the other is what this is not
    assert many.levels == tuple(levels[:MAXIMUM_LEVELS])
    assert rare.levels == ("common", "seldom")


def test_encoding_of_missing_values() -> None:
    frame = pd.DataFrame({"number": [1.0, np.nan] * 20, "text": ["a", None, "b", "a"] * 10})
    encoding = Encoding.fitted(frame)
    np.testing.assert_array_equal(
        encoding.matrix(frame)[:4],
        np.array([[1, 1, 0, 0], [np.nan, 0, 1, 0], [1, 0, 0, 1], [np.nan, 1, 0, 0]], np.float32),
    )
    assert encoding.columns[1].levels == ("a", "(missing)", "b")
    assert encoding.owners.tolist() == [0, 1, 1, 1]


def test_standardisation() -> None:
    matrix = np.array([[1, np.nan, 5], [3, np.nan, 5], [np.nan, np.nan, 5]], dtype=np.float32)
    scaling = Standardisation.fitted(matrix)
    scaled = scaling.apply(matrix)
    # One column more for the gap in the first; an empty and a constant column say nothing.
    assert scaled.shape == (3, 4)
    np.testing.assert_allclose(scaled[:, 0].mean(), 0, atol=1e-12)
    np.testing.assert_array_equal(scaled[:, 1:3], np.zeros((3, 2)))
    np.testing.assert_array_equal(scaled[:, 3], [0, 0, 1])
    assert scaling.apply(np.array([[1e9, 0, 5]], np.float32))[0, 0] == 5.0
