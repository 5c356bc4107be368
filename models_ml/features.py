"""The churn model's features: what they are, where they are read, how they become a matrix.

The feature list is data. Its values are built point-in-time by dbt in marts.fct_churn_feature; no
feature is computed here, so training and scoring cannot differ in one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
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

from scripts.copy_streams import prepared_ahead

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
        is_flag: its value is 1 or 0, and 1 is high even where most customers have it.
    """

    name: str
    meaning: str
    null_means: Direction | None = None
    is_flag: bool = False


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
    Feature("fixed_voice_subscription_count", "active fixed-voice subscriptions"),
    Feature("bandwidth_mbps", "highest bandwidth of the broadband lines, Mbit/s; null without one"),
    Feature("arpu_amount", "average of the last three billed months, yuan"),
    Feature("late_payment_count_12m", "payments in 12 months made after the due date"),
    Feature("balance_amount", "money on the accounts less what is unpaid, yuan"),
    Feature("credit_limit_amount", "credit limit of the accounts, yuan"),
    Feature("is_auto_pay", "1 when the bills are paid automatically, else 0", is_flag=True),
    Feature("is_prepaid", "1 when every account is prepaid, else 0", is_flag=True),
    Feature("is_suspended", "1 when an account is suspended, else 0", is_flag=True),
    Feature("arrears_suspension_count_12m", "suspensions for arrears in 12 months"),
    Feature("contact_count_3m", "contacts of every kind in three months"),
    Feature("hotline_contact_count_3m", "calls to the hotline in three months"),
    Feature("store_contact_count_3m", "visits to a store in three months"),
    Feature(
        "electronic_contact_count_3m",
        "contacts by app, web hall or text message hall in three months",
    ),
    Feature("inquiry_count_3m", "inquiries in three months"),
    Feature("bill_query_count_3m", "queries of bills in three months"),
    Feature("urge_count_3m", "contacts in three months that urged a repair or an order"),
    Feature("complaint_count_3m", "complaints in three months"),
    Feature("fee_complaint_count_3m", "complaints about fees in three months"),
    Feature("network_complaint_count_3m", "complaints about the network in three months"),
    Feature("service_complaint_count_3m", "complaints about the service in three months"),
    Feature("unresolved_complaint_count_3m", "complaints of three months that are not resolved"),
    Feature("complaint_count_12m", "complaints in 12 months"),
    Feature(
        "days_since_last_contact",
        "days since the last contact within three months; null without one",
        null_means="high",
    ),
    Feature("data_mb_30d", "mobile data in 30 days, MB; null without a mobile line"),
    Feature("data_day_count_30d", "days with mobile data in 30 days; null without a mobile line"),
    Feature("voice_minutes_30d", "minutes of mobile calls in 30 days; null without a mobile line"),
    Feature("voice_day_count_30d", "days with mobile calls in 30 days; null without a mobile line"),
    Feature("sms_count_30d", "text messages sent in 30 days; null without a mobile line"),
    Feature("mms_count_30d", "multimedia messages sent in 30 days; null without a mobile line"),
    Feature(
        "competitor_call_count_30d",
        "calls with other operators' numbers in 30 days; null without a mobile line",
    ),
    Feature(
        "days_since_last_mobile_use",
        "days since a mobile line was last used, within 31 days; null without such use",
    ),
    Feature("value_added_service_count", "value-added services held"),
    Feature(
        "value_added_fee_amount",
        "fees of value-added services in the latest billed month, yuan",
    ),
    Feature("has_ring_back_tone", "1 with a ring-back tone, else 0", is_flag=True),
    Feature(
        "data_package_monthly_fee_amount",
        "monthly fee of the data packages, yuan; null without one",
    ),
    Feature(
        "data_used_ratio",
        "share of the data package used in the latest month; null without one",
    ),
    Feature("roaming_count_2m", "stays in other networks in two months"),
    Feature("out_of_province_count_2m", "stays outside the province in two months"),
    Feature("points_balance_count", "loyalty points"),
    Feature(
        "device_tenure_days",
        "days that the telephone has been in use; null without a known one",
    ),
    Feature(
        "is_smart_device",
        "1 with a smart telephone, 0 with another, null without a known one",
        is_flag=True,
    ),
    Feature(
        "linked_customer_count",
        "customers linked with this one (family, organisation, payer)",
    ),
)
FEATURE_TABLE = "marts.fct_churn_feature"
FEATURE_NAMES: tuple[str, ...] = tuple(feature.name for feature in FEATURES)
NULL_DIRECTIONS: dict[str, Direction | None] = {
    feature.name: feature.null_means for feature in FEATURES
}
FLAGS: frozenset[str] = frozenset(feature.name for feature in FEATURES if feature.is_flag)

KEY_COLUMNS = ("observation_date", "customer_id")
LABEL_COLUMN = "is_churned"
KIND_COLUMN = "churn_kind"  # active, passive; null for who stayed
# Tells groups of customers apart in the model's figures; not learnt from.
REGION_COLUMN = "region"

