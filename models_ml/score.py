"""Score the customers of one business date with the champion and append to ml.churn_score.

    python -m models_ml.score --business-date 2026-11-20

The customers of highest probability get reasons, as many as seeds/scoring_parameter.csv says. How
far features and scores have moved since the champion was made goes to ml.feature_drift.

Repeatable: a date that the champion has scored is left as it is.
"""

from __future__ import annotations

import argparse
import csv
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any, Literal

import numpy as np
import psycopg
import pyarrow as pa
from numpy.typing import NDArray
from psycopg import sql

from models_ml import registry
from models_ml.drift_watch import MOVED, DriftWatch, FeatureDrift
from models_ml.explain import REASON_COUNT, ReasonCodes, explain, read_reason_codes
from models_ml.features import FeatureBlock, Matrix, read_feature_blocks
from models_ml.model import ChurnModel
from models_ml.registry import Champion
from scripts import database, warehouse
from scripts.copy_streams import copy_rows

PARAMETER_SEED = warehouse.PROJECT_DIR / "seeds" / "scoring_parameter.csv"
SCORE_LOCK = 20260432
# Rows explained and written at a time: bounds the memory, large enough to be no cost.
EXPLAINED_ROWS = 50_000
APPENDED_ROWS = 65_536
SCORE_TABLE = sql.Identifier("ml", "churn_score")
DRIFT_TABLE = sql.Identifier("ml", "feature_drift")

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ScoringParameters:
    """The rows of seeds/scoring_parameter.csv.

    Attributes:
        explained_customer_count: customers who get reasons, those of highest probability.
        drift_moving_above: stability index above which a feature or the score counts as moving.
        drift_moved_above: the same as moved, which is told to the operator on duty.
    """

    explained_customer_count: int
    drift_moving_above: float
    drift_moved_above: float


@dataclass(frozen=True)
class ScoringResult:
    """What a scoring did, or did before.

    Attributes:
        status: whether there was anything to do.
        model_version: of the champion.
        customer_count: customers with a score.
        mean_probability: of them.
        moved: features, or the score, that have moved since the champion was made.
    """

    status: Literal["scored", "already_scored", "no_champion"]
    model_version: str | None
    customer_count: int = 0
    mean_probability: float | None = None
    moved: tuple[FeatureDrift, ...] = ()


def read_scoring_parameters(seed: Path = PARAMETER_SEED) -> ScoringParameters:
    """Read the scoring parameters; an unknown or a missing row is an error that names it."""
    with seed.open(encoding="utf-8", newline="") as file:
        rows: dict[str, Any] = {
            row["parameter_name"]: float(row["parameter_value"]) for row in csv.DictReader(file)
        }
    parameters = ScoringParameters(**rows)
    return replace(parameters, explained_customer_count=int(parameters.explained_customer_count))


def score_customers(
    business_date: date,
    model_name: str = registry.MODEL_NAME,
    parameters: ScoringParameters | None = None,
) -> ScoringResult:
    """Append a score, the highest with reasons, for every customer observed on `business_date`.

    Raises:
        LookupError: marts.fct_churn_feature has no rows for the date.
        MissingFeatureError: it lacks a feature of the champion.
        UnreadableModelError: the champion is not what was registered.
    """
    champion = registry.load_champion(model_name)
    if champion is None:
        log.warning("no champion of model %s: %s is not scored", model_name, business_date)
        return ScoringResult("no_champion", None)
    with database.connect(warehouse.Role.SCORER) as connection:
        # Two runs of the same night must not both find the date unscored.
        connection.execute("select pg_advisory_xact_lock(%s)", [SCORE_LOCK])
        scored = _scored_before(connection, business_date, champion.version)
        if scored is not None:
            log.info("%s is already scored by version %s", business_date, champion.version)
            return scored
        result = _score(
            connection, business_date, champion, parameters or read_scoring_parameters()
        )
    log.info(
        "%s: %d customers scored by version %s, mean probability %.4f",
        business_date,
        result.customer_count,
        result.model_version,
        result.mean_probability,
    )
    return result


def score_blocks(
    model: ChurnModel,
    blocks: Iterable[FeatureBlock],
    codes: ReasonCodes,
    explained: int,
    watch: DriftWatch,
) -> pa.Table:
    """Return `customer_id`, `churn_probability` and `reason_1` to `reason_3` of all customers.

    Args:
        model: to score with.
        blocks: the customers, with the model's features in its order.
        codes: of the reasons, for these features.
        explained: so many customers of highest probability get reasons; of equal ones those whose
            ids come first.
        watch: sees features and probabilities.
    """
    seen: list[FeatureBlock] = []
    probabilities = [np.empty(0)]
    for block in blocks:
        probabilities.append(model.learner.matrix_probability(block.matrix))
        watch.see(block.matrix, probabilities[-1])
        seen.append(block)
    probability = np.concatenate(probabilities)
    customer_ids = pa.chunked_array([block.customer_ids for block in seen], pa.string())
    rows = highest(probability, customer_ids, explained)
    reasons = np.full((len(probability), REASON_COUNT), None, dtype=object)
    for part in np.array_split(rows, range(EXPLAINED_ROWS, len(rows), EXPLAINED_ROWS)):
        if len(part):
            reasons[part] = explain(model, _matrix_of(seen, part), codes)
    return pa.table(
        {
            "customer_id": customer_ids,
            "churn_probability": probability,
            **{
                f"reason_{place + 1}": pa.array(reasons[:, place], pa.string())
                for place in range(REASON_COUNT)
            },
        }
    )


