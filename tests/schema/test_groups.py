"""Groups of customers that analysts save: what a condition may ask, and who belongs to a group."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import psycopg
import pytest

from scripts import database
from scripts.database import fetch_all
from scripts.warehouse import Role
from tests.dbt_project.nights import build_as_the_night_does

# Region, age, rent, VIP, registered, rules.
CUSTOMERS: dict[str, tuple[Any, ...]] = {
    "a": ("成都", 30, 99.5, True, "2020-01-01", ["long_fault_open"]),
    "b": ("成都", 31, 100, False, "2020-01-02", ["long_fault_open", "optical_loss"]),
    "c": ("绵阳", None, 101, None, None, []),
}
CONDITIONS: tuple[tuple[str, str, Any, str], ...] = (
    ("region", "=", "成都", "ab"),
    ("region", "=", ["成都", "绵阳"], "abc"),
    ("region", "<>", ["成都"], "c"),
    ("age_years", "<", 31, "a"),
    ("age_years", "<=", 31, "ab"),
    ("age_years", "is null", None, "c"),
    ("age_years", "is not null", None, "ab"),
    ("rent_amount", ">", 100, "c"),
    ("rent_amount", ">=", "100", "bc"),
    ("is_vip", "=", True, "a"),
    ("registered_date", ">=", "2020-01-02", "b"),
    ("rule_codes", "contains", ["optical_loss", "other"], "b"),
)
PROBLEMS: tuple[tuple[str, str, Any, str], ...] = (
    ("regoin", "=", "成都", "has no column regoin"),
    ("region", "like", "成%", "no operator like"),
    ("age_years", "=", "old", "age_years is integer: 'old' is none"),
    ("registered_date", "<", "2026-02-30", "registered_date is date: '2026-02-30' is none"),
    ("age_years", "<", [30, 40], "age_years < takes one value"),
    ("age_years", "=", None, "age_years = needs a value"),
    ("age_years", "is null", 3, "age_years is null takes no value"),
    ("region", "contains", "成", "region is text: contains does not fit"),
    ("rule_codes", "=", "optical_loss", "rule_codes is text[]: = does not fit"),
    ("region = region or true --", "=", "x", "has no column region = region or true --"),
)


@pytest.fixture(autouse=True)
def customer_view(warehouse_db: str) -> str:
    """Make a customer view of a few columns, of each type that conditions may ask."""
    with database.connect(Role.TRANSFORMER) as connection:
        connection.execute(
            "create table marts.customer_360 (customer_id text primary key, region text,"
            " age_years integer, rent_amount numeric, is_vip boolean, registered_date date,"
            " rule_codes text [])"
        )
        connection.cursor().executemany(
            "insert into marts.customer_360 values (%s, %s, %s, %s, %s, %s, %s)",
            [(name, *values) for name, values in CUSTOMERS.items()],
        )
    return warehouse_db


def save(conditions: list[tuple[str, str, Any]], code: str = "tried") -> int:
    listed = [
        {"column": column, "operator": operator} | ({} if value is None else {"value": value})
        for column, operator, value in conditions
    ]
    with database.connect(Role.ANALYST) as connection:
        [row] = connection.execute(
            "select marts.save_group('YY0001', %s, '试', %s::jsonb) as version",
            [code, json.dumps(listed)],
        ).fetchall()
    return int(row["version"])


def members(code: str = "tried") -> str:
    rows = fetch_all(
        Role.ANALYST,
        "select customer_id from marts.find_group_members(%(code)s) order by customer_id",
        code=code,
    )
    return "".join(row["customer_id"] for row in rows)


@pytest.mark.parametrize(("column", "operator", "value", "expected"), CONDITIONS)
def test_who_meets_a_condition(column: str, operator: str, value: object, expected: str) -> None:
    save([(column, operator, value)])
    assert members() == expected


def test_all_conditions_have_to_hold() -> None:
    save([("region", "=", "成都"), ("age_years", ">", 30)])
    assert members() == "b"


@pytest.mark.parametrize(("column", "operator", "value", "problem"), PROBLEMS)
def test_what_the_view_cannot_answer_is_not_saved(
    column: str, operator: str, value: object, problem: str
) -> None:
    with pytest.raises(psycopg.errors.CheckViolation, match="condition 2: ") as refusal:
        save([("region", "=", "成都"), (column, operator, value)])
    assert problem in str(refusal.value)
    assert fetch_all(Role.ANALYST, "select 1 from marts.retention_group") == []


def test_a_group_needs_conditions_a_name_and_somebody() -> None:
    with pytest.raises(psycopg.errors.CheckViolation, match="list of conditions"):
        save([])
    with pytest.raises(psycopg.errors.CheckViolation):
        save([("region", "=", "成都")], code="No code")


def test_a_value_is_never_read_as_a_statement() -> None:
    save([("region", "=", "x' or '1' = '1"), ("rule_codes", "contains", ["}', '{"])])
    assert members() == ""


def test_a_group_that_the_view_no_longer_answers_has_no_members() -> None:
    save([("region", "=", "成都")], code="fits")
    save([("age_years", "=", 30)])
    with database.connect(Role.TRANSFORMER) as connection:
        connection.execute("alter table marts.customer_360 drop column age_years")
    assert members() == ""
    assert members("fits") == "ab"


def test_an_analyst_writes_groups_through_the_functions_alone() -> None:
    save([("region", "=", "成都")])
    for statement in (
        "update marts.retention_group set group_name = 'x'",
        "delete from marts.retention_group_condition",
        "insert into marts.retention_group_condition select * from marts.retention_group_condition",
        "select * from ops.retention_group",
    ):
        with (
            pytest.raises(psycopg.errors.InsufficientPrivilege),
            database.connect(Role.ANALYST) as connection,
        ):
            connection.execute(statement.encode())
    for role in (Role.DIALER, Role.SUPERVISOR, Role.AGENT, Role.SCORER):
        with (
            pytest.raises(psycopg.errors.InsufficientPrivilege),
            database.connect(role) as connection,
        ):
            connection.execute("select marts.end_group('YY0001', 'tried')")


def test_a_night_keeps_who_belonged_to_which_version(target_dir: Path) -> None:
    """What is saved after the end of the day is of the next night; an ended group has nobody."""

    def night(day: int) -> set[tuple[str, str, int]]:
        build_as_the_night_does(date(2026, 11, day), ["fct_group_member"], target_dir)
        rows = fetch_all(
            Role.ANALYST,
            "select group_code, customer_id, group_version from marts.fct_group_member"
            " where business_date = %(night)s",
            night=date(2026, 11, day),
        )
        return {(row["group_code"], row["customer_id"], row["group_version"]) for row in rows}

    def saved_at(moment: str) -> None:
        with database.connect(None) as connection:
            connection.execute(
                "update ops.retention_group set saved_at = %s where group_version ="
                " (select max(group_version) from ops.retention_group)",
                [moment],
            )

    assert save([("age_years", "=", 30)]) == 1
    saved_at("2026-11-20 23:59:59+08")
    assert save([("age_years", "=", 31)]) == 2
    saved_at("2026-11-21 00:00+08")
    assert night(20) == {("tried", "a", 1)}
    assert night(21) == {("tried", "b", 2)}
    with database.connect(Role.ANALYST) as connection:
        connection.execute("select marts.end_group('YY0001', 'tried')")
    saved_at("2026-11-21 12:00+08")
    assert night(20) == {("tried", "a", 1)}
    assert night(21) == set()
