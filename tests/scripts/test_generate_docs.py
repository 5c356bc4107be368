"""The generated documents say what models and contracts say now, and the check notices if not."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache
from pathlib import Path

import pyarrow as pa
import pytest
import yaml

from scripts.contracts import find_extract, read_extracts
from scripts.delivery_terms import CONTRACT_DIR
from scripts.generate_docs.__main__ import DOCS_DIR, documents, main
from scripts.row_checks import check_batch
from scripts.warehouse import PROJECT_DIR

MARTS = sorted((PROJECT_DIR / "dbt_project" / "models" / "marts").rglob("*.sql"))
SEEDS = sorted((PROJECT_DIR / "seeds").glob("*.csv"))
DICTIONARY = Path("data-dictionary.md")
EXTRACTS = Path("extracts.md")
TICKETS = Path("samples/fault/trouble_ticket.csv")


@cache
def _documents() -> dict[Path, bytes]:
    return documents()


def _page(path: Path) -> str:
    return _documents()[path].decode()


def _sections(text: str) -> dict[str, str]:
    """Return the text below each table's heading by the name in it."""
    parts = (f"`{part}" for part in text.split("\n### `")[1:])
    return {part.split("`")[1]: part for part in parts}


def _has_column(section: str, name: str) -> bool:
    return f"\n| `{name}` | " in section


def _contracts_with(folder: Path, old: str, new: str) -> Path:
    """Copy the contracts into `folder`, with one text replaced; returns the folder."""
    folder.mkdir()
    texts = {file.name: file.read_text(encoding="utf-8") for file in CONTRACT_DIR.glob("*.yml")}
    assert any(old in text for text in texts.values())
    for name, text in texts.items():
        (folder / name).write_text(text.replace(old, new), encoding="utf-8")
    return folder


def test_the_committed_documents_are_current(caplog: pytest.LogCaptureFixture) -> None:
    assert main(["--check"]) == 0, caplog.text


def test_the_check_names_each_file_that_differs_and_writes_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    command = ["--docs-dir", str(tmp_path)]
    assert main([*command, "--check"]) == 1
    assert main(command) == 0
    assert main([*command, "--check"]) == 0

    page, sample = tmp_path / EXTRACTS, tmp_path / TICKETS
    page.write_bytes(page.read_bytes().replace(b"| `customer_id` |", b"| `id` |", 1))
    sample.write_bytes(sample.read_bytes().replace(b"\n", b"\r\n"))
    removed = tmp_path / "samples" / "crm" / "customer.csv"
    removed.unlink()
    stale = tmp_path / "samples" / "crm" / "forgotten.csv"
    stale.write_text("customer_id\n", encoding="utf-8")
    before = {file: file.read_bytes() for file in tmp_path.rglob("*.*")}
    caplog.clear()

    assert main([*command, "--check"]) == 1
    assert {file: file.read_bytes() for file in tmp_path.rglob("*.*")} == before
    named = {record.getMessage().split(" ")[0] for record in caplog.records}
    assert named == {str(file) for file in (page, sample, removed, stale)}

    assert main(command) == 0
    assert not stale.exists()
    assert main([*command, "--check"]) == 0


def test_a_changed_contract_changes_its_page_and_its_sample(tmp_path: Path) -> None:
    contracts = _contracts_with(tmp_path / "extracts", "name: fault_category", "name: fault_kind")
    before, after = _documents(), documents(contracts)
    assert before.keys() == after.keys()
    changed = {path for path, content in after.items() if content != before[path]}
    assert changed == {EXTRACTS, TICKETS}


@pytest.mark.parametrize("examples", [[], ["1", "2"], ["1", "2", 3]])
def test_a_column_without_three_quoted_examples_is_named(
    tmp_path: Path, examples: list[object]
) -> None:
    folder = _contracts_with(tmp_path / "extracts", "id: extract-fault", "id: extract-fault")
    file = folder / "fault.yml"
    contract = yaml.safe_load(file.read_text(encoding="utf-8"))
    [tickets] = [item for item in contract["schema"] if item["name"] == "trouble_ticket"]
    [column] = [item for item in tickets["properties"] if item["name"] == "urge_count"]
    column["examples"] = examples
    file.write_text(yaml.safe_dump(contract), encoding="utf-8")
    with pytest.raises(ValueError, match=r"fault\.trouble_ticket\.urge_count needs 3 examples"):
        documents(folder)


