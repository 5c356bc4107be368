"""The loader on thousands of damaged files: it loads, rejects or refuses, and loses nothing.

Each case damages a valid delivery, loads it into a real database and compares what is there with
the file itself. `HYPOTHESIS_PROFILE=thorough` draws many more cases, and other ones each time.
"""

from __future__ import annotations

import csv
import gzip
import io
import logging
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from psycopg import sql

from scripts import delivered_file, warehouse
from scripts.contracts import Extract, find_extract
from scripts.copy_streams import copy_rows
from scripts.load_extracts import load_extract
from scripts.row_checks import arrow_schema, check_batch

NIGHT = date(2026, 11, 20)
SAMPLES = warehouse.PROJECT_DIR / "docs" / "samples"
EXTRACTS = {
    "customer": find_extract("crm", "customer"),
    "optical_reading": find_extract("line", "optical_reading"),
    "broadband_hourly": find_extract("usage", "broadband_hourly"),
    "interaction": find_extract("contact_center", "interaction"),
}
PHONE = "16100000001"
ANY_PHONE = re.compile(r"161\d{8}")
WRONG_COLUMN_COUNT = re.compile(r"(\d+) columns instead of (\d+)")
LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n|\Z)")

_QUIET = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large]
PROFILES = {
    "quick": settings(
        max_examples=300, deadline=None, derandomize=True, database=None,
        suppress_health_check=_QUIET,
    ),
    "thorough": settings(
        max_examples=2000, deadline=None, database=None, print_blob=True,
        suppress_health_check=_QUIET,
    ),
}  # fmt: skip
PROFILE = PROFILES[os.environ.get("HYPOTHESIS_PROFILE", "quick")]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Case:
    """One damaged delivery. `read_bytes` and `batch_rows` make blocks as small as these files."""

    extract: Extract
    suffix: str
    content: bytes
    read_bytes: int
    batch_rows: int

    def __repr__(self) -> str:
        size = f"read_bytes={self.read_bytes}, batch_rows={self.batch_rows}"
        return f"Case({self.extract}, {self.suffix}, {size}, {self.content!r})"

    def text(self) -> str:
        """Return the decoded file without a byte order mark, line breaks as they are."""
        content = gzip.decompress(self.content) if self.suffix.endswith(".gz") else self.content
        return content.decode(self.extract.encoding).removeprefix("\ufeff")

    def records(self, more: str = "") -> list[list[str]]:
        """Return the rows of a CSV file, and of what is appended, that are not blank."""
        text = io.StringIO(self.text() + more, newline="")
        return [cells for cells in csv.reader(text, delimiter=self.extract.delimiter) if cells]


@dataclass(frozen=True)
class Standing:
    """What the warehouse holds of one extract and date, as PostgreSQL writes it."""

    rows: list[str]
    rejected: list[dict[str, Any]]
    loaded: list[dict[str, Any]]
    failed: list[dict[str, Any]]


# --- what is damaged, and how -------------------------------------------------------------------

