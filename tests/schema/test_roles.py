"""Each role connects and tries what it may not do, and what it must be able to do."""

from __future__ import annotations

import psycopg
import pytest

from scripts import database
from scripts.warehouse import Role

REFUSED: dict[Role, tuple[str, ...]] = {
    Role.LOADER: (
        "select * from marts.customer",
        "select * from staging.customer",
        "select * from intermediate.planned_call_task",
        "select * from ml.churn_score",
        "select * from dialer.call_task",
        "select * from dialer.call_attempt",
        "select * from dialer.pool_total",
        "select * from dialer.claim_tasks('A1', 1)",
        "update dialer.call_task set status = 'open'",
        "delete from ops.extract_load",
        "insert into ops.stale_relation (business_date, relation, source, extract)"
        " values (current_date, 'marts.x', 'crm', 'plan')",
        "create table marts.mine (id int)",
        "create table dialer.mine (id int)",
    ),
    Role.TRANSFORMER: (
        "insert into raw.crm__plan (plan_id) values ('P1')",
        "update raw.crm__customer set region = 'elsewhere'",
        "delete from raw.billing__payment",
        "truncate raw.crm__customer",
        "drop table raw.crm__customer",
        "delete from raw.rejected_row",
        "create table raw.mine (id int)",
        "update ops.extract_load set status = 'loaded'",
        "insert into ml.churn_score (business_date, customer_id, model_version, churn_probability,"
        " feature_hash) values (current_date, 'C1', '1', 0.5, 'x')",
        "insert into ml.uplift_score (business_date, customer_id, model_version, uplift,"
        " is_sleeping_dog, feature_hash) values (current_date, 'C1', '1', 0.1, false, 'x')",
        "insert into ml.uplift_verdict (business_date, experiment_hash, ranking, reason,"
        " treated_count, control_count) values (current_date, 'x', 'risk', 'x', 0, 0)",
        "delete from dialer.call_task",
        "delete from dialer.call_list",
        "delete from dialer.call_attempt",
        "delete from dialer.task_change",
        "update dialer.list_adjustment set is_added = true",
        "delete from dialer.list_adjustment",
        "insert into dialer.call_attempt values (1, 1, 'x', 'A1', now(), 'busy', 0, null, now())",
        "select * from dialer.claim_tasks('A1', 1)",
        "select * from dialer.assign_tasks('ZG001', 'A1', '{1}')",
        "select dialer.record_attempt(1, 'x', 'A1', now(), 'busy', 0, null)",
        "update dialer.call_rule set rule_value = 9",
        "create table dialer.mine (id int)",
    ),
    Role.SCORER: (
        "select * from raw.crm__customer",
        "select * from raw.rejected_row",
        "select * from staging.customer",
        "select * from intermediate.planned_call_task",
        "select * from dialer.call_task",
        "select * from dialer.pool_total",
        "insert into marts.customer values ('C1')",
        "update ml.churn_score set churn_probability = 0",
        "delete from ml.churn_score",
        "update ml.uplift_score set uplift = 0",
        "delete from ml.uplift_score",
        "update ml.uplift_verdict set ranking = 'risk'",
        "delete from ml.uplift_verdict",
        "select * from ops.gate_result",
        "create table marts.mine (id int)",
    ),
    Role.ANALYST: (
        "select * from raw.crm__customer",
        "select * from raw.rejected_row",
        "select * from staging.customer",
        "select * from intermediate.planned_call_task",
        "select * from ml.churn_score",
        "select * from ops.extract_load",
        "select * from ops.gate_result",
        "select * from ops.stale_relation",
        "select * from ops.secret",
        "select * from dialer.inbound_hint('13612348475')",
        "delete from marts.stale_relation",
        "delete from marts.retention_group",
        "insert into marts.retention_group_condition values ('x', 1, 1, 'region', '=', '{}')",
        "select * from dialer.call_task",
        "select * from dialer.pool_success",
        "select * from dialer.claim_tasks('A1', 1)",
        "select dialer.record_attempt(1, 'x', 'A1', now(), 'busy', 0, null)",
        "insert into marts.customer values ('C1')",
        "delete from marts.customer",
        "drop table marts.customer",
        "create table marts.mine (id int)",
    ),
    Role.DIALER: (
        "select * from raw.dialer__call_outcome",
        "select * from raw.crm__customer",
        "select * from staging.customer",
        "select * from intermediate.planned_call_task",
        "select * from marts.customer",
        "select * from ml.churn_score",
        "select * from ops.extract_load",
        "select * from ops.secret",
        "insert into dialer.call_list (business_date, revisit_tag) values (current_date, 'x')",
        "update dialer.call_task set status = 'open'",
        "delete from dialer.call_task",
        "insert into dialer.call_attempt values (1, 1, 'x', 'A1', now(), 'busy', 0, null, now())",
        "delete from dialer.call_attempt",
        "truncate dialer.call_attempt",
        "update dialer.call_rule set rule_value = 9",
        "create table dialer.mine (id int)",
        "select * from dialer.assign_tasks('ZG001', 'A1', '{1}')",
        "select * from dialer.share_out_tasks('ZG001', '{A1}')",
        "select dialer.edit_task('ZG001', 1, 'x')",
        "delete from dialer.task_change",
    ),
    Role.SUPERVISOR: (
        "select * from raw.crm__customer",
        "select * from marts.customer",
        "select * from ops.secret",
        "select * from dialer.claim_tasks('A1', 1)",
        "select dialer.record_attempt(1, 'x', 'A1', now(), 'busy', 0, null)",
        "select * from dialer.inbound_hint('13612348475')",
        "update dialer.call_task set priority_rank = 1",
        "insert into dialer.task_change (call_task_id, database_user, before, after)"
        " values (1, 'x', '{}', '{}')",
        "update dialer.task_change set changed_by = 'x'",
        "delete from dialer.task_change",
        "truncate dialer.task_change",
        "insert into dialer.list_adjustment (business_date, revisit_tag, customer_id, is_added,"
        " adjusted_by, reason) values (current_date, 'x', 'C1', true, 'ZG001', 'x')",
        "update dialer.call_rule set rule_value = 9",
    ),
    Role.AGENT: (
        "select * from raw.crm__customer",
        "select * from marts.customer",
        "select * from dialer.call_task",
        "select * from dialer.call_attempt",
        "select * from dialer.revisit",
        "select * from dialer.pool_total",
        "select * from dialer.task_change",
        "select * from dialer.claim_tasks('A1', 1)",
        "select dialer.record_attempt(1, 'x', 'A1', now(), 'busy', 0, null)",
        "select * from dialer.assign_tasks('ZG001', 'A1', '{1}')",
        "select * from dialer.share_out_tasks('ZG001', '{A1}')",
        "select dialer.edit_task('ZG001', 1, 'x')",
        "select dialer.edit_own_task('A1', 1, 'x')",
        "update dialer.own_task set agent_hint = 'x'",
        "select * from dialer.inbound_hint('13612348475')",
    ),
}
ALLOWED: dict[Role, tuple[str, ...]] = {
    Role.LOADER: (
        "create table raw.crm__plan_2026_11 partition of raw.crm__plan"
        " for values from ('2026-11-01') to ('2026-12-01')",
        "truncate raw.crm__customer",
        "delete from raw.rejected_row",
        "select * from ops.extract_load",
        "select dialer.record_attempt(1, 'x', 'A1', now(), 'busy', 0, null)",
        "select * from dialer.unmatched_outcome",
    ),
    Role.TRANSFORMER: (
        "select * from raw.crm__customer",
        "select * from ml.churn_score",
        "select * from ml.uplift_score",
        "select * from ml.uplift_verdict",
        "select * from ops.gate_result",
        "select * from ops.source_delivery",
        "delete from ops.stale_relation",
        "select * from dialer.call_attempt",
        "insert into dialer.call_list (business_date, revisit_tag) values (current_date, 'x')",
        "create table marts.mine (id int)",
    ),
    Role.SCORER: (
        "select * from marts.customer",
        "insert into ml.churn_score (business_date, customer_id, model_version, churn_probability,"
        " feature_hash) values (current_date, 'C1', '1', 0.5, 'x')",
        "insert into ml.uplift_score (business_date, customer_id, model_version, uplift,"
        " is_sleeping_dog, feature_hash) values (current_date, 'C1', '1', 0.1, false, 'x')",
        "insert into ml.uplift_verdict (business_date, experiment_hash, ranking, reason,"
        " treated_count, control_count) values (current_date, 'x', 'risk', 'x', 0, 0)",
    ),
    Role.ANALYST: (
        "select * from marts.customer",
        "select * from marts.stale_relation",
        "select * from marts.retention_group_condition",
    ),
    Role.DIALER: (
        "select * from dialer.call_list",
        "select * from dialer.call_attempt",
        "select * from dialer.outcome_code",
        "select * from dialer.pool_total",
        "select * from dialer.pool_success",
        "select * from dialer.pool_failed",
        "select * from dialer.pool_second",
        "select * from dialer.pool_third",
        "select * from dialer.inbound_hint('13612348475')",
        "select * from dialer.claim_tasks('A1', 1)",
        "select dialer.record_attempt(1, 'x', 'A1', now(), 'busy', 0, null)",
        "select * from dialer.revisit",
        "select * from dialer.task_change",
        "select dialer.is_calling_hour(now())",
        "select dialer.edit_own_task('A1', 1, 'x')",
    ),
    Role.SUPERVISOR: (
        "select * from dialer.call_list",
        "select * from dialer.pool_total",
        "select * from dialer.pool_failed",
        "select * from dialer.revisit",
        "select * from dialer.task_change",
        "select * from dialer.list_adjustment",
        "select * from dialer.assign_tasks('ZG001', 'A1', '{1}')",
        "select * from dialer.share_out_tasks('ZG001', '{A1}')",
        "select dialer.edit_task('ZG001', 1, 'x')",
    ),
    Role.AGENT: (
        "select * from dialer.own_task",
        "select * from dialer.own_revisit",
        "select * from dialer.outcome_code",
    ),
}
READABLE_SCHEMAS = {
    Role.ANALYST: {"marts"},
    Role.DIALER: {"dialer"},
    Role.SUPERVISOR: {"dialer"},
    Role.AGENT: {"dialer"},
}


