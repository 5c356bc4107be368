"""Two nights on a handful of customers: what a build sees, keeps, and gives again when repeated."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from scripts import run_dbt
from scripts.contracts import read_extracts
from scripts.database import fetch_all
from scripts.preview_call_list import PreviewError, parse_tried, preview
from scripts.raw_tables import create_partition_statement

FIRST_NIGHT = date(2026, 11, 19)
SECOND_NIGHT = date(2026, 11, 20)
BOTH_STAGES = [
    *("build", "--select", "tag:transform tag:decide"),
    *("--exclude-resource-type", "unit_test"),
]
RESULTS = (
    ("marts", "fct_risk_warning"),
    ("marts", "fct_churn_feature"),
    ("marts", "fct_churn_label"),
    ("marts", "fct_retention_decision"),
    ("marts", "customer_360"),
    ("intermediate", "planned_call_task"),
)

# Drawn by their digest: this one is in the control group of the risk soothing, that one in none.
CONTROL, DIMMING = "dimming", "faint"
# One customer for each thing that is tried; all hold one broadband line.
CUSTOMERS = {
    "high_value": ("13600000001", False, "premium"),
    DIMMING: ("13600000002", False, "basic"),
    CONTROL: ("13600000008", False, "basic"),
    "silent": ("13600000003", True, "premium"),
    "no_phone": ("028-1234567", False, "premium"),
    "scored": ("13600000005", False, "basic"),
    "unasked": ("13600000007", False, "basic"),
    "content": ("13600000006", False, "basic"),
}


@pytest.fixture
def raw_rows(warehouse_db: str) -> str:
    """Fill raw as if both nights, and one event too late for either, had been delivered."""
    with psycopg.connect(warehouse_db) as connection:
        for extract in read_extracts():
            connection.execute(create_partition_statement(extract, SECOND_NIGHT))
        for delivered in (FIRST_NIGHT, SECOND_NIGHT):
            _insert_snapshot(connection, delivered)
        _insert_events(connection)
    return warehouse_db


def _insert_snapshot(connection: psycopg.Connection, delivered: date) -> None:
    for plan, rent in (("premium", 200), ("basic", 99)):
        connection.execute(
            "insert into raw.crm__plan (plan_id, plan_name, product_type, monthly_rent_amount,"
            " valid_from, business_date, extract_load_id)"
            " values (%s, %s, 'broadband', %s, '2020-01-01', %s, 1)",
            [plan, plan, rent, delivered],
        )
    for name, (phone, is_do_not_call, plan) in CUSTOMERS.items():
        connection.execute(
            "insert into raw.crm__customer (customer_id, customer_name, contact_phone, region,"
            " is_do_not_call, registered_date, business_date, extract_load_id)"
            " values (%s, '张三', %s, '成都', %s, '2020-01-01', %s, 1)",
            [name, phone, is_do_not_call, delivered],
        )
        connection.execute(
            "insert into raw.crm__subscription (subscription_id, customer_id, account_id,"
            " product_type, plan_id, activated_at, business_date, extract_load_id)"
            " values (%s, %s, %s, 'broadband', %s, '2020-01-01 00:00+08', %s, 1)",
            [f"line_of_{name}", name, name, plan, delivered],
        )


def _insert_events(connection: psycopg.Connection) -> None:
    """The second night brings weak readings, a consent and a ticket, one ticket too late."""
    connection.execute(
        "insert into raw.crm__consent (consent_id, customer_id, consent_purpose, consent_state,"
        " given_at, expiry_date, evidence_kind, evidence_reference, channel_code, changed_at,"
        " business_date, extract_load_id) values ('G1', 'scored', 'marketing_call', 'given',"
        " '2026-11-20 09:00+08', '2028-11-19', 'recording', 'RC1', 'hotline',"
        " '2026-11-20 09:00+08', %s, 1)",
        [SECOND_NIGHT],
    )
    for customer in (DIMMING, CONTROL):
        connection.execute(
            "insert into raw.line__optical_reading (subscription_id, measured_at, direction,"
            " reading_value, reading_unit, business_date, extract_load_id)"
            " values (%s, '2026-11-20 04:00+08', 'downstream', 29, 'dB', %s, 1)",
            [f"line_of_{customer}", SECOND_NIGHT],
        )
    for ticket, reported_at in (
        ("of_today", "2026-11-20 08:00+08"),
        ("later", "2026-11-21 08:00+08"),
    ):
        connection.execute(
            "insert into raw.fault__trouble_ticket (ticket_id, subscription_id, customer_id,"
            " reported_at, ticket_state, business_date, extract_load_id)"
            " values (%s, 'line_of_content', 'content', %s, 'acknowledged', %s, 1)",
            [ticket, reported_at, SECOND_NIGHT],
        )


def _insert_score(url: str, night: date) -> None:
    with psycopg.connect(url) as connection:
        connection.execute(
            "insert into ml.churn_score (business_date, customer_id, model_version,"
            " churn_probability, feature_hash) values (%s, 'scored', '1', 0.5, 'hash'),"
            " (%s, 'unasked', '1', 0.5, 'hash')",
            [night, night],
        )


def _publish_task(url: str, night: date, customer_id: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute(
            "insert into dialer.call_list (business_date, revisit_tag)"
            " values (%s, 'risk_soothing')",
            [night],
        )
        connection.execute(
            "insert into dialer.call_task (call_list_id, business_date, customer_id, revisit_tag,"
            " phone_number, priority_rank, due_at)"
            " select call_list_id, business_date, %s, revisit_tag, '13600000001', 1, now()"
            " from dialer.call_list",
            [customer_id],
        )


def _close_task(url: str, closed_at: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute(
            "update dialer.call_task set status = 'withdrawn', closed_at = %s", [closed_at]
        )


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


def _decisions(night: date) -> dict[tuple[str, str], str | None]:
    """Return the drop reason of each candidate by customer and revisit tag; None: to be called."""
    rows = fetch_all(
        None,
        "select customer_id, revisit_tag, drop_reason from marts.fct_retention_decision"
        " where business_date = %(night)s",
        night=night,
    )
    return {(row["customer_id"], row["revisit_tag"]): row["drop_reason"] for row in rows}


def _warnings(night: date) -> dict[tuple[str, str], tuple[date, bool]]:
    rows = fetch_all(
        None,
        "select customer_id, rule_code, first_raised_date, is_new from marts.fct_risk_warning"
        " where business_date = %(night)s",
        night=night,
    )
    return {
        (row["customer_id"], row["rule_code"]): (row["first_raised_date"], row["is_new"])
        for row in rows
    }


def _tickets(night: date) -> dict[str, int]:
    rows = fetch_all(
        None,
        "select customer_id, open_ticket_count from marts.fct_churn_feature"
        " where observation_date = %(night)s and ticket_count_30d > 0",
        night=night,
    )
    return {row["customer_id"]: row["open_ticket_count"] for row in rows}


def _preview_says_what_was_decided_and_what_would_be() -> None:
    """In a real chain of views: a lever that is tried changes the preview, and nothing else."""
    before = _decisions(SECOND_NIGHT)
    page = preview(SECOND_NIGHT)
    assert re.search(r"churn_warning .* 2 +│ +1 ", page)
    assert re.search(r"no_consent .* 1 +│ +0 ", page)
    tried = preview(SECOND_NIGHT, tried=parse_tried(["churn_warning.lever=-1", "control_salt=1"]))
    assert re.search(r"churn_warning +│ +1 │ +0 │ +0 │ +1 ", tried)
    assert _decisions(SECOND_NIGHT) == before
    with pytest.raises(PreviewError, match=r"no parameter lever; .* daily"):
        preview(SECOND_NIGHT, tried=parse_tried(["lever=1"]))
    with pytest.raises(PreviewError, match="stand on 2026-11-20; to try"):
        preview(FIRST_NIGHT, tried=parse_tried(["daily=1"]))
    with pytest.raises(PreviewError, match="'daily=often' is not NAME=NUMBER"):
        parse_tried(["daily=often"])


def test_two_nights(raw_rows: str, target_dir: Path) -> None:
    variables = {
        "business_date": SECOND_NIGHT.isoformat(),
        "observation_dates": [FIRST_NIGHT.isoformat(), SECOND_NIGHT.isoformat()],
    }

    # The first night: the deliveries of the second lie in raw already, and are not seen.
    run_dbt.build("transform", FIRST_NIGHT, target_dir=target_dir)
    run_dbt.build("decide", FIRST_NIGHT, target_dir=target_dir)
    high_value = {
        (customer, "high_value_bandwidth"): (FIRST_NIGHT, True)
        for customer in ("high_value", "silent", "no_phone")
    }
    assert _warnings(FIRST_NIGHT) == high_value
    assert _tickets(FIRST_NIGHT) == {}
    assert _decisions(FIRST_NIGHT) == {
        ("high_value", "risk_soothing"): None,
        ("silent", "risk_soothing"): "do_not_call",
        ("no_phone", "risk_soothing"): "no_phone",
    }

    # The second night: a new warning, a score, a customer who is on the dialer's hands already.
    _publish_task(raw_rows, FIRST_NIGHT, "high_value")
    _insert_score(raw_rows, SECOND_NIGHT)
    run_dbt.run(BOTH_STAGES, variables, target_dir)
    assert _warnings(SECOND_NIGHT) == {
        **dict.fromkeys(high_value, (FIRST_NIGHT, False)),
        (DIMMING, "optical_loss"): (SECOND_NIGHT, True),
        (CONTROL, "optical_loss"): (SECOND_NIGHT, True),
    }
    assert _tickets(SECOND_NIGHT) == {"content": 1}, "the ticket of the day after is not seen"
    assert _tickets(FIRST_NIGHT) == {}, "nor does the day before know that of the second night"
    assert _decisions(SECOND_NIGHT) == {
        (DIMMING, "risk_soothing"): None,
        (CONTROL, "risk_soothing"): "campaign_control",
        ("scored", "churn_warning"): None,
        ("unasked", "churn_warning"): "no_consent",
        ("high_value", "risk_soothing"): "open_task",
        ("silent", "risk_soothing"): "do_not_call",
        ("no_phone", "risk_soothing"): "no_phone",
    }
    planned = fetch_all(None, "select * from intermediate.planned_call_task order by priority_rank")
    assert [row["customer_id"] for row in planned] == [DIMMING, "scored"], "service before sales"
    assert [row["revisit_tag"] for row in planned] == ["risk_soothing", "churn_warning"]
    _preview_says_what_was_decided_and_what_would_be()
    before = _rows(raw_rows)
    assert all(before[table] for _, table in RESULTS if table != "fct_churn_label")

    # Repeated after the task was closed: the same rows, since on that night it was still open.
    _close_task(raw_rows, "2026-11-22 10:00+08")
    run_dbt.run(BOTH_STAGES, variables, target_dir)
    assert _rows(raw_rows) == before


def test_decide_without_transform_names_what_failed(warehouse_db: str, target_dir: Path) -> None:
    with pytest.raises(run_dbt.DbtBuildFailed, match="int_customer_to_soothe"):
        run_dbt.build("decide", SECOND_NIGHT, target_dir=target_dir)


@pytest.fixture
def distributing(raw_rows: str) -> str:
    """Give the database the functions by which Citus distributes; they note how full a table is."""
    with psycopg.connect(raw_rows) as connection:
        connection.execute(
            "create table public.distributed (relation text, by_column text, row_count bigint)"
        )
        connection.execute("set allow_system_table_mods = on")
        connection.execute(NOTE_DISTRIBUTION)
    return raw_rows


NOTE_DISTRIBUTION = """
    create function pg_catalog.create_distributed_table(relation regclass, by_column text)
    returns void language plpgsql security definer as $$
    declare row_count bigint;
    begin
        execute 'select count(*) from ' || relation into row_count;
        insert into public.distributed values (relation::text, by_column, row_count);
    end $$;
    create function pg_catalog.create_reference_table(relation regclass) returns void
    language sql as $$ select create_distributed_table(relation, null) $$;
"""


def test_citus_distributes_a_table_before_it_is_filled(distributing: str, target_dir: Path) -> None:
    models = ["int_customer_dated", "int_calling_hours_next_day"]
    selection = [argument for model in models for argument in ("--select", f"+{model}")]
    run_dbt.run(
        ["build", *selection, "--resource-type", "model", "--resource-type", "seed"],
        {"business_date": FIRST_NIGHT.isoformat()},
        target_dir,
    )
    with psycopg.connect(distributing) as connection:
        noted = connection.execute("select * from public.distributed").fetchall()
        filled = connection.execute("select count(*) from intermediate.int_customer_dated")
        assert ("intermediate.int_customer_dated__dbt_tmp", "customer_id", 0) in noted
        assert ("intermediate.int_calling_hours_next_day__dbt_tmp", None, 0) in noted
        assert filled.fetchone() == (len(CUSTOMERS),)
