"""A list that waits is adjusted: nobody who may not be called gets on it, and all is on record."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

import pytest

from expectations.results import Severity, Verdict, record
from scripts import adjust_call_list, database, run_dbt
from scripts.adjust_call_list import adjust, pending
from scripts.nightly_steps import StepFailed
from scripts.publish_call_list import PublishRefusedError, approve, publish
from scripts.warehouse import Role

NIGHT = date(2026, 11, 20)
TAG = "ring_back_tone"
# Customer: on the list, its exclusions, global control, control of the campaign.
DECIDED: dict[str, tuple[bool, list[str], bool, bool]] = {
    "first": (True, [], False, False),
    "second": (True, [], False, False),
    "no_place": (False, [], False, False),
    "blocked": (False, ["do_not_call", "no_phone"], False, False),
    "frequent": (False, ["rolling_cap"], False, False),
    "global_control": (False, [], True, False),
    "campaign_control": (False, [], False, True),
    "other_list": (False, [], False, False),
    "open_task": (False, [], False, False),
}
STAND_INS = (
    "create table staging.stg_crm__staff"
    " (as_of_date date, staff_id text, staff_role text, left_date date)",
    "create table staging.stg_crm__customer (as_of_date date, customer_id text,"
    " contact_phone text, is_do_not_call boolean)",
    "create table staging.stg_crm__do_not_call"
    " (as_of_date date, phone_number text, block_scope text, expiry_date date)",
    "create table intermediate.int_retention_parameters_pivoted as"
    " select date '2026-11-20' as business_date",
    "create table intermediate.int_candidates_decided (customer_id text)",
    "create table intermediate.int_customer_dated"
    " (as_of_date date, customer_id text, contact_phone text, customer_name text, region text)",
    "create table marts.fct_customer_risk"
    " (business_date date, customer_id text, rule_names_zh text)",
    "create table intermediate.int_customer_to_soothe"
    " (customer_id text, guidance_zh text, subsidy_amount numeric, policy_codes text [])",
    "create table intermediate.int_churn_score_explained (customer_id text, churn_reasons_zh text)",
    "create table intermediate.int_campaigns_in_force as select 'ring_back_tone' as campaign_code,"
    " 10 as first_hour, true as needs_approval, true as is_held_out, 'priority' as call_order"
    " union all select 'care', 9, false, true, 'priority'"
    " union all select 'new_install_revisit', 9, false, true, 'random'",
    "create table marts.fct_retention_decision (business_date date, customer_id text,"
    " subscription_id text, campaign_code text, revisit_tag text, customer_grade text,"
    " priority_rank integer, priority_score numeric, expected_profit_amount numeric,"
    " contact_count_30d integer, is_eligible boolean, exclusion_reasons text [],"
    " is_global_control boolean, is_campaign_control boolean)",
)


@pytest.fixture(autouse=True)
def models(warehouse_db: str, target_dir: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Stand in for what the plan rests on, and build the plan itself as the night does."""
    monkeypatch.setenv("DBT_TARGET_PATH", str(target_dir))
    with database.connect(Role.TRANSFORMER) as connection:
        for statement in STAND_INS:
            connection.execute(statement.encode())
        connection.execute(
            "insert into staging.stg_crm__staff values"
            " (%(night)s, 'KF001', 'agent_supervisor', null), (%(night)s, 'KF101', 'agent', null)",
            {"night": NIGHT},
        )
        for place, (customer, (is_listed, reasons, is_global, is_campaign)) in enumerate(
            DECIDED.items(), 1
        ):
            phone = f"1360000000{place}"
            connection.execute(
                "insert into intermediate.int_customer_dated values (%s, %s, %s, '张三', '成都')",
                [NIGHT, customer, phone],
            )
            connection.execute(
                "insert into staging.stg_crm__customer values (%s, %s, %s, %s)",
                [NIGHT, customer, phone, "do_not_call" in reasons],
            )
            connection.execute(
                "insert into marts.fct_retention_decision values (%s, %s, 'S', %s, %s, 'other',"
                " %s, 1, 1, 0, %s, %s, %s, %s)",
                [NIGHT, customer, TAG, TAG, place if is_listed else None, is_listed, reasons,
                 is_global, is_campaign],
            )  # fmt: skip
        connection.execute(
            "insert into marts.fct_retention_decision values (%s, 'other_list', 'S', 'care',"
            " 'care', 'other', 9, 1, 1, 0, true, '{}', false, false)",
            [NIGHT],
        )
        connection.execute(
            "insert into dialer.call_list (business_date, revisit_tag) values (%s, 'care')",
            [NIGHT - timedelta(days=1)],
        )
        connection.execute(
            "insert into dialer.call_task (call_list_id, business_date, customer_id, revisit_tag,"
            " phone_number, priority_rank, due_at) select call_list_id, business_date,"
            " 'open_task', revisit_tag, '13600000001', 1, now() from dialer.call_list"
        )
    run_dbt.run(
        [
            *("build", "--select", "revisit_tag", "retention_parameter", "stg_dialer__call_task"),
            *("stg_dialer__list_adjustment", "stg_dialer__list_approval"),
            *("--exclude-resource-type", "unit_test", "test"),
        ],
        {"business_date": NIGHT.isoformat()},
    )
    adjust_call_list.build_plan(NIGHT)
    return warehouse_db


def listed() -> list[tuple[str, str, int]]:
    rows = database.fetch_all(
        Role.TRANSFORMER,
        "select revisit_tag, customer_id, priority_rank from intermediate.planned_call_task"
        " order by priority_rank",
    )
    return [tuple(row.values()) for row in rows]


