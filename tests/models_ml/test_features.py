"""The feature list, and how features are read and put in order."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from models_ml import features
from models_ml.features import (
    FEATURE_NAMES,
    FeatureBlock,
    MissingFeatureError,
    feature_hash,
    read_feature_blocks,
    read_labelled_features,
)
from scripts import database
from scripts.warehouse import Role

BUSINESS_DATE = date(2026, 11, 20)


def test_hash_depends_on_names_and_order() -> None:
    assert feature_hash(["a", "b"]) == feature_hash(("a", "b"))
    assert len({feature_hash(names) for names in (["a", "b"], ["b", "a"], ["ab"])}) == 3


def test_reads_what_the_mart_holds(
    marts: str, tonight: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(features, "BLOCK_ROWS", 700)  # several blocks, the last one short
    names = ["star_level", "optical_loss_db", "overdue_amount"]
    blocks = read_blocks(BUSINESS_DATE, names)
    assert [len(block.matrix) for block in blocks] == [700, 700, 700, 700, 200]
    ids = pa.concat_arrays([block.customer_ids for block in blocks]).to_pylist()
    read = pd.DataFrame(np.concatenate([block.matrix for block in blocks]), ids, names)
    expected = tonight.set_index("customer_id")[names].astype("float32")
    pd.testing.assert_frame_equal(read.sort_index(), expected, check_names=False)
    assert read["optical_loss_db"].isna().any()


def test_ids_may_be_of_any_length_and_script(marts: str) -> None:
    ids = ["C000000", "甲", "C1", "a longer one"]
    with database.connect(Role.TRANSFORMER) as connection:
        connection.execute("delete from marts.fct_churn_feature where customer_id <> 'C000000'")
        for customer_id in ids[1:]:
            connection.execute(
                "insert into marts.fct_churn_feature (observation_date, customer_id, star_level)"
                " values (%s, %s, %s)",
                [BUSINESS_DATE, customer_id, len(customer_id)],
            )
    [block] = read_blocks(BUSINESS_DATE, ["star_level"])
    read = dict(zip(block.customer_ids.to_pylist(), block.matrix[:, 0], strict=True))
    assert set(read) == set(ids)
    assert {customer_id: read[customer_id] for customer_id in ids[1:]} == {
        customer_id: len(customer_id) for customer_id in ids[1:]
    }


def test_a_date_without_rows_has_no_blocks(marts: str) -> None:
    assert read_blocks(date(2026, 11, 21), FEATURE_NAMES) == []


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
        list(read_feature_blocks(connection, BUSINESS_DATE, FEATURE_NAMES))


def read_blocks(observation_date: date, names: Sequence[str]) -> list[FeatureBlock]:
    """Return all blocks of a date."""
    with database.connect(Role.SCORER) as connection:
        return list(read_feature_blocks(connection, observation_date, names))
