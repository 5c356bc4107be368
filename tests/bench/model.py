"""The churn model: what scoring a night costs, and how near its ranking comes to the truth.

Features are drawn for all customers and, of some, for the dates that a champion is trained from.
The reference reads the same features through ADBC, predicts with the champion's trees alone
(`inplace_predict`, on all cores) and copies the scores through ADBC into a table like ours.

The simulator knows each customer's true chance of leaving. No model can rank better than that does,
so its ROC-AUC on the customers and the month of the out-of-time test is what ours is held against.
"""

from __future__ import annotations

import os
import time
from dataclasses import replace
from datetime import date
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import yaml
from sklearn.metrics import roc_auc_score

from models_ml import registry, train
from models_ml.features import FEATURE_NAMES
from models_ml.registry import Champion
from models_ml.score import read_scoring_parameters, score_customers
from scripts import run_dbt, warehouse
from scripts.database import Connection, connect
from scripts.load_extracts import load_all
from scripts.simulate_operator.delivering import deliver
from scripts.simulate_operator.parameters import Parameters
from tests.bench.histories import use_database
from tests.bench.measure import Comparison, Limit, Measure
from tests.bench.operator_rows import CUSTOMERS

NIGHT = date(2026, 11, 20)
TRAINING_CUSTOMERS = 10_000
EXPLAINED = 50_000
TARGET_RATIO = 1.3
EXPLAINED_TARGET_RATIO = 2.0
SIMULATED_CUSTOMERS = 20_000
SIMULATED_SEED = 7
SHARE_OF_TRUTH = 0.97
FEATURE_YML = run_dbt.DBT_PROJECT_DIR / "models/marts/ml/fct_churn_feature.yml"
# A customer's number, date and place in the list as a number from 0 to 1.
DRAWN = (
    "((customer * 7919::bigint + {day}::bigint * 104729 + {place} * 1299709)"
    " % 1000003 / 1000003::float8)"
)


def measures(folder: Path) -> list[Measure]:
    """Return what is measured; features and champion are made when first asked for."""
    scoring = Scoring(folder)
    what = f"scores of {CUSTOMERS:,} customers x {len(FEATURE_NAMES)} features"
    reference = "against ADBC, inplace_predict and COPY"
    return [
        Comparison(
            f"{what} without reasons, {reference}",
            ours=lambda: scoring.score(explained=0),
            reference=scoring.score_bare,
            target_ratio=TARGET_RATIO,
        ),
        Comparison(
            f"{what} with reasons for the {EXPLAINED:,} highest, {reference}",
            ours=lambda: scoring.score(explained=EXPLAINED),
            reference=scoring.score_bare,
            target_ratio=EXPLAINED_TARGET_RATIO,
        ),
        Limit(
            f"ROC-AUC of the true hazard over ours out of time, {SIMULATED_CUSTOMERS:,} customers",
            lambda: hazard_factor(folder),
            1 / SHARE_OF_TRUTH,
        ),
    ]


def hazard_factor(folder: Path) -> float:
    """Train on a simulated operator; return the hazard's ROC-AUC over that of the model."""
    os.environ["MLFLOW_ARTIFACT_DIR"] = str(folder / "mlflow_hazard")
    use_database("hazard")
    parameters = Parameters(
        business_date=NIGHT, seed=SIMULATED_SEED, customer_count=SIMULATED_CUSTOMERS
    )
    deliver(parameters, folder / "landing", folder / "truth")
    load_all(NIGHT, folder / "landing")
    target_dir = folder / "hazard" / "target"
    run_dbt.build("transform", NIGHT, target_dir=target_dir)
    days = [day.isoformat() for day in train.read_parameters().observation_dates(NIGHT)]
    run_dbt.build(
        "transform",
        NIGHT,
        {"observation_dates": days},
        select="fct_churn_feature fct_churn_label",
        target_dir=target_dir,
    )
    result = train.train_churn_model(NIGHT)
    hazard = pd.read_parquet(folder / "truth" / "monthly_hazard.parquet")
    return true_auc(hazard, result.window.test_date) / result.metrics.roc_auc


def true_auc(hazard: pd.DataFrame, test_date: date) -> float:
    """Return the ROC-AUC of the true hazard on the rows that the model was tested on."""
    with connect(None) as connection:
        rows = connection.execute(
            "select customer_id, is_churned from marts.fct_churn_label where observation_date = %s",
            [test_date],
        ).fetchall()
    of_the_day = hazard[hazard["observation_date"] == str(test_date)]
    known = pd.DataFrame(rows).merge(of_the_day[["customer_id", "churn_probability"]])
    assert len(known) > 0.99 * len(rows)
    return float(roc_auc_score(known["is_churned"], known["churn_probability"]))


