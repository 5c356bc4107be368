"""Check delivered rows against their contract, a column at a time, and give them their types."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from types import MappingProxyType

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from scripts.contracts import Column, Extract

TRUE_WORDS = ("true", "t", "1", "yes", "y", "是")
FALSE_WORDS = ("false", "f", "0", "no", "n", "否")
WITH_OFFSET = r"(Z|[+-]\d\d:?\d\d)$"
SESSION_TIMEZONE = "Asia/Shanghai"  # in which the loader's sessions read times without an offset
LAST_SUMMER_TIME = datetime(1992, 1, 1, tzinfo=UTC)  # of that zone
FULL_LENGTH = len("2026-11-20 02:30:00")
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
    """The rows that keep to the contract, and the first fault of each of the others.

    `accepted` holds the rows in the contract's types. `delivered_texts` holds the columns whose
    delivered text PostgreSQL reads as the same value, so that it need not be written anew.
    """

    accepted: pa.RecordBatch
    delivered_texts: dict[str, pa.StringArray]
    rejections: list[Rejection]

    def as_text(self) -> pa.RecordBatch:
        """Return the accepted rows as PostgreSQL reads them from text; null stays null."""
        return as_text(self.accepted, self.delivered_texts)


def arrow_type(column: Column) -> pa.DataType:
    """Return the Arrow type that PostgreSQL's binary COPY takes for the column."""
    numeric = NUMERIC.fullmatch(column.physical_type)
    if numeric:
        return pa.decimal128(int(numeric[1]), int(numeric[2]))
    return SIMPLE_TYPES[column.physical_type]


def arrow_schema(extract: Extract) -> pa.Schema:
    """Return the Arrow schema of an extract's accepted rows."""
    return pa.schema([(column.name, arrow_type(column)) for column in extract.columns])


def check_batch(
    extract: Extract, batch: pa.RecordBatch, *, may_have_nul: bool = True
) -> CheckedBatch:
    """Check every column; a column that was not delivered is null. Order of rows is kept.

    `may_have_nul` tells whether the texts may hold NUL characters, which PostgreSQL cannot keep.
    """
    faults = _Faults(batch.num_rows, may_have_nul)
    delivered = set(batch.schema.names)
    texts: dict[str, pa.StringArray] = {}
    arrays = [
        _check_column(column, batch.column(column.name), faults, texts)
        if column.name in delivered
        else pa.nulls(batch.num_rows, arrow_type(column))
        for column in extract.columns
    ]
    accepted = pa.RecordBatch.from_arrays(arrays, schema=arrow_schema(extract))
    if faults.rejections:
        is_good = pa.array(faults.is_good)
        accepted = accepted.filter(is_good)
        texts = {name: text.filter(is_good) for name, text in texts.items()}
    return CheckedBatch(accepted, texts, sorted(faults.rejections, key=lambda item: item.index))


class _Faults:
    """The rows of a batch that are good so far, and the first fault of each other row."""

    def __init__(self, rows: int, may_have_nul: bool) -> None:
        self.may_have_nul = may_have_nul
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


def _check_column(
    column: Column, delivered: pa.Array, faults: _Faults, texts: dict[str, pa.StringArray]
) -> pa.Array:
    values = _typed(column, delivered, faults, texts)
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


def _typed(
    column: Column, delivered: pa.Array, faults: _Faults, texts: dict[str, pa.StringArray]
) -> pa.Array:
    """Return the column in its contract type; null where empty, or where it cannot be read."""
    target = arrow_type(column)
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
        if faults.may_have_nul:
            faults.add(column, pc.match_substring(text, "\x00"), "contains a NUL character")
        return text
    values = _cast(text, target, _parser(column, target))
    if pa.types.is_temporal(target):
        faults.add(column, _is_out_of_calendar(values), unreadable_reason)
    if values.null_count > text.null_count:
        unreadable = pc.and_(text.is_valid(), values.is_null())
        faults.add(column, unreadable, unreadable_reason)
    elif _is_read_alike(column, text, values):
        texts[column.name] = text
    return values


def _is_read_alike(column: Column, text: pa.StringArray, values: pa.Array) -> bool:
    """Tell whether PostgreSQL reads the texts as Arrow did.

    Of times that are those without an offset, in their full form, and after the last summer time of
    the session's zone, in which a local time could mean two moments or none.
    """
    if pa.types.is_boolean(values.type):
        return False
    if not pa.types.is_timestamp(values.type):
        return True
    shortest, longest = pc.min_max(pc.binary_length(text)).values()
    earliest = pc.min(values)
    return (
        (shortest.as_py(), longest.as_py()) == (FULL_LENGTH, FULL_LENGTH)
        and column.timezone == SESSION_TIMEZONE
        and pc.greater_equal(earliest, pa.scalar(LAST_SUMMER_TIME, earliest.type)).as_py()
        and _is_local(text)
    )


def _is_local(text: pa.StringArray) -> bool:
    try:
        text.cast(pa.timestamp("us"))
    except pa.ArrowInvalid:  # an offset
        return False
    return True


def as_text(
    rows: pa.RecordBatch, known: Mapping[str, pa.StringArray] = MappingProxyType({})
) -> pa.RecordBatch:
    """Write all columns out as text that PostgreSQL reads, but those whose text is `known`."""
    names = rows.schema.names
    texts = [known[name] if name in known else _written(rows.column(name)) for name in names]
    return pa.RecordBatch.from_arrays(texts, names=names)


def _written(values: pa.Array) -> pa.StringArray:
    """Write values as text that PostgreSQL reads; times in UTC, with their offset."""
    if pa.types.is_timestamp(values.type):
        utc = values.cast(pa.timestamp("us")).cast(pa.string())
        return pc.binary_join_element_wise(utc, "Z", "")
    return values.cast(pa.string())


def _is_out_of_calendar(days: pa.Array) -> pa.BooleanArray:
    """Tell days and times outside the years 1 to 9999, which no text can spell."""
    first = pa.scalar(date.min).cast(days.type)
    last = pa.scalar(date.max).cast(days.type)
    return pc.or_(pc.less(days, first), pc.greater(days, last))


def _trimmed(delivered: pa.Array) -> pa.StringArray:
    text = delivered if pa.types.is_string(delivered.type) else _as_text(delivered)
    trimmed = pc.utf8_trim_whitespace(text)
    return pc.if_else(pc.equal(trimmed, ""), pa.scalar(None, pa.string()), trimmed)


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
    if pa.types.is_integer(target):
        return lambda text: _parse_integer(text, target)
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


def _parse_integer(text: pa.StringArray, target: pa.DataType) -> pa.Array:
    """Arrow reads hexadecimal numbers too; in a delivery they are a mistake."""
    is_hexadecimal = pc.or_(pc.match_substring(text, "x"), pc.match_substring(text, "X"))
    if pc.any(is_hexadecimal).as_py():
        text = pc.if_else(is_hexadecimal, pa.scalar(None, pa.string()), text)
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
            times, column.timezone or "UTC", ambiguous="earliest", nonexistent="earliest"
        )
    return times.cast(pa.timestamp("us", "UTC"))
