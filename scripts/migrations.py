"""Create the databases, roles, schemas and plain tables of the warehouse; safe to repeat.

The SQL files in `scripts/schema/` run in name order as the administrator. Tables of raw follow from
the extract contracts.
"""

from __future__ import annotations

import csv
import os

import psycopg
from psycopg import sql

from scripts import warehouse
from scripts.contracts import Extract, read_extracts
from scripts.roll_up import ROLL_UPS

MIGRATION_LOCK = 20260430
DIALER_REFERENCES = (
    ("outcome_code", "outcome_code", "call_outcome.csv"),
    ("call_rule", "rule_name", "call_rule.csv"),
)
SEED_DIR = warehouse.PROJECT_DIR / "seeds"


def apply() -> None:
    """Bring the server and the warehouse's database to the state this code expects."""
    with psycopg.connect(warehouse.url(), autocommit=True) as connection:
        connection.execute("select pg_advisory_lock(%s)", [MIGRATION_LOCK])
        _create_roles(connection)
        _create_database(connection, warehouse.AIRFLOW_DATABASE, owner=None)
        _create_database(connection, warehouse.MLFLOW_DATABASE, owner=warehouse.Role.SCORER)
        with connection.transaction():
            for file in sorted(warehouse.SCHEMA_DIR.glob("*.sql")):
                connection.execute(file.read_bytes())
            for extract in read_extracts():
                _create_raw_table(connection, extract)
            _sync_dialer_rules(connection)


def _create_database(
    connection: psycopg.Connection, name: str, owner: warehouse.Role | None
) -> None:
    if connection.execute("select 1 from pg_database where datname = %s", [name]).fetchone():
        return
    connection.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
    if owner is not None:
        connection.execute(
            sql.SQL("alter database {} owner to {}").format(
                sql.Identifier(name), sql.Identifier(owner.value)
            )
        )


def _create_roles(connection: psycopg.Connection) -> None:
    for role in warehouse.Role:
        name = sql.Identifier(role.value)
        if not connection.execute("select 1 from pg_roles where rolname = %s", [role]).fetchone():
            connection.execute(sql.SQL("create role {} login").format(name))
        password = os.environ.get(f"{role.value.upper()}_PASSWORD")
        if password:
            connection.execute(
                sql.SQL("alter role {} password {}").format(name, sql.Literal(password))
            )
        connection.execute(sql.SQL("grant {} to current_user").format(name))
    connection.execute(
        sql.SQL("alter database {} set timezone to 'Asia/Shanghai'").format(
            sql.Identifier(connection.info.dbname)
        )
    )


def _create_raw_table(connection: psycopg.Connection, extract: Extract) -> None:
    """Create the raw table of an extract: its columns, then where each row came from."""
    columns = [
        sql.SQL("{} {}").format(sql.Identifier(name), sql.SQL(physical_type))
        for name, physical_type in raw_columns(extract).items()
    ]
    table = sql.Identifier("raw", extract.table)
    connection.execute(
        sql.SQL(
            "create table if not exists {} ({}, business_date date not null, "
            "source_file text not null, loaded_at timestamptz not null default now())"
        ).format(table, sql.SQL(", ").join(columns))
    )
    connection.execute(
        sql.SQL("create index if not exists {} on {} (business_date)").format(
            sql.Identifier(f"{extract.table}__business_date"), table
        )
    )
    connection.execute(sql.SQL("comment on table {} is {}").format(table, extract.description))
    connection.execute(sql.SQL("alter table {} owner to retention_loader").format(table))
    connection.execute(sql.SQL("grant select on {} to retention_transformer").format(table))


def raw_columns(extract: Extract) -> dict[str, str]:
    """Return the data columns of an extract's raw table with their PostgreSQL types."""
    if extract.roll_up is not None:
        return ROLL_UPS[extract.roll_up].columns
    return {column.name: column.physical_type for column in extract.columns}


def _sync_dialer_rules(connection: psycopg.Connection) -> None:
    """Make the dialer's reference tables equal to their seeds (rows are never removed)."""
    for table, key, seed in DIALER_REFERENCES:
        with (SEED_DIR / seed).open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        columns = [sql.Identifier(name) for name in rows[0]]
        statement = sql.SQL(
            "insert into {} ({}) values ({}) on conflict ({}) do update set {}"
        ).format(
            sql.Identifier("dialer", table),
            sql.SQL(", ").join(columns),
            sql.SQL(", ").join(sql.Placeholder() * len(columns)),
            sql.Identifier(key),
            sql.SQL(", ").join(sql.SQL("{0} = excluded.{0}").format(column) for column in columns),
        )
        with connection.cursor() as cursor:
            cursor.executemany(statement, [list(row.values()) for row in rows])
