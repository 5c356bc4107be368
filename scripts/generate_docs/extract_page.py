"""docs/extracts.md: what the operator's systems deliver, from the extract contracts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from open_data_contract_standard.model import (
    DataQuality,
    OpenDataContractStandard,
    SchemaObject,
    SchemaProperty,
    ServiceLevelAgreementProperty,
)

from scripts.contracts import custom
from scripts.generate_docs import markdown, samples
from scripts.landing_folder import SUFFIXES
from scripts.roll_up import ROLL_UPS
from scripts.row_checks import FALSE_WORDS, TRUE_WORDS

RULES = Path(__file__).with_name("extract_rules.md")
MODES = {
    "snapshot": "`snapshot`: the whole table, every night",
    "delta": "`delta`: rows that are new or have changed since the last delivery",
    "events": "`events`: what has happened since the last delivery, each event once",
}
COLUMN_HEAD = (
    "column",
    "operator's term",
    "type",
    "required",
    "allowed",
    "personal",
    "description",
)


def page(contracts: Iterable[OpenDataContractStandard]) -> str:
    """Return the rules for every extract, then each source with its extracts, as Markdown."""
    contracts = list(contracts)
    parts = [_rules(), "## All extracts\n", *_overview(contracts), ""]
    for contract in contracts:
        parts += _source(contract)
    return "\n".join(parts)


def _rules() -> str:
    """Return what holds for every extract, with the words and names that the loader takes."""
    return RULES.read_text(encoding="utf-8").format(
        suffixes=_listed(SUFFIXES),
        true_words=_listed(TRUE_WORDS),
        false_words=_listed(FALSE_WORDS),
    )


def _listed(words: Iterable[object]) -> str:
    return ", ".join(f"`{word}`" for word in words)


def _overview(contracts: list[OpenDataContractStandard]) -> Iterator[str]:
    return markdown.table(
        ("extract", "operator's term", "delivered", "needed for the night"),
        (
            (
                f"[`{contract.name}.{schema.name}`](#{contract.name}{schema.name})",
                str(schema.businessName),
                str(custom(schema.customProperties)["deliveryMode"]),
                "yes" if custom(schema.customProperties).get("isBlocking") else "",
            )
            for contract in contracts
            for schema in contract.schema_ or []
        ),
    )


def _source(contract: OpenDataContractStandard) -> Iterator[str]:
    """Yield the sections of a source: how all of it is delivered, then each extract."""
    delivery = custom(contract.customProperties)
    due = _promise(contract, "timeOfAvailability", "")
    yield f"## {contract.name}\n"
    if contract.description:
        yield f"{contract.description.purpose}\n"
    yield f"- System: {delivery['sourceSystem']}"
    yield f"- Encoding: {str(delivery['encoding']).upper()}"
    yield f"- Delimiter: `{delivery['delimiter']}`"
    if delivery.get("finalNewline", "required") != "required":
        yield "- The line break after the last row may be left out."
    if due:
        yield f"- Due: {due.value}. {due.description}"
    yield ""
    for schema in contract.schema_ or []:
        yield from _extract(contract, schema)


def _extract(contract: OpenDataContractStandard, schema: SchemaObject) -> Iterator[str]:
    """Yield the section of an extract: how it is delivered, and its columns."""
    handling = custom(schema.customProperties)
    properties = schema.properties or []
    keyed = [item for item in properties if item.primaryKey]
    key = sorted(keyed, key=lambda item: item.primaryKeyPosition or 0)
    latency = _promise(contract, "latency", str(schema.name))
    retention = _promise(contract, "retention", str(schema.name))
    sample = samples.path(contract, schema)
    yield f"### `{contract.name}.{schema.name}`\n"
    yield f"{schema.businessName}. {schema.description}\n"
    yield f"- Folder: `landing/{contract.name}/{schema.name}/<business_date>/`"
    yield f"- Sample: [{sample.name}]({sample.as_posix()})"
    yield f"- Delivered: {MODES[handling['deliveryMode']]}"
    yield f"- Key: {_listed(item.name for item in key)}"
    if latency:
        column = str(latency.element).partition(".")[2]
        yield f"- Lateness: {latency.value} days, by `{column}`"
    if retention:
        yield f"- Kept: {retention.value} days in `raw.{schema.physicalName}`"
    if "rollUp" in handling:
        yield _rolled_up(str(handling["rollUp"]))
    yield (
        "- Missing or unreadable: the night stops if there never was a delivery that could be"
        " loaded, or tonight's cannot be"
        if handling.get("isBlocking")
        else "- Missing or unreadable: the night goes on with earlier deliveries"
    )
    rules = [*(schema.quality or []), *(rule for item in properties for rule in item.quality or [])]
    if rules:
        yield f"- Checked: {' '.join(map(_check, rules))}"
    yield ""
    yield from markdown.table(COLUMN_HEAD, map(_column, properties))
    yield ""


def _promise(
    contract: OpenDataContractStandard, name: str, element: str
) -> ServiceLevelAgreementProperty | None:
    """Return a service level of an extract; that of the whole source has no element."""
    for promise in contract.slaProperties or []:
        if promise.property == name and (promise.element or "").partition(".")[0] == element:
            return promise
    return None


def _rolled_up(name: str) -> str:
    columns = ", ".join(f"`{column}`" for column in ROLL_UPS[name].columns)
    return (
        f"- Rolled up when it is loaded, to {columns}. The rows of a delivery are added up, so none"
        " may come twice in it; of a day that is delivered twice, the fuller delivery counts"
    )


def _check(rule: DataQuality) -> str:
    """Say what gate 1 expects, and how severe it is when it is not met."""
    severity = rule.severity or "warning"
    if rule.metric == "invalidValues":
        text = f"Less than {rule.mustBeLessThan:g} % of the rows are rejected"
        if rule.arguments:
            severity += f", below {rule.arguments['minimumRows']} rows a warning"
    elif rule.metric == "rowCount" and rule.mustBeBetween:
        low, high = rule.mustBeBetween
        text = f"{100 * low:g} to {100 * high:g} % of the rows of earlier deliveries"
    else:
        text = str(rule.description).rstrip(".")
    return f"{text} ({severity})."


def _column(item: SchemaProperty) -> tuple[str, ...]:
    options = item.logicalTypeOptions or {}
    unit = custom(item.customProperties).get("unit")
    extra = unit or options.get("defaultTimezone")
    allowed = (
        _listed(entry.value for entry in item.enum or []),
        _range(options.get("minimum"), options.get("maximum"), ""),
        _range(options.get("minLength"), options.get("maxLength"), " characters"),
    )
    return (
        f"`{item.name}`",
        item.businessName or "",
        f"{item.physicalType}, {extra}" if extra else str(item.physicalType),
        "yes" if item.required else "",
        "; ".join(filter(None, allowed)),
        "yes" if item.classification == "personal" else "",
        item.description or "",
    )


def _range(low: object, high: object, unit: str) -> str:
    if low is None and high is None:
        return ""
    if low is None:
        return f"at most {high}{unit}"
    return f"at least {low}{unit}" if high is None else f"{low} to {high}{unit}"
