"""A real PostgreSQL for every test: one embedded server per test process, one database per test."""

from __future__ import annotations

import os
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from scripts import warehouse

TEMPLATE = "warehouse_template"


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """Start an embedded server of this test process and prepare a template database on it.

    Yields the URI of the server's own administrative database.
    """
    # Not below pytest's own folder: that is closed to others at every start of pytest, and as
    # root the server runs as another user.
    with (
        tempfile.TemporaryDirectory(prefix="warehouse-", ignore_cleanup_errors=True) as folder,
        pytest.MonkeyPatch.context() as environment,
    ):
        environment.setenv("WAREHOUSE_DIR", str(Path(folder) / "data"))
        environment.delenv("WAREHOUSE_URL", raising=False)
        admin = warehouse.url(database="postgres")
        with psycopg.connect(admin, autocommit=True) as connection:
            connection.execute(sql.SQL("create database {}").format(sql.Identifier(TEMPLATE)))
        environment.setenv("WAREHOUSE_URL", warehouse.url(database=TEMPLATE))
        warehouse.migrate()
        environment.delenv("WAREHOUSE_URL")
        yield admin
        warehouse.stop()


@pytest.fixture
def warehouse_db(server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Give the test a migrated database of its own; WAREHOUSE_URL points there. Yields its URI."""
    name = f"test_{uuid.uuid4().hex}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(
            sql.SQL("create database {} template {}").format(
                sql.Identifier(name), sql.Identifier(TEMPLATE)
            )
        )
        connection.execute(
            sql.SQL("alter database {} set timezone to 'Asia/Shanghai'").format(
                sql.Identifier(name)
            )
        )
        monkeypatch.setenv("WAREHOUSE_URL", warehouse.url(database=name))
        yield os.environ["WAREHOUSE_URL"]
        connection.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


@pytest.fixture(scope="session")
def project_dir() -> Path:
    """Return the project's root folder."""
    return warehouse.PROJECT_DIR
