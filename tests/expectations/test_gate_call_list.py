"""Gate 2: every fault planted in a plan is found under its name, and a sound plan passes."""

from __future__ import annotations

import logging
import subprocess
import sys
import time
from datetime import date, timedelta
from pathlib import Path

import pytest

from expectations.gate_call_list import run_gate
from expectations.results import GateFailed, GateResult, Severity, Verdict, record
from scripts import database
from scripts.publish_call_list import PublishRefusedError, publish
from scripts.warehouse import Role

NIGHT = date(2026, 11, 20)
MINIMUM_SIZE, CAPACITY = 2, 5
# Library import and all, on a loaded machine with two cores; 14 s were measured on a quiet one.
SLOWEST_PROCESS_SECONDS = 120


@pytest.fixture(autouse=True)
def models(warehouse_db: str) -> str:
    """Stand in for dbt: parameters, tags, customers C1 to C9 (C9: do not call), a plan of C1-C3."""
    with database.connect(Role.TRANSFORMER) as connection:
        connection.execute(
            "create table marts.retention_parameter"
            " (parameter_name text, parameter_value numeric, valid_from date, valid_to date)"
        )
        connection.cursor().executemany(
            "insert into marts.retention_parameter values (%s, %s, '2020-01-01', null)",
            [("call_list_minimum_size", MINIMUM_SIZE), ("call_list_capacity", CAPACITY)],
        )
        connection.execute("create table marts.revisit_tag (revisit_tag text)")
        connection.execute("insert into marts.revisit_tag values ('risk_soothing'), ('care')")
        connection.execute(
            """
            create table staging.stg_crm__customer as
            select
                as_of_date::date as as_of_date,
                'C' || number as customer_id,
                '1390000000' || number as contact_phone,
                number = 9 as is_do_not_call
            from generate_series(1, 9) as number
            cross join (values (%(night)s::date), (%(night)s::date - 30)) as dated (as_of_date)
            """,
            {"night": NIGHT},
        )
        # What was so a month ago does not count.
        connection.execute(
            "update staging.stg_crm__customer set is_do_not_call = true where as_of_date < %s",
            [NIGHT],
        )
        connection.execute(
            """
            create table staging.stg_crm__do_not_call as
            select *
            from (
                values
                (%(night)s::date, '13900000008', 'all', null::date),
                (%(night)s::date, '13900000001', 'marketing', null),
                (%(night)s::date, '13900000002', 'all', %(night)s::date),
                (%(night)s::date - 30, '13900000003', 'all', null)
            ) as blocked (as_of_date, phone_number, block_scope, expiry_date)
            """,
            {"night": NIGHT},
        )
        connection.execute(
            """
            create table intermediate.planned_call_task as
            select
                %(night)s::date as business_date,
                'C' || number as customer_id,
                null::text as subscription_id,
                'risk_soothing' as revisit_tag,
                '1390000000' || number as phone_number,
                '客户' as customer_name,
                '成都' as region,
                number as priority_rank,
                'line repaired' as agent_hint,
                9 as first_hour,
                false as needs_approval,
                'other' as customer_grade
            from generate_series(1, 3) as number
            """,
            {"night": NIGHT},
        )
    return warehouse_db


def change_plan(statement: str) -> None:
    with database.connect(Role.TRANSFORMER) as connection:
        connection.execute(statement.encode())


def set_in_plan(assignment: str, customer: str = "C1") -> None:
    change_plan(
        f"update intermediate.planned_call_task set {assignment} where customer_id = '{customer}'"
    )


def recorded() -> dict[str, dict[str, object]]:
    rows = database.fetch_all(
        Role.TRANSFORMER, "select * from ops.gate_result where gate = 'call_list'"
    )
    return {row["expectation"]: row for row in rows}


def test_a_sound_plan_passes_and_may_be_published() -> None:
    result = run_gate(NIGHT)
    assert result.is_passed
    assert result.errors == result.warnings == ()
    assert {verdict.expectation for verdict in result.verdicts} == set(recorded())
    assert {row["subject"] for row in recorded().values()} == {"planned_call_task"}
    assert recorded()["size_within_bounds"]["observed"] == "3 rows"
    assert recorded()["number_is_mobile"]["observed"] == "0 of 3 rows"
    assert publish(NIGHT).published_count == 3


