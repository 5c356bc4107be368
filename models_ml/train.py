"""Train the churn model of one business date and offer it to the registry.

    python -m models_ml.train --business-date 2026-11-20

The split is by time. With a horizon of 30 days and observation dates D-150, D-120, D-90, D-60 and
D-30, the last is the out-of-time test, the one before it stops the boosting early and calibrates,
the others are learnt from. Observation dates lie at least one horizon apart, so the label window of
the training rows ends on the day the validation rows are observed, and theirs on the day the test
rows are observed: as in real use, nothing that is learnt or calibrated was unknown on the day the
test begins. What remains shared is the past: the 90-day features of a later date look back over
the label window of an earlier one, and mostly the same customers stand in all sets.
"""

from __future__ import annotations

import argparse
import csv
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import xgboost as xgb
from numpy.typing import NDArray
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from models_ml import registry
from models_ml.evaluate import Evaluation, evaluate
from models_ml.features import (
    FEATURE_NAMES,
    LABEL_COLUMN,
    Matrix,
    MissingFeatureError,
    feature_hash,
    feature_matrix,
    read_labelled_features,
)
from models_ml.model import (
    Calibration,
    ChurnModel,
    DataWindow,
    ModelMetadata,
    UnreadableModelError,
    margin,
)
from scripts import database, warehouse

PARAMETER_SEED = warehouse.PROJECT_DIR / "seeds" / "model_parameter.csv"

# Shallow and damped: leavers are few, and the early stop decides how many trees it takes. Depth 4
# ranked no better on a million rows, and the exact reasons of a score cost twice the time.
BOOSTER_PARAMETERS = {
    "objective": "binary:logistic",
    "eval_metric": "logloss",
    "tree_method": "hist",
    "learning_rate": 0.1,
    "max_depth": 3,
    "min_child_weight": 2.0,
    "subsample": 0.8,
    "colsample_bytree": 0.8,
    "reg_lambda": 5.0,
}
MAXIMUM_TREES = 600
EARLY_STOPPING_TREES = 40
# A model without signal may come out with a falling line; the ranking is never turned round.
MINIMUM_CALIBRATION_SLOPE = 0.01

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
    """Rows of the split: the frame, its matrix and its labels."""

    frame: pd.DataFrame
    matrix: Matrix
    is_churned: NDArray[np.int8]

    @property
    def churner_count(self) -> int:
        """How many of the rows are leavers."""
        return int(self.is_churned.sum())


@dataclass(frozen=True)
class TrainingData:
    """The three sets of a split by time, with the dates they were made from."""

    window: DataWindow
    training: LabelledSet
    validation: LabelledSet
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
    """What `ensure_champion` found or did; `notice` says why there is none."""

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
    """Train only where there is no champion yet; too little history is a notice, not an error."""
    version = registry.champion_version(model_name)
    if version is not None:
        log.info("model %s version %s is champion", model_name, version)
        return ChampionStatus("present", version)
    try:
        training = train_churn_model(business_date, model_name)
    except TooLittleHistory as shortage:
        log.warning("no churn model: %s", shortage)
        return ChampionStatus("too_little_history", None, notice=str(shortage))
    return ChampionStatus("trained", training.model_version, training=training)


def train_churn_model(business_date: date, model_name: str = registry.MODEL_NAME) -> TrainingResult:
    """Train on the history before `business_date`, register the model, promote it if it may be.

    Raises:
        TooLittleHistory: fewer observation dates or churners than the parameters ask for.
        MissingFeatureError: marts.fct_churn_feature lacks a feature.
    """
    parameters = read_parameters()
    data = read_training_data(business_date, parameters)
    model = fit(data, parameters)
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
        training_row_count=len(data.training.frame),
        training_churner_count=data.training.churner_count,
        tree_count=model.metadata.tree_count,
    )


def read_training_data(business_date: date, parameters: TrainingParameters) -> TrainingData:
    """Read the labelled observation dates of `business_date` and split them by time."""
    with database.connect(warehouse.Role.SCORER) as connection:
        frame = read_labelled_features(connection, parameters.observation_dates(business_date))
    window = split_by_time(business_date, sorted(frame["observation_date"].unique()), parameters)
    data = TrainingData(
        window=window,
        training=rows_of(frame, window.training_dates),
        validation=rows_of(frame, [window.validation_date]),
        test=rows_of(frame, [window.test_date]),
    )
    _require_churners(data, parameters)
    return data


def split_by_time(
    business_date: date, labelled_dates: Sequence[date], parameters: TrainingParameters
) -> DataWindow:
    """Return which of the labelled dates (oldest first) to learn from, validate on and test on."""
    needed = parameters.minimum_observation_dates
    if len(labelled_dates) < needed:
        raise TooLittleHistory(
            f"{len(labelled_dates)} labelled observation date(s) before {business_date}"
            f" ({', '.join(map(str, labelled_dates)) or 'none'}), {needed} needed"
        )
    *training_dates, validation_date, test_date = labelled_dates
    return DataWindow(
        business_date=business_date,
        training_dates=tuple(training_dates),
        validation_date=validation_date,
        test_date=test_date,
        horizon_days=parameters.label_horizon_days,
    )


