"""Load delivered extracts into raw: contract-checked, by COPY, a transaction per extract and date.

    python -m scripts.load_extracts --business-date 2026-11-20 [--landing-dir landing]

Loads `landing/<source>/<extract>/<date>/*.csv|csv.gz|parquet` for the business date and for every
earlier date, within the retention, with a file that the ledger does not know yet. A date whose
files are already loaded (same names, same checksums) is left alone; changed files replace that date
and nothing else. Rows that break the contract are kept in `raw.rejected_row`. A file that cannot be
read loads nothing of its extract and date, leaves what was there, and is `failed` in the ledger
`ops.extract_load`.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from itertools import chain
from pathlib import Path

import psycopg
import pyarrow as pa
from psycopg import sql
from psycopg.rows import dict_row

from scripts import arguments, warehouse
from scripts.contracts import Extract, read_extracts
from scripts.copy_streams import copy_rows, prepared_ahead
from scripts.database import Connection
from scripts.delivered_file import DeliveredFile, DeliveryError
from scripts.extract_ledger import (
    known_files,
    loaded_files,
    record_failure,
    supersede_failure,
)
from scripts.file_load import REJECTED_SCHEMA, FileLoad
from scripts.landing_folder import (
    delivered_files,
    delivery_dates,
    delivery_folder,
    modified_at,
)
from scripts.raw_tables import (
    constant_origin,
    create_partition_statement,
    partition_of,
    raw_schema,
    settle,
)
from scripts.retention import expired_dates
from scripts.roll_up import rolled_up
from scripts.row_checks import arrow_schema
from scripts.warehouse import Role

NEVER = datetime.min.replace(tzinfo=UTC)

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
    yesterday = business_date - timedelta(days=1)
    due = due_loads(date.min, yesterday, landing_dir)
    due += [(business_date, extract) for extract in read_extracts()]
    return list(load_each(due, landing_dir))


def due_loads(first: date, last: date, landing_dir: Path) -> list[tuple[date, Extract]]:
    """Return the dates and extracts with files that the ledger does not know, in date order.

    Files are judged by name and modification time alone, so that history is not read again. What
    the retention no longer keeps is left alone.
    """
    due = []
    with connect_as_loader() as connection:
        known = {str(extract): known_files(connection, extract) for extract in read_extracts()}
    for extract in read_extracts():
        dates = delivery_dates(landing_dir, extract.source, extract.name)
        delivered = [day for day in dates if day <= last]
        for day in sorted(set(delivered).difference(expired_dates(extract, delivered, last))):
            files = _delivered_files(extract, day, landing_dir) if first <= day else []
            if any(
                modified_at(file) >= known[str(extract)].get((day, _name(file, landing_dir)), NEVER)
                for file in files
            ):
                due.append((day, extract))
    return sorted(due, key=lambda item: item[0])


def load_each(due: list[tuple[date, Extract]], landing_dir: Path) -> Generator[ExtractLoad]:
    """Load one after the other and yield what became of each as it is done; then settle them."""
    loaded: dict[str, set[date]] = {}
    with connect_as_loader() as connection:
        for business_date, extract in due:
            with alone_with(connection, extract):
                load = _load(extract, business_date, landing_dir, connection)
            if load.status == "loaded":
                loaded.setdefault(extract.table, set()).add(business_date)
            yield load
        for table, dates in loaded.items():
            settle(connection, table, dates)


def load_extract(extract: Extract, business_date: date, landing_dir: Path) -> ExtractLoad:
    """Load what was delivered of one extract for one date, in one transaction."""
    (load,) = load_each([(business_date, extract)], landing_dir)
    return load


@contextmanager
def alone_with(connection: Connection, extract: Extract) -> Iterator[None]:
    """Wait until no other loader works on the extract; one that was killed works no more."""
    name = [f"load {extract}"]
    connection.execute("select pg_advisory_lock(hashtext(%s))", name)
    try:
        yield
    finally:
        connection.execute("select pg_advisory_unlock(hashtext(%s))", name)


def _load(
    extract: Extract, business_date: date, landing_dir: Path, connection: Connection
) -> ExtractLoad:
    files = _delivered_files(extract, business_date, landing_dir)
    outcome = ExtractLoad(extract.source, extract.name, business_date, "absent")
    if not files:
        supersede_failure(connection, extract, business_date)  # what failed was taken away
        return outcome
    loads = _with_checksums(files, extract, landing_dir)
    earlier = loaded_files(connection, extract, business_date)
    if {(row["file"], row["sha256"]) for row in earlier} == {(x.name, x.sha256) for x in loads}:
        supersede_failure(connection, extract, business_date)
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
        record_failure(connection, extract, business_date, loads, error)
        log.error("%s %s not loaded: %s", extract, business_date, error)
        return replace(outcome, status="failed", error=str(error))
    result = replace(
        outcome,
        status="loaded",
        rows_read=sum(load.rows_read for load in loads),
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


def _delivered_files(extract: Extract, business_date: date, landing_dir: Path) -> list[Path]:
    return delivered_files(
        delivery_folder(landing_dir, extract.source, extract.name, business_date)
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


def _load_in_one_transaction(
    extract: Extract, business_date: date, loads: list[FileLoad], connection: Connection
) -> None:
    """Replace the date's rows, rejected rows and ledger entries; everything or nothing."""
    to_read = [load for load in loads if load.duplicate_of is None]
    with connection.transaction():
        _number(loads, connection)
        _make_room(extract, business_date, connection)
        partition = sql.Identifier("raw", partition_of(extract.table, business_date))
        schema = raw_schema(extract)
        for rows, load in _streams(extract, to_read):
            with (
                _refusals_told(load),
                constant_origin(connection, partition, business_date, load.extract_load_id),
            ):
                copy_rows(connection, partition, schema, rows)
        for load in to_read:
            if load.rows_rejected:
                table = sql.Identifier("raw", "rejected_row")
                rejected = load.rejected_rows(business_date)
                copy_rows(connection, table, REJECTED_SCHEMA, rejected)
        _enter(extract, business_date, loads, connection)


