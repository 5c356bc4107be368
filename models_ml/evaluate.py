"""How good a churn model is on customers and a month it has not seen.

Rows whose probability is the same share their place in the ranking: no figure depends on the order
in which rows happen to come.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression
from scipy.special import betainc
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score

CALIBRATION_BINS = 10
RESAMPLES = 1000
# A group with fewer leavers or stayers than this has intervals too wide to act on, and percentiles
# of resamples that cannot be trusted.
MINIMUM_GROUP_CLASS = 30

Floats = NDArray[np.float64]


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


@dataclass(frozen=True)
class Estimate:
    """A measured figure and its 95 % interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        digits = 4 if abs(self.high) < 10 else 2
        return f"{self.value:.{digits}f} ({self.low:.{digits}f}–{self.high:.{digits}f})"


@dataclass(frozen=True)
class CalibrationBin:
    """Rows of neighbouring probabilities: what the model expected of them, and what happened."""

    row_count: int
    mean_probability: float
    churn_rate: float


@dataclass(frozen=True)
class ProfitParameters:
    """What keeping a customer is worth and costs, in yuan.

    The defaults are those of Verbraken, Verbeke and Baesens, "A novel profit maximizing metric for
    measuring classification performance of customer churn prediction models", IEEE Transactions on
    Knowledge and Data Engineering 25 (2013), section 5, read as yuan instead of euro.

    Attributes:
        lifetime_value: of a customer who stays.
        offer_cost: of the offer, when it is taken up; a stayer who is called always takes it.
        contact_cost: of one call.
        acceptance_alpha: of the Beta distribution of the share of leavers whom the offer keeps.
        acceptance_beta: the same; 6 and 14 mean 30 % with a standard deviation of 10 points.
    """

    lifetime_value: float = 200.0
    offer_cost: float = 10.0
    contact_cost: float = 1.0
    acceptance_alpha: float = 6.0
    acceptance_beta: float = 14.0


DEFAULT_PROFIT = ProfitParameters()


def evaluate(is_churned: NDArray[np.int8], probability: Floats) -> Evaluation:
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


def top_decile_lift(is_churned: NDArray[np.int8], probability: Floats) -> float:
    """Return the churn rate among the tenth ranked highest over the churn rate of all."""
    return _top_decile_lift(_Ranking(is_churned, probability).counted())


def calibration_error(
    is_churned: NDArray[np.int8], probability: Floats, bins: int = CALIBRATION_BINS
) -> float:
    """Return the expected calibration error over `bins` bins of equally many rows.

    It is the mean over the rows of |share that left - mean probability| of the row's bin: Naeini,
    Cooper and Hauskrecht, "Obtaining well calibrated probabilities using Bayesian binning", AAAI
    2015, with the adaptive bins of Nixon et al., "Measuring calibration in deep learning", CVPR
    workshops 2019. Bins of equal width would put almost all customers of a month with 2 % leavers
    into the lowest bin, and a handful into each of the others.
    """
    return _calibration_error(_Ranking(is_churned, probability).counted(), bins)


def calibration_bins(
    is_churned: NDArray[np.int8], probability: Floats, bins: int = CALIBRATION_BINS
) -> tuple[CalibrationBin, ...]:
    """Return `bins` bins of equally many rows (empty ones left out), lowest probability first."""
    order = np.argsort(probability, kind="stable")
    return tuple(
        CalibrationBin(
            row_count=len(rows),
            mean_probability=float(probability[rows].mean()),
            churn_rate=float(is_churned[rows].mean()),
        )
        for rows in np.array_split(order, bins)
        if len(rows)
    )


