"""Who is changed by being contacted: uplift from randomised controls, and how well it ranks.

An outcome is what is wanted of a customer (stayed, visited), so an effect above zero is good and
one below zero is that of a sleeping dog, who leaves because of the call. Effects are differences of
probabilities: 0.03 is three points. Treated and controls must have been drawn at random.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import xgboost as xgb
from numpy.typing import NDArray

from models_ml.evaluate import RESAMPLES, Estimate, bootstrap, percentile_interval
from models_ml.stored_files import require_files, require_same, sha256

Learner = Literal["T", "X"]
Floats = NDArray[np.float64]
Matrix = NDArray[np.float32]

METADATA_FILE = "uplift.json"
BASELINE_FILE = "uplift_baseline.ubj"
ARM_FILES = ("uplift_treated.ubj", "uplift_controls.ubj")
DEFAULT_SHARE = 0.3
# A level of a text column gets a column of its own from this many rows on.
MINIMUM_LEVEL_ROWS = 50
INNER_FOLDS = 3
MAXIMUM_TREES = 300
EARLY_STOPPING_TREES = 30
# Effects are small beside the noise of one outcome: shallow trees and heavy leaves.
TREE_PARAMETERS: dict[str, Any] = {
    "tree_method": "hist",
    "nthread": 1,
    "learning_rate": 0.1,
    "max_depth": 2,
    "min_child_weight": 10.0,
    "subsample": 0.8,
    "colsample_bytree": 0.8,
    "reg_lambda": 10.0,
}
OUTCOME_PARAMETERS = TREE_PARAMETERS | {"objective": "binary:logistic", "eval_metric": "logloss"}
# A leaf's weight is here its number of rows, above it is rows * rate * (1 - rate).
EFFECT_PARAMETERS = TREE_PARAMETERS | {
    "objective": "reg:squarederror",
    "eval_metric": "rmse",
    "min_child_weight": 100.0,
}


@dataclass(frozen=True)
class Encoding:
    """How a frame becomes numbers: numeric columns as they are, one column for each level of text.

    `levels` is None for a numeric column. A level that was rare or unknown at fitting has no column
    of its own, so all columns of its text column are 0; so has a missing one.
    """

    columns: tuple[str, ...]
    levels: tuple[tuple[str, ...] | None, ...]

    def matrix(self, features: pd.DataFrame) -> Matrix:
        """Return rows by encoded columns; NaN for a missing number.

        Raises:
            ValueError: a column is missing (named).
        """
        missing = [name for name in self.columns if name not in features]
        if missing:
            raise ValueError(f"features are missing: {', '.join(missing)}")
        parts = [
            _encoded(features[name], levels)
            for name, levels in zip(self.columns, self.levels, strict=True)
        ]
        return np.column_stack(parts).astype(np.float32)


@dataclass(frozen=True)
class OutcomeModel:
    """The probability of the outcome in each arm: what both arms share, and what an arm adds.

    Attributes:
        baseline: the outcome whatever the arm.
        arms: what the treated and the controls add to the baseline's log odds.
        shifts: the constant that each arm adds to them.
    """

    baseline: xgb.Booster
    arms: tuple[xgb.Booster, xgb.Booster]
    shifts: tuple[float, float]

    def probabilities(self, matrix: Matrix, margin: Floats | None = None) -> tuple[Floats, Floats]:
        """Return each row's probability if treated and if not.

        `margin` is the baseline's log odds where the baseline that is stored must not be used.
        """
        margin = _margin(self.baseline, matrix) if margin is None else margin
        treated, controls = (
            _predicted(arm, xgb.DMatrix(matrix, base_margin=margin + shift))
            for arm, shift in zip(self.arms, self.shifts, strict=True)
        )
        return treated, controls


@dataclass(frozen=True)
class EffectModel:
    """The effect as the treated and as the controls show it (second stage of the X-learner).

    Attributes:
        arms: fitted on the treated and on the controls.
        treated_share: share of the treated among the rows it was fitted on.
    """

    arms: tuple[xgb.Booster, xgb.Booster]
    treated_share: float

    def effect(self, matrix: Matrix) -> Floats:
        """Return the two effects' mean, weighted with the propensity as Künzel et al. do.

        The controls' effect weighs more the more are treated: it rests on the treated outcomes.
        """
        of_treated, of_controls = (_predicted(arm, xgb.DMatrix(matrix)) for arm in self.arms)
        return self.treated_share * of_controls + (1.0 - self.treated_share) * of_treated


@dataclass(frozen=True)
class UpliftModel:
    """Fitted trees that give the effect of being treated."""

    encoding: Encoding
    trees: OutcomeModel | EffectModel

    def effect(self, features: pd.DataFrame) -> Floats:
        """Return each row's effect: the probability of the outcome if treated, less if not."""
        matrix = self.encoding.matrix(features)
        if isinstance(self.trees, EffectModel):
            return self.trees.effect(matrix)
        if_treated, if_not = self.trees.probabilities(matrix)
        return if_treated - if_not


