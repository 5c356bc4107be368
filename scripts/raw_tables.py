"""The tables of raw: one per extract, in partitions of one month of business dates.

A month is written once and dropped whole when its retention is over, so the number of tables is
bounded: extracts times months kept. Events and deltas are found by a BRIN index on the business
date, which costs a load nothing; snapshots, of which the newest is looked up, have a B-tree.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import date

import psycopg
import pyarrow as pa
from psycopg import sql

from scripts.contracts import Extract
from scripts.database import Connection
from scripts.roll_up import ROLL_UPS
from scripts.row_checks import arrow_type

ORIGIN_COLUMNS = {"business_date": "date not null", "extract_load_id": "bigint not null"}
PARTITIONED = "p"
# What was loaded last is read tonight anyway; vacuum notes its dates in the index afterwards.
BRIN = "brin (business_date) with (autosummarize = on)"
STATISTICS_TARGET = 20  # a raw table is read whole or by date: a small sample says enough


class OutdatedTable(RuntimeError):  # noqa: N818 (says what it is)
    """A table of an earlier version that cannot be brought up to date in place."""


def create_raw_table(connection: psycopg.Connection, extract: Extract) -> None:
    """Create the raw table of an extract, or add the columns that its contract has gained."""
    table = sql.Identifier("raw", extract.table)
    kind = connection.execute(
        "select relkind from pg_class where oid = to_regclass(%s)", [table.as_string()]
    ).fetchone()
    if kind is None:
        _create(connection, extract, table)
    elif kind[0] != PARTITIONED:
        raise OutdatedTable(
            f"raw.{extract.table} was made by an earlier version: move the data directory away "
            "(var/warehouse), the next run loads everything anew from the landing folder"
        )
    else:
        for name, physical_type in raw_columns(extract).items():
            connection.execute(
                sql.SQL("alter table {} add column if not exists {} {}").format(
                    table, sql.Identifier(name), sql.SQL(physical_type)
                )
            )
    connection.execute(sql.SQL("comment on table {} is {}").format(table, extract.description))


def _create(connection: psycopg.Connection, extract: Extract, table: sql.Identifier) -> None:
    columns = [
        sql.SQL("{} {}").format(sql.Identifier(name), sql.SQL(physical_type))
        for name, physical_type in (raw_columns(extract) | ORIGIN_COLUMNS).items()
    ]
    is_snapshot = extract.delivery_mode == "snapshot"
    index = "btree (business_date)" if is_snapshot else BRIN
    connection.execute(
        sql.SQL("create table {} ({}) partition by range (business_date)").format(
            table, sql.SQL(", ").join(columns)
        )
    )
    connection.execute(
        sql.SQL("create index {} on {} using {}").format(
            sql.Identifier(f"{extract.table}__business_date"), table, sql.SQL(index)
        )
    )
    connection.execute(sql.SQL("alter table {} owner to retention_loader").format(table))
    connection.execute(sql.SQL("grant select on {} to retention_transformer").format(table))


def raw_columns(extract: Extract) -> dict[str, str]:
    """Return the data columns of an extract's raw table with their PostgreSQL types."""
    if extract.roll_up is not None:
        return ROLL_UPS[extract.roll_up].columns
    return {column.name: column.physical_type for column in extract.columns}


def raw_schema(extract: Extract) -> pa.Schema:
    """Return the data columns of an extract's raw table with their Arrow types."""
    return pa.schema([(name, arrow_type(type_)) for name, type_ in raw_columns(extract).items()])


def partition_of(table: str, business_date: date) -> str:
    """Return the name of the partition for a business date: crm__customer_2026_11."""
    return f"{table}_{business_date:%Y_%m}"


def create_partition_statement(extract: Extract, business_date: date) -> sql.Composed:
    """Return the statement that makes the partition of the month in which the date lies."""
    first = business_date.replace(day=1)
    following = date(first.year + first.month // 12, first.month % 12 + 1, 1)
    return sql.SQL(
        "create table if not exists {} partition of {} for values from ({}) to ({})"
    ).format(
        sql.Identifier("raw", partition_of(extract.table, business_date)),
        sql.Identifier("raw", extract.table),
        sql.Literal(first.isoformat()),
        sql.Literal(following.isoformat()),
    )


@contextmanager
def constant_origin(
    connection: Connection,
    partition: sql.Identifier,
    business_date: date,
    extract_load_id: int,
) -> Iterator[None]:
    """Let what is copied within carry this date and file, without sending them with every row.

    They are the columns' defaults for as long, within the transaction: a tenth of a load's time.
    """
    defaults = (business_date.isoformat(), str(extract_load_id))
    for name, value in zip(ORIGIN_COLUMNS, defaults, strict=True):
        connection.execute(
            sql.SQL("alter table {} alter column {} set default {}").format(
                partition, sql.Identifier(name), sql.Literal(value)
            )
        )
    yield
    for name in ORIGIN_COLUMNS:
        connection.execute(
            sql.SQL("alter table {} alter column {} drop default").format(
                partition, sql.Identifier(name)
            )
        )


def settle(connection: Connection, table: str, business_dates: Iterable[date]) -> None:
    """Tell the planner what loads changed: the models read the table before autovacuum would.

    The partitions are counted each time, the whole table (and with it they) with a new month.
    """
    partitions = {partition_of(table, day) for day in business_dates}
    counted = connection.execute(
        "select relname from pg_class where relnamespace = 'raw'::regnamespace"
        " and relname = any(%s) and reltuples >= 0",
        [sorted(partitions)],
    ).fetchall()
    is_known = len(counted) == len(partitions)
    with connection.transaction():
        connection.execute(
            "select set_config('default_statistics_target', %s, true)", [str(STATISTICS_TARGET)]
        )
        for name in sorted(partitions) if is_known else [table]:
            connection.execute(sql.SQL("analyze {}").format(sql.Identifier("raw", name)))
