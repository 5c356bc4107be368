"""Read the extract contracts (Open Data Contract Standard) in `expectations/extracts/`.

One definition, three users: the loader (types, keys, encoding), gate 1 (volume, freshness, ranges)
and the simulator (which writes files that keep to it).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from open_data_contract_standard.model import (
    CustomProperty,
    OpenDataContractStandard,
    SchemaObject,
    SchemaProperty,
)

from scripts.delivery_terms import CONTRACT_DIR, read_yaml


@dataclass(frozen=True)
class Column:
    """One column of an extract, as the source system delivers it."""

    name: str
    logical_type: str
    physical_type: str
    is_required: bool
    is_personal: bool
    allowed_values: tuple[str, ...]
    minimum: float | str | None
    maximum: float | str | None
    min_length: int | None
    max_length: int | None
    timezone: str | None


@dataclass(frozen=True)
class Freshness:
    """How many days the newest `column` may lie before the end of the business date."""

    column: str
    days: int


@dataclass(frozen=True)
class RowCountChange:
    """Bounds of the row count as a share of the median of earlier deliveries."""

    at_least: float
    at_most: float
    severity: str


@dataclass(frozen=True)
class RejectedShare:
    """Percentage of rejected rows from which on a delivery is not to be trusted.

    In a delivery of fewer than `minimum_rows` a single bad row would exceed it: only a warning.
    """

    below_percent: float
    minimum_rows: int
    severity: str


@dataclass(frozen=True)
class Extract:
    """The contract of one extract of one source system.

    `retention_days`: how long its rows stay in raw. `is_blocking`: the night stops when its
    delivery cannot be loaded or there never was one. `checks`: Great Expectations configurations
    (type, kwargs, severity) that gate 1 runs.
    """

    source: str
    name: str
    table: str
    description: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    encoding: str
    delimiter: str
    delivery_mode: str
    retention_days: int
    roll_up: str | None
    is_final_newline_required: bool
    is_blocking: bool
    freshness: Freshness | None
    row_count_change: RowCountChange | None
    rejected_share: RejectedShare | None
    checks: tuple[dict[str, Any], ...]

    @property
    def column_names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    def __str__(self) -> str:
        return f"{self.source}.{self.name}"


@cache
def read_extracts(folder: Path = CONTRACT_DIR) -> tuple[Extract, ...]:
    """Return every extract of every contract file in `folder`, in file and schema order."""
    return tuple(
        _to_extract(contract, schema)
        for contract in read_contracts(folder)
        for schema in contract.schema_ or []
    )


def read_contracts(folder: Path = CONTRACT_DIR) -> list[OpenDataContractStandard]:
    """Return every contract file in `folder` as the standard's own model, in file order."""
    files = sorted(folder.glob("*.yml"))
    if not files:
        raise FileNotFoundError(f"no extract contracts (*.yml) in {folder}")
    return [OpenDataContractStandard.model_validate(read_yaml(file)) for file in files]


def find_extract(source: str, name: str, folder: Path = CONTRACT_DIR) -> Extract:
    """Return one extract's contract; KeyError names it and what exists."""
    extracts = {str(extract): extract for extract in read_extracts(folder)}
    if f"{source}.{name}" not in extracts:
        raise KeyError(f"no contract for {source}.{name}; there are: {', '.join(extracts)}")
    return extracts[f"{source}.{name}"]


def _to_extract(contract: OpenDataContractStandard, schema: SchemaObject) -> Extract:
    delivery = custom(contract.customProperties)
    handling = custom(schema.customProperties)
    properties = schema.properties or []
    keyed = [item for item in properties if item.primaryKey]
    return Extract(
        source=_text(contract.name),
        name=_text(schema.name),
        table=_text(schema.physicalName),
        description=_text(schema.description),
        columns=tuple(_to_column(item) for item in properties),
        key=tuple(_text(item.name) for item in sorted(keyed, key=_key_position)),
        encoding=delivery["encoding"],
        delimiter=delivery["delimiter"],
        delivery_mode=handling["deliveryMode"],
        retention_days=_retention_days(contract, _text(schema.name)),
        roll_up=handling.get("rollUp"),
        is_final_newline_required=delivery.get("finalNewline", "required") == "required",
        is_blocking=bool(handling.get("isBlocking", False)),
        freshness=_freshness(contract, _text(schema.name)),
        row_count_change=_row_count_change(schema),
        rejected_share=_rejected_share(schema),
        checks=tuple(_checks(schema)),
    )


def _to_column(item: SchemaProperty) -> Column:
    options = item.logicalTypeOptions or {}
    return Column(
        name=_text(item.name),
        logical_type=_text(item.logicalType),
        physical_type=_text(item.physicalType),
        is_required=bool(item.required),
        is_personal=item.classification == "personal",
        allowed_values=tuple(str(entry.value) for entry in item.enum or []),
        minimum=options.get("minimum"),
        maximum=options.get("maximum"),
        min_length=options.get("minLength"),
        max_length=options.get("maxLength"),
        timezone=options.get("defaultTimezone"),
    )


def _freshness(contract: OpenDataContractStandard, schema_name: str) -> Freshness | None:
    for sla in contract.slaProperties or []:
        element, _, column = (sla.element or "").partition(".")
        if sla.property == "latency" and element == schema_name:
            return Freshness(column=column, days=int(sla.value or 0))
    return None


def _retention_days(contract: OpenDataContractStandard, schema_name: str) -> int:
    for sla in contract.slaProperties or []:
        if sla.property == "retention" and sla.element == schema_name:
            return int(sla.value or 0)
    raise ValueError(f"{contract.name}.{schema_name}: the contract names no retention")


def _row_count_change(schema: SchemaObject) -> RowCountChange | None:
    for rule in schema.quality or []:
        if rule.metric == "rowCount" and rule.mustBeBetween:
            low, high = rule.mustBeBetween
            return RowCountChange(low, high, rule.severity or "warning")
    return None


def _rejected_share(schema: SchemaObject) -> RejectedShare | None:
    for rule in schema.quality or []:
        if rule.metric == "invalidValues" and rule.mustBeLessThan is not None:
            minimum_rows = int((rule.arguments or {}).get("minimumRows", 0))
            return RejectedShare(rule.mustBeLessThan, minimum_rows, rule.severity or "warning")
    return None


def _checks(schema: SchemaObject) -> list[dict[str, Any]]:
    rules = [rule for item in schema.properties or [] for rule in item.quality or []]
    return [
        rule.implementation | {"severity": rule.severity or "warning"}
        for rule in rules
        if rule.engine == "greatExpectations" and isinstance(rule.implementation, dict)
    ]


def custom(properties: list[CustomProperty] | None) -> dict[str, Any]:
    """Return custom properties by name."""
    return {_text(item.property): item.value for item in properties or []}


def _key_position(item: SchemaProperty) -> int:
    return item.primaryKeyPosition or 0


def _text(value: str | None) -> str:
    if value is None:
        raise ValueError("a contract lacks a name, type or description that the standard requires")
    return value
