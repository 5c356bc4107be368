"""Which columns not to lean on, where rows stand in time order.

A column is suspect when its values have moved between the earlier and the later training rows
(further than drift.MOVED_ABOVE), or when its relation to the label has turned round. Such a column
says more about when a row was observed than about the customer, and what comes next lies outside
what was learnt. So the burden of proof is on it: walking forward in time, always learning from the
earlier rows and judging on the block that follows, the ranking must be better with it than without
it, by a t-test over the blocks, or it is held back. Only training rows are looked at.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import xgboost as xgb
from numpy.typing import NDArray
from scipy import stats
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from models_ml.drift import MOVED_ABOVE, Drift, drift_of
from models_ml.encoding import Encoding, Standardisation, label_shares
from models_ml.features import Matrix

Labels = NDArray[np.int8]
Fold = tuple[NDArray[np.int64], NDArray[np.int64]]  # row positions to learn from, to judge on

BLOCK_COUNT = 6
EARLIER_SHARE = 0.7
SIGNIFICANCE = 0.05
# Standard errors by which a relation must lie on the other side to count as turned round.
TURNED_BY = 3.0
QUICK_TREES = 60
QUICK_TREE_PARAMETERS = {
    "objective": "binary:logistic",
    "tree_method": "hist",
    "learning_rate": 0.1,
    "max_depth": 3,
    "min_child_weight": 5.0,
    "subsample": 0.8,
    "colsample_bytree": 0.5,
}


@dataclass(frozen=True)
class HeldBack:
    """A column that the model does not use, and why, in a sentence."""

    column: str
    reason: str


def time_blocks(row_count: int, periods: NDArray[np.int64] | None = None) -> NDArray[np.int64]:
    """Return where the blocks of rows in time order begin, and behind the last the row count.

    Each period is a block; without periods there are BLOCK_COUNT blocks of equally many rows.

    Raises:
        ValueError: the rows do not stand in the order of their periods.
    """
    if periods is None:
        return np.linspace(0, row_count, BLOCK_COUNT + 1).astype(np.int64)
    steps = np.diff(periods)
    if (steps < 0).any():
        raise ValueError("the rows do not stand in the order of their periods")
    return np.concatenate([[0], np.flatnonzero(steps) + 1, [row_count]])


def forward_folds(is_churned: Labels, blocks: NDArray[np.int64]) -> list[Fold]:
    """Return folds that learn from all rows before a block (`time_blocks`) and judge on it.

    Folds that lack a class on either side are left out.
    """
    folds = [(np.arange(start), np.arange(start, end)) for start, end in pairwise(blocks[1:])]
    return [fold for fold in folds if all(_has_both(is_churned[rows]) for rows in fold)]


def earlier_rows(row_count: int, periods: NDArray[np.int64] | None = None) -> int:
    """Return how many rows count as earlier: EARLIER_SHARE, or the whole periods nearest to it."""
    wanted = round(row_count * EARLIER_SHARE)
    if periods is None:
        return wanted
    inner = time_blocks(row_count, periods)[1:-1]
    return int(inner[np.argmin(np.abs(inner - wanted))])


def better_by_test(gains: Sequence[float] | NDArray[np.float64], significance: float) -> bool:
    """Return whether gains are above zero by a one-sided t-test; fewer than three never are."""
    gains = np.asarray(gains, dtype=np.float64)
    if len(gains) < 3:
        return False
    if np.ptp(gains) == 0:
        return bool(gains[0] > 0)
    return bool(stats.ttest_1samp(gains, 0, alternative="greater").pvalue < significance)


def unsteady_columns(
    frame: pd.DataFrame,
    is_churned: Labels,
    *,
    periods: NDArray[np.int64] | None = None,
    seed: int,
    thread_count: int,
) -> list[HeldBack]:
    """Return the columns to hold back from a model of these rows, in the order of the frame.

    With `periods` (at least two) earlier and later rows, and the blocks to walk, are whole periods.
    A period in which a column has no value at all lies before its source began: that says nothing
    about customers, so the column is compared over the other periods.
    """
    cut = earlier_rows(len(frame), periods)
    blocks = time_blocks(len(frame), periods)
    drifts = {
        str(name): _drift(frame[name], cut, None if periods is None else blocks) for name in frame
    }
    moved = [name for name, drift in drifts.items() if drift and drift.exceeds(MOVED_ABOVE)]
    turned = [
        str(name)
        for name in frame
        if name not in moved and has_turned(frame[name], is_churned, cut)
    ]
    folds = forward_folds(is_churned, blocks)
    walk = ForwardWalk(frame, is_churned, folds, seed, thread_count)
    held = walk.not_worth(moved, turned)
    return [
        HeldBack(
            name,
            f"its values moved (stability index {drift.stability_index:.2f}"
            f" between the first {cut / len(frame):.0%} of the training rows and the rest, limit"
            f" {MOVED_ABOVE}) and later training rows are not ranked better with it"
            if drift and name in moved
            else "its relation to the label turned round within the training rows",
        )
        for name, drift in drifts.items()
        if name in held
    ]


def _drift(column: pd.Series[Any], cut: int, periods: NDArray[np.int64] | None) -> Drift | None:
    """Return how far a column moved at row `cut`; None where one side has no period to compare.

    `periods` are the starts of the periods and the end, None without any.
    """
    is_compared = np.ones(len(column), dtype=np.bool_)
    if periods is not None:
        has_value = column.notna().to_numpy()
        for start, end in pairwise(periods):
            is_compared[start:end] = has_value[start:end].any()
    is_earlier = np.arange(len(column)) < cut
    earlier, later = column[is_compared & is_earlier], column[is_compared & ~is_earlier]
    return None if earlier.empty or later.empty else drift_of(earlier, later)


def has_turned(column: pd.Series[float] | pd.Series[str], is_churned: Labels, cut: int) -> bool:
    """Return whether values that went with churn before row `cut` go against it from there on."""
    earlier, later = is_churned[:cut], is_churned[cut:]
    if not (_has_both(earlier) and _has_both(later)):
        return False
    levels = _levels(column, cut)
    score = label_shares(levels, is_churned, slice(cut))
    before = (roc_auc_score(earlier, score[:cut]) - 0.5) / _auc_error(earlier)
    after = (roc_auc_score(later, score[cut:]) - 0.5) / _auc_error(later)
    return bool(before > TURNED_BY and after < -TURNED_BY)


class ForwardWalk:
    """Judges sets of columns by how well a quick model ranks each block of later rows."""

    def __init__(
        self,
        frame: pd.DataFrame,
        is_churned: Labels,
        folds: Sequence[Fold],
        seed: int,
        thread_count: int,
    ) -> None:
        encoding = Encoding.fitted(frame)
        self._names = [column.name for column in encoding.columns]
        self._matrix = encoding.matrix(frame)
        self._owners = encoding.owners
        self._is_churned = is_churned
        self._folds = folds
        self._parameters = QUICK_TREE_PARAMETERS | {"seed": seed, "nthread": thread_count}

    def not_worth(self, moved: Sequence[str], turned: Sequence[str]) -> set[str]:
        """Return which of the suspect columns to hold back.

        A moved column comes back if the walk is better with it. A turned one goes unless the walk
        is worse without it. If nothing comes back, all may together: columns can need each other.
        """
        if not (moved or turned) or len(moved) + len(turned) >= len(self._names):
            return set()
        suspects = {*moved, *turned}
        steady = [name for name in self._names if name not in suspects]
        kept, score = steady, self.scores(steady)
        for name in moved:
            with_it = self.scores([*kept, name])
            if better_by_test(with_it - score, SIGNIFICANCE / len(moved)):
                kept, score = [*kept, name], with_it
        for name in turned:
            with_it = self.scores([*kept, name])
            if np.mean(with_it) > np.mean(score):
                kept, score = [*kept, name], with_it
        if better_by_test(self.scores(self._names) - score, SIGNIFICANCE):
            return set()
        return suspects - set(kept)

    def scores(self, names: Sequence[str]) -> NDArray[np.float64]:
        """Return the ROC-AUC on each block, from the earlier rows and these columns alone."""
        used = np.isin(self._owners, [self._names.index(name) for name in names])
        matrix = self._matrix[:, used]
        return np.array(
            [
                roc_auc_score(self._is_churned[judged], self._margins(matrix, learnt, judged))
                for learnt, judged in self._folds
            ]
        )

    def _margins(
        self, matrix: Matrix, learnt: NDArray[np.int64], judged: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        labels = self._is_churned[learnt]
        trees = xgb.train(
            self._parameters, xgb.DMatrix(matrix[learnt], label=labels), QUICK_TREES
        ).predict(xgb.DMatrix(matrix[judged]), output_margin=True)
        scaling = Standardisation.fitted(matrix[learnt])
        line = LogisticRegression(C=0.1, max_iter=300).fit(scaling.apply(matrix[learnt]), labels)
        return np.asarray(trees + line.decision_function(scaling.apply(matrix[judged])))


def _levels(column: pd.Series[float] | pd.Series[str], cut: int) -> NDArray[np.object_]:
    """Return categories as they are and numbers as tenths of the earlier rows."""
    if not pd.api.types.is_numeric_dtype(column):
        return column.astype(object).where(column.notna(), "").to_numpy(dtype=object)
    values = column.to_numpy(dtype=np.float64, na_value=np.nan)
    present = values[:cut][~np.isnan(values[:cut])]
    if not len(present):
        return np.full(len(values), -1, dtype=object)
    edges = np.unique(np.quantile(present, np.linspace(0, 1, 11)[1:-1]))
    tenths = np.searchsorted(edges, values, side="left")
    return np.where(np.isnan(values), -1, tenths).astype(object)


def _auc_error(is_churned: Labels) -> float:
    """Return the standard error of the AUC of a ranking without any relation to the label."""
    positives = int(is_churned.sum())
    others = len(is_churned) - positives
    return float(np.sqrt((positives + others + 1) / (12 * positives * others)))


def _has_both(is_churned: Labels) -> bool:
    return bool(0 < is_churned.sum() < len(is_churned))