def highest(
    probability: NDArray[np.float64], customer_ids: pa.ChunkedArray, count: int
) -> NDArray[np.int64]:
    """Return the rows of the `count` highest probabilities; of equal ones the first ids."""
    if count >= len(probability):
        return np.arange(len(probability))
    if count == 0:
        return np.empty(0, dtype=np.int64)
    limit = np.partition(probability, -count)[-count]
    above = np.flatnonzero(probability > limit)
    tied = np.flatnonzero(probability == limit)
    ids = customer_ids.take(pa.array(tied)).to_numpy(zero_copy_only=False)
    chosen = tied[np.argsort(ids, kind="stable")[: count - len(above)]]
    return np.sort(np.concatenate([above, chosen]))


def _matrix_of(blocks: Sequence[FeatureBlock], rows: NDArray[np.int64]) -> Matrix:
    """Return some rows, in ascending order, of all blocks together."""
    ends = np.cumsum([len(block.matrix) for block in blocks])
    parts = np.split(rows, np.searchsorted(rows, ends)[:-1])
    starts = np.concatenate([[0], ends[:-1]])
    return np.concatenate(
        [
            block.matrix[part - start]
            for block, part, start in zip(blocks, parts, starts, strict=True)
        ]
    )


def _score(
    connection: psycopg.Connection[Any],
    business_date: date,
    champion: Champion,
    parameters: ScoringParameters,
) -> ScoringResult:
    metadata = champion.model.metadata
    watch = DriftWatch(metadata.features, metadata.feature_bins, metadata.score_bins)
    scores = score_blocks(
        champion.model,
        read_feature_blocks(connection, business_date, metadata.features),
        read_reason_codes(metadata.features),
        parameters.explained_customer_count,
        watch,
    )
    if not scores.num_rows:
        raise LookupError(
            f"marts.fct_churn_feature has no rows for {business_date}: build the features first"
        )
    drifts = watch.measured(parameters.drift_moving_above, parameters.drift_moved_above)
    key: dict[str, str | date] = {
        "business_date": business_date,
        "model_version": champion.version,
    }
    _append(connection, SCORE_TABLE, scores, key | {"feature_hash": metadata.feature_hash})
    _append(connection, DRIFT_TABLE, pa.Table.from_pylist(list(map(asdict, drifts))), key)
    return ScoringResult(
        "scored",
        champion.version,
        customer_count=scores.num_rows,
        mean_probability=float(np.mean(scores["churn_probability"])),
        moved=tuple(drift for drift in drifts if drift.drift_level == MOVED),
    )


def _scored_before(
    connection: psycopg.Connection[Any], business_date: date, model_version: str
) -> ScoringResult | None:
    key = [business_date, model_version]
    (found,) = connection.execute(
        "select count(*) as customer_count, avg(churn_probability) as mean_probability"
        " from ml.churn_score where business_date = %s and model_version = %s",
        key,
    ).fetchall()
    if not found["customer_count"]:
        return None
    moved = connection.execute(
        "select feature, stability_index, chance_index, drift_level from ml.feature_drift"
        " where business_date = %s and model_version = %s and drift_level = %s"
        " order by stability_index desc, feature",
        [*key, MOVED],
    ).fetchall()
    return ScoringResult(
        "already_scored",
        model_version,
        **found,
        moved=tuple(FeatureDrift(**row) for row in moved),
    )


def _append(
    connection: psycopg.Connection[Any],
    table: sql.Identifier,
    rows: pa.Table,
    constants: Mapping[str, str | date],
) -> None:
    """Append rows, each with the constants as further columns."""
    schema = rows.schema
    for name, value in constants.items():
        schema = schema.append(pa.field(name, pa.scalar(value).type))
    batches = (
        pa.record_batch(
            [*batch.columns, *(pa.repeat(value, batch.num_rows) for value in constants.values())],
            schema=schema,
        )
        for batch in rows.to_batches(max_chunksize=APPENDED_ROWS)
    )
    copy_rows(connection, table, schema, batches)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--business-date", type=date.fromisoformat, required=True)
    business_date: date = parser.parse_args().business_date
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    score_customers(business_date)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
