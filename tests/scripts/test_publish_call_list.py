"""Publishing: once, whole, within bounds, and never past a gate that did not pass."""

from __future__ import annotations

import logging
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from expectations.results import Severity, Verdict, record
from scripts import database
from scripts.publish_call_list import PublishRefusedError, approve, publish, pull_back
from scripts.warehouse import Role

NIGHT = date(2020, 3, 2)
NEXT_NIGHT = NIGHT + timedelta(days=1)
CAPACITY = 6
FIRST_CALL = datetime(2020, 3, 3, 9, 0, tzinfo=ZoneInfo("Asia/Shanghai"))


@pytest.fixture(autouse=True)
def models(warehouse_db: str) -> str:
    """Stand in for dbt: the parameters and an empty plan."""
    with database.connect(Role.TRANSFORMER) as connection:
        connection.execute(
            "create table marts.retention_parameter"
            " (parameter_name text, parameter_value numeric, valid_from date, valid_to date)"
        )
        connection.execute(
            "insert into marts.retention_parameter values"
            " ('call_list_capacity', %(capacity)s, '2020-01-01', null),"
            " ('call_list_capacity', 0, '2010-01-01', '2020-01-01')",
            {"capacity": CAPACITY},
        )
        connection.execute(
            """
            create table intermediate.planned_call_task (
                business_date date, customer_id text, subscription_id text, revisit_tag text,
                phone_number text, customer_name text, region text, priority_rank integer,
                agent_hint text, first_hour integer, needs_approval boolean, customer_grade text
            )
            """
        )
        connection.execute(
            "create table staging.stg_crm__staff"
            " (as_of_date date, staff_id text, staff_role text, left_date date)"
        )
        connection.execute(
            "insert into staging.stg_crm__staff values"
            " (%(night)s, 'KF001', 'agent_supervisor', null), (%(night)s, 'KF101', 'agent', null),"
            " (%(night)s, 'KF002', 'agent_supervisor', %(night)s)",
            {"night": NIGHT},
        )
    return warehouse_db


def plan(
    night: date,
    *customers: str,
    revisit_tag: str = "risk_soothing",
    first_hour: int = 9,
    needs_approval: bool = False,
) -> None:
    """Add customers to the night's plan, ranked in the order given."""
    with database.connect(Role.TRANSFORMER) as connection:
        connection.cursor().executemany(
            "insert into intermediate.planned_call_task values"
            " (%s, %s, 'S1', %s, '13900000001', '客户', '成都', %s, 'line repaired', %s, %s,"
            " 'mid_high_end')",
            [
                (night, customer, revisit_tag, rank, first_hour, needs_approval)
                for rank, customer in enumerate(customers, 1)
            ],
        )


def pass_gate(night: date, *, errors: int = 0, warnings: int = 0) -> None:
    verdicts = [Verdict("planned_call_task", "size_within_bounds", Severity.ERROR, True)]
    verdicts += [
        Verdict("planned_call_task", f"error {number}", Severity.ERROR, False)
        for number in range(errors)
    ]
    verdicts += [
        Verdict("planned_call_task", f"warning {number}", Severity.WARNING, False)
        for number in range(warnings)
    ]
    record("call_list", night, verdicts, Role.TRANSFORMER)


def stored() -> dict[str, list[dict[str, Any]]]:
    return {
        "call_list": database.fetch_all(
            Role.DIALER, "select * from dialer.call_list order by call_list_id"
        ),
        "call_task": database.fetch_all(
            Role.DIALER, "select * from dialer.call_task order by call_task_id"
        ),
    }


def close_tasks(night: date) -> None:
    with database.connect(Role.TRANSFORMER) as connection:
        connection.execute(
            "update dialer.call_task set status = 'withdrawn', closed_at = now()"
            " where business_date = %s",
            [night],
        )


