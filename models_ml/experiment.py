"""The operator's own experiment: customers whose call was handed to the dialer, and controls.

Controls are drawn at random, for all campaigns or for one, from those who would have been on the
list (marts.fct_retention_experiment). The outcome is that of the churn label, turned round: 1 is a
customer who stayed. Features and risk are those of the night of the decision.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from io import BytesIO
from typing import Any

import numpy as np
import pandas as pd
import psycopg
from numpy.typing import NDArray
from psycopg import sql

from models_ml.features import FEATURE_NAMES, FEATURE_TABLE

EXPERIMENT_TABLE = "marts.fct_retention_experiment"
CAMPAIGN_COLUMN = "campaign_code"
RISK_COLUMN = "churn_probability"
TREATED_COLUMN = "is_treated"
OUTCOME_COLUMN = "has_stayed"


class NoExperiment(RuntimeError):  # noqa: N818 - a state of the data, not a fault
    """The experiment as of the business date is not there; says what to do."""


@dataclass(frozen=True)
class Experiment:
    """Customers of the experiment, one row each, in the order of their ids.

    Attributes:
        frame: customer_id, campaign_code, churn_probability, is_treated, has_stayed, the features.
        sha256: of the rows as they were read.
    """

    frame: pd.DataFrame
    sha256: str

    @property
    def features(self) -> pd.DataFrame:
        """What effects are learnt from."""
        return self.frame[list(FEATURE_NAMES)]

    @property
    def risk(self) -> NDArray[np.float64]:
        """The probability of leaving that the decision knew."""
        return self.frame[RISK_COLUMN].to_numpy(dtype=np.float64)

    @property
    def treated(self) -> NDArray[np.bool_]:
        """Whose call was handed to the dialer."""
        return self.frame[TREATED_COLUMN].to_numpy(dtype=np.bool_)

    @property
    def outcome(self) -> NDArray[np.int8]:
        """1 for who stayed, 0 for who left."""
        return self.frame[OUTCOME_COLUMN].to_numpy(dtype=np.int8)


def read_experiment(connection: psycopg.Connection[Any], business_date: date) -> Experiment:
    """Read the customers whose outcome is known on `business_date`.

    Whoever has no features as of the night of the decision is left out.

    Raises:
        NoExperiment: the warehouse shows no experiment yet, or that of another night.
    """
    [relation] = connection.execute(
        "select to_regclass(%s) is not null as is_there", [EXPERIMENT_TABLE]
    ).fetchall()
    if not relation["is_there"]:
        raise NoExperiment(f"there is no {EXPERIMENT_TABLE}: no night has decided on calls yet")
    rows = _read(connection, FEATURE_NAMES)
    frame = pd.read_csv(BytesIO(rows), **csv_options(FEATURE_NAMES))
    nights = sorted(set(frame["business_date"]) - {business_date.isoformat()})
    if nights:
        raise NoExperiment(
            f"{EXPERIMENT_TABLE} is as of {nights[-1]}, not of {business_date}:"
            " run the night of that date first"
        )
    frame = frame.drop(columns="business_date").astype({TREATED_COLUMN: np.bool_})
    return Experiment(frame, hashlib.sha256(rows).hexdigest())


def comparable(experiment: Experiment, minimum_controls: int, seed: int) -> Experiment:
    """Return the customers whose two arms differ by the call alone.

    Left out is who had no churn score, whom nobody could rank by risk, and every campaign with
    fewer than `minimum_controls` customers in one of its arms. Campaigns may hold out different
    shares, and their customers differ; so that each weighs as much among the called as among the
    controls, of its called customers so many are drawn as the campaign with the largest share of
    controls has for each.
    """
    frame = experiment.frame[experiment.frame[RISK_COLUMN].notna()]
    arms = frame.groupby(CAMPAIGN_COLUMN)[TREATED_COLUMN].agg(["sum", "size"])
    called, controls = arms["sum"], arms["size"] - arms["sum"]
    takes_part = (called >= minimum_controls) & (controls >= minimum_controls)
    if not takes_part.any():
        return Experiment(frame.iloc[:0], experiment.sha256)
    ratio = (called / controls)[takes_part].min()
    wanted = (controls[takes_part] * ratio).round().astype(int)
    chance = np.random.default_rng(seed)
    kept = [
        rows[~rows[TREATED_COLUMN]].index.union(
            chance.choice(rows.index[rows[TREATED_COLUMN]], wanted[campaign], replace=False)
        )
        for campaign, rows in frame.groupby(CAMPAIGN_COLUMN)
        if takes_part[campaign]
    ]
    return Experiment(frame.loc[np.sort(np.concatenate(kept))], experiment.sha256)


def _read(connection: psycopg.Connection[Any], names: Sequence[str]) -> bytes:
    query = sql.SQL(
        "copy (select experiment.business_date, experiment.customer_id, experiment.campaign_code,"
        " experiment.churn_probability, experiment.is_treated::int, experiment.has_stayed::int,"
        " {features} from {experiment} as experiment"
        " inner join {churn_feature} as churn_feature"
        " on experiment.decision_date = churn_feature.observation_date"
        " and experiment.customer_id = churn_feature.customer_id"
        # The order decides which rows a seeded sample takes, so it must not depend on a locale.
        ' order by experiment.customer_id collate "C") to stdout (format csv, header)'
    ).format(
        features=sql.SQL(", ").join(sql.Identifier("churn_feature", name) for name in names),
        experiment=sql.Identifier(*EXPERIMENT_TABLE.split(".")),
        churn_feature=sql.Identifier(*FEATURE_TABLE.split(".")),
    )
    with connection.cursor() as cursor, cursor.copy(query) as copy:
        return b"".join(bytes(block) for block in copy)


def csv_options(names: Sequence[str]) -> dict[str, Any]:
    """Return how pandas reads what PostgreSQL copies: features as numbers, gaps as NaN."""
    types: dict[str, Any] = dict.fromkeys(["business_date", "customer_id", CAMPAIGN_COLUMN], str)
    types |= {RISK_COLUMN: np.float64, TREATED_COLUMN: np.int8, OUTCOME_COLUMN: np.int8}
    types |= dict.fromkeys(names, np.float32)
    return {"dtype": types, "keep_default_na": False, "na_values": [""]}
