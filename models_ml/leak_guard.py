"""Find columns that know the label: values that were written after the customer had left.

Three signs, all measured, none from a column's name:

- one column alone ranks the label better than columns known beforehand do (ONE_COLUMN_AUC; on
  public churn tables the best honest column reaches 0.74 to 0.79);
- a value, or its absence, that only the positive rows have (a cancellation date, a reason);
- the whole model ranks better than is plausible, and no longer does once one or two columns are
  left out. Where the ranking stays as good without them, many columns carry it together, which a
  leak is not, and the guard says nothing.

A leak that helps only a little, within what is plausible, cannot be told from a good column.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import xgboost as xgb
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold
from sklearn.tree import DecisionTreeClassifier

from models_ml.encoding import Encoding, label_shares

Labels = NDArray[np.int8]

ONE_COLUMN_AUC = 0.90
PLAUSIBLE_AUC = 0.87
# Columns that may be left out to bring the model down to what is plausible.
FEW_COLUMNS = 2
# A value is as good as the label when it has so many rows and so large a share of them is positive.
PURE_ROWS = 20
PURE_SHARE = 0.99
# A column is suspected when such values stand for so large a share of the positive rows.
PURE_COVERAGE = 0.10
# Where most rows are positive, a pure value is no surprise.
PURE_BASE_RATE = 0.5

MAXIMUM_ROWS = 20_000
FOLD_COUNT = 3
TREE_COUNT = 100
TREE_PARAMETERS = {
    "objective": "binary:logistic",
    "tree_method": "hist",
    "learning_rate": 0.1,
    "max_depth": 4,
    "min_child_weight": 2.0,
    "subsample": 0.8,
    "colsample_bytree": 0.8,
}


@dataclass(frozen=True)
class Suspicion:
    """Columns that look as if they knew the label.

    Attributes:
        columns: the column, or the few that carry the model.
        figure: what was measured: a ROC-AUC, or a share of the positive rows.
        limit: what it exceeds.
        message: the same in a sentence.
    """

    columns: tuple[str, ...]
    figure: float
    limit: float
    message: str


class LeakSuspected(RuntimeError):  # noqa: N818 - a suspicion is no proven fault
    """Training stops: a column or a figure is too good; names each with what was measured."""

    def __init__(self, suspicions: Sequence[Suspicion]) -> None:
        super().__init__("; ".join(suspicion.message for suspicion in suspicions))
        self.suspicions = tuple(suspicions)


def require_no_leak(
    frame: pd.DataFrame,
    is_churned: Labels,
    model_auc: float,
    *,
    plausible_auc: float = PLAUSIBLE_AUC,
    seed: int = 0,
    thread_count: int = 1,
) -> None:
    """Do nothing where `suspicions` finds nothing.

    Raises:
        LeakSuspected: with everything it found.
    """
    found = suspicions(
        frame,
        is_churned,
        model_auc,
        plausible_auc=plausible_auc,
        seed=seed,
        thread_count=thread_count,
    )
    if found:
        raise LeakSuspected(found)


def suspicions(
    frame: pd.DataFrame,
    is_churned: Labels,
    model_auc: float,
    *,
    plausible_auc: float = PLAUSIBLE_AUC,
    seed: int = 0,
    thread_count: int = 1,
) -> list[Suspicion]:
    """Return every suspicion about the rows a model was made of.

    Args:
        frame: the features, numbers or text.
        is_churned: the label of each row.
        model_auc: ROC-AUC of the model on rows it has not seen.
        plausible_auc: the highest ROC-AUC to expect of honest columns.
        seed: of folds and of the sample that is looked at when there are many rows.
        thread_count: of XGBoost.
    """
    frame, is_churned = _sample(frame, is_churned, seed)
    found = [
        suspicion
        for name in frame.columns
        if (suspicion := of_one_column(frame[name], is_churned, seed)) is not None
    ]
    if model_auc <= plausible_auc:
        return found
    known = [name for suspicion in found for name in suspicion.columns]
    whole = _of_whole_model(frame, is_churned, model_auc, known, plausible_auc, seed, thread_count)
    return [*found, whole] if whole else found


def of_one_column(column: pd.Series[Any], is_churned: Labels, seed: int = 0) -> Suspicion | None:
    """Return what is suspicious about a column alone, judged on rows that a rule has not seen.

    The rule is a tree of a few leaves over the number, or over the label's share in each category;
    a missing value is a value of its own.
    """
    name = str(column.name)
    score = np.zeros(len(is_churned))
    for learnt, judged in _folds(is_churned, seed):
        values = _ranked_values(column, is_churned, learnt)
        rule = DecisionTreeClassifier(max_leaf_nodes=16, min_samples_leaf=10, random_state=seed)
        rule.fit(values[learnt], is_churned[learnt])
        score[judged] = rule.predict_proba(values[judged])[:, 1]
    auc = float(roc_auc_score(is_churned, score))
    if auc > ONE_COLUMN_AUC:
        return Suspicion(
            (name,),
            auc,
            ONE_COLUMN_AUC,
            f"column {name} alone ranks the label with ROC-AUC {auc:.3f}, above {ONE_COLUMN_AUC}:"
            " it may have been written after the fact",
        )
    share = _pure_share(column, is_churned)
    if share >= PURE_COVERAGE:
        return Suspicion(
            (name,),
            share,
            PURE_COVERAGE,
            f"column {name} has values that only positive rows have, {share:.0%} of them (limit"
            f" {PURE_COVERAGE:.0%}): it may have been written after the fact",
        )
    return None


def _pure_share(column: pd.Series[Any], is_churned: Labels) -> float:
    """Return the share of the positive rows whose value is as good as the label.

    A value is a number or a text as it stands, its absence, or the fact that there is one.
    """
    if is_churned.mean() > PURE_BASE_RATE:
        return 0.0
    labels = pd.Series(is_churned)
    shares = []
    for values in (column.isna().to_numpy(), column.astype(object).to_numpy()):
        counts = labels.groupby(values, dropna=False).agg(["sum", "size"])
        is_pure = (counts["sum"] >= PURE_SHARE * counts["size"]) & (counts["size"] >= PURE_ROWS)
        shares.append(float(counts.loc[is_pure, "sum"].sum()) / float(labels.sum()))
    return max(shares)


def _of_whole_model(
    frame: pd.DataFrame,
    is_churned: Labels,
    model_auc: float,
    known: Sequence[str],
    plausible_auc: float,
    seed: int,
    thread_count: int,
) -> Suspicion | None:
    """Leave out the strongest columns, those already suspected first, until it is plausible."""
    names = [str(name) for name in frame.columns]
    removed: list[str] = []
    parameters = TREE_PARAMETERS | {"seed": seed, "nthread": thread_count}
    _, gains = _quick_auc(frame, is_churned, seed, parameters)
    while len(removed) < FEW_COLUMNS and len(removed) + 1 < len(names):
        rest = [name for name in names if name not in removed]
        strongest = max(rest, key=lambda name: (name in known, gains.get(name, 0.0)))
        removed.append(strongest)
        rest.remove(strongest)
        auc, gains = _quick_auc(frame[rest], is_churned, seed, parameters)
        if auc <= plausible_auc:
            return Suspicion(
                tuple(removed),
                model_auc,
                plausible_auc,
                f"the model ranks with ROC-AUC {model_auc:.3f}, above the plausible"
                f" {plausible_auc}, and with {auc:.3f} without {', '.join(removed)}",
            )
    return None


def _quick_auc(
    frame: pd.DataFrame, is_churned: Labels, seed: int, parameters: dict[str, Any]
) -> tuple[float, dict[str, float]]:
    """Return a quick model's ROC-AUC on rows it has not seen, and each column's gain in it."""
    encoding = Encoding.fitted(frame)
    matrix, owners = encoding.matrix(frame), encoding.owners
    margins = np.zeros(len(is_churned))
    gains: dict[str, float] = {}
    for learnt, judged in _folds(is_churned, seed):
        trees = xgb.train(
            parameters, xgb.DMatrix(matrix[learnt], label=is_churned[learnt]), TREE_COUNT
        )
        margins[judged] = trees.predict(xgb.DMatrix(matrix[judged]), output_margin=True)
        for feature, gain in trees.get_score(importance_type="total_gain").items():
            name = encoding.columns[owners[int(feature.removeprefix("f"))]].name
            gains[name] = gains.get(name, 0.0) + float(np.sum(gain))
    return float(roc_auc_score(is_churned, margins)), gains


def _ranked_values(
    column: pd.Series[Any], is_churned: Labels, learnt: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return one number per row: the number itself, or the label's share in its category."""
    if pd.api.types.is_numeric_dtype(column):
        return np.asarray(column, dtype=np.float64).reshape(-1, 1)
    texts = column.astype(object).where(column.notna(), "").to_numpy(dtype=object)
    return label_shares(texts, is_churned, learnt).reshape(-1, 1)


def _folds(is_churned: Labels, seed: int) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    splitter = StratifiedKFold(FOLD_COUNT, shuffle=True, random_state=seed)
    return list(splitter.split(is_churned, is_churned))


def _sample(frame: pd.DataFrame, is_churned: Labels, seed: int) -> tuple[pd.DataFrame, Labels]:
    if len(frame) <= MAXIMUM_ROWS:
        return frame, is_churned
    chosen = np.sort(np.random.default_rng(seed).choice(len(frame), MAXIMUM_ROWS, replace=False))
    return frame.iloc[chosen], is_churned[chosen]
