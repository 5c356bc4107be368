"""Delete from raw what its contract no longer keeps; the landing folder remains the archive.

    python -m scripts.expire_raw --business-date 2026-11-20

What is over is said in `scripts/retention.py`. A month that is over as a whole is a dropped
partition, whatever its size. Rejected rows go with their delivery; the ledger says `expired`.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import date

from psycopg import sql

from scripts.arguments import step_parser
from scripts.contracts import Extract, read_extracts
from scripts.database import Connection
from scripts.load_extracts import alone_with, connect_as_loader
from scripts.raw_tables import partition_of
from scripts.retention import expired_dates

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Expiry:
    """What was deleted of one extract: business dates, and partitions dropped with them."""

    extract: Extract
    dates: tuple[date, ...]
    partitions: tuple[str, ...]


def expire_raw(business_date: date) -> list[Expiry]:
    """Delete what is over on the business date; return it by extract. Repeating changes nothing."""
    with connect_as_loader() as connection:
        expiries = [_expire(connection, extract, business_date) for extract in read_extracts()]
    return [expiry for expiry in expiries if expiry.dates]


def _expire(connection: Connection, extract: Extract, business_date: date) -> Expiry:
    with alone_with(connection, extract), connection.transaction():
        loaded = connection.execute(
            "select distinct business_date from ops.extract_load"
            " where source = %s and extract = %s and status = 'loaded'",
            [extract.source, extract.name],
        ).fetchall()
        remaining = {row["business_date"] for row in loaded}
        dates = expired_dates(extract, remaining, business_date)
        remaining.difference_update(dates)
        kept = {partition_of(extract.table, day) for day in remaining}
        dropped = sorted({partition_of(extract.table, day) for day in dates} - kept)
        for day in dates:
            if partition_of(extract.table, day) in kept:
                _delete(connection, extract, day)
        for partition in dropped:
            connection.execute(sql.SQL("drop table {}").format(sql.Identifier("raw", partition)))
        _note(connection, extract, dates)
    if dates:
        log.info("%s: %d dates expired, up to %s", extract, len(dates), dates[-1])
    return Expiry(extract, tuple(dates), tuple(dropped))


def _delete(connection: Connection, extract: Extract, day: date) -> None:
    table = sql.Identifier("raw", partition_of(extract.table, day))
    connection.execute(sql.SQL("delete from {} where business_date = %s").format(table), [day])


def _note(connection: Connection, extract: Extract, dates: list[date]) -> None:
    """Delete the dates' rejected rows and let the ledger say that they are over."""
    values = [extract.source, extract.name, dates]
    connection.execute(
        "delete from raw.rejected_row"
        " where source = %s and extract = %s and business_date = any(%s)",
        values,
    )
    connection.execute(
        "update ops.extract_load set status = 'expired'"
        " where source = %s and extract = %s and business_date = any(%s) and status = 'loaded'",
        values,
    )


def main() -> int:
    options = step_parser(__doc__).parse_args()
    for expiry in expire_raw(options.business_date):
        log.info("%s: dropped %s", expiry.extract, ", ".join(expiry.partitions) or "no partition")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
