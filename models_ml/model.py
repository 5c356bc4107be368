"""A trained churn model: the learner, and all that is needed to use and judge it later.

On disk it is three files, none of them pickled: the learner's two and `metadata.json`, which knows
the hash of `learner.json`, which knows that of the trees.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

from models_ml.drift import Bins
from models_ml.evaluate import CalibrationBin, Estimate, Evaluation
from models_ml.features import feature_hash
from models_ml.learner import LEARNER_FILE, TREES_FILE, Choices, Learner
from models_ml.steadiness import HeldBack
from models_ml.stored_files import UnreadableModelError, require_files, require_same, sha256

METADATA_FILE = "metadata.json"

Estimates = dict[str, Estimate]


@dataclass(frozen=True)
class DataWindow:
    """The observation dates that a model was made from, and how far ahead its label looks.

    Attributes:
        business_date: what was known on it.
        training_dates: learnt from, oldest first; the choices are judged walking forward over them.
        test_date: the out-of-time test.
        horizon_days: a customer who holds nothing so long after date and gap has left.
        gap_days: between the observation date and the horizon.
    """

    business_date: date
    training_dates: tuple[date, ...]
    test_date: date
    horizon_days: int
    gap_days: int


@dataclass(frozen=True)
class ModelMetadata:
    """What is stored beside the learner.

    Attributes:
        features: the columns in use, in the learner's order.
        feature_hash: of `features`.
        feature_medians: of the training rows, in the order of `features`; None for a feature that
            had no value at all.
        feature_bins: how the values of `features` are spread over the training rows.
        score_bins: how the probabilities are spread over the test rows, which the model had not
            seen: on rows that it has learnt it is too sure.
        window: dates of the rows.
        training_row_count: rows learnt from.
        training_churner_count: leavers among them.
        metrics: out of time, of the model.
        baseline_metrics: of its logistic regression alone, on the same rows.
        intervals: the measures of `evaluate.intervals`, with 95 % intervals.
        baseline_intervals: the same of the logistic regression.
        group_intervals: the same by kind of group (star level, product, region) and group.
        kind_intervals: the same by kind of leaver, among these leavers and all stayers.
        calibration_bins: expected and real share of leavers out of time.
        held_back: features that the model does not use.
        choices: what the search decided.
        seed: of everything drawn.
        versions: of the libraries, by name.
        learner_sha256: of learner.json; set when the model is saved.
    """

    features: tuple[str, ...]
    feature_hash: str
    feature_medians: tuple[float | None, ...]
    feature_bins: tuple[Bins, ...]
    score_bins: Bins
    window: DataWindow
    training_row_count: int
    training_churner_count: int
    metrics: Evaluation
    baseline_metrics: Evaluation
    intervals: Estimates
    baseline_intervals: Estimates
    group_intervals: dict[str, dict[str, Estimates]]
    kind_intervals: dict[str, Estimates]
    calibration_bins: tuple[CalibrationBin, ...]
    held_back: tuple[HeldBack, ...]
    choices: Choices
    seed: int
    versions: dict[str, str]
    learner_sha256: str = ""

    def to_json(self) -> str:
        """Return the metadata as JSON, dates in ISO 8601."""
        return json.dumps(asdict(self), indent=2, default=date.isoformat)

    @classmethod
    def from_json(cls, text: str) -> ModelMetadata:
        """Read what `to_json` wrote; a key too few or too many is a KeyError or a TypeError."""
        stored = json.loads(text)
        return cls(
            **stored
            | {
                "features": tuple(stored["features"]),
                "feature_medians": tuple(stored["feature_medians"]),
                "feature_bins": tuple(map(_bins, stored["feature_bins"])),
                "score_bins": _bins(stored["score_bins"]),
                "window": _window(stored["window"]),
                "metrics": Evaluation(**stored["metrics"]),
                "baseline_metrics": Evaluation(**stored["baseline_metrics"]),
                "intervals": _estimates(stored["intervals"]),
                "baseline_intervals": _estimates(stored["baseline_intervals"]),
                "group_intervals": {
                    kind: _groups(groups) for kind, groups in stored["group_intervals"].items()
                },
                "kind_intervals": _groups(stored["kind_intervals"]),
                "calibration_bins": tuple(
                    CalibrationBin(**each) for each in stored["calibration_bins"]
                ),
                "held_back": tuple(HeldBack(**column) for column in stored["held_back"]),
                "choices": Choices(**stored["choices"]),
            }
        )


@dataclass(frozen=True)
class ChurnModel:
    """The learner with its metadata."""

    learner: Learner
    metadata: ModelMetadata


def save(model: ChurnModel, directory: Path) -> None:
    """Write the model's three files into `directory`."""
    model.learner.save(directory)
    metadata = replace(model.metadata, learner_sha256=sha256(directory / LEARNER_FILE))
    (directory / METADATA_FILE).write_text(metadata.to_json(), encoding="utf-8")


def load(directory: Path) -> ChurnModel:
    """Read a model that `save` wrote.

    Raises:
        UnreadableModelError: a file is missing or of another kind of model, or learner, feature
            list and hashes disagree.
    """
    require_files(directory, (TREES_FILE, LEARNER_FILE, METADATA_FILE))
    file = directory / METADATA_FILE
    try:
        metadata = ModelMetadata.from_json(file.read_text(encoding="utf-8"))
    except (KeyError, TypeError, ValueError) as error:
        raise UnreadableModelError(f"{file} is not this version's metadata: {error!r}") from error
    require_same(directory / LEARNER_FILE, metadata.learner_sha256)
    if feature_hash(metadata.features) != metadata.feature_hash:
        raise UnreadableModelError(f"{file}: features do not match their hash")
    try:
        learner = Learner.load(directory)
    except (KeyError, TypeError, ValueError) as error:
        raise UnreadableModelError(
            f"{directory} is not this version's learner: {error!r}"
        ) from error
    if learner.columns != metadata.features:
        raise UnreadableModelError(f"{directory}: learner and metadata name different features")
    return ChurnModel(learner=learner, metadata=metadata)


def _bins(stored: Mapping[str, Any]) -> Bins:
    return Bins(tuple(stored["edges"]), tuple(stored["counts"]))


def _window(stored: Mapping[str, Any]) -> DataWindow:
    return DataWindow(
        business_date=date.fromisoformat(stored["business_date"]),
        training_dates=tuple(map(date.fromisoformat, stored["training_dates"])),
        test_date=date.fromisoformat(stored["test_date"]),
        horizon_days=stored["horizon_days"],
        gap_days=stored["gap_days"],
    )


def _estimates(stored: Mapping[str, Mapping[str, float]]) -> Estimates:
    return {name: Estimate(**figures) for name, figures in stored.items()}


def _groups(stored: Mapping[str, Mapping[str, Mapping[str, float]]]) -> dict[str, Estimates]:
    return {name: _estimates(measures) for name, measures in stored.items()}
