"""Write extract files as their contracts say, and a little dirt that breaks the contracts.

Dirty rows are always additional ones: a copy of a true row with something broken, so that a loader
that rejects them ends with exactly the true rows.
"""

from __future__ import annotations

import gzip
import logging
import shutil
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from zlib import crc32

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from scripts.contracts import Column, Extract
from scripts.simulate_operator.parameters import Parameters

log = logging.getLogger(__name__)

TIMEZONE = "Asia/Shanghai"
UTC_OFFSET_MICROSECONDS = 8 * 3600 * 10**6
HUGE_BYTES = str(500 * 2**30)
WRONG_COLUMN_COUNT = "wrong number of columns"

# Per extract: what is wrong, and the fields of the copied row that are replaced by what text.
DIRT: dict[str, tuple[tuple[str, dict[str, str]], ...]] = {
    "crm.customer": (
        ("missing required id", {"customer_id": ""}),
        ("impossible date", {"birth_date": "1987-02-30"}),
        ("number out of range", {"star_level": "9"}),
        (WRONG_COLUMN_COUNT, {}),
    ),
    "crm.subscription": (
        ("missing required id", {"customer_id": ""}),
        ("unknown code", {"product_type": "satellite"}),
        ("impossible date", {"activated_at": "2026-02-30 10:00:00"}),
        (WRONG_COLUMN_COUNT, {}),
    ),
    "crm.plan": (
        ("number out of range", {"monthly_rent_amount": "-1.00"}),
        ("missing required id", {"plan_id": ""}),
    ),
    "billing.invoice": (
        ("not a number", {"invoice_amount": "12O.50"}),
        ("missing required id", {"invoice_id": ""}),
        ("impossible date", {"due_date": "2026-13-15"}),
        (WRONG_COLUMN_COUNT, {}),
    ),
    "billing.payment": (
        ("number out of range", {"payment_amount": "-50.00"}),
        ("unknown code", {"payment_method": "barter"}),
        ("missing required id", {"account_id": ""}),
    ),
    "fault.trouble_ticket": (
        ("unknown code", {"ticket_state": "lost"}),
        ("missing required id", {"ticket_id": ""}),
        ("impossible date", {"reported_at": "2026-06-31 08:00:00"}),
        (WRONG_COLUMN_COUNT, {}),
    ),
    "fault.dispatch": (
        ("missing required id", {"ticket_id": ""}),
        ("impossible date", {"dispatched_at": "2026-02-29 08:00:00"}),
        (WRONG_COLUMN_COUNT, {}),
    ),
    "line.optical_reading": (
        ("unknown unit", {"reading_unit": "mW", "reading_value": "35.00"}),
        ("missing unit", {"reading_unit": "", "reading_value": "33.00"}),
        ("not a number", {"reading_value": "N/A"}),
        ("unknown code", {"direction": "sideways", "reading_value": "35.00"}),
    ),
    "usage.broadband_hourly": (
        ("number out of range", {"online_minutes": "61", "download_bytes": HUGE_BYTES}),
        ("number out of range", {"upload_bytes": "-1", "download_bytes": HUGE_BYTES}),
        ("missing required id", {"subscription_id": ""}),
    ),
}


