"""A trained churn model: trees, calibration, and all that is needed to use and judge it later.

On disk it is two files, neither of them pickled: `model.ubj` (XGBoost's own binary JSON) and
`metadata.json`.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xgboost as xgb
from numpy.typing import NDArray

from models_ml.evaluate import Evaluation
from models_ml.features import Matrix, feature_hash, feature_matrix

MODEL_FILE = "model.ubj"
METADATA_FILE = "metadata.json"


class UnreadableModelError(RuntimeError):
    """A stored model is not there, or is not what its metadata says."""


@dataclass(frozen=True)
class Calibration:
    """Platt scaling: the probability is sigmoid(slope * margin + intercept)."""

    slope: float
    intercept: float

    def apply(self, margin: NDArray[np.float32]) -> NDArray[np.float64]:
        """Turn margins (log odds as the trees see them) into probabilities."""
        log_odds = self.slope * margin.astype(np.float64) + self.intercept
        return np.asarray(1.0 / (1.0 + np.exp(-log_odds)), dtype=np.float64)


@dataclass(frozen=True)
class DataWindow:
    """The observation dates that a model was made from, and how far ahead its label looks."""

    business_date: date
    training_dates: tuple[date, ...]
    validation_date: date
    test_date: date
    horizon_days: int


@dataclass(frozen=True)
class ModelMetadata:
    """What is stored beside the trees.

    `feature_medians` are those of the training rows, in the order of `features`; None for a
    feature that had no value at all.
    """

    features: tuple[str, ...]
    feature_hash: str
    feature_medians: tuple[float | None, ...]
    calibration: Calibration
    window: DataWindow
    metrics: Evaluation
    baseline_metrics: Evaluation
    tree_count: int
    seed: int
    booster_parameters: dict[str, Any]
    xgboost_version: str
    model_sha256: str = ""

    def to_json(self) -> str:
        """Return the metadata as JSON, dates in ISO 8601."""
        return json.dumps(asdict(self), indent=2, default=date.isoformat)

    @classmethod
    def from_json(cls, text: str) -> ModelMetadata:
        """Read what `to_json` wrote."""
        stored = json.loads(text)
        window = stored["window"]
        return cls(
            **stored
            | {
                "features": tuple(stored["features"]),
                "feature_medians": tuple(stored["feature_medians"]),
                "calibration": Calibration(**stored["calibration"]),
                "window": DataWindow(
                    business_date=date.fromisoformat(window["business_date"]),
                    training_dates=tuple(map(date.fromisoformat, window["training_dates"])),
                    validation_date=date.fromisoformat(window["validation_date"]),
                    test_date=date.fromisoformat(window["test_date"]),
                    horizon_days=window["horizon_days"],
                ),
                "metrics": Evaluation(**stored["metrics"]),
                "baseline_metrics": Evaluation(**stored["baseline_metrics"]),
            }
        )


@dataclass(frozen=True)
class ChurnModel:
    """The trees with their metadata."""

    booster: xgb.Booster
    metadata: ModelMetadata

    def matrix(self, frame: pd.DataFrame) -> Matrix:
        """Return the features of `frame` in the order the trees were trained on."""
        return feature_matrix(frame, self.metadata.features)

    def probability(self, matrix: Matrix) -> NDArray[np.float64]:
        """Return each row's calibrated probability of leaving within the horizon."""
        return self.metadata.calibration.apply(margin(self.booster, matrix))

    def contributions(self, matrix: Matrix) -> NDArray[np.float32]:
        """Return each feature's exact share of each row's margin (TreeSHAP), rows by features."""
        shares = self.booster.predict(self._tree_input(matrix), pred_contribs=True)
        return np.asarray(shares[:, :-1], dtype=np.float32)  # the last column is the bias

    def _tree_input(self, matrix: Matrix) -> xgb.DMatrix:
        return xgb.DMatrix(matrix, feature_names=list(self.metadata.features))


def margin(booster: xgb.Booster, matrix: Matrix) -> NDArray[np.float32]:
    """Return the trees' uncalibrated log odds."""
    data = xgb.DMatrix(matrix, feature_names=booster.feature_names)
    return np.asarray(booster.predict(data, output_margin=True), dtype=np.float32)


def save(model: ChurnModel, directory: Path) -> None:
    """Write the model's two files into `directory`."""
    model.booster.save_model(directory / MODEL_FILE)
    metadata = replace(model.metadata, model_sha256=_sha256(directory / MODEL_FILE))
    (directory / METADATA_FILE).write_text(metadata.to_json(), encoding="utf-8")


def load(directory: Path) -> ChurnModel:
    """Read a model that `save` wrote.

    Raises:
        UnreadableModelError: a file is missing, or trees, feature list and hashes disagree.
    """
    for name in (MODEL_FILE, METADATA_FILE):
        if not (directory / name).is_file():
            raise UnreadableModelError(f"{directory / name} does not exist")
    metadata = ModelMetadata.from_json((directory / METADATA_FILE).read_text(encoding="utf-8"))
    if _sha256(directory / MODEL_FILE) != metadata.model_sha256:
        raise UnreadableModelError(f"{directory / MODEL_FILE} is not the file that was saved")
    if feature_hash(metadata.features) != metadata.feature_hash:
        raise UnreadableModelError(f"{directory / METADATA_FILE}: features do not match their hash")
    booster = xgb.Booster(model_file=directory / MODEL_FILE)
    if tuple(booster.feature_names or ()) != metadata.features:
        raise UnreadableModelError(f"{directory}: trees and metadata name different features")
    return ChurnModel(booster=booster, metadata=metadata)


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