def test_a_night_becomes_one_list_per_tag_and_one_task_per_customer() -> None:
    plan(NIGHT, "C1", "C2")
    plan(NIGHT, "C3", revisit_tag="churn_warning")
    plan(NEXT_NIGHT, "C9")
    pass_gate(NIGHT, warnings=1)
    result = publish(NIGHT)
    assert (result.planned_count, result.published_count) == (3, 3)
    assert result.open_task_count == 0
    assert not result.is_already_published
    assert result.list_counts == {"churn_warning": 1, "risk_soothing": 2}
    lists = {row["revisit_tag"]: row for row in stored()["call_list"]}
    assert {tag: row["task_count"] for tag, row in lists.items()} == result.list_counts
    tasks = {row["customer_id"]: row for row in stored()["call_task"]}
    assert set(tasks) == {"C1", "C2", "C3"}
    for task in tasks.values():
        assert task["call_list_id"] == lists[task["revisit_tag"]]["call_list_id"]
        assert (task["status"], task["attempt_count"]) == ("open", 0)
        assert task["due_at"] == FIRST_CALL
    copied = {name: tasks["C2"][name] for name in tasks["C2"] if name in COPIED}
    assert copied == COPIED


COPIED = {
    "business_date": NIGHT,
    "customer_id": "C2",
    "subscription_id": "S1",
    "revisit_tag": "risk_soothing",
    "phone_number": "13900000001",
    "customer_name": "客户",
    "region": "成都",
    "customer_grade": "mid_high_end",
    "priority_rank": 2,
    "agent_hint": "line repaired",
}


def test_a_published_night_stays_and_differences_are_counted() -> None:
    plan(NIGHT, "C1", "C2")
    pass_gate(NIGHT)
    publish(NIGHT)
    before = stored()
    again = publish(NIGHT)
    assert again.is_already_published
    assert (again.published_count, again.difference_count) == (0, 0)
    assert again.list_counts == {"risk_soothing": 2}
    assert stored() == before

    with database.connect(Role.TRANSFORMER) as connection:
        connection.execute(
            "update intermediate.planned_call_task set customer_id = 'C3' where customer_id = 'C2'"
        )
    plan(NIGHT, "C4", revisit_tag="churn_warning")
    changed = publish(NIGHT)
    assert changed.is_already_published
    assert changed.difference_count == 3  # C3 and C4 are new, C2 is gone
    assert stored() == before


def test_a_customer_with_an_open_task_is_left_out_and_costs_nobody_else() -> None:
    plan(NIGHT, "C1", "C2")
    pass_gate(NIGHT)
    publish(NIGHT)
    plan(NEXT_NIGHT, "C2", "C3")
    plan(NEXT_NIGHT, "C1", revisit_tag="churn_warning")
    pass_gate(NEXT_NIGHT)
    expected = {"churn_warning": 0, "risk_soothing": 1}
    dry = publish(NEXT_NIGHT, is_dry_run=True)
    assert (dry.open_task_count, dry.list_counts) == (2, expected)
    result = publish(NEXT_NIGHT)
    assert (result.planned_count, result.published_count) == (3, 1)
    assert (result.open_task_count, result.list_counts) == (2, expected)
    again = publish(NEXT_NIGHT)
    assert (again.open_task_count, again.difference_count) == (2, 0)


def test_a_customer_whose_task_is_closed_is_published_again() -> None:
    plan(NIGHT, "C1")
    pass_gate(NIGHT)
    publish(NIGHT)
    close_tasks(NIGHT)
    plan(NEXT_NIGHT, "C1")
    pass_gate(NEXT_NIGHT)
    assert publish(NEXT_NIGHT).published_count == 1


def test_the_dry_run_counts_the_same_and_writes_nothing() -> None:
    plan(NIGHT, "C1", "C2")
    pass_gate(NIGHT)
    dry = publish(NIGHT, is_dry_run=True)
    assert dry.is_dry_run
    assert (dry.planned_count, dry.published_count) == (2, 0)
    assert dry.list_counts == {"risk_soothing": 2}
    assert stored() == {"call_list": [], "call_task": []}
    assert publish(NIGHT).list_counts == dry.list_counts


@pytest.mark.parametrize("is_dry_run", [False, True])
def test_a_list_longer_than_the_capacity_is_refused(is_dry_run: bool) -> None:
    plan(NIGHT, *(f"C{number}" for number in range(CAPACITY)))
    pass_gate(NIGHT)
    assert publish(NIGHT, is_dry_run=True).planned_count == CAPACITY
    plan(NIGHT, "one too many", revisit_tag="churn_warning")
    with pytest.raises(PublishRefusedError, match=r"7 tasks.*call_list_capacity = 6"):
        publish(NIGHT, is_dry_run=is_dry_run)
    assert stored() == {"call_list": [], "call_task": []}