class Scoring:
    """A night's features and a champion, scored by our step and bare."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def score(self, explained: int) -> float:
        """Return the seconds in which our step scores everybody."""
        self._champion()
        with connect(None) as connection:
            connection.execute("truncate ml.churn_score, ml.feature_drift")
        parameters = replace(read_scoring_parameters(), explained_customer_count=explained)
        started = time.perf_counter()
        result = score_customers(NIGHT, parameters=parameters)
        seconds = time.perf_counter() - started
        assert (result.status, result.customer_count) == ("scored", CUSTOMERS)
        return seconds

    def score_bare(self) -> float:
        """Return the seconds of read, prediction and COPY alone."""
        from adbc_driver_postgresql import dbapi  # needed by this measure alone

        champion = self._champion()
        with connect(None) as connection:
            connection.execute("drop table if exists bench.churn_score")
            connection.execute("create table bench.churn_score (like ml.churn_score including all)")
        columns = ", ".join(f"{name}::real" for name in champion.model.metadata.features)
        query = (
            f"select customer_id, {columns} from marts.fct_churn_feature"
            f" where observation_date = '{NIGHT}'"
        )
        started = time.perf_counter()
        with dbapi.connect(warehouse.url()) as connection, connection.cursor() as cursor:
            cursor.execute(query)
            features = cursor.fetch_arrow_table()
            matrix = np.column_stack([column.to_numpy() for column in features.columns[1:]])
            scores = champion.model.learner.trees.inplace_predict(matrix)
            rows = pa.table(
                {
                    "business_date": pa.repeat(NIGHT, len(scores)),
                    "customer_id": features["customer_id"],
                    "model_version": pa.repeat(champion.version, len(scores)),
                    "churn_probability": scores.astype(np.float64),
                    "feature_hash": pa.repeat(champion.model.metadata.feature_hash, len(scores)),
                }
            )
            cursor.adbc_ingest("churn_score", rows, mode="append", db_schema_name="bench")
            connection.commit()
        return time.perf_counter() - started

    @cache  # noqa: B019 - one for the whole run
    def _champion(self) -> Champion:
        """Draw the features, train the champion of the night and return it."""
        os.environ["MLFLOW_ARTIFACT_DIR"] = str(self.folder / "mlflow")
        use_database("model")
        dates = train.read_parameters().observation_dates(NIGHT)
        with connect(None) as connection:
            connection.execute("create schema bench")
            _create_marts(connection)
            for day in dates:
                _draw_features(connection, day, TRAINING_CUSTOMERS)
            _draw_labels(connection)
            _draw_features(connection, NIGHT, CUSTOMERS)
        with connect(None) as connection:
            connection.execute("analyze marts.fct_churn_feature, marts.fct_churn_label")
        train.train_churn_model(NIGHT)
        champion = registry.load_champion()
        assert champion is not None
        return champion


def _create_marts(connection: Connection) -> None:
    """Create the two marts, the one of the features with the types that its contract names."""
    [model] = yaml.safe_load(FEATURE_YML.read_text(encoding="utf-8"))["models"]
    columns = ", ".join(f"{column['name']} {column['data_type']}" for column in model["columns"])
    connection.execute(
        f"create table marts.fct_churn_feature ({columns},"
        " primary key (observation_date, customer_id))"
    )
    connection.execute(
        "create table marts.fct_churn_label (observation_date date, customer_id text,"
        " is_churned boolean, churn_kind text, primary key (observation_date, customer_id))"
    )
    connection.execute("grant select on all tables in schema marts to retention_scorer")


def _draw_features(connection: Connection, day: date, customers: int) -> None:
    """Draw counts, amounts and flags, a tenth of every third feature unknown."""
    types = connection.execute(
        "select column_name, data_type from information_schema.columns"
        " where table_name = 'fct_churn_feature'"
    ).fetchall()
    type_of = {row["column_name"]: row["data_type"] for row in types}
    values = [
        _value(name, type_of[name], place, day.toordinal())
        for place, name in enumerate(FEATURE_NAMES)
    ]
    connection.execute(
        "insert into marts.fct_churn_feature"
        f" (observation_date, customer_id, region, {', '.join(FEATURE_NAMES)})"
        f" select '{day}', 'C' || customer, '城' || customer % 9, {', '.join(values)}"
        f" from generate_series(1, {customers}) as customer"
    )


def _value(name: str, data_type: str, place: int, day: int) -> str:
    drawn = DRAWN.format(day=day, place=place)
    if name.startswith(("is_", "has_")):
        value = f"({drawn} < 0.3)::integer"
    elif data_type == "integer":
        value = f"floor({drawn} ^ 3 * 40)::integer"
    else:
        value = f"round(({drawn} * 200)::numeric, 2)"
    return f"case when (customer + {place}) % 10 > 0 then {value} end" if place % 3 == 0 else value


def _draw_labels(connection: Connection) -> None:
    """Let faults, bills, complaints and little use make customers leave, some in a hundred."""
    connection.execute(
        """
        insert into marts.fct_churn_label
        select
            observation_date, customer_id, is_churned, case when is_churned then 'active' end
        from marts.fct_churn_feature
        cross join lateral (
            select
                ('x' || left(md5(customer_id || observation_date), 7))::bit(28)::integer / 2.0 ^ 28
                < 1 / (
                    1 + exp(
                        5.2 - 0.05 * coalesce(ticket_count_90d, 0)
                        - 0.01 * coalesce(overdue_amount, 100)
                        + 0.01 * coalesce(download_gib_30d, 100)
                        - 0.05 * coalesce(complaint_count_3m, 0)
                        - 0.03 * coalesce(bill_query_count_3m, 0)
                        - case
                            when late_payment_count_90d > 20 and usage_change_ratio < 80 then 1.2
                            else 0
                        end
                    )
                )
        ) as drawn (is_churned)
        """
    )
