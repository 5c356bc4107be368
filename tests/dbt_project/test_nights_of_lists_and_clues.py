"""Lists, knowledge base and calibration over two nights: what begins, ends and is taken back."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from scripts import run_dbt
from scripts.contracts import read_extracts
from scripts.database import fetch_all
from scripts.raw_tables import create_partition_statement

# The second night is the first of a month: October is over and can be calibrated.
FIRST_NIGHT = date(2026, 10, 31)
SECOND_NIGHT = date(2026, 11, 1)
HISTORY = date(2026, 6, 15)
ASKING = [f"asks_{number}" for number in range(25)]
CUSTOMERS = ["always", "ends", "begins", "decided", *ASKING]
# What lists are derived from beside the scores, made by hand: it is a long way from raw.
MADE = (
    "create table marts.fct_risk_warning (business_date date, customer_id text, risk_level text)",
    "create table intermediate.int_customer_complaints_summarised"
    " (as_of_date date, customer_id text, complaint_count_3m integer)",
    "create table intermediate.int_customer_billing_summarised"
    " (as_of_date date, customer_id text, overdue_amount numeric)",
)
BUILT = [
    *("+int_customer_sensitivity_scored", "+rpt_sensitivity", "+fct_customer_attribute"),
    *("retention_parameter", "list_rule", "stg_crm__list_membership"),
    *("int_customer_list_measured", "fct_list_membership", "int_customer_listed"),
]
# Without the seeds, so that what is switched in them by hand stays.
KNOWLEDGE = [
    *("--resource-type", "model", "--select", "stg_contact_center__interaction"),
    *("stg_crm__customer_attribute", "int_note_clues_found", "fct_customer_attribute"),
]
RESULTS = (
    ("marts", "fct_list_membership"),
    ("marts", "fct_customer_attribute"),
    ("marts", "rpt_sensitivity"),
    ("intermediate", "int_note_clues_found"),
    ("intermediate", "int_customer_signals_daily"),
    ("intermediate", "int_customer_sensitivity_scored"),
    ("intermediate", "int_customer_listed"),
)


@pytest.fixture
def nights(warehouse_db: str) -> str:
    """Fill raw as if both nights had been delivered."""
    with psycopg.connect(warehouse_db) as connection:
        for extract in read_extracts():
            for delivered in (HISTORY, FIRST_NIGHT, SECOND_NIGHT):
                connection.execute(create_partition_statement(extract, delivered))
        for night in (FIRST_NIGHT, SECOND_NIGHT):
            _insert_customers(connection, night)
        _insert_contacts(connection)
        _insert_decided(connection)
        connection.execute("set role retention_transformer")
        for statement in MADE:
            connection.execute(statement)
        for night, warned in (
            (FIRST_NIGHT, ("always", "ends")),
            (SECOND_NIGHT, ("always", "begins", "decided")),
        ):
            for customer in warned:
                connection.execute(
                    "insert into marts.fct_risk_warning values (%s, %s, 'medium')",
                    [night, customer],
                )
    return warehouse_db


def _insert_customers(connection: psycopg.Connection, night: date) -> None:
    connection.execute(
        "insert into raw.crm__plan (plan_id, plan_name, product_type, monthly_rent_amount,"
        " valid_from, business_date, extract_load_id)"
        " values ('basic', 'basic', 'mobile', 99, '2020-01-01', %s, 1)",
        [night],
    )
    for customer in CUSTOMERS:
        connection.execute(
            "insert into raw.crm__customer (customer_id, region, is_do_not_call, registered_date,"
            " business_date, extract_load_id) values (%s, '成都', false, '2020-01-01', %s, 1)",
            [customer, night],
        )
        connection.execute(
            "insert into raw.crm__subscription (subscription_id, customer_id, account_id,"
            " product_type, plan_id, activated_at, business_date, extract_load_id)"
            " values (%s, %s, %s, 'mobile', 'basic', '2020-01-01 00:00+08', %s, 1)",
            [f"line_of_{customer}", customer, customer, night],
        )


def _insert_contacts(connection: psycopg.Connection) -> None:
    """Bill queries of 25 customers in June and October; a note of games in each night."""
    for customer in ASKING:
        for day in (HISTORY, FIRST_NIGHT - timedelta(days=5)):
            _insert_contact(connection, customer, day, "bill_query", None)
    _insert_contact(connection, "always", FIRST_NIGHT, "inquiry", "用户喜欢打游戏")
    _insert_contact(connection, "always", SECOND_NIGHT, "inquiry", "爱 打游戏，信佛")
    _insert_contact(connection, "ends", FIRST_NIGHT, "inquiry", "信佛")


def _insert_contact(
    connection: psycopg.Connection, customer: str, day: date, kind: str, note: str | None
) -> None:
    delivered = day if day >= FIRST_NIGHT else HISTORY if day == HISTORY else FIRST_NIGHT
    connection.execute(
        "insert into raw.contact_center__interaction (interaction_id, customer_id, contacted_at,"
        " channel, interaction_kind, is_repeat, is_escalated, resolution, duration_seconds, note,"
        " business_date, extract_load_id) values (%s, %s, %s, 'hotline', %s, false, false,"
        " 'resolved', 60, %s, %s, 1)",
        [f"{customer}_{day}", customer, f"{day} 10:00+08", kind, note, delivered],
    )


def _insert_decided(connection: psycopg.Connection) -> None:
    """On the second night the CRM has put one customer on a list, and withdrawn a hobby."""
    connection.execute(
        "insert into raw.crm__list_membership (membership_id, customer_id, list_scheme, list_code,"
        " valid_from, entered_at, business_date, extract_load_id) values"
        " ('M1', 'decided', 'colour', 'green', '2026-10-30', '2026-11-01 09:00+08', %s, 1)",
        [SECOND_NIGHT],
    )
    for value, night in (("travel", FIRST_NIGHT), ("", SECOND_NIGHT)):
        connection.execute(
            "insert into raw.crm__customer_attribute (customer_id, attribute_code,"
            " attribute_value, changed_at, business_date, extract_load_id)"
            " values ('begins', 'hobby', %s, %s, %s, 1)",
            [value, f"{night} 09:00+08", night],
        )


def _build(
    night: date,
    target_dir: Path,
    changed_from: date | None = None,
    options: Sequence[str] = ("--select", *BUILT, "--exclude-resource-type", "unit_test", "test"),
) -> None:
    """Build as the night does; `changed_from` is the day of the oldest contact that is new."""
    variables: dict[str, Any] = {"business_date": night.isoformat()}
    if changed_from:
        variables["changed_from"] = {"contact_center.interaction": changed_from.isoformat()}
    run_dbt.run(["build", *options], variables, target_dir)


def _rows(url: str) -> dict[str, list[Any]]:
    """Return all rows of all results, each as text."""
    with psycopg.connect(url) as connection:
        return {
            table: connection.execute(
                sql.SQL("select result::text from {} as result order by 1").format(
                    sql.Identifier(schema, table)
                )
            ).fetchall()
            for schema, table in RESULTS
        }


def _green() -> dict[tuple[str, str], tuple[date, date | None]]:
    rows = fetch_all(
        None, "select * from marts.fct_list_membership where list_code = 'green' order by 1, 6"
    )
    return {
        (row["customer_id"], row["origin"]): (row["valid_from"], row["valid_to"]) for row in rows
    }


def _known() -> dict[tuple[str, str], tuple[date, int]]:
    rows = fetch_all(None, "select * from marts.fct_customer_attribute")
    return {
        (row["customer_id"], row["attribute_value"]): (row["last_noted_date"], row["clue_count"])
        for row in rows
    }


def _fee_score(night: date) -> float:
    [row] = fetch_all(
        None,
        "select fee_sensitivity_score as score from intermediate.int_customer_sensitivity_scored"
        " where customer_id = 'always' and as_of_date = %(night)s",
        night=night,
    )
    return float(row["score"])


def _calibrated() -> set[tuple[date, str, date]]:
    rows = fetch_all(
        None,
        "select distinct calibration_month, sensitivity_kind, calibrated_date"
        " from marts.fct_sensitivity_calibration",
    )
    return {
        (row["calibration_month"], row["sensitivity_kind"], row["calibrated_date"]) for row in rows
    }


def test_nights_of_lists_and_clues(nights: str, target_dir: Path) -> None:
    # The first night: nothing of the second is seen; nobody asked about a bill in September.
    _build(FIRST_NIGHT, target_dir)
    first = _rows(nights)
    assert _green() == {
        ("always", "derived"): (FIRST_NIGHT, None),
        ("ends", "derived"): (FIRST_NIGHT, None),
    }
    assert _known() == {
        ("always", "games"): (FIRST_NIGHT, 1),
        ("begins", "travel"): (FIRST_NIGHT, 0),
    }
    assert _calibrated() == set()
    assert _fee_score(FIRST_NIGHT) == 14, "the prior rate"

    # The second: one begins, one ends, one goes on; a decision stands before a rule. October is
    # calibrated: of those without points at its start nobody asked, of the others everybody.
    _build(SECOND_NIGHT, target_dir, SECOND_NIGHT)
    second = _rows(nights)
    assert _green() == {
        ("always", "derived"): (FIRST_NIGHT, None),
        ("ends", "derived"): (FIRST_NIGHT, SECOND_NIGHT),
        ("begins", "derived"): (SECOND_NIGHT, None),
        ("decided", "imported"): (date(2026, 10, 30), None),
    }
    assert _known() == {("always", "games"): (SECOND_NIGHT, 2)}
    assert _calibrated() == {(date(2026, 10, 1), "fee", SECOND_NIGHT)}
    assert _fee_score(SECOND_NIGHT) != 14

    # Repeated it changes nothing; as of the first night everything is as that night gave it, though
    # October has been calibrated since.
    _build(SECOND_NIGHT, target_dir, SECOND_NIGHT)
    assert _rows(nights) == second
    _build(FIRST_NIGHT, target_dir, SECOND_NIGHT)
    as_of_first = _rows(nights)
    assert {**as_of_first, "rpt_sensitivity": []} == {**first, "rpt_sensitivity": []}
    assert set(first["rpt_sensitivity"]) <= set(as_of_first["rpt_sensitivity"])

    # What is switched off leaves no trace, also of what was found before; what is switched on is
    # looked for from then on.
    _switch(nights, on="belief")
    _build(SECOND_NIGHT, target_dir, SECOND_NIGHT, KNOWLEDGE)
    assert _codes() == {("always", "belief")}
    _switch(nights, on="habit")
    _build(SECOND_NIGHT, target_dir, SECOND_NIGHT + timedelta(days=1), KNOWLEDGE)
    assert _codes() == set()


def _switch(url: str, on: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute(
            "update marts.customer_attribute set is_enabled = attribute_code = %s", [on]
        )


def _codes() -> set[tuple[str, str]]:
    """Return the customers and attributes of which any table knows anything."""
    rows = fetch_all(
        None,
        "select customer_id, attribute_code from marts.fct_customer_attribute"
        " union select customer_id, attribute_code from intermediate.int_note_clues_found",
    )
    return {(row["customer_id"], row["attribute_code"]) for row in rows}
