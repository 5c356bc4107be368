"""Models survive the way into the registry and back, and damaged ones are refused."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from models_ml import registry
from models_ml.features import feature_hash
from models_ml.learner import LEARNER_FILE, TREES_FILE
from models_ml.model import METADATA_FILE, ChurnModel, load, save
from models_ml.model_card import model_card
from models_ml.stored_files import UnreadableModelError
from scripts import database
from scripts.warehouse import MLFLOW_DATABASE, Role


def test_no_champion_in_an_empty_registry(warehouse_db: str, model_name: str) -> None:
    assert registry.load_champion(model_name) is None


def test_champion_comes_back_the_same(
    warehouse_db: str, model_name: str, churn_model: ChurnModel, tonight: pd.DataFrame
) -> None:
    version = registry.register(
        churn_model, is_champion=True, reason="first model", model_name=model_name
    )
    champion = registry.load_champion(model_name)
    assert champion is not None and champion.version == version == "1"
    assert replace(champion.model.metadata, learner_sha256="") == churn_model.metadata
    np.testing.assert_array_equal(
        champion.model.learner.probability(tonight), churn_model.learner.probability(tonight)
    )


def test_a_version_without_the_alias_is_no_champion(
    warehouse_db: str, model_name: str, churn_model: ChurnModel
) -> None:
    registry.register(churn_model, is_champion=False, reason="worse", model_name=model_name)
    assert registry.load_champion(model_name) is None


def test_runs_carry_window_features_and_metrics(
    warehouse_db: str, model_name: str, churn_model: ChurnModel
) -> None:
    registry.register(churn_model, is_champion=True, reason="first model", model_name=model_name)
    from mlflow import MlflowClient

    client = MlflowClient(registry.tracking_uri())
    version = client.get_model_version_by_alias(model_name, "champion")
    run = client.get_run(str(version.run_id))
    metadata = churn_model.metadata
    assert version.description == run.data.tags["promotion_reason"] == "first model"
    assert run.data.params["feature_hash"] == metadata.feature_hash
    assert run.data.params["test_date"] == str(metadata.window.test_date)
    assert run.data.params["features"].split(", ") == list(metadata.features)
    assert run.data.metrics["roc_auc"] == pytest.approx(metadata.metrics.roc_auc)
    assert run.data.metrics["baseline_roc_auc"] > 0.5
    assert run.data.metrics["roc_auc_low"] < metadata.metrics.roc_auc
    assert metadata.metrics.roc_auc < run.data.metrics["roc_auc_high"]
    both = metadata.group_intervals["product"]["both"]
    assert both["brier"].low < both["brier"].high
    for measure in ("roc_auc", "brier", "calibration_error", "expected_maximum_profit"):
        name = f"product/both/{measure}"
        assert run.data.metrics[name] == pytest.approx(both[measure].value)
        assert run.data.metrics[f"{name}_low"] == pytest.approx(both[measure].low)
        assert run.data.metrics[f"{name}_high"] == pytest.approx(both[measure].high)
    assert run.data.metrics["product/both/churner_count"] == both["churner_count"].value
    assert {"star_level/1/roc_auc", "kind/passive/roc_auc"} <= run.data.metrics.keys()


def test_very_many_groups_are_logged(
    warehouse_db: str, model_name: str, churn_model: ChurnModel
) -> None:
    both = churn_model.metadata.group_intervals["product"]["both"]
    regions = {f"城{number} | 区": both for number in range(80)}
    metadata = replace(churn_model.metadata, group_intervals={"region": regions})
    registry.register(
        replace(churn_model, metadata=metadata),
        is_champion=False,
        reason="first model",
        model_name=model_name,
    )
    from mlflow import MlflowClient

    client = MlflowClient(registry.tracking_uri())
    [version] = client.search_model_versions(f"name = '{model_name}'")
    metrics = client.get_run(str(version.run_id)).data.metrics
    assert len(metrics) > registry.BATCH_METRICS
    for number in range(80):
        assert f"region/城{number} _ 区/roc_auc" in metrics


def test_the_model_card_lies_beside_the_model(
    warehouse_db: str, model_name: str, churn_model: ChurnModel
) -> None:
    version = registry.register(
        churn_model, is_champion=True, reason="first model", model_name=model_name
    )
    [card] = registry.artifact_dir().rglob("model_card.md")
    assert card.read_text(encoding="utf-8") == model_card(
        churn_model.metadata, "first model", version
    )
    assert (card.parent / "model" / METADATA_FILE).is_file()


def test_store_is_the_scorers_database_with_telemetry_off(
    warehouse_db: str, model_name: str
) -> None:
    assert not registry.is_champion_usable(model_name)
    from mlflow.telemetry.utils import is_telemetry_disabled

    assert is_telemetry_disabled()
    assert MLFLOW_DATABASE in registry.tracking_uri()
    assert Role.SCORER in registry.tracking_uri()
    found = database.fetch_all(
        None, "select to_regclass('public.registered_models') is null as is_clean"
    )
    assert found == [{"is_clean": True}]  # nothing of it in the warehouse's own database


def test_lost_files_are_reported_with_what_to_do(
    warehouse_db: str, model_name: str, churn_model: ChurnModel
) -> None:
    registry.register(churn_model, is_champion=True, reason="first model", model_name=model_name)
    [file] = registry.artifact_dir().rglob(TREES_FILE)
    file.unlink()
    with pytest.raises(UnreadableModelError, match=TREES_FILE):
        registry.load_champion(model_name)
    shutil.rmtree(file.parent)
    with pytest.raises(UnreadableModelError, match=r"models_ml\.train"):
        registry.load_champion(model_name)


def test_altered_models_are_refused(churn_model: ChurnModel, tmp_path: Path) -> None:
    save(churn_model, tmp_path)
    metadata = json.loads((tmp_path / METADATA_FILE).read_text(encoding="utf-8"))

    def load_with(**changes: object) -> ChurnModel:
        text = json.dumps(metadata | changes)
        (tmp_path / METADATA_FILE).write_text(text, encoding="utf-8")
        return load(tmp_path)

    assert load_with().metadata.features == churn_model.metadata.features
    swapped = metadata["features"][::-1]
    with pytest.raises(UnreadableModelError, match="hash"):
        load_with(features=swapped)
    with pytest.raises(UnreadableModelError, match="different features"):
        load_with(features=swapped, feature_hash=feature_hash(swapped))
    incomplete = {name: value for name, value in metadata.items() if name != "window"}
    (tmp_path / METADATA_FILE).write_text(json.dumps(incomplete), encoding="utf-8")
    with pytest.raises(UnreadableModelError, match="not this version's metadata: KeyError"):
        load(tmp_path)


@pytest.mark.parametrize("name", [TREES_FILE, LEARNER_FILE])
def test_altered_files_are_refused(churn_model: ChurnModel, tmp_path: Path, name: str) -> None:
    save(churn_model, tmp_path)
    with (tmp_path / name).open("ab") as file:
        file.write(b" ")
    with pytest.raises(UnreadableModelError, match=f"{name} is not the file that was saved"):
        load(tmp_path)
