"""Databases that hold a history each, and what a build on one took without dbt's own share."""

from __future__ import annotations

import json
import os
from datetime import datetime, timedelta
from pathlib import Path

import psycopg
from psycopg import sql

from scripts import warehouse


def use_database(name: str) -> None:
    """Go on in a database of this name beside the first, made if need be."""
    os.environ.pop("WAREHOUSE_URL", None)
    with psycopg.connect(warehouse.url(database="postgres"), autocommit=True) as connection:
        known = connection.execute("select 1 from pg_database where datname = %s", [name])
        if known.fetchone() is None:
            connection.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
    os.environ["WAREHOUSE_URL"] = warehouse.url(database=name)
    warehouse.migrate()


def drop_database(name: str) -> None:
    with psycopg.connect(warehouse.url(database="postgres"), autocommit=True) as connection:
        connection.execute(
            sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name))
        )


def busy_seconds(target_dir: Path) -> float:
    """Return the seconds of the last run in which at least one node was being executed."""
    results = json.loads((target_dir / "run_results.json").read_text(encoding="utf-8"))["results"]
    spans = sorted(
        (
            datetime.fromisoformat(timing["started_at"]),
            datetime.fromisoformat(timing["completed_at"]),
        )
        for result in results
        for timing in result["timing"]
        if timing["name"] == "execute"
    )
    busy, reached = timedelta(), spans[0][0]
    for started, completed in spans:
        if completed > reached:
            busy += completed - max(started, reached)
            reached = completed
    return busy.total_seconds()
