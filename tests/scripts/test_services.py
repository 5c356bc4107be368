"""Airflow's components come up healthy together, and only what came up goes down."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from scripts import services, warehouse
from scripts.airflow_environment import USER_NAME, password_file
from scripts.services import COMPONENTS


@pytest.fixture
def port(warehouse_db: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Point Airflow at the test's database, a folder and a free port of its own."""
    del warehouse_db
    with socket.create_server(("127.0.0.1", 0)) as probe:
        number: int = probe.getsockname()[1]
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path / "airflow"))
    monkeypatch.setenv("AIRFLOW__API__PORT", str(number))
    yield number
    services.down()


def started() -> dict[str, psutil.Process]:
    return {item.name: process for item in services._read_started() if (process := item.process())}


def is_alive(process: psutil.Process) -> bool:
    """Whether it still runs; one that has ended and waits for its parent to notice does not."""
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def status_of(url: str, body: dict[str, str]) -> int:
    request = urllib.request.Request(  # noqa: S310 (http on loopback)
        url, json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
            status: int = answer.status
    except urllib.error.HTTPError as error:
        return error.code
    return status


def test_up_is_healthy_and_repeatable_and_down_stops_only_its_own(port: int) -> None:
    bystander = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    try:
        services.up()
        first = {name: process.pid for name, process in started().items()}
        assert set(first) == set(COMPONENTS)
        assert services.is_healthy()

        services.up()
        assert {name: process.pid for name, process in started().items()} == first

        token_url = f"http://127.0.0.1:{port}/auth/token"
        password = json.loads(password_file().read_text(encoding="utf-8"))[USER_NAME]
        assert status_of(token_url, {"username": USER_NAME, "password": password}) == 201
        assert status_of(token_url, {"username": USER_NAME, "password": "operator"}) == 401
        assert password_file().parent.stat().st_mode & 0o077 == 0

        processes = list(started().values())
        families = [child for process in processes for child in process.children(recursive=True)]
        services.down()
        assert not [process for process in [*processes, *families] if is_alive(process)]
        assert bystander.poll() is None
        assert warehouse.url()  # an external server is never stopped
    finally:
        bystander.kill()
