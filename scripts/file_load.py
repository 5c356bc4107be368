"""One delivered file on its way into the warehouse: what is accepted, what is rejected, counts."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from itertools import islice

import numpy as np
import pyarrow as pa

from scripts.delivered_file import DeliveredFile, DeliveryError, storable
from scripts.row_checks import CheckedBatch, check_batch

MAX_REJECTED_ROWS = 5_000_000
REJECTED_BATCH_ROWS = 10_000
REJECTED_SCHEMA = pa.schema(
    [
        ("source", pa.string()),
        ("extract", pa.string()),
        ("business_date", pa.date32()),
        ("file", pa.string()),
        ("line", pa.int64()),
        ("column_name", pa.string()),
        ("value", pa.string()),
        ("reason", pa.string()),
        ("original_text", pa.string()),
    ]
)


@dataclass
class FileLoad:
    """One file on its way into the warehouse, with its counts.

    Memory stays bounded whatever is delivered: of a rejected row only its number and its fault are
    kept, sixteen bytes, and a file with more than `MAX_REJECTED_ROWS` of them is refused.
    `extract_load_id` is its place in the ledger, 0 until it has one.
    """

    file: DeliveredFile
    name: str
    sha256: str
    started_at: datetime
    rows_accepted: int = 0
    duplicate_of: str | None = None
    extract_load_id: int = 0
    _faults: dict[tuple[str, str], int] = field(default_factory=dict)
    _rejected_ordinals: array[int] = field(default_factory=lambda: array("q"))
    _rejected_faults: array[int] = field(default_factory=lambda: array("q"))

    @property
    def rows_rejected(self) -> int:
        return len(self._rejected_ordinals) + len(self.file.malformed_records)

    @property
    def rows_read(self) -> int:
        return self.rows_accepted + self.rows_rejected

    @property
    def warning(self) -> str | None:
        notes = list(self.file.warnings)
        if self.duplicate_of:
            notes.append(f"same content as {self.duplicate_of}, not loaded again")
        return storable("; ".join(notes)) or None

    def accepted_rows(self) -> Iterator[pa.RecordBatch]:
        """Yield the rows of the file that keep to the contract; note the others on the way."""
        ordinal = 0
        for batch in self.file.batches():
            checked = self._check(batch)
            for rejection in checked.rejections:
                fault = (rejection.column, rejection.reason)
                self._rejected_ordinals.append(ordinal + rejection.index)
                self._rejected_faults.append(self._faults.setdefault(fault, len(self._faults)))
            if self.rows_rejected > MAX_REJECTED_ROWS:
                cause = f"more than {MAX_REJECTED_ROWS:,} rows break the contract"
                raise DeliveryError(self.file.path, None, cause)
            self.rows_accepted += checked.accepted.num_rows
            ordinal += batch.num_rows
            yield checked.accepted

    def _check(self, batch: pa.RecordBatch) -> CheckedBatch:
        try:
            return check_batch(self.file.extract, batch)
        except pa.ArrowException as error:  # a Parquet column that is no text, number or time
            raise DeliveryError(self.file.path, None, f"cannot be read: {error}") from error

    def rejected_rows(self, business_date: date) -> Iterator[pa.RecordBatch]:
        """Yield the rejected rows with the line, the value and the text they were delivered as."""
        records, faults = self._rejected_records()
        origin: dict[str, object] = {
            "source": self.file.extract.source,
            "extract": self.file.extract.name,
            "business_date": business_date,
            "file": self.name,
        }
        reasons = list(self._faults)
        found = 0
        originals = self.file.original_rows(int(record) for record in records)
        while found < len(records):
            rows = []
            for original in islice(originals, REJECTED_BATCH_ROWS):
                fault = int(faults[found])
                column, reason = reasons[fault] if fault >= 0 else self._wrong_count(fault)
                value = original.values.get(column) if column else None
                rows.append(
                    origin
                    | {
                        "line": original.line,
                        "column_name": column,
                        "value": None if value is None else storable(value),
                        "reason": reason,
                        "original_text": storable(original.text),
                    }
                )
                found += 1
            if not rows:
                cause = "quoting is broken: rows cannot be told apart"
                raise DeliveryError(self.file.path, None, cause)
            yield pa.RecordBatch.from_pylist(rows, schema=REJECTED_SCHEMA)

    def _rejected_records(self) -> tuple[np.ndarray, np.ndarray]:
        """Return row number and fault of each rejected row, in the order of the file.

        Row numbers count from 1 for the header. Rejections count well-formed rows only, so the
        malformed rows before them are added. A negative fault is a wrong number of columns.
        """
        malformed = np.frombuffer(self.file.malformed_records, dtype="int64")
        columns = np.frombuffer(self.file.malformed_column_counts, dtype="int64")
        ordinals = np.frombuffer(self._rejected_ordinals, dtype="int64")
        well_formed_before = malformed - np.arange(len(malformed)) - 2
        shift = np.searchsorted(well_formed_before, ordinals, side="right")
        records = np.concatenate([malformed, ordinals + shift + 2])
        faults = np.concatenate([-1 - columns, np.frombuffer(self._rejected_faults, dtype="int64")])
        order = np.argsort(records, kind="stable")
        return records[order], faults[order]

    def _wrong_count(self, fault: int) -> tuple[None, str]:
        return None, f"{-1 - fault} columns instead of {self.file.column_count}"
