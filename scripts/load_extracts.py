"""Load delivered extracts into raw: contract-checked, by COPY, a transaction per extract and date.

    python -m scripts.load_extracts --business-date 2026-11-20 [--landing-dir landing]

Loads `landing/<source>/<extract>/<date>/*.csv|csv.gz|parquet` for the business date and for every
earlier date with a file that the ledger does not know yet. A date whose files are already loaded
(same names, same checksums) is left alone; changed files replace that date and nothing else. Rows
that break the contract are kept in `raw.rejected_row`. A file that cannot be read loads nothing of
its extract and date, leaves what was there, and is `failed` in the ledger `ops.extract_load`.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from itertools import chain
from pathlib import Path
from typing import Any

import adbc_driver_postgresql.dbapi as adbc
import pyarrow as pa
from psycopg import sql

from scripts import arguments, warehouse
from scripts.contracts import Extract, read_extracts
from scripts.database import connect, fetch_all
from scripts.delivered_file import DeliveredFile, DeliveryError
from scripts.roll_up import roll_up
from scripts.row_checks import Rejection, arrow_schema, check_batch
from scripts.warehouse import Role

NEVER = datetime.min.replace(tzinfo=UTC)
SUFFIXES = (".csv", ".csv.gz", ".parquet")
REJECTED_SCHEMA = pa.schema(
    [
        ("source", pa.string()),
        ("extract", pa.string()),
        ("business_date", pa.date32()),
        ("file", pa.string()),
        ("line", pa.int64()),
        ("column_name", pa.string()),
        ("reason", pa.string()),
        ("original_text", pa.string()),
    ]
)

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ExtractLoad:
    """What became of one extract and date: loaded, unchanged, failed or absent."""

    source: str
    extract: str
    business_date: date
    status: str
    rows_read: int = 0
    rows_loaded: int = 0
    rows_rejected: int = 0
    error: str | None = None
    warnings: tuple[str, ...] = ()


@dataclass
class _FileLoad:
    """One file on its way into the warehouse, with its counts."""

    file: DeliveredFile
    name: str
    sha256: str
    started_at: datetime
    rows_accepted: int = 0
    rejections: dict[int, Rejection] = field(default_factory=dict)
    duplicate_of: str | None = None

    @property
    def rows_rejected(self) -> int:
        return len(self.rejections) + len(self.file.malformed)

    @property
    def warning(self) -> str | None:
        notes = list(self.file.warnings)
        if self.duplicate_of:
            notes.append(f"same content as {self.duplicate_of}, not loaded again")
        return "; ".join(notes) or None


def load_all(business_date: date, landing_dir: Path) -> list[ExtractLoad]:
    """Load every extract for the business date and for earlier dates not loaded yet.

    One extract's failure does not keep the others from loading. Returns one entry per extract for
    the business date (also when absent) and one per earlier date that was loaded or failed.
    """
    results: list[ExtractLoad] = []
    with adbc.connect(warehouse.url(Role.LOADER)) as connection:
        for extract in read_extracts():
            loads = [
                _load_extract(extract, day, landing_dir, connection)
                for day in _dates_to_load(extract, business_date, landing_dir)
            ]
            if any(load.status == "loaded" for load in loads):
                _analyze(extract)
            results.extend(loads)
    return results


def load_extract(extract: Extract, business_date: date, landing_dir: Path) -> ExtractLoad:
    """Load what was delivered of one extract for one date, in one transaction."""
    with adbc.connect(warehouse.url(Role.LOADER)) as connection:
        return _load_extract(extract, business_date, landing_dir, connection)


def _load_extract(
    extract: Extract, business_date: date, landing_dir: Path, connection: adbc.Connection
) -> ExtractLoad:
    files = _delivered_files(extract, business_date, landing_dir)
    outcome = ExtractLoad(extract.source, extract.name, business_date, "absent")
    if not files:
        _supersede(extract, business_date, "failed")  # what failed was taken away
        return outcome
    loads = _with_checksums(files, extract, landing_dir)
    earlier = _ledger(extract, business_date)
    if {(row["file"], row["sha256"]) for row in earlier} == {(x.name, x.sha256) for x in loads}:
        _supersede(extract, business_date, "failed")
        return replace(
            outcome,
            status="unchanged",
            rows_read=sum(row["rows_read"] for row in earlier),
            rows_loaded=sum(row["rows_loaded"] for row in earlier),
            rows_rejected=sum(row["rows_rejected"] for row in earlier),
        )
    try:
        _load_in_one_transaction(extract, business_date, loads, connection)
    except DeliveryError as error:
        _record_failure(extract, business_date, loads, error)
        log.error("%s %s not loaded: %s", extract, business_date, error)
        return replace(outcome, status="failed", error=str(error))
    result = replace(
        outcome,
        status="loaded",
        rows_read=sum(load.rows_accepted + load.rows_rejected for load in loads),
        rows_loaded=sum(load.rows_accepted for load in loads),
        rows_rejected=sum(load.rows_rejected for load in loads),
        warnings=tuple(f"{load.name}: {load.warning}" for load in loads if load.warning),
    )
    log.info(
        "%s %s: %d rows read, %d loaded, %d rejected",
        extract, business_date, result.rows_read, result.rows_loaded, result.rows_rejected,
    )  # fmt: skip
    for warning in result.warnings:
        log.warning("%s %s: %s", extract, business_date, warning)
    return result


def _dates_to_load(extract: Extract, business_date: date, landing_dir: Path) -> list[date]:
    """Return the dates up to the business date whose files the ledger does not know, and the last.

    Earlier dates are judged by file names and modification times alone, so that the night does not
    read its history again.
    """
    known = {
        (row["business_date"], row["file"]): row["finished_at"]
        for row in fetch_all(
            Role.LOADER,
            "select business_date, file, finished_at from ops.extract_load"
            " where source = %(source)s and extract = %(extract)s and status <> 'superseded'",
            source=extract.source,
            extract=extract.name,
        )
    }
    folder = landing_dir / extract.source / extract.name
    delivered = {
        day
        for day in _delivery_dates(folder)
        if day < business_date
        for file in _delivered_files(extract, day, landing_dir)
        if _modified_at(file) >= known.get((day, _name(file, landing_dir)), NEVER)
    }
    return [*sorted(delivered), business_date]


def _delivery_dates(folder: Path) -> list[date]:
    if not folder.is_dir():
        return []
    dates = []
    for entry in folder.iterdir():
        try:
            dates.append(date.fromisoformat(entry.name))
        except ValueError:
            log.warning("%s is not a date; left alone", entry)
    return dates


def _delivered_files(extract: Extract, business_date: date, landing_dir: Path) -> list[Path]:
    folder = landing_dir / extract.source / extract.name / business_date.isoformat()
    return sorted(
        path
        for path in (folder.iterdir() if folder.is_dir() else ())
        if path.name.endswith(SUFFIXES) and not path.name.startswith((".", "_"))
    )


def _with_checksums(files: list[Path], extract: Extract, landing_dir: Path) -> list[_FileLoad]:
    """Checksum each file; one with the content of an earlier one is marked as its duplicate."""
    loads: list[_FileLoad] = []
    for path in files:
        file = DeliveredFile(path, extract)
        load = _FileLoad(file, _name(path, landing_dir), file.sha256(), datetime.now(UTC))
        twin = next((other for other in loads if other.sha256 == load.sha256), None)
        load.duplicate_of = twin.name if twin else None
        loads.append(load)
    return loads


def _name(path: Path, landing_dir: Path) -> str:
    return path.relative_to(landing_dir).as_posix()


def _modified_at(path: Path) -> datetime:
    return datetime.fromtimestamp(path.stat().st_mtime, UTC)


def _ledger(extract: Extract, business_date: date) -> list[dict[str, Any]]:
    return fetch_all(
        Role.LOADER,
        "select file, sha256, rows_read, rows_loaded, rows_rejected from ops.extract_load"
        " where source = %(source)s and extract = %(extract)s"
        " and business_date = %(business_date)s and status = 'loaded'",
        source=extract.source,
        extract=extract.name,
        business_date=business_date,
    )


def _load_in_one_transaction(
    extract: Extract, business_date: date, loads: list[_FileLoad], connection: adbc.Connection
) -> None:
    """Replace the date's rows, rejected rows and ledger entries; everything or nothing."""
    to_read = [load for load in loads if load.duplicate_of is None]
    errors = _ErrorCarrier()
    with errors.delivered(), _transaction(connection) as cursor:
        delete = sql.SQL("delete from {} where business_date = $1").format(
            sql.Identifier("raw", extract.table)
        )
        cursor.execute(delete.as_string(), [business_date])
        cursor.execute(
            "delete from raw.rejected_row"
            " where source = $1 and extract = $2 and business_date = $3",
            [extract.source, extract.name, business_date],
        )
        for rows, name in _streams(extract, to_read, errors):
            _copy(cursor, "raw", extract.table, _with_origin(rows, business_date, name))
        for load in to_read:
            if load.rows_rejected:
                rejected = errors.reader(REJECTED_SCHEMA, _rejected_rows(load, business_date))
                _copy(cursor, "raw", "rejected_row", rejected)
        cursor.execute(
            "update ops.extract_load set status = 'superseded'"
            " where source = $1 and extract = $2 and business_date = $3"
            " and status in ('loaded', 'failed')",
            [extract.source, extract.name, business_date],
        )
        for load in loads:
            cursor.execute(
                "insert into ops.extract_load (source, extract, business_date, file, sha256,"
                " rows_read, rows_loaded, rows_rejected, status, warning, started_at)"
                " values ($1, $2, $3, $4, $5, $6, $7, $8, 'loaded', $9, $10)",
                [
                    extract.source,
                    extract.name,
                    business_date,
                    load.name,
                    load.sha256,
                    load.rows_accepted + load.rows_rejected,
                    load.rows_accepted,
                    load.rows_rejected,
                    load.warning,
                    load.started_at,
                ],
            )