FAULTS = {
    "too small": (
        "delete from intermediate.planned_call_task where customer_id <> 'C1'",
        {"size_within_bounds"},
    ),
    "empty": ("delete from intermediate.planned_call_task", {"size_within_bounds"}),
    "too large": (
        "insert into intermediate.planned_call_task select business_date, 'C' || n, null,"
        " revisit_tag, '1390000000' || n, customer_name, region, n, agent_hint, first_hour,"
        " needs_approval, customer_grade"
        " from intermediate.planned_call_task cross join generate_series(4, 6) as n"
        " where customer_id = 'C1'",
        {"size_within_bounds"},
    ),
    "another night's row": (
        "update intermediate.planned_call_task set business_date = business_date - 30"
        " where customer_id = 'C1'",
        # As of that day the customer was not to be called either.
        {"one_business_date", "customer_may_be_called", "number_may_be_called"},
    ),
    "no date": (
        "update intermediate.planned_call_task set business_date = null where customer_id = 'C1'",
        {"business_date_present", "customer_known"},
    ),
    "no customer": (
        "update intermediate.planned_call_task set customer_id = null where customer_id = 'C1'",
        {"customer_id_present", "customer_known"},
    ),
    "unknown customer": (
        "update intermediate.planned_call_task set customer_id = 'X' where customer_id = 'C1'",
        {"customer_known"},
    ),
    "customer twice": (
        "update intermediate.planned_call_task set customer_id = 'C1' where customer_id = 'C2'",
        {"customer_only_once"},
    ),
    "no tag": (
        "update intermediate.planned_call_task set revisit_tag = null where customer_id = 'C1'",
        {"revisit_tag_present"},
    ),
    "unknown tag": (
        "update intermediate.planned_call_task set revisit_tag = 'x' where customer_id = 'C1'",
        {"revisit_tag_known"},
    ),
    "no number": (
        "update intermediate.planned_call_task set phone_number = null where customer_id = 'C1'",
        {"phone_number_present"},
    ),
    "fixed line": (
        "update intermediate.planned_call_task set phone_number = '02812345678'"
        " where customer_id = 'C1'",
        {"number_is_mobile"},
    ),
    "number too long": (
        "update intermediate.planned_call_task set phone_number = phone_number || '0'"
        " where customer_id = 'C1'",
        {"number_is_mobile"},
    ),
    "do-not-call customer under another number": (
        "update intermediate.planned_call_task set customer_id = 'C9' where customer_id = 'C1'",
        {"customer_may_be_called"},
    ),
    "do-not-call number under another customer": (
        "update intermediate.planned_call_task set phone_number = '13900000009'"
        " where customer_id = 'C1'",
        {"number_may_be_called"},
    ),
    "number on the list of the CRM": (
        "update intermediate.planned_call_task set phone_number = '13900000008'"
        " where customer_id = 'C1'",
        {"number_is_not_blocked"},
    ),
    "no rank": (
        "update intermediate.planned_call_task set priority_rank = null where customer_id = 'C1'",
        {"priority_rank_present"},
    ),
    "rank zero": (
        "update intermediate.planned_call_task set priority_rank = 0 where customer_id = 'C1'",
        {"rank_positive"},
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found_and_stops_the_list(fault: str) -> None:
    statement, expected = FAULTS[fault]
    change_plan(statement)
    with pytest.raises(GateFailed) as failure:
        run_gate(NIGHT)
    assert {verdict.expectation for verdict in failure.value.result.errors} == expected
    for expectation in expected:
        assert expectation in str(failure.value)
        assert recorded()[expectation]["is_success"] is False
    with pytest.raises(PublishRefusedError):
        publish(NIGHT)


@pytest.mark.parametrize(
    ("assignment", "expectation"),
    [
        ("phone_number = '13900000002'", "number_only_once"),
        ("customer_name = null", "customer_name_present"),
        ("region = null", "region_present"),
        ("agent_hint = null", "agent_hint_present"),
    ],
)
def test_what_is_only_a_warning_is_recorded_and_passes(assignment: str, expectation: str) -> None:
    set_in_plan(assignment)
    result = run_gate(NIGHT)
    assert [verdict.expectation for verdict in result.warnings] == [expectation]
    assert recorded()[expectation]["is_success"] is False
    assert recorded()[expectation]["severity"] == "warning"
    assert publish(NIGHT).published_count == 3


def test_running_again_replaces_the_verdicts_of_that_night_alone() -> None:
    other_night = NIGHT - timedelta(days=1)
    old = [Verdict("planned_call_task", "gone by now", Severity.ERROR, False)]
    record("call_list", NIGHT, old, Role.TRANSFORMER)
    record("call_list", other_night, old, Role.TRANSFORMER)
    record("landing", NIGHT, old, Role.LOADER)
    run_gate(NIGHT)
    left = database.fetch_all(
        Role.TRANSFORMER,
        "select gate, business_date from ops.gate_result where expectation = 'gone by now'"
        " order by gate",
    )
    assert [tuple(row.values()) for row in left] == [("call_list", other_night), ("landing", NIGHT)]


def test_a_check_that_cannot_run_fails(caplog: pytest.LogCaptureFixture) -> None:
    change_plan("alter table staging.stg_crm__customer rename contact_phone to phone")
    with pytest.raises(GateFailed, match="number_may_be_called"):
        run_gate(NIGHT)
    assert recorded()["number_may_be_called"]["observed"] == "could not be checked"
    assert "UndefinedColumn" in caplog.text


def test_no_number_is_told(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="expectations")
    set_in_plan("phone_number = '13900000009'")
    with pytest.raises(GateFailed) as failure:
        run_gate(NIGHT)
    told = f"{caplog.text} {failure.value} {recorded()}"
    assert "number_may_be_called" in told
    assert "1390000000" not in told


def test_nothing_checked_is_not_passed() -> None:
    with pytest.raises(GateFailed, match="nothing was checked"):
        GateResult("call_list", NIGHT, ()).raise_if_failed()


def test_the_process_ends_with_the_verdict(project_dir: Path) -> None:
    change_plan("delete from intermediate.planned_call_task")
    started = time.monotonic()
    run = subprocess.run(
        [sys.executable, "-m", "expectations.gate_call_list", "--business-date", str(NIGHT)],
        cwd=project_dir,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 1
    assert "size_within_bounds" in run.stderr
    assert "Traceback" not in run.stderr
    assert time.monotonic() - started < SLOWEST_PROCESS_SECONDS
