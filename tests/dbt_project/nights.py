"""Rows of raw put there by hand, and nights that build some models of them as they do all."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from scripts import changed_history, run_dbt


def insert(connection: psycopg.Connection, table: str, rows: Sequence[dict[str, Any]]) -> None:
    """Insert rows of the same columns into a table of raw."""
    statement = sql.SQL("insert into {} ({}) values ({})").format(
        sql.Identifier("raw", table),
        sql.SQL(", ").join(map(sql.Identifier, rows[0])),
        sql.SQL(", ").join(map(sql.Placeholder, rows[0])),
    )
    with connection.cursor() as cursor:
        cursor.executemany(statement, rows)


def build_as_the_night_does(
    night: date,
    models: Sequence[str],
    target_dir: Path,
    left_out: Sequence[str] = ("unit_test",),
) -> None:
    """Build a selection of models, the facts from where they change; without `left_out`."""
    loads = changed_history.newest_loads()
    changed = changed_history.begin_build(night)
    settings = {
        "business_date": night.isoformat(),
        "changed_from": {name: day.isoformat() for name, day in changed.items()},
    }
    command = ["build", "--select", *models, "--exclude-resource-type", *left_out]
    run_dbt.run(command, settings, target_dir)
    changed_history.finish_build(night, loads)
