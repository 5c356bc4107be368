"""The one way Python code talks to PostgreSQL: psycopg connections that act as one role."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, LiteralString

import psycopg
from psycopg.rows import dict_row

from scripts import warehouse

STATEMENT_TIMEOUT_MINUTES = 60

Connection = psycopg.Connection[dict[str, Any]]


@contextmanager
def connect(role: warehouse.Role | None) -> Iterator[Connection]:
    """Open one transaction as `role` (None: the administrator); commit on success.

    Statements are cut off after `STATEMENT_TIMEOUT_MINUTES`, the execution timeout of a task.
    """
    with psycopg.connect(warehouse.url(role), row_factory=dict_row) as connection:
        connection.execute(
            "select set_config('statement_timeout', %s, false)",
            [f"{STATEMENT_TIMEOUT_MINUTES}min"],
        )
        yield connection


def fetch_all(
    role: warehouse.Role | None, query: LiteralString, **values: object
) -> list[dict[str, Any]]:
    """Run one query as `role` in a transaction of its own and return its rows."""
    with connect(role) as connection:
        return connection.execute(query, values).fetchall()
