"""Streams of rows on their way into a table: prepared ahead by a thread, written as COPY reads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from queue import Full, Queue
from threading import Event, Thread
from typing import Any, TypeVar

import psycopg
import pyarrow as pa
import pyarrow.csv as arrow_csv
from psycopg import sql

PREPARED_AHEAD = 2
WRITE_BYTES = 256 * 1024
UNQUOTED = arrow_csv.WriteOptions(include_header=False, quoting_style="none")
QUOTED = arrow_csv.WriteOptions(include_header=False, quoting_style="needed")

Item = TypeVar("Item")


def copy_rows(
    connection: psycopg.Connection[Any],
    table: sql.Identifier,
    columns: Sequence[str],
    batches: Iterator[pa.RecordBatch],
) -> None:
    """Append batches of text columns to the columns of a table.

    While the server takes a batch, a thread reads, checks and writes out the next ones.
    """
    statement = sql.SQL("copy {} ({}) from stdin (format csv)").format(
        table, sql.SQL(", ").join(map(sql.Identifier, columns))
    )
    with connection.cursor().copy(statement) as copy:
        for rows in prepared_ahead(map(_as_csv, batches)):
            for first in range(0, len(rows), WRITE_BYTES):
                copy.write(rows[first : first + WRITE_BYTES])


def _as_csv(batch: pa.RecordBatch) -> memoryview:
    """Write rows as CSV; null is an empty field without quotes."""
    try:
        return _write(batch, UNQUOTED)
    except pa.ArrowInvalid:  # a value with a delimiter, a quote or a line break
        return _write(batch, QUOTED)


def _write(rows: pa.RecordBatch, options: arrow_csv.WriteOptions) -> memoryview:
    sink = pa.BufferOutputStream()
    arrow_csv.write_csv(rows, sink, options)
    return memoryview(sink.getvalue())


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
