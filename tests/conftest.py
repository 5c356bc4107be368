"""A real PostgreSQL for every test: one embedded server per test process, one database per test."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
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
            # What a test proves, it proves of killed processes, never of a machine without power.
            connection.execute("alter system set fsync = off")
            connection.execute("select pg_reload_conf()")
        environment.setenv("WAREHOUSE_URL", warehouse.url(database=TEMPLATE))
        warehouse.migrate()
        environment.delenv("WAREHOUSE_URL")
        yield admin
        warehouse.stop()


@contextmanager
def migrated_database(server: str) -> Iterator[str]:
    """Make a migrated database and drop it in the end; yields its URI.

    Its name is the first free one, so that the next test's has the same: dbt keeps what it has
    parsed with the name of the database.
    """
    with psycopg.connect(server, autocommit=True) as connection:
        taken = {row[0] for row in connection.execute("select datname from pg_database")}
        name = next(name for n in itertools.count(1) if (name := f"test_{n}") not in taken)
        database = sql.Identifier(name)
        connection.execute(
            sql.SQL("create database {} template {} strategy file_copy").format(
                database, sql.Identifier(TEMPLATE)
            )
        )
        connection.execute(
            sql.SQL("alter database {} set timezone to 'Asia/Shanghai'").format(database)
        )
        yield warehouse.url(database=name)
        connection.execute(sql.SQL("drop database {} with (force)").format(database))


@pytest.fixture
def warehouse_db(server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Give the test a migrated database of its own; WAREHOUSE_URL points there. Yields its URI."""
    with migrated_database(server) as url:
        monkeypatch.setenv("WAREHOUSE_URL", url)
        yield url


@pytest.fixture(scope="session")
def target_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return this process's folder for dbt's artifacts: what is parsed once serves all tests."""
    return tmp_path_factory.mktemp("dbt") / "target"


@pytest.fixture(scope="session")
def project_dir() -> Path:
    """Return the project's root folder."""
    return warehouse.PROJECT_DIR
