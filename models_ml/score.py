"""Score the customers of one business date with the champion and append to ml.churn_score.

    python -m models_ml.score --business-date 2026-11-20

Repeatable: a date that the champion has scored is left as it is.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from io import BytesIO
from typing import Any, Literal

import pandas as pd
import psycopg
import pyarrow as pa
import pyarrow.csv

from models_ml import registry
from models_ml.explain import ReasonCodes, explain, read_reason_codes
from models_ml.features import read_features
from models_ml.model import ChurnModel
from models_ml.registry import Champion
from scripts import database, warehouse

# Rows explained at a time: bounds the memory of the contributions, large enough to be no cost.
CHUNK_ROWS = 100_000
SCORE_LOCK = 20260432

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ScoringResult:
    """What a scoring did, or did before: `customer_count` customers, `mean_probability`."""

    status: Literal["scored", "already_scored", "no_champion"]
    model_version: str | None
    customer_count: int = 0
    mean_probability: float | None = None


def score_customers(business_date: date, model_name: str = registry.MODEL_NAME) -> ScoringResult:
    """Append a score with its reasons for every customer observed on `business_date`.

    Raises:
        LookupError: marts.fct_churn_feature has no rows for the date.
        MissingFeatureError: it lacks a feature of the champion.
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
        result = _score(connection, business_date, champion)
    log.info(
        "%s: %d customers scored by version %s, mean probability %.4f",
        business_date,
        result.customer_count,
        result.model_version,
        result.mean_probability,
    )
    return result


def score_frame(model: ChurnModel, frame: pd.DataFrame, codes: ReasonCodes) -> pd.DataFrame:
    """Return `customer_id`, `churn_probability` and `reason_1` to `reason_3` for each row."""
    reasons = explain(model, frame, codes)
    return pd.DataFrame(
        {
            "customer_id": frame["customer_id"].to_numpy(),
            "churn_probability": model.learner.probability(frame),
            **{f"reason_{place + 1}": reasons[:, place] for place in range(reasons.shape[1])},
        }
    )


def _score(
    connection: psycopg.Connection[Any], business_date: date, champion: Champion
) -> ScoringResult:
    features = champion.model.metadata.features
    frame = read_features(connection, [business_date], features)
    if frame.empty:
        raise LookupError(
            f"marts.fct_churn_feature has no rows for {business_date}: build the features first"
        )
    codes = read_reason_codes(features)
    scores = pd.concat([score_frame(champion.model, chunk, codes) for chunk in _chunks(frame)])
    _append(connection, business_date, champion, scores)
    return ScoringResult(
        "scored",
        champion.version,
        customer_count=len(scores),
        mean_probability=float(scores["churn_probability"].mean()),
    )


def _chunks(frame: pd.DataFrame) -> Iterator[pd.DataFrame]:
    return (frame[start : start + CHUNK_ROWS] for start in range(0, len(frame), CHUNK_ROWS))


def _scored_before(
    connection: psycopg.Connection[Any], business_date: date, model_version: str
) -> ScoringResult | None:
    (found,) = connection.execute(
        "select count(*) as customer_count, avg(churn_probability) as mean_probability"
        " from ml.churn_score where business_date = %s and model_version = %s",
        [business_date, model_version],
    ).fetchall()
    return (
        ScoringResult("already_scored", model_version, **found) if found["customer_count"] else None
    )


def _append(
    connection: psycopg.Connection[Any],
    business_date: date,
    champion: Champion,
    scores: pd.DataFrame,
) -> None:
    rows = scores.assign(
        business_date=business_date,
        model_version=champion.version,
        feature_hash=champion.model.metadata.feature_hash,
    )
    buffer = BytesIO()
    pa.csv.write_csv(
        pa.Table.from_pandas(rows, preserve_index=False),
        buffer,
        pa.csv.WriteOptions(include_header=False),
    )
    with (
        connection.cursor() as cursor,
        cursor.copy(
            "copy ml.churn_score (customer_id, churn_probability, reason_1, reason_2, reason_3,"
            " business_date, model_version, feature_hash) from stdin (format csv)"
        ) as copy,
    ):
        copy.write(buffer.getbuffer())


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--business-date", type=date.fromisoformat, required=True)
    business_date: date = parser.parse_args().business_date
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    score_customers(business_date)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
