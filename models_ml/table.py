"""Any CSV or Parquet file as a typed frame: features, 0/1 labels, and what was done to get them.

Compression is known by the first bytes of the file, encoding and separator by trying. Text that
holds numbers or dates becomes numbers; everything else stays text, a category.
"""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import lzma
import re
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

SEPARATORS = (",", ";", "\t", "|")
MISSING_TEXTS = frozenset(("", "?", "na", "n/a", "#n/a", "nan", "null", "<na>", "\\n"))
# Missing among numbers; elsewhere they may be a value like any other.
MISSING_NUMBERS = frozenset(("-", "--", ".", "none", "nil", "missing", "unknown"))
TRUE_TEXTS = frozenset(("1", "true", "yes", "y", "t"))
DATE_FORMATS = (
    "%Y-%m-%d",
    "%Y/%m/%d",
    "%d/%m/%Y",
    "%m/%d/%Y",
    "%d.%m.%Y",
    "%d-%m-%Y",
    "%Y-%m",
)
# A column is numeric, or a date, when this share of its texts is; the rest counts as missing.
TYPED_SHARE = 0.95
# Fewer leave some fold, or some step inside a fold, without a positive row.
MINIMUM_POSITIVES = 20
TWIN_SHARE = 0.5
SAMPLE_ROWS = 200
SECONDS_OF_DAY = 86_400
NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")
GROUPED_NUMBER = re.compile(r"[-+]?\d{1,3}(,\d{3})+(\.\d+)?")
COMMA_NUMBER = re.compile(r"[-+]?\d*,\d+|[-+]?\d{1,3}(\.\d{3})*,\d+")
AROUND_NUMBER = "$€£¥% \u00a0"


class TableError(ValueError):
    """A file that cannot be used as asked; names file, column and cause."""


@dataclass(frozen=True)
class TableRequest:
    """What to make of a file.

    Attributes:
        label: the column to predict.
        positive: the value of `label` that counts as 1; every other value is 0.
        identifier: the column that names the customer, if any; no feature.
        dropped: columns to leave out, one name each or several with commas between.
        treatment: the column that says which arm of an experiment a row was in; no feature.
        in_time_order: the rows of the file stand in time order, oldest first.
    """

    label: str
    positive: str
    identifier: str | None = None
    dropped: tuple[str, ...] = ()
    treatment: str | None = None
    in_time_order: bool = False


@dataclass(frozen=True)
class Table:
    """A file as features and labels, in the order of the file.

    Attributes:
        features: numeric columns as float64 with NaN, categories as text with None.
        is_positive: 1 or 0 for each row.
        groups: a number for each customer where customers have several rows, else None.
        treatment: the arm of each row as text, None without a treatment column.
        rows_read: rows in the file.
        duplicates_removed: exact repetitions of another row that were left out.
        unlabelled_removed: rows left out because their label is missing.
        notes: what else was decided about the file, in sentences.
    """

    features: pd.DataFrame
    is_positive: NDArray[np.int8]
    groups: NDArray[np.int64] | None
    treatment: pd.Series[str] | None
    rows_read: int
    duplicates_removed: int
    unlabelled_removed: int
    notes: tuple[str, ...] = field(default_factory=tuple)


def read_table(file: Path, request: TableRequest) -> Table:
    """Read `file` as `request` asks.

    Raises:
        TableError: the file cannot be read, a column is unknown, the positive value does not
            occur, there is one class only, or there are too few positive or other rows.
    """
    raw = read_raw(file)
    request = replace(request, dropped=columns_named(request.dropped, list(raw.columns)))
    _require_columns(file, raw, request)
    rows_read = len(raw)
    notes: list[str] = []
    raw = raw[raw[request.label].notna()]
    unlabelled = rows_read - len(raw)
    is_positive = _labels(file, raw[request.label], request)
    is_repeated = _repeated_rows(raw, is_positive, request, notes)
    raw, is_positive = raw[~is_repeated].reset_index(drop=True), is_positive[~is_repeated]
    _require_both_classes(file, is_positive, request)
    outside = {request.label, request.identifier, request.treatment, *request.dropped}
    columns = [name for name in raw.columns if name not in outside]
    return Table(
        features=_typed_frame(file, raw[columns], notes),
        is_positive=is_positive,
        groups=_groups(raw, request.identifier, notes),
        treatment=raw[request.treatment] if request.treatment else None,
        rows_read=rows_read,
        duplicates_removed=int(is_repeated.sum()),
        unlabelled_removed=unlabelled,
        notes=tuple(notes),
    )


