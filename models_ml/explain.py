"""Reasons for a score: the features that push the probability up, in words an agent can say.

The words are rows in seeds/churn_reason.csv, one for each feature and direction. A value above the
median of the training rows is `high`, any other `low`; of a flag 1 is `high` and 0 is `low`. What a
null says is part of the feature list (`Feature.null_means`), and where it says nothing the feature
gives no reason.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models_ml.features import FLAGS, NULL_DIRECTIONS, Direction, Matrix
from models_ml.model import ChurnModel
from scripts import warehouse

REASON_SEED = warehouse.PROJECT_DIR / "seeds" / "churn_reason.csv"
REASON_COUNT = 3
FLAG_LIMIT = 0.5  # 1 is high, 0 is low
DIRECTIONS: tuple[Direction, Direction] = ("low", "high")  # by position: False, True

ReasonCodes = NDArray[np.object_]


def read_reason_codes(features: Sequence[str], seed: Path = REASON_SEED) -> ReasonCodes:
    """Return the reason codes as an array of features by direction (low, high).

    Raises:
        ValueError: a feature has no row for a direction.
    """
    with seed.open(encoding="utf-8", newline="") as file:
        codes = {
            (row["feature"], row["direction"]): row["reason_code"] for row in csv.DictReader(file)
        }
    wanted = [(feature, direction) for feature in features for direction in DIRECTIONS]
    missing = [" ".join(pair) for pair in wanted if pair not in codes]
    if missing:
        raise ValueError(f"{seed.name} has no row for {', '.join(missing)}")
    return np.array([codes[pair] for pair in wanted], dtype=object).reshape(-1, len(DIRECTIONS))


def explain(model: ChurnModel, matrix: Matrix, codes: ReasonCodes) -> ReasonCodes:
    """Return each row's reasons, the strongest first; None where fewer than three push up.

    The columns of `matrix` and `codes` are the model's features, in their order.
    """
    return top_reasons(
        model.learner.contributions(matrix),
        directions(matrix, model.metadata.features, model.metadata.feature_medians),
        codes,
    )


def directions(
    matrix: Matrix, features: Sequence[str], medians: Sequence[float | None]
) -> NDArray[np.int8]:
    """Return 1 (high), 0 (low) or -1 (says nothing) for every value, rows by features."""
    of_null = [_position(NULL_DIRECTIONS.get(feature)) for feature in features]
    limits = np.array(
        [
            np.nan if median is None else FLAG_LIMIT if feature in FLAGS else median
            for feature, median in zip(features, medians, strict=True)
        ],
        np.float32,
    )
    high_or_low = (matrix > limits).astype(np.int8)
    high_or_low[:, np.isnan(limits)] = -1
    return np.where(np.isnan(matrix), np.array(of_null, dtype=np.int8), high_or_low)


def top_reasons(
    contributions: NDArray[np.float64], direction: NDArray[np.int8], codes: ReasonCodes
) -> ReasonCodes:
    """Return the codes of the largest positive contributions that a direction can be given for."""
    upward = np.where((contributions > 0) & (direction >= 0), contributions, 0)
    strongest = np.argsort(-upward, axis=1, kind="stable")[:, :REASON_COUNT]
    rows = np.arange(len(upward))[:, np.newaxis]
    reasons = codes[strongest, direction[rows, strongest]]
    reasons[upward[rows, strongest] == 0] = None
    return reasons


def _position(direction: Direction | None) -> int:
    return -1 if direction is None else DIRECTIONS.index(direction)