@pytest.fixture
def with_models(warehouse_db: str) -> str:
    """Stand in for dbt: one table each in marts, staging and intermediate, made as dbt does."""
    with database.connect(Role.TRANSFORMER) as connection:
        connection.execute("create table marts.customer (customer_id text)")
        connection.execute("create table staging.customer (customer_id text)")
        connection.execute("create table intermediate.planned_call_task (phone_number text)")
    return warehouse_db


def is_refused(role: Role, statement: str) -> bool:
    """Try a statement as `role`; whatever it did is rolled back."""
    with database.connect(role) as connection:
        try:
            connection.execute(statement.encode())
        except psycopg.errors.InsufficientPrivilege:
            return True
        finally:
            connection.rollback()
    return False


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.usefixtures("with_models")
def test_a_role(role: Role) -> None:
    become_another = [f"set role {other.value}" for other in Role if other != role]
    refused = [*REFUSED[role], *become_another]
    assert [statement for statement in refused if not is_refused(role, statement)] == []
    assert [statement for statement in ALLOWED[role] if is_refused(role, statement)] == []
    with database.connect(role) as connection:
        row = connection.execute(
            "select rolname, rolsuper, rolcreaterole, rolbypassrls from pg_roles"
            " where rolname = current_user"
        ).fetchone()
    assert row is not None
    assert row.pop("rolname") == role
    assert not any(row.values())


