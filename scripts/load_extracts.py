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
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from itertools import chain
from pathlib import Path

import adbc_driver_postgresql.dbapi as adbc
import pyarrow as pa
from psycopg import sql

from scripts import arguments, warehouse
from scripts.arrow_streams import ErrorCarrier, with_origin
from scripts.contracts import Extract, read_extracts
from scripts.database import connect
from scripts.delivered_file import DeliveredFile, DeliveryError
from scripts.extract_ledger import (
    known_files,
    loaded_files,
    record_failure,
    supersede_failure,
)
from scripts.file_load import REJECTED_SCHEMA, FileLoad, accepted_rows, rejected_rows
from scripts.roll_up import roll_up
from scripts.row_checks import arrow_schema
from scripts.warehouse import Role

NEVER = datetime.min.replace(tzinfo=UTC)
SUFFIXES = (".csv", ".csv.gz", ".parquet")

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
        supersede_failure(extract, business_date)  # what failed was taken away
        return outcome
    loads = _with_checksums(files, extract, landing_dir)
    earlier = loaded_files(extract, business_date)
    if {(row["file"], row["sha256"]) for row in earlier} == {(x.name, x.sha256) for x in loads}:
        supersede_failure(extract, business_date)
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
        record_failure(extract, business_date, loads, error)
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
    known = known_files(extract)
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


def _with_checksums(files: list[Path], extract: Extract, landing_dir: Path) -> list[FileLoad]:
    """Checksum each file; one with the content of an earlier one is marked as its duplicate."""
    loads: list[FileLoad] = []
    for path in files:
        file = DeliveredFile(path, extract)
        load = FileLoad(file, _name(path, landing_dir), file.sha256(), datetime.now(UTC))
        twin = next((other for other in loads if other.sha256 == load.sha256), None)
        load.duplicate_of = twin.name if twin else None
        loads.append(load)
    return loads


def _name(path: Path, landing_dir: Path) -> str:
    return path.relative_to(landing_dir).as_posix()


def _modified_at(path: Path) -> datetime:
    return datetime.fromtimestamp(path.stat().st_mtime, UTC)


def _load_in_one_transaction(
    extract: Extract, business_date: date, loads: list[FileLoad], connection: adbc.Connection
) -> None:
    """Replace the date's rows, rejected rows and ledger entries; everything or nothing."""
    to_read = [load for load in loads if load.duplicate_of is None]
    errors = ErrorCarrier()
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
            _copy(cursor, "raw", extract.table, with_origin(rows, business_date, name))
        for load in to_read:
            if load.rows_rejected:
                rejected = errors.reader(REJECTED_SCHEMA, rejected_rows(load, business_date))
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
    extract: Extract, loads: list[FileLoad], errors: ErrorCarrier
) -> Iterator[tuple[pa.RecordBatchReader, str]]:
    """Yield one stream of rows per file, or one for all files of an extract that is rolled up."""
    schema = arrow_schema(extract)
    if extract.roll_up is None:
        for load in loads:
            yield errors.reader(schema, accepted_rows(load)), load.name
    else:
        hours = errors.reader(schema, chain.from_iterable(map(accepted_rows, loads)))
        yield roll_up(extract.roll_up, hours), loads[0].name.rpartition("/")[0]


def _copy(cursor: adbc.Cursor, schema: str, table: str, rows: pa.RecordBatchReader) -> None:
    cursor.adbc_ingest(table, rows, mode="append", db_schema_name=schema)


def _analyze(extract: Extract) -> None:
    """Count the rows for the planner: the models read the table before autovacuum would."""
    with connect(Role.LOADER) as connection:
        connection.execute(sql.SQL("analyze {}").format(sql.Identifier("raw", extract.table)))


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
