"""Nightly retention run: extracts in, risk warnings and call lists out.

**Schedule**: 02:30 Asia/Shanghai, when the source systems have delivered and the call lists are
still ready hours before the first call at 09:00. It works on the day before. A source that is late
is waited for without holding a worker, up to an hour after its contract's `timeOfAvailability`;
then the night goes on without it, and what rests on it is marked stale.

**Inputs**: `landing/<source>/<extract>/<business_date>/`, contracts in `expectations/extracts/`.

**Outputs**: `marts.*`, `ml.churn_score`, `ml.uplift_score`, `dialer.call_list` and
`dialer.call_task`, the files for the dialer, the workstations and the channels in `var/export/`,
and the night's trace in `ops.*`.

**Parameters**: `business_date` (YYYY-MM-DD, default: yesterday), `landing_dir` (default:
LANDING_DIR or `landing/`), `patience_minutes` (how long to wait for a source after it is due;
default: SOURCE_PATIENCE_MINUTES or 60; 0: do not wait).

**To run it again**: trigger it with the same `business_date`. Every step is repeatable: unchanged
files are not loaded again, a published list stays as it is.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import CronTriggerTimetable, Param, TaskGroup, chain, dag, task

from dags.common.defaults import DEFAULT_ARGS, landing_dir_of_run, run_step
from dags.common.source_sensor import SourceSensor
from scripts.delivery_terms import awaited_sources


@dag(
    dag_id="nightly_retention",
    doc_md=__doc__,
    # Without a start date the first run is the next one due, never one that was missed.
    schedule=CronTriggerTimetable("30 2 * * *", timezone="Asia/Shanghai"),
    catchup=False,
    max_active_runs=1,
    is_paused_upon_creation=False,
    default_args=DEFAULT_ARGS,
    dagrun_timeout=timedelta(hours=5),
    tags=["nightly", "load", "risk", "retention", "model", "dialer"],
    params={
        "business_date": Param(None, type=["null", "string"], format="date"),
        "landing_dir": Param(None, type=["null", "string"]),
        "patience_minutes": Param(None, type=["null", "number"], minimum=0),
    },
)
def nightly_retention() -> None:
    """Order the steps of the night; each is a function in scripts/nightly_steps.py."""
    from scripts import nightly_steps as steps

    @task
    def prepare_warehouse() -> None:
        run_step(steps.prepare_warehouse)

    with TaskGroup("wait_for_sources") as wait_for_sources:
        for source in awaited_sources():
            SourceSensor(task_id=source, source=source)

    @task
    def load_extracts() -> None:
        run_step(steps.load_extracts, landing_dir_of_run())

    @task
    def assess_staleness() -> None:
        run_step(steps.assess_staleness)

    @task
    def check_landing() -> None:
        run_step(steps.check_landing)

    @task
    def transform() -> None:
        run_step(steps.transform)

    @task
    def ensure_champion() -> None:
        run_step(steps.ensure_champion)

    @task
    def score() -> None:
        run_step(steps.score)
        run_step(steps.score_uplift)

    @task
    def decide() -> None:
        run_step(steps.decide)

    @task
    def check_call_list() -> None:
        run_step(steps.check_call_list)

    @task
    def publish_call_list() -> None:
        run_step(steps.publish_call_list)

    @task
    def export_call_list() -> None:
        run_step(steps.export_call_list)

    @task
    def export_marks() -> None:
        run_step(steps.export_marks)
        run_step(steps.export_offers)

    @task
    def summarize() -> None:
        run_step(steps.summarize)

    chain(
        prepare_warehouse(),
        wait_for_sources,
        load_extracts(),
        assess_staleness(),
        check_landing(),
        transform(),
        ensure_champion(),
        score(),
        decide(),
        check_call_list(),
        publish_call_list(),
        export_call_list(),
        export_marks(),
        summarize(),
    )


nightly_retention()
