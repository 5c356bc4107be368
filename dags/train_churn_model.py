"""Monthly training of the churn model and of the uplift model, each judged before it is used.

**Schedule**: 09:00 Asia/Shanghai on the 2nd, when the month before is complete. The nightly run
trains by itself only as long as there is no champion.

**Inputs**: what the nights have loaded; `seeds/model_parameter.csv` says from which observation
dates a model is made, how far ahead its label looks and how many churners it needs. For uplift
`marts.fct_retention_experiment`, as the night of the business date built it, and
`seeds/uplift_parameter.csv`.

**Outputs**: `marts.fct_churn_feature` and `marts.fct_churn_label` of these dates; a version of the
model `churn` in the registry with its metrics, and the alias `champion` on it if it is not worse
out of time; the reason in `ops.step_run` and in the registry. From the controls of the call lists a
version of the model `uplift`, and in `ml.uplift_verdict` whether calls are ranked by it or by risk.

**Parameters**: `business_date` (YYYY-MM-DD, default: yesterday).

**To run it again**: trigger it with the same `business_date`; another version is registered, made
from the same rows. The same experiment is judged once.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import CronTriggerTimetable, Param, chain, dag, task

from dags.common.defaults import DEFAULT_ARGS, run_step


@dag(
    dag_id="train_churn_model",
    doc_md=__doc__,
    schedule=CronTriggerTimetable("0 9 2 * *", timezone="Asia/Shanghai"),
    catchup=False,
    max_active_runs=1,
    is_paused_upon_creation=False,
    default_args=DEFAULT_ARGS,
    dagrun_timeout=timedelta(hours=3),
    tags=["model"],
    params={"business_date": Param(None, type=["null", "string"], format="date")},
)
def train_churn_model() -> None:
    """Order the steps of the training; each is a function in scripts/nightly_steps.py."""
    from scripts import nightly_steps as steps

    @task
    def build_training_history() -> None:
        run_step(steps.build_training_history)

    @task(task_id="train_churn_model")
    def train_challenger() -> None:
        run_step(steps.train_churn_model)

    @task
    def train_uplift_model() -> None:
        run_step(steps.train_uplift_model)

    chain(build_training_history(), train_challenger(), train_uplift_model())


train_churn_model()
