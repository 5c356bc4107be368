"""Import of dialer outcomes: what became of the calls moves the tasks, all through the calling day.

**Schedule**: every half hour from 09:00 to 22:30 Asia/Shanghai, while calls are made from 09:00 on
and until the last of them is reported. The nightly run takes in what is left before it decides.

**Inputs**: `landing/dialer/call_outcome/<date>/` in the form of the contract,
`landing/dialer/vicidial_call_log/<date>/` and `landing/dialer/vicidial_call_report/<date>/` in the
dialer's own forms; the flags of its statuses in `seeds/vicidial_status.csv`.

**Outputs**: `dialer.call_attempt` and the state of `dialer.call_task`; every line of a report with
its verdict in `dialer.reported_call`; what fits no task in `dialer.unmatched_outcome`.

**Parameters**: `business_date` (YYYY-MM-DD, default: yesterday; calls of the day after it and
earlier are taken in), `landing_dir` (default: LANDING_DIR or `landing/`).

**To run it again**: trigger it with the same `business_date`; a call that is recorded changes
nothing, whatever file it comes in.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import CronTriggerTimetable, Param, chain, dag, task

from dags.common.defaults import DEFAULT_ARGS, landing_dir_of_run, run_step


@dag(
    dag_id="import_dialer_outcomes",
    doc_md=__doc__,
    schedule=CronTriggerTimetable("0,30 9-22 * * *", timezone="Asia/Shanghai"),
    catchup=False,
    max_active_runs=1,
    is_paused_upon_creation=False,
    default_args=DEFAULT_ARGS,
    dagrun_timeout=timedelta(hours=1),
    tags=["dialer"],
    params={
        "business_date": Param(None, type=["null", "string"], format="date"),
        "landing_dir": Param(None, type=["null", "string"]),
    },
)
def import_dialer_outcomes() -> None:
    """Order the steps of the import; each is a function in scripts/nightly_steps.py."""
    from scripts import nightly_steps as steps

    @task
    def import_outcomes() -> None:
        run_step(steps.import_outcomes, landing_dir_of_run())

    @task
    def import_call_reports() -> None:
        run_step(steps.import_call_reports, landing_dir_of_run())

    chain(import_outcomes(), import_call_reports())


import_dialer_outcomes()
