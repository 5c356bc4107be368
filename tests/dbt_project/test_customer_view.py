"""The customer view of a simulated operator: held against the truth, as of any night, and unmasked
by nobody.

One operator is delivered and its nights are built once for all tests of this module: the last of a
month, and the first of the next. Before that, every column that a contract marks as personal gets a
value that would be known again wherever it went.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
import psycopg
import pytest
from psycopg import sql

from scripts import run_dbt, warehouse
from scripts.contracts import Column, Extract, read_extracts
from scripts.load_extracts import load_all
from scripts.simulate_operator.delivering import deliver
from scripts.simulate_operator.parameters import Parameters
from tests.conftest import migrated_database
from tests.recipes import Recipe, read_recipes

MONTH_END = date(2026, 10, 31)
NIGHT = date(2026, 11, 1)
PARAMETERS = Parameters(NIGHT, seed=5, customer_count=700, dirt="rows")

RECIPES = read_recipes(warehouse.PROJECT_DIR / "docs" / "recipes.md")

MARK = "hidden-"
PHONE_MARK = "19900"  # of eleven digits, so that it can be called
DIGEST = r"\\x[0-9a-f]{64}"  # may hold any digits by chance
MARKED = re.compile(rf"{MARK}|{PHONE_MARK}\d{{6}}")
# Staff write clues into these: the mark goes before them.
NOTES = {"note", "comment", "membership_reason", "delay_note"}
# The knowledge base keeps what its seed says may be kept.
OFFERED = {("crm.customer_attribute", "attribute_value")}


@dataclass(frozen=True)
class Operator:
    """A database with both nights built: its URI, the truth, and the rows of the first night."""

    url: str
    target_dir: Path
    truth_dir: Path
    month_end_rows: dict[str, list[str]]

    def rows(self, query: str) -> list[dict[str, Any]]:
        with psycopg.connect(self.url, row_factory=psycopg.rows.dict_row) as connection:
            return connection.execute(query).fetchall()

    def truth(self, name: str) -> pd.DataFrame:
        return pd.read_csv(self.truth_dir / name, dtype={"customer_id": "str"})


@pytest.fixture(scope="module")
def operator(
    server: str, target_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Operator]:
    folder = tmp_path_factory.mktemp("operator")
    with migrated_database(server) as url, pytest.MonkeyPatch.context() as environment:
        environment.setenv("WAREHOUSE_URL", url)
        deliver(PARAMETERS, folder / "landing", folder / "truth")
        load_all(NIGHT, folder / "landing")
        _mark_personal_values(url)
        _plant_the_future(url)
        _save_group(url)
        _build(MONTH_END, target_dir)
        month_end_rows = _all_rows(url)
        _build(NIGHT, target_dir)
        yield Operator(url, target_dir, folder / "truth", month_end_rows)


def _build(night: date, target_dir: Path) -> None:
    for stage in run_dbt.STAGES:
        run_dbt.build(stage, night, target_dir=target_dir)


def _mark_personal_values(url: str) -> None:
    """Put a value that is known again into every text that a contract marks as personal."""
    marked = [
        (extract, column)
        for extract in read_extracts()
        for column in extract.columns
        if column.is_personal and column.physical_type == "text" and extract.roll_up is None
        if (str(extract), column.name) not in OFFERED
    ]
    assert len(marked) >= 12
    with psycopg.connect(url) as connection:
        for extract, column in marked:
            connection.execute(_marking(extract, column))


def _marking(extract: Extract, column: Column) -> sql.Composed:
    name = sql.Identifier(column.name)
    value = sql.SQL("{} || md5({})").format(sql.Literal(MARK), name)
    if column.name in ("contact_phone", "service_number", "phone_number"):
        digits = sql.SQL("lpad((hashtext({}) & 524287)::text, 6, '0')").format(name)
        value = sql.SQL("{} || {}").format(sql.Literal(PHONE_MARK), digits)
    if column.name in NOTES:
        value = sql.SQL("{} || ' ' || {}").format(sql.Literal(MARK), name)
    return sql.SQL("update {} set {} = {} where {} is not null").format(
        sql.Identifier("raw", extract.table), name, value, name
    )


def _plant_the_future(url: str) -> None:
    """Deliver with the night of the month's end what only happens after both nights."""
    with psycopg.connect(url) as connection:
        for statement in (
            "insert into raw.contact_center__interaction (interaction_id, customer_id,"
            " contacted_at, channel, interaction_kind, complaint_category, is_repeat,"
            " is_escalated, resolution, duration_seconds, business_date, extract_load_id)"
            " select 'future' || customer_id, customer_id, '2026-11-02 12:00+08', 'hotline',"
            " 'complaint', 'fee', true, true, 'forwarded', 9, '2026-10-31', 0"
            " from raw.crm__customer where business_date = '2026-10-31'",
            "insert into raw.fault__trouble_ticket (ticket_id, subscription_id, customer_id,"
            " reported_at, ticket_state, is_operator_cause, urge_count, business_date,"
            " extract_load_id)"
            " select 'future' || subscription_id, subscription_id, customer_id,"
            " '2026-11-02 12:00+08', 'acknowledged', true, 0, '2026-10-31', 0"
            " from raw.crm__subscription where business_date = '2026-10-31'",
            "insert into raw.billing__payment (payment_id, account_id, customer_id, invoice_id,"
            " paid_at, payment_amount, payment_method, business_date, extract_load_id)"
            " select 'future' || subscription_id, account_id, customer_id, null,"
            " '2026-11-02 12:00+08', 87654.32, 'cash', '2026-10-31', 0"
            " from raw.crm__subscription where business_date = '2026-10-31'",
            "insert into raw.usage__roaming (roaming_id, subscription_id, started_at, ended_at,"
            " roaming_kind, visited_province, voice_minutes, sms_count, data_kb,"
            " roaming_fee_amount, business_date, extract_load_id)"
            " select 'future' || subscription_id, subscription_id, '2026-11-02 12:00+08',"
            " '2026-11-02 13:00+08', 'international', 'future', 1, 1, 1, 87654.32, '2026-10-31', 0"
            " from raw.crm__subscription where business_date = '2026-10-31'",
            "insert into raw.usage__mobile_daily"
            " select subscription_id, '2026-11-02', 876, 900, 0, 0, 0, 0, 900, 0, 900000, 0, 0,"
            " 0, 0, 0, '2026-10-31', 0"
            " from raw.crm__subscription where business_date = '2026-10-31'",
        ):
            connection.execute(statement)


