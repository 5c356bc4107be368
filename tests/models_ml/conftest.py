"""Customers with a planted cause of churn, in the marts the models read, and a registry to use."""

from __future__ import annotations

import uuid
from datetime import date, timedelta
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
import psycopg
import pytest
from psycopg import sql

from models_ml.features import FEATURE_NAMES, KEY_COLUMNS, KIND_COLUMN, LABEL_COLUMN
from models_ml.model import ChurnModel, DataWindow
from models_ml.train import TrainingData, fit, read_parameters, rows_of
from scripts import database
from scripts.warehouse import Role

BUSINESS_DATE = date(2026, 11, 20)
CUSTOMER_COUNT = 3000
LABELS = (LABEL_COLUMN, KIND_COLUMN)
# Features that say nothing of the label; those that are not named here or planted are 0: what does
# not vary costs no time.
VARYING = (
    "tenure_days",
    "monthly_rent_amount",
    "age_years",
    "usage_change_ratio",
    "optical_loss_db",
)
OBSERVATION_DATES = [BUSINESS_DATE - timedelta(days=days) for days in (150, 120, 90, 60, 30)]


@pytest.fixture(scope="session")
def history() -> pd.DataFrame:
    """Return five labelled dates and the business date itself (without a label there).

    Overdue amounts, faults and a missing contract make customers leave, nothing else does. Who
    leaves with an overdue amount is a passive leaver.
    """
    chance = np.random.default_rng(7)
    frames = [_observe(chance, observed) for observed in [*OBSERVATION_DATES, BUSINESS_DATE]]
    frame = pd.concat(frames, ignore_index=True)
    frame.loc[frame["observation_date"] == BUSINESS_DATE, list(LABELS)] = None
    return frame


@pytest.fixture(scope="session")
def training_data(history: pd.DataFrame) -> TrainingData:
    """Return the planted history split by time."""
    labelled = history[history["is_churned"].notna()]
    return TrainingData(
        window=DataWindow(
            BUSINESS_DATE,
            tuple(OBSERVATION_DATES[:4]),
            OBSERVATION_DATES[4],
            horizon_days=30,
            gap_days=0,
        ),
        training=rows_of(labelled, OBSERVATION_DATES[:4]),
        test=rows_of(labelled, OBSERVATION_DATES[4:]),
    )


@pytest.fixture(scope="session")
def churn_model(training_data: TrainingData) -> ChurnModel:
    """Return a model fitted to the planted history."""
    return fit(training_data, read_parameters())


@pytest.fixture(scope="session")
def tonight(history: pd.DataFrame) -> pd.DataFrame:
    """Return the features of the customers to score."""
    rows = history[history["observation_date"] == BUSINESS_DATE]
    return rows.drop(columns=list(LABELS)).reset_index(drop=True)


@pytest.fixture
def model_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return a name not yet in the registry, whose store the tests of a process share."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("MLFLOW_ARTIFACT_DIR", str(tmp_path / "mlflow"))
    return f"churn_{uuid.uuid4().hex}"


@pytest.fixture
def marts(warehouse_db: str, history: pd.DataFrame) -> str:
    """Fill marts.fct_churn_feature and fct_churn_label as the transformer; yield the database."""
    with database.connect(Role.TRANSFORMER) as connection:
        columns = sql.SQL(", ").join(
            sql.SQL("{} numeric").format(sql.Identifier(name)) for name in FEATURE_NAMES
        )
        connection.execute(
            sql.SQL(
                "create table marts.fct_churn_feature (observation_date date, customer_id text, {})"
            ).format(columns)
        )
        connection.execute(
            "create table marts.fct_churn_label"
            " (observation_date date, customer_id text, is_churned boolean, churn_kind text)"
        )
        labels = history[history["is_churned"].notna()]
        copy_into(connection, "fct_churn_feature", history.drop(columns=list(LABELS)))
        copy_into(connection, "fct_churn_label", labels[[*KEY_COLUMNS, *LABELS]])
    return warehouse_db


def copy_into(
    connection: psycopg.Connection[dict[str, object]], table: str, rows: pd.DataFrame
) -> None:
    """Append `rows` to a table of marts."""
    buffer = BytesIO(rows.to_csv(index=False).encode())
    statement = sql.SQL("copy {} ({}) from stdin (format csv, header)").format(
        sql.Identifier("marts", table), sql.SQL(", ").join(map(sql.Identifier, rows.columns))
    )
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        copy.write(buffer.getvalue())


def _observe(chance: np.random.Generator, observed: date) -> pd.DataFrame:
    """Draw the customers of one date, with the label their values bring about."""
    count = CUSTOMER_COUNT
    frame = pd.DataFrame(0.0, index=range(count), columns=list(FEATURE_NAMES))
    for name in VARYING:
        frame[name] = chance.normal(100, 20, count).round(2)
    is_overdue = chance.random(count) < 0.15
    frame["overdue_amount"] = np.where(is_overdue, chance.uniform(50, 400, count).round(2), 0)
    frame["ticket_count_90d"] = chance.poisson(0.8, count)
    has_contract = chance.random(count) < 0.6
    frame["contract_remaining_days"] = np.where(
        has_contract, chance.integers(1, 700, count), np.nan
    )
    frame["star_level"] = chance.integers(1, 4, count)
    frame["mobile_subscription_count"] = chance.integers(0, 3, count)
    frame["broadband_subscription_count"] = chance.integers(0, 2, count)
    frame.loc[chance.random(count) < 0.3, "optical_loss_db"] = np.nan
    log_odds = -4.4 + 2.5 * is_overdue + 0.6 * frame["ticket_count_90d"] + 0.8 * ~has_contract
    frame["is_churned"] = (chance.random(count) < 1 / (1 + np.exp(-log_odds))).astype(object)
    kind = pd.Series(np.where(is_overdue, "passive", "active"), dtype=object)
    frame["churn_kind"] = kind.where(frame["is_churned"].astype(bool), None)
    frame.insert(0, "observation_date", observed)
    frame.insert(1, "customer_id", [f"C{number:06d}" for number in range(count)])
    return frame
