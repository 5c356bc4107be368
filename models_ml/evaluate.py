"""How good a churn model is on customers and a month it has not seen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score


@dataclass(frozen=True)
class Evaluation:
    """Measures of probabilities against what happened.

    Attributes:
        row_count: customers evaluated.
        churner_count: how many of them left.
        churn_rate: their share.
        mean_probability: what the model expected that share to be.
        roc_auc: chance that a leaver is ranked above a stayer.
        pr_auc: average precision; a random ranking has the churn rate.
        top_decile_lift: churn rate of the tenth ranked highest over the churn rate of all.
        brier_score: mean squared error of the probability.
    """

    row_count: int
    churner_count: int
    churn_rate: float
    mean_probability: float
    roc_auc: float
    pr_auc: float
    top_decile_lift: float
    brier_score: float


def evaluate(is_churned: NDArray[np.int8], probability: NDArray[np.float64]) -> Evaluation:
    """Measure `probability` against `is_churned`, which must hold leavers and stayers."""
    return Evaluation(
        row_count=len(is_churned),
        churner_count=int(is_churned.sum()),
        churn_rate=float(is_churned.mean()),
        mean_probability=float(probability.mean()),
        roc_auc=float(roc_auc_score(is_churned, probability)),
        pr_auc=float(average_precision_score(is_churned, probability)),
        top_decile_lift=top_decile_lift(is_churned, probability),
        brier_score=float(brier_score_loss(is_churned, probability)),
    )


def top_decile_lift(is_churned: NDArray[np.int8], probability: NDArray[np.float64]) -> float:
    """Return the churn rate among the tenth ranked highest over the churn rate of all."""
    decile = np.argsort(-probability, kind="stable")[: max(1, round(len(probability) / 10))]
    return float(is_churned[decile].mean() / is_churned.mean())
