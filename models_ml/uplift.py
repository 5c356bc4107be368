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
from scipy.special import expit

from models_ml.encoding import Encoding, Standardisation
from models_ml.evaluate import RESAMPLES, Estimate, bootstrap, percentile_interval
from models_ml.features import Matrix
from models_ml.stored_files import require_files, require_same, sha256

Learner = Literal["T", "X"]
LEARNERS: tuple[Learner, ...] = ("T", "X")
Floats = NDArray[np.float64]

METADATA_FILE = "uplift.json"
BASELINE_FILE = "uplift_baseline.ubj"
DIFFERENCE_FILE = "uplift_difference.ubj"
ARM_FILES = ("uplift_treated.ubj", "uplift_controls.ubj")
DEFAULT_SHARE = 0.3
INNER_FOLDS = 5
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
# A leaf's weight is here rows * rate * (1 - rate) / 4 with arms of the same size.
DIFFERENCE_PARAMETERS = TREE_PARAMETERS | {
    "base_score": 0.0,
    "disable_default_eval_metric": True,
    "min_child_weight": 20.0,
}
# And here its number of rows.
EFFECT_PARAMETERS = TREE_PARAMETERS | {
    "objective": "reg:squarederror",
    "eval_metric": "rmse",
    "min_child_weight": 100.0,
}
RIDGE_PENALTIES = 10.0 ** np.arange(0.0, 5.5, 0.5)
LINE_SHARES = np.linspace(0.0, 1.0, 11)


@dataclass(frozen=True)
class OutcomeModel:
    """The probability of the outcome in each arm: what both arms share, and their difference.

    Attributes:
        baseline: trees of the outcome whatever the arm.
        standardisation: of the matrix with the baseline's log odds as its last column.
        coefficients: the difference as a line of the standardised columns.
        trees: the difference as trees.
        line_share: weight of the line, 0 to 1; the trees have the rest.
        shifts: the constant that each arm adds to the baseline's log odds.
        treated_share: share of the treated among the rows it was fitted on.
    """

    baseline: xgb.Booster
    standardisation: Standardisation
    coefficients: Floats
    trees: xgb.Booster
    line_share: float
    shifts: tuple[float, float]
    treated_share: float

    def probabilities(self, matrix: Matrix, margin: Floats | None = None) -> tuple[Floats, Floats]:
        """Return each row's probability if treated and if not.

        `margin` is the baseline's log odds where the baseline that is stored must not be used.
        """
        margin = _margin(self.baseline, matrix) if margin is None else margin
        line = self.standardisation.apply(_with(matrix, margin)) @ self.coefficients
        trees = _margin(self.trees, matrix)
        difference = self.line_share * line + (1.0 - self.line_share) * trees
        return (
            expit(margin + self.shifts[0] + (1.0 - self.treated_share) * difference),
            expit(margin + self.shifts[1] - self.treated_share * difference),
        )


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
    """Fit a T-learner (a probability of the outcome for each arm) or an X-learner.

    Both are those of Künzel, Sekhon, Bickel and Yu, "Metalearners for estimating heterogeneous
    treatment effects using machine learning", PNAS 116 (2019), with one addition: the models of the
    two arms share all but their difference in log odds. Two models by themselves make different
    mistakes about what has nothing to do with the treatment, and those are larger than the effects.

    The difference is fitted as Nie and Wager do, "Quasi-oracle estimation of heterogeneous
    treatment effects", Biometrika 108 (2021), with the likelihood in place of squares: on log odds
    of rows that their baseline has not seen, once as a ridge line and once as trees, which are
    blended (their R-stacking). Penalty, number of trees and blend are those with the least loss on
    inner folds; no difference but the constant one is among the choices.

    The X-learner takes what the other arm's model expects of a row from its outcome, and learns
    that difference in each arm.
    """
    encoding = Encoding.fitted(features)
    matrix = encoding.matrix(features)
    baseline, margin = _fit_baseline(matrix, treated, outcome, seed)
    outcomes = _fit_outcomes(matrix, baseline, margin, treated, outcome, seed)
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