def change(
    *, add: Sequence[str] = (), take_out: Sequence[str] = (), tag: str = TAG, by: str = "KF001"
) -> None:
    adjust(NIGHT, tag, added=add, taken_out=take_out, adjusted_by=by, reason="客户经理要求")


AS_DECIDED = [(TAG, "first", 1), (TAG, "second", 2), ("care", "other_list", 9)]


def test_a_pending_list_is_adjusted_approved_and_released() -> None:
    """The approval that was given before the adjustment holds no longer."""
    assert listed() == AS_DECIDED
    approve(NIGHT, TAG, "KF001")
    change(add=["no_place"], take_out=["first"])
    assert listed() == [(TAG, "second", 2), ("care", "other_list", 9), (TAG, "no_place", 10)]
    assert publish(NIGHT).waiting_counts == {TAG: 2}
    page = pending(NIGHT)
    assert "彩铃主动营销" in page
    assert "pending" in page

    change(take_out=["no_place"])
    change(add=["first"])
    assert listed() == AS_DECIDED
    approve(NIGHT, TAG, "KF001")
    assert publish(NIGHT).list_counts == {"care": 1, TAG: 2}
    assert "none" in pending(NIGHT)
    record = database.fetch_all(
        Role.SUPERVISOR,
        "select customer_id, is_added, adjusted_by from dialer.list_adjustment order by 1, 2",
    )
    assert [(row["customer_id"], row["is_added"]) for row in record] == [
        ("first", False),
        ("first", True),
        ("no_place", False),
        ("no_place", True),
    ]
    with pytest.raises(PublishRefusedError, match="is published"):
        change(take_out=["second"])


OBJECTIONS = {
    "blocked": "is excluded: do_not_call, no_phone",
    "frequent": "is excluded: rolling_cap",
    "global_control": "belongs to a control group",
    "campaign_control": "belongs to a control group",
    "other_list": "is on the list care",
    "open_task": "has an open task",
    "second": f"is on the list {TAG}",
    "stranger": "is no candidate of its campaign",
}


def test_who_may_not_be_called_is_not_added_nor_anybody_by_who_may_not() -> None:
    """Nor is anybody else of the same order, and the list stays."""
    for customer, objection in OBJECTIONS.items():
        with pytest.raises(PublishRefusedError, match=f"{customer} {objection}"):
            change(add=["no_place", customer], take_out=["first"])
    for customer in ("no_place", "other_list"):
        with pytest.raises(PublishRefusedError, match=f"{customer} is not on the list"):
            change(take_out=["first", customer])
    with pytest.raises(PublishRefusedError, match="KF101 is no supervisor"):
        change(take_out=["first"], by="KF101")
    with pytest.raises(PublishRefusedError, match="no list dunning is planned"):
        change(take_out=["first"], tag="dunning")
    with database.connect(Role.TRANSFORMER) as connection:
        connection.execute(
            "update intermediate.int_retention_parameters_pivoted set business_date = %s",
            [NIGHT + timedelta(days=1)],
        )
    with pytest.raises(PublishRefusedError, match="is of 2026-11-21, not of 2026-11-20"):
        change(take_out=["first"])
    assert listed() == AS_DECIDED
    assert database.fetch_all(Role.TRANSFORMER, "select 1 from dialer.list_adjustment") == []


def test_a_plan_that_gate_2_does_not_pass_is_not_released() -> None:
    with pytest.raises(StepFailed, match="size_within_bounds"):
        change(take_out=["first", "second"])
        change(take_out=["other_list"], tag="care")
    with pytest.raises(PublishRefusedError, match="did not pass"):
        publish(NIGHT)


def test_a_list_worked_at_random_is_claimed_as_it_was_drawn_and_others_by_priority() -> None:
    """As often as it is planned and asked for, and beside other lists in its place (OUT-13)."""
    installed = [f"installed_{place}" for place in range(1, 7)]
    with database.connect(Role.TRANSFORMER) as connection:
        for place, customer in enumerate(installed, 3):
            connection.execute(
                "insert into intermediate.int_customer_dated values (%s, %s, '13600000009')",
                [NIGHT, customer],
            )
            connection.execute(
                "insert into marts.fct_retention_decision (business_date, customer_id,"
                " campaign_code, revisit_tag, customer_grade, priority_rank, is_eligible)"
                " values (%s, %s, 'new_install_revisit', 'new_install_revisit', 'other', %s, true)",
                [NIGHT, customer, place],
            )
    adjust_call_list.build_plan(NIGHT)
    planned = listed()
    adjust_call_list.build_plan(NIGHT)
    assert listed() == planned
    passed = Verdict("planned_call_task", "size_within_bounds", Severity.ERROR, True)
    record("call_list", NIGHT, [passed], Role.TRANSFORMER)
    approve(NIGHT, TAG, "KF001")
    publish(NIGHT)
    with database.connect(None) as connection:
        connection.execute("update dialer.call_task set due_at = now()")
        connection.execute("delete from dialer.call_task where customer_id = 'open_task'")
        connection.execute(
            "update dialer.call_rule set rule_value = case rule_name when 'first_call_hour' then 0"
            " else 24 end where rule_name in ('first_call_hour', 'last_call_hour')"
        )
    claimed = []
    while task := database.fetch_all(Role.DIALER, "select * from dialer.claim_tasks('A1', 1)"):
        claimed.append(task[0]["customer_id"])
    assert claimed == [customer for _, customer, _ in planned]
    assert [claimed[:2], claimed[8:]] == [["first", "second"], ["other_list"]]
    assert sorted(claimed[2:8]) == installed != claimed[2:8]
