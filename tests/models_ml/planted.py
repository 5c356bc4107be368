"""An experiment whose effect is planted, and the marts that show it to the uplift training."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Literal

import numpy as np
import pandas as pd
from psycopg import sql

from models_ml.features import FEATURE_NAMES
from scripts import database
from scripts.warehouse import Role
from tests.models_ml.conftest import copy_into

NIGHT = date(2026, 11, 20)
DECISION_DATE = NIGHT - timedelta(days=30)
EXPERIMENT_COLUMNS = (
    "business_date",
    "customer_id",
    "decision_date",
    "campaign_code",
    "churn_probability",
    "is_treated",
    "has_stayed",
)

Effect = Literal["persuadable", "none", "harm"]


def planted_experiment(
    count: int, *, effect: Effect, seed: int, control_share: float = 0.5
) -> pd.DataFrame:
    """Return customers with features, arm and outcome, who leave by what they owe.

    A call does, whatever the risk: to the persuadable (a star level of 3; a third) 35 points of
    good and to sleeping dogs (a star level of 1) 30 of harm, to the others nothing; or nothing to
    anybody; or 15 points of harm to everybody.
    """
    chance = np.random.default_rng(seed)
    frame = pd.DataFrame(0.0, index=range(count), columns=list(FEATURE_NAMES))
    frame["tenure_days"] = chance.integers(30, 3000, count)
    frame["star_level"] = chance.integers(1, 4, count)
    frame["overdue_amount"] = chance.uniform(0, 400, count).round(2)
    risk = 0.3 + frame["overdue_amount"] / 1000
    by_effect: dict[str, np.ndarray] = {
        "persuadable": np.select(
            [frame["star_level"] == 3, frame["star_level"] == 1], [0.35, -0.3]
        ),
        "none": np.zeros(count),
        "harm": np.full(count, -0.15),
    }
    is_treated = chance.random(count) >= control_share
    stays = np.clip(1 - risk + is_treated * by_effect[effect], 0, 1)
    return frame.assign(
        business_date=NIGHT,
        customer_id=[f"C{number:06d}" for number in chance.permutation(count)],
        decision_date=DECISION_DATE,
        campaign_code="churn_warning",
        churn_probability=risk,
        is_treated=is_treated,
        has_stayed=chance.random(count) < stays,
    )


def fill_marts(experiment: pd.DataFrame, features: pd.DataFrame) -> None:
    """Fill marts.fct_retention_experiment, and fct_churn_feature as of the decision."""
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
            "create table marts.fct_retention_experiment (business_date date, customer_id text,"
            " decision_date date, campaign_code text, churn_probability numeric,"
            " is_treated boolean, has_stayed boolean)"
        )
        copy_into(connection, "fct_retention_experiment", experiment[list(EXPERIMENT_COLUMNS)])
        observed = features.rename(columns={"decision_date": "observation_date"})
        copy_into(
            connection,
            "fct_churn_feature",
            observed[["observation_date", "customer_id", *FEATURE_NAMES]],
        )
