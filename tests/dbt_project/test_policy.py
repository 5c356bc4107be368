"""What every model of the project promises, read from its yml without a database."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

PROJECT_DIR = Path(__file__).resolve().parents[2]
MODEL_DIR = PROJECT_DIR / "dbt_project" / "models"
SEED_DIR = PROJECT_DIR / "seeds"
MODELS = sorted(MODEL_DIR.rglob("*.sql"))


def _is_view(model: Path) -> bool:
    text = model.read_text(encoding="utf-8")
    is_in_folder_of_views = bool({"staging", "measured", "monthly"} & set(model.parts))
    return "materialized='view'" in text or (is_in_folder_of_views and "materialized=" not in text)


PUBLIC = [file for file in MODELS if "marts" in file.parts]
# Views, each read once, need neither a key nor a distribution.
STORED = [file for file in MODELS if not _is_view(file)]
MAX_LINES = 120
LIST_OF_EVERYTHING = "customer_360"  # one join and one list of columns, however long


def _definition(model: Path) -> dict[str, Any]:
    """Return the model's entry in the yml of the same base name, which holds no other model."""
    [entry] = yaml.safe_load(model.with_suffix(".yml").read_text(encoding="utf-8"))["models"]
    assert entry["name"] == model.stem
    return dict(entry)


def _project() -> dict[str, Any]:
    text = (PROJECT_DIR / "dbt_project" / "dbt_project.yml").read_text(encoding="utf-8")
    return dict(yaml.safe_load(text))


def test_there_are_models() -> None:
    assert len(MODELS) >= 30
    assert len(PUBLIC) >= 5
    assert len(STORED) > len(PUBLIC)


@pytest.mark.parametrize("model", MODELS, ids=lambda file: file.stem)
def test_model_says_what_a_row_is_and_what_its_columns_are(model: Path) -> None:
    definition = _definition(model)
    assert definition["description"].startswith("One row per ")
    assert definition["columns"]
    assert all(column.get("description") for column in definition["columns"])


@pytest.mark.parametrize("model", STORED, ids=lambda file: file.stem)
def test_stored_model_can_be_distributed_and_has_a_key(model: Path) -> None:
    definition = _definition(model)
    assert all(column.get("data_type") for column in definition["columns"])
    [key] = [rule for rule in definition["constraints"] if rule["type"] == "primary_key"]
    meta = definition["config"]["meta"]
    assert meta.get("reference_table") or meta["distribution_column"] in key["columns"]


def test_contracts_are_enforced_wherever_others_read() -> None:
    models = _project()["models"]["retention"]
    for folder in ("marts", "outbound", "intermediate"):
        assert models[folder]["+contract"] == {"enforced": True}


@pytest.mark.parametrize("model", MODELS, ids=lambda file: file.stem)
def test_model_has_the_house_shape(model: Path) -> None:
    lines = model.read_text(encoding="utf-8").strip().splitlines()
    assert lines[-1] == "select * from final"
    first = next(
        line for line in lines if not line.startswith(("--", "{{", " ", "}}", ")")) and line
    )
    assert first.startswith("with ")
    assert len(lines) <= MAX_LINES or model.stem == LIST_OF_EVERYTHING


@pytest.mark.parametrize("model", PUBLIC, ids=lambda file: file.stem)
def test_nothing_personal_is_in_the_marts(model: Path) -> None:
    columns = {column["name"] for column in _definition(model)["columns"]}
    assert not columns & {"customer_name", "contact_phone", "phone_number", "identity_number"}


def test_every_seed_is_documented_with_the_types_of_its_columns() -> None:
    seeds = sorted(SEED_DIR.glob("*.csv"))
    assert seeds
    for seed in seeds:
        [entry] = yaml.safe_load(seed.with_suffix(".yml").read_text(encoding="utf-8"))["seeds"]
        header = seed.read_text(encoding="utf-8").splitlines()[0].split(",")
        assert entry["description"].startswith("One row per ")
        assert list(entry["config"]["column_types"]) == header
        assert [column["name"] for column in entry["columns"]] == header
