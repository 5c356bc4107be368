"""Run the DAG `nightly_retention` through Airflow for one business date, and show the summary.

    python -m scripts.run_nightly --business-date 2026-11-20 [--landing-dir landing]
        [--patience-minutes 60]

Started by hand it does not wait for sources, unless it is told for how long after they are due.
Works without a scheduler (`airflow dags test`). Airflow's own output goes to var/log/; a failed
step ends it with status 1 and says what failed and what to do.
"""

from __future__ import annotations

import json
import logging
import re
import subprocess
import sys
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

from psycopg import sql

from scripts import warehouse
from scripts.airflow_environment import environment
from scripts.arguments import add_landing_dir, step_parser
from scripts.database import connect, fetch_all
from scripts.nightly_steps import WHAT_TO_DO
from scripts.summarize_run import summarize
from scripts.warehouse import PROJECT_DIR, Role

DAG_ID = "nightly_retention"
LOG_DIR = PROJECT_DIR / "var" / "log"
STARTED_TASK = re.compile(r"\[DAG TEST\] starting task_id=([\w.]+)")

log = logging.getLogger(__name__)


def run_nightly(business_date: date, landing_dir: Path, patience_minutes: float = 0) -> bool:
    """Run the night; return whether every step succeeded. The summary goes to standard output."""
    warehouse.migrate()
    migrate_airflow()
    log_file = LOG_DIR / f"{DAG_ID}_{business_date}.log"
    configuration = {
        "business_date": business_date.isoformat(),
        "landing_dir": str(landing_dir.resolve()),
        "patience_minutes": patience_minutes,
    }
    is_success = _run_dag(configuration, log_file)
    sys.stdout.write(summarize(business_date))
    if not is_success:
        log.error("%s", _failure(business_date, log_file))
    return is_success


def migrate_airflow() -> None:
    """Bring Airflow's metadata database to the installed version.

    The database's comment remembers the version, since to find nothing to do costs Airflow seconds.
    """
    installed = f"Airflow {version('apache-airflow-core')}"
    (found,) = fetch_all(
        None,
        "select shobj_description(oid, 'pg_database') as version from pg_database"
        " where datname = %(database)s",
        database=warehouse.AIRFLOW_DATABASE,
    )
    if found["version"] == installed:
        return
    log.info("preparing Airflow's database")
    run_airflow("db", "migrate")
    with connect(None) as connection:
        connection.execute(
            sql.SQL("comment on database {} is {}").format(
                sql.Identifier(warehouse.AIRFLOW_DATABASE), sql.Literal(installed)
            )
        )


def run_airflow(*arguments: str) -> None:
    """Run an Airflow command to its end; what it says is kept in var/log/airflow.log."""
    LOG_DIR.mkdir(parents=True, exist_ok=True)
    with (LOG_DIR / "airflow.log").open("a", encoding="utf-8") as log_file:
        subprocess.run(
            [sys.executable, "-m", "airflow", *arguments],
            env=environment(),
            cwd=PROJECT_DIR,
            stdout=log_file,
            stderr=subprocess.STDOUT,
            check=True,
        )


def _run_dag(configuration: dict[str, Any], log_file: Path) -> bool:
    """Run the DAG's tasks one after the other; log each start, keep Airflow's output in a file."""
    log_file.parent.mkdir(parents=True, exist_ok=True)
    with log_file.open("w", encoding="utf-8") as output:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "airflow", "dags", "test", DAG_ID),
                *("--conf", json.dumps(configuration)),
            ],
            env=environment(),
            cwd=PROJECT_DIR,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for line in process.stdout or ():
            output.write(line)
            started = STARTED_TASK.search(line)
            if started:
                log.info("step %s", started[1])
        return process.wait() == 0


def _failure(business_date: date, log_file: Path) -> str:
    failed = fetch_all(
        Role.TRANSFORMER,
        "select step, message from ops.step_run where business_date = %(business_date)s"
        " and status = 'failed' order by step_run_id desc limit 1",
        business_date=business_date,
    )
    cause = f"step {failed[0]['step']}: {failed[0]['message']}" if failed else "no step started"
    return (
        f"The night of {business_date} failed. {cause}\nLog: {log_file}\nWhat to do: {WHAT_TO_DO}"
    )


def main() -> int:
    parser = step_parser(__doc__)
    add_landing_dir(parser)
    parser.add_argument("--patience-minutes", type=float, default=0)
    options = parser.parse_args()
    is_success = run_nightly(options.business_date, options.landing_dir, options.patience_minutes)
    return 0 if is_success else 1


if __name__ == "__main__":
    raise SystemExit(main())
