"""Train the churn model of one business date and offer it to the registry.

    python -m models_ml.train --business-date 2026-11-20

The split is by time. With a horizon of 30 days and observation dates D-150, D-120, D-90, D-60 and
D-30, the last is the out-of-time test and the others are learnt from: every choice is made walking
forward over them, learning from the earlier dates and judging on the next (models_ml.learner).
Observation dates lie at least one horizon apart, so the label window of the training rows ends on
the day the test rows are observed: as in real use, nothing that is learnt or calibrated was unknown
on the day the test begins. What remains shared is the past: the 90-day features of a later date
look back over the label window of an earlier one, and mostly the same customers stand in all sets.

Before anything is registered the leak guard looks at the training rows. A new model becomes
champion unless it is worse than the champion on the same test rows, by more than chance.
"""

from __future__ import annotations

import argparse
import csv
import logging
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import sklearn
import xgboost as xgb
from numpy.typing import NDArray

from models_ml import learner, registry
from models_ml.drift import Bins
from models_ml.evaluate import Evaluation, auc_difference, calibration_bins, evaluate, intervals
from models_ml.features import (
    FEATURE_NAMES,
    LABEL_COLUMN,
    MissingFeatureError,
    feature_hash,
    read_labelled_features,
)
from models_ml.groups import group_intervals, kind_intervals
from models_ml.leak_guard import LeakSuspected, require_no_leak
from models_ml.learner import Learner, LearnerSettings
from models_ml.model import ChurnModel, DataWindow, ModelMetadata
from models_ml.stored_files import UnreadableModelError
from scripts import database, warehouse

PARAMETER_SEED = warehouse.PROJECT_DIR / "seeds" / "model_parameter.csv"

# Every customer's score is explained every night, and the exact reasons of deep trees would take
# hours for a million customers.
MAXIMUM_DEPTH = 4

log = logging.getLogger(__name__)


class TooLittleHistory(RuntimeError):  # noqa: N818 - a state of the data, not a fault
    """There is not enough labelled history to train on; says what there is and what is needed."""


@dataclass(frozen=True)
class TrainingParameters:
    """The rows of seeds/model_parameter.csv."""

    label_horizon_days: int
    label_gap_days: int
    observation_step_days: int
    observation_date_count: int
    minimum_observation_dates: int
    minimum_training_churners: int
    minimum_holdout_churners: int
    random_seed: int
    training_thread_count: int
    plausible_auc_percent: int

    def __post_init__(self) -> None:
        if self.observation_step_days < self.label_gap_days + self.label_horizon_days:
            raise ValueError("observation_step_days must not be less than gap and horizon together")

    def observation_dates(self, business_date: date) -> list[date]:
        """Return the dates a model of `business_date` is made from, oldest first."""
        latest = business_date - timedelta(days=self.label_gap_days + self.label_horizon_days)
        step = timedelta(days=self.observation_step_days)
        return [latest - number * step for number in reversed(range(self.observation_date_count))]


@dataclass(frozen=True)
class LabelledSet:
    """Rows of the split, by observation date and customer."""

    frame: pd.DataFrame

    @property
    def features(self) -> pd.DataFrame:
        """The columns to learn from."""
        return self.frame[list(FEATURE_NAMES)]

    @property
    def is_churned(self) -> NDArray[np.int8]:
        """The label of each row."""
        return self.frame[LABEL_COLUMN].to_numpy(dtype=np.int8)

    @property
    def periods(self) -> NDArray[np.int64]:
        """The observation date of each row as a day number."""
        return self.frame["observation_date"].map(date.toordinal).to_numpy(dtype=np.int64)

    @property
    def churner_count(self) -> int:
        """How many of the rows are leavers."""
        return int(self.is_churned.sum())


@dataclass(frozen=True)
class TrainingData:
    """The two sets of a split by time, with the dates they were made from."""

    window: DataWindow
    training: LabelledSet
    test: LabelledSet


@dataclass(frozen=True)
class Promotion:
    """Whether a new model becomes champion, and why."""

    is_champion: bool
    reason: str


@dataclass(frozen=True)
class TrainingResult:
    """What a training made: the version, how good it is, and whether it is champion now."""

    model_version: str
    is_champion: bool
    promotion_reason: str
    metrics: Evaluation
    baseline_metrics: Evaluation
    window: DataWindow
    training_row_count: int
    training_churner_count: int
    tree_count: int


@dataclass(frozen=True)
class ChampionStatus:
    """What `ensure_champion` found or did; `notice` says why there is none, or a new one."""

    status: Literal["trained", "present", "too_little_history"]
    model_version: str | None
    notice: str | None = None
    training: TrainingResult | None = None