def test_a_plan_that_no_gate_has_checked_is_refused() -> None:
    plan(NIGHT, "C1")
    pass_gate(NEXT_NIGHT)
    with pytest.raises(PublishRefusedError, match="has not checked"):
        publish(NIGHT)
    assert stored()["call_list"] == []


def test_a_plan_that_failed_the_gate_is_refused_naming_the_expectation() -> None:
    plan(NIGHT, "C1")
    pass_gate(NIGHT, errors=1, warnings=1)
    with pytest.raises(PublishRefusedError, match="planned_call_task: error 0") as refusal:
        publish(NIGHT)
    assert "warning 0" not in str(refusal.value)
    assert stored()["call_list"] == []


def test_what_breaks_halfway_leaves_nothing_behind() -> None:
    plan(NIGHT, "C1", "C2")
    with database.connect(Role.TRANSFORMER) as connection:
        connection.execute(
            "update intermediate.planned_call_task set phone_number = '' where customer_id = 'C2'"
        )
    pass_gate(NIGHT)
    with pytest.raises(Exception, match="call_task_phone_number_check"):
        publish(NIGHT)
    assert stored() == {"call_list": [], "call_task": []}


def test_a_missing_parameter_is_named() -> None:
    pass_gate(NIGHT)
    with database.connect(Role.TRANSFORMER) as connection:
        connection.execute("delete from marts.retention_parameter")
    with pytest.raises(LookupError, match="call_list_capacity"):
        publish(NIGHT)


def test_several_at_once_publish_once() -> None:
    plan(NIGHT, "C1", "C2")
    pass_gate(NIGHT)
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda _: publish(NIGHT), range(8)))
    assert sorted(result.published_count for result in results) == [0] * 7 + [2]
    assert len(stored()["call_task"]) == 2


def test_no_number_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    plan(NIGHT, "C1")
    pass_gate(NIGHT)
    publish(NIGHT)
    assert "published lists risk_soothing 1" in caplog.text
    assert "13900000001" not in caplog.text


def test_tasks_are_due_when_their_class_may_be_called() -> None:
    plan(NIGHT, "C1", first_hour=8)
    plan(NIGHT, "C2", revisit_tag="churn_warning", first_hour=10)
    pass_gate(NIGHT)
    publish(NIGHT)
    due = {task["customer_id"]: task["due_at"] for task in stored()["call_task"]}
    assert due == {"C1": FIRST_CALL, "C2": FIRST_CALL + timedelta(hours=1)}


TONE = "ring_back_tone"


def test_a_list_that_asks_for_an_approval_waits_for_it_and_the_others_do_not() -> None:
    plan(NIGHT, "C1")
    plan(NIGHT, "C2", "C3", revisit_tag=TONE, needs_approval=True)
    pass_gate(NIGHT)
    first = publish(NIGHT)
    assert first.list_counts == {"risk_soothing": 1}
    assert (first.waiting_counts, first.open_task_count) == ({TONE: 2}, 0)
    assert publish(NIGHT).difference_count == 0  # what waits is not missed
    assert approve(NIGHT, TONE, "KF001") == 2
    dry = publish(NIGHT, is_dry_run=True)
    assert (dry.published_count, dry.waiting_counts) == (0, {})
    assert dry.list_counts == {TONE: 2, "risk_soothing": 1}
    second = publish(NIGHT)
    assert (second.published_count, second.list_counts) == (2, dry.list_counts)
    again = publish(NIGHT)
    assert (again.published_count, again.difference_count) == (0, 0)
    assert [row["task_count"] for row in stored()["call_list"]] == [1, 2]


def test_an_approval_holds_for_the_plan_that_was_approved() -> None:
    plan(NIGHT, "C2", revisit_tag=TONE, needs_approval=True)
    pass_gate(NIGHT)
    approve(NIGHT, TONE, "KF001")
    plan(NIGHT, "C3", revisit_tag=TONE, needs_approval=True)
    assert publish(NIGHT).waiting_counts == {TONE: 2}
    assert approve(NIGHT, TONE, "KF001") == 2
    assert publish(NIGHT).list_counts == {TONE: 2}