@contextmanager
def _transaction(connection: adbc.Connection) -> Iterator[adbc.Cursor]:
    """Commit what was done with the cursor, or undo it all."""
    with connection.cursor() as cursor:
        try:
            yield cursor
        except BaseException:
            connection.rollback()
            raise
        connection.commit()


def _streams(
    extract: Extract, loads: list[_FileLoad], errors: _ErrorCarrier
) -> Iterator[tuple[pa.RecordBatchReader, str]]:
    """Yield one stream of rows per file, or one for all files of an extract that is rolled up."""
    schema = arrow_schema(extract)
    if extract.roll_up is None:
        for load in loads:
            yield errors.reader(schema, _accepted_rows(load)), load.name
    else:
        hours = errors.reader(schema, chain.from_iterable(map(_accepted_rows, loads)))
        yield roll_up(extract.roll_up, hours), loads[0].name.rpartition("/")[0]


def _accepted_rows(load: _FileLoad) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a file that keep to the contract; note the others on the way."""
    ordinal = 0
    for batch in load.file.batches():
        checked = check_batch(load.file.extract, batch)
        load.rejections.update((ordinal + item.index, item) for item in checked.rejections)
        load.rows_accepted += checked.accepted.num_rows
        ordinal += batch.num_rows
        yield checked.accepted


def _rejected_rows(load: _FileLoad, business_date: date) -> Iterator[pa.RecordBatch]:
    """Yield the file's rejected rows with the line and the text they were delivered as."""
    faults = _faults_by_record(load)
    rows: list[dict[str, object]] = []
    for record, line, text in load.file.original_texts(set(faults)):
        column, reason = faults.pop(record)
        rows.append(
            {
                "source": load.file.extract.source,
                "extract": load.file.extract.name,
                "business_date": business_date,
                "file": load.name,
                "line": line,
                "column_name": column,
                "reason": reason,
                "original_text": text.replace("\x00", "\ufffd"),
            }
        )
    if faults:
        raise DeliveryError(load.file.path, None, "quoting is broken: rows cannot be told apart")
    yield pa.RecordBatch.from_pylist(rows, schema=REJECTED_SCHEMA)


