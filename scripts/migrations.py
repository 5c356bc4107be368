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
from scripts.contracts import read_extracts
from scripts.raw_tables import create_raw_table

MIGRATION_LOCK = 20260430
DIALER_REFERENCES: tuple[tuple[str, tuple[str, ...], str], ...] = (
    ("outcome_code", ("outcome_code",), "call_outcome.csv"),
    ("call_rule", ("rule_name",), "call_rule.csv"),
    ("automatic_agent", ("agent_id",), "automatic_agent.csv"),
    ("feedback_reason", ("reason_code",), "feedback_reason.csv"),
    ("vicidial_flag", ("flag",), "vicidial_flag.csv"),
    ("vicidial_status", ("campaign_id", "status"), "vicidial_status.csv"),
)


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
                create_raw_table(connection, extract)
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


def _sync_dialer_rules(connection: psycopg.Connection) -> None:
    """Make the dialer's reference tables equal to their seeds (rows are never removed)."""
    for table, key, seed in DIALER_REFERENCES:
        with (warehouse.SEED_DIR / seed).open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        columns = [sql.Identifier(name) for name in rows[0]]
        statement = sql.SQL(
            "insert into {} ({}) values ({}) on conflict ({}) do update set {}"
        ).format(
            sql.Identifier("dialer", table),
            sql.SQL(", ").join(columns),
            sql.SQL(", ").join(sql.Placeholder() * len(columns)),
            sql.SQL(", ").join(map(sql.Identifier, key)),
            sql.SQL(", ").join(sql.SQL("{0} = excluded.{0}").format(column) for column in columns),
        )
        with connection.cursor() as cursor:
            cursor.executemany(statement, [list(row.values()) for row in rows])
