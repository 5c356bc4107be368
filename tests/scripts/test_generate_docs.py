"""The data dictionary says what the contracts say now, and its check notices when it does not."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from scripts.contracts import CONTRACT_DIR, read_extracts
from scripts.generate_docs import DICTIONARY, generate, main
from scripts.warehouse import PROJECT_DIR

MARTS = sorted((PROJECT_DIR / "dbt_project" / "models" / "marts").rglob("*.sql"))
SEEDS = sorted((PROJECT_DIR / "seeds").glob("*.csv"))


def _sections(text: str) -> dict[str, str]:
    """Return the text below each table's heading by the name in it."""
    return {part.split("`")[1]: part for part in text.split("\n### ")[1:]}


def _has_column(section: str, name: str) -> bool:
    return f"\n| `{name}` | " in section


def test_the_committed_dictionary_is_current() -> None:
    assert main(["--check"]) == 0, f"{DICTIONARY} is out of date: python -m scripts.generate_docs"


def test_the_check_names_a_file_that_differs(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "dictionary.md"
    assert main(["--check", "--file", str(file)]) == 1
    assert main(["--file", str(file)]) == 0
    assert main(["--check", "--file", str(file)]) == 0
    changed = file.read_text(encoding="utf-8").replace("| `customer_id` | text", "| `id` | text", 1)
    file.write_text(changed, encoding="utf-8")
    assert main(["--check", "--file", str(file)]) == 1
    assert file.read_text(encoding="utf-8") == changed, "a check writes nothing"
    assert str(file) in caplog.text


def test_the_check_notices_a_changed_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    contracts = tmp_path / "extracts"
    contracts.mkdir()
    for source in CONTRACT_DIR.glob("*.yml"):
        text = source.read_text(encoding="utf-8").replace("name: urge_count", "name: urges")
        (contracts / source.name).write_text(text, encoding="utf-8")
    monkeypatch.setattr("scripts.generate_docs.CONTRACT_DIR", contracts)
    assert main(["--check"]) == 1


def test_every_mart_and_its_columns_appear() -> None:
    sections = _sections(generate())
    assert len(MARTS) >= 5
    for model in MARTS:
        text = model.with_suffix(".yml").read_text(encoding="utf-8")
        [definition] = yaml.safe_load(text)["models"]
        section = sections[f"marts.{model.stem}"]
        assert all(_has_column(section, column["name"]) for column in definition["columns"])
    assert _has_column(sections["intermediate.planned_call_task"], "phone_number")


def test_every_seed_and_its_columns_appear() -> None:
    sections = _sections(generate())
    assert len(SEEDS) >= 7
    for seed in SEEDS:
        section = sections[f"marts.{seed.stem}"]
        header = seed.read_text(encoding="utf-8").splitlines()[0].split(",")
        assert all(_has_column(section, name) for name in header), seed.stem


def test_every_contract_column_appears_with_its_type() -> None:
    sections = _sections(generate())
    extracts = read_extracts()
    assert len(extracts) >= 10
    for extract in extracts:
        section = sections[str(extract)]
        assert f"`raw.{extract.table}`" in section
        for column in extract.columns:
            personal = "yes" if column.is_personal else ""
            required = "yes" if column.is_required else ""
            row = f"| `{column.name}` | {column.physical_type} | {required} | {personal} | "
            assert row in section, f"{extract}.{column.name}"


def test_descriptions_are_written_out() -> None:
    text = generate()
    assert "{{" not in text
    for section in _sections(text).values():
        rows = [line for line in section.splitlines() if line.startswith("| `")]
        assert rows
        assert not [row for row in rows if row.endswith("|  |")]
