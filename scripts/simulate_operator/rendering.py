"""Turn simulated rows into contract types, and those into lines of text, a column at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from scripts.contracts import Column, Extract
from scripts.row_checks import arrow_type

Rows: TypeAlias = pd.DataFrame | pa.Table

TIMEZONE = "Asia/Shanghai"
UTC_OFFSET_MICROSECONDS = 8 * 3600 * 10**6
SLICE_ROWS = 100_000


def contract_slices(extract: Extract, rows: Rows) -> Iterator[pa.Table]:
    """Yield the rows in the contract's columns and types, a bounded number at a time."""
    for first in range(0, len(rows), SLICE_ROWS):
        last = first + SLICE_ROWS
        part = rows.slice(first, SLICE_ROWS) if isinstance(rows, pa.Table) else rows[first:last]
        yield pa.table(
            {
                column.name: _typed(_array(part[column.name]), contract_type(column))
                for column in extract.columns
            }
        )


def contract_type(column: Column) -> pa.DataType:
    """Return the type of a column's rows: the loader's, but for times, local and without a zone.

    A Parquet file gets the zone when it is written.
    """
    if column.physical_type == "timestamptz":
        return pa.timestamp("s")
    return arrow_type(column.physical_type)


def as_text(table: pa.Table) -> list[pa.Array]:
    """Render each column as the text of its CSV fields (null stays null)."""
    return [_single(column).cast(pa.string()) for column in table.columns]


def join_lines(table: pa.Table, delimiter: str) -> pa.StringArray:
    """Join columns to lines with their line breaks, quoting only the fields that need it."""
    texts = as_text(table)
    for number, field in enumerate(table.schema):
        if pa.types.is_string(field.type):
            texts[number] = _quoted(texts[number], delimiter)
    texts[-1] = pc.binary_join_element_wise(
        texts[-1], "\n", "", null_handling="replace", null_replacement=""
    )
    if len(texts) == 1:
        return texts[0]
    return pc.binary_join_element_wise(
        *texts, delimiter, null_handling="replace", null_replacement=""
    )


def text_of(lines: pa.StringArray) -> memoryview:
    """Return the UTF-8 bytes of all lines, one after the other, without copying them."""
    if len(lines) == 0:
        return memoryview(b"")
    _, offsets, content = lines.buffers()
    if content is None:  # nothing but nulls
        return memoryview(b"")
    ends = np.frombuffer(offsets, dtype="int32", count=lines.offset + len(lines) + 1)
    return memoryview(content)[ends[lines.offset] : ends[-1]]


def with_zone(table: pa.Table) -> pa.Table:
    """Turn local times into instants; the time zone's name makes them readable again."""
    columns = {}
    for name, column in zip(table.column_names, table.columns, strict=True):
        if pa.types.is_timestamp(column.type):
            local = column.cast(pa.timestamp("us")).cast(pa.int64())
            instant = pc.subtract(local, UTC_OFFSET_MICROSECONDS)
            columns[name] = instant.cast(pa.timestamp("us", tz=TIMEZONE))
        else:
            columns[name] = column
    return pa.table(columns)


def _array(values: pd.Series | pa.ChunkedArray) -> pa.Array:
    if isinstance(values, pa.ChunkedArray):
        return _single(values)
    array = pa.array(values, from_pandas=True)
    return _single(array) if isinstance(array, pa.ChunkedArray) else array


def _single(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def _typed(array: pa.Array, target: pa.DataType) -> pa.Array:
    if pa.types.is_decimal(target):
        return _decimals(array, target)
    if pa.types.is_integer(target) and pa.types.is_floating(array.type):
        return array.cast(target, safe=False)
    if pa.types.is_date(target) and pa.types.is_timestamp(array.type):
        return array.cast(pa.timestamp("s"), safe=False).cast(target)
    if pa.types.is_timestamp(target):
        return array.cast(target, safe=False)
    return array.cast(target)


def _decimals(array: pa.Array, target: pa.Decimal128Type) -> pa.Array:
    """Round to the scale by way of whole numbers: Arrow's own cast takes microseconds a value."""
    if pa.types.is_decimal(array.type):
        return array.cast(target)
    values = np.nan_to_num(array.cast(pa.float64()).to_numpy(zero_copy_only=False))
    words = np.empty((len(values), 2), dtype="int64")
    words[:, 0] = np.rint(values * 10.0**target.scale)
    words[:, 1] = words[:, 0] >> 63
    is_valid = None
    if array.null_count:
        bits = np.packbits(array.is_valid().to_numpy(zero_copy_only=False), bitorder="little")
        is_valid = pa.py_buffer(bits)
    return pa.Array.from_buffers(target, len(values), [is_valid, pa.py_buffer(words)])


def _quoted(field: pa.StringArray, delimiter: str) -> pa.StringArray:
    """Quote the fields with a delimiter, a quote or a line break (RFC 4180)."""
    # All are ASCII, so no part of another character; to search all texts at once takes no time.
    content = bytes(text_of(field))
    if not any(mark in content for mark in (delimiter.encode(), b'"', b"\r", b"\n")):
        return field
    needs_quotes = pc.fill_null(pc.match_substring_regex(field, f'[{delimiter}"\r\n]'), False)
    doubled = pc.replace_substring(field, '"', '""')
    return pc.if_else(needs_quotes, pc.binary_join_element_wise('"', doubled, '"', ""), field)
