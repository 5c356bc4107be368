"""Rows that break their contract: copies of true rows with something wrong in them.

They are always additional, so that a loader that rejects them ends with exactly the true rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from scripts.contracts import Column, Extract
from scripts.simulate_operator.rendering import as_text, contract_type

WRONG_COLUMN_COUNT = "wrong number of columns"
HUGE_BYTES = str(500 * 2**30)
NUMBERS = ("number", "integer")
DATES = {"date": "2026-02-30", "timestamp": "2026-02-30 10:00:00"}


@dataclass(frozen=True)
class Breakage:
    """What is wrong with a row: the texts that stand in some of its fields ("" for nothing)."""

    kind: str
    values: dict[str, str]


# Where an accepted row would raise a warning that is not due, the broken rows are like that.
SPECIAL: dict[str, tuple[Breakage, ...]] = {
    "line.optical_reading": (
        Breakage("unknown code", {"reading_unit": "mW", "reading_value": "35.00"}),
        Breakage("missing required value", {"reading_unit": "", "reading_value": "33.00"}),
        Breakage("not a number", {"reading_value": "N/A"}),
        Breakage("unknown code", {"direction": "sideways", "reading_value": "35.00"}),
    ),
    "usage.broadband_hourly": (
        Breakage("number out of range", {"online_minutes": "61", "download_bytes": HUGE_BYTES}),
        Breakage("number out of range", {"upload_bytes": "-1", "download_bytes": HUGE_BYTES}),
        Breakage("missing required value", {"subscription_id": ""}),
    ),
}


def breakages(extract: Extract) -> tuple[Breakage, ...]:
    """Return in which ways a row of a CSV file can break the contract."""
    if str(extract) in SPECIAL:
        return SPECIAL[str(extract)]
    found = [Breakage(WRONG_COLUMN_COUNT, {})]
    required = [item for item in extract.columns if item.name in extract.key and item.is_required]
    found.extend(Breakage("missing required value", {item.name: ""}) for item in required[:1])
    coded = [item for item in extract.columns if item.allowed_values]
    found.extend(Breakage("unknown code", {item.name: "satellite"}) for item in coded[:1])
    dated = [item for item in extract.columns if item.logical_type in DATES]
    found.extend(
        Breakage("impossible date", {item.name: DATES[item.logical_type]}) for item in dated[:1]
    )
    numbers = [item for item in extract.columns if item.logical_type in NUMBERS]
    found.extend(Breakage("not a number", {item.name: "12O.50"}) for item in numbers[:1])
    bounded = [item for item in numbers if item.maximum is not None or item.minimum is not None]
    found.extend(
        Breakage("number out of range", {item.name: _outside(item)}) for item in bounded[:1]
    )
    return tuple(found)


def typed_breakages(extract: Extract) -> tuple[Breakage, ...]:
    """Return those that a Parquet file can hold: wrong values, not wrong shapes."""
    kinds = ("number out of range", "unknown code", "missing required value")
    return tuple(item for item in breakages(extract) if item.kind in kinds)


def broken_texts(
    extract: Extract, rows: pa.Table, breakage: Breakage, random: np.random.Generator
) -> pa.Table:
    """Return the rows as text with their fault."""
    table = pa.table(dict(zip(rows.column_names, as_text(rows), strict=True)))
    for column, text in breakage.values.items():
        place = extract.column_names.index(column)
        table = table.set_column(place, column, pa.array([text] * len(table)))
    if breakage.kind == WRONG_COLUMN_COUNT:
        if random.random() < 0.5:
            return table.append_column("extra", pa.array(["extra"] * len(table)))
        return table.drop_columns(extract.column_names[-1])
    return table


def broken_values(extract: Extract, rows: pa.Table, breakage: Breakage) -> pa.Table:
    """Return the rows, still typed, with their fault."""
    columns = {column.name: column for column in extract.columns}
    for name, text in breakage.values.items():
        type_ = contract_type(columns[name])
        value = pa.scalar(text or None, pa.string()).cast(type_)
        place = extract.column_names.index(name)
        rows = rows.set_column(place, name, pa.array([value.as_py()] * len(rows), type_))
    return rows


def _outside(column: Column) -> str:
    if column.maximum is not None:
        return str(round(float(column.maximum)) + 1)
    return str(round(float(column.minimum or 0)) - 1)
