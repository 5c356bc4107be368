"""Write extract files as their contracts say, a block at a time.

CRM and other small extracts come as plain CSV; `FORMATS` lists the others. A CSV file is in the
contract's encoding and delimiter; rows are rendered by Arrow, never one by one.
"""

from __future__ import annotations

import gzip
import shutil
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import IO, Any
from zlib import crc32

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from scripts.contracts import Extract
from scripts.landing_folder import delivery_folder
from scripts.simulate_operator.parameters import Parameters
from scripts.simulate_operator.rendering import (
    SLICE_ROWS,
    Rows,
    contract_slices,
    contract_type,
    join_lines,
    text_of,
    with_zone,
)
from scripts.simulate_operator.row_dirt import (
    Breakage,
    breakages,
    broken_texts,
    broken_values,
    typed_breakages,
)
from scripts.simulate_operator.timeline import Array

# How each extract is delivered; what is not listed comes as plain CSV.
FORMATS = {
    "billing.payment": "csv.gz",
    "line.optical_reading": "csv.gz",
    "line.copper_test": "csv.gz",
    "channel.echannel_session": "csv.gz",
    "usage.broadband_hourly": "parquet",
    "usage.mobile_daily": "parquet",
}
GZIP_LEVEL = 1
FIRST_BROKEN_CHANCE = 0.4  # of a broken row more in a file
DOUBLED_CHANCE = 0.4  # of a file to hold rows twice
REDELIVERED_CHANCE = 0.3  # of a file to hold two rows of the delivery before
DIRT_KEY = ["source", "extract", "business_date", "file", "kind"]
DIRT_COUNTS = ["row_count", "rejected_row_count"]
DIRT_EXPECTED = ["expected_status", "expected_warning", "expected_error"]


NOTHING: Mapping[str, str] = {}


def as_it_is(table: pa.Table) -> pa.Table:
    return table


@dataclass(frozen=True)
class Shape:
    """How a file looks; what differs from the contract makes a faulty delivery.

    `change` alters the rows before they are rendered, `cut_bytes` are lost at the end.
    """

    format: str
    encoding: str
    has_byte_order_mark: bool = False
    change: Callable[[pa.Table], pa.Table] = as_it_is
    is_split: bool = False
    is_doubled: bool = False
    is_empty: bool = False
    cut_bytes: int = 0


@dataclass
class Written:
    """What was written of one extract and date: the files, the true rows and the dirt."""

    extract: Extract
    business_date: date
    files: list[str] = field(default_factory=list)
    row_counts: list[int] = field(default_factory=list)
    dirt: list[dict[Hashable, Any]] = field(default_factory=list)

    @property
    def row_count(self) -> int:
        return sum(self.row_counts)

    def note(
        self,
        kind: str,
        rows: int,
        rejected: int = 0,
        *,
        file: str | None = None,
        status: str = "loaded",
        warning: str = "",
        error: str = "",
    ) -> None:
        """Enter something planted into the list of the dirt."""
        key = (
            self.extract.source,
            self.extract.name,
            self.business_date.isoformat(),
            self.files[0] if file is None else file,
            kind,
        )
        values = (*key, rows, rejected, status, warning, error)
        names = [*DIRT_KEY, *DIRT_COUNTS, *DIRT_EXPECTED]
        self.dirt.append(dict(zip(names, values, strict=True)))


def usual_shape(extract: Extract) -> Shape:
    return Shape(FORMATS.get(str(extract), "csv"), extract.encoding)