def fit(data: TrainingData, parameters: TrainingParameters) -> ChurnModel:
    """Fit trees and calibration, and measure them on the test rows beside a plain baseline."""
    booster_parameters = BOOSTER_PARAMETERS | {
        "seed": parameters.random_seed,
        "nthread": parameters.training_thread_count,
    }
    booster = _fit_trees(data, booster_parameters)
    calibration = fit_calibration(
        margin(booster, data.validation.matrix), data.validation.is_churned
    )
    probability = calibration.apply(margin(booster, data.test.matrix))
    metadata = ModelMetadata(
        features=FEATURE_NAMES,
        feature_hash=feature_hash(FEATURE_NAMES),
        feature_medians=_medians(data.training.matrix),
        calibration=calibration,
        window=data.window,
        metrics=evaluate(data.test.is_churned, probability),
        baseline_metrics=evaluate(data.test.is_churned, _baseline_probability(data)),
        tree_count=booster.num_boosted_rounds(),
        seed=parameters.random_seed,
        booster_parameters=booster_parameters,
        xgboost_version=xgb.__version__,
    )
    return ChurnModel(booster=booster, metadata=metadata)


def fit_calibration(margins: NDArray[np.float32], is_churned: NDArray[np.int8]) -> Calibration:
    """Fit Platt scaling: two numbers, which the few leavers of one month can carry.

    Isotonic regression would need many more of them, and its steps would tie customers whom the
    trees rank apart.
    """
    line = LogisticRegression(C=np.inf).fit(margins.reshape(-1, 1), is_churned)
    return Calibration(
        slope=max(float(line.coef_[0, 0]), MINIMUM_CALIBRATION_SLOPE),
        intercept=float(line.intercept_[0]),
    )


def decide_promotion(challenger: ChurnModel, test: LabelledSet, model_name: str) -> Promotion:
    """Compare the challenger with the champion on the same test rows; not worse is enough."""
    try:
        champion = registry.load_champion(model_name)
        if champion is None:
            return Promotion(True, "first model")
        probability = champion.model.probability(champion.model.matrix(test.frame))
    except (UnreadableModelError, MissingFeatureError) as error:
        return Promotion(True, f"the champion cannot be used any more: {error}")
    before = evaluate(test.is_churned, probability).roc_auc
    after = challenger.metadata.metrics.roc_auc
    comparison = f"AUC {after:.4f} against {before:.4f} of champion {champion.version}"
    if after >= before:
        return Promotion(True, f"not worse than the champion: {comparison}")
    return Promotion(False, f"worse than the champion: {comparison}")


def _fit_trees(data: TrainingData, booster_parameters: dict[str, object]) -> xgb.Booster:
    names = list(FEATURE_NAMES)
    training, validation = (
        xgb.DMatrix(rows.matrix, label=rows.is_churned, feature_names=names)
        for rows in (data.training, data.validation)
    )
    return xgb.train(
        booster_parameters,
        training,
        num_boost_round=MAXIMUM_TREES,
        evals=[(validation, "validation")],
        callbacks=[xgb.callback.EarlyStopping(rounds=EARLY_STOPPING_TREES, save_best=True)],
        verbose_eval=False,
    )


def _baseline_probability(data: TrainingData) -> NDArray[np.float64]:
    """Return what a logistic regression says of the test rows: the trees have to beat it."""
    baseline = make_pipeline(
        SimpleImputer(strategy="median", keep_empty_features=True),
        StandardScaler(),
        LogisticRegression(max_iter=500),
    ).fit(data.training.matrix, data.training.is_churned)
    return np.asarray(baseline.predict_proba(data.test.matrix)[:, 1], dtype=np.float64)


def _medians(matrix: Matrix) -> tuple[float | None, ...]:
    columns = (column[~np.isnan(column)] for column in matrix.T)
    return tuple(float(np.median(values)) if len(values) else None for values in columns)


def rows_of(frame: pd.DataFrame, observation_dates: Sequence[date]) -> LabelledSet:
    """Return the rows of `frame` that were observed on one of the dates."""
    rows = frame[frame["observation_date"].isin(list(observation_dates))]
    return LabelledSet(
        frame=rows,
        matrix=feature_matrix(rows, FEATURE_NAMES),
        is_churned=rows[LABEL_COLUMN].to_numpy(dtype=np.int8),
    )


def _require_churners(data: TrainingData, parameters: TrainingParameters) -> None:
    for name, rows, needed in (
        ("training", data.training, parameters.minimum_training_churners),
        ("validation", data.validation, parameters.minimum_holdout_churners),
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
    except TooLittleHistory as shortage:
        log.error("not trained: %s", shortage)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