def _save_group(url: str) -> None:
    """Leave a group as an analyst's would be who saved it on an earlier day."""
    with psycopg.connect(url) as connection:
        connection.execute(
            "insert into ops.retention_group (group_code, group_version, group_name, saved_by,"
            " saved_at) values ('elderly', 1, '老年客户', 'YY0001', '2026-09-01 12:00+08')"
        )
        connection.execute(
            "insert into ops.retention_group_condition values"
            " ('elderly', 1, 1, 'age_years', '>=', '{60}'),"
            " ('elderly', 1, 2, 'active_subscription_count', '>', '{0}')"
        )


def _tables(url: str, schemas: list[str]) -> list[tuple[str, str]]:
    with psycopg.connect(url) as connection:
        return connection.execute(
            "select schemaname, tablename from pg_tables where schemaname = any(%s) order by 1, 2",
            [schemas],
        ).fetchall()


def _all_rows(url: str) -> dict[str, list[str]]:
    """Return every row of every mart as text, sorted, but for seeds and what was frozen."""
    with psycopg.connect(url) as connection:
        return {
            table: [
                row
                for (row,) in connection.execute(
                    sql.SQL("select mart::text from {} as mart order by 1").format(
                        sql.Identifier(schema, table)
                    )
                )
            ]
            for schema, table in _tables(url, ["marts"])
            if table.startswith(("fct_", "dim_", "rpt_", "customer_"))
        }


def test_marts_are_filled(operator: Operator) -> None:
    empty = {name for name, rows in operator.month_end_rows.items() if not rows}
    assert empty <= {"fct_churn_label", "rpt_base_retention", "rpt_retention_task_day"}
    assert len(operator.month_end_rows) >= 20


def test_a_group_has_the_members_who_meet_it(operator: Operator) -> None:
    """Those of the earlier night are kept beside tonight's."""
    members = operator.rows("select * from marts.fct_group_member")
    assert {row["business_date"] for row in members} == {MONTH_END, NIGHT}
    tonight = {row["customer_id"] for row in members if row["business_date"] == NIGHT}
    meeting = operator.rows(
        "select customer_id from marts.customer_360"
        " where age_years >= 60 and active_subscription_count > 0"
    )
    assert tonight == {row["customer_id"] for row in meeting} != set()


def test_no_personal_value_reaches_a_mart(operator: Operator) -> None:
    """Whatever it is called there and however it is built in."""
    for table, rows in _all_rows(operator.url).items():
        found = [row for row in rows if MARKED.search(row)]
        assert not found, f"marts.{table} shows what is personal: {found[0][:200]}"


def test_only_the_dialers_own_models_carry_a_number_or_a_name(operator: Operator) -> None:
    carrying = {
        table
        for schema, table in _tables(operator.url, ["intermediate"])
        if operator.rows(
            f'select 1 from "{schema}"."{table}" as model'
            f" where regexp_replace(model::text, '{DIGEST}', '', 'g')"
            f" ~ '{MARK}|{PHONE_MARK}[0-9]{{6}}' limit 1"
        )
    }
    assert carrying == {"int_customer_dated", "int_subscription_active", "planned_call_task"}


def test_as_the_number_calls_the_agent_sees_who_it_is(operator: Operator) -> None:
    [known] = operator.rows(
        "select customer_id, contact_phone from intermediate.int_customer_dated"
        " where contact_phone is not null order by customer_id limit 1"
    )
    number = f"+86 {known['contact_phone'][:3]}-{known['contact_phone'][3:]}"
    hints = operator.rows(f"select * from dialer.inbound_hint('{number}')")
    assert known["customer_id"] in [hint["customer_id"] for hint in hints]
    assert operator.rows("select * from dialer.inbound_hint('10086')") == []
    digest = hashlib.sha256(known["contact_phone"].encode()).digest()
    keys = operator.rows("select phone_key from intermediate.inbound_number")
    assert digest not in [key["phone_key"] for key in keys], "a digest that anybody could make"