def test_every_mart_and_its_columns_appear() -> None:
    sections = _sections(_page(DICTIONARY))
    assert len(MARTS) >= 5
    for model in MARTS:
        text = model.with_suffix(".yml").read_text(encoding="utf-8")
        [definition] = yaml.safe_load(text)["models"]
        section = sections[f"marts.{model.stem}"]
        assert all(_has_column(section, column["name"]) for column in definition["columns"])
    assert _has_column(sections["intermediate.planned_call_task"], "phone_number")


def test_every_seed_and_its_columns_appear() -> None:
    sections = _sections(_page(DICTIONARY))
    assert len(SEEDS) >= 7
    for seed in SEEDS:
        section = sections[f"marts.{seed.stem}"]
        header = seed.read_text(encoding="utf-8").splitlines()[0].split(",")
        assert all(_has_column(section, name) for name in header), seed.stem


def test_every_contract_column_appears_with_what_is_allowed() -> None:
    sections = _sections(_page(EXTRACTS))
    extracts = read_extracts()
    assert len(extracts) >= 10
    for extract in extracts:
        section = sections[str(extract)]
        assert f"`raw.{extract.table}`" in section
        assert f"- Delivered: `{extract.delivery_mode}`" in section
        assert f"- Key: {', '.join(f'`{name}`' for name in extract.key)}\n" in section
        for column in extract.columns:
            [row] = re.findall(rf"^\| `{column.name}` \|.*$", section, re.MULTILINE)
            _, _, _, type_, required, allowed, personal, _, _ = re.split(r"(?<!\\)\|", row)
            assert type_.strip().startswith(column.physical_type), row
            assert column.timezone is None or type_.strip().endswith(column.timezone), row
            assert required.strip() == ("yes" if column.is_required else ""), row
            assert personal.strip() == ("yes" if column.is_personal else ""), row
            limits = (column.minimum, column.maximum, column.min_length, column.max_length)
            for value in (*column.allowed_values, *limits):
                assert value is None or str(value) in allowed, row


def test_descriptions_are_written_out() -> None:
    for path in (DICTIONARY, EXTRACTS):
        text = _page(path)
        assert "{{" not in text
        for section in _sections(text).values():
            rows = [line for line in section.splitlines() if line.startswith("| `")]
            assert rows
            assert not [row for row in rows if row.endswith("|  |")]


def test_links_lead_somewhere() -> None:
    text = _page(EXTRACTS)
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    links = re.findall(r"\]\(([^)]+)\)", text)
    assert len(links) >= 2 * len(read_extracts())
    for link in links:
        if link.startswith("#"):
            assert link[1:] in anchors
        else:
            assert Path(link) in _documents() or (DOCS_DIR / link).is_file(), link


def _is_accepted(type_: str, text: str) -> bool:
    """Whether the loader takes the text as a value of that type."""
    extract = find_extract("line", "optical_reading")
    [column] = [column for column in extract.columns if column.name == "measured_at"]
    values = pa.RecordBatch.from_pydict({"measured_at": [text]})
    checked = check_batch(replace(extract, columns=(replace(column, physical_type=type_),)), values)
    return not checked.rejections


def test_values_that_the_page_shows_are_accepted() -> None:
    _, _, table = _page(EXTRACTS).partition("### Values\n")
    rows = [line.split(" | ") for line in table.split("\n###")[0].splitlines() if "`" in line]
    shown = [
        (type_, text)
        for row in rows
        for type_ in row[0].strip("| ").split(", ")
        for text in re.findall("`([^`]+)`", row[1])
    ]
    assert {type_ for type_, _ in shown} == {
        "text", "integer", "bigint", "numeric(12,2)", "date", "timestamptz", "boolean",
    }  # fmt: skip
    assert [(type_, text) for type_, text in shown if not _is_accepted(type_, text)] == []


@pytest.mark.parametrize(
    ("type_", "text"),
    [
        ("text", "a\x00b"),
        ("integer", "12.0"),
        ("integer", "+5"),
        ("bigint", "1,000"),
        ("numeric(12,2)", "12.505"),
        ("numeric(12,2)", "12345678901.00"),
        ("numeric(12,2)", "1,000.00"),
        ("numeric(12,2)", "¥5"),
        ("date", "2026/11/20"),
        ("date", "20261120"),
        ("date", "2026-11-20 00:00:00"),
        ("timestamptz", "2026/11/20 23:59:59"),
        ("timestamptz", "2026-11-20T12:00:00+08"),
        ("boolean", "on"),
    ],
)
def test_values_that_the_page_excludes_are_rejected(type_: str, text: str) -> None:
    assert not _is_accepted(type_, text)
