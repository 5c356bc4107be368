"""A month of remediation orders, night by night: from the first warning to the verified repair.

And a threshold that is changed in the middle of it, which leaves the nights before as they were.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import psycopg
import pytest

from scripts import run_dbt
from scripts.contracts import read_extracts
from scripts.database import fetch_all
from scripts.raw_tables import create_partition_statement
from tests.dbt_project.nights import insert

FIRST_NIGHT = date(2026, 11, 2)
LAST_OF_MONTH = date(2026, 11, 30)
MODELS = ["+fct_remediation_order", "+fct_customer_risk", "+int_soothing_due"]
REPORTS = ["+fct_risk_answer", "+rpt_risk_result"]
# Line: its cross-connect area and access; every customer holds the line of the same name.
LINES = {
    "mended": (None, "ftth"),
    "still_dim": (None, "ftth"),
    "leaves": (None, "ftth"),
    "scattered": (None, "copper"),
    "hazard_1": ("A", "copper"),
    "hazard_2": ("A", "copper"),
    "covered": ("B", "copper"),
    "asks": (None, "ftth"),
    "quiet": (None, "ftth"),
}
HAZARDS = {
    "scattered": (True, True, True),
    "hazard_1": (True, False, False),
    "hazard_2": (True, True, True),
    "covered": (True, True, True),
}


def _night(day: int) -> date:
    return date(2026, 11, day)


@pytest.fixture
def operator(warehouse_db: str) -> str:
    """Deliver customers and lines once, with what is wrong with the lines on the first night."""
    with psycopg.connect(warehouse_db) as connection:
        for extract in read_extracts():
            connection.execute(create_partition_statement(extract, FIRST_NIGHT))
        _deliver_customers(connection)
        _read_optical(connection, 2, {"mended": 29, "still_dim": 30, "leaves": 28, "quiet": 27.99})
        insert(
            connection,
            "line__copper_test",
            [
                {
                    "subscription_id": line,
                    "tested_at": "2026-11-02 03:00+08",
                    "has_loose_joint": loose,
                    "has_high_energy_noise": noisy,
                    "has_line_imbalance": unbalanced,
                    "business_date": FIRST_NIGHT,
                    "extract_load_id": 1,
                }
                for line, (loose, noisy, unbalanced) in HAZARDS.items()
            ],
        )
    return warehouse_db


def _deliver_customers(
    connection: psycopg.Connection, night: date = FIRST_NIGHT, left: Sequence[str] = ()
) -> None:
    delivered = {"business_date": night, "extract_load_id": 1}
    insert(
        connection,
        "crm__plan",
        [
            {
                "plan_id": "basic",
                "plan_name": "basic",
                "product_type": "broadband",
                "monthly_rent_amount": 99,
                "valid_from": "2020-01-01",
                **delivered,
            }
        ],
    )
    insert(
        connection,
        "crm__customer",
        [
            {
                "customer_id": f"C_{line}",
                "customer_name": "张三",
                "region": "成都",
                "is_do_not_call": False,
                "registered_date": "2020-01-01",
                **delivered,
            }
            for line in LINES
        ],
    )
    insert(
        connection,
        "crm__subscription",
        [
            {
                "subscription_id": line,
                "customer_id": f"C_{line}",
                "account_id": line,
                "product_type": "broadband",
                "plan_id": "basic",
                "cross_connect_area_id": area,
                "access_type": access,
                "activated_at": "2020-01-01 00:00+08",
                "terminated_at": "2026-11-04 10:00+08" if line in left else None,
                **delivered,
            }
            for line, (area, access) in LINES.items()
        ],
    )
    insert(
        connection,
        "line__access_resource",
        [
            {
                "cross_connect_area_id": area,
                "area_name": area,
                "region": "成都",
                "county": "武侯",
                "is_ftth_covered": free_ports > 0,
                "ftth_free_port_count": free_ports,
                "pending_work_kind": work,
                "grid_contractor_staff_id": "BD0001",
                "field_manager_staff_id": "ZJ001",
                **delivered,
            }
            for area, free_ports, work in (("A", 0, "area_overhaul"), ("B", 3, None))
        ],
    )


def _read_optical(connection: psycopg.Connection, day: int, losses: dict[str, float]) -> None:
    insert(
        connection,
        "line__optical_reading",
        [
            {
                "subscription_id": line,
                "measured_at": f"2026-11-{day:02d} 04:00+08",
                "direction": "downstream",
                "reading_value": loss,
                "reading_unit": "dB",
                "business_date": _night(day),
                "extract_load_id": 1,
            }
            for line, loss in losses.items()
        ],
    )


def _feed_back(connection: psycopg.Connection, day: int, **columns: str) -> None:
    """One row of feedback, sent at noon; a result was reached at ten."""
    kind = "order_request" if "request_reason" in columns else "result"
    insert(
        connection,
        "retention__risk_feedback",
        [
            {
                "feedback_id": f"B{day}{columns.get('remediation_order_id', '')}",
                "feedback_kind": kind,
                "department": "field_maintenance",
                "handled_at": None if kind == "order_request" else f"2026-11-{day:02d} 10:00+08",
                "fed_back_at": f"2026-11-{day:02d} 12:00+08",
                "business_date": _night(day),
                "extract_load_id": 1,
                **columns,
            }
        ],
    )


def _soothe(connection: psycopg.Connection, day: int, line: str, result: str, amount: int) -> None:
    insert(
        connection,
        "retention__soothing_action",
        [
            {
                "action_id": f"D{day}{line}",
                "customer_id": f"C_{line}",
                "acted_at": f"2026-11-{day:02d} 11:00+08",
                "action_kind": "bill_credit" if amount else "care_call",
                "compensation_amount": amount,
                "result_code": result,
                "department": "channel",
                "business_date": _night(day),
                "extract_load_id": 1,
            }
        ],
    )


def _build(
    night: int | date, target_dir: Path, *left_out: str, models: Sequence[str] = MODELS
) -> None:
    day = night if isinstance(night, date) else _night(night)
    command = ["build", "--select", *models, "--indirect-selection", "cautious"]
    command += ["--exclude-resource-type", "unit_test", "test", *left_out]
    run_dbt.run(command, {"business_date": day.isoformat()}, target_dir)


def _orders() -> dict[tuple[str, str], dict[str, Any]]:
    rows = fetch_all(None, "select * from marts.fct_remediation_order")
    return {(row["subject_id"], row["cause_code"]): row for row in rows}


def _states() -> dict[tuple[str, str], str]:
    return {key: order["order_state"] for key, order in _orders().items()}


def _history(subject: str) -> list[tuple[str, int]]:
    rows = fetch_all(
        None,
        "select order_state, valid_from from marts.fct_remediation_order_state"
        " where subject_id = %(subject)s order by valid_from",
        subject=subject,
    )
    return [(row["order_state"], row["valid_from"].day) for row in rows]


def _warnings(day: int) -> list[dict[str, Any]]:
    return fetch_all(
        None,
        "select * from marts.fct_risk_warning where business_date = %(night)s"
        " order by subscription_id, rule_code",
        night=_night(day),
    )


def _warned(day: int, rule: str) -> set[str]:
    return {row["subscription_id"] for row in _warnings(day) if row["rule_code"] == rule}


def test_orders_from_the_first_warning_to_the_verified_repair(
    operator: str, target_dir: Path
) -> None:
    _build(2, target_dir)
    orders = _orders()
    assert {
        key: (order["route_code"], order["action_code"], order["handler_staff_id"])
        for key, order in orders.items()
    } == {
        ("mended", "bad_line"): ("optical_loss_of_line", "clean_connectors", None),
        ("still_dim", "bad_line"): ("optical_loss_of_line", "clean_connectors", None),
        ("leaves", "bad_line"): ("optical_loss_of_line", "clean_connectors", None),
        ("scattered", "bad_line"): ("scattered_hazard", "replace_pair", None),
        ("A", "cross_connect_top10"): ("overhaul_area", "hand_to_area_overhaul", None),
        ("covered", "copper_line"): ("migrate_hazardous_line", "migrate_to_fibre", None),
    }
    assert set(_states().values()) == {"open"}
    area = orders["A", "cross_connect_top10"]
    assert (area["subscription_count"], area["customer_count"], area["customer_id"]) == (2, 2, None)
    assert area["rule_codes"] == ["cross_connect_top10", "triple_line_fault"]
    assert orders["scattered", "bad_line"]["due_date"] == date(2026, 12, 31)

    # Handed over the next night, but for the contractor's; a request makes an order of its own.
    with psycopg.connect(operator) as connection:
        _feed_back(connection, 3, subscription_id="asks", request_reason="repair_without_effect")
    _build(3, target_dir)
    assert _states() == {
        ("mended", "bad_line"): "dispatched",
        ("still_dim", "bad_line"): "dispatched",
        ("leaves", "bad_line"): "dispatched",
        ("scattered", "bad_line"): "open",
        ("A", "cross_connect_top10"): "dispatched",
        ("covered", "copper_line"): "dispatched",
        ("asks", "repair_without_effect"): "open",
    }

    # Two are repaired, says the field team; one customer has left.
    with psycopg.connect(operator) as connection:
        for line in ("mended", "still_dim"):
            order_id = orders[line, "bad_line"]["remediation_order_id"]
            _feed_back(connection, 4, remediation_order_id=order_id, result_code="repaired")
        _deliver_customers(connection, _night(4), left=["leaves"])
    _build(4, target_dir)
    _build(4, target_dir)
    # Only one of them is, says the light.
    with psycopg.connect(operator) as connection:
        _read_optical(connection, 5, {"mended": 21, "still_dim": 30})
    _build(5, target_dir)
    assert _history("mended") == [("open", 2), ("dispatched", 3), ("done", 4), ("verified", 5)]
    assert _history("still_dim") == [("open", 2), ("dispatched", 3), ("done", 4), ("reopened", 5)]
    assert _history("leaves") == [("open", 2), ("dispatched", 3), ("cancelled", 4)]
    assert _orders()["still_dim", "bad_line"]["reopened_count"] == 1

    with psycopg.connect(operator) as connection:
        order_id = orders["still_dim", "bad_line"]["remediation_order_id"]
        _feed_back(connection, 6, remediation_order_id=order_id, result_code="repaired")
        _read_optical(connection, 7, {"still_dim": 20})
    _build(6, target_dir)
    _build(7, target_dir)
    assert _history("still_dim")[-2:] == [("done", 6), ("verified", 7)]
    assert _warned(7, "optical_loss") == set()

    # Who was called meanwhile, and who has left in spite of it.
    with psycopg.connect(operator) as connection:
        _soothe(connection, 3, "leaves", "soothed", 0)
        _soothe(connection, 4, "mended", "saved", 0)
        _soothe(connection, 5, "still_dim", "soothed", 20)
        _soothe(connection, 6, "covered", "unreachable", 0)
    _build(30, target_dir, models=[*MODELS, *REPORTS])
    assert _history("scattered") == [("open", 2), ("dispatched", 30)]
    _assert_report_of_the_month()

    # In December the channel answers for two, and a day late for one.
    orders = _orders()
    with psycopg.connect(operator) as connection:
        for day, line, cause in (
            (14, "scattered", "bad_line"),
            (15, "covered", "copper_line"),
            (16, "asks", "repair_without_effect"),
        ):
            december = f"2026-12-{day} 12:00+08"
            _feed_back(
                connection,
                30,
                feedback_id=f"B12{day}",
                department="channel",
                remediation_order_id=orders[line, cause]["remediation_order_id"],
                handled_at=december,
                fed_back_at=december,
                result_code="soothed",
            )
    _build(date(2026, 12, 16), target_dir, models=REPORTS)
    assert _answers_of("channel") == {
        ("C_scattered", date(2026, 12, 14), False),
        ("C_covered", date(2026, 12, 15), False),
        ("C_asks", date(2026, 12, 16), True),
        ("C_hazard_1", None, True),
        ("C_hazard_2", None, True),
    }


def _assert_report_of_the_month() -> None:
    """What stands is listed: to be put right, and to be calmed meanwhile; what was done counts."""
    listed = fetch_all(None, "select * from marts.rpt_monthly_risk_list")
    assert {(row["department"], row["subject_id"], row["order_state"]) for row in listed} == {
        ("field_maintenance", "scattered", "dispatched"),
        ("field_maintenance", "asks", "dispatched"),
        ("engineering", "A", "dispatched"),
        ("engineering", "covered", "dispatched"),
        ("channel", "C_scattered", "dispatched"),
        ("channel", "C_asks", "dispatched"),
        ("channel", "C_hazard_1", "dispatched"),
        ("channel", "C_hazard_2", "dispatched"),
        ("channel", "C_covered", "dispatched"),
    }
    [month] = fetch_all(None, "select * from marts.rpt_risk_result where period_kind = 'month'")
    assert {
        name: value for name, value in month.items() if name.endswith(("_count", "_amount"))
    } == {
        "saved_count": 1,
        "soothed_count": 2,
        "compensated_count": 1,
        "compensation_amount": 20,
        "treated_count": 3,
        "treated_left_count": 1,
        "untreated_count": 5,
        "untreated_left_count": 0,
    }


def _answers_of(department: str) -> set[tuple[str, date | None, bool]]:
    """Return for each customer on the list when it was answered, and whether that is late."""
    rows = fetch_all(
        None,
        "select customer_id, answered_date, is_late from marts.fct_risk_answer"
        " where department = %(department)s",
        department=department,
    )
    return {(row["customer_id"], row["answered_date"], row["is_late"]) for row in rows}


def test_a_changed_threshold_leaves_the_nights_before_as_they_were(
    operator: str, target_dir: Path
) -> None:
    _build(2, target_dir)
    raised = _warnings(2)
    assert _warned(2, "optical_loss") == {"mended", "still_dim", "leaves"}
    with psycopg.connect(operator) as connection:
        connection.execute("create temporary table next as select * from marts.risk_rule")
        connection.execute(
            "update marts.risk_rule set valid_to = '2026-11-03' where rule_code = 'optical_loss'"
        )
        connection.execute(
            "update next set threshold_value = 30, version = 2, valid_from = '2026-11-03'"
        )
        connection.execute(
            "insert into marts.risk_rule select * from next where rule_code = 'optical_loss'"
        )
    _build(3, target_dir, "seed")
    assert _warned(3, "optical_loss") == {"still_dim"}
    _build(2, target_dir, "seed")
    assert _warnings(2) == raised