def read_parameters(seed: Path = PARAMETER_SEED) -> TrainingParameters:
    """Read the training parameters; an unknown or a missing row is an error that names it."""
    with seed.open(encoding="utf-8", newline="") as file:
        rows = {row["parameter_name"]: row["parameter_value"] for row in csv.DictReader(file)}
    return TrainingParameters(**{name: int(value) for name, value in rows.items()})


def ensure_champion(business_date: date, model_name: str = registry.MODEL_NAME) -> ChampionStatus:
    """Train where there is no champion, or one that cannot be read; else leave it as it is.

    Too little history is a notice, not an error.
    """
    lost = None
    try:
        champion = registry.load_champion(model_name)
    except UnreadableModelError as error:
        champion, lost = None, f"the champion cannot be read any more: {error}"
        log.warning("%s", lost)
    if champion is not None:
        log.info("model %s version %s is champion", model_name, champion.version)
        return ChampionStatus("present", champion.version)
    try:
        training = train_churn_model(business_date, model_name)
    except TooLittleHistory as shortage:
        cause = f"{lost}; nor can another be trained: {shortage}" if lost else str(shortage)
        log.warning("no churn model: %s", cause)
        return ChampionStatus("too_little_history", None, notice=cause)
    notice = f"{lost}; version {training.model_version} has taken its place" if lost else None
    return ChampionStatus("trained", training.model_version, notice=notice, training=training)


def train_churn_model(business_date: date, model_name: str = registry.MODEL_NAME) -> TrainingResult:
    """Train on the history before `business_date`, register the model, promote it if it may be.

    Raises:
        TooLittleHistory: fewer observation dates or churners than the parameters ask for.
        MissingFeatureError: marts.fct_churn_feature lacks a feature.
        LeakSuspected: a column, or the model's AUC, is too good; nothing has been registered.
    """
    parameters = read_parameters()
    data = read_training_data(business_date, parameters)
    model = fit(data, parameters)
    require_no_leak(
        data.training.features,
        data.training.is_churned,
        model.metadata.metrics.roc_auc,
        plausible_auc=parameters.plausible_auc_percent / 100,
        seed=parameters.random_seed,
        thread_count=parameters.training_thread_count,
    )
    promotion = decide_promotion(model, data.test, model_name)
    version = registry.register(
        model, is_champion=promotion.is_champion, reason=promotion.reason, model_name=model_name
    )
    metrics = model.metadata.metrics
    log.info(
        "model %s version %s: out-of-time AUC %.3f (baseline %.3f) on %d customers; %s",
        model_name,
        version,
        metrics.roc_auc,
        model.metadata.baseline_metrics.roc_auc,
        metrics.row_count,
        promotion.reason,
    )
    return TrainingResult(
        model_version=version,
        is_champion=promotion.is_champion,
        promotion_reason=promotion.reason,
        metrics=metrics,
        baseline_metrics=model.metadata.baseline_metrics,
        window=data.window,
        training_row_count=model.metadata.training_row_count,
        training_churner_count=model.metadata.training_churner_count,
        tree_count=model.metadata.choices.tree_count,
    )


def read_training_data(business_date: date, parameters: TrainingParameters) -> TrainingData:
    """Read the labelled observation dates of `business_date` and split them by time."""
    with database.connect(warehouse.Role.SCORER) as connection:
        frame = read_labelled_features(connection, parameters.observation_dates(business_date))
    window = split_by_time(business_date, sorted(frame["observation_date"].unique()), parameters)
    data = TrainingData(
        window=window,
        training=rows_of(frame, window.training_dates),
        test=rows_of(frame, [window.test_date]),
    )
    _require_churners(data, parameters)
    return data


def split_by_time(
    business_date: date, labelled_dates: Sequence[date], parameters: TrainingParameters
) -> DataWindow:
    """Return which of the labelled dates (oldest first) to learn from and which to test on."""
    needed = parameters.minimum_observation_dates
    if len(labelled_dates) < needed:
        raise TooLittleHistory(
            f"{len(labelled_dates)} labelled observation date(s) before {business_date}"
            f" ({', '.join(map(str, labelled_dates)) or 'none'}), {needed} needed"
        )
    *training_dates, test_date = labelled_dates
    return DataWindow(
        business_date=business_date,
        training_dates=tuple(training_dates),
        test_date=test_date,
        horizon_days=parameters.label_horizon_days,
        gap_days=parameters.label_gap_days,
    )


