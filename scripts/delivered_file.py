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
import sys
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as arrow_csv
import pyarrow.parquet as parquet

from scripts.contracts import Extract

READ_BYTES = 4 * 1024**2
BATCH_ROWS = 131_072

csv.field_size_limit(sys.maxsize)


class DeliveryError(Exception):
    """A delivered file that cannot be loaded; says which file, which line and why."""

    def __init__(self, file: Path, line: int | None, cause: str) -> None:
        self.file = file
        self.line = line
        self.cause = cause
        where = f"{file}" if line is None else f"{file}, line {line}"
        super().__init__(f"{where}: {cause}")


@dataclass(frozen=True)
class MalformedRow:
    """A row with the wrong number of columns; `record` counts rows from 1, the header is row 1."""

    record: int
    expected_columns: int
    actual_columns: int
    has_odd_quotes: bool


@dataclass
class DeliveredFile:
    """One file of a delivery. `batches()` may be read once; it fills `malformed` and `warnings`."""

    path: Path
    extract: Extract
    malformed: list[MalformedRow] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def is_parquet(self) -> bool:
        return self.path.suffix == ".parquet"

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
        except (pa.ArrowInvalid, OSError) as error:
            raise DeliveryError(self.path, None, f"cannot be read: {error}") from error

    def original_texts(self, records: set[int]) -> Iterator[tuple[int, int, str]]:
        """Yield (record, line, text) of the wanted records by reading the file a second time.

        Only files with rejected rows pay for this. Parquet has no lines: the row number stands in,
        and the row's values as text.
        """
        if self.is_parquet:
            yield from self._parquet_texts(records)
            return
        with self._open_text() as text:
            lines: list[str] = []
            record, first_line, seen_lines = 0, 1, 0
            for cells in csv.reader(_keep(text, lines), delimiter=self.extract.delimiter):
                seen_lines += len(lines)
                if cells:
                    record += 1
                    if record in records:
                        yield record, first_line, "".join(lines).rstrip("\r\n")
                first_line = seen_lines + 1
                lines.clear()

    def _csv_batches(self) -> Iterator[pa.RecordBatch]:
        with self._open_text() as text:
            header = self._read_header()
            wanted = self._wanted_columns(header)
            stream = arrow_csv.open_csv(
                pa.PythonFile(_Utf8(text), mode="r"),
                # One thread: rows are then numbered, and Python feeds the bytes anyway.
                read_options=arrow_csv.ReadOptions(block_size=READ_BYTES, use_threads=False),
                parse_options=arrow_csv.ParseOptions(
                    delimiter=self.extract.delimiter,
                    newlines_in_values=True,
                    invalid_row_handler=self._keep_malformed,
                ),
                convert_options=arrow_csv.ConvertOptions(
                    column_types={name: pa.string() for name in header},
                    include_columns=wanted,
                    strings_can_be_null=False,
                    check_utf8=False,
                ),
            )
            well_formed = 0
            for batch in stream:
                well_formed += batch.num_rows
                if batch.num_rows:
                    yield batch
            self._check_last_quote(rows=1 + well_formed + len(self.malformed))

    def _keep_malformed(self, row: arrow_csv.InvalidRow) -> str:
        self.malformed.append(
            MalformedRow(
                row.number, row.expected_columns, row.actual_columns, row.text.count('"') % 2 == 1
            )
        )
        return "skip"

    def _check_last_quote(self, rows: int) -> None:
        """Refuse a file whose last row swallowed the rest of the file behind an open quote."""
        last = self.malformed[-1] if self.malformed else None
        if last is not None and last.record == rows and last.has_odd_quotes:
            _, line, _ = next(self.original_texts({last.record}))
            raise DeliveryError(self.path, line, "a quote is opened in this row and never closed")

    def _parquet_batches(self) -> Iterator[pa.RecordBatch]:
        with parquet.ParquetFile(self.path) as file:
            wanted = self._wanted_columns(file.schema_arrow.names)
            for batch in file.iter_batches(BATCH_ROWS, columns=wanted):
                if batch.num_rows:
                    yield batch.select(wanted)

    def _parquet_texts(self, records: set[int]) -> Iterator[tuple[int, int, str]]:
        first = 2  # as in a CSV file, where the header is row 1
        with parquet.ParquetFile(self.path) as file:
            for batch in file.iter_batches(BATCH_ROWS):
                for record in sorted(r for r in records if first <= r < first + batch.num_rows):
                    yield record, record, str(batch.slice(record - first, 1).to_pylist()[0])
                first += batch.num_rows

    def _read_header(self) -> list[str]:
        with self._open_text() as text:
            header = next((row for row in csv.reader(text, delimiter=self.extract.delimiter)), [])
        if not any(header):
            raise DeliveryError(self.path, 1, "the file is empty: there is no header")
        return header

    def _wanted_columns(self, header: list[str]) -> list[str]:
        """Return the delivered columns that the contract knows; note what is new or missing."""
        doubled = sorted({name for name in header if header.count(name) > 1})
        if doubled:
            raise DeliveryError(self.path, 1, f"columns named twice: {', '.join(doubled)}")
        missing = [column for column in self.extract.columns if column.name not in header]
        required = [column.name for column in missing if column.is_required]
        if required:
            raise DeliveryError(self.path, 1, f"required columns missing: {', '.join(required)}")
        if missing:
            names = ", ".join(column.name for column in missing)
            self.warnings.append(f"optional columns missing, loaded as null: {names}")
        unknown = [name for name in header if name not in self.extract.column_names]
        if unknown:
            self.warnings.append(f"columns not in the contract, left out: {', '.join(unknown)}")
        return [name for name in header if name in self.extract.column_names]

    def _open_text(self) -> io.TextIOBase:
        is_gzip = self.path.suffix == ".gz"
        binary = gzip.GzipFile(self.path) if is_gzip else self.path.open("rb")
        return io.TextIOWrapper(
            io.BufferedReader(_CheckedDecoder(self.path, binary, self.extract), READ_BYTES),
            encoding="utf-8",
            newline="",
        )


class _CheckedDecoder(io.RawIOBase):
    """Turns a delivered file's bytes into UTF-8 while checking encoding and completeness."""

    def __init__(
        self, path: Path, binary: io.BufferedIOBase | gzip.GzipFile, extract: Extract
    ) -> None:
        self._path = path
        self._binary = binary
        self._extract = extract
        encoding = "utf-8-sig" if extract.encoding == "utf-8" else extract.encoding
        self._decoder = codecs.getincrementaldecoder(encoding)()
        self._utf8_suspicion = None if extract.encoding == "utf-8" else _Utf8Suspicion()
        self._line = 1
        self._last_character = "\n"
        self._pending = b""
        self._is_finished = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        while not self._pending and not self._is_finished:
            self._pending = self._decode_next(len(buffer))
        size = min(len(buffer), len(self._pending))
        buffer[:size] = self._pending[:size]
        self._pending = self._pending[size:]
        return size

    def close(self) -> None:
        self._binary.close()
        super().close()

    def _decode_next(self, size: int) -> bytes:
        chunk = self._binary.read(size)
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
        return text.encode("utf-8")

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


class _Utf8(io.RawIOBase):
    """Gives Arrow the UTF-8 bytes under a text stream."""

    def __init__(self, text: io.TextIOBase) -> None:
        self._buffer = text.buffer  # type: ignore[attr-defined]

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        return bytes(self._buffer.read(size))


def _keep(lines: io.TextIOBase, kept: list[str]) -> Iterator[str]:
    for line in lines:
        kept.append(line)
        yield line
