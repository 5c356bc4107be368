"""Read one delivered file as a stream of Arrow batches of its own rows, and nothing else.

CSV is decoded before it is split (the second byte of a GB18030 character can be the delimiter
`|`), so every column arrives as text; Parquet columns keep their types. Rows that have the wrong
number of columns are handed out apart. What cannot be read at all raises `DeliveryError`.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import hashlib
import io
import re
import sys
import zlib
from array import array
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as arrow_csv
import pyarrow.parquet as parquet

from scripts.contracts import Extract

READ_BYTES = 4 * 1024**2
COLUMN_NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}", re.IGNORECASE | re.ASCII)
HEADER_BYTES = 64 * 1024
BATCH_ROWS = 65_536

csv.field_size_limit(sys.maxsize)


class DeliveryError(Exception):
    """A delivered file that cannot be loaded; says which file, which line and why."""

    def __init__(self, file: Path, line: int | None, cause: str) -> None:
        self.file = file
        self.line = line
        self.cause = storable(cause)
        where = f"{file}" if line is None else f"{file}, line {line}"
        super().__init__(f"{where}: {self.cause}")


def _listed(names: list[str]) -> str:
    """List delivered column names; what could be a value, such as a phone number, is only counted.

    A header without its line break has swallowed the first row.
    """
    told = [name for name in names if COLUMN_NAME.fullmatch(name)]
    if len(told) < len(names):
        told.append(f"{len(names) - len(told)} that are no names")
    return ", ".join(told)


def storable(text: str) -> str:
    """Return a text as PostgreSQL can keep it: without NUL characters."""
    return text.replace("\x00", "\ufffd")


@dataclass(frozen=True)
class OriginalRow:
    """A row as it was delivered: its line, its text, and its value in each named column."""

    record: int
    line: int
    text: str
    values: dict[str, str | None]


@dataclass
class DeliveredFile:
    """One file of a delivery. `batches()` may be read once; it notes what it finds on the way.

    `malformed_records` and `malformed_column_counts` tell the rows that have the wrong number of
    columns; records count the rows of the file from 1, and the header is row 1.
    """

    path: Path
    extract: Extract
    malformed_records: array[int] = field(default_factory=lambda: array("q"))
    malformed_column_counts: array[int] = field(default_factory=lambda: array("q"))
    warnings: list[str] = field(default_factory=list)
    _header: list[str] = field(default_factory=list, init=False)

    @property
    def is_parquet(self) -> bool:
        return self.path.suffix == ".parquet"

    @property
    def column_count(self) -> int:
        return len(self._header)

    def sha256(self) -> str:
        """Return the checksum of the file as delivered (before decompression)."""
        with self.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield the well-formed rows; columns the contract does not know are left out."""
        try:
            yield from self._parquet_batches() if self.is_parquet else self._csv_batches()
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise DeliveryError(self.path, None, f"corrupt or truncated gzip: {error}") from error
        except (pa.ArrowException, OSError) as error:
            raise DeliveryError(self.path, None, f"cannot be read: {error}") from error

    def original_rows(self, records: Iterable[int]) -> Iterator[OriginalRow]:
        """Yield the wanted records, given in ascending order, by reading the file a second time.

        Only files with rejected rows pay for this. Parquet has no lines: the row number stands in,
        and the row's values as text.
        """
        wanted = iter(records)
        yield from self._parquet_rows(wanted) if self.is_parquet else self._csv_rows(wanted)

    def _csv_batches(self) -> Iterator[pa.RecordBatch]:
        self._header = self._read_header()
        wanted = self._wanted_columns(self._header)
        with self._open() as utf8:
            stream = arrow_csv.open_csv(
                pa.PythonFile(utf8, mode="r"),
                # One thread: rows are then numbered, and Python feeds the bytes anyway.
                read_options=arrow_csv.ReadOptions(block_size=READ_BYTES, use_threads=False),
                parse_options=arrow_csv.ParseOptions(
                    delimiter=self.extract.delimiter,
                    newlines_in_values=True,
                    invalid_row_handler=self._keep_malformed,
                ),
                convert_options=arrow_csv.ConvertOptions(
                    column_types={name: pa.string() for name in self._header},
                    include_columns=wanted,
                    strings_can_be_null=True,
                    null_values=[""],
                    check_utf8=False,
                ),
            )
            for batch in stream:
                if batch.num_rows:
                    yield batch
            if utf8.quote_count % 2:
                self._check_last_quote()

    def _keep_malformed(self, row: arrow_csv.InvalidRow) -> str:
        self.malformed_records.append(row.number)
        self.malformed_column_counts.append(row.actual_columns)
        return "skip"

    def _check_last_quote(self) -> None:
        """Refuse a file whose last row has swallowed the rest of the file behind an open quote."""
        last = deque(self.original_rows(count(1)), maxlen=1).pop()
        if last.text.count('"') % 2:
            raise DeliveryError(
                self.path, last.line, "a quote is opened in this row and never closed"
            )

    def _csv_rows(self, wanted: Iterator[int]) -> Iterator[OriginalRow]:
        with self._open_text() as text:
            lines: list[str] = []
            record, first_line, seen_lines = 0, 1, 0
            next_wanted = next(wanted, None)
            for cells in csv.reader(_keep(text, lines), delimiter=self.extract.delimiter):
                if next_wanted is None:
                    return
                seen_lines += len(lines)
                if cells:
                    record += 1
                    if record == next_wanted:
                        original = _without_line_break("".join(lines))
                        values: dict[str, str | None] = dict(zip(self._header, cells, strict=False))
                        yield OriginalRow(record, first_line, original, values)
                        next_wanted = next(wanted, None)
                first_line = seen_lines + 1
                lines.clear()

    def _open_parquet(self) -> parquet.ParquetFile:
        # Without it the reader keeps what it has read: the whole file in memory, in the end.
        return parquet.ParquetFile(self.path, pre_buffer=False)

    def _parquet_batches(self) -> Iterator[pa.RecordBatch]:
        with self._open_parquet() as file:
            self._header = file.schema_arrow.names
            wanted = self._wanted_columns(self._header)
            for batch in file.iter_batches(BATCH_ROWS, columns=wanted):
                if batch.num_rows:
                    batch.validate(full=True)  # text that is no UTF-8
                    yield batch.select(wanted)

    def _parquet_rows(self, wanted: Iterator[int]) -> Iterator[OriginalRow]:
        first = 2  # as in a CSV file, where the header is row 1
        next_wanted = next(wanted, None)
        with self._open_parquet() as file:
            for batch in file.iter_batches(BATCH_ROWS):
                while next_wanted is not None and next_wanted < first + batch.num_rows:
                    values = _values_as_text(batch.slice(next_wanted - first, 1))
                    yield OriginalRow(next_wanted, next_wanted, str(values), values)
                    next_wanted = next(wanted, None)
                first += batch.num_rows

    def _read_header(self) -> list[str]:
        with self._open_text(HEADER_BYTES) as text:
            header = next((row for row in csv.reader(text, delimiter=self.extract.delimiter)), [])
        if not any(header):
            raise DeliveryError(self.path, 1, "the file is empty: there is no header")
        return header

    def _wanted_columns(self, header: list[str]) -> list[str]:
        """Return the delivered columns that the contract knows; note what is new or missing."""
        doubled = sorted({name for name in header if header.count(name) > 1})
        if doubled:
            raise DeliveryError(self.path, 1, f"columns named twice: {_listed(doubled)}")
        missing = [column for column in self.extract.columns if column.name not in header]
        required = [column.name for column in missing if column.is_required]
        if required:
            raise DeliveryError(self.path, 1, f"required columns missing: {', '.join(required)}")
        if missing:
            names = ", ".join(column.name for column in missing)
            self.warnings.append(f"optional columns missing, loaded as null: {names}")
        unknown = [name for name in header if name not in self.extract.column_names]
        if unknown:
            self.warnings.append(f"columns not in the contract, left out: {_listed(unknown)}")
        return [name for name in header if name in self.extract.column_names]

    def _open(self, chunk_bytes: int = READ_BYTES) -> _Utf8Stream:
        is_gzip = self.path.suffix == ".gz"
        binary = gzip.GzipFile(self.path) if is_gzip else self.path.open("rb", buffering=0)
        return _Utf8Stream(self.path, binary, self.extract, chunk_bytes)

    def _open_text(self, chunk_bytes: int = READ_BYTES) -> io.TextIOBase:
        buffer = io.BufferedReader(self._open(chunk_bytes), chunk_bytes)
        return io.TextIOWrapper(buffer, encoding="utf-8", newline="")


