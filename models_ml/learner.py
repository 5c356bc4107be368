"""The one training code: trees and a logistic regression, blended and calibrated.

XGBoost and a logistic regression are each fitted inside the training rows, with the choices made on
inner folds: which of a few parameter sets, how many trees, how strong a penalty, how much weight in
the blend of the two log odds, and the line that turns the blend into a probability (Platt scaling).
Where rows stand in time order the inner folds walk forward in time, and columns that do not hold
over time are held back first (models_ml.steadiness). Of very many rows a sample makes the choices.

On disk a learner is two files, neither of them pickled: `trees.ubj` and `learner.json`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xgboost as xgb
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from models_ml.calibration import Calibration
from models_ml.encoding import Encoding, Standardisation
from models_ml.features import Matrix
from models_ml.steadiness import (
    SIGNIFICANCE,
    Fold,
    HeldBack,
    Labels,
    better_by_test,
    forward_folds,
    time_blocks,
    unsteady_columns,
)
from models_ml.stored_files import require_files, require_same, sha256

TREES_FILE = "trees.ubj"
LEARNER_FILE = "learner.json"

COMMON_PARAMETERS = {
    "objective": "binary:logistic",
    "tree_method": "hist",
    "subsample": 0.8,
    "max_bin": 128,
}
# Few and far apart: from trees that hardly interact to trees that fit a few thousand rows closely.
PARAMETER_SETS: tuple[dict[str, float], ...] = (
    {"max_depth": 2, "learning_rate": 0.1, "min_child_weight": 2, "colsample_bytree": 0.5},
    {"max_depth": 4, "learning_rate": 0.06, "min_child_weight": 4, "colsample_bytree": 0.5},
    {"max_depth": 6, "learning_rate": 0.05, "min_child_weight": 2, "colsample_bytree": 0.5},
    {"max_depth": 9, "learning_rate": 0.05, "min_child_weight": 1, "colsample_bytree": 0.7},
)
# The best on the first inner fold go on to the others.
FINALIST_COUNT = 2
PENALTIES = (0.01, 0.1, 1.0)  # inverse strength, scikit-learn's C
MAXIMUM_TREES = 600
MINIMUM_TREES = 10
EARLY_STOPPING_TREES = 30
BLEND_STEPS = 20
EQUAL_BLEND = 0.5

# Rows that the line takes at a time: what it makes of them stays in the processor's cache.
CACHED_ROWS = 2048

Margins = NDArray[np.float64]


@dataclass(frozen=True)
class LearnerSettings:
    """How to train.

    Attributes:
        seed: of everything drawn.
        thread_count: of XGBoost.
        inner_fold_count: inner folds of rows in no order.
        search_row_count: rows to make the choices on; where there are more, a sample of so many.
        maximum_depth: parameter sets with deeper trees are not tried. The exact reasons of a score
            cost in each tree its leaves times the square of its depth.
    """

    seed: int = 20261120
    thread_count: int = 1
    inner_fold_count: int = 4
    search_row_count: int = 200_000
    maximum_depth: int = 9


@dataclass(frozen=True)
class Line:
    """A logistic regression on standardised columns."""

    standardisation: Standardisation
    coefficients: NDArray[np.float64]
    intercept: float

    @classmethod
    def fitted(cls, matrix: Matrix, is_churned: Labels, penalty: float) -> Line:
        """Fit with the given inverse penalty."""
        standardisation = Standardisation.fitted(matrix)
        line = LogisticRegression(C=penalty, max_iter=500).fit(
            standardisation.apply(matrix), is_churned
        )
        return cls(standardisation, line.coef_[0], float(line.intercept_[0]))

    def margins(self, matrix: Matrix) -> Margins:
        """Return the log odds of each row, the same to the last bit whatever rows come with it.

        A matrix product, or a sum of rows, would add in an order that depends on their number.
        """
        margins = np.full(len(matrix), self.intercept)
        for start in range(0, len(matrix), CACHED_ROWS):
            rows = slice(start, start + CACHED_ROWS)
            shares = self.standardisation.apply(matrix[rows]) * self.coefficients
            for values in np.ascontiguousarray(shares.T):
                margins[rows] += values
        return margins

    def contributions(self, matrix: Matrix, owners: NDArray[np.int64], count: int) -> Margins:
        """Return each column's share of the log odds, rows by `count` columns."""
        shares = self.standardisation.apply(matrix) * self.coefficients
        return _summed_by_owner(shares, self.standardisation.owners(owners), count)