# What the truth says as the view says it, and how far the two may differ by rounding.
AGREES = {
    "active_subscription_count": 0,
    "complaint_count_3m": 0,
    "fee_complaint_count_3m": 0,
    "network_complaint_count_3m": 0,
    "service_complaint_count_3m": 0,
    "bill_query_count_3m": 0,
    "roaming_count_2m": 0,
    "roaming_fee_amount_2m": 0.005,
    "data_mb_30d": 0.01,
    "voice_minutes_30d": 0,
    "sms_count_30d": 0,
    "data_used_ratio": 0.0002,
    "value_added_fee_amount": 0.005,
    "overdue_amount": 0.005,
    "points_balance_count": 0,
}


def test_the_view_agrees_with_the_truth(operator: Operator) -> None:
    """Customer by customer; counts that nobody has are zero in the view."""
    truth = operator.truth("customer_truth.csv").set_index("customer_id")
    view = pd.DataFrame(operator.rows("select * from marts.customer_360")).set_index("customer_id")
    assert len(truth) > 600
    assert set(view.index) == set(truth.index)
    view = view.loc[truth.index]
    has_line = view["active_subscription_count"] > 0
    for name, tolerance in AGREES.items():
        known = pd.to_numeric(truth[name])[has_line]
        shown = pd.to_numeric(view[name])[has_line]
        differs = (known.fillna(0) - shown.fillna(0)).abs() > tolerance
        assert not differs.any(), (
            f"{name}: {int(differs.sum())} customers differ\n"
            f"{pd.DataFrame({'truth': known, 'view': shown})[differs].head()}"
        )
        assert (known.fillna(0) > 0).any(), name
    tone = truth["has_ring_back_tone"].astype("bool")
    assert (view["has_ring_back_tone"] == tone)[has_line].all()
    assert (view["device_model"].fillna("") == truth["device_model"].fillna(""))[has_line].all()


def test_flea_customers_are_told_from_loyal_ones(operator: Operator) -> None:
    truth = operator.truth("flea_customer.csv").set_index("customer_id")["population"]
    view = pd.DataFrame(
        operator.rows(
            "select customer_id, is_flea_customer, is_loyal_low_arpu from marts.customer_360"
        )
    ).set_index("customer_id")
    assert set(truth[truth == "flea"].index) == set(view.index[view["is_flea_customer"]])
    assert set(truth[truth == "loyal_low_arpu"].index) == set(view.index[view["is_loyal_low_arpu"]])
    assert {"flea", "loyal_low_arpu", "ordinary_low_arpu"} <= set(truth)


@pytest.mark.parametrize("recipe", RECIPES, ids=[recipe.question for recipe in RECIPES])
def test_recipe_of_the_analysts_runs(operator: Operator, recipe: Recipe) -> None:
    with psycopg.connect(operator.url) as connection:
        connection.execute("set role retention_analyst")
        rows = connection.execute(recipe.sql).fetchall()
    assert rows or recipe.may_be_empty


def test_nobody_knows_what_is_yet_to_come(operator: Operator) -> None:
    for rows in (operator.month_end_rows, _all_rows(operator.url)):
        for table, texts in rows.items():
            assert not [text for text in texts if "future" in text or "87654.32" in text], table


def test_features_of_a_day_are_the_same_as_seen_later(operator: Operator) -> None:
    """What a model is trained on for a past day is what the night of that day gave."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("WAREHOUSE_URL", operator.url)
        run_dbt.build(
            "transform",
            NIGHT,
            {"observation_dates": [MONTH_END.isoformat()]},
            select="fct_churn_feature",
            target_dir=operator.target_dir,
        )
    as_seen_later = _all_rows(operator.url)["fct_churn_feature"]
    of_the_day = [row for row in as_seen_later if row.startswith(f"({MONTH_END}")]
    assert of_the_day == operator.month_end_rows["fct_churn_feature"]


def test_a_night_of_the_past_gives_what_it_gave(operator: Operator) -> None:
    """The last of all tests: the warehouse then stands at the month's end again."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("WAREHOUSE_URL", operator.url)
        _build(MONTH_END, operator.target_dir)
    for table, rows in _all_rows(operator.url).items():
        kept = [row for row in rows if not _is_of_a_later_night(table, row)]
        assert kept == operator.month_end_rows[table], table


def _is_of_a_later_night(table: str, row: str) -> bool:
    """Tables by business date keep what later nights reported of themselves."""
    if table == "fct_sensitivity_calibration":  # known from the night on that is named last
        return row.endswith(f"{NIGHT})")
    is_by_date = table.startswith(
        (
            "rpt_",
            "fct_risk_warning",
            "fct_customer_risk",
            "fct_watched",
            "fct_churn",
            "fct_group_member",
            "fct_retention",
            "fct_next_contact",
        )
    )
    return is_by_date and row.startswith(f"({NIGHT}")