def _faults_by_record(load: _FileLoad) -> dict[int, tuple[str | None, str]]:
    """Return column and reason by row number of the file, where the header is row 1.

    Rejections count well-formed rows only, so the malformed rows before them are added.
    """
    faults: dict[int, tuple[str | None, str]] = {
        row.record: (None, f"{row.actual_columns} columns instead of {row.expected_columns}")
        for row in load.file.malformed
    }
    malformed = sorted(faults)
    passed = 0
    for ordinal, rejection in sorted(load.rejections.items()):
        while passed < len(malformed) and malformed[passed] <= ordinal + passed + 2:
            passed += 1
        faults[ordinal + passed + 2] = (rejection.column, rejection.reason)
    return faults


def _with_origin(
    rows: pa.RecordBatchReader, business_date: date, name: str
) -> pa.RecordBatchReader:
    """Add the columns that say when and in which file the rows were delivered."""
    schema = rows.schema.append(pa.field("business_date", pa.date32())).append(
        pa.field("source_file", pa.string())
    )

    def batches() -> Iterator[pa.RecordBatch]:
        for batch in rows:
            origin = [
                pa.repeat(pa.scalar(business_date, pa.date32()), batch.num_rows),
                pa.repeat(pa.scalar(name, pa.string()), batch.num_rows),
            ]
            yield pa.RecordBatch.from_arrays([*batch.columns, *origin], schema=schema)

    return pa.RecordBatchReader.from_batches(schema, batches())