class Landing:
    """The landing folder."""

    def __init__(self, root: Path, parameters: Parameters) -> None:
        self.root = root
        self.parameters = parameters

    def write(
        self,
        extract: Extract,
        business_date: date,
        blocks: Iterable[Rows],
        *,
        shape: Shape | None = None,
        earlier: Callable[[], Iterable[Rows]] = tuple,
        is_soiled: bool = False,
        sought: Mapping[str, str] = NOTHING,
    ) -> Written:
        """Write one extract of one date, replacing whatever lies in its folder.

        With `is_soiled` broken and doubled rows are among them, and some of the rows of `earlier`.
        The true rows that hold a text of `sought` are noted under its name.
        """
        shape = shape or usual_shape(extract)
        written = Written(extract, business_date)
        folder = self._emptied(extract, business_date)
        tables = _gathered(table for rows in blocks for table in contract_slices(extract, rows))
        soil = _Soil(self.parameters, written, earlier) if is_soiled else None
        names = ["_1", "_2"] if shape.is_split else [""]
        written.files = [f"{extract.name}{name}.{shape.format}" for name in names]
        written.row_counts = [0] * len(names)
        with ExitStack() as stack:
            files = [
                stack.enter_context(closing(_open(folder / name, extract, shape)))
                for name in written.files
            ]
            for table in tables:
                for kind, text in sought.items():
                    written.note(kind, _count(table, text))
                for number, part in enumerate(_parts(table, len(files))):
                    written.row_counts[number] += len(part)
                    files[number].write(part, soil)
        self._finish(folder, extract, shape, written)
        return written

    def leave_out(self, extract: Extract, business_date: date) -> Written:
        """Deliver nothing of this extract and date."""
        self._emptied(extract, business_date).rmdir()
        return Written(extract, business_date, [""], [0])

    def _finish(self, folder: Path, extract: Extract, shape: Shape, written: Written) -> None:
        if shape.is_doubled:
            twin = f"{extract.name}_again.{shape.format}"
            shutil.copyfile(folder / written.files[0], folder / twin)
            written.files.append(twin)
        if shape.cut_bytes:
            path = folder / written.files[0]
            with path.open("r+b") as file:
                file.truncate(path.stat().st_size - shape.cut_bytes)

    def _emptied(self, extract: Extract, business_date: date) -> Path:
        """Return the folder of one extract and date, without what an earlier run left in it."""
        folder = delivery_folder(self.root, extract.source, extract.name, business_date)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        return folder


class _Soil:
    """Adds broken, doubled and redelivered rows to the rows of one file."""

    def __init__(
        self, parameters: Parameters, written: Written, earlier: Callable[[], Iterable[Rows]]
    ) -> None:
        self._parameters = parameters
        self._written = written
        self._earlier = earlier
        self._is_begun = False
        extract = written.extract
        self.random = parameters.random(
            "dirt", crc32(str(extract).encode()), written.business_date.toordinal()
        )

    def lines(self, table: pa.Table, lines: pa.StringArray) -> Iterator[pa.StringArray]:
        """Yield the lines in pieces, the added ones between them."""
        extract = self._written.extract
        added = []
        for breakage, chosen in self._broken(table, breakages(extract)):
            texts = broken_texts(extract, table.take(chosen), breakage, self.random)
            added.append(join_lines(texts, extract.delimiter))
        if not self._is_begun:
            added.extend(self._doubled(lines))
            added.extend(self._redelivered())
        self._is_begun = True
        pieces = pa.chunked_array(added, pa.string())
        places = np.sort(self.random.integers(0, len(lines) + 1, len(pieces)))
        last = 0
        for number, place in enumerate(places.tolist()):
            yield lines.slice(last, place - last)
            yield pieces.slice(number, 1).combine_chunks()
            last = place
        yield lines.slice(last)

    def tables(self, table: pa.Table) -> Iterator[pa.Table]:
        """Yield the rows, then the broken ones."""
        extract = self._written.extract
        yield table
        for breakage, chosen in self._broken(table, typed_breakages(extract)):
            yield broken_values(extract, table.take(chosen), breakage)
        self._is_begun = True

    def _broken(
        self, table: pa.Table, kinds: tuple[Breakage, ...]
    ) -> Iterator[tuple[Breakage, Array]]:
        """Yield each kind of fault with the rows that are copied for it."""
        count = self.random.poisson(len(table) * self._parameters.dirty_row_share)
        if not self._is_begun:
            count += self.random.random() < FIRST_BROKEN_CHANCE
        drawn = self.random.integers(0, len(kinds), count)
        for number, breakage in enumerate(kinds):
            chosen = self.random.integers(0, len(table), int((drawn == number).sum()))
            if len(chosen):
                self._written.note(breakage.kind, len(chosen), len(chosen))
                yield breakage, chosen

    def _doubled(self, lines: pa.StringArray) -> Iterator[pa.StringArray]:
        count = self.random.poisson(len(lines) * self._parameters.redelivered_row_share) + 1
        chosen = self.random.integers(0, len(lines), count)
        if self.random.random() < DOUBLED_CHANCE:
            self._written.note("exact duplicate", count)
            yield lines.take(chosen)

    def _redelivered(self) -> Iterator[pa.StringArray]:
        extract = self._written.extract
        draw = self.random.random(3)
        if draw[0] >= REDELIVERED_CHANCE:
            return
        slices = (item for rows in self._earlier() for item in contract_slices(extract, rows))
        first = next(slices, None)
        if first is not None:
            self._written.note("delivered before", 2)
            yield join_lines(first.take((draw[1:] * len(first)).astype("int64")), extract.delimiter)