def fit_uplift(
    features: pd.DataFrame,
    treated: NDArray[np.bool_],
    outcome: NDArray[np.int8],
    *,
    learner: Learner = "T",
    seed: int,
) -> UpliftModel:
    """Fit a T-learner (one model of the outcome for each arm) or an X-learner.

    Both are those of Künzel, Sekhon, Bickel and Yu, "Metalearners for estimating heterogeneous
    treatment effects using machine learning", PNAS 116 (2019), with one addition: the two models of
    the outcome start from one that is fitted on both arms, so that they need to learn only where
    the arms differ. Two models by themselves make different mistakes about what has nothing to do
    with the treatment, and those are larger than the effects. Without trees of their own, the arms
    differ by a constant in log odds.

    The X-learner takes what the other arm's model expects of a row from its outcome, and learns
    that difference in each arm.
    """
    encoding = fit_encoding(features)
    matrix = encoding.matrix(features)
    margin = _unseen_margin(matrix, treated, outcome, seed)
    outcomes = _fit_outcomes(matrix, margin, treated, outcome, seed)
    if learner == "T":
        return UpliftModel(encoding, outcomes)
    if_treated, if_not = outcomes.probabilities(matrix, margin)
    shown = np.where(treated, outcome - if_not, if_treated - outcome)
    return UpliftModel(encoding, _fit_effects(matrix, shown, treated, seed))


def cross_fitted_uplift(
    features: pd.DataFrame,
    treated: NDArray[np.bool_],
    outcome: NDArray[np.int8],
    *,
    learner: Learner = "T",
    seed: int,
    folds: int = 5,
) -> Floats:
    """Return the effect predicted for every row by a model that has not seen the row.

    Raises:
        ValueError: an arm has fewer than two rows for each fold.
    """
    smallest = min(int(treated.sum()), int((~treated).sum()))
    if smallest < 2 * folds:
        raise ValueError(f"the smaller arm has {smallest} rows, {folds} folds need {2 * folds}")
    fold = fold_numbers(treated * 2 + outcome, folds, seed)
    effect = np.empty(len(treated))
    for number in range(folds):
        is_held_out = fold == number
        known = ~is_held_out
        model = fit_uplift(
            features[known], treated[known], outcome[known], learner=learner, seed=seed + number
        )
        effect[is_held_out] = model.effect(features[is_held_out])
    return effect


def fold_numbers(stratum: NDArray[np.generic], folds: int, seed: int) -> NDArray[np.int64]:
    """Return a fold, from 0, for each row; each stratum is spread evenly and at random."""
    chance = np.random.default_rng(seed)
    order = chance.permutation(len(stratum))
    order = order[np.argsort(stratum[order], kind="stable")]
    fold = np.empty(len(stratum), dtype=np.int64)
    fold[order] = np.arange(len(stratum)) % folds
    return fold


