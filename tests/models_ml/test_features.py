"""The feature list, and how features are read and put in order."""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
import pytest

from models_ml.features import (
    FEATURE_NAMES,
    MissingFeatureError,
    feature_hash,
    feature_matrix,
    read_features,
    read_labelled_features,
)
from scripts import database
from scripts.warehouse import Role

BUSINESS_DATE = date(2026, 11, 20)


def test_hash_depends_on_names_and_order() -> None:
    assert feature_hash(["a", "b"]) == feature_hash(("a", "b"))
    assert len({feature_hash(names) for names in (["a", "b"], ["b", "a"], ["ab"])}) == 3


def test_matrix_ignores_the_frames_order_and_takes_nulls(tonight: pd.DataFrame) -> None:
    matrix = feature_matrix(tonight, FEATURE_NAMES)
    np.testing.assert_array_equal(
        matrix, feature_matrix(tonight[tonight.columns[::-1]], FEATURE_NAMES)
    )
    assert np.isnan(matrix[:, FEATURE_NAMES.index("optical_loss_db")]).any()


def test_missing_features_are_named(tonight: pd.DataFrame) -> None:
    with pytest.raises(MissingFeatureError, match="overdue_amount, star_level"):
        feature_matrix(tonight.drop(columns=["star_level", "overdue_amount"]), FEATURE_NAMES)


def test_reads_what_the_mart_holds(marts: str, tonight: pd.DataFrame) -> None:
    with database.connect(Role.SCORER) as connection:
        frame = read_features(connection, [BUSINESS_DATE])
    assert list(frame["customer_id"]) == list(tonight["customer_id"])
    assert set(frame["observation_date"]) == {BUSINESS_DATE}
    np.testing.assert_array_equal(
        feature_matrix(frame, FEATURE_NAMES), feature_matrix(tonight, FEATURE_NAMES)
    )


def test_reads_labels_of_labelled_dates_only(marts: str, history: pd.DataFrame) -> None:
    dates = sorted(history["observation_date"].unique())
    with database.connect(Role.SCORER) as connection:
        frame = read_labelled_features(connection, dates)
    labelled = history[history["is_churned"].notna()]
    assert BUSINESS_DATE in dates and BUSINESS_DATE not in set(frame["observation_date"])
    assert list(frame["is_churned"]) == [int(label) for label in labelled["is_churned"]]
    kinds = [None if pd.isna(kind) else kind for kind in frame["churn_kind"]]
    assert kinds == list(labelled["churn_kind"])
    assert set(kinds) == {None, "active", "passive"}
    assert "region" not in frame


def test_reads_the_region_where_there_is_one(marts: str, history: pd.DataFrame) -> None:
    with database.connect(Role.TRANSFORMER) as connection:
        connection.execute("alter table marts.fct_churn_feature add column region text")
        connection.execute("update marts.fct_churn_feature set region = '城东'")
    with database.connect(Role.SCORER) as connection:
        frame = read_labelled_features(connection, [history["observation_date"].iloc[0]])
    assert set(frame["region"]) == {"城东"}


def test_a_column_missing_from_the_mart_is_named(marts: str) -> None:
    with database.connect(Role.TRANSFORMER) as connection:
        connection.execute("alter table marts.fct_churn_feature drop column optical_loss_db")
    with (
        database.connect(Role.SCORER) as connection,
        pytest.raises(MissingFeatureError, match=r"fct_churn_feature .* optical_loss_db$"),
    ):
        read_features(connection, [BUSINESS_DATE])
