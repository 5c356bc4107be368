"""The environment in which every Airflow process of the embedded installation runs.

Airflow keeps its metadata in a database of its own on the warehouse's server. Secrets are made on
first use and kept in AIRFLOW_HOME, readable by the owner alone.
"""

from __future__ import annotations

import os
import secrets
import sys
from pathlib import Path

from scripts import warehouse
from scripts.arguments import landing_dir
from scripts.warehouse import PROJECT_DIR

API_HOST = "127.0.0.1"
USER_NAME = "operator"


def airflow_home() -> Path:
    """Return AIRFLOW_HOME, by default under var/."""
    return Path(os.environ.get("AIRFLOW_HOME") or PROJECT_DIR / "var" / "airflow").resolve()


def api_port() -> int:
    """Return the port of Airflow's UI and API on this machine."""
    return int(os.environ.get("AIRFLOW__API__PORT", "8080"))


def environment() -> dict[str, str]:
    """Return this process' environment with Airflow's settings; what is set already stays."""
    airflow_home().mkdir(parents=True, exist_ok=True)
    airflow_home().chmod(0o700)  # Airflow keeps its user's password here
    database = warehouse.AIRFLOW_DATABASE
    settings = {
        "AIRFLOW_HOME": str(airflow_home()),
        "AIRFLOW__CORE__DAGS_FOLDER": str(PROJECT_DIR / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__PARALLELISM": "4",
        "AIRFLOW__CORE__DEFAULT_TIMEZONE": "Asia/Shanghai",
        "AIRFLOW__CORE__FERNET_KEY": "",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://{API_HOST}:{api_port()}/execution/",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": f"{USER_NAME}:admin",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(password_file()),
        "AIRFLOW__API__HOST": API_HOST,
        "AIRFLOW__API__PORT": str(api_port()),
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__API__SECRET_KEY": _secret("api_secret_key"),
        "AIRFLOW__API_AUTH__JWT_SECRET": _secret("jwt_secret"),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": warehouse.url(
            database=database, driver="postgresql+psycopg2"
        ),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC": warehouse.url(
            database=database, driver="postgresql+asyncpg"
        ).replace("sslmode=", "ssl="),  # asyncpg's own word for it
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        "DO_NOT_TRACK": "1",
        "SCARF_ANALYTICS": "false",
        "LANDING_DIR": str(landing_dir()),
        "PYTHONPATH": str(PROJECT_DIR),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
    }
    kept = {name: value for name, value in os.environ.items() if name not in ("PATH", "PYTHONPATH")}
    return settings | kept


def password_file() -> Path:
    """Return the file in which Airflow keeps the generated password of its one user."""
    return airflow_home() / "passwords.json"


def _secret(name: str) -> str:
    """Return a secret of this installation, made at random on first use."""
    file = airflow_home() / "secrets" / name
    if not file.exists():
        file.parent.mkdir(exist_ok=True)
        file.touch(mode=0o600)
        file.write_text(secrets.token_urlsafe(64), encoding="ascii")
    return file.read_text(encoding="ascii")
