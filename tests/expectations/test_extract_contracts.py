"""The extract contracts keep to their standard and to the conventions, and their samples load."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
import yaml
from jsonschema.validators import validator_for  # type: ignore[import-untyped]
from open_data_contract_standard.model import OpenDataContractStandard, SchemaObject

from scripts.contracts import Extract, custom, find_extract, read_contracts, read_extracts
from scripts.delivery_terms import CONTRACT_DIR
from scripts.generate_docs import samples
from scripts.load_extracts import load_extract

NIGHT = date(2026, 11, 20)
DELIVERED = {
    "billing": {"invoice", "payment", "balance"},
    "channel": {"sms_blast", "echannel_session", "offer"},
    "contact_center": {"call", "interaction", "satisfaction"},
    "crm": {
        "customer", "subscription", "subscription_event", "plan", "contract", "device", "dealer",
        "list_membership", "consent", "do_not_call", "staff", "customer_link", "loyalty_points",
        "customer_attribute",
    },
    "dialer": {"call_outcome", "recording"},
    "fault": {"trouble_ticket", "dispatch"},
    "line": {"copper_test", "optical_reading", "access_resource"},
    "retention": {"risk_feedback", "soothing_action", "policy", "target"},
    "service_order": {"service_order"},
    "usage": {
        "broadband_hourly", "mobile_daily", "value_added_monthly", "roaming", "call_forwarding",
    },
}  # fmt: skip
KEPT_LONGER = dict.fromkeys(  # entered once, true for years
    ("crm.consent", "crm.contract", "crm.customer_attribute", "crm.device"), 3650
) | {"retention.policy": 400}  # as long as what was granted under it
CONTRACTS = read_contracts(CONTRACT_DIR)
EXTRACTS = read_extracts()
FILES = sorted(CONTRACT_DIR.glob("*.yml"))
TERM = re.compile("[\u4e00-\u9fff]")
PERSONAL = re.compile(
    r"(^|_)(name|number|phone|address|identity|birth|imei|imsi|serial|note|comment)(_|$)"
)
# Names of things, and numbers that belong to no person.
NOT_PERSONAL = {
    "area_name", "blast_name", "brand_name", "dealer_name", "model_name", "offer_name", "plan_name",
    "policy_name", "queue_name", "service_name", "dialled_number", "wave_number",
}  # fmt: skip


def _schemas() -> Iterator[tuple[OpenDataContractStandard, SchemaObject]]:
    for contract in CONTRACTS:
        for schema in contract.schema_ or []:
            yield contract, schema


def _promised(contract: OpenDataContractStandard, name: str, element: str | None) -> list[object]:
    return [
        promise.value
        for promise in contract.slaProperties or []
        if promise.property == name and promise.element == element
    ]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_each_contract_is_valid_by_the_standard(file: Path) -> None:
    schema = json.loads(OpenDataContractStandard.json_schema())  # type: ignore[no-untyped-call]
    validator = validator_for(schema)(schema)
    faults = validator.iter_errors(yaml.safe_load(file.read_text(encoding="utf-8")))
    assert [(fault.json_path, fault.message[:200]) for fault in faults] == []


def test_every_extract_has_a_contract_in_the_file_of_its_source() -> None:
    assert {file.stem for file in FILES} == set(DELIVERED)
    for file, contract in zip(FILES, CONTRACTS, strict=True):
        assert contract.name == file.stem
        assert {schema.name for schema in contract.schema_ or []} == DELIVERED[file.stem]


@pytest.mark.parametrize("contract", CONTRACTS, ids=lambda contract: contract.name)
def test_every_source_says_how_and_when_it_delivers(contract: OpenDataContractStandard) -> None:
    delivery = custom(contract.customProperties)
    assert (delivery["encoding"], delivery["delimiter"]) in {("gb18030", "|"), ("utf-8", ",")}
    assert contract.description
    assert contract.description.purpose
    [due] = _promised(contract, "timeOfAvailability", None)
    assert re.fullmatch(r"[0-2]\d:[0-5]\d", str(due))


def test_the_systems_of_the_operator_are_sources() -> None:
    systems = " ".join(custom(item.customProperties)["sourceSystem"] for item in CONTRACTS)
    for system in ("综调", "BSS", "ASSIA", "IPOSS", "全业务辅助系统"):
        assert system in systems


@pytest.mark.parametrize("extract", EXTRACTS, ids=str)
def test_every_extract_says_what_a_row_is_and_how_it_comes(extract: Extract) -> None:
    [(contract, schema)] = [
        (contract, schema)
        for contract, schema in _schemas()
        if f"{contract.name}.{schema.name}" == str(extract)
    ]
    assert extract.table.startswith(f"{extract.source}__")
    assert extract.description.startswith("One row per ")
    assert TERM.search(schema.businessName or "")
    assert extract.delivery_mode in {"snapshot", "delta", "events"}
    assert extract.key
    assert {column.name for column in extract.columns if column.is_required} >= set(extract.key)
    days = KEPT_LONGER.get(str(extract), 35 if extract.delivery_mode == "snapshot" else 400)
    assert _promised(contract, "retention", extract.name) == [days]
    # The dialer owes no file: a day without calls has none.
    has_lateness = extract.delivery_mode != "snapshot" and extract.source != "dialer"
    assert (extract.freshness is not None) == has_lateness
    if extract.freshness is not None:
        assert extract.freshness.column in extract.column_names


@pytest.mark.parametrize("extract", EXTRACTS, ids=str)
def test_every_column_is_described_and_typed(extract: Extract) -> None:
    [schema] = [schema for _, schema in _schemas() if schema.physicalName == extract.table]
    for item, column in zip(schema.properties or [], extract.columns, strict=True):
        assert TERM.search(item.businessName or ""), column.name
        assert (item.description or "").endswith("."), column.name
        is_instant = column.physical_type == "timestamptz"
        assert column.name.endswith("_at") == is_instant, column.name
        assert (column.timezone == "Asia/Shanghai") == is_instant, column.name
        is_flag = column.name.startswith(("is_", "has_"))
        assert is_flag == (column.physical_type == "boolean"), column.name


def test_what_looks_personal_is_classified_so() -> None:
    columns = [(str(extract), column) for extract in EXTRACTS for column in extract.columns]
    looks_personal = {
        (extract, column.name)
        for extract, column in columns
        if PERSONAL.search(column.name) and column.name not in NOT_PERSONAL
    }
    assert len(looks_personal) >= 10
    classified = {(extract, column.name) for extract, column in columns if column.is_personal}
    assert looks_personal - classified == set()


def test_contacts_come_from_every_channel_and_function_of_customer_service() -> None:
    columns = {
        column.name: set(column.allowed_values)
        for column in find_extract("contact_center", "interaction").columns
    }
    assert columns["channel"] >= {"hotline", "outbound", "web_hall", "store", "sms_hall"}
    assert columns["interaction_kind"] == {
        "bill_query", "recharge", "inquiry", "acceptance", "complaint", "revisit",
        "phone_retention", "phone_marketing",
    }  # fmt: skip


def test_the_glossary_has_the_term_of_every_extract(project_dir: Path) -> None:
    glossary = (project_dir / "docs" / "glossary.md").read_text(encoding="utf-8")
    terms = [str(schema.businessName).partition("（")[0] for _, schema in _schemas()]
    assert [term for term in terms if term not in glossary] == []


def test_every_sample_has_three_rows_with_keys_of_their_own() -> None:
    contents = samples.files(CONTRACTS)
    assert len(contents) == len(EXTRACTS)
    for extract in EXTRACTS:
        text = contents[samples.FOLDER / extract.source / f"{extract.name}.csv"]
        rows = list(
            csv.DictReader(io.StringIO(text.decode(extract.encoding)), delimiter=extract.delimiter)
        )
        assert len({tuple(row[name] for name in extract.key) for row in rows}) == 3, str(extract)


def test_the_samples_of_each_source_in_gb18030_show_the_delimiter_within_a_value() -> None:
    contents = samples.files(CONTRACTS)
    sources = {extract.source for extract in EXTRACTS if extract.encoding == "gb18030"}
    assert len(sources) >= 4
    for source in sources:
        texts = [
            text.decode("gb18030") for path, text in contents.items() if path.parts[1] == source
        ]
        characters = {character for text in texts for character in text if character != "|"}
        within_a_character = any(b"|" in character.encode("gb18030") for character in characters)
        assert within_a_character or any(re.search(r'"[^"\n]*\|', text) for text in texts), source


def test_the_samples_show_telephone_numbers_of_nobody() -> None:
    """The prefix 161 is allocated to nobody."""
    texts = b"\n".join(samples.files(CONTRACTS).values())
    numbers = re.findall(rb"(?<!\d)1[3-9]\d{9}(?!\d)", texts)
    assert numbers
    assert [number for number in numbers if not number.startswith(b"161")] == []


@pytest.mark.usefixtures("warehouse_db")
def test_every_sample_is_loaded_whole(tmp_path: Path) -> None:
    for path, content in samples.files(CONTRACTS).items():
        _, source, file = path.parts
        landed = tmp_path / source / file.removesuffix(".csv") / NIGHT.isoformat() / file
        landed.parent.mkdir(parents=True)
        landed.write_bytes(content)
    loads = [load_extract(extract, NIGHT, tmp_path) for extract in EXTRACTS]
    outcomes = {
        f"{load.source}.{load.extract}": (
            load.status, load.rows_read, load.rows_loaded, load.rows_rejected, load.warnings,
        )
        for load in loads
    }  # fmt: skip
    whole = ("loaded", 3, 3, 0, ())
    assert {name: outcome for name, outcome in outcomes.items() if outcome != whole} == {}
