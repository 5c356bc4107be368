"""Every DAG is documented, owned, bounded in time, and ordered as the design's picture."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk import CronTriggerTimetable

from dags.common.defaults import TAGS

DAG_DIR = Path(__file__).resolve().parents[2] / "dags"
STEPS = [
    "prepare_warehouse",
    "load_extracts",
    "check_landing",
    "transform",
    "ensure_champion",
    "score",
    "decide",
    "check_call_list",
    "publish_call_list",
    "export_call_list",
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


def test_the_nightly_run_is_one_line_of_steps(dag_bag: DagBag) -> None:
    dag = dag_bag.dags["nightly_retention"]
    assert dag.schedule == CronTriggerTimetable("30 2 * * *", timezone="Asia/Shanghai")
    assert dag.start_date is None
    assert [task.task_id for task in dag.topological_sort()] == STEPS
    for before, after in pairwise(STEPS):
        assert dag.get_task(before).downstream_task_ids == {after}
