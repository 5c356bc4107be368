"""What supervisors do with tasks, what is noted of it, and what an agent sees."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

import psycopg
import pytest

from scripts import database
from scripts.warehouse import Role
from tests.schema.test_dialer import (
    FIRST_CALL,
    SHANGHAI,
    add_tasks,
    as_admin,
    claim,
    dialer,
    pools,
    record,
    task,
)

__all__ = ["dialer"]

pytestmark = pytest.mark.usefixtures("dialer")


def assign(agent_id: str | None, *task_ids: int, by: str | None = "ZG001") -> dict[int, str]:
    rows = database.fetch_all(
        Role.SUPERVISOR,
        "select * from dialer.assign_tasks(%(by)s, %(agent_id)s, %(task_ids)s)",
        by=by,
        agent_id=agent_id,
        task_ids=list(task_ids),
    )
    return {row["call_task_id"]: row["verdict"] for row in rows}


def share_out(agent_ids: list[str], **kind: object) -> dict[str, int]:
    named = dict.fromkeys(("customer_grade", "revisit_tag", "region", "task_limit")) | kind
    rows = database.fetch_all(
        Role.SUPERVISOR,
        """
        select *
        from dialer.share_out_tasks(
            'ZG001', %(agent_ids)s, %(customer_grade)s, %(revisit_tag)s, %(region)s, %(task_limit)s
        )
        """,
        agent_ids=agent_ids,
        **named,
    )
    return {row["agent_id"]: row["task_count"] for row in rows}


def edit(task_id: int, hint: str | None = None, rank: int | None = None) -> str:
    [row] = database.fetch_all(
        Role.SUPERVISOR,
        "select dialer.edit_task('ZG001', %(task_id)s, %(hint)s, %(rank)s) as verdict",
        task_id=task_id,
        hint=hint,
        rank=rank,
    )
    return str(row["verdict"])


def edit_own(agent_id: str, task_id: int, hint: str) -> str:
    [row] = database.fetch_all(
        Role.DIALER,
        "select dialer.edit_own_task(%(agent_id)s, %(task_id)s, %(hint)s) as verdict",
        agent_id=agent_id,
        task_id=task_id,
        hint=hint,
    )
    return str(row["verdict"])


def changes() -> list[dict[str, Any]]:
    return database.fetch_all(
        Role.SUPERVISOR, "select * from dialer.task_change order by task_change_id"
    )


def seen_by(agent_id: str | None, view: str) -> list[int]:
    """Return the tasks of the rows that an agent sees in one of his views."""
    with database.connect(Role.AGENT) as connection:
        if agent_id is not None:
            connection.execute("select set_config('dialer.agent_id', %s, true)", [agent_id])
        rows = connection.execute(
            f"select call_task_id from dialer.{view} order by call_task_id".encode()
        )
        return [row["call_task_id"] for row in rows]


class TestAssigning:
    def test_a_task_that_was_given_is_nobody_elses(self) -> None:
        first, second = add_tasks(2)
        assert assign("A2", second) == {second: "assigned"}
        assert claim("A1") == [first]
        assert claim("A2") == [second]

    def test_what_was_given_comes_before_the_common_list_and_after_repeats(self) -> None:
        common, given, called = add_tasks(3)
        assign("A1", given)
        record(called, "call-1", "no_answer", agent_id="A1")
        assert claim("A1") == [called, given, common]

    def test_a_lease_that_ends_returns_the_task_to_whom_it_was_given(self) -> None:
        [task_id] = add_tasks(1)
        assign("A1", task_id)
        assert claim("A1") == [task_id]
        as_admin("update dialer.call_task set lease_expires_at = now()")
        assert claim("A2") == []
        assert claim("A1") == [task_id]

    def test_a_claimed_task_is_taken_from_its_agent(self) -> None:
        [task_id] = add_tasks(1)
        claim("A1")
        assign("A2", task_id)
        assert claim("A1") == []
        assert claim("A2") == [task_id]

    def test_a_called_task_goes_to_another_agent_and_on_with_its_attempts(self) -> None:
        [task_id] = add_tasks(1)
        record(task_id, "call-1", "no_answer", agent_id="A1")
        assert assign("A2", task_id) == {task_id: "assigned"}
        assert pools(task_id) == {"total", "second"}
        assert claim("A1") == []
        assert claim("A2") == [task_id]
        record(task_id, "call-2", "no_answer", agent_id="A2", called_at=FIRST_CALL)
        assert task(task_id)["agent_id"] == "A2"
        assert assign("A1", task_id) == {task_id: "assigned"}
        assert claim("A1") == [task_id]

    def test_the_first_call_by_somebody_else_leaves_the_task_where_it_was_given(self) -> None:
        [task_id] = add_tasks(1)
        assign("A2", task_id)
        record(task_id, "call-1", "no_answer", agent_id="A1")
        assert claim("A1") == []
        assert claim("A2") == [task_id]

    def test_a_task_goes_back_to_all_unless_it_was_called(self) -> None:
        first, called = add_tasks(2)
        assign("A1", first)
        record(called, "call-1", "no_answer", agent_id="A1")
        assert assign(None, first, called) == {first: "assigned", called: "already_called"}
        assert claim("A2") == [first]

    def test_what_cannot_be_given_is_named_and_the_rest_is_given(self) -> None:
        first, second, closed = add_tasks(3)
        record(closed, "call-1", "accepted")
        assign("A1", second)
        assert assign("A1", first, second, closed, 999) == {
            first: "assigned",
            second: "unchanged",
            closed: "task_closed",
            999: "unknown_task",
        }
        assert task(closed)["assigned_agent_id"] is None

    @pytest.mark.parametrize("nobody", [None, ""])
    def test_who_gives_a_task_has_to_be_said(self, nobody: str | None) -> None:
        [task_id] = add_tasks(1)
        with pytest.raises(psycopg.errors.CheckViolation, match="who changes a task"):
            assign("A1", task_id, by=nobody)
        with pytest.raises(psycopg.errors.CheckViolation):
            assign("", task_id)
        assert task(task_id)["assigned_agent_id"] is None


class TestSharingOut:
    def test_tasks_are_dealt_in_turn_best_first(self) -> None:
        tasks = add_tasks(5)
        assert share_out(["A1", "A2"]) == {"A1": 3, "A2": 2}
        assert claim("A2") == tasks[1::2]
        assert claim("A1") == tasks[::2]

    def test_each_grade_has_its_own_people(self) -> None:
        others = add_tasks(2)
        best = add_tasks(2, prefix="D", tag="churn_warning", grade="mid_high_end")
        assert share_out(["A1"], customer_grade="mid_high_end") == {"A1": 2}
        assert share_out(["A2"], customer_grade="other") == {"A2": 2}
        assert claim("A1") == best
        assert claim("A2") == others

    def test_only_tasks_of_the_kind_and_only_as_many(self) -> None:
        north = add_tasks(3)
        add_tasks(3, prefix="D", tag="churn_warning", region="south")
        assert share_out(["A1"], region="north", revisit_tag="churn_warning") == {"A1": 0}
        assert share_out(["A1"], region="north", task_limit=2) == {"A1": 2}
        assert claim("A1", 2) == north[:2]

    def test_what_somebody_has_is_not_dealt(self) -> None:
        given, claimed, called, closed, free = add_tasks(5)
        record(called, "call-1", "busy", agent_id="A1")
        record(closed, "call-2", "accepted", agent_id="A1")
        assign("A1", given)
        assert claim("A3", 1) == [claimed]
        assert share_out(["A2"]) == {"A2": 1}
        assert task(free)["assigned_agent_id"] == "A2"

    @pytest.mark.parametrize("nobody", [[], [""]])
    def test_to_nobody(self, nobody: list[str]) -> None:
        add_tasks(1)
        with pytest.raises(psycopg.errors.CheckViolation):
            share_out(nobody)


class TestEditing:
    def test_the_hint_and_the_rank_change_and_what_is_not_named_stays(self) -> None:
        first, second = add_tasks(2)
        assert edit(second, hint="先致歉") == "edited"
        assert (task(second)["agent_hint"], task(second)["priority_rank"]) == ("先致歉", 2)
        assert edit(first, rank=3) == "edited"
        assert claim("A1") == [second, first]

    def test_what_cannot_be_is_named_and_changes_nothing(self) -> None:
        open_task, closed = add_tasks(2)
        record(closed, "call-1", "accepted")
        before = task(open_task), task(closed)
        assert edit(999, hint="x") == "unknown_task"
        assert edit(closed, hint="x") == "task_closed"
        assert edit(open_task) == "unchanged"
        assert edit(open_task, rank=1) == "unchanged"
        assert edit(open_task, rank=0) == "invalid_rank"
        for hint in ("a|b", "a\nb", "a;b", "x" * 256):
            assert edit(open_task, hint=hint) == "invalid_hint"
        assert (task(open_task), task(closed)) == before
        assert edit(open_task, hint="x" * 255) == "edited"

    def test_an_agent_edits_the_hint_of_his_own_task_alone(self) -> None:
        claimed, given, common = add_tasks(3)
        assign("A1", given)
        assert claim("A2", 1) == [claimed]
        assert edit_own("A1", given, "x") == "edited"
        assert edit_own("A1", claimed, "x") == "not_own_task"
        assert edit_own("A1", common, "x") == "not_own_task"
        assert edit_own("A2", claimed, "y") == "edited"
        assert [row["changed_by"] for row in changes()][1:] == ["A1", "A2"]


class TestRecord:
    def test_each_change_is_noted_with_who_when_and_both_states(self) -> None:
        [task_id] = add_tasks(1)
        claim("A1")
        assign("A2", task_id, by="ZG007")
        edit(task_id, hint="先致歉", rank=9)
        given, edited = changes()
        assert (given["call_task_id"], given["changed_by"]) == (task_id, "ZG007")
        assert given["before"] == {
            "status": "claimed",
            "agent_id": "A1",
            "assigned_agent_id": None,
            "priority_rank": 1,
            "agent_hint": None,
        }
        assert given["after"] == given["before"] | {
            "status": "open",
            "agent_id": None,
            "assigned_agent_id": "A2",
        }
        assert edited["before"] == given["after"]
        assert edited["after"] == edited["before"] | {"agent_hint": "先致歉", "priority_rank": 9}
        assert given["changed_at"] < edited["changed_at"] <= datetime.now(SHANGHAI)

    def test_calls_claims_and_what_changed_nothing_are_not_noted(self) -> None:
        [task_id] = add_tasks(1)
        claim("A1")
        record(task_id, "call-1", "no_answer")
        assign("A1", task_id)
        edit(task_id, rank=1)
        assert changes() == []

    def test_a_change_past_the_functions_is_noted_too(self) -> None:
        [task_id] = add_tasks(1)
        with database.connect(Role.TRANSFORMER) as connection:
            connection.execute("update dialer.call_task set agent_hint = 'x'")
            connection.execute(
                "update dialer.call_task set status = 'withdrawn', closed_at = now()"
            )
        edited, withdrawn = changes()
        assert (edited["call_task_id"], edited["changed_by"]) == (task_id, None)
        assert (edited["before"]["agent_hint"], edited["after"]["agent_hint"]) == (None, "x")
        assert withdrawn["after"]["status"] == "withdrawn"


class TestWhatAnAgentSees:
    def test_his_own_tasks_and_calls_alone(self) -> None:
        claimed, given, called, handed_on, others = add_tasks(5)
        assert claim("A1", 1) == [claimed]
        assign("A1", given)
        record(called, "call-1", "busy", agent_id="A1")
        record(handed_on, "call-2", "busy", agent_id="A2")
        record(others, "call-3", "accepted", agent_id="A2")
        assign("A1", handed_on)
        assert seen_by("A1", "own_task") == [claimed, given, called, handed_on]
        assert seen_by("A1", "own_revisit") == [called, handed_on]
        assert seen_by("A2", "own_task") == [others]
        assert seen_by("A2", "own_revisit") == [handed_on, others]

    @pytest.mark.parametrize("nobody", [None, ""])
    def test_nothing_when_nobody_is_named(self, nobody: str | None) -> None:
        add_tasks(1)
        assert seen_by(nobody, "own_task") == []
        assert seen_by(nobody, "own_revisit") == []


def test_earlier_calls_are_found_by_their_first_and_last_day() -> None:
    [task_id] = add_tasks(1)
    for number, called_at in enumerate(
        (
            datetime(2020, 3, 3, 23, 59, tzinfo=SHANGHAI),
            datetime(2020, 3, 4, 0, 0, tzinfo=SHANGHAI),
            datetime(2020, 3, 6, 0, 0, tzinfo=SHANGHAI) - timedelta(seconds=1),
        ),
        start=1,
    ):
        assert record(task_id, f"call-{number}", "no_answer", called_at=called_at) == "recorded"
    rows = database.fetch_all(
        Role.SUPERVISOR,
        """
        select attempt_number, outcome_name_zh, customer_id
        from dialer.revisit
        where called_date between %(first)s and %(last)s
        order by attempt_number
        """,
        first=date(2020, 3, 4),
        last=date(2020, 3, 5),
    )
    assert [row["attempt_number"] for row in rows] == [2, 3]
    assert {(row["outcome_name_zh"], row["customer_id"]) for row in rows} == {("无人接听", "C1")}
