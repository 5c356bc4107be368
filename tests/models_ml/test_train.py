"""Training on a planted history in PostgreSQL: what is learnt, what is refused, who is champion."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest

from models_ml import registry
from models_ml.features import FEATURE_NAMES, MissingFeatureError
from models_ml.groups import group_intervals
from models_ml.leak_guard import LeakSuspected
from models_ml.model import METADATA_FILE, ChurnModel
from models_ml.registry import Champion
from models_ml.stored_files import UnreadableModelError
from models_ml.train import (
    LabelledSet,
    Promotion,
    TooLittleHistory,
    TrainingData,
    decide_promotion,
    ensure_champion,
    fit,
    read_parameters,
    split_by_time,
    train_churn_model,
)
from scripts import database
from scripts.warehouse import Role

BUSINESS_DATE = date(2026, 11, 20)


def test_learns_what_was_planted(marts: str, model_name: str) -> None:
    result = train_churn_model(BUSINESS_DATE, model_name)
    assert (result.model_version, result.is_champion) == ("1", True)
    assert result.promotion_reason == "first model"
    metrics = result.metrics
    assert metrics.row_count == 3000
    assert metrics.roc_auc > 0.75
    assert metrics.pr_auc > 2 * metrics.churn_rate
    assert metrics.top_decile_lift > 3
    assert metrics.mean_probability == pytest.approx(metrics.churn_rate, rel=0.25)
    assert metrics.brier_score < metrics.churn_rate * (1 - metrics.churn_rate)
    assert result.baseline_metrics.roc_auc > 0.7


def test_split_keeps_label_windows_apart(marts: str, model_name: str) -> None:
    window = train_churn_model(BUSINESS_DATE, model_name).window
    horizon = timedelta(days=window.horizon_days)
    assert [(BUSINESS_DATE - observed).days for observed in window.training_dates] == [
        150,
        120,
        90,
        60,
    ]
    for earlier, later in pairwise(window.training_dates):
        assert earlier + horizon <= later
    assert max(window.training_dates) + horizon <= window.test_date
    assert window.test_date + horizon <= BUSINESS_DATE


def test_parameters_that_would_overlap_are_refused() -> None:
    with pytest.raises(ValueError, match="observation_step_days"):
        replace(read_parameters(), observation_step_days=29)


def test_same_data_gives_the_same_model(
    churn_model: ChurnModel, training_data: TrainingData
) -> None:
    again = fit(training_data, read_parameters())
    assert again.learner.trees.save_raw() == churn_model.learner.trees.save_raw()
    assert again.metadata == churn_model.metadata
    other = fit(training_data, replace(read_parameters(), random_seed=1))
    assert other.learner.trees.save_raw() != churn_model.learner.trees.save_raw()


def test_medians_are_those_of_the_training_rows(
    churn_model: ChurnModel, training_data: TrainingData
) -> None:
    medians = dict(zip(FEATURE_NAMES, churn_model.metadata.feature_medians, strict=True))
    amounts = training_data.training.frame["monthly_rent_amount"]
    assert medians["monthly_rent_amount"] == pytest.approx(amounts.median())
    assert medians["overdue_amount"] == 0


def test_figures_by_group_and_kind_of_leaver(
    churn_model: ChurnModel, training_data: TrainingData
) -> None:
    metadata, test = churn_model.metadata, training_data.test.frame
    assert sorted(metadata.group_intervals) == ["product", "star_level"]
    assert sorted(metadata.group_intervals["star_level"]) == ["1", "2", "3"]
    products = metadata.group_intervals["product"]
    assert sorted(products) == ["both", "broadband only", "mobile only", "neither"]
    only_mobile = test["mobile_subscription_count"].gt(0) & test["broadband_subscription_count"].eq(
        0
    )
    assert products["mobile only"]["row_count"].value == only_mobile.sum()
    for groups in metadata.group_intervals.values():
        assert sum(group["row_count"].value for group in groups.values()) == len(test)
    # Who owes money is easily told from the others; the rest leave for reasons harder to see.
    active, passive = (metadata.kind_intervals[kind] for kind in ("active", "passive"))
    assert passive["roc_auc"].low > active["roc_auc"].high
    assert passive["churner_count"].value == (test["churn_kind"] == "passive").sum()
    whole = metadata.intervals["roc_auc"]
    assert active["roc_auc"].value < whole.value < passive["roc_auc"].value
    assert whole.low < whole.value < whole.high
    assert whole.value == pytest.approx(metadata.metrics.roc_auc)


def test_regions_are_told_apart_where_they_are_known(
    churn_model: ChurnModel, training_data: TrainingData
) -> None:
    frame = training_data.test.frame
    regions = np.where(np.arange(len(frame)) % 3, "east", "west")
    probability = churn_model.learner.probability(frame)
    measured = group_intervals(frame.assign(region=regions), probability, seed=1)["region"]
    assert measured["west"]["row_count"].value == 1000


@pytest.mark.parametrize("date_count", [0, 1, 2])
def test_too_few_dates(date_count: int) -> None:
    dates = [BUSINESS_DATE - timedelta(days=30 * number) for number in range(date_count, 0, -1)]
    with pytest.raises(TooLittleHistory, match=rf"^{date_count} labelled .* 3 needed$"):
        split_by_time(BUSINESS_DATE, dates, read_parameters())


def test_three_dates_are_enough() -> None:
    dates = [BUSINESS_DATE - timedelta(days=days) for days in (90, 60, 30)]
    window = split_by_time(BUSINESS_DATE, dates, read_parameters())
    assert (window.training_dates, window.test_date) == (tuple(dates[:2]), dates[2])


@pytest.mark.parametrize(
    ("days", "kept", "message"),
    [
        ([150, 120, 90], 49, "49 churner.* training .* 50 needed"),
        ([60], 19, "19 churner.* validation .* 20 needed"),
        ([30], 19, "19 churner.* test .* 20 needed"),
    ],
)
def test_too_few_churners(
    marts: str, model_name: str, days: list[int], kept: int, message: str
) -> None:
    keep_churners([BUSINESS_DATE - timedelta(days=number) for number in days], kept)
    with pytest.raises(TooLittleHistory, match=message):
        train_churn_model(BUSINESS_DATE, model_name)
    assert champion_version(model_name) is None


def test_just_enough_churners(marts: str, model_name: str) -> None:
    keep_churners([BUSINESS_DATE - timedelta(days=days) for days in (150, 120, 90)], 50)
    keep_churners([BUSINESS_DATE - timedelta(days=60)], 20)
    assert train_churn_model(BUSINESS_DATE, model_name).training_churner_count == 70


def test_a_column_that_knows_the_label_stops_training(marts: str, model_name: str) -> None:
    with database.connect(Role.TRANSFORMER) as connection:
        connection.execute(
            "update marts.fct_churn_feature as churn_feature"
            " set optical_loss_db = 20 + 5 * churn_label.is_churned::int + random()"
            " from marts.fct_churn_label as churn_label"
            " where churn_feature.observation_date = churn_label.observation_date"
            " and churn_feature.customer_id = churn_label.customer_id"
        )
    with pytest.raises(LeakSuspected, match=r"optical_loss_db alone .* ROC-AUC 1\.000"):
        train_churn_model(BUSINESS_DATE, model_name)
    assert read_versions(model_name) == []


def test_missing_feature_is_named(marts: str, model_name: str) -> None:
    with database.connect(Role.TRANSFORMER) as connection:
        connection.execute("alter table marts.fct_churn_feature drop column star_level")
    with pytest.raises(MissingFeatureError, match="star_level"):
        train_churn_model(BUSINESS_DATE, model_name)


def test_champion_is_trained_once(marts: str, model_name: str) -> None:
    first = ensure_champion(BUSINESS_DATE, model_name)
    second = ensure_champion(BUSINESS_DATE, model_name)
    assert (first.status, first.model_version) == ("trained", "1")
    assert first.training is not None
    assert (second.status, second.model_version) == ("present", "1")


def test_too_little_history_is_a_notice_for_the_night(marts: str, model_name: str) -> None:
    early = BUSINESS_DATE - timedelta(days=90)  # leaves the dates 120 and 150 days back
    status = ensure_champion(early, model_name)
    assert (status.status, status.model_version) == ("too_little_history", None)
    assert status.notice is not None and "2 labelled" in status.notice


def test_a_champion_of_earlier_code_is_replaced(
    marts: str, model_name: str, churn_model: ChurnModel, tmp_path: Path
) -> None:
    registry.register(churn_model, is_champion=True, reason="first", model_name=model_name)
    forget_a_figure(tmp_path)
    assert not registry.is_champion_usable(model_name)
    early = ensure_champion(BUSINESS_DATE - timedelta(days=90), model_name)
    assert (early.status, early.model_version) == ("too_little_history", None)
    assert early.notice is not None
    assert "score_bins" in early.notice and "2 labelled" in early.notice
    status = ensure_champion(BUSINESS_DATE, model_name)
    assert (status.status, status.model_version) == ("trained", "2")
    assert status.notice is not None and "version 2 has taken its place" in status.notice
    assert status.training is not None
    assert "the champion cannot be used any more" in status.training.promotion_reason
    assert registry.is_champion_usable(model_name)


def test_equal_challenger_becomes_champion(marts: str, model_name: str) -> None:
    train_churn_model(BUSINESS_DATE, model_name)
    result = train_churn_model(BUSINESS_DATE, model_name)
    assert (result.model_version, result.is_champion) == ("2", True)
    assert "difference +0.0000 (95 % interval +0.0000 to +0.0000)" in result.promotion_reason
    assert champion_version(model_name) == "2"


def test_worse_challenger_does_not(marts: str, model_name: str) -> None:
    train_churn_model(BUSINESS_DATE, model_name)
    with database.connect(Role.TRANSFORMER) as connection:
        connection.execute(
            "update marts.fct_churn_label set is_churned = right(customer_id, 1) = '7'"
            " where observation_date < %s",
            [BUSINESS_DATE - timedelta(days=30)],
        )
    result = train_churn_model(BUSINESS_DATE, model_name)
    assert (result.model_version, result.is_champion) == ("2", False)
    assert result.promotion_reason.startswith("worse than the champion: AUC 0.")
    assert " to -0." in result.promotion_reason  # both ends of the interval below zero
    assert champion_version(model_name) == "1"


@pytest.mark.parametrize(("customers_blurred", "is_champion"), [(30, True), (1500, False)])
def test_worse_means_by_more_than_chance(
    monkeypatch: pytest.MonkeyPatch,
    churn_model: ChurnModel,
    training_data: TrainingData,
    customers_blurred: int,
    is_champion: bool,
) -> None:
    """A challenger that knows nothing of some customers ranks worse than the champion."""
    monkeypatch.setattr(registry, "load_champion", lambda _: Champion("7", churn_model))
    test = training_data.test
    probability = churn_model.learner.probability(test.frame)
    blurred = np.where(np.arange(len(probability)) < customers_blurred, 0.05, probability)
    learner = Mock(probability=lambda _: blurred)
    promotion = decide_promotion(ChurnModel(learner, churn_model.metadata), test, "any")
    assert promotion.is_champion is is_champion
    assert "difference -0." in promotion.reason


def test_a_champion_that_lacks_a_feature_is_replaced(
    monkeypatch: pytest.MonkeyPatch, churn_model: ChurnModel, training_data: TrainingData
) -> None:
    monkeypatch.setattr(registry, "load_champion", lambda _: Champion("7", churn_model))
    test = LabelledSet(training_data.test.frame.drop(columns="age_years"))
    promotion = decide_promotion(churn_model, test, "any")
    assert promotion.is_champion
    assert "cannot be used any more" in promotion.reason and "age_years" in promotion.reason


def test_a_champion_that_cannot_be_read_is_replaced(
    monkeypatch: pytest.MonkeyPatch, churn_model: ChurnModel, training_data: TrainingData
) -> None:
    def unreadable(_: str) -> Champion:
        raise UnreadableModelError("trees.ubj does not exist")

    monkeypatch.setattr(registry, "load_champion", unreadable)
    promotion = decide_promotion(churn_model, training_data.test, "any")
    assert promotion == Promotion(
        True, "the champion cannot be used any more: trees.ubj does not exist"
    )


def champion_version(model_name: str) -> str | None:
    """Return the version of the champion, None when there is none."""
    champion = registry.load_champion(model_name)
    return None if champion is None else champion.version


def forget_a_figure(folder: Path) -> None:
    """Leave out of the stored model's metadata what code before it did not know."""
    [file] = folder.rglob(METADATA_FILE)
    metadata = json.loads(file.read_text(encoding="utf-8"))
    del metadata["score_bins"]
    file.write_text(json.dumps(metadata), encoding="utf-8")


def read_versions(model_name: str) -> list[str]:
    """Return the versions that are registered under the name."""
    from mlflow import MlflowClient

    client = MlflowClient(registry.tracking_uri())
    return [str(each.version) for each in client.search_model_versions(f"name = '{model_name}'")]


def keep_churners(observation_dates: list[date], kept: int) -> None:
    """Turn all but `kept` of the leavers of these dates into stayers."""
    with database.connect(Role.TRANSFORMER) as connection:
        connection.execute(
            "update marts.fct_churn_label as churn_label set is_churned = false from ("
            " select observation_date, customer_id, row_number() over ("
            " order by observation_date, customer_id) as place from marts.fct_churn_label"
            " where is_churned and observation_date = any(%s)) as churner"
            " where place > %s and churner.observation_date = churn_label.observation_date"
            " and churner.customer_id = churn_label.customer_id",
            [observation_dates, kept],
        )