class _CsvFile:
    """Writes rows as text; `files` are the layers to close, the innermost last."""

    def __init__(self, path: Path, extract: Extract, shape: Shape) -> None:
        self._extract = extract
        self._shape = shape
        self._encoding = shape.encoding
        self._raw = path.open("wb")
        self._file: IO[bytes] = self._raw
        if shape.format == "csv.gz":
            self._file = gzip.GzipFile(
                filename="", mode="wb", compresslevel=GZIP_LEVEL, fileobj=self._raw, mtime=0
            )  # type: ignore[assignment]
        if not shape.is_empty:
            mark = "\ufeff" if shape.has_byte_order_mark else ""
            names = shape.change(_no_rows(extract)).column_names
            self._file.write((mark + extract.delimiter.join(names) + "\n").encode(self._encoding))

    def write(self, table: pa.Table, soil: _Soil | None) -> None:
        lines = join_lines(self._shape.change(table), self._extract.delimiter)
        for piece in soil.lines(table, lines) if soil else (lines,):
            text = text_of(piece)
            if self._encoding == "utf-8":
                self._file.write(text)
            else:
                self._file.write(str(text, "utf-8").encode(self._encoding))

    def close(self) -> None:
        self._file.close()
        self._raw.close()


class _ParquetFile:
    """Writes rows with their types, times with the time zone's name."""

    def __init__(self, path: Path, extract: Extract, shape: Shape) -> None:
        self._shape = shape
        self._writer = pq.ParquetWriter(
            path,
            with_zone(shape.change(_no_rows(extract))).schema,
            compression="zstd",
            use_dictionary=False,  # thrice as fast, hardly larger
        )

    def write(self, table: pa.Table, soil: _Soil | None) -> None:
        for part in soil.tables(table) if soil else (table,):
            self._writer.write_table(with_zone(self._shape.change(part)))

    def close(self) -> None:
        self._writer.close()


def _open(path: Path, extract: Extract, shape: Shape) -> _CsvFile | _ParquetFile:
    kind = _ParquetFile if shape.format == "parquet" else _CsvFile
    return kind(path, extract, shape)


def _no_rows(extract: Extract) -> pa.Table:
    fields = [(column.name, contract_type(column)) for column in extract.columns]
    return pa.schema(fields).empty_table()


def _gathered(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """Join small tables up to the size of a slice: each written piece has a fixed cost."""
    waiting: list[pa.Table] = []
    rows = 0
    for table in tables:
        if waiting and rows + len(table) > SLICE_ROWS:
            yield pa.concat_tables(waiting).combine_chunks()
            waiting, rows = [], 0
        waiting.append(table)
        rows += len(table)
    if waiting:
        yield pa.concat_tables(waiting).combine_chunks()


def _count(table: pa.Table, text: str) -> int:
    """Return how many rows hold the text somewhere."""
    found = np.zeros(len(table), dtype=bool)
    for column in table.columns:
        if pa.types.is_string(column.type):
            holds = pc.fill_null(pc.match_substring(column, text), False)
            found |= holds.to_numpy()
    return int(found.sum())


def _parts(table: pa.Table, count: int) -> list[pa.Table]:
    """Cut the rows into as many parts as there are files."""
    size = -(-len(table) // count)
    return [table.slice(number * size, size) for number in range(count)]
