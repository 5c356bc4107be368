"""What the ledger `ops.extract_load` knows of deliveries, outside the loading transaction.

What takes a connection works on the loader's own, which commits each statement by itself.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from scripts.contracts import Extract
from scripts.database import Connection, fetch_all
from scripts.delivered_file import DeliveryError
from scripts.file_load import FileLoad
from scripts.warehouse import Role


def deliveries_by_extract(business_date: date) -> dict[str, dict[str, Any]]:
    """Return, by source.extract, tonight's delivery and the last dates before and with it.

    Of tonight: status (loaded, failed, or None), error, rows_read, rows_loaded, rejected_percent.
    `last_loaded` and `last_filled`: the newest date that was loaded, at all and with a row.
    """
    rows = fetch_all(
        Role.LOADER,
        """
        select
            source || '.' || extract as extract,
            min(status) filter (where business_date = %(business_date)s) as status,
            min(error) filter (where business_date = %(business_date)s) as error,
            max(business_date) filter (where status = 'loaded') as last_loaded,
            max(business_date) filter (where status = 'loaded' and rows_loaded > 0) as last_filled,
            sum(rows_read) filter (where business_date = %(business_date)s) as rows_read,
            sum(rows_loaded) filter (where business_date = %(business_date)s) as rows_loaded,
            100 * sum(rows_rejected) filter (where business_date = %(business_date)s)
            / nullif(sum(rows_read) filter (where business_date = %(business_date)s), 0)
                as rejected_percent
        from ops.extract_load
        where status in ('loaded', 'failed') and business_date <= %(business_date)s
        group by source, extract
        """,
        business_date=business_date,
    )
    return {row["extract"]: row for row in rows}


def known_files(connection: Connection, extract: Extract) -> dict[tuple[date, str], datetime]:
    """Return when each file of an extract was loaded or failed, by business date and name."""
    rows = connection.execute(
        "select business_date, file, finished_at from ops.extract_load"
        " where source = %s and extract = %s and status <> 'superseded'",
        [extract.source, extract.name],
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
    connection: Connection,
    extract: Extract,
    business_date: date,
    loads: list[FileLoad],
    error: DeliveryError,
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
    known = connection.execute(
        "select 1 from ops.extract_load where status = 'failed' and source = %(source)s"
        " and extract = %(extract)s and business_date = %(business_date)s and file = %(file)s"
        " and sha256 = %(sha256)s and error = %(error)s",
        same_failure,
    ).fetchone()
    if known is not None:
        return
    with connection.transaction():
        supersede_failure(connection, extract, business_date)
        connection.execute(
            "insert into ops.extract_load"
            " (source, extract, business_date, file, sha256, status, error, started_at)"
            " values (%(source)s, %(extract)s, %(business_date)s, %(file)s, %(sha256)s, 'failed',"
            " %(error)s, %(started_at)s)",
            same_failure | {"started_at": load.started_at},
        )


def supersede_failure(connection: Connection, extract: Extract, business_date: date) -> None:
    """Note that what failed has been taken away or put right."""
    connection.execute(
        "update ops.extract_load set status = 'superseded' where source = %s"
        " and extract = %s and business_date = %s and status = 'failed'",
        [extract.source, extract.name, business_date],
    )