class _Utf8Stream(io.RawIOBase):
    """A delivered file's text as UTF-8; checks encoding and completeness on the way."""

    def __init__(
        self,
        path: Path,
        binary: io.RawIOBase | gzip.GzipFile,
        extract: Extract,
        chunk_bytes: int,
    ) -> None:
        self._path = path
        self._binary = binary
        self._extract = extract
        self._chunk_bytes = chunk_bytes
        self._is_utf8 = extract.encoding == "utf-8"
        self._decoder = codecs.getincrementaldecoder(extract.encoding)()
        self._utf8_suspicion = None if self._is_utf8 else _Utf8Suspicion()
        self._line = 1
        self._last_character = "\n"
        self._pending = b""
        self._is_started = False
        self._is_finished = False
        self.quote_count = 0

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        while not self._pending and not self._is_finished:
            self._pending = self._next_chunk()
        if 0 <= size < len(self._pending):
            part, self._pending = self._pending[:size], self._pending[size:]
        else:
            part, self._pending = self._pending, b""
        return part

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        part = self.read(len(buffer))
        buffer[: len(part)] = part
        return len(part)

    def close(self) -> None:
        self._binary.close()
        super().close()

    def _next_chunk(self) -> bytes:
        chunk = self._binary.read(self._chunk_bytes) or b""
        self._is_finished = not chunk
        if self._utf8_suspicion is not None:
            self._utf8_suspicion.look_at(chunk)
        try:
            text = self._decoder.decode(chunk, final=self._is_finished)
        except UnicodeDecodeError as error:
            line = self._line + error.object[: error.start].count(b"\n")
            raise self._wrong_encoding(line) from error
        if self._is_finished:
            self._check_end(text)
        if text:
            self._line += text.count("\n")
            self._last_character = text[-1]
        # What is UTF-8 already was decoded to be checked alone.
        utf8 = chunk if self._is_utf8 else text.encode("utf-8")
        self.quote_count += utf8.count(b'"')
        if not self._is_started and utf8:
            self._is_started = True
            utf8 = utf8.removeprefix(codecs.BOM_UTF8)
        return utf8

    def _check_end(self, text: str) -> None:
        if self._utf8_suspicion is not None and self._utf8_suspicion.is_confirmed:
            raise self._wrong_encoding(None)
        last = text[-1:] or self._last_character
        if self._extract.is_final_newline_required and last not in "\r\n":
            raise DeliveryError(
                self._path,
                self._line,
                "truncated: the last row has no line break (a source that never writes one needs "
                "`finalNewline: optional` in its contract)",
            )

    def _wrong_encoding(self, line: int | None) -> DeliveryError:
        cause = f"wrong encoding: the contract says {self._extract.encoding}"
        if self._utf8_suspicion is not None and self._utf8_suspicion.is_possible:
            cause += ", the file is UTF-8"
        return DeliveryError(self._path, line, cause)