NASTY = [
    "", " ", "\u3000", "\u00a0x\u2003", "\ufeff", "\u200b", "\x1c", "\x85", "\u2028", "東東", "😀",
    "a\x00b", "x" * 300, "張" * 70_000, '"', '""', '"open', 'in"side', '"a"b', '"two\nlines"', "'",
    "\\.", "\\N", "null", "NULL", "None", "nan", "NaN", "inf", "-Infinity", "infinity", "-", "+",
    "0", "-0", "+1", "007", "1e5", "1E-2", "0x10", "0xFFFFFFFF", "0xFFFFFFFFFFFFFFFF", "1_000",
    "1,000", "１２", "٣", "1.0", "1.", ".5", "1.2345", "9" * 60, "2147483647", "2147483648",
    "-2147483649", "9223372036854775807", "9223372036854775808", "0000-01-01", "0001-01-01",
    "9999-12-31", "10000-01-01", "2026-02-30", "2024-02-29", "2026-1-5", "20261120", "20.11.2026",
    "today", "now", "epoch", "allballs", "J2451187", "2026-11-20 BC", "2026-11-20 10:00",
    "2026-11-20 10:00:00", "2026-11-20T10:00:00", "2026-11-20 10:00:00.1234567",
    "2026-11-20 24:00:00", "2026-11-20 23:59:60", "2026-11-20 10:00:00+0800",
    "2026-11-20 10:00:00+08", "2026-11-20 10:00:00-23:59", "2026-11-20 10:00:00Z",
    "2026-11-20 10:00:00+99:99", "2026-11-20 10Z", "2026-11-20 10+08:00", "2026-11-20 10:00+08",
    "2026-11-20 10:00:00 Asia/Tokyo", "1986-05-04 02:30:00", "1986-09-14 01:30:00",
    "1940-06-01 00:30:00", "1900-12-31 23:59:59", "0001-01-01 00:00:00", "9999-12-31 23:59:59",
    "true", "T", "是", "no", "female", "dB", PHONE,
]  # fmt: skip
PIECES = [
    "2026-11-20", "2026", "1986-09-14", "1986-05-04", "0001-01-01", "9999-12-31", "-11", "-02-30",
    " ", "T", "10", ":00", ":59", ":60", "24:00", "23:59:59", "01:30:00", ".5", ".123456", "Z", "z",
    "+08:00", "-0830", "+08", "-15:59", "+24:00", "0x", "0X", "F", "7FFFFFFF", "80000000", "e",
    "E+2", "e-3", "-", "+", "_", ".", ",", "0", "1", "9", "00", "99999", "2147483647",
    "9223372036854775807",
]  # fmt: skip
TOKENS = [
    b"|", b",", b'"', b"\n", b"\r", b"\r\n", b"\n\n", b"\x00", b"\xff", b"\x80", b"\xef\xbb\xbf",
    b"\x84\x31\x95\x33", b"\xe5\xbc", b"\x96", b"\x96|", b"\xff\xfe", b"\t", b" ", b";", b"\x1a",
    b'""', b"\x0c", b"\\", b"\n\n\n", b'\n"\n', PHONE.encode(),
]  # fmt: skip
CHARACTERS = st.builds(chr, st.integers(0, 0xD7FF) | st.integers(0xE000, 0x10FFFF))
TEXTS = st.one_of(
    st.sampled_from(NASTY),
    st.lists(st.sampled_from(PIECES), max_size=6).map("".join),
    st.lists(CHARACTERS, max_size=8).map("".join),
)


@st.composite
def csv_cases(draw: st.DrawFn) -> Case:
    """Draw a CSV file: valid rows, damaged as cells, as a table, as bytes, and as gzip."""
    extract = EXTRACTS[draw(st.sampled_from(sorted(EXTRACTS)))]
    table = [list(row) for row in draw(_valid_rows(extract))]
    for _ in range(draw(st.sampled_from([0, 0, 1, 1, 2, 3]))):
        draw(st.sampled_from(TABLE_DAMAGES))(draw, table)
    is_quoted = draw(st.booleans())
    line_break = draw(st.sampled_from(["\n", "\n", "\n", "\r\n", "\r"]))
    text = _written(table, extract.delimiter, line_break, is_quoted=is_quoted)
    content = text.encode(draw(st.sampled_from([extract.encoding] * 9 + ["utf-8"])), "ignore")
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 2, 3]))):
        content = draw(st.sampled_from(BYTE_DAMAGES))(draw, content)
    suffix = draw(st.sampled_from([".csv", ".csv", ".csv.gz"]))
    if suffix == ".csv.gz":
        content = gzip.compress(content, mtime=0)
        if draw(st.integers(0, 4)) == 0:
            content = draw(st.sampled_from(BYTE_DAMAGES))(draw, content)
    read_bytes = draw(st.sampled_from([4 * 1024**2, 4 * 1024**2, 2048, 600]))
    return Case(extract, suffix, content, read_bytes, batch_rows=100)


@st.composite
def _valid_rows(draw: st.DrawFn, extract: Extract) -> list[list[str]]:
    """Draw a header and up to six valid rows; every row's key is a number of its own."""
    header, *samples = _samples(extract)
    rows = [list(draw(st.sampled_from(samples))) for _ in range(draw(st.integers(0, 6)))]
    for number, row in enumerate(rows):
        row[0] = f"161{number:08d}"
    return [header, *rows]


def _samples(extract: Extract) -> list[list[str]]:
    file = SAMPLES / extract.source / f"{extract.name}.csv"
    with file.open(encoding=extract.encoding, newline="") as text:
        return list(csv.reader(text, delimiter=extract.delimiter))


def _written(table: list[list[str]], delimiter: str, line_break: str, *, is_quoted: bool) -> str:
    if not is_quoted:
        return "".join(delimiter.join(row) + line_break for row in table)
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter, lineterminator=line_break).writerows(table)
    return text.getvalue()


def _change_cell(draw: st.DrawFn, table: list[list[str]]) -> None:
    row = draw(st.sampled_from(table[1:] or table))
    if row:
        row[draw(st.integers(0, len(row) - 1))] = draw(TEXTS)


def _change_row_length(draw: st.DrawFn, table: list[list[str]]) -> None:
    row = draw(st.sampled_from(table))
    position = draw(st.integers(0, len(row)))
    row[position:] = [] if draw(st.booleans()) else [draw(TEXTS), *row[position:]]


def _insert_row(draw: st.DrawFn, table: list[list[str]]) -> None:
    row = draw(st.sampled_from([[], [" "], ['""'], ['"'], ["\\."], *table]))
    table.insert(draw(st.integers(0, len(table))), list(row))


def _drop_header(draw: st.DrawFn, table: list[list[str]]) -> None:
    del table[0]
    if not table:
        table.append([])


def _lose_line_break(draw: st.DrawFn, table: list[list[str]]) -> None:
    position = draw(st.integers(0, len(table) - 1))
    first, *more = table[position : position + 2]
    for cells in more:
        first[-1:] = [("".join(first[-1:] + cells[:1])), *cells[1:]]
        del table[position + 1]


def _open_last_quote(draw: st.DrawFn, table: list[list[str]]) -> None:
    row = draw(st.sampled_from(table[1:] or table))
    if row:
        row[-1] = '"open'


def _drop_column(draw: st.DrawFn, table: list[list[str]]) -> None:
    position = draw(st.integers(0, max(0, len(table[0]) - 1)))
    for row in table:
        del row[position : position + 1]


def _repeat_column(draw: st.DrawFn, table: list[list[str]]) -> None:
    position = draw(st.integers(0, max(0, len(table[0]) - 1)))
    for row in table:
        row.extend(row[position : position + 1])


def _reorder_columns(draw: st.DrawFn, table: list[list[str]]) -> None:
    order = draw(st.permutations(range(len(table[0]))))
    for row in table:
        row[:] = [row[position] for position in order if position < len(row)]


def _rename_column(draw: st.DrawFn, table: list[list[str]]) -> None:
    if header := table[0]:
        position = draw(st.integers(0, len(header) - 1))
        name = header[position]
        others = [name.upper(), f" {name}", f"{name}\x00", f'"{name}"', f'{name}"', "", "新"]
        header[position] = draw(st.sampled_from(others))


TABLE_DAMAGES: list[Callable[[st.DrawFn, list[list[str]]], None]] = [
    _change_cell, _change_cell, _change_cell, _change_cell, _change_row_length, _insert_row,
    _lose_line_break, _open_last_quote, _drop_header, _drop_column, _repeat_column,
    _reorder_columns, _reorder_columns, _rename_column,
]  # fmt: skip


def _flip(draw: st.DrawFn, content: bytes) -> bytes:
    if not content:
        return content
    position = draw(st.integers(0, len(content) - 1))
    changed = content[position] ^ draw(st.integers(1, 255))
    return content[:position] + bytes([changed]) + content[position + 1 :]


def _insert_bytes(draw: st.DrawFn, content: bytes) -> bytes:
    position = draw(st.integers(0, len(content)))
    return content[:position] + draw(st.sampled_from(TOKENS)) + content[position:]


def _delete_bytes(draw: st.DrawFn, content: bytes) -> bytes:
    position = draw(st.integers(0, len(content)))
    return content[:position] + content[position + draw(st.integers(1, 30)) :]


def _delete_line_break(draw: st.DrawFn, content: bytes) -> bytes:
    places = [found.start() for found in re.finditer(b"\n", content)]
    position = draw(st.sampled_from(places or [0]))
    return content[:position] + content[position + 1 :]


def _truncate(draw: st.DrawFn, content: bytes) -> bytes:
    return content[: draw(st.integers(0, len(content)))]


def _drop_last_byte(draw: st.DrawFn, content: bytes) -> bytes:
    return content[:-1]


BYTE_DAMAGES: list[Callable[[st.DrawFn, bytes], bytes]] = [
    _flip, _insert_bytes, _insert_bytes, _insert_bytes, _delete_bytes, _delete_line_break,
    _truncate, _drop_last_byte,
]  # fmt: skip


@st.composite
def parquet_cases(draw: st.DrawFn) -> Case:
    """Draw a Parquet file: valid rows, columns of other types, missing and new ones, cut short."""
    extract = EXTRACTS[draw(st.sampled_from(sorted(EXTRACTS)))]
    table = draw(_valid_table(extract))
    for _ in range(draw(st.sampled_from([0, 1, 1, 1, 2, 3]))):
        position = draw(st.integers(0, table.num_columns - 1))
        table = table.set_column(position, table.schema.names[position], draw(_arrays(len(table))))
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 2]))):
        table = draw(st.sampled_from(COLUMN_DAMAGES))(draw, table)
    content = draw(_parquet_bytes(table))
    if draw(st.integers(0, 9)) == 0:
        content = draw(st.sampled_from([_truncate, _drop_last_byte, _delete_bytes]))(draw, content)
    batch_rows = draw(st.sampled_from([131_072, 2]))
    return Case(extract, ".parquet", content, read_bytes=4 * 1024**2, batch_rows=batch_rows)


@st.composite
def _valid_table(draw: st.DrawFn, extract: Extract) -> pa.Table:
    header, *samples = _samples(extract)
    texts = pa.table(
        [pa.array([row[position] for row in samples]) for position in range(len(header))],
        names=header,
    ).to_batches()[0]
    typed = pa.Table.from_batches([check_batch(extract, texts).accepted], arrow_schema(extract))
    rows = draw(st.lists(st.integers(0, len(samples) - 1), max_size=5))
    keys = pa.array([f"161{number:08d}" for number in range(len(rows))], pa.string())
    return typed.take(pa.array(rows, pa.int64())).set_column(0, header[0], keys)


@st.composite
def _parquet_bytes(draw: st.DrawFn, table: pa.Table) -> bytes:
    sink = io.BytesIO()
    try:
        parquet.write_table(
            table,
            sink,
            row_group_size=draw(st.integers(1, 6)),
            use_dictionary=draw(st.booleans()),
            use_deprecated_int96_timestamps=draw(st.integers(0, 5)) == 0,
            store_schema=draw(st.booleans()),
        )
    except pa.ArrowException:  # not every column can be written
        assume(False)
    return sink.getvalue()


def _arrays(rows: int) -> st.SearchStrategy[pa.Array]:
    """Draw a column of a type that the contract may not expect, nulls among its values."""

    def of(type_: pa.DataType, values: st.SearchStrategy[Any]) -> st.SearchStrategy[pa.Array]:
        some = st.lists(st.none() | values, min_size=rows, max_size=rows)
        return some.map(lambda items: pa.array(items, type_))

    def seen_as(
        type_: pa.DataType, base: pa.DataType, values: st.SearchStrategy[Any]
    ) -> st.SearchStrategy[pa.Array]:
        return of(base, values).map(lambda array: array.view(type_))

    whole = st.integers(-(2**63), 2**63 - 1) | st.sampled_from([0, 1, -1, 2**53 + 1, int(PHONE)])
    seconds = st.sampled_from([0, 1_795_120_000, -62_135_596_801, 253_402_300_800, 2**62, -(2**62)])
    moments = st.builds(
        lambda moment, scale: max(-(2**63), min(2**63 - 1, moment * scale)),
        seconds | st.integers(-(2**40), 2**40),
        st.sampled_from([1, 1000, 1_000_000, 1_000_000_000]),
    )
    days = st.sampled_from([0, 20_777, -719_163, 2_932_897, 2**31 - 1, -(2**31)])
    small = st.integers(-5, 100)
    zones = [None, "UTC", "Asia/Shanghai", "+08:00", "Mars/Phobos"]
    return st.one_of(
        of(pa.string(), TEXTS),
        of(pa.large_string(), TEXTS),
        of(pa.string(), TEXTS).map(lambda array: array.dictionary_encode()),
        of(pa.binary(), st.binary(max_size=6) | st.just(PHONE.encode())),
        seen_as(
            pa.string(), pa.binary(), st.sampled_from([b"\xff" + PHONE.encode(), b"a", b"\xe5"])
        ),
        of(pa.binary(4), st.binary(min_size=4, max_size=4)),
        of(pa.int64(), whole | small),
        of(pa.int8(), st.integers(-128, 127)),
        of(pa.uint64(), st.integers(0, 2**64 - 1)),
        of(pa.float64(), st.floats() | small.map(float) | st.just(float(PHONE))),
        of(pa.float32(), st.floats(width=32)),
        of(pa.float16(), small.map(float)),
        of(pa.bool_(), st.booleans()),
        of(pa.decimal128(38, 10), st.decimals(-(10**20), 10**20, places=10)),
        of(pa.decimal128(12, 2), st.decimals(-(10**9), 10**9, places=2)),
        of(pa.decimal256(50, 0), st.decimals(-(10**45), 10**45, places=0)),
        of(pa.null(), st.none()),
        of(pa.list_(pa.string()), st.lists(TEXTS, max_size=2)),
        of(pa.struct([("number", pa.int64())]), st.fixed_dictionaries({"number": whole})),
        of(pa.map_(pa.string(), pa.int64()), st.just([(PHONE, 1)])),
        seen_as(pa.date32(), pa.int32(), days),
        seen_as(pa.date64(), pa.int64(), days.map(lambda day: day * 86_400_000)),
        seen_as(pa.time64("us"), pa.int64(), st.integers(0, 86_399_999_999)),
        seen_as(pa.duration("us"), pa.int64(), whole),
        *(
            seen_as(pa.timestamp(unit, zone), pa.int64(), moments)
            for unit in ("s", "ms", "us", "ns")
            for zone in zones
        ),
    )


def _add_column(draw: st.DrawFn, table: pa.Table) -> pa.Table:
    return table.append_column(
        draw(st.sampled_from(["new", "新", "a.b"])), draw(_arrays(len(table)))
    )


def _repeat_arrow_column(draw: st.DrawFn, table: pa.Table) -> pa.Table:
    position = draw(st.integers(0, table.num_columns - 1))
    return table.append_column(table.schema.names[position], table.column(position))


def _remove_column(draw: st.DrawFn, table: pa.Table) -> pa.Table:
    if table.num_columns == 1:
        return table
    return table.remove_column(draw(st.integers(0, table.num_columns - 1)))


def _rename_arrow_column(draw: st.DrawFn, table: pa.Table) -> pa.Table:
    names = list(table.schema.names)
    position = draw(st.integers(0, len(names) - 1))
    names[position] = draw(st.sampled_from([names[position].upper(), f"{names[position]}\x00"]))
    return table.rename_columns(names)


def _reorder_arrow_columns(draw: st.DrawFn, table: pa.Table) -> pa.Table:
    return table.select(draw(st.permutations(range(table.num_columns))))


COLUMN_DAMAGES: list[Callable[[st.DrawFn, pa.Table], pa.Table]] = [
    _add_column, _add_column, _repeat_arrow_column, _remove_column, _rename_arrow_column,
    _reorder_arrow_columns,
]  # fmt: skip


# --- what must hold -----------------------------------------------------------------------------


@dataclass
class Checks:
    """Loads one case after the other into one database and compares it with the file."""

    connection: psycopg.Connection
    landing_dir: Path
    monkeypatch: pytest.MonkeyPatch
    caplog: pytest.LogCaptureFixture
    statuses: Counter[str]

    def check(self, case: Case) -> None:
        """Load the case, twice, and see that nothing is lost, half loaded or told to the wrong."""
        path = self._deliver(case)
        before = self._standing(case.extract)
        self.caplog.clear()
        result = load_extract(case.extract, NIGHT, self.landing_dir)
        after = self._standing(case.extract)
        self.statuses[f"{case.extract}{case.suffix} {result.status}"] += 1
        name = path.relative_to(self.landing_dir).as_posix()
        if result.status == "failed":
            assert replace(after, failed=[]) == replace(before, failed=[])
            assert [(entry["file"], entry["error"]) for entry in after.failed] == [
                (name, result.error)
            ]
        else:
            assert result.status == "loaded"
            (entry,) = after.loaded
            assert (entry["file"], after.failed) == (name, [])
            counts = (result.rows_read, result.rows_loaded, result.rows_rejected)
            assert counts == (entry["rows_read"], entry["rows_loaded"], entry["rows_rejected"])
            _check_rows(case, entry, after)
        told = (self.caplog.text, result.error or "", *result.warnings)
        assert not any(ANY_PHONE.search(text) for text in told), "a phone number is told"
        again = load_extract(case.extract, NIGHT, self.landing_dir)
        assert again.status == {"loaded": "unchanged", "failed": "failed"}[result.status]
        assert self._standing(case.extract) == after, "a repeated load changes nothing"

    def _deliver(self, case: Case) -> Path:
        """Put the case alone into its folder, under a name of its own."""
        extract = case.extract
        folder = self.landing_dir / extract.source / extract.name / NIGHT.isoformat()
        folder.mkdir(parents=True, exist_ok=True)
        for earlier in folder.iterdir():
            earlier.unlink()
        path = folder / f"case-{self.statuses.total()}{case.suffix}"
        path.write_bytes(case.content)
        self.monkeypatch.setattr(delivered_file, "READ_BYTES", case.read_bytes)
        self.monkeypatch.setattr(delivered_file, "BATCH_ROWS", case.batch_rows)
        return path

    def _standing(self, extract: Extract) -> Standing:
        of_extract = "source = %(source)s and extract = %(name)s and business_date = %(day)s"
        entries = (
            "(select coalesce(json_agg(entry order by extract_load_id), '[]')"
            f" from ops.extract_load as entry where {of_extract} and status = "
        )
        row = self.connection.execute(
            "select array("
            f" select delivered::text from raw.{extract.table} as delivered"
            " where business_date = %(day)s order by 1),"
            " (select coalesce(json_agg(rejected order by line), '[]')"
            f" from raw.rejected_row as rejected where {of_extract}),"
            f" {entries} 'loaded'), {entries} 'failed')",
            {"source": extract.source, "name": extract.name, "day": NIGHT},
        ).fetchone()
        assert row is not None
        return Standing(*row)


def _check_rows(case: Case, entry: dict[str, Any], standing: Standing) -> None:
    assert entry["rows_read"] == entry["rows_loaded"] + entry["rows_rejected"]
    assert len(standing.rejected) == entry["rows_rejected"]
    if case.extract.roll_up is None:
        assert len(standing.rows) == entry["rows_loaded"]
    else:
        assert bool(standing.rows) == bool(entry["rows_loaded"])
        assert len(standing.rows) <= entry["rows_loaded"]
    origin = f",{NIGHT},{entry['extract_load_id']})"
    assert all(row.endswith(origin) for row in standing.rows)
    for rejection in standing.rejected:
        assert rejection["file"] == entry["file"]
        assert rejection["line"] >= 2
        assert rejection["reason"]
    if case.suffix == ".parquet":
        _check_parquet_rejections(case, standing)
    else:
        _check_csv_rejections(case, standing)
        _check_csv_rows(case, entry, standing)


def _check_csv_rejections(case: Case, standing: Standing) -> None:
    """Every rejection tells the line, the text and the value that the file really has there."""
    text = case.text().replace("\x00", "\ufffd")
    starts = [found.start() for found in LINE.finditer(text)]
    header = case.records()[0]
    for rejection in standing.rejected:
        original = rejection["original_text"]
        start = starts[rejection["line"] - 1]
        assert text.startswith(original, start)
        assert text[start + len(original) :][:1] in ("", "\r", "\n")
        ((*cells,),) = csv.reader(
            io.StringIO(original, newline=""), delimiter=case.extract.delimiter
        )
        wrong_count = WRONG_COLUMN_COUNT.fullmatch(rejection["reason"])
        if wrong_count:
            assert (rejection["column_name"], rejection["value"]) == (None, None)
            assert (len(cells), len(header)) == tuple(map(int, wrong_count.groups()))
        else:
            named = cells[header.index(rejection["column_name"])]
            assert (rejection["value"] or "") == named
            assert len(cells) == len(header)


def _check_csv_rows(case: Case, entry: dict[str, Any], standing: Standing) -> None:
    """Every row that was not rejected is in raw under its key, and no other."""
    header, *records = case.records()
    assert len(records) == entry["rows_read"]
    assert case.records(more="end\n")[-1] == ["end"], "no quote is left open"
    key = case.extract.columns[0].name
    position = header.index(key)
    delivered = Counter(_plain(cells[position]) for cells in records if len(cells) > position)
    rejected = [
        next(
            csv.reader(
                io.StringIO(item["original_text"], newline=""), delimiter=case.extract.delimiter
            )
        )
        for item in standing.rejected
    ]
    delivered.subtract(_plain(cells[position]) for cells in rejected if len(cells) > position)
    loaded = Counter(
        _plain(next(csv.reader(io.StringIO(row[1:-1], newline=""), escapechar="\\"))[0])
        for row in standing.rows
    )
    expected = {value: count for value, count in delivered.items() if count}
    if case.extract.roll_up is None:
        assert loaded == expected
    else:
        assert set(loaded) == set(expected)


def _plain(text: str) -> str:
    return text.replace("\x00", "\ufffd").strip()


def _check_parquet_rejections(case: Case, standing: Standing) -> None:
    """Every rejection of a Parquet row tells its number and, unless empty, the column's value."""
    table = parquet.read_table(io.BytesIO(case.content))
    for rejection in standing.rejected:
        value = table.column(rejection["column_name"])[rejection["line"] - 2]
        is_text = pa.types.is_string(value.type) or pa.types.is_large_string(value.type)
        may_be_empty = (
            is_text or pa.types.is_binary(value.type) or pa.types.is_dictionary(value.type)
        )
        is_empty = not value.is_valid or (may_be_empty and value.as_py() in ("", b""))
        assert rejection["value"] or is_empty
        assert rejection["original_text"]
    assert len({rejection["line"] for rejection in standing.rejected}) == len(standing.rejected)


@pytest.fixture
def checks(
    warehouse_db: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> Iterator[Checks]:
    """Check cases in a database of their own; at the end, log what became of them."""
    caplog.set_level(logging.INFO)
    monkeypatch.setenv("PGOPTIONS", "-c synchronous_commit=off")  # no test of the disk
    with psycopg.connect(warehouse_db, autocommit=True) as connection:
        checks = Checks(connection, tmp_path, monkeypatch, caplog, Counter())
        yield checks
    log.info("%d cases: %s", checks.statuses.total(), dict(sorted(checks.statuses.items())))


@PROFILE
@given(case=csv_cases())
def test_no_damaged_csv_file_is_half_loaded(checks: Checks, case: Case) -> None:
    checks.check(case)


@PROFILE
@given(case=parquet_cases())
def test_no_strange_parquet_file_is_half_loaded(checks: Checks, case: Case) -> None:
    checks.check(case)


NUMBER_COLUMN, TIME_COLUMN = EXTRACTS["optical_reading"].columns[:2]
READ_COLUMNS = {
    kind: replace(TIME_COLUMN, name="value", physical_type=kind, is_required=False)
    for kind in ("integer", "bigint", "numeric(8,3)", "date", "timestamptz")
}
AS_NUMBER = {
    "date": "value - date '1970-01-01'",
    "timestamptz": "(extract(epoch from value) * 1000000)::bigint",
}
VALID_TEXTS = {
    "integer": ["0", "-1", "2147483647"],
    "bigint": ["0", PHONE],
    "numeric(8,3)": ["0.125", "-99999.999"],
    "date": ["2026-11-20", "0001-01-01"],
    "timestamptz": ["2026-11-20 10:00:00", "1986-09-14 12:00:00"],
}
DAY_TEXTS = ["2026-11-20", "1986-05-04", "1986-09-14", "1940-06-01", "1900-12-31", "0001-01-01"]
TIME_TEXTS = [
    "",
    "10",
    "10:00",
    "10:00:00",
    "02:30:00",
    "01:30:00",
    "00:00:00.5",
    "00:05:42.999999",
]
OFFSET_TEXTS = ["", "Z", "+08:00", "+0800", "-08:30", "+08", "-23:59", "+15:59", "+16:00"]
MOMENT_TEXTS = st.tuples(
    st.sampled_from(DAY_TEXTS),
    st.sampled_from([" ", "T", ""]),
    st.sampled_from(TIME_TEXTS),
    st.sampled_from(OFFSET_TEXTS),
).map("".join)


@st.composite
def columns_of_texts(draw: st.DrawFn) -> tuple[str, list[str]]:
    """Draw a type and texts to read as it, some of them valid."""
    kind = draw(st.sampled_from(sorted(READ_COLUMNS)))
    texts = st.sampled_from(VALID_TEXTS[kind]) | TEXTS | MOMENT_TEXTS
    return kind, draw(st.lists(texts, min_size=1, max_size=8))


@PROFILE
@given(drawn=columns_of_texts())
def test_what_arrow_reads_is_what_lands(checks: Checks, drawn: tuple[str, list[str]]) -> None:
    kind, texts = drawn
    extract = replace(EXTRACTS["optical_reading"], columns=(NUMBER_COLUMN, READ_COLUMNS[kind]))
    checked = [
        check_batch(extract, pa.record_batch({NUMBER_COLUMN.name: [str(number)], "value": [text]}))
        for number, text in enumerate(texts)
    ]
    connection = checks.connection
    with connection.transaction(force_rollback=True):
        connection.execute(
            f"create temporary table landed ({NUMBER_COLUMN.name} text, value {kind})"
        )
        accepted = (batch.accepted for batch in checked)
        copy_rows(connection, sql.Identifier("landed"), arrow_schema(extract), accepted)
        landed = connection.execute(
            f"select {AS_NUMBER.get(kind, 'value')} from landed"
            f" order by {NUMBER_COLUMN.name}::integer"
        ).fetchall()
    checks.statuses[kind] += 1
    read = pa.concat_arrays([batch.accepted.column("value") for batch in checked])
    plain = {"date": pa.int32(), "timestamptz": pa.int64()}.get(kind)
    expected = read.cast(plain) if plain else read
    assert [value for (value,) in landed] == expected.to_pylist()
