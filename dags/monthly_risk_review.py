"""Monthly risk review: risk lists out to the departments, late answers named.

**Schedule**: 08:00 Asia/Shanghai on the 1st (the lists of the month that has ended), the 16th and
the 21st (by the end of the 15th channels, by the end of the 20th the market department owe their
answers). The nightly run of the month's last day has made the lists before.

**Inputs**: `marts.rpt_monthly_risk_list`, `marts.fct_risk_answer`.

**Outputs**: `var/export/<last day of the month>/risk_list_<department>.csv`; how many answers are
late, per department, in `ops.step_run` and the log.

**Parameters**: `business_date` (YYYY-MM-DD, default: yesterday); what is reviewed is the month that
ended last, with it or before it.

**To run it again**: trigger it with the same `business_date`; the same files are written.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import CronTriggerTimetable, Param, chain, dag, task

from dags.common.defaults import DEFAULT_ARGS, run_step


@dag(
    dag_id="monthly_risk_review",
    doc_md=__doc__,
    schedule=CronTriggerTimetable("0 8 1,16,21 * *", timezone="Asia/Shanghai"),
    catchup=False,
    max_active_runs=1,
    is_paused_upon_creation=False,
    default_args=DEFAULT_ARGS,
    dagrun_timeout=timedelta(hours=1),
    tags=["risk"],
    params={"business_date": Param(None, type=["null", "string"], format="date")},
)
def monthly_risk_review() -> None:
    """Order the steps of the review; each is a function in scripts/nightly_steps.py."""
    from scripts import nightly_steps as steps

    @task
    def export_risk_lists() -> None:
        run_step(steps.export_risk_lists)

    @task
    def check_risk_answers() -> None:
        run_step(steps.check_risk_answers)

    chain(export_risk_lists(), check_risk_answers())


monthly_risk_review()