class Landing:
    """The landing folder; remembers the dirt it has planted in `dirt`."""

    def __init__(self, root: Path, parameters: Parameters) -> None:
        self.root = root
        self.parameters = parameters
        self.dirt: list[dict[str, object]] = []
        self.row_counts: dict[str, int] = {}
        self._earlier_lines: dict[str, list[str]] = {}

    def write_csv(
        self, extract: Extract, business_date: date, frame: pd.DataFrame, is_gzipped: bool = False
    ) -> None:
        """Write one extract of one date, replacing whatever lies in its folder."""
        name = f"{extract.name}.csv{'.gz' if is_gzipped else ''}"
        fields = [as_text(frame[column.name], column) for column in extract.columns]
        lines = _join(fields, extract.delimiter)
        self._count(extract, len(lines))
        if not self.parameters.is_clean:
            lines = self._soil(extract, business_date, name, fields, lines)
        header = extract.delimiter.join(extract.column_names)
        content = ("\n".join([header, *lines]) + "\n").encode(extract.encoding)
        if is_gzipped:
            content = gzip.compress(content, compresslevel=5, mtime=0)
        (_emptied(self.root, extract, business_date) / name).write_bytes(content)

    def write_parquet(
        self, extract: Extract, business_date: date, frames: Iterable[pd.DataFrame]
    ) -> None:
        """Write one extract of one date as Parquet, a row group or more per frame."""
        name = f"{extract.name}.parquet"
        schema = pa.schema([(column.name, _arrow_type(column)) for column in extract.columns])
        path = _emptied(self.root, extract, business_date) / name
        with pq.ParquetWriter(path, schema, compression="zstd") as writer:
            for number, frame in enumerate(frames):
                table = _as_table(frame, schema)
                writer.write_table(table)
                self._count(extract, len(frame))
                if number == 0 and len(frame) and not self.parameters.is_clean:
                    writer.write_table(self._dirty_table(extract, business_date, name, table))

    def _count(self, extract: Extract, rows: int) -> None:
        self.row_counts[str(extract)] = self.row_counts.get(str(extract), 0) + rows

    def _random(self, extract: Extract, business_date: date) -> np.random.Generator:
        return self.parameters.random(
            "dirt", crc32(str(extract).encode()), business_date.toordinal()
        )

    def _soil(
        self,
        extract: Extract,
        business_date: date,
        name: str,
        fields: list[pa.Array],
        lines: list[str],
    ) -> list[str]:
        """Return the lines with broken, duplicate and redelivered ones among them."""
        random = self._random(extract, business_date)
        earlier = self._earlier_lines.get(str(extract), [])
        added: list[str] = []
        if lines:
            for kind, values in self._choose(extract, len(lines), random):
                row = int(random.integers(len(lines)))
                added.append(_broken_line(extract, fields, row, kind, values, random))
                self._note(extract, business_date, name, kind, 1)
            count = random.poisson(len(lines) * self.parameters.redelivered_row_share) + 1
            duplicates = [lines[row] for row in random.integers(0, len(lines), count)]
            if random.random() < 0.4:
                added.extend(duplicates)
                self._note(extract, business_date, name, "exact duplicate", 0, count)
        if earlier and random.random() < 0.7:
            added.extend(earlier)
            self._note(extract, business_date, name, "delivered before", 0, len(earlier))
        if extract.delivery_mode == "events":
            rows = random.integers(0, len(lines), 2 if lines else 0)
            self._earlier_lines[str(extract)] = [lines[row] for row in rows]
        for line in added:
            lines.insert(int(random.integers(len(lines) + 1)), line)
        return lines

    def _choose(
        self, extract: Extract, rows: int, random: np.random.Generator
    ) -> list[tuple[str, dict[str, str]]]:
        kinds = DIRT[str(extract)]
        count = random.poisson(rows * self.parameters.dirty_row_share) + (random.random() < 0.4)
        return [kinds[kind] for kind in random.integers(0, len(kinds), int(count))]

    def _dirty_table(
        self, extract: Extract, business_date: date, name: str, table: pa.Table
    ) -> pa.Table:
        """Copy some rows and break them; a Parquet file can only hold wrong values, not shapes."""
        random = self._random(extract, business_date)
        chosen = self._choose(extract, min(len(table), 100_000), random)
        rows = table.take(random.integers(0, len(table), len(chosen))).to_pylist()
        for row, (kind, values) in zip(rows, chosen, strict=True):
            for column, text in values.items():
                row[column] = None if text == "" else int(text)
            self._note(extract, business_date, name, kind, 1)
        return pa.Table.from_pylist(rows, schema=table.schema)

    def _note(
        self,
        extract: Extract,
        business_date: date,
        name: str,
        kind: str,
        rejected: int,
        rows: int = 1,
    ) -> None:
        self.dirt.append(
            {
                "source": extract.source,
                "extract": extract.name,
                "business_date": business_date.isoformat(),
                "file": name,
                "kind": kind,
                "row_count": int(rows),
                "rejected_row_count": rejected,
            }
        )


def as_text(values: pd.Series, column: Column) -> pa.Array:
    """Render one column as the text of its CSV fields (null stays null)."""
    array = pa.array(values, from_pandas=True)
    if column.logical_type == "number":
        array = array.cast(pa.float64()).cast(pa.decimal128(14, 2))
    elif column.logical_type == "integer":
        array = array.cast(pa.float64()).cast(pa.int64())
    elif column.logical_type == "timestamp":
        array = array.cast(pa.timestamp("s"))
    elif column.logical_type == "date":
        array = array.cast(pa.timestamp("s")).cast(pa.date32())
    return array.cast(pa.string())


def _join(fields: list[pa.Array], delimiter: str) -> list[str]:
    """Join columns to lines, quoting only the fields that need it (RFC 4180)."""
    quoted = [_quote(field, delimiter) for field in fields]
    lines = pc.binary_join_element_wise(
        *quoted, delimiter, null_handling="replace", null_replacement=""
    )
    return [str(line) for line in lines.to_pylist()]


def _quote(field: pa.Array, delimiter: str) -> pa.Array:
    needs_quotes = pc.fill_null(pc.match_substring_regex(field, f'[{delimiter}"\r\n]'), False)
    if not pc.any(needs_quotes).as_py():
        return field
    doubled = pc.replace_substring(field, '"', '""')
    return pc.if_else(needs_quotes, pc.binary_join_element_wise('"', doubled, '"', ""), field)


def _broken_line(
    extract: Extract,
    fields: list[pa.Array],
    row: int,
    kind: str,
    values: dict[str, str],
    random: np.random.Generator,
) -> str:
    texts = [pa.array([field[row].as_py()], pa.string()) for field in fields]
    for column, text in values.items():
        texts[extract.column_names.index(column)] = pa.array([text])
    if kind == WRONG_COLUMN_COUNT:
        texts = texts[:-1] if random.random() < 0.5 else [*texts, pa.array(["extra"])]
    return _join(texts, extract.delimiter)[0]


def _arrow_type(column: Column) -> pa.DataType:
    types = {"string": pa.string(), "integer": pa.int64()}
    if column.logical_type == "timestamp":
        return pa.timestamp("us", tz=TIMEZONE)
    return types[column.logical_type]


def _as_table(frame: pd.DataFrame, schema: pa.Schema) -> pa.Table:
    """Turn local times into instants; the time zone's name makes them readable again."""
    arrays = []
    for item in schema:
        values = frame[item.name]
        if pa.types.is_timestamp(item.type):
            local = values.to_numpy().astype("datetime64[us]").astype("int64")
            arrays.append(pa.array(local - UTC_OFFSET_MICROSECONDS).cast(item.type))
        else:
            arrays.append(pa.array(values, from_pandas=True).cast(item.type))
    return pa.Table.from_arrays(arrays, schema=schema)


def _emptied(root: Path, extract: Extract, business_date: date) -> Path:
    """Return the folder of one extract and date, without what an earlier run left in it."""
    folder = root / extract.source / extract.name / business_date.isoformat()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder
