"""Check delivered rows against their contract, a column at a time, and give them their types."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from scripts.contracts import Column, Extract

TRUE_WORDS = ("true", "t", "1", "yes", "y", "是")
FALSE_WORDS = ("false", "f", "0", "no", "n", "否")
WITH_OFFSET = r"(Z|[+-]\d\d:?\d\d)$"
STRANGE_NUMBER = r"[xX]|[eE][+-]?\d{3}"
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


def arrow_type(physical_type: str) -> pa.DataType:
    """Return the Arrow type that is the same in PostgreSQL's binary COPY."""
    numeric = NUMERIC.fullmatch(physical_type)
    if numeric:
        return pa.decimal128(int(numeric[1]), int(numeric[2]))
    return SIMPLE_TYPES[physical_type]


def arrow_schema(extract: Extract) -> pa.Schema:
    """Return the Arrow schema of an extract's accepted rows."""
    return pa.schema(
        [(column.name, arrow_type(column.physical_type)) for column in extract.columns]
    )


def check_batch(extract: Extract, batch: pa.RecordBatch) -> CheckedBatch:
    """Check every column; a column that was not delivered is null. Order of rows is kept."""
    faults = _Faults(batch.num_rows)
    delivered = set(batch.schema.names)
    arrays = [
        _check_column(column, batch.column(column.name), faults)
        if column.name in delivered
        else pa.nulls(batch.num_rows, arrow_type(column.physical_type))
        for column in extract.columns
    ]
    accepted = pa.RecordBatch.from_arrays(arrays, schema=arrow_schema(extract))
    if faults.rejections:
        accepted = accepted.filter(pa.array(faults.is_good))
    return CheckedBatch(accepted, sorted(faults.rejections, key=lambda item: item.index))


class _Faults:
    """The rows of a batch that are good so far, and the first fault of each other row."""

    def __init__(self, rows: int) -> None:
        self.is_good = np.ones(rows, dtype=bool)
        self.rejections: list[Rejection] = []

    def add(self, column: Column, is_bad: pa.BooleanArray, reason: str) -> None:
        if not pc.any(is_bad).as_py():
            return
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
    target = arrow_type(column.physical_type)
    unreadable_reason = f"not a valid {column.logical_type} ({column.physical_type})"
    if pa.types.is_timestamp(delivered.type) and pa.types.is_timestamp(target):
        moments = pc.cast(
            delivered,
            options=pc.CastOptions(pa.timestamp("us", delivered.type.tz), allow_time_truncate=True),
        )
        faults.add(column, _is_out_of_calendar(moments), unreadable_reason)
        return _to_utc(column, moments)
    if delivered.type == target and not pa.types.is_string(target):
        if pa.types.is_date(target):
            faults.add(column, _is_out_of_calendar(delivered), unreadable_reason)
        return delivered
    text = _trimmed(delivered)
    if pa.types.is_string(target):
        if _has_nul(text):
            faults.add(column, pc.match_substring(text, "\x00"), "contains a NUL character")
        return text
    values = _cast(text, target, _parser(column, target))
    if pa.types.is_temporal(target):
        faults.add(column, _is_out_of_calendar(values), unreadable_reason)
    if values.null_count > text.null_count:
        unreadable = pc.and_(text.is_valid(), values.is_null())
        faults.add(column, unreadable, unreadable_reason)
    return values


def _is_out_of_calendar(days: pa.Array) -> pa.BooleanArray:
    """Tell days and times outside the years 1 to 9999, which no text can spell."""
    first = pa.scalar(date.min).cast(days.type)
    last = pa.scalar(date.max).cast(days.type)
    return pc.or_(pc.less(days, first), pc.greater(days, last))


def _has_nul(text: pa.StringArray) -> bool:
    """Tell whether there may be a NUL, which PostgreSQL cannot keep, from the bytes as a whole."""
    data = text.buffers()[2]
    return data is not None and b"\x00" in bytes(data)


def _trimmed(delivered: pa.Array) -> pa.StringArray:
    text = delivered if pa.types.is_string(delivered.type) else _as_text(delivered)
    trimmed = pc.utf8_trim_whitespace(text)
    is_empty = pc.equal(trimmed, "")
    if not pc.any(is_empty).as_py():
        return trimmed
    return pc.if_else(is_empty, pa.scalar(None, pa.string()), trimmed)


def _as_text(delivered: pa.Array) -> pa.StringArray:
    """Write out what a Parquet file holds in another type than the contract's."""
    if pa.types.is_floating(delivered.type):
        # 3.0 stands for the whole number 3: a column of integers with a null becomes floating.
        is_whole = pc.fill_null(pc.equal(pc.floor(delivered), delivered), False)
        is_small = pc.less(pc.abs(delivered), 2.0**53)
        whole = pc.if_else(pc.and_(is_whole, is_small), delivered, None).cast(pa.int64())
        return pc.coalesce(whole.cast(pa.string()), delivered.cast(pa.string()))
    return delivered.cast(pa.string())


def _parser(column: Column, target: pa.DataType) -> Callable[[pa.StringArray], pa.Array]:
    if pa.types.is_boolean(target):
        return _parse_boolean
    if pa.types.is_timestamp(target):
        return lambda text: _parse_timestamp(column, text)
    if pa.types.is_integer(target) or pa.types.is_decimal(target):
        return lambda text: _parse_number(text, target)
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


def _parse_number(text: pa.StringArray, target: pa.DataType) -> pa.Array:
    """Read whole and decimal numbers, without two things that Arrow would take.

    Hexadecimal numbers are a mistake in a delivery; an exponent of many digits ends the process
    (pyarrow 26 crashes on 9e-2147483647).
    """
    letters = [pc.any(pc.match_substring(text, letter)).as_py() for letter in "xXeE"]
    if any(letters):
        is_strange = pc.match_substring_regex(text, STRANGE_NUMBER)
        text = pc.if_else(is_strange, pa.scalar(None, pa.string()), text)
    return text.cast(target)


def _parse_boolean(text: pa.StringArray) -> pa.BooleanArray:
    word = pc.utf8_lower(text)
    is_true = pc.is_in(word, pa.array(TRUE_WORDS))
    is_false = pc.is_in(word, pa.array(FALSE_WORDS))
    return pc.if_else(pc.or_(is_true, is_false), is_true, pa.scalar(None, pa.bool_()))


def _parse_timestamp(column: Column, text: pa.StringArray) -> pa.TimestampArray:
    """Times with an offset mean themselves, times without one are local to the contract's zone."""
    try:
        return _to_utc(column, text.cast(pa.timestamp("us")))
    except pa.ArrowInvalid:
        with_offset = pc.and_(
            pc.match_substring_regex(text, WITH_OFFSET), pc.match_substring(text, ":")
        )
    nothing = pa.scalar(None, pa.string())
    absolute = pc.if_else(with_offset, text, nothing).cast(pa.timestamp("us", "UTC"))
    local = pc.if_else(with_offset, nothing, text).cast(pa.timestamp("us"))
    return pc.coalesce(absolute, _to_utc(column, local))


def _to_utc(column: Column, times: pa.TimestampArray) -> pa.TimestampArray:
    if times.type.tz is None:
        times = pc.assume_timezone(
            times, column.timezone or "UTC", ambiguous="earliest", nonexistent="latest"
        )
    return times.cast(pa.timestamp("us", "UTC"))