def save_uplift(model: UpliftModel, directory: Path) -> None:
    """Write the boosters (XGBoost's UBJ) and the metadata (JSON) into `directory`."""
    trees = model.trees
    numbers: dict[str, Any] = {"treated_share": trees.treated_share}
    if isinstance(trees, OutcomeModel):
        boosters = {BASELINE_FILE: trees.baseline, DIFFERENCE_FILE: trees.trees}
        numbers |= {
            "standardisation": {
                name: values.tolist() for name, values in asdict(trees.standardisation).items()
            },
            "coefficients": trees.coefficients.tolist(),
            "line_share": trees.line_share,
            "shifts": trees.shifts,
        }
    else:
        boosters = dict(zip(ARM_FILES, trees.arms, strict=True))
    for name, booster in boosters.items():
        booster.save_model(directory / name)
    metadata = numbers | {
        "encoding": asdict(model.encoding)["columns"],
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
    trees: OutcomeModel | EffectModel
    if BASELINE_FILE in boosters:
        trees = OutcomeModel(
            baseline=boosters[BASELINE_FILE],
            standardisation=Standardisation(
                **{name: np.array(values) for name, values in metadata["standardisation"].items()}
            ),
            coefficients=np.array(metadata["coefficients"]),
            trees=boosters[DIFFERENCE_FILE],
            line_share=metadata["line_share"],
            shifts=(metadata["shifts"][0], metadata["shifts"][1]),
            treated_share=metadata["treated_share"],
        )
    else:
        trees = EffectModel(
            (boosters[ARM_FILES[0]], boosters[ARM_FILES[1]]), metadata["treated_share"]
        )
    return UpliftModel(Encoding.from_stored(metadata["encoding"]), trees)


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


@dataclass(frozen=True)
class Judgement:
    """How the uplift of both learners ranks the rows of an experiment, beside their risk.

    Attributes:
        measures: by ranking (T, X, risk, and what T adds to risk) and measure.
        comparison: of the T-learner's ranking with that by risk.
        sleeping_dogs: among the rows, as the T-learner sees them.
    """

    measures: dict[str, dict[str, Estimate]]
    comparison: RankingComparison
    sleeping_dogs: SleepingDogs


def judge(
    features: pd.DataFrame,
    treated: NDArray[np.bool_],
    outcome: NDArray[np.int8],
    risk: Floats,
    *,
    k: float = DEFAULT_SHARE,
    seed: int,
    folds: int = 5,
) -> Judgement:
    """Judge out of fold; the first of `LEARNERS` is the one that is compared and used.

    Raises:
        ValueError: an arm has fewer than two rows for each fold.
    """
    effects = {
        kind: cross_fitted_uplift(features, treated, outcome, learner=kind, seed=seed, folds=folds)
        for kind in LEARNERS
    }
    measures = {
        name: uplift_intervals(ranking, treated, outcome, k=k, seed=seed)
        for name, ranking in (effects | {"risk": risk}).items()
    }
    used = effects[LEARNERS[0]]
    comparison = compare_rankings(used, risk, treated, outcome, k=k, seed=seed)
    measures[f"{LEARNERS[0]} less risk"] = {
        "uplift_at_k": comparison.uplift_at_k,
        "qini": comparison.qini,
    }
    return Judgement(measures, comparison, sleeping_dogs(used, treated, outcome))


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


@dataclass(frozen=True)
class _Contrast:
    """What tells the arms apart: the outcome against log odds that lack only the difference.

    Attributes:
        offset: log odds without the difference.
        side: how much of the difference a row's arm adds to them.
        outcome: 1 or 0.
    """

    offset: Floats
    side: Floats
    outcome: NDArray[np.int8]

    def loss(self, difference: Floats | float) -> float:
        """Return the mean logarithmic loss."""
        log_odds = self.offset + self.side * difference
        return float(np.mean(np.logaddexp(0.0, log_odds) - self.outcome * log_odds))

    def slopes(self, difference: Floats) -> tuple[Floats, Floats]:
        """Return the loss's first and second derivative for each row."""
        probability = expit(self.offset + self.side * difference)
        first = self.side * (probability - self.outcome)
        return first, self.side**2 * probability * (1.0 - probability)

    def of(self, rows: NDArray[np.bool_]) -> _Contrast:
        return _Contrast(self.offset[rows], self.side[rows], self.outcome[rows])


def _fit_outcomes(
    matrix: Matrix,
    baseline: xgb.Booster,
    margin: Floats,
    treated: NDArray[np.bool_],
    outcome: NDArray[np.int8],
    seed: int,
) -> OutcomeModel:
    """Fit how the arms differ; `margin` is the log odds from baselines that have not seen a row."""
    shifts = (
        _shift(margin[treated], outcome[treated]),
        _shift(margin[~treated], outcome[~treated]),
    )
    share = float(treated.mean())
    contrast = _Contrast(
        margin + np.where(treated, *shifts), np.where(treated, 1.0 - share, -share), outcome
    )
    fold = fold_numbers(treated * 2 + outcome, INNER_FOLDS, seed + 1)
    standardisation = Standardisation.fitted(_with(matrix, margin))
    columns = standardisation.apply(_with(matrix, margin))
    coefficients, unseen_line = _fit_line(columns, contrast, fold)
    trees, unseen_trees = _fit_difference(matrix, contrast, fold, seed)
    losses = [contrast.loss(part * unseen_line + (1 - part) * unseen_trees) for part in LINE_SHARES]
    return OutcomeModel(
        baseline=baseline,
        standardisation=standardisation,
        coefficients=coefficients,
        trees=trees,
        line_share=float(LINE_SHARES[np.argmin(losses)]),
        shifts=shifts,
        treated_share=share,
    )


def _fit_line(
    columns: Floats, contrast: _Contrast, fold: NDArray[np.int64]
) -> tuple[Floats, Floats]:
    """Return the line's coefficients and what lines that have not seen a row give for it.

    It is one Newton step from no difference with a ridge penalty: differences are small.
    """
    count = columns.shape[1]
    first, second = contrast.slopes(np.zeros(len(columns)))
    folds = [fold == number for number in range(INNER_FOLDS)]
    slopes = [columns[rows].T @ first[rows] for rows in folds]
    curvatures = [(columns[rows].T * second[rows]) @ columns[rows] for rows in folds]
    slope, curvature = np.sum(slopes, axis=0), np.sum(curvatures, axis=0)
    coefficients, best = np.zeros(count), np.zeros(len(columns))
    for penalty in RIDGE_PENALTIES:
        ridge = penalty * np.eye(count)
        unseen = np.empty(len(columns))
        for rows, own_slope, own_curvature in zip(folds, slopes, curvatures, strict=True):
            step = np.linalg.solve(curvature - own_curvature + ridge, own_slope - slope)
            unseen[rows] = columns[rows] @ step
        if contrast.loss(unseen) < contrast.loss(best):
            coefficients, best = np.linalg.solve(curvature + ridge, -slope), unseen
    return coefficients, best


def _fit_difference(
    matrix: Matrix, contrast: _Contrast, fold: NDArray[np.int64], seed: int
) -> tuple[xgb.Booster, Floats]:
    """Return the trees and what trees that have not seen a row give for it."""
    parameters = DIFFERENCE_PARAMETERS | {"seed": seed}
    growing = []
    for number in range(INNER_FOLDS):
        is_unseen = fold == number
        known, unseen = xgb.DMatrix(matrix[~is_unseen]), xgb.DMatrix(matrix[is_unseen])
        booster = xgb.Booster(parameters, [known, unseen])
        growing.append((booster, known, unseen, is_unseen, _objective(contrast.of(~is_unseen))))
    best, tree_count = np.zeros(len(matrix)), 0
    for number in range(MAXIMUM_TREES):
        difference = np.empty(len(matrix))
        for booster, known, unseen, is_unseen, objective in growing:
            booster.update(known, number, fobj=objective)
            difference[is_unseen] = booster.predict(unseen, output_margin=True)
        if contrast.loss(difference) < contrast.loss(best):
            best, tree_count = difference, number + 1
        elif number + 1 - tree_count >= EARLY_STOPPING_TREES:
            break
    data = xgb.DMatrix(matrix)
    return xgb.train(parameters, data, tree_count, obj=_objective(contrast)), best


def _objective(contrast: _Contrast) -> Callable[[Floats, xgb.DMatrix], tuple[Floats, Floats]]:
    return lambda difference, _: contrast.slopes(difference)


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


def _fit_baseline(
    matrix: Matrix, treated: NDArray[np.bool_], outcome: NDArray[np.int8], seed: int
) -> tuple[xgb.Booster, Floats]:
    """Return the model of the outcome whatever the arm, and its log odds for rows it has not seen.

    The latter are from models with as many trees, each fitted without one of the inner folds.
    """
    parameters = OUTCOME_PARAMETERS | {"base_score": _smoothed_rate(outcome), "seed": seed}
    data = xgb.DMatrix(matrix, label=outcome)
    baseline = _fit_trees(data, outcome, parameters)
    fold = fold_numbers(treated * 2 + outcome, INNER_FOLDS, seed)
    margin = np.empty(len(outcome))
    for number in range(INNER_FOLDS):
        unseen = fold == number
        part = data.slice(np.flatnonzero(~unseen))
        booster = xgb.train(parameters, part, baseline.num_boosted_rounds())
        margin[unseen] = _margin(booster, matrix[unseen])
    return baseline, margin


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


def _with(matrix: Matrix, margin: Floats) -> Matrix:
    return np.column_stack([matrix, margin.astype(np.float32)])