class _Utf8Suspicion:
    """Notices a UTF-8 file delivered under another encoding that would decode to nonsense.

    Longer text in GB18030 is hardly ever valid UTF-8 too, so a file that is, and is not plain
    ASCII, was written as UTF-8.
    """

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._has_non_ascii = False
        self.is_possible = True

    def look_at(self, chunk: bytes) -> None:
        if not self.is_possible:
            return
        self._has_non_ascii = self._has_non_ascii or not chunk.isascii()
        try:
            self._decoder.decode(chunk, final=not chunk)
        except UnicodeDecodeError:
            self.is_possible = False

    @property
    def is_confirmed(self) -> bool:
        return self.is_possible and self._has_non_ascii


def _without_line_break(line: str) -> str:
    return line.removesuffix("\n").removesuffix("\r")


def _values_as_text(row: pa.RecordBatch) -> dict[str, str | None]:
    """Return the values of a batch of one row; Python could not hold some that Arrow can."""
    values: dict[str, str | None] = {}
    for name, column in zip(row.schema.names, row.columns, strict=True):
        try:
            values[name] = column.cast(pa.string())[0].as_py()
        except (pa.ArrowException, UnicodeDecodeError):
            values[name] = f"({column.type})"
    return values


def _keep(lines: io.TextIOBase, kept: list[str]) -> Iterator[str]:
    for line in lines:
        kept.append(line)
        yield line
