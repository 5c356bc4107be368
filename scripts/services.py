"""Start and stop Airflow on the embedded server: UI, scheduler, DAG processor, triggerer.

    python -m scripts.services up
    python -m scripts.services down

`up` starts what is not running and waits until all of it is healthy; `down` stops only what `up`
started, the embedded PostgreSQL included if `up` was the one to start it.
"""

from __future__ import annotations

import argparse
import json
import logging
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from scripts import warehouse
from scripts.airflow_environment import (
    API_HOST,
    USER_NAME,
    airflow_home,
    api_port,
    environment,
    password_file,
)
from scripts.run_nightly import LOG_DIR, migrate_airflow
from scripts.warehouse import PROJECT_DIR

# The same commands run in docker-compose.yml. Logs are read from the shared folder, so nobody needs
# to serve them on the network. The API server comes first: tasks report to it.
COMPONENTS = {
    "api-server": ["api-server"],
    "scheduler": ["scheduler", "--skip-serve-logs"],
    "dag-processor": ["dag-processor"],
    "triggerer": ["triggerer", "--skip-serve-logs"],
}
API_SERVER = "api-server"
HEALTH_NAMES = ("metadatabase", "scheduler", "dag_processor", "triggerer")
START_SECONDS = 120
STOP_SECONDS = 20
WAREHOUSE = "warehouse"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Started:
    """A process that `up` started; the creation time tells it from a later one with its number."""

    name: str
    process_id: int
    created_at: float

    def process(self) -> psutil.Process | None:
        """Return the running process, or None when it has ended."""
        try:
            process = psutil.Process(self.process_id)
        except psutil.NoSuchProcess:
            return None
        is_same = abs(process.create_time() - self.created_at) < 1
        return process if is_same and process.status() != psutil.STATUS_ZOMBIE else None


def up() -> None:
    """Start the warehouse and every component that is not running; return when all are healthy."""
    running = {
        item.name: item
        for item in _read_started()
        if item.process() is not None or (item.name == WAREHOUSE and warehouse.is_running())
    }
    was_up = not warehouse.is_embedded() or warehouse.is_running()
    warehouse.migrate()
    if not was_up:
        running[WAREHOUSE] = Started(WAREHOUSE, 0, 0)
    _write_started(list(running.values()))
    migrate_airflow()
    for name, command in COMPONENTS.items():
        if name not in running:
            running[name] = _start(name, command)
            _write_started(list(running.values()))
        if name == API_SERVER:
            _wait_until_healthy(list(running.values()), ("metadatabase",))
    _wait_until_healthy(list(running.values()), HEALTH_NAMES)
    log.info("Airflow: http://%s:%d", API_HOST, api_port())
    log.info("user %s, password in %s", USER_NAME, password_file())


def down() -> None:
    """Stop what `up` started, components first."""
    started = _read_started()
    processes = [process for item in started if (process := item.process()) is not None]
    families = [member for process in processes for member in process.children(recursive=True)]
    for process in processes:
        process.terminate()
    _, alive = psutil.wait_procs([*processes, *families], timeout=STOP_SECONDS)
    for process in alive:
        process.kill()
    psutil.wait_procs(alive, timeout=STOP_SECONDS)
    if any(item.name == WAREHOUSE for item in started):
        warehouse.stop()
    _started_file().unlink(missing_ok=True)
    log.info("stopped: %s", ", ".join(item.name for item in started) or "nothing was started")


def _start(name: str, command: list[str]) -> Started:
    LOG_DIR.mkdir(parents=True, exist_ok=True)
    with (LOG_DIR / f"{name}.log").open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "airflow", *command],
            env=environment(),
            cwd=PROJECT_DIR,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    log.info("starting %s", name)
    return Started(name, process.pid, psutil.Process(process.pid).create_time())


def _wait_until_healthy(started: list[Started], names: tuple[str, ...]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        ended = [item.name for item in started if item.process_id and item.process() is None]
        if ended:
            raise SystemExit(f"{', '.join(ended)} ended; see {LOG_DIR}/<component>.log")
        if is_healthy(names):
            return
        time.sleep(1)
    raise SystemExit(f"not healthy after {START_SECONDS} seconds; see {LOG_DIR}")


def is_healthy(names: tuple[str, ...] = HEALTH_NAMES) -> bool:
    """Whether the API server answers and reports each of `names` healthy."""
    url = f"http://{API_HOST}:{api_port()}/api/v2/monitor/health"
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            health = json.load(answer)
    except (urllib.error.URLError, TimeoutError, ConnectionError):
        return False
    return all((health.get(name) or {}).get("status") == "healthy" for name in names)


def _started_file() -> Path:
    return airflow_home() / "started.json"


def _read_started() -> list[Started]:
    if not _started_file().exists():
        return []
    entries = json.loads(_started_file().read_text(encoding="utf-8"))
    return [Started(**entry) for entry in entries]


def _write_started(started: list[Started]) -> None:
    _started_file().parent.mkdir(parents=True, exist_ok=True)
    _started_file().write_text(json.dumps([asdict(item) for item in started]), encoding="utf-8")


def main() -> int:
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("action", choices=["up", "down"])
    up() if parser.parse_args().action == "up" else down()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