def auc_difference(
    is_churned: NDArray[np.int8],
    probability: Floats,
    reference: Floats,
    *,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> Estimate:
    """Return the ROC-AUC of `probability` less that of `reference`, with its 95 % interval.

    Paired: each resample draws rows, and both are measured on the same.
    """
    rankings = [_Ranking(is_churned, each) for each in (probability, reference)]

    def difference(weight: Floats) -> dict[str, float]:
        new, old = (_roc_auc(ranking.counted(weight[ranking.order])) for ranking in rankings)
        return {"roc_auc": new - old}

    value = difference(np.ones(len(is_churned)))["roc_auc"]
    drawn = bootstrap(difference, is_churned, seed=seed, resamples=resamples)
    return percentile_interval(value, drawn["roc_auc"])


def expected_maximum_profit(
    is_churned: NDArray[np.int8],
    probability: Floats,
    parameters: ProfitParameters = DEFAULT_PROFIT,
) -> float:
    """Return the expected maximum profit of a campaign, in yuan per customer (called or not).

    Verbraken, Verbeke and Baesens (2013), see `ProfitParameters`: for each possible share of
    leavers whom the offer keeps, the list is as long as is best for it. Zero when calling nobody
    is best.
    """
    return _expected_maximum_profit(_Ranking(is_churned, probability).counted(), parameters)


def intervals(
    is_churned: NDArray[np.int8],
    probability: Floats,
    *,
    seed: int = 0,
    resamples: int = RESAMPLES,
    profit: ProfitParameters = DEFAULT_PROFIT,
) -> dict[str, Estimate]:
    """Return each measure with its 95 % bootstrap interval; both classes must be there.

    Leavers and stayers are drawn apart from each other (stratified), but how many there are of each
    is drawn too: with fixed numbers the intervals of the Brier score and of the profit, which hang
    on the churn rate, held the truth in 60 % of planted cases only. Intervals are percentile ones,
    save for the two measures that chance makes larger, in a resample once more than in the rows
    measured: the calibration error, see `_calibration_interval`, and the profit, whose list length
    is the best in hindsight: its percentiles are turned round at the value ("basic" bootstrap).

    Returns:
        roc_auc, pr_auc, top_decile_lift, brier, calibration_error (no unit) and
        expected_maximum_profit (yuan per customer).
    """
    ranking = _Ranking(is_churned, probability)
    measured = ranking.counted()
    gaps = _calibration_gaps(measured, CALIBRATION_BINS)

    def measure(weight: Floats) -> dict[str, float]:
        counts = ranking.counted(weight)
        noise = np.abs(_calibration_gaps(counts, CALIBRATION_BINS) - gaps).sum()
        return _measures(counts, profit) | {"calibration_noise": float(noise)}

    drawn = bootstrap(
        measure, ranking.is_churned, seed=seed, resamples=resamples, are_sizes_drawn=True
    )
    noise = drawn.pop("calibration_noise")
    value = _measures(measured, profit)
    estimates = {name: percentile_interval(value[name], drawn[name]) for name in value}
    estimates["calibration_error"] = _calibration_interval(estimates["calibration_error"], noise)
    estimates["expected_maximum_profit"] = _reflected(estimates["expected_maximum_profit"])
    return estimates


def by_group(
    is_churned: NDArray[np.int8],
    probability: Floats,
    group: NDArray[np.str_] | NDArray[np.object_],
    *,
    seed: int = 0,
    resamples: int = RESAMPLES,
    profit: ProfitParameters = DEFAULT_PROFIT,
) -> dict[str, dict[str, Estimate]]:
    """Return the measures of `intervals` within each group (region, tier, product), by its name.

    Every group has `row_count` and `churner_count`. One with fewer than MINIMUM_GROUP_CLASS leavers
    or stayers has nothing else.
    """
    names = pd.Series(group, dtype="object").fillna("(missing)").astype(str).to_numpy()
    measured: dict[str, dict[str, Estimate]] = {}
    for name in sorted(set(names)):
        rows = names == name
        row_count, churner_count = int(rows.sum()), int(is_churned[rows].sum())
        measured[name] = {"row_count": _exact(row_count), "churner_count": _exact(churner_count)}
        if min(churner_count, row_count - churner_count) >= MINIMUM_GROUP_CLASS:
            measured[name] |= intervals(
                is_churned[rows], probability[rows], seed=seed, resamples=resamples, profit=profit
            )
    return measured


def bootstrap(
    measure: Callable[[Floats], dict[str, float]],
    stratum: NDArray[np.generic],
    *,
    seed: int,
    resamples: int,
    are_sizes_drawn: bool = False,
) -> dict[str, Floats]:
    """Return what `measure` gives on each resample; it is told how often each row was drawn.

    From each stratum as many rows are drawn, with replacement, as it has; with `are_sizes_drawn`
    as many as a draw from all rows would have brought, but at least one.
    """
    chance = np.random.default_rng(seed)
    members = [np.flatnonzero(stratum == value) for value in np.unique(stratum)]
    sizes = np.array([len(rows) for rows in members])
    weight = np.empty(len(stratum))
    drawn = []
    for _ in range(resamples):
        counts = chance.multinomial(sizes.sum(), sizes / sizes.sum()) if are_sizes_drawn else sizes
        for rows, count in zip(members, np.maximum(counts, 1), strict=True):
            picks = chance.integers(len(rows), size=count, dtype=np.int32)
            weight[rows] = np.bincount(picks, minlength=len(rows))
        drawn.append(measure(weight))
    return {name: np.array([each[name] for each in drawn]) for name in drawn[0]}


def percentile_interval(value: float, drawn: Floats) -> Estimate:
    """Return `value` with the middle 95 % of the figures that resamples gave."""
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Estimate(value=value, low=float(low), high=float(high))


@dataclass(frozen=True)
class _Counts:
    """Running sums down a ranking, highest probability first; one entry for each tie, after a 0.

    `squared_error` is the sum over all rows.
    """

    rows: Floats
    leavers: Floats
    probability: Floats
    squared_error: float


class _Ranking:
    """Rows sorted once, to be counted with the weights of any number of resamples."""

    def __init__(self, is_churned: NDArray[np.int8], probability: Floats) -> None:
        self.order = np.argsort(-probability, kind="stable")
        self.is_churned = is_churned[self.order].astype(np.float64)
        self.probability = probability[self.order].astype(np.float64)
        self._last_of_tie = np.flatnonzero(np.append(np.diff(self.probability) != 0, True))
        self._squared_error = (self.probability - self.is_churned) ** 2

    def counted(self, weight: Floats | None = None) -> _Counts:
        """Return the running sums with each row counted `weight` times (in sorted order)."""
        weight = np.ones(len(self.is_churned)) if weight is None else weight
        return _Counts(
            rows=self._running(weight),
            leavers=self._running(weight * self.is_churned),
            probability=self._running(weight * self.probability),
            squared_error=float(weight @ self._squared_error),
        )

    def _running(self, amount: Floats) -> Floats:
        return np.concatenate(([0.0], np.cumsum(amount)[self._last_of_tie]))


def _measures(counts: _Counts, profit: ProfitParameters) -> dict[str, float]:
    return {
        "roc_auc": _roc_auc(counts),
        "pr_auc": _pr_auc(counts),
        "top_decile_lift": _top_decile_lift(counts),
        "brier": counts.squared_error / float(counts.rows[-1]),
        "calibration_error": _calibration_error(counts, CALIBRATION_BINS),
        "expected_maximum_profit": _expected_maximum_profit(counts, profit),
    }


def _roc_auc(counts: _Counts) -> float:
    """Return the area under the ROC curve, by trapezoids: half a win for a tie."""
    stayers = counts.rows - counts.leavers
    area = np.trapezoid(counts.leavers, stayers)
    return float(area / (counts.leavers[-1] * stayers[-1]))


def _pr_auc(counts: _Counts) -> float:
    """Return the average precision, as scikit-learn defines it (no interpolation)."""
    precision = counts.leavers[1:] / np.maximum(counts.rows[1:], 1.0)
    return float(precision @ np.diff(counts.leavers) / counts.leavers[-1])


def _top_decile_lift(counts: _Counts) -> float:
    total = counts.rows[-1]
    decile = max(1, round(total / 10))
    leavers = np.interp(decile, counts.rows, counts.leavers)
    return float(leavers / decile / (counts.leavers[-1] / total))


def _calibration_error(counts: _Counts, bins: int) -> float:
    return float(np.abs(_calibration_gaps(counts, bins)).sum())


def _calibration_gaps(counts: _Counts, bins: int) -> Floats:
    """Return the leavers beyond those expected in each bin, as shares of all rows."""
    edges = np.linspace(0.0, counts.rows[-1], bins + 1)
    excess = np.interp(edges, counts.rows, counts.leavers - counts.probability)
    return np.asarray(np.diff(excess) / counts.rows[-1])


def _expected_maximum_profit(counts: _Counts, parameters: ProfitParameters) -> float:
    """Integrate the best profit over the acceptance, exactly.

    The best list ends at a vertex of the ROC curve's convex hull. Going on by one edge of the hull,
    to `leavers` more leavers and `stayers` more stayers, brings gain * acceptance - cost; it pays
    for an acceptance above cost / gain (1 stands for never), which rises from edge to edge. So the
    best profit is the sum over the edges of max(0, gain * acceptance - cost), and its expectation
    is a sum of incomplete beta functions.
    """
    leavers, stayers = _hull_edges(counts)
    gain = (parameters.lifetime_value - parameters.offer_cost) * leavers
    cost = parameters.contact_cost * leavers
    cost += (parameters.offer_cost + parameters.contact_cost) * stayers
    pays_from = np.divide(cost, gain, out=np.ones_like(gain), where=gain > cost)
    alpha, beta = parameters.acceptance_alpha, parameters.acceptance_beta
    chance = 1.0 - betainc(alpha, beta, pays_from)
    accepted = alpha / (alpha + beta) * (1.0 - betainc(alpha + 1.0, beta, pays_from))
    return float((gain * accepted - cost * chance).sum() / counts.rows[-1])


def _hull_edges(counts: _Counts) -> tuple[Floats, Floats]:
    """Return the leavers and stayers on each edge of the ROC curve's convex hull, steepest first.

    The slopes of the hull are the isotonic (falling) regression of the leavers' share.
    """
    rows = np.diff(counts.rows)
    is_drawn = rows > 0
    rows, leavers = rows[is_drawn], np.diff(counts.leavers)[is_drawn]
    edges = isotonic_regression(leavers / rows, weights=rows, increasing=False).blocks[:-1]
    hull_leavers = np.add.reduceat(leavers, edges)
    return hull_leavers, np.add.reduceat(rows, edges) - hull_leavers


def _calibration_interval(percentile: Estimate, noise: Floats) -> Estimate:
    """Return the interval of a calibration error.

    `noise` is the error that each resample has against the measured rows: what a calibrated model
    would show. If the value is no larger than that, the interval starts at 0; if it is, as far
    below the value as the upper percentile lies above it. The upper end is that percentile, which
    is too high rather than too low.
    """
    is_noise = percentile.value <= np.quantile(noise, 0.975)
    low = 0.0 if is_noise else _reflected(percentile).low
    return Estimate(percentile.value, low=low, high=max(percentile.value, percentile.high))


def _reflected(percentile: Estimate) -> Estimate:
    """Turn an interval round at its value, which stays inside; no end lies below zero."""
    value = percentile.value
    low = min(max(2 * value - percentile.high, 0.0), value)
    return Estimate(value, low=low, high=max(2 * value - percentile.low, value))


def _exact(count: int) -> Estimate:
    return Estimate(value=float(count), low=float(count), high=float(count))