@pytest.mark.parametrize(
    ("tag", "staff", "problem"),
    [
        ("unknown", "KF001", "no list unknown is planned"),
        ("risk_soothing", "KF001", "asks for no approval"),
        (TONE, "KF999", "KF999 is no supervisor"),
        (TONE, "KF101", "KF101 is no supervisor"),
        (TONE, "KF002", "KF002 is no supervisor"),
    ],
)
def test_what_cannot_be_approved_says_why(tag: str, staff: str, problem: str) -> None:
    plan(NIGHT, "C1")
    plan(NIGHT, "C2", revisit_tag=TONE, needs_approval=True)
    pass_gate(NIGHT)
    with pytest.raises(PublishRefusedError, match=problem):
        approve(NIGHT, tag, staff)
    assert publish(NIGHT).waiting_counts == {TONE: 1}


def test_a_list_is_pulled_back_while_nothing_of_it_was_called() -> None:
    plan(NIGHT, "C1", "C2")
    plan(NIGHT, "C3", revisit_tag="churn_warning")
    pass_gate(NIGHT)
    publish(NIGHT)
    assert pull_back(NIGHT, "risk_soothing", "KF001", "wrong region") == 2
    states = {task["customer_id"]: task["status"] for task in stored()["call_task"]}
    assert states == {"C1": "withdrawn", "C2": "withdrawn", "C3": "open"}
    [record] = database.fetch_all(Role.DIALER, "select * from dialer.list_pull_back")
    assert (record["task_count"], record["reason"]) == (2, "wrong region")
    assert pull_back(NIGHT, "risk_soothing", "KF001", "again") == 0
    again = publish(NIGHT)
    assert (again.published_count, again.difference_count) == (0, 0), "it stays pulled back"
    plan(NEXT_NIGHT, "C1")
    pass_gate(NEXT_NIGHT)
    assert publish(NEXT_NIGHT).published_count == 1, "and holds nobody up"


def test_what_an_agent_has_or_has_called_is_not_pulled_back() -> None:
    plan(NIGHT, "C1", "C2")
    pass_gate(NIGHT)
    publish(NIGHT)
    with database.connect(Role.TRANSFORMER) as connection:
        connection.execute(
            "update dialer.call_task set status = 'claimed', agent_id = 'A1',"
            " lease_expires_at = now() + interval '1 minute' where customer_id = 'C1'"
        )
    with pytest.raises(PublishRefusedError, match="0 customers were called and 1 are in"):
        pull_back(NIGHT, "risk_soothing", "KF001", "too late")
    [task] = [row for row in stored()["call_task"] if row["customer_id"] == "C1"]
    database.fetch_all(
        Role.DIALER,
        "select dialer.record_attempt(%(task)s, 'call', 'A1', %(called_at)s, 'no_answer', 0)",
        task=task["call_task_id"],
        called_at=FIRST_CALL,
    )
    with pytest.raises(PublishRefusedError, match="1 customers were called and 0 are in"):
        pull_back(NIGHT, "risk_soothing", "KF001", "too late")
    assert {row["status"] for row in stored()["call_task"]} == {"open"}


def test_a_list_that_was_never_published_cannot_be_pulled_back() -> None:
    with pytest.raises(PublishRefusedError, match="no list risk_soothing of 2020-03-02"):
        pull_back(NIGHT, "risk_soothing", "KF001", "none")


def test_the_command_releases_only_when_told_to_and_says_why_it_refuses(project_dir: Path) -> None:
    command = [sys.executable, "-m", "scripts.publish_call_list", "--business-date", str(NIGHT)]

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*command, *words], cwd=project_dir, capture_output=True, text=True, check=False
        )

    refused = run("--release")
    assert refused.returncode == 1
    assert "has not checked the plan of 2020-03-02" in refused.stderr
    pass_gate(NIGHT)
    plan(NIGHT, "C1")
    assert run("--pull-back", "risk_soothing", "--by", "KF001").returncode == 2  # no reason
    assert stored()["call_list"] == []
    assert run("--release").returncode == 0
    assert len(stored()["call_task"]) == 1
    assert run("--pull-back", "risk_soothing", "--by", "KF001", "--reason", "x").returncode == 0
    assert stored()["call_task"][0]["status"] == "withdrawn"