@contextmanager
def _refusals_told(load: FileLoad) -> Iterator[None]:
    """Turn the database's refusal of a value into an error that names the column, not the value."""
    try:
        yield
    except psycopg.DataError as error:
        column = re.search(r", column (\w+)", error.diag.context or "")
        where = f"column {column[1]}" if column else "a row"
        cause = f"the database refuses {where}: {type(error).__name__}"
        raise DeliveryError(load.file.path, None, cause) from None


def _number(loads: list[FileLoad], connection: Connection) -> None:
    """Reserve the files' places in the ledger: the rows carry them as their origin."""
    numbers = connection.execute(
        "select nextval(pg_get_serial_sequence('ops.extract_load', 'extract_load_id')) as number"
        " from generate_series(1, %s)",
        [len(loads)],
    )
    for load, row in zip(loads, numbers, strict=True):
        load.extract_load_id = row["number"]


def _make_room(extract: Extract, business_date: date, connection: Connection) -> None:
    """Delete what an earlier delivery for the date left, and see that its month has a partition."""
    connection.execute(create_partition_statement(extract, business_date))
    connection.execute(
        sql.SQL("delete from {} where business_date = %s").format(
            sql.Identifier("raw", partition_of(extract.table, business_date))
        ),
        [business_date],
    )
    connection.execute(
        "delete from raw.rejected_row where source = %s and extract = %s and business_date = %s",
        [extract.source, extract.name, business_date],
    )


def _streams(
    extract: Extract, loads: list[FileLoad]
) -> Iterator[tuple[Iterator[pa.RecordBatch], FileLoad]]:
    """Yield one stream of rows per file, or one for all files of an extract that is rolled up.

    Rows that are rolled up come from all files together; they carry the first as their origin.
    """
    if extract.roll_up is None:
        for load in loads:
            yield load.accepted_rows(), load
    else:
        hours = chain.from_iterable(load.accepted_rows() for load in loads)
        yield rolled_up(extract.roll_up, arrow_schema(extract), prepared_ahead(hours)), loads[0]


def _enter(
    extract: Extract, business_date: date, loads: list[FileLoad], connection: Connection
) -> None:
    """Write the ledger: these files stand for the date now, and none before them."""
    connection.execute(
        "update ops.extract_load set status = 'superseded'"
        " where source = %s and extract = %s and business_date = %s"
        " and status in ('loaded', 'failed', 'expired')",
        [extract.source, extract.name, business_date],
    )
    connection.cursor().executemany(
        "insert into ops.extract_load (extract_load_id, source, extract, business_date, file,"
        " sha256, rows_read, rows_loaded, rows_rejected, status, warning, started_at)"
        " overriding system value"
        " values (%s, %s, %s, %s, %s, %s, %s, %s, %s, 'loaded', %s, %s)",
        [
            (
                load.extract_load_id,
                extract.source,
                extract.name,
                business_date,
                load.name,
                load.sha256,
                load.rows_read,
                load.rows_accepted,
                load.rows_rejected,
                load.warning,
                load.started_at,
            )
            for load in loads
        ],
    )


def connect_as_loader() -> Connection:
    """Connect as the loader; each transaction is opened where it begins."""
    return psycopg.connect(warehouse.url(Role.LOADER), autocommit=True, row_factory=dict_row)


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
