"""Judge whether uplift ranks calls better than risk; if so, its model scores from then on.

    python -m models_ml.train_uplift --business-date 2026-11-20

What a call does is learnt from the operator's own controls (models_ml.experiment). Both learners
and the ranking by risk are measured on customers that no model has seen; the T-learner's is used
for the priority of calls only if it beats risk by uplift in the share called first and by Qini,
each with its 95 % interval. Until then, and with too few controls, risk ranks. The verdict of the
last training holds, in ml.uplift_verdict with its reason and figures, and there is a champion in
the registry exactly while it is for uplift.

Repeatable: the same experiment is judged once.
"""

from __future__ import annotations

import csv
import hashlib
import logging
import math
from dataclasses import asdict, dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from models_ml import registry, train
from models_ml.evaluate import Estimate
from models_ml.experiment import Experiment, NoExperiment, comparable, read_experiment
from models_ml.features import FEATURE_NAMES
from models_ml.uplift import LEARNERS, Judgement, RankingComparison, fit_uplift, judge
from models_ml.uplift_model import MODEL_NAME, JudgedUplift, Measures, Verdict, register
from scripts import arguments, database, warehouse

PARAMETER_SEED = warehouse.PROJECT_DIR / "seeds" / "uplift_parameter.csv"
TRAINING_LOCK = 20260434

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class UpliftParameters:
    """The rows of seeds/uplift_parameter.csv, with the seed of all trainings."""

    lookback_days: int
    top_share: float
    fold_count: int
    minimum_campaign_controls: int
    minimum_arm_customers: int
    minimum_arm_leavers: int
    random_seed: int


def read_parameters(seed: Path = PARAMETER_SEED) -> UpliftParameters:
    """Read the parameters; an unknown or a missing row is an error that names it."""
    with seed.open(encoding="utf-8", newline="") as file:
        rows = {
            row["parameter_name"]: float(row["parameter_value"]) for row in csv.DictReader(file)
        }
    top_share = rows.pop("top_share")
    return UpliftParameters(
        **{name: int(value) for name, value in rows.items()},
        top_share=top_share,
        random_seed=train.read_parameters().random_seed,
    )


def train_uplift_model(business_date: date, model_name: str = MODEL_NAME) -> Verdict:
    """Judge the experiment as of `business_date`, and make the new model champion if it may be.

    Raises:
        NoExperiment: the warehouse does not show the experiment as of the business date, or a later
            one has been judged.
    """
    parameters = read_parameters()
    with database.connect(warehouse.Role.SCORER) as connection:
        connection.execute("select pg_advisory_xact_lock(%s)", [TRAINING_LOCK])
        experiment = read_experiment(connection, business_date)
        experiment_hash = _hash(experiment, parameters)
        verdict = _verdict_before(connection, business_date, experiment_hash)
        if verdict is None:
            _refuse_the_past(connection, business_date)
            verdict = _judge(business_date, experiment, experiment_hash, parameters, model_name)
            _append(connection, verdict)
    log.info(
        "calls are ranked by %s from %s on: %s", verdict.ranking, business_date, verdict.reason
    )
    return verdict


def _judge(
    business_date: date,
    experiment: Experiment,
    experiment_hash: str,
    parameters: UpliftParameters,
    model_name: str,
) -> Verdict:
    arms = comparable(experiment, parameters.minimum_campaign_controls, parameters.random_seed)
    treated_count = int(arms.treated.sum())
    undecided = Verdict(
        business_date=business_date,
        experiment_hash=experiment_hash,
        ranking="risk",
        reason=_shortage(arms, parameters) or "",
        treated_count=treated_count,
        control_count=len(arms.treated) - treated_count,
        has_sleeping_dogs=False,
        measures={},
    )
    if undecided.reason:
        registry.set_champion(model_name, None)
        return undecided
    return _train(undecided, arms, parameters, model_name)


def _train(
    undecided: Verdict, arms: Experiment, parameters: UpliftParameters, model_name: str
) -> Verdict:
    """Register a model of all customers, champion if out of fold its like beats risk."""
    seed, rows = parameters.random_seed, (arms.features, arms.treated, arms.outcome)
    judgement = judge(
        *rows, arms.risk, k=parameters.top_share, seed=seed, folds=parameters.fold_count
    )
    is_better = judgement.comparison.is_better
    verdict = replace(
        undecided,
        ranking="uplift" if is_better else "risk",
        reason=_reason(judgement.comparison, parameters.top_share),
        has_sleeping_dogs=is_better and judgement.sleeping_dogs.are_found,
        measures=_measures(judgement),
    )
    model = fit_uplift(*rows, learner=LEARNERS[0], seed=seed)
    version = register(JudgedUplift(model, FEATURE_NAMES, seed, verdict), model_name)
    registry.set_champion(model_name, version if is_better else None)
    return replace(verdict, model_version=version)


