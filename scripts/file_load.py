"""One delivered file on its way into the warehouse: what is accepted, what is rejected, counts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime

import pyarrow as pa

from scripts.delivered_file import DeliveredFile, DeliveryError
from scripts.row_checks import Rejection, check_batch

REJECTED_SCHEMA = pa.schema(
    [
        ("source", pa.string()),
        ("extract", pa.string()),
        ("business_date", pa.date32()),
        ("file", pa.string()),
        ("line", pa.int64()),
        ("column_name", pa.string()),
        ("reason", pa.string()),
        ("original_text", pa.string()),
    ]
)


@dataclass
class FileLoad:
    """One file on its way into the warehouse, with its counts."""

    file: DeliveredFile
    name: str
    sha256: str
    started_at: datetime
    rows_accepted: int = 0
    rejections: dict[int, Rejection] = field(default_factory=dict)
    duplicate_of: str | None = None

    @property
    def rows_rejected(self) -> int:
        return len(self.rejections) + len(self.file.malformed)

    @property
    def warning(self) -> str | None:
        notes = list(self.file.warnings)
        if self.duplicate_of:
            notes.append(f"same content as {self.duplicate_of}, not loaded again")
        return "; ".join(notes) or None


def accepted_rows(load: FileLoad) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a file that keep to the contract; note the others on the way."""
    ordinal = 0
    for batch in load.file.batches():
        checked = check_batch(load.file.extract, batch)
        load.rejections.update((ordinal + item.index, item) for item in checked.rejections)
        load.rows_accepted += checked.accepted.num_rows
        ordinal += batch.num_rows
        yield checked.accepted


def rejected_rows(load: FileLoad, business_date: date) -> Iterator[pa.RecordBatch]:
    """Yield the file's rejected rows with the line and the text they were delivered as."""
    faults = _faults_by_record(load)
    rows: list[dict[str, object]] = []
    for record, line, text in load.file.original_texts(set(faults)):
        column, reason = faults.pop(record)
        rows.append(
            {
                "source": load.file.extract.source,
                "extract": load.file.extract.name,
                "business_date": business_date,
                "file": load.name,
                "line": line,
                "column_name": column,
                "reason": reason,
                "original_text": text.replace("\x00", "\ufffd"),
            }
        )
    if faults:
        raise DeliveryError(load.file.path, None, "quoting is broken: rows cannot be told apart")
    yield pa.RecordBatch.from_pylist(rows, schema=REJECTED_SCHEMA)


def _faults_by_record(load: FileLoad) -> dict[int, tuple[str | None, str]]:
    """Return column and reason by row number of the file, where the header is row 1.

    Rejections count well-formed rows only, so the malformed rows before them are added.
    """
    faults: dict[int, tuple[str | None, str]] = {
        row.record: (None, f"{row.actual_columns} columns instead of {row.expected_columns}")
        for row in load.file.malformed
    }
    malformed = sorted(faults)
    passed = 0
    for ordinal, rejection in sorted(load.rejections.items()):
        while passed < len(malformed) and malformed[passed] <= ordinal + passed + 2:
            passed += 1
        faults[ordinal + passed + 2] = (rejection.column, rejection.reason)
    return faults
