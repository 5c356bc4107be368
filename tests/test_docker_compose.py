"""The production shape is valid Compose, runs the same commands, and holds no secret."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml
from compose_spec import PyCompose

from scripts import warehouse
from scripts.database import fetch_all
from scripts.services import COMPONENTS

SECRET = re.compile(r"PASSWORD|SECRET|FERNET_KEY|CONN|URL|BACKEND")
REQUIRED_VARIABLE = re.compile(r"\$\{([A-Z_]+):\?\}")


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    """Return docker-compose.yml with its anchors and merge keys resolved."""
    loaded: dict[str, Any] = yaml.safe_load(
        (warehouse.PROJECT_DIR / "docker-compose.yml").read_text(encoding="utf-8")
    )
    return {name: part for name, part in loaded.items() if not name.startswith("x-")}


def interpolated(compose: dict[str, Any]) -> str:
    """Return the file as Compose reads it: variables replaced by their defaults or a stand-in."""
    text = re.sub(r"\$\{[A-Z_]+:-([^}]*)\}", r"\1", yaml.safe_dump(compose))
    return REQUIRED_VARIABLE.sub("stand-in", text)


def test_is_valid_by_the_compose_specification(compose: dict[str, Any]) -> None:
    parsed = PyCompose.from_yaml(interpolated(compose))
    assert set(parsed.service_names()) == {
        "postgres",
        "redis",
        "mlflow",
        "airflow-init",
        "airflow-api-server",
        "airflow-scheduler",
        "airflow-dag-processor",
        "airflow-triggerer",
        "airflow-worker",
    }


def test_the_parser_refuses_what_compose_does_not_know(compose: dict[str, Any]) -> None:
    broken = compose | {"services": {"redis": compose["services"]["redis"] | {"heathcheck": {}}}}
    with pytest.raises(ValueError, match="heathcheck"):
        PyCompose.from_yaml(interpolated(broken))


def test_runs_the_commands_that_make_up_runs(compose: dict[str, Any]) -> None:
    for name, command in COMPONENTS.items():
        assert compose["services"][f"airflow-{name}"]["command"] == ["airflow", *command]
    assert compose["services"]["airflow-worker"]["command"] == ["airflow", "celery", "worker"]


def test_every_secret_comes_from_the_environment(compose: dict[str, Any]) -> None:
    secrets = {
        f"{service}.{name}": str(value)
        for service, part in compose["services"].items()
        for name, value in part.get("environment", {}).items()
        if SECRET.search(name) and name not in {"AIRFLOW__CORE__EXECUTION_API_SERVER_URL"}
    }
    assert len(secrets) > 20
    holding = {name: value for name, value in secrets.items() if "http://" not in value}
    assert {name for name, value in holding.items() if not REQUIRED_VARIABLE.search(value)} == set()


def test_the_example_names_every_required_variable_and_gives_none_a_value() -> None:
    text = (warehouse.PROJECT_DIR / "docker-compose.yml").read_text(encoding="utf-8")
    required = set(REQUIRED_VARIABLE.findall(text))
    lines = (warehouse.PROJECT_DIR / ".env.example").read_text(encoding="utf-8").splitlines()
    entries = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    assert required == set(entries) - {"LANDING_DIR"}
    assert {name for name in required if entries[name]} == set()


def test_mounts_builds_and_dependencies_exist(compose: dict[str, Any]) -> None:
    services = compose["services"]
    for service in services.values():
        assert set(service.get("depends_on", {})) <= set(services)
        for mount in service.get("volumes", []):
            source = mount.split(":")[0]
            if source.startswith("./"):
                assert (warehouse.PROJECT_DIR / source).exists(), source
            elif not source.startswith("$"):
                assert source in compose["volumes"]
        if "build" in service:
            context = warehouse.PROJECT_DIR / service["build"]["context"]
            assert (context / service["build"]["dockerfile"]).is_file()


def test_only_loopback_ports_are_published(compose: dict[str, Any]) -> None:
    ports = [port for part in compose["services"].values() for port in part.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


@pytest.mark.usefixtures("warehouse_db")
def test_postgresql_settings_are_known_to_the_server() -> None:
    file = warehouse.PROJECT_DIR / "scripts" / "compose" / "postgresql.conf"
    names = re.findall(r"^(\w+) =", file.read_text(encoding="utf-8"), re.MULTILINE)
    known = {row["name"].lower() for row in fetch_all(None, "select name from pg_settings")}
    assert len(names) > 10
    assert set(names) <= known