def _copy(cursor: adbc.Cursor, schema: str, table: str, rows: pa.RecordBatchReader) -> None:
    cursor.adbc_ingest(table, rows, mode="append", db_schema_name=schema)


def _analyze(extract: Extract) -> None:
    """Count the rows for the planner: the models read the table before autovacuum would."""
    with connect(Role.LOADER) as connection:
        connection.execute(sql.SQL("analyze {}").format(sql.Identifier("raw", extract.table)))


def _record_failure(
    extract: Extract, business_date: date, loads: list[_FileLoad], error: DeliveryError
) -> None:
    """Enter the file that failed into the ledger; the same failure again changes nothing."""
    load = next(load for load in loads if load.file.path == error.file)
    same_failure = {
        "source": extract.source,
        "extract": extract.name,
        "business_date": business_date,
        "file": load.name,
        "sha256": load.sha256,
        "error": str(error),
    }
    if fetch_all(
        Role.LOADER,
        "select 1 from ops.extract_load where status = 'failed' and source = %(source)s"
        " and extract = %(extract)s and business_date = %(business_date)s and file = %(file)s"
        " and sha256 = %(sha256)s and error = %(error)s",
        **same_failure,
    ):
        return
    _supersede(extract, business_date, "failed")
    with connect(Role.LOADER) as connection:
        connection.execute(
            "insert into ops.extract_load"
            " (source, extract, business_date, file, sha256, status, error, started_at)"
            " values (%(source)s, %(extract)s, %(business_date)s, %(file)s, %(sha256)s, 'failed',"
            " %(error)s, %(started_at)s)",
            same_failure | {"started_at": load.started_at},
        )


def _supersede(extract: Extract, business_date: date, status: str) -> None:
    with connect(Role.LOADER) as connection:
        connection.execute(
            "update ops.extract_load set status = 'superseded' where source = %s"
            " and extract = %s and business_date = %s and status = %s",
            [extract.source, extract.name, business_date, status],
        )


class _ErrorCarrier:
    """Carries a `DeliveryError` across Arrow's C streams, which would flatten it to a message."""

    def __init__(self) -> None:
        self._error: DeliveryError | None = None

    def reader(self, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> pa.RecordBatchReader:
        return pa.RecordBatchReader.from_batches(schema, self._watched(batches))

    @contextmanager
    def delivered(self) -> Iterator[None]:
        try:
            yield
        except Exception:
            if self._error is not None:
                raise self._error from None
            raise

    def _watched(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        try:
            yield from batches
        except DeliveryError as error:
            self._error = error
            raise


def main() -> int:
    parser = arguments.step_parser(__doc__)
    arguments.add_landing_dir(parser)
    options = parser.parse_args()
    results = load_all(options.business_date, options.landing_dir)
    for result in results:
        log.info(
            "%-9s %s.%s %s", result.status, result.source, result.extract, result.business_date
        )
    return 1 if any(result.status == "failed" for result in results) else 0


if __name__ == "__main__":
    raise SystemExit(main())
