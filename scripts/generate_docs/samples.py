"""docs/samples: a file per extract as the loader wants it, from the contracts' examples."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from pathlib import Path

from open_data_contract_standard.model import (
    OpenDataContractStandard,
    SchemaObject,
    SchemaProperty,
)

from scripts.contracts import custom

FOLDER = Path("samples")
ROW_COUNT = 3


def files(contracts: Iterable[OpenDataContractStandard]) -> dict[Path, bytes]:
    """Return the content of each sample file by its path below docs."""
    return {
        path(contract, schema): _content(contract, schema)
        for contract in contracts
        for schema in contract.schema_ or []
    }


def path(contract: OpenDataContractStandard, schema: SchemaObject) -> Path:
    """Return where an extract's sample lies below docs."""
    return FOLDER / str(contract.name) / f"{schema.name}.csv"


def _content(contract: OpenDataContractStandard, schema: SchemaObject) -> bytes:
    delivery = custom(contract.customProperties)
    properties = schema.properties or []
    columns = [_examples(f"{contract.name}.{schema.name}", item) for item in properties]
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delivery["delimiter"], lineterminator="\n")
    writer.writerow(item.name for item in properties)
    writer.writerows(zip(*columns, strict=True))
    return text.getvalue().encode(delivery["encoding"])


def _examples(extract: str, item: SchemaProperty) -> list[str]:
    """Return a column's examples; ValueError names the column when they are not three texts."""
    examples = item.examples or []
    if len(examples) != ROW_COUNT or not all(isinstance(value, str) for value in examples):
        raise ValueError(
            f"{extract}.{item.name} needs {ROW_COUNT} examples, each a quoted text as it stands in"
            f" a CSV file; its contract has {examples}"
        )
    return examples