def _shortage(arms: Experiment, parameters: UpliftParameters) -> str | None:
    """Return what there is too little of to train on, None when there is enough."""
    for name, rows in (("called", arms.treated), ("control", ~arms.treated)):
        customers = int(rows.sum())
        leavers = customers - int(arms.outcome[rows].sum())
        for count, what, needed in (
            (customers, "customer(s)", parameters.minimum_arm_customers),
            (leavers, "leaver(s)", parameters.minimum_arm_leavers),
        ):
            if count < needed:
                return (
                    f"too few to compare: {count} {name} {what}, {needed} needed (of campaigns"
                    f" with {parameters.minimum_campaign_controls} called and as many controls)"
                )
    return None


def _reason(comparison: RankingComparison, top_share: float) -> str:
    at_k, qini = comparison.uplift_at_k, comparison.qini
    if math.isnan(at_k.low) or math.isnan(qini.low):
        return (
            f"no interval: among the {top_share:.0%} ranked highest too few are controls"
            " to compare uplift with risk"
        )
    return (
        f"uplift {'beats' if comparison.is_better else 'does not beat'} risk:"
        f" effect on the {top_share:.0%} ranked highest {_points(at_k)}, Qini {_points(qini)}"
        " more than by risk; to beat it both intervals must lie above zero"
    )


def _points(difference: Estimate) -> str:
    value, low, high = (100 * part for part in (difference.value, difference.low, difference.high))
    return f"{value:+.2f} points (95 % interval {low:+.2f} to {high:+.2f})"


def _measures(judgement: Judgement) -> Measures:
    """Return the estimates as JSON can hold them: None for what cannot be measured."""
    measured = dict(judgement.measures)
    dogs = judgement.sleeping_dogs.effect
    if dogs is not None:
        measured["sleeping dogs"] = {"effect": dogs}
    return {
        ranking: {
            name: {
                part: None if math.isnan(figure) else figure
                for part, figure in asdict(estimate).items()
            }
            for name, estimate in estimates.items()
        }
        for ranking, estimates in measured.items()
    }


def _hash(experiment: Experiment, parameters: UpliftParameters) -> str:
    text = f"{experiment.sha256}\n{parameters}\n{FEATURE_NAMES}"
    return hashlib.sha256(text.encode()).hexdigest()


def _verdict_before(
    connection: psycopg.Connection[Any], business_date: date, experiment_hash: str
) -> Verdict | None:
    found = connection.execute(
        "select business_date, experiment_hash, ranking, reason, model_version,"
        " has_sleeping_dogs, treated_count, control_count, measures"
        " from ml.uplift_verdict where business_date = %s and experiment_hash = %s",
        [business_date, experiment_hash],
    ).fetchone()
    return None if found is None else Verdict(**found)


def _refuse_the_past(connection: psycopg.Connection[Any], business_date: date) -> None:
    """Raise NoExperiment where a later verdict holds, which an older one must not undo."""
    [later] = connection.execute(
        "select max(business_date) as business_date from ml.uplift_verdict"
        " where business_date > %s",
        [business_date],
    ).fetchall()
    if later["business_date"] is not None:
        raise NoExperiment(f"the experiment as of {later['business_date']} has been judged already")


def _append(connection: psycopg.Connection[Any], verdict: Verdict) -> None:
    connection.execute(
        "insert into ml.uplift_verdict (business_date, experiment_hash, ranking, reason,"
        " model_version, has_sleeping_dogs, treated_count, control_count, measures)"
        " values (%(business_date)s, %(experiment_hash)s, %(ranking)s, %(reason)s,"
        " %(model_version)s, %(has_sleeping_dogs)s, %(treated_count)s, %(control_count)s,"
        " %(measures)s)",
        asdict(verdict) | {"measures": Jsonb(verdict.measures)},
    )


def main() -> int:
    business_date: date = arguments.step_parser(__doc__).parse_args().business_date
    try:
        train_uplift_model(business_date)
    except NoExperiment as refusal:
        log.error("not trained: %s", refusal)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
