"""What every DAG shares: defaults of its tasks, how it fails, which night it works on."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
from airflow.sdk import get_current_context
from airflow.sdk.exceptions import AirflowFailException

from scripts.arguments import landing_dir
from scripts.delivery_terms import OPERATOR_ZONE
from scripts.nightly_steps import WHAT_TO_DO

PATIENCE_MINUTES = 60
TAGS = frozenset({"nightly", "load", "risk", "retention", "model", "dialer"})

log = logging.getLogger(__name__)


def tell_operator(context: Any) -> None:  # noqa: ANN401 (Airflow's context has no public type)
    """Say in the log which step failed, for which night, and where it is written what to do."""
    task_instance = context["task_instance"]
    log.error(
        "step %s of %s failed (run %s): %s. What to do: %s",
        task_instance.task_id,
        task_instance.dag_id,
        context["run_id"],
        context.get("exception"),
        WHAT_TO_DO,
    )


DEFAULT_ARGS: dict[str, Any] = {
    "owner": "retention",
    "retries": 2,  # for lost connections; what a step calls its own failure is not repeated
    "retry_delay": timedelta(minutes=1),
    "execution_timeout": timedelta(hours=1),
    "on_failure_callback": tell_operator,
}


def business_date_of_run() -> date:
    """Return the run's business date: the parameter, or the local day before the run.

    Airflow 3's cron intervals start and end at the same instant, so the day is counted from the
    moment the run was due.
    """
    context = get_current_context()
    wanted = context["params"].get("business_date")
    if wanted:
        return date.fromisoformat(wanted)
    due: datetime = context["dag_run"].run_after.astimezone(OPERATOR_ZONE)
    return due.date() - timedelta(days=1)


def landing_dir_of_run() -> Path:
    """Return the folder with the run's deliveries: the parameter, or the default folder."""
    wanted = get_current_context()["params"].get("landing_dir")
    return Path(wanted).resolve() if wanted else landing_dir()


def patience_of_run() -> timedelta:
    """Return how long after it is due a source is waited for; zero: no waiting at all.

    The parameter, or SOURCE_PATIENCE_MINUTES, or an hour.
    """
    wanted = get_current_context()["params"].get("patience_minutes")
    if wanted is None:
        wanted = os.environ.get("SOURCE_PATIENCE_MINUTES") or PATIENCE_MINUTES
    return timedelta(minutes=float(wanted))


def run_step(step: Callable[..., None], *arguments: object) -> None:
    """Run a step for the run's business date; only a lost connection is worth another try."""
    try:
        step(business_date_of_run(), *arguments)
    except (psycopg.OperationalError, ConnectionError):
        raise
    except Exception as error:
        raise AirflowFailException(f"{error}. What to do: {WHAT_TO_DO}") from error
