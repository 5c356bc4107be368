"""Append tonight's uplift of every customer to ml.uplift_score, if uplift ranks better than risk.

    python -m models_ml.score_uplift --business-date 2026-11-20

There is a champion only while the last verdict (models_ml.train_uplift) is for uplift. Repeatable:
a date that the champion has scored is left as it is.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

import pandas as pd
import psycopg
from psycopg import sql

from models_ml.experiment import csv_options
from models_ml.features import FEATURE_TABLE
from models_ml.uplift_model import MODEL_NAME, JudgedUplift, UpliftChampion, load_champion
from scripts import arguments, database, warehouse

SCORE_LOCK = 20260433
# Bounds the memory of the features.
CHUNK_ROWS = 100_000

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class UpliftScoringResult:
    """What a scoring did, or did before: customers scored, and how many of them sleep."""

    status: Literal["scored", "already_scored", "no_champion"]
    model_version: str | None
    customer_count: int = 0
    sleeping_dog_count: int = 0


def score_uplift(business_date: date, model_name: str = MODEL_NAME) -> UpliftScoringResult:
    """Append the uplift of every customer observed on `business_date`.

    Raises:
        LookupError: marts.fct_churn_feature has no rows for the date.
        psycopg.errors.UndefinedColumn: it lacks a feature of the champion (named).
    """
    champion = load_champion(model_name)
    if champion is None:
        log.info("uplift is not scored: calls are ranked by risk")
        return UpliftScoringResult("no_champion", None)
    with database.connect(warehouse.Role.SCORER) as connection:
        # Two runs of the same night must not both find the date unscored.
        connection.execute("select pg_advisory_xact_lock(%s)", [SCORE_LOCK])
        result = _scored_before(connection, business_date, champion.version)
        if result is None:
            result = _score(connection, business_date, champion)
    log.info(
        "%s: uplift of %d customers by version %s, of whom %d are better left alone (%s)",
        business_date,
        result.customer_count,
        result.model_version,
        result.sleeping_dog_count,
        result.status,
    )
    return result


def uplift_frame(judged: JudgedUplift, frame: pd.DataFrame) -> pd.DataFrame:
    """Return `customer_id`, `uplift` and `is_sleeping_dog` for each row."""
    effect = judged.model.effect(frame[list(judged.features)])
    return pd.DataFrame(
        {
            "customer_id": frame["customer_id"].to_numpy(),
            "uplift": effect,
            "is_sleeping_dog": (effect < 0) & judged.verdict.has_sleeping_dogs,
        }
    )


def _score(
    connection: psycopg.Connection[Any], business_date: date, champion: UpliftChampion
) -> UpliftScoringResult:
    chunks = _observed(connection, business_date, champion.uplift.features)
    scored = [uplift_frame(champion.uplift, chunk) for chunk in chunks]
    scores = pd.concat(scored) if scored else pd.DataFrame()
    if scores.empty:
        raise LookupError(f"{FEATURE_TABLE} has no rows for {business_date}")
    rows = scores.assign(
        business_date=business_date,
        model_version=champion.version,
        feature_hash=champion.uplift.feature_hash,
    )
    with (
        connection.cursor() as cursor,
        cursor.copy(
            "copy ml.uplift_score (customer_id, uplift, is_sleeping_dog, business_date,"
            " model_version, feature_hash) from stdin (format csv)"
        ) as copy,
    ):
        copy.write(rows.to_csv(index=False, header=False))
    return UpliftScoringResult(
        "scored", champion.version, len(scores), int(scores["is_sleeping_dog"].sum())
    )


def _observed(
    connection: psycopg.Connection[Any], business_date: date, names: Sequence[str]
) -> Iterator[pd.DataFrame]:
    """Yield the customers observed on the date with their features, CHUNK_ROWS at a time."""
    query = sql.SQL(
        "copy (select customer_id, {features} from {churn_feature}"
        " where observation_date = %(business_date)s) to stdout (format csv, header)"
    ).format(
        features=sql.SQL(", ").join(map(sql.Identifier, names)),
        churn_feature=sql.Identifier(*FEATURE_TABLE.split(".")),
    )
    with tempfile.TemporaryFile() as file:
        with (
            connection.cursor() as cursor,
            cursor.copy(query, {"business_date": business_date}) as copy,
        ):
            for block in copy:
                file.write(block)
        file.seek(0)
        yield from pd.read_csv(file, chunksize=CHUNK_ROWS, **csv_options(names))


def _scored_before(
    connection: psycopg.Connection[Any], business_date: date, model_version: str
) -> UpliftScoringResult | None:
    [found] = connection.execute(
        "select count(*) as customer_count,"
        " count(*) filter (where is_sleeping_dog) as sleeping_dog_count"
        " from ml.uplift_score where business_date = %s and model_version = %s",
        [business_date, model_version],
    ).fetchall()
    if not found["customer_count"]:
        return None
    return UpliftScoringResult("already_scored", model_version, **found)


def main() -> int:
    business_date: date = arguments.step_parser(__doc__).parse_args().business_date
    score_uplift(business_date)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
