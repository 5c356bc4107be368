"""The population stability index, and columns that do not hold over time."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

from models_ml.drift import MOVED_ABOVE, drift_of
from models_ml.steadiness import (
    BLOCK_COUNT,
    better_by_test,
    earlier_rows,
    forward_folds,
    has_turned,
    time_blocks,
    unsteady_columns,
)


def stability_index(earlier: pd.Series[Any], later: pd.Series[Any]) -> float:
    return drift_of(earlier, later).stability_index


def has_moved(earlier: pd.Series[Any], later: pd.Series[Any]) -> bool:
    return drift_of(earlier, later).exceeds(MOVED_ABOVE)


def texts(**counts: int) -> pd.Series[str]:
    return pd.Series([level for level, count in counts.items() for _ in range(count)], dtype=object)


def test_index_of_categories_is_the_formula() -> None:
    index = stability_index(texts(a=50, b=50), texts(a=80, b=20))
    assert index == pytest.approx(0.3 * math.log(0.8 / 0.5) + (-0.3) * math.log(0.2 / 0.5))


def test_index_of_the_same_rows_is_zero() -> None:
    chance = np.random.default_rng(1)
    frame = pd.DataFrame(
        {"number": chance.normal(size=500), "text": chance.choice(["a", "b"], 500)}
    )
    assert [stability_index(frame[name], frame[name]) for name in frame] == [0.0, 0.0]


def test_index_of_numbers_uses_tenths_of_the_earlier_rows() -> None:
    earlier, later = pd.Series(np.arange(1000.0)), pd.Series(np.arange(500.0, 1000.0))
    # Five tenths fall empty and count as half of 500 rows, the others double from 0.1 to 0.2.
    expected = 5 * (0.1 * math.log(2)) + 5 * ((0.001 - 0.1) * math.log(0.001 / 0.1))
    assert stability_index(earlier, later) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("value", [0.0, 1.0, 999.0])
def test_a_value_that_most_rows_have_is_a_bin(value: float) -> None:
    def rows(share: float) -> pd.Series[float]:
        return pd.Series(np.where(np.arange(1000) < share * 1000, value, np.arange(1000) + 2000.0))

    assert stability_index(rows(0.95), rows(0.95)) == 0
    assert stability_index(rows(0.95), rows(0.5)) > MOVED_ABOVE


def test_zero_and_one_are_two_bins() -> None:
    earlier = pd.Series(np.where(np.arange(100) < 95, 1.0, 0.0))
    later = pd.Series(np.where(np.arange(100) < 50, 1.0, 0.0))
    expected = (0.5 - 0.95) * math.log(0.5 / 0.95) + (0.5 - 0.05) * math.log(0.5 / 0.05)
    assert stability_index(earlier, later) == pytest.approx(expected)


def test_missing_values_are_a_bin() -> None:
    full = pd.Series(np.arange(1000.0))
    gaps = full.where(np.arange(1000) % 2 == 0)
    assert stability_index(full, gaps) > MOVED_ABOVE
    assert stability_index(gaps, gaps) == 0
    assert stability_index(full, full.where(full >= 100)) > MOVED_ABOVE  # not the lowest tenth
    assert stability_index(texts(a=90, b=10), texts(a=90, b=10).where(lambda row: row != "b")) > 0.5


def test_no_rows_is_an_error() -> None:
    with pytest.raises(ValueError, match="rows on both sides"):
        stability_index(texts(a=1), texts())


def test_chance_index_is_what_unmoved_columns_show() -> None:
    chance = np.random.default_rng(3)
    drawn = [
        (pd.Series(chance.normal(size=300)), pd.Series(chance.normal(size=200))) for _ in range(200)
    ]
    shown = np.mean([stability_index(*pair) for pair in drawn])
    assert shown == pytest.approx(drift_of(*drawn[0]).chance_index, rel=0.15)


@pytest.mark.parametrize(("share", "moved"), [(0.70, False), (0.76, True)])
def test_moved_means_beyond_the_limit(share: float, moved: bool) -> None:
    # From one half to 70 % the index is 0.17, to 76 % it is 0.30.
    rows = 10_000
    later = texts(a=round(share * rows), b=rows - round(share * rows))
    assert has_moved(texts(a=rows // 2, b=rows // 2), later) is moved


def test_many_levels_in_few_rows_have_not_moved() -> None:
    chance = np.random.default_rng(4)
    earlier, later = (pd.Series(chance.integers(0, 30, 200).astype(str)) for _ in range(2))
    assert stability_index(earlier, later) > MOVED_ABOVE
    assert not has_moved(earlier, later)


def test_forward_folds_never_learn_from_later_rows() -> None:
    folds = forward_folds(np.tile([0, 1], 300).astype(np.int8), time_blocks(600))
    assert len(folds) == BLOCK_COUNT - 1
    for learnt, judged in folds:
        np.testing.assert_array_equal(learnt, np.arange(judged[0]))
        assert len(judged) == 100


def test_forward_folds_need_both_classes_on_both_sides() -> None:
    labels = np.tile([0, 1], 300).astype(np.int8)
    labels[:250] = 0  # the first two blocks and a half hold no churner
    assert [int(judged[0]) for _, judged in forward_folds(labels, time_blocks(600))] == [
        300,
        400,
        500,
    ]


def test_each_period_is_a_block() -> None:
    periods = np.repeat([20, 50, 80], [100, 400, 300])
    assert time_blocks(800, periods).tolist() == [0, 100, 500, 800]
    labels = np.tile([0, 1], 400).astype(np.int8)
    folds = forward_folds(labels, time_blocks(800, periods))
    assert [(len(learnt), len(judged)) for learnt, judged in folds] == [(100, 400), (500, 300)]
    # 70 % would be row 560, within the last period; the nearest whole periods are 500 rows.
    assert (earlier_rows(800), earlier_rows(800, periods)) == (560, 500)
    with pytest.raises(ValueError, match="order of their periods"):
        time_blocks(800, periods[::-1])


def test_drift_is_that_between_whole_periods() -> None:
    chance = np.random.default_rng(12)
    periods = np.repeat([1, 2], [1000, 1000])
    # The value changes with the period. Cut at 70 % of the rows both sides would hold the later.
    frame = pd.DataFrame({"steady": chance.normal(size=2000), "moved": chance.normal(size=2000)})
    frame["moved"] += 1.2 * (periods == 2)
    labels = (chance.random(2000) < 1 / (1 + np.exp(-frame["steady"]))).astype(np.int8)
    [held] = unsteady_columns(frame, labels, periods=periods, seed=1, thread_count=1)
    assert held.column == "moved"
    assert "first 50% of the training rows" in held.reason


def test_a_period_before_a_source_began_is_no_drift() -> None:
    chance = np.random.default_rng(13)
    periods = np.repeat([1, 2, 3, 4], 500)
    frame = pd.DataFrame({name: chance.normal(size=2000) for name in ("steady", "new", "moved")})
    frame.loc[periods == 1, "new"] = np.nan
    frame.loc[periods == 1, "moved"] = np.nan
    frame.loc[periods == 4, "moved"] += 1.2
    frame["sparse"] = frame["new"]
    frame.loc[7, "sparse"] = 1.0  # one value: the source was there
    labels = (chance.random(2000) < 1 / (1 + np.exp(-frame["steady"]))).astype(np.int8)
    held = unsteady_columns(frame, labels, periods=periods, seed=1, thread_count=1)
    assert [column.column for column in held] == ["moved", "sparse"]


def test_a_column_of_later_periods_alone_is_not_held_back() -> None:
    chance = np.random.default_rng(14)
    frame = pd.DataFrame({"steady": chance.normal(size=900), "new": chance.normal(size=900)})
    frame.loc[:599, "new"] = np.nan
    labels = np.tile([0, 1], 450).astype(np.int8)
    periods = np.repeat([1, 2, 3], 300)
    assert unsteady_columns(frame, labels, periods=periods, seed=1, thread_count=1) == []


def test_better_by_test() -> None:
    assert better_by_test([0.02, 0.03, 0.025, 0.02], 0.05)
    assert not better_by_test([0.2, -0.03, 0.01, -0.02], 0.05)  # better on the mean alone
    assert not better_by_test([0.0, 0.0, 0.0], 0.05)
    assert not better_by_test([0.5, 0.6], 0.05)


def planted(row_count: int = 3000) -> tuple[pd.DataFrame, np.ndarray]:
    """Return rows in time order with four columns.

    `steady` drives the label throughout. `rising` climbs all the time and drives it too. `index`
    is a step function of time, as an economic figure is, to which churn stands in no lasting
    relation. `turning` drives the label up first and down later, without moving.
    """
    chance = np.random.default_rng(11)
    time = np.arange(row_count) / row_count
    steady = chance.normal(size=row_count)
    rising = 3 * time + chance.normal(size=row_count)
    index = np.array([4.0, 1.0, 3.0, 8.0, 2.0, 9.0])[(time * 6).astype(int)]
    turning = chance.normal(size=row_count)
    sign = np.where(time < 0.7, 1.0, -1.0)
    log_odds = steady + rising - 3 * time - 1 + 1.2 * sign * turning
    labels = chance.random(row_count) < 1 / (1 + np.exp(-log_odds))
    columns = {"steady": steady, "rising": rising, "index": index, "turning": turning}
    return pd.DataFrame(columns), labels.astype(np.int8)


def test_columns_that_do_not_hold_are_held_back_with_the_reason() -> None:
    frame, labels = planted()
    held = {
        column.column: column.reason
        for column in unsteady_columns(frame, labels, seed=1, thread_count=1)
    }
    assert list(held) == ["index", "turning"]
    assert "stability index" in held["index"]
    assert "turned round" in held["turning"]


def test_a_moving_column_that_keeps_its_relation_is_used() -> None:
    frame, labels = planted()
    cut = round(len(frame) * 0.7)
    assert has_moved(frame["rising"][:cut], frame["rising"][cut:])
    held = unsteady_columns(frame[["steady", "rising"]], labels, seed=1, thread_count=1)
    assert held == []


def test_relation_that_turns() -> None:
    frame, labels = planted()
    cut = round(len(frame) * 0.7)
    turned = [name for name in frame if has_turned(frame[name], labels, cut)]
    assert turned == ["turning"]
    assert has_turned((frame["turning"] > 0).map({True: "a", False: "b"}), labels, cut)


def test_something_is_always_left_to_learn_from() -> None:
    frame, labels = planted()
    assert unsteady_columns(frame[["index"]], labels, seed=1, thread_count=1) == []
