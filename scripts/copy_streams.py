"""Streams of rows on their way into a table: prepared ahead by a thread, encoded for COPY."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future
from queue import Full, Queue
from threading import Event, Thread
from typing import Any, TypeVar

import psycopg
import pyarrow as pa
from pgpq import ArrowToPostgresBinaryEncoder
from psycopg import sql

PREPARED_AHEAD = 16
PART_ROWS = 4096

Item = TypeVar("Item")


def copy_rows(
    connection: psycopg.Connection[Any],
    table: sql.Identifier,
    schema: pa.Schema,
    batches: Iterator[pa.RecordBatch],
) -> None:
    """Append batches to the columns of a table that the schema names, by binary COPY.

    While the server takes a batch, a thread reads, checks and encodes the next ones.
    """
    statement = sql.SQL("copy {} ({}) from stdin (format binary)").format(
        table, sql.SQL(", ").join(map(sql.Identifier, schema.names))
    )
    encoder = ArrowToPostgresBinaryEncoder(schema)
    encoded = map(encoder.write_batch, _parts(batches))
    with connection.cursor().copy(statement) as copy:
        copy.write(encoder.write_header())
        for rows in prepared_ahead(encoded):
            copy.write(rows)
        copy.write(encoder.finish())


def _parts(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Cut batches small: to encode one holds up the writing, and the server would wait."""
    for batch in batches:
        for first in range(0, batch.num_rows, PART_ROWS):
            yield batch.slice(first, PART_ROWS)


def prepared_ahead(items: Iterator[Item]) -> Iterator[Item]:
    """Yield the same items while a thread of its own prepares the next ones."""
    ready: Queue[Future[Item | None]] = Queue(PREPARED_AHEAD)
    is_abandoned = Event()

    def prepare() -> None:
        for result in _results(items):
            while not is_abandoned.is_set():
                try:
                    ready.put(result, timeout=0.1)
                    break
                except Full:
                    continue
            if is_abandoned.is_set():
                return

    thread = Thread(target=prepare, name="prepared-ahead", daemon=True)
    thread.start()
    try:
        while (item := ready.get().result()) is not None:
            yield item
    finally:
        is_abandoned.set()
        thread.join()


def _results(items: Iterator[Item]) -> Iterator[Future[Item | None]]:
    """Yield each item, then None or the error that ended them, as the result of a future."""
    is_over = False
    while not is_over:
        result: Future[Item | None] = Future()
        try:
            item = next(items, None)
            is_over = item is None
            result.set_result(item)
        except BaseException as error:
            is_over = True
            result.set_exception(error)
        yield result