@pytest.mark.usefixtures("with_models")
def test_a_reader_reads_its_schema_alone() -> None:
    """Also holds for tables that this file does not name."""
    for role, schemas in READABLE_SCHEMAS.items():
        readable = database.fetch_all(
            None,
            """
            select pg_namespace.nspname as schema_name
            from pg_class
            inner join pg_namespace on pg_class.relnamespace = pg_namespace.oid
            where
                pg_class.relkind in ('r', 'v', 'm', 'p')
                and pg_namespace.nspname not in ('pg_catalog', 'information_schema', 'pg_toast')
                and has_schema_privilege(%(reader)s, pg_namespace.oid, 'usage')
                and has_any_column_privilege(%(reader)s, pg_class.oid, 'select')
            """,
            reader=role.value,
        )
        assert {row["schema_name"] for row in readable} == schemas, role


@pytest.mark.usefixtures("warehouse_db")
def test_functions_that_run_as_their_owner_have_a_fixed_search_path() -> None:
    functions = database.fetch_all(
        None,
        """
        select proname, proconfig::text as settings, prosecdef as is_security_definer
        from pg_proc
        where pronamespace in ('dialer'::regnamespace, 'marts'::regnamespace)
        """,
    )
    assert {row["proname"] for row in functions} >= {"claim_tasks", "record_attempt", "save_group"}
    for function in functions:
        assert "search_path=pg_catalog, pg_temp" in function["settings"], function["proname"]