def read_raw(file: Path) -> pd.DataFrame:
    """Read every column as text, trimmed, missing values as None.

    Raises:
        TableError: there is no such file, it is damaged, or it holds no table.
    """
    try:
        content = unpacked(file)
        if content[:4] == b"PAR1":
            return _parquet_text(content)
    except OSError as error:
        raise TableError(f"{file}: cannot be read: {error.strerror or error}") from error
    except (EOFError, lzma.LZMAError, zipfile.BadZipFile, pa.ArrowInvalid, ValueError) as error:
        raise TableError(f"{file}: cannot be read: {error}") from error
    return _csv_text(file, content)


def unpacked(file: Path) -> bytes:
    """Return the content of `file`, uncompressed: gzip, zip, bz2, xz and zstd by their first bytes.

    A zip archive must hold one file; what macOS adds does not count.
    """
    content = file.read_bytes()
    if content[:2] == b"\x1f\x8b":
        return gzip.decompress(content)
    if content[:3] == b"BZh":
        return bz2.decompress(content)
    if content[:6] == b"\xfd7zXZ\x00":
        return lzma.decompress(content)
    if content[:4] == b"\x28\xb5\x2f\xfd":
        with pa.CompressedInputStream(pa.BufferReader(content), "zstd") as stream:
            return bytes(stream.read())
    if content[:4] == b"PK\x03\x04":
        return _only_member(content)
    return content


def decode(content: bytes) -> str:
    """Decode UTF-8, UTF-16 with its mark, GB 18030 or Windows-1252.

    The last two are told apart by their runs of high bytes: a Chinese character is two bytes,
    most of them both high, an accented letter stands alone among plain ones.
    """
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return content.decode("utf-16")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        runs = re.findall(rb"[\x80-\xff]+", content)
    if sum(len(run) > 1 for run in runs) > len(runs) / 2:
        return content.decode("gb18030", errors="replace")
    return content.decode("cp1252", errors="replace")


def separator_of(text: str) -> str:
    """Return the separator that splits the first rows into most fields, the same number in each.

    A text that none of them splits is a single column; it is read with a comma.
    """
    sample = "".join(text.splitlines(keepends=True)[:SAMPLE_ROWS])
    best, best_score = ",", (0.0, 1)
    for separator in SEPARATORS:
        rows = [row for row in csv.reader(io.StringIO(sample), delimiter=separator) if row]
        # The last row may have been cut inside quotes.
        widths = [len(row) for row in (rows[:-1] if len(rows) > 2 else rows)]
        if not widths or widths[0] < 2:
            continue
        score = (round(widths.count(widths[0]) / len(widths), 2), widths[0])
        if score > best_score:
            best, best_score = separator, score
    return best


def typed(column: pd.Series[Any]) -> pd.Series[Any]:
    """Return a text column as numbers where its texts are numbers or dates, else as it is.

    Dates become days since 1970-01-01.
    """
    distinct = pd.Series(column.dropna().unique(), dtype=object)
    if distinct.empty:
        return pd.Series(np.nan, index=column.index, dtype=np.float64)
    blanks = [text for text in distinct if text.casefold() in MISSING_NUMBERS]
    present = column[column.notna() & ~column.isin(blanks)]
    if present.empty:
        return column
    for convert in (_numbers, _days):
        values = dict(zip(distinct, convert(distinct), strict=True))
        numbers = column.map(values).astype(np.float64)
        if numbers.notna().sum() >= TYPED_SHARE * len(present):
            return numbers
    return column


def same_value(text: str, wanted: str) -> bool:
    """Return whether two texts mean the same value: `1` and `1.0` do, `True` and `true` too."""
    if text.strip().casefold() == wanted.strip().casefold():
        return True
    if NUMBER.fullmatch(text.strip()) and NUMBER.fullmatch(wanted.strip()):
        return float(text) == float(wanted)
    return False