def fit(data: TrainingData, parameters: TrainingParameters) -> ChurnModel:
    """Fit the learner to the training rows, and measure it on the test rows."""
    fitted = learner.fit(
        data.training.features,
        data.training.is_churned,
        in_time_order=True,
        periods=data.training.periods,
        settings=LearnerSettings(
            seed=parameters.random_seed,
            thread_count=parameters.training_thread_count,
            maximum_depth=MAXIMUM_DEPTH,
        ),
    )
    return ChurnModel(fitted, describe(fitted, data, parameters.random_seed))


def describe(fitted: Learner, data: TrainingData, seed: int) -> ModelMetadata:
    """Return what the learner is made of, and how good it is on the test rows."""
    is_churned = data.test.is_churned
    probability = fitted.probability(data.test.frame)
    baseline = fitted.baseline_probability(data.test.frame)
    features = data.training.frame[list(fitted.columns)]
    return ModelMetadata(
        features=fitted.columns,
        feature_hash=feature_hash(fitted.columns),
        feature_medians=_medians(features),
        feature_bins=tuple(
            Bins.of(features[name].to_numpy(dtype=np.float32, na_value=np.nan))
            for name in fitted.columns
        ),
        score_bins=Bins.of(probability),
        window=data.window,
        training_row_count=len(data.training.frame),
        training_churner_count=data.training.churner_count,
        metrics=evaluate(is_churned, probability),
        baseline_metrics=evaluate(is_churned, baseline),
        intervals=intervals(is_churned, probability, seed=seed),
        baseline_intervals=intervals(is_churned, baseline, seed=seed),
        group_intervals=group_intervals(data.test.frame, probability, seed),
        kind_intervals=kind_intervals(data.test.frame, probability, seed),
        calibration_bins=calibration_bins(is_churned, probability),
        held_back=fitted.held_back,
        choices=fitted.choices,
        seed=seed,
        versions={
            "python": platform.python_version(),
            "xgboost": xgb.__version__,
            "scikit-learn": sklearn.__version__,
            "numpy": np.__version__,
            "pandas": pd.__version__,
        },
    )


def decide_promotion(challenger: ChurnModel, test: LabelledSet, model_name: str) -> Promotion:
    """Compare the challenger with the champion on the same test rows; not worse is enough.

    Worse is a challenger whose AUC less the champion's has a 95 % interval (paired bootstrap)
    wholly below zero.
    """
    try:
        champion = registry.load_champion(model_name)
        if champion is None:
            return Promotion(True, "first model")
        before = champion.model.learner.probability(test.frame)
    except (UnreadableModelError, MissingFeatureError) as error:
        return Promotion(True, f"the champion cannot be used any more: {error}")
    after = challenger.learner.probability(test.frame)
    difference = auc_difference(test.is_churned, after, before, seed=challenger.metadata.seed)
    is_worse = difference.high < 0
    return Promotion(
        not is_worse,
        f"{'worse' if is_worse else 'not worse'} than the champion:"
        f" AUC {evaluate(test.is_churned, after).roc_auc:.4f} against"
        f" {evaluate(test.is_churned, before).roc_auc:.4f} of champion {champion.version},"
        f" difference {difference.value:+.4f}"
        f" (95 % interval {difference.low:+.4f} to {difference.high:+.4f});"
        " worse means an interval wholly below zero",
    )


def _medians(features: pd.DataFrame) -> tuple[float | None, ...]:
    return tuple(None if np.isnan(median) else float(median) for median in features.median())


def rows_of(frame: pd.DataFrame, observation_dates: Sequence[date]) -> LabelledSet:
    """Return the rows of `frame` that were observed on one of the dates."""
    return LabelledSet(frame[frame["observation_date"].isin(list(observation_dates))])


def _require_churners(data: TrainingData, parameters: TrainingParameters) -> None:
    """Raise TooLittleHistory where a set has too few; the last training date validates choices."""
    *earlier, latest = data.window.training_dates
    training = data.training.frame
    for name, rows, needed in (
        ("training", rows_of(training, earlier), parameters.minimum_training_churners),
        ("validation", rows_of(training, [latest]), parameters.minimum_holdout_churners),
        ("test", data.test, parameters.minimum_holdout_churners),
    ):
        if rows.churner_count < needed:
            raise TooLittleHistory(
                f"{rows.churner_count} churner(s) among the {len(rows.frame)} {name} rows before"
                f" {data.window.business_date}, {needed} needed"
            )


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--business-date", type=date.fromisoformat, required=True)
    business_date: date = parser.parse_args().business_date
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        train_churn_model(business_date)
    except (TooLittleHistory, LeakSuspected) as refusal:
        log.error("not trained: %s", refusal)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
