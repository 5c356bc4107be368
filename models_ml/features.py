"""The churn model's features: what they are, where they are read, how they become a matrix.

The feature list is data. Its values are built point-in-time by dbt in marts.fct_churn_feature; no
feature is computed here, so training and scoring cannot differ in one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from io import BytesIO
from typing import Any, Literal

import numpy as np
import pandas as pd
import psycopg
import pyarrow as pa
import pyarrow.csv
from numpy.typing import NDArray
from psycopg import sql

Direction = Literal["high", "low"]
Matrix = NDArray[np.float32]


@dataclass(frozen=True)
class Feature:
    """A column of marts.fct_churn_feature.

    Attributes:
        name: the column.
        meaning: what it measures, with its unit.
        null_means: the direction of the reason to give when the value is null, where its absence
            says something about the customer; None where absence only means "not known".
    """

    name: str
    meaning: str
    null_means: Direction | None = None


FEATURES: tuple[Feature, ...] = (
    Feature("tenure_days", "days since the first active subscription was activated"),
    Feature("active_subscription_count", "active subscriptions of every kind"),
    Feature("broadband_subscription_count", "active broadband subscriptions"),
    Feature("mobile_subscription_count", "active mobile subscriptions"),
    Feature("monthly_rent_amount", "monthly rent of the active subscriptions, yuan"),
    Feature(
        "contract_remaining_days",
        "days until the contract ends, negative once it has; null without a contract",
        null_means="low",
    ),
    Feature("star_level", "the operator's star level of the customer"),
    Feature("age_years", "age of the customer, years"),
    Feature("invoice_amount_90d", "average invoiced amount per month over 90 days, yuan"),
    Feature("payment_count_90d", "payments in 90 days"),
    Feature("late_payment_count_90d", "payments in 90 days made after the due date"),
    Feature("overdue_amount", "invoiced amount that is due and unpaid, yuan"),
    Feature("ticket_count_30d", "trouble tickets reported in 30 days"),
    Feature("ticket_count_90d", "trouble tickets reported in 90 days"),
    Feature("dispatch_count_90d", "dispatches to the customer in 90 days"),
    Feature("open_ticket_count", "trouble tickets that are open"),
    Feature(
        "longest_fault_days_90d",
        "longest time from report to close in 90 days, days; null without a fault",
        null_means="low",
    ),
    Feature("download_gib_30d", "downloaded in 30 days, GiB"),
    Feature("online_hours_30d", "hours with traffic in 30 days"),
    Feature("usage_change_ratio", "download of the last 30 days over that of the 30 before"),
    Feature("days_since_last_online", "days since the last day with traffic"),
    Feature("optical_loss_db", "latest downstream optical loss, dB"),
)
FEATURE_TABLE = "marts.fct_churn_feature"
FEATURE_NAMES: tuple[str, ...] = tuple(feature.name for feature in FEATURES)
NULL_DIRECTIONS: dict[str, Direction | None] = {
    feature.name: feature.null_means for feature in FEATURES
}

KEY_COLUMNS = ("observation_date", "customer_id")
LABEL_COLUMN = "is_churned"
KIND_COLUMN = "churn_kind"  # active, passive; null for who stayed
# Tells groups of customers apart in the model's figures, where the feature table has it.
REGION_COLUMN = "region"


class MissingFeatureError(ValueError):
    """A feature that the model needs is not in the data."""

    def __init__(self, missing: Sequence[str], place: str) -> None:
        super().__init__(f"{place} lacks the feature(s) {', '.join(missing)}")
        self.missing = tuple(missing)


def feature_hash(names: Sequence[str]) -> str:
    """Return the sha256 of the ordered feature names: two models with it read the same columns."""
    return hashlib.sha256("\n".join(names).encode()).hexdigest()


def feature_matrix(frame: pd.DataFrame, names: Sequence[str]) -> Matrix:
    """Return the columns `names` of `frame` in that order, whatever the frame's own order.

    Nulls become NaN, which XGBoost takes as they are.

    Raises:
        MissingFeatureError: naming every feature that the frame lacks.
    """
    _require(names, list(frame.columns), "the feature frame")
    return frame[list(names)].to_numpy(dtype=np.float32, na_value=np.nan)


def read_features(
    connection: psycopg.Connection[Any],
    observation_dates: Sequence[date],
    names: Sequence[str] = FEATURE_NAMES,
) -> pd.DataFrame:
    """Read the customers' features as of `observation_dates`, ordered by date and customer.

    Raises:
        MissingFeatureError: naming every feature that marts.fct_churn_feature lacks.
    """
    _require(names, _table_columns(connection), FEATURE_TABLE)
    return _read(connection, sql.SQL(""), [], observation_dates, names)


def read_labelled_features(
    connection: psycopg.Connection[Any],
    observation_dates: Sequence[date],
    names: Sequence[str] = FEATURE_NAMES,
) -> pd.DataFrame:
    """Read features with label (`is_churned`, 0 or 1), kind of leaver and, where known, region.

    Unlabelled customers are left out. There is no column `region` if marts.fct_churn_feature has
    none.

    Raises:
        MissingFeatureError: naming every feature that marts.fct_churn_feature lacks.
    """
    present = _table_columns(connection)
    _require(names, present, FEATURE_TABLE)
    extra = [
        sql.SQL("churn_label.is_churned::int as {}").format(sql.Identifier(LABEL_COLUMN)),
        sql.Identifier("churn_label", KIND_COLUMN),
    ]
    if REGION_COLUMN in present:
        extra.append(sql.Identifier("churn_feature", REGION_COLUMN))
    join = sql.SQL(
        "inner join marts.fct_churn_label as churn_label"
        " on churn_feature.observation_date = churn_label.observation_date"
        " and churn_feature.customer_id = churn_label.customer_id"
    )
    return _read(connection, join, extra, observation_dates, names)


def _read(
    connection: psycopg.Connection[Any],
    join: sql.Composable,
    extra_columns: Sequence[sql.Composable],
    observation_dates: Sequence[date],
    names: Sequence[str],
) -> pd.DataFrame:
    """Read by COPY into Arrow: several times faster than fetching rows."""
    columns = [sql.Identifier("churn_feature", name) for name in (*KEY_COLUMNS, *names)]
    query = sql.SQL(
        "copy (select {columns} from marts.fct_churn_feature as churn_feature {join}"
        " where churn_feature.observation_date = any(%(observation_dates)s)"
        # The order decides which rows a seeded sample takes, so it must not depend on a locale.
        ' order by churn_feature.observation_date, churn_feature.customer_id collate "C"'
        ") to stdout (format csv, header)"
    ).format(columns=sql.SQL(", ").join([*columns, *extra_columns]), join=join)
    buffer = BytesIO()
    with (
        connection.cursor() as cursor,
        cursor.copy(query, {"observation_dates": list(observation_dates)}) as copy,
    ):
        for block in copy:
            buffer.write(block)
    buffer.seek(0)
    return _parse(buffer, names)


def _parse(buffer: BytesIO, names: Sequence[str]) -> pd.DataFrame:
    types = {"observation_date": pa.date32(), "customer_id": pa.string()}
    types |= dict.fromkeys(names, pa.float32()) | {LABEL_COLUMN: pa.int8()}
    types |= dict.fromkeys([KIND_COLUMN, REGION_COLUMN], pa.string())
    options = pa.csv.ConvertOptions(column_types=types, null_values=[""], strings_can_be_null=True)
    table = pa.csv.read_csv(buffer, convert_options=options)
    frame: pd.DataFrame = table.to_pandas()
    return frame


def _table_columns(connection: psycopg.Connection[Any]) -> list[str]:
    description = connection.execute("select * from marts.fct_churn_feature limit 0").description
    return [column.name for column in description or []]


def _require(names: Sequence[str], present: Sequence[str], place: str) -> None:
    missing = sorted(set(names) - set(present))
    if missing:
        raise MissingFeatureError(missing, place)