@dataclass(frozen=True)
class Choices:
    """What the inner folds decided.

    Attributes:
        parameters: XGBoost's.
        tree_count: trees of the final model.
        penalty: inverse penalty of the logistic regression.
        tree_weight: weight of the trees' log odds in the blend, 0 to 1.
        inner_auc: ROC-AUC on the inner folds of `trees`, `line` and `blend`, mean over folds.
    """

    parameters: dict[str, Any]
    tree_count: int
    penalty: float
    tree_weight: float
    inner_auc: dict[str, float]


@dataclass(frozen=True)
class Learner:
    """A fitted model: what it needs of a frame, and what it makes of it."""

    encoding: Encoding
    trees: xgb.Booster
    line: Line
    calibration: Calibration
    line_calibration: Calibration
    choices: Choices
    held_back: tuple[HeldBack, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that a frame must have, in the order of `contributions`."""
        return tuple(column.name for column in self.encoding.columns)

    def probability(self, frame: pd.DataFrame) -> NDArray[np.float64]:
        """Return each row's calibrated probability.

        Raises:
            MissingFeatureError: naming every column that the frame lacks.
        """
        return self.matrix_probability(self.encoding.matrix(frame))

    def matrix_probability(self, matrix: Matrix) -> NDArray[np.float64]:
        """Return the same of rows that are encoded already."""
        weight = self.choices.tree_weight
        blend = weight * _tree_margins(self.trees, matrix) + (1 - weight) * self.line.margins(
            matrix
        )
        return self.calibration.apply(blend)

    def baseline_probability(self, frame: pd.DataFrame) -> NDArray[np.float64]:
        """Return what the logistic regression says alone, calibrated likewise."""
        return self.line_calibration.apply(self.line.margins(self.encoding.matrix(frame)))

    def contributions(self, matrix: Matrix) -> NDArray[np.float64]:
        """Return each column's exact share of the log odds of encoded rows, rows by `columns`.

        TreeSHAP for the trees, coefficient times standardised value for the line; with one number
        that is the same for every row they add up to the log odds of `probability`.
        """
        shares = self.trees.predict(xgb.DMatrix(matrix), pred_contribs=True)[:, :-1]
        owners, count, weight = self.encoding.owners, len(self.columns), self.choices.tree_weight
        of_trees = _summed_by_owner(shares.astype(np.float64), owners, count)
        of_line = self.line.contributions(matrix, owners, count)
        return self.calibration.slope * (weight * of_trees + (1 - weight) * of_line)

    def save(self, folder: Path) -> None:
        """Write the learner's two files into `folder`."""
        self.trees.save_model(folder / TREES_FILE)
        scaling = self.line.standardisation
        stored = {
            "columns": [asdict(column) for column in self.encoding.columns],
            "medians": scaling.medians.tolist(),
            "means": scaling.means.tolist(),
            "scales": scaling.scales.tolist(),
            "has_gaps": scaling.has_gaps.tolist(),
            "coefficients": self.line.coefficients.tolist(),
            "intercept": self.line.intercept,
            "calibration": asdict(self.calibration),
            "line_calibration": asdict(self.line_calibration),
            "choices": asdict(self.choices),
            "held_back": [asdict(column) for column in self.held_back],
            "trees_sha256": sha256(folder / TREES_FILE),
        }
        (folder / LEARNER_FILE).write_text(json.dumps(stored, indent=2), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Learner:
        """Read what `save` wrote.

        Raises:
            UnreadableModelError: a file is missing, or the trees are not those that were saved.
        """
        require_files(folder, (TREES_FILE, LEARNER_FILE))
        stored = json.loads((folder / LEARNER_FILE).read_text(encoding="utf-8"))
        require_same(folder / TREES_FILE, stored["trees_sha256"])
        scaling = Standardisation(
            medians=np.array(stored["medians"], np.float64),
            means=np.array(stored["means"], np.float64),
            scales=np.array(stored["scales"], np.float64),
            has_gaps=np.array(stored["has_gaps"], np.bool_),
        )
        return cls(
            encoding=Encoding.from_stored(stored["columns"]),
            trees=xgb.Booster(model_file=folder / TREES_FILE),
            line=Line(scaling, np.array(stored["coefficients"], np.float64), stored["intercept"]),
            calibration=Calibration(**stored["calibration"]),
            line_calibration=Calibration(**stored["line_calibration"]),
            choices=Choices(**stored["choices"]),
            held_back=tuple(HeldBack(**column) for column in stored["held_back"]),
        )


def fit(
    frame: pd.DataFrame,
    is_churned: Labels,
    *,
    in_time_order: bool = False,
    periods: NDArray[np.int64] | None = None,
    groups: NDArray[np.int64] | None = None,
    settings: LearnerSettings | None = None,
) -> Learner:
    """Fit a learner to rows of typed columns (numbers or text) and their 0/1 labels.

    With more rows than `settings.search_row_count` every choice, the calibration and the logistic
    regression come from a seeded sample, which keeps the order of the rows and the shares of the
    classes; the final trees are grown on all rows.

    Args:
        frame: the features; numeric columns stay numbers, all others are categories.
        is_churned: the label of each row.
        in_time_order: the rows stand in time order, oldest first.
        periods: in time order, the observation date of each row as a number. Rows of one date share
            their label window, so the inner folds learn from all earlier dates and judge on the
            next; without it they are equal blocks of rows.
        groups: a number for each customer, whose rows then stay in one inner fold.
        settings: seed, threads, folds and limits.

    Raises:
        ValueError: the rows do not hold both classes often enough for inner folds, or do not stand
            in the order of their periods.
    """
    settings = settings or LearnerSettings()
    searched = _searched_rows(is_churned, settings)
    sample, labels = frame.iloc[searched], is_churned[searched]
    periods, groups = (None if each is None else each[searched] for each in (periods, groups))
    folds = _inner_folds(labels, in_time_order, periods, groups, settings)
    held_back: list[HeldBack] = []
    if in_time_order:
        held_back = unsteady_columns(
            sample,
            labels,
            periods=periods,
            seed=settings.seed,
            thread_count=settings.thread_count,
        )
    encoding = Encoding.fitted(frame.drop(columns=[column.column for column in held_back]))
    matrix = encoding.matrix(frame)
    search = _Search(matrix[searched], labels, folds, in_time_order, settings)
    penalty, line_margins = search.line()
    parameters, tree_count, tree_margins = search.trees()
    weight = search.tree_weight(tree_margins, line_margins, are_periods=periods is not None)
    blend = weight * tree_margins + (1 - weight) * line_margins
    return Learner(
        encoding=encoding,
        trees=xgb.train(parameters, xgb.DMatrix(matrix, label=is_churned), tree_count),
        line=Line.fitted(search.matrix, labels, penalty),
        calibration=search.calibration(blend),
        line_calibration=search.calibration(line_margins),
        choices=Choices(
            parameters=parameters,
            tree_count=tree_count,
            penalty=penalty,
            tree_weight=weight,
            inner_auc={
                name: float(search.fold_aucs(margins).mean())
                for name, margins in (
                    ("trees", tree_margins),
                    ("line", line_margins),
                    ("blend", blend),
                )
            },
        ),
        held_back=tuple(held_back),
    )


class _Search:
    """Makes the choices of one fit on its inner folds.

    Margins it returns are out of fold, NaN for rows that no fold judges (the oldest in time order).
    In no order margins are compared by log loss; in time order by the ranking within each fold,
    since the share of churners moves from block to block.
    """

    def __init__(
        self,
        matrix: Matrix,
        is_churned: Labels,
        folds: Sequence[Fold],
        in_time_order: bool,
        settings: LearnerSettings,
    ) -> None:
        self.matrix = matrix
        self._is_churned = is_churned
        self._folds = folds
        self._in_time_order = in_time_order
        self._metric = "auc" if in_time_order else "logloss"
        self._common = COMMON_PARAMETERS | {
            "seed": settings.seed,
            "nthread": settings.thread_count,
        }
        self._candidates = [
            self._common | parameters
            for parameters in PARAMETER_SETS
            if parameters["max_depth"] <= settings.maximum_depth
        ]

    def line(self) -> tuple[float, Margins]:
        """Return the best penalty with its margins."""

        def margins(penalty: float) -> Margins:
            return self._out_of_fold(
                lambda learnt, judged: Line.fitted(
                    self.matrix[learnt], self._is_churned[learnt], penalty
                ).margins(self.matrix[judged])
            )

        tried = [(penalty, margins(penalty)) for penalty in PENALTIES]
        return min(tried, key=lambda result: self._loss(result[1]))

    def trees(self) -> tuple[dict[str, Any], int, Margins]:
        """Return the best parameter set with its number of trees and its margins."""
        data = [(self._rows(learnt), self._rows(judged)) for learnt, judged in self._folds]
        probe = -1 if self._in_time_order else 0  # the last block has most rows to learn from
        first = [self._grown(parameters, data[probe]) for parameters in self._candidates]
        order = np.argsort([min(self._curve(history)) for _, history in first], kind="stable")
        tried = []
        for place in order[:FINALIST_COUNT]:
            parameters = self._candidates[place]
            grown = [
                first[place] if pair is data[probe] else self._grown(parameters, pair)
                for pair in data
            ]
            count = self._tree_count([history for _, history in grown])
            margins = np.full(len(self._is_churned), np.nan)
            for (booster, _), (_, judged), (_, positions) in zip(
                grown, data, self._folds, strict=True
            ):
                margins[positions] = booster.predict(
                    judged,
                    output_margin=True,
                    iteration_range=(0, min(count, booster.num_boosted_rounds())),
                )
            tried.append((parameters, count, margins))
        return min(tried, key=lambda result: self._loss(result[2]))

    def tree_weight(self, trees: Margins, line: Margins, *, are_periods: bool) -> float:
        """Return the weight of the trees in the blend.

        In no order the one of least log loss; with periods, each of which shows all customers, the
        one that ranks them best on average. In plain time order a few blocks cannot tell weights
        apart, so it is one half, which is hard to beat among forecasts (J. Stock and M. Watson,
        Combination forecasts of output growth, 2004), unless one of the two alone is better.
        """
        weights = np.linspace(0, 1, BLEND_STEPS + 1)
        if are_periods:
            ranked = [
                self.fold_aucs(weight * trees + (1 - weight) * line).mean() for weight in weights
            ]
            return float(weights[int(np.argmax(ranked))])
        if self._in_time_order:
            equal = self.fold_aucs((trees + line) / 2)
            for weight, margins in ((1.0, trees), (0.0, line)):
                if better_by_test(self.fold_aucs(margins) - equal, SIGNIFICANCE / 2):
                    return weight
            return EQUAL_BLEND
        losses = [self._loss(weight * trees + (1 - weight) * line) for weight in weights]
        return float(weights[int(np.argmin(losses))])

    def calibration(self, margins: Margins) -> Calibration:
        """Fit Platt scaling on the rows that some fold judged."""
        is_judged = ~np.isnan(margins)
        return Calibration.fitted(margins[is_judged], self._is_churned[is_judged])

    def fold_aucs(self, margins: Margins) -> NDArray[np.float64]:
        """Return the ROC-AUC within each fold."""
        return np.array(
            [roc_auc_score(self._is_churned[judged], margins[judged]) for _, judged in self._folds]
        )

    def _rows(self, positions: NDArray[np.int64]) -> xgb.DMatrix:
        return xgb.DMatrix(self.matrix[positions], label=self._is_churned[positions])

    def _loss(self, margins: Margins) -> float:
        if self._in_time_order:
            return -float(self.fold_aucs(margins).mean())
        probability = self.calibration(margins).apply(margins)
        return float(log_loss(self._is_churned, probability))

    def _out_of_fold(
        self, margins_of: Callable[[NDArray[np.int64], NDArray[np.int64]], Margins]
    ) -> Margins:
        margins = np.full(len(self._is_churned), np.nan)
        for learnt, judged in self._folds:
            margins[judged] = margins_of(learnt, judged)
        return margins

    def _grown(
        self, parameters: dict[str, Any], pair: tuple[xgb.DMatrix, xgb.DMatrix]
    ) -> tuple[xgb.Booster, list[float]]:
        learnt, judged = pair
        history: dict[str, dict[str, list[float]]] = {}
        booster = xgb.train(
            parameters | {"eval_metric": self._metric},
            learnt,
            MAXIMUM_TREES,
            evals=[(judged, "judged")],
            early_stopping_rounds=EARLY_STOPPING_TREES,
            evals_result=history,
            verbose_eval=False,
        )
        return booster, history["judged"][self._metric]

    def _curve(self, history: Sequence[float]) -> list[float]:
        """Return the loss after each tree: the smaller the better, whatever the metric."""
        return [-value if self._metric == "auc" else value for value in history]

    def _tree_count(self, histories: Sequence[Sequence[float]]) -> int:
        """Return the number of trees with the least loss over the folds together.

        A fold that stopped early keeps its last loss.
        """
        length = max(map(len, histories))
        curves = [
            np.pad(self._curve(history), (0, length - len(history)), mode="edge")
            for history in histories
        ]
        return max(int(np.argmin(np.mean(curves, axis=0))) + 1, MINIMUM_TREES)


def _searched_rows(is_churned: Labels, settings: LearnerSettings) -> NDArray[np.int64]:
    """Return the rows to make the choices on, in their order: all, or a share of each class."""
    row_count = len(is_churned)
    if row_count <= settings.search_row_count:
        return np.arange(row_count)
    chance = np.random.default_rng(settings.seed)
    share = settings.search_row_count / row_count
    chosen = [
        chance.choice(rows, round(share * len(rows)), replace=False)
        for rows in (np.flatnonzero(is_churned == label) for label in (0, 1))
    ]
    return np.sort(np.concatenate(chosen))


def _inner_folds(
    is_churned: Labels,
    in_time_order: bool,
    periods: NDArray[np.int64] | None,
    groups: NDArray[np.int64] | None,
    settings: LearnerSettings,
) -> list[Fold]:
    if in_time_order:
        folds = forward_folds(is_churned, time_blocks(len(is_churned), periods))
        if not folds or (periods is None and len(folds) < 2):
            kind = "blocks" if periods is None else "periods"
            raise ValueError(f"the rows in time order hold churners in fewer than two {kind}")
        return folds
    rarest = int(min(is_churned.sum(), len(is_churned) - is_churned.sum()))
    count = min(settings.inner_fold_count, rarest)
    if count < 2:
        raise ValueError(f"{rarest} row(s) of the rarer class: two at least are needed")
    kind = StratifiedKFold if groups is None else StratifiedGroupKFold
    splitter = kind(n_splits=count, shuffle=True, random_state=settings.seed)
    return list(splitter.split(is_churned, is_churned, groups))


def _tree_margins(trees: xgb.Booster, matrix: Matrix) -> Margins:
    return np.asarray(trees.inplace_predict(matrix, predict_type="margin"), dtype=np.float64)


def _summed_by_owner(shares: Margins, owners: NDArray[np.int64], count: int) -> Margins:
    summed = np.zeros((len(shares), count))
    for values, owner in zip(shares.T, owners, strict=True):
        summed[:, owner] += values
    return summed
