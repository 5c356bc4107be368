"""What the ledger `ops.extract_load` knows of deliveries, outside the loading transaction."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from scripts.contracts import Extract
from scripts.database import Connection, connect, fetch_all
from scripts.delivered_file import DeliveryError
from scripts.file_load import FileLoad
from scripts.warehouse import Role


def known_files(extract: Extract) -> dict[tuple[date, str], datetime]:
    """Return when each file of an extract was loaded or failed, by business date and name."""
    rows = fetch_all(
        Role.LOADER,
        "select business_date, file, finished_at from ops.extract_load"
        " where source = %(source)s and extract = %(extract)s and status <> 'superseded'",
        source=extract.source,
        extract=extract.name,
    )
    return {(row["business_date"], row["file"]): row["finished_at"] for row in rows}


def loaded_files(
    connection: Connection, extract: Extract, business_date: date
) -> list[dict[str, Any]]:
    """Return name, checksum and counts of the files that stand loaded for a date."""
    return connection.execute(
        "select file, sha256, rows_read, rows_loaded, rows_rejected from ops.extract_load"
        " where source = %s and extract = %s and business_date = %s and status = 'loaded'",
        [extract.source, extract.name, business_date],
    ).fetchall()


def record_failure(
    extract: Extract, business_date: date, loads: list[FileLoad], error: DeliveryError
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
    supersede_failure(extract, business_date)
    with connect(Role.LOADER) as connection:
        connection.execute(
            "insert into ops.extract_load"
            " (source, extract, business_date, file, sha256, status, error, started_at)"
            " values (%(source)s, %(extract)s, %(business_date)s, %(file)s, %(sha256)s, 'failed',"
            " %(error)s, %(started_at)s)",
            same_failure | {"started_at": load.started_at},
        )


def supersede_failure(extract: Extract, business_date: date) -> None:
    """Note that what failed has been taken away or put right."""
    with connect(Role.LOADER) as connection:
        connection.execute(
            "update ops.extract_load set status = 'superseded' where source = %s"
            " and extract = %s and business_date = %s and status = 'failed'",
            [extract.source, extract.name, business_date],
        )