# Customers read at a time: enough to be quick, few enough for the processor's cache.
BLOCK_ROWS = 8192
COPY_HEADER_SIZE = 19
COPY_END = b"\xff\xff"
UNEVEN_ROWS = "features changed while they were read: repeat the step"


class MissingFeatureError(ValueError):
    """A feature that the model needs is not in the data."""

    def __init__(self, missing: Sequence[str], place: str) -> None:
        super().__init__(f"{place} lacks the feature(s) {', '.join(missing)}")
        self.missing = tuple(missing)


def feature_hash(names: Sequence[str]) -> str:
    """Return the sha256 of the ordered feature names: two models with it read the same columns."""
    return hashlib.sha256("\n".join(names).encode()).hexdigest()


@dataclass(frozen=True)
class FeatureBlock:
    """Some of a date's customers: their ids, and their features as rows by names, NaN for null."""

    customer_ids: pa.Array
    matrix: Matrix


def read_feature_blocks(
    connection: psycopg.Connection[Any], observation_date: date, names: Sequence[str]
) -> Iterator[FeatureBlock]:
    """Read the features of all customers observed on a date, in no order, a block at a time.

    While a block is worked on, a thread reads the next ones. Until the last one has been read the
    connection serves nothing else.

    Raises:
        MissingFeatureError: naming every feature that marts.fct_churn_feature lacks.
    """
    _require(names, _table_columns(connection), FEATURE_TABLE)
    width = _id_width(connection, observation_date)
    rows = _fixed_rows(width, len(names))
    with (
        connection.cursor() as cursor,
        cursor.copy(
            _block_query(names),
            {"observation_date": observation_date, "no_id": bytes(width)},
        ) as copy,
    ):
        for block in prepared_ahead(_gathered(copy, rows.itemsize)):
            yield _decoded(np.frombuffer(block, dtype=rows))


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
    columns = [sql.Identifier("churn_feature", name) for name in (*KEY_COLUMNS, *names)]
    query = sql.SQL(
        "copy (select {columns} from marts.fct_churn_feature as churn_feature {join}"
        " where churn_feature.observation_date = any(%(observation_dates)s)"
        # The order decides which rows a seeded sample takes, so it must not depend on a locale.
        ' order by churn_feature.observation_date, churn_feature.customer_id collate "C"'
        ") to stdout (format csv, header)"
    ).format(columns=sql.SQL(", ").join([*columns, *extra]), join=join)
    buffer = BytesIO()  # by COPY into Arrow: several times faster than fetching rows
    with (
        connection.cursor() as cursor,
        cursor.copy(query, {"observation_dates": list(observation_dates)}) as copy,
    ):
        for block in copy:
            buffer.write(block)
    buffer.seek(0)
    return _parse(buffer, names)


def _id_width(connection: psycopg.Connection[Any], observation_date: date) -> int:
    (found,) = connection.execute(
        "select coalesce(max(octet_length(customer_id)), 1) as width from marts.fct_churn_feature"
        " where observation_date = %s",
        [observation_date],
    ).fetchall()
    return int(found["width"])


def _block_query(names: Sequence[str]) -> sql.Composed:
    """Return a binary COPY whose rows are all equally long, so that they need no parsing.

    An id is filled up with zero bytes, and a null is NaN.
    """
    features = [sql.SQL("coalesce({}::real, 'NaN')").format(sql.Identifier(name)) for name in names]
    return sql.SQL(
        "copy (select overlay(%(no_id)s placing convert_to(customer_id, 'UTF8') from 1), {}"
        " from marts.fct_churn_feature where observation_date = %(observation_date)s"
        ") to stdout (format binary)"
    ).format(sql.SQL(", ").join(features))


def _fixed_rows(width: int, count: int) -> np.dtype[np.void]:
    """Return a row of that COPY as PostgreSQL sends it: how many fields, then size and value."""
    return np.dtype(
        [
            ("field_count", ">i2"),
            ("id_size", ">i4"),
            ("id", f"S{width}"),
            ("features", [("size", ">i4"), ("value", ">f4")], (count,)),
        ]
    )


def _gathered(copy: psycopg.Copy, row_size: int) -> Iterator[bytearray]:
    """Yield the rows of a binary COPY, BLOCK_ROWS at a time, without its header and its end."""
    block = bytearray()
    is_begun = False
    for part in copy:
        block += part
        if not is_begun:
            del block[:COPY_HEADER_SIZE]
            is_begun = True
        if len(block) >= BLOCK_ROWS * row_size:
            yield block[: BLOCK_ROWS * row_size]
            block = block[BLOCK_ROWS * row_size :]
    rest = len(block) // row_size * row_size
    if bytes(block[rest:]) != COPY_END:
        raise ValueError(UNEVEN_ROWS)
    if rest:
        yield block[:rest]


def _decoded(rows: NDArray[np.void]) -> FeatureBlock:
    if (rows["id_size"] != rows["id"].itemsize).any():
        raise ValueError(UNEVEN_ROWS)
    matrix = rows["features"]["value"].astype(np.float32)
    return FeatureBlock(pa.array(rows["id"], pa.binary()).cast(pa.string()), matrix)


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