def fit_encoding(features: pd.DataFrame) -> Encoding:
    """Return which columns are text and which of their levels are frequent enough to learn from."""
    levels = [
        None if _is_numeric(column) else _frequent_levels(column) for _, column in features.items()
    ]
    return Encoding(columns=tuple(map(str, features.columns)), levels=tuple(levels))


def save_uplift(model: UpliftModel, directory: Path) -> None:
    """Write the boosters (XGBoost's UBJ) and the metadata (JSON) into `directory`."""
    boosters = dict(zip(ARM_FILES, model.trees.arms, strict=True))
    numbers: dict[str, Any] = {}
    if isinstance(model.trees, OutcomeModel):
        boosters[BASELINE_FILE] = model.trees.baseline
        numbers["shifts"] = model.trees.shifts
    else:
        numbers["treated_share"] = model.trees.treated_share
    for name, booster in boosters.items():
        booster.save_model(directory / name)
    metadata = numbers | {
        "encoding": asdict(model.encoding),
        "sha256": {name: sha256(directory / name) for name in boosters},
    }
    text = json.dumps(metadata, indent=2, ensure_ascii=False)
    (directory / METADATA_FILE).write_text(text, encoding="utf-8")


def load_uplift(directory: Path) -> UpliftModel:
    """Read a model that `save_uplift` wrote.

    Raises:
        UnreadableModelError: a file is missing or is not the one that was saved.
    """
    require_files(directory, [METADATA_FILE])
    metadata = json.loads((directory / METADATA_FILE).read_text(encoding="utf-8"))
    require_files(directory, list(metadata["sha256"]))
    boosters = {}
    for name, saved_sha256 in metadata["sha256"].items():
        require_same(directory / name, saved_sha256)
        boosters[name] = xgb.Booster(model_file=directory / name)
    arms = (boosters[ARM_FILES[0]], boosters[ARM_FILES[1]])
    trees: OutcomeModel | EffectModel
    if BASELINE_FILE in boosters:
        shifts = metadata["shifts"]
        trees = OutcomeModel(boosters[BASELINE_FILE], arms, (shifts[0], shifts[1]))
    else:
        trees = EffectModel(arms, metadata["treated_share"])
    encoding = Encoding(
        columns=tuple(metadata["encoding"]["columns"]),
        levels=tuple(
            None if levels is None else tuple(levels) for levels in metadata["encoding"]["levels"]
        ),
    )
    return UpliftModel(encoding, trees)


def uplift_at_k(
    uplift: Floats, treated: NDArray[np.bool_], outcome: NDArray[np.int8], k: float = DEFAULT_SHARE
) -> float:
    """Return the effect measured among the share `k` of rows ranked highest.

    It is the rate of the outcome among the treated of them, less that among the controls; NaN when
    one of the arms has no row there.
    """
    return _at_k(_Ranking(uplift, treated, outcome).counted(), k)


def qini(uplift: Floats, treated: NDArray[np.bool_], outcome: NDArray[np.int8]) -> float:
    """Return the Qini coefficient: the area between the Qini curve and a random ranking's line.

    Radcliffe, "Using control groups to target on predicted lift", Direct Marketing Analytics
    Journal (2007). The curve is, over the share of rows that are ranked highest, the treated ones'
    outcomes beyond what the controls among them make one expect. Normalised: outcomes per treated
    customer, so that the curve ends at the average effect; share of rows from 0 to 1.
    """
    return _qini(_Ranking(uplift, treated, outcome).counted())


