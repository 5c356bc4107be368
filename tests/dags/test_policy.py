"""Every DAG is documented, owned, bounded in time, and ordered as the design's picture."""

from __future__ import annotations

import subprocess
import sys
from datetime import time, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk import CronTriggerTimetable

from dags.common.defaults import PATIENCE_MINUTES, TAGS
from scripts.contracts import read_extracts
from scripts.delivery_terms import OWES_NOTHING, awaited_sources, read_terms

DAG_DIR = Path(__file__).resolve().parents[2] / "dags"
STEPS = [
    "load_extracts",
    "assess_staleness",
    "check_landing",
    "transform",
    "ensure_champion",
    "score",
    "decide",
    "check_call_list",
    "publish_call_list",
    "export_call_list",
    "export_marks",
    "summarize",
]


@pytest.fixture(scope="module")
def dag_bag() -> DagBag:
    return DagBag(dag_folder=DAG_DIR, bundle_path=DAG_DIR, bundle_name="dags")


def test_every_file_is_one_dag_of_its_name(dag_bag: DagBag) -> None:
    assert dag_bag.import_errors == {}
    files = {file.stem for file in DAG_DIR.glob("*.py")} - {"__init__"}
    assert files
    assert set(dag_bag.dags) == files


def test_every_dag_is_documented_owned_and_bounded(dag_bag: DagBag) -> None:
    assert dag_bag.dags
    for dag in dag_bag.dags.values():
        for word in ("Schedule", "Inputs", "Outputs", "Parameters", "again"):
            assert word in dag.doc_md
        assert dag.tags
        assert set(dag.tags) <= TAGS
        assert dag.dagrun_timeout is not None
        assert dag.max_active_runs == 1
        assert not dag.catchup
        for task in dag.tasks:
            assert task.owner == "retention"
            assert task.execution_timeout is not None
            assert task.execution_timeout <= timedelta(hours=1)
            assert task.on_failure_callback


def test_the_nightly_run_waits_for_every_source_and_is_one_line_of_steps(dag_bag: DagBag) -> None:
    dag = dag_bag.dags["nightly_retention"]
    assert dag.schedule == CronTriggerTimetable("30 2 * * *", timezone="Asia/Shanghai")
    assert dag.start_date is None
    owing = {extract.source for extract in read_extracts()} - OWES_NOTHING
    waits = {f"wait_for_sources.{source}" for source in owing}
    assert len(waits) >= 5
    assert set(dag.task_ids) == {"prepare_warehouse", *waits, *STEPS}
    assert dag.get_task("prepare_warehouse").downstream_task_ids == waits
    for wait in waits:
        assert dag.get_task(wait).downstream_task_ids == {STEPS[0]}
    for before, after in pairwise(STEPS):
        assert dag.get_task(before).downstream_task_ids == {after}
    assert not dag.get_task(STEPS[-1]).downstream_task_ids


def test_the_night_can_still_end_in_time_when_every_source_is_late(dag_bag: DagBag) -> None:
    """The run's limit holds the longest wait, and another three hours for the work."""
    dag = dag_bag.dags["nightly_retention"]
    starts = time(2, 30)
    latest = max(read_terms(source).due_time for source in awaited_sources())
    wait = timedelta(hours=latest.hour - starts.hour, minutes=latest.minute - starts.minute)
    assert wait + timedelta(minutes=PATIENCE_MINUTES, hours=3) <= dag.dagrun_timeout


def test_outcomes_come_in_all_through_the_calling_day(dag_bag: DagBag) -> None:
    dag = dag_bag.dags["import_dialer_outcomes"]
    assert dag.schedule == CronTriggerTimetable("0,30 9-22 * * *", timezone="Asia/Shanghai")
    assert dag.get_task("import_outcomes").downstream_task_ids == {"import_call_reports"}
    assert set(dag.task_ids) == {"import_outcomes", "import_call_reports"}


def test_parsing_reads_no_contract() -> None:
    """The DAG processor parses the file again and again; the names of the files are enough."""
    code = "import sys, dags.nightly_retention; print(*sys.modules)"
    answer = subprocess.run(
        [sys.executable, "-c", code],
        cwd=DAG_DIR.parent,
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = set(answer.stdout.split())
    assert "dags.common.source_sensor" in loaded
    assert not loaded & {"open_data_contract_standard", "scripts.contracts", "pyarrow", "duckdb"}
