"""A real PostgreSQL for every test: one embedded server per test process, one database per test."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from scripts import warehouse

TEMPLATE = "warehouse_template"


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Start an embedded server of this test process and prepare a template database on it.

    Yields the URI of the server's own administrative database.
    """
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("WAREHOUSE_DIR", str(tmp_path_factory.mktemp("pg") / "data"))
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