def uplift_intervals(
    uplift: Floats,
    treated: NDArray[np.bool_],
    outcome: NDArray[np.int8],
    *,
    k: float = DEFAULT_SHARE,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> dict[str, Estimate]:
    """Return uplift_at_k, qini and average_effect with 95 % intervals (bootstrap by arm)."""
    ranking = _Ranking(uplift, treated, outcome)

    def measure(weight: Floats | None) -> dict[str, float]:
        counts = ranking.counted(weight)
        return {
            "uplift_at_k": _at_k(counts, k),
            "qini": _qini(counts),
            "average_effect": _at_k(counts, 1.0),
        }

    return _estimates(measure, treated, seed, resamples)


@dataclass(frozen=True)
class RankingComparison:
    """What ranking by uplift brings beyond ranking by risk, on the same rows.

    Attributes:
        uplift_at_k: of the uplift ranking, less that of the risk ranking.
        qini: the same difference of the Qini coefficients.
        is_better: both intervals lie above zero.
    """

    uplift_at_k: Estimate
    qini: Estimate
    is_better: bool


def compare_rankings(
    uplift: Floats,
    risk: Floats,
    treated: NDArray[np.bool_],
    outcome: NDArray[np.int8],
    *,
    k: float = DEFAULT_SHARE,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> RankingComparison:
    """Compare two rankings of the same rows on the same resamples (paired bootstrap by arm).

    `uplift` must be out-of-fold; the highest of each are ranked first.
    """
    rankings = [_Ranking(score, treated, outcome) for score in (uplift, risk)]

    def measure(weight: Floats | None) -> dict[str, float]:
        by_uplift, by_risk = (ranking.counted(weight) for ranking in rankings)
        return {
            "uplift_at_k": _at_k(by_uplift, k) - _at_k(by_risk, k),
            "qini": _qini(by_uplift) - _qini(by_risk),
        }

    difference = _estimates(measure, treated, seed, resamples)
    return RankingComparison(
        uplift_at_k=difference["uplift_at_k"],
        qini=difference["qini"],
        is_better=all(estimate.low > 0 for estimate in difference.values()),
    )


@dataclass(frozen=True)
class SleepingDogs:
    """Rows whose predicted effect is below zero, and whether that is true of them.

    Attributes:
        is_suppressed: one entry for each row; all False unless `effect` lies below zero.
        candidate_count: rows whose predicted effect is below zero.
        effect: measured among them; None when one of the arms has none of them.
    """

    is_suppressed: NDArray[np.bool_]
    candidate_count: int
    effect: Estimate | None

    @property
    def are_found(self) -> bool:
        """Whether the effect measured among the candidates is significantly below zero."""
        return self.effect is not None and self.effect.high < 0


def sleeping_dogs(
    uplift: Floats, treated: NDArray[np.bool_], outcome: NDArray[np.int8]
) -> SleepingDogs:
    """Name the rows that are better left alone; `uplift` must be out-of-fold."""
    is_candidate = uplift < 0
    effect = rate_difference(outcome[is_candidate & treated], outcome[is_candidate & ~treated])
    is_found = effect is not None and effect.high < 0
    return SleepingDogs(
        is_suppressed=is_candidate & is_found,
        candidate_count=int(is_candidate.sum()),
        effect=effect,
    )


def rate_difference(treated: NDArray[np.int8], controls: NDArray[np.int8]) -> Estimate | None:
    """Return the rate among `treated` less that among `controls`, None when one of them is empty.

    The interval is Newcombe's hybrid score one ("Interval estimation for the difference between
    independent proportions", Statistics in Medicine 17 (1998), method 10), which also holds for few
    rows and for rates of 0 and 1, where a resample would always be the same.
    """
    if not len(treated) or not len(controls):
        return None
    first, second = _wilson(treated), _wilson(controls)
    value = first.value - second.value
    return Estimate(
        value=value,
        low=value - float(np.hypot(first.value - first.low, second.high - second.value)),
        high=value + float(np.hypot(first.high - first.value, second.value - second.low)),
    )


def _wilson(outcome: NDArray[np.int8]) -> Estimate:
    """Return the rate with Wilson's score interval."""
    z, count, rate = 1.959964, len(outcome), float(outcome.mean())
    centre = (rate + z**2 / (2 * count)) / (1 + z**2 / count)
    half = z * np.sqrt(rate * (1 - rate) / count + z**2 / (4 * count**2)) / (1 + z**2 / count)
    return Estimate(value=rate, low=float(centre - half), high=float(centre + half))


@dataclass(frozen=True)
class _Counts:
    """Running sums down a ranking; one entry for each tie, after a 0.

    `*_outcomes` are of the rows of that arm whose outcome is 1.
    """

    treated: Floats
    controls: Floats
    treated_outcomes: Floats
    control_outcomes: Floats


class _Ranking:
    """Rows sorted once, highest score first, to be counted with the weights of any resample."""

    def __init__(
        self, score: Floats, treated: NDArray[np.bool_], outcome: NDArray[np.int8]
    ) -> None:
        self._order = np.argsort(-score, kind="stable")
        self._last_of_tie = np.flatnonzero(np.append(np.diff(score[self._order]) != 0, True))
        arm, result = treated[self._order], outcome[self._order].astype(np.float64)
        amounts = (arm, ~arm, arm * result, ~arm * result)
        self._amounts = [np.asarray(amount, dtype=np.float64) for amount in amounts]

    def counted(self, weight: Floats | None = None) -> _Counts:
        """Return the running sums with each row counted `weight` times (in the rows' own order)."""
        if weight is None:
            return _Counts(*(self._running(amount) for amount in self._amounts))
        ranked = weight[self._order]
        return _Counts(*(self._running(ranked * amount) for amount in self._amounts))

    def _running(self, amount: Floats) -> Floats:
        return np.concatenate(([0.0], np.cumsum(amount)[self._last_of_tie]))


def _at_k(counts: _Counts, k: float) -> float:
    rows = counts.treated + counts.controls
    treated, controls, treated_outcomes, control_outcomes = (
        float(np.interp(k * rows[-1], rows, running))
        for running in (
            counts.treated,
            counts.controls,
            counts.treated_outcomes,
            counts.control_outcomes,
        )
    )
    if not treated or not controls:
        return float("nan")
    return treated_outcomes / treated - control_outcomes / controls


def _qini(counts: _Counts) -> float:
    rows = counts.treated + counts.controls
    control_rate = np.divide(
        counts.control_outcomes,
        counts.controls,
        out=np.zeros_like(rows),
        where=counts.controls > 0,
    )
    curve = (counts.treated_outcomes - control_rate * counts.treated) / counts.treated[-1]
    share = rows / rows[-1]
    return float(np.trapezoid(curve, share) - curve[-1] / 2)


def _estimates(
    measure: Callable[[Floats | None], dict[str, float]],
    treated: NDArray[np.bool_],
    seed: int,
    resamples: int,
) -> dict[str, Estimate]:
    value = measure(None)
    drawn = bootstrap(measure, treated, seed=seed, resamples=resamples)
    return {name: percentile_interval(value[name], drawn[name]) for name in value}


def _unseen_margin(
    matrix: Matrix, treated: NDArray[np.bool_], outcome: NDArray[np.int8], seed: int
) -> Floats:
    """Return the baseline's log odds of each row, from baselines that have not seen the row."""
    fold = fold_numbers(treated * 2 + outcome, INNER_FOLDS, seed)
    margin = np.empty(len(outcome))
    for number in range(INNER_FOLDS):
        known = fold != number
        booster = _fit_baseline(matrix[known], outcome[known], seed)
        margin[~known] = _margin(booster, matrix[~known])
    return margin


def _fit_outcomes(
    matrix: Matrix,
    margin: Floats,
    treated: NDArray[np.bool_],
    outcome: NDArray[np.int8],
    seed: int,
) -> OutcomeModel:
    """Fit the baseline on all rows, and on its log odds `margin` what each arm adds."""
    arms, shifts = [], []
    for arm in (treated, ~treated):
        shift = _shift(margin[arm], outcome[arm])
        data = xgb.DMatrix(matrix[arm], label=outcome[arm], base_margin=margin[arm] + shift)
        arms.append(_fit_trees(data, outcome[arm], OUTCOME_PARAMETERS | {"seed": seed}))
        shifts.append(shift)
    baseline = _fit_baseline(matrix, outcome, seed)
    return OutcomeModel(baseline, (arms[0], arms[1]), (shifts[0], shifts[1]))


def _fit_effects(
    matrix: Matrix, shown: Floats, treated: NDArray[np.bool_], seed: int
) -> EffectModel:
    """Fit, in each arm, the effect that single rows show, each with the noise of one outcome."""
    arms = []
    for arm in (treated, ~treated):
        parameters = EFFECT_PARAMETERS | {"base_score": float(shown[arm].mean()), "seed": seed}
        data = xgb.DMatrix(matrix[arm], label=shown[arm])
        arms.append(_fit_trees(data, np.zeros(int(arm.sum())), parameters))
    return EffectModel((arms[0], arms[1]), float(treated.mean()))


def _fit_baseline(matrix: Matrix, outcome: NDArray[np.int8], seed: int) -> xgb.Booster:
    parameters = OUTCOME_PARAMETERS | {"base_score": _smoothed_rate(outcome), "seed": seed}
    return _fit_trees(xgb.DMatrix(matrix, label=outcome), outcome, parameters)


def _fit_trees(
    data: xgb.DMatrix, stratum: NDArray[np.generic], parameters: dict[str, Any]
) -> xgb.Booster:
    """Fit as many trees as are best across inner folds, on all rows."""
    fold = fold_numbers(stratum, INNER_FOLDS, parameters["seed"])
    splits = [
        (np.flatnonzero(fold != number), np.flatnonzero(fold == number))
        for number in range(INNER_FOLDS)
    ]
    history = xgb.cv(
        parameters,
        data,
        num_boost_round=MAXIMUM_TREES,
        folds=splits,
        early_stopping_rounds=EARLY_STOPPING_TREES,
    )
    return xgb.train(parameters, data, num_boost_round=len(history))


def _shift(margin: Floats, outcome: NDArray[np.int8]) -> float:
    """Return what must be added to log odds for their mean probability to be the outcome's rate."""
    rate, shift = _smoothed_rate(outcome), 0.0
    for _ in range(50):  # Newton's steps, no longer than 1
        probability = 1.0 / (1.0 + np.exp(-(margin + shift)))
        slope = float((probability * (1.0 - probability)).mean())
        shift += float(np.clip((rate - probability.mean()) / slope, -1.0, 1.0))
    return shift


def _smoothed_rate(outcome: NDArray[np.int8]) -> float:
    """Return the rate, never 0 or 1, whose log odds are infinite."""
    return float((outcome.sum() + 0.5) / (len(outcome) + 1))


def _margin(booster: xgb.Booster, matrix: Matrix) -> Floats:
    return np.asarray(booster.predict(xgb.DMatrix(matrix), output_margin=True), dtype=np.float64)


def _predicted(booster: xgb.Booster, data: xgb.DMatrix) -> Floats:
    return np.asarray(booster.predict(data), dtype=np.float64)


def _is_numeric(column: pd.Series) -> bool:
    return pd.api.types.is_numeric_dtype(column.dtype)


def _frequent_levels(column: pd.Series) -> tuple[str, ...]:
    counts = column.dropna().astype(str).value_counts()
    return tuple(sorted(counts.index[counts >= MINIMUM_LEVEL_ROWS]))


def _encoded(column: pd.Series, levels: tuple[str, ...] | None) -> Matrix:
    if levels is None:
        return column.to_numpy(dtype=np.float32, na_value=np.nan)[:, np.newaxis]
    text = pd.Index(column.astype(str), dtype="object")
    codes = pd.Index(levels, dtype="object").get_indexer(text)
    codes[column.isna().to_numpy()] = -1  # as for any level that has no column
    return np.asarray(codes[:, np.newaxis] == np.arange(len(levels)), dtype=np.float32)
