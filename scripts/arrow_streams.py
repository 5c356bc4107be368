"""Streams of Arrow batches that cross into C code (DuckDB, COPY) and back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import date

import pyarrow as pa

from scripts.delivered_file import DeliveryError


class ErrorCarrier:
    """Carries a `DeliveryError` across Arrow's C streams, which would flatten it to a message."""

    def __init__(self) -> None:
        self._error: DeliveryError | None = None

    def reader(self, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> pa.RecordBatchReader:
        return pa.RecordBatchReader.from_batches(schema, self._watched(batches))

    @contextmanager
    def delivered(self) -> Iterator[None]:
        try:
            yield
        except Exception:
            if self._error is not None:
                raise self._error from None
            raise

    def _watched(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        try:
            yield from batches
        except DeliveryError as error:
            self._error = error
            raise


def with_origin(rows: pa.RecordBatchReader, business_date: date, name: str) -> pa.RecordBatchReader:
    """Add the columns that say when and in which file the rows were delivered."""
    schema = rows.schema.append(pa.field("business_date", pa.date32())).append(
        pa.field("source_file", pa.string())
    )

    def batches() -> Iterator[pa.RecordBatch]:
        for batch in rows:
            origin = [
                pa.repeat(pa.scalar(business_date, pa.date32()), batch.num_rows),
                pa.repeat(pa.scalar(name, pa.string()), batch.num_rows),
            ]
            yield pa.RecordBatch.from_arrays([*batch.columns, *origin], schema=schema)

    return pa.RecordBatchReader.from_batches(schema, batches())