def _only_member(content: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        names = [
            name
            for name in archive.namelist()
            if not name.endswith("/") and not name.startswith("__MACOSX")
        ]
        if len(names) != 1:
            raise ValueError(f"an archive must hold one file, not {', '.join(names) or 'none'}")
        return archive.read(names[0])


def _parquet_text(content: bytes) -> pd.DataFrame:
    frame: pd.DataFrame = pq.read_table(pa.BufferReader(content)).to_pandas()
    frame = frame.reset_index() if frame.index.name else frame
    frame.columns = [str(name).strip() for name in frame.columns]
    return frame.apply(_column_text)


def _column_text(column: pd.Series[Any]) -> pd.Series[Any]:
    text = column.astype(object).where(column.notna(), None)
    return _without_blanks(text.map(lambda value: None if value is None else str(value)))


def _csv_text(file: Path, content: bytes) -> pd.DataFrame:
    text = decode(content)
    if not text.strip():
        raise TableError(f"{file}: holds no rows")
    try:
        frame = pd.read_csv(
            io.StringIO(text),
            sep=separator_of(text),
            dtype=object,
            keep_default_na=False,
            index_col=False,
            skipinitialspace=True,
        )
    except (pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise TableError(f"{file}: not a table: {error}") from error
    frame.columns = [" ".join(str(name).split()) for name in frame.columns]
    if frame.empty:
        raise TableError(f"{file}: holds no rows below its header")
    return frame.apply(_without_blanks)


def _without_blanks(column: pd.Series[str]) -> pd.Series[str]:
    """Trim, and turn every way to say "missing" into None."""
    texts = {
        text: None if text.strip().casefold() in MISSING_TEXTS else text.strip()
        for text in column.dropna().unique()
    }
    return column.map(texts).astype(object).where(column.notna(), None)


def _require_columns(file: Path, raw: pd.DataFrame, request: TableRequest) -> None:
    repeated = sorted(set(raw.columns[raw.columns.duplicated()]))
    if repeated:
        raise TableError(f"{file}: column {', '.join(repeated)} occurs more than once")
    for role, name in (
        ("label", request.label),
        ("id", request.identifier),
        ("treatment", request.treatment),
        *(("dropped", name) for name in request.dropped),
    ):
        if name is not None and name not in raw.columns:
            raise TableError(
                f"{file}: there is no {role} column {name!r}; the columns are"
                f" {', '.join(raw.columns)}"
            )


def _labels(file: Path, column: pd.Series[str], request: TableRequest) -> NDArray[np.int8]:
    values = list(column.unique())
    positive = [value for value in values if same_value(value, request.positive)]
    if not positive:
        shown = ", ".join(sorted(values)[:10]) + (" …" if len(values) > 10 else "")
        raise TableError(
            f"{file}: label column {request.label!r} never has the value {request.positive!r};"
            f" its values are {shown or 'all missing'}"
        )
    return column.isin(positive).to_numpy().astype(np.int8)


def _require_both_classes(file: Path, is_positive: NDArray[np.int8], request: TableRequest) -> None:
    positives = int(is_positive.sum())
    others = len(is_positive) - positives
    where = f"{file}: label column {request.label!r}"
    if others == 0:
        raise TableError(f"{where} has one class only: every row is {request.positive!r}")
    for name, count in ((repr(request.positive), positives), ("any other value", others)):
        if count < MINIMUM_POSITIVES:
            raise TableError(
                f"{where} has too few rows with {name}: {count}, {MINIMUM_POSITIVES} needed"
            )


def _repeated_rows(
    raw: pd.DataFrame, is_positive: NDArray[np.int8], request: TableRequest, notes: list[str]
) -> NDArray[np.bool_]:
    """Return which rows repeat an earlier one and are to be left out.

    Rows are compared as they stand in the file, before any column is left out: contacts that
    differ only in a dropped column, or customers that differ only in their id, are not the same.
    In time order nothing is left out, since a repetition may be a later observation. Without an id
    or an order, rows that are alike may still be different customers of a table with few columns.
    Their labels tell: a row delivered twice has the same label both times, while customers who are
    merely alike differ in it. Rows are kept when, of the sets of rows with the same features, at
    least TWIN_SHARE as many hold both labels as would if each row had its label by chance.
    """
    is_repeated = np.asarray(raw.duplicated(), dtype=np.bool_)
    none = np.zeros(len(raw), dtype=np.bool_)
    if request.in_time_order or not is_repeated.any():
        return none
    if request.identifier is None and _twins_differ(raw.drop(columns=request.label), is_positive):
        notes.append(
            f"{int(is_repeated.sum())} rows equal another one and were kept: rows that are alike in"
            " all but the label often differ in it, so they are different customers"
        )
        return none
    return is_repeated


def _twins_differ(features: pd.DataFrame, is_positive: NDArray[np.int8]) -> bool:
    """Return whether rows with the same features differ in the label nearly as by chance."""
    has_twin = features.duplicated(keep=False).to_numpy()
    if not has_twin.any():
        return False
    cells = features[has_twin].groupby(list(features.columns), dropna=False, sort=False).ngroup()
    labels = pd.Series(is_positive[has_twin].astype(np.float64))
    counts = labels.groupby(cells.to_numpy()).agg(["size", "sum"])
    share = float(labels.mean())
    mixed = int(counts["sum"].between(0, counts["size"], inclusive="neither").sum())
    by_chance = float((1 - (1 - share) ** counts["size"] - share ** counts["size"]).sum())
    return by_chance > 0 and mixed >= TWIN_SHARE * by_chance


def _groups(
    raw: pd.DataFrame, identifier: str | None, notes: list[str]
) -> NDArray[np.int64] | None:
    if identifier is None:
        return None
    named = raw[identifier].where(raw[identifier].notna(), raw.index.astype(str) + " (no id)")
    groups = pd.factorize(named)[0].astype(np.int64)
    customers = int(groups.max()) + 1
    if customers == len(raw):
        return None
    notes.append(
        f"{len(raw)} rows belong to {customers} values of {identifier}: the rows of one value stay"
        " in one fold"
    )
    return groups


def _typed_frame(file: Path, raw: pd.DataFrame, notes: list[str]) -> pd.DataFrame:
    columns = {}
    for name in raw.columns:
        column = typed(raw[name])
        reason = _useless(column)
        if reason:
            notes.append(f"column {name} was left out: {reason}")
            continue
        columns[name] = column
    if not columns:
        raise TableError(f"{file}: no column is left to predict from")
    return pd.DataFrame(columns)


def _useless(column: pd.Series[Any]) -> str | None:
    """Return why a column can tell nothing about another row, None where it may."""
    present = column.dropna()
    distinct = present.nunique()
    if present.empty:
        return "it is empty"
    if distinct == 1 and len(present) == len(column):
        return "it has one value"
    if pd.api.types.is_numeric_dtype(column):
        span = float(present.max() - present.min())
        if distinct == len(column) and span == distinct - 1:
            return "it numbers the rows"
    elif distinct > max(0.5 * len(present), 20):
        return f"it names the rows: {distinct} texts in {len(present)} rows"
    return None


def _numbers(texts: pd.Series[str]) -> NDArray[np.float64]:
    return np.array([_number(text) for text in texts], dtype=np.float64)


def _number(text: str) -> float:
    """Read `1234.5`, `1,234.5`, `1234,5`, `12 %`, `$5` and yes-or-no booleans of files' writers."""
    bare = text.strip(AROUND_NUMBER)
    if NUMBER.fullmatch(bare):
        return float(bare)
    if GROUPED_NUMBER.fullmatch(bare):
        return float(bare.replace(",", ""))
    if COMMA_NUMBER.fullmatch(bare):
        return float(bare.replace(".", "").replace(",", "."))
    return {"true": 1.0, "false": 0.0}.get(bare.casefold(), np.nan)


def _days(texts: pd.Series[str]) -> NDArray[np.float64]:
    """Read dates, with or without a time, in the one format that fits most of them."""
    best = np.full(len(texts), np.nan)
    for date_format in DATE_FORMATS:
        for pattern in (date_format, f"{date_format} %H:%M", f"{date_format} %H:%M:%S"):
            times = pd.to_datetime(texts, format=pattern, errors="coerce")
            best = _fuller(best, times)
    return _fuller(best, pd.to_datetime(texts, format="ISO8601", errors="coerce", utc=True))


def _fuller(best: NDArray[np.float64], times: pd.Series[pd.Timestamp]) -> NDArray[np.float64]:
    seconds = times.to_numpy(dtype="datetime64[s]")
    days = np.where(np.isnat(seconds), np.nan, seconds.astype(np.int64) / SECONDS_OF_DAY)
    return days if np.isfinite(days).sum() > np.isfinite(best).sum() else best


def is_true(text: str) -> bool:
    """Return whether a text says yes."""
    return any(same_value(text, yes) for yes in TRUE_TEXTS)


def columns_named(texts: Sequence[str], columns: Sequence[str]) -> tuple[str, ...]:
    """Return the columns that `texts` name, one each or several with commas between."""
    names: list[str] = []
    for text in texts:
        parts = [text] if text in columns else text.split(",")
        names.extend(part.strip() for part in parts if part.strip())
    return tuple(names)
