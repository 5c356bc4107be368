"""Check delivered rows against their contract, a column at a time, and give them their types."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from scripts.contracts import Column, Extract

TRUE_WORDS = ("true", "t", "1", "yes", "y", "是")
FALSE_WORDS = ("false", "f", "0", "no", "n", "否")
WITH_OFFSET = r"(Z|[+-]\d\d:?\d\d)$"
NUMERIC = re.compile(r"numeric\((\d+),(\d+)\)")
SIMPLE_TYPES = {
    "text": pa.string(),
    "boolean": pa.bool_(),
    "integer": pa.int32(),
    "bigint": pa.int64(),
    "date": pa.date32(),
    "timestamptz": pa.timestamp("us", "UTC"),
}


@dataclass(frozen=True)
class Rejection:
    """Why the row at `index` of a batch breaks the contract."""

    index: int
    column: str
    reason: str


@dataclass(frozen=True)
class CheckedBatch:
    """The rows that keep to the contract, typed, and the first fault of each of the others."""

    accepted: pa.RecordBatch
    rejections: list[Rejection]


def arrow_type(column: Column) -> pa.DataType:
    """Return the Arrow type that PostgreSQL's binary COPY takes for the column."""
    numeric = NUMERIC.fullmatch(column.physical_type)
    if numeric:
        return pa.decimal128(int(numeric[1]), int(numeric[2]))
    return SIMPLE_TYPES[column.physical_type]


def arrow_schema(extract: Extract) -> pa.Schema:
    """Return the Arrow schema of an extract's accepted rows."""
    return pa.schema([(column.name, arrow_type(column)) for column in extract.columns])


def check_batch(extract: Extract, batch: pa.RecordBatch) -> CheckedBatch:
    """Check every column; a column that was not delivered is null. Order of rows is kept."""
    faults = _Faults(batch.num_rows)
    delivered = set(batch.schema.names)
    arrays = [
        _check_column(column, batch.column(column.name), faults)
        if column.name in delivered
        else pa.nulls(batch.num_rows, arrow_type(column))
        for column in extract.columns
    ]
    checked = pa.RecordBatch.from_arrays(arrays, schema=arrow_schema(extract))
    if faults.rejections:
        checked = checked.filter(pa.array(faults.is_good))
    return CheckedBatch(checked, sorted(faults.rejections, key=lambda item: item.index))


class _Faults:
    """The rows of a batch that are good so far, and the first fault of each other row."""

    def __init__(self, rows: int) -> None:
        self.is_good = np.ones(rows, dtype=bool)
        self.rejections: list[Rejection] = []

    def add(self, column: Column, is_bad: pa.BooleanArray, reason: str) -> None:
        bad = np.flatnonzero(
            pc.fill_null(is_bad, False).to_numpy(zero_copy_only=False) & self.is_good
        )
        self.is_good[bad] = False
        self.rejections.extend(Rejection(int(index), column.name, reason) for index in bad)


def _check_column(column: Column, delivered: pa.Array, faults: _Faults) -> pa.Array:
    values = _typed(column, delivered, faults)
    if column.is_required:
        faults.add(column, values.is_null(), "required value is missing")
    if column.allowed_values:
        allowed = pc.is_in(values, pa.array(column.allowed_values, values.type))
        words = ", ".join(column.allowed_values)
        faults.add(column, pc.and_(values.is_valid(), pc.invert(allowed)), f"not one of {words}")
    _check_bounds(column, values, faults)
    return values


def _check_bounds(column: Column, values: pa.Array, faults: _Faults) -> None:
    if column.minimum is not None:
        low = pc.less(values, _bound(column.minimum, values.type))
        faults.add(column, low, f"below the minimum {column.minimum}")
    if column.maximum is not None:
        high = pc.greater(values, _bound(column.maximum, values.type))
        faults.add(column, high, f"above the maximum {column.maximum}")
    if column.min_length is not None:
        short = pc.less(pc.utf8_length(values), column.min_length)
        faults.add(column, short, f"shorter than {column.min_length} characters")
    if column.max_length is not None:
        long = pc.greater(pc.utf8_length(values), column.max_length)
        faults.add(column, long, f"longer than {column.max_length} characters")


def _bound(bound: float | str, type_: pa.DataType) -> pa.Scalar:
    return pa.scalar(str(bound)).cast(type_)


def _typed(column: Column, delivered: pa.Array, faults: _Faults) -> pa.Array:
    """Return the column in its contract type; null where empty, or where it cannot be read."""
    target = arrow_type(column)
    if pa.types.is_timestamp(delivered.type) and pa.types.is_timestamp(target):
        return _to_utc(column, delivered.cast(pa.timestamp("us", delivered.type.tz), safe=False))
    if delivered.type == target and not pa.types.is_string(target):
        return delivered
    text = _trimmed(delivered)
    if pa.types.is_string(target):
        faults.add(column, pc.match_substring(text, "\x00"), "contains a NUL character")
        return text
    values = _cast(text, target, _parser(column, target))
    unreadable = pc.and_(text.is_valid(), values.is_null())
    faults.add(column, unreadable, f"not a valid {column.logical_type} ({column.physical_type})")
    return values


def _trimmed(delivered: pa.Array) -> pa.StringArray:
    text = delivered if pa.types.is_string(delivered.type) else delivered.cast(pa.string())
    text = pc.utf8_trim_whitespace(text)
    return pc.if_else(pc.equal(text, ""), pa.scalar(None, pa.string()), text)


def _parser(column: Column, target: pa.DataType) -> Callable[[pa.StringArray], pa.Array]:
    if pa.types.is_boolean(target):
        return _parse_boolean
    if pa.types.is_timestamp(target):
        return lambda text: _parse_timestamp(column, text)
    return lambda text: text.cast(target)


def _cast(
    text: pa.StringArray, target: pa.DataType, parse: Callable[[pa.StringArray], pa.Array]
) -> pa.Array:
    """Parse all values at once; where that fails, halve until the unreadable ones are alone."""
    try:
        return parse(text)
    except pa.ArrowInvalid:
        if len(text) == 1:
            return pa.nulls(1, target)
    middle = len(text) // 2
    halves = [_cast(half, target, parse) for half in (text.slice(0, middle), text.slice(middle))]
    return pa.concat_arrays(halves)


def _parse_boolean(text: pa.StringArray) -> pa.BooleanArray:
    word = pc.utf8_lower(text)
    is_true = pc.is_in(word, pa.array(TRUE_WORDS))
    is_false = pc.is_in(word, pa.array(FALSE_WORDS))
    return pc.if_else(pc.or_(is_true, is_false), is_true, pa.scalar(None, pa.bool_()))


def _parse_timestamp(column: Column, text: pa.StringArray) -> pa.TimestampArray:
    """Times with an offset mean themselves, times without one are local to the contract's zone."""
    has_offset = pc.fill_null(pc.match_substring_regex(text, WITH_OFFSET), False)
    has_time = pc.fill_null(pc.match_substring(text, ":"), False)
    with_offset = pc.and_(has_offset, has_time)
    if not pc.any(with_offset).as_py():
        return _to_utc(column, text.cast(pa.timestamp("us")))
    nothing = pa.scalar(None, pa.string())
    absolute = pc.if_else(with_offset, text, nothing).cast(pa.timestamp("us", "UTC"))
    local = pc.if_else(with_offset, nothing, text).cast(pa.timestamp("us"))
    return pc.coalesce(absolute, _to_utc(column, local))


def _to_utc(column: Column, times: pa.TimestampArray) -> pa.TimestampArray:
    if times.type.tz is None:
        times = pc.assume_timezone(
            times, column.timezone or "UTC", ambiguous="earliest", nonexistent="earliest"
        )
    return times.cast(pa.timestamp("us", "UTC"))
