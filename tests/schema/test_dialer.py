"""The dialer's tables and functions: a task's life, who gets it, and what can never be stored."""

from __future__ import annotations

import contextlib
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, timedelta
from threading import Barrier
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
import pytest

from scripts import database
from scripts.warehouse import Role

SHANGHAI = ZoneInfo("Asia/Shanghai")
BUSINESS_DATE = date(2020, 3, 2)  # long past, so that its tasks are due
FIRST_CALL = datetime(2020, 3, 3, 9, 0, tzinfo=SHANGHAI)
TWO_DAYS = timedelta(days=2)
THREADS, TASKS_PER_CLAIM, TASK_COUNT = 50, 3, 500


@pytest.fixture
def dialer(warehouse_db: str) -> str:
    """Give the test a warehouse in which every hour is one to call in."""
    set_calling_hours(0, 24)
    return warehouse_db


def set_calling_hours(first: int, last: int) -> None:
    for name, hour in (("first_call_hour", first), ("last_call_hour", last)):
        as_admin(f"update dialer.call_rule set rule_value = {hour} where rule_name = '{name}'")


def add_tasks(
    count: int,
    *,
    business_date: date = BUSINESS_DATE,
    prefix: str = "C",
    tag: str = "risk_soothing",
    grade: str = "other",
    region: str = "north",
    rank: int | None = None,
) -> list[int]:
    """Publish one list with `count` tasks, ranked 1, 2, …, or all `rank`; return their ids."""
    with database.connect(Role.TRANSFORMER) as connection:
        rows = connection.execute(
            """
            with list as (
                insert into dialer.call_list (business_date, revisit_tag, task_count)
                values (%(business_date)s, %(tag)s, %(count)s)
                returning call_list_id, business_date, revisit_tag
            )

            insert into dialer.call_task (
                call_list_id, business_date, customer_id, revisit_tag, phone_number, customer_grade,
                region, priority_rank, due_at
            )
            select
                list.call_list_id,
                list.business_date,
                %(prefix)s || number,
                list.revisit_tag,
                '13900000000',
                %(grade)s,
                %(region)s,
                coalesce(%(rank)s, number),
                (list.business_date + 1 + time '09:00') at time zone 'Asia/Shanghai'
            from list
            cross join generate_series(1, %(count)s) as number
            order by number
            returning call_task_id
            """,
            {
                "business_date": business_date,
                "count": count,
                "prefix": prefix,
                "tag": tag,
                "grade": grade,
                "region": region,
                "rank": rank,
            },
        ).fetchall()
    return [row["call_task_id"] for row in rows]


def record(
    task_id: int,
    call_id: str,
    outcome: str,
    *,
    called_at: datetime | None = FIRST_CALL,
    agent_id: str | None = "A1",
    next_call_at: datetime | None = None,
    talk_seconds: int = 0,
) -> str:
    [row] = database.fetch_all(
        Role.DIALER,
        """
        select dialer.record_attempt(
            %(task_id)s, %(call_id)s, %(agent_id)s, %(called_at)s, %(outcome)s, %(talk_seconds)s,
            %(next_call_at)s
        ) as verdict
        """,
        task_id=task_id,
        call_id=call_id,
        agent_id=agent_id,
        called_at=called_at,
        outcome=outcome,
        talk_seconds=talk_seconds,
        next_call_at=next_call_at,
    )
    return str(row["verdict"])


def claim(agent_id: str | None, task_limit: int | None = 100, **kind: str) -> list[int]:
    """Return what the agent gets, in the order in which he gets it."""
    named = dict.fromkeys(("customer_grade", "revisit_tag", "region")) | kind
    rows = database.fetch_all(
        Role.DIALER,
        """
        select call_task_id
        from dialer.claim_tasks(
            %(agent_id)s, %(task_limit)s, %(customer_grade)s, %(revisit_tag)s, %(region)s
        )
        """,
        agent_id=agent_id,
        task_limit=task_limit,
        **named,
    )
    return [row["call_task_id"] for row in rows]


def task(task_id: int) -> dict[str, Any]:
    [row] = database.fetch_all(
        Role.DIALER,
        "select * from dialer.call_task where call_task_id = %(task_id)s",
        task_id=task_id,
    )
    return row


def attempts(task_id: int) -> list[dict[str, Any]]:
    return database.fetch_all(
        Role.DIALER,
        "select * from dialer.call_attempt where call_task_id = %(task_id)s"
        " order by attempt_number",
        task_id=task_id,
    )


def pools(task_id: int) -> set[str]:
    """Return the pools that hold a task."""
    row = database.fetch_all(
        Role.DIALER,
        """
        select
            %(id)s in (select call_task_id from dialer.pool_total) as total,
            %(id)s in (select call_task_id from dialer.pool_success) as success,
            %(id)s in (select call_task_id from dialer.pool_failed) as failed,
            %(id)s in (select call_task_id from dialer.pool_second) as second,
            %(id)s in (select call_task_id from dialer.pool_third) as third
        """,
        id=task_id,
    )[0]
    return {name for name, is_in in row.items() if is_in}


def kill(client: database.Connection) -> None:
    """End the client's server process, as when its machine has died."""
    database.fetch_all(
        None, "select pg_terminate_backend(%(pid)s, 5000)", pid=client.info.backend_pid
    )


def as_admin(statement: str) -> None:
    with database.connect(None) as connection:
        connection.execute(statement.encode())


@pytest.mark.usefixtures("dialer")
class TestLifeOfATask:
    def test_three_calls_that_reach_nobody_end_in_the_failed_pool(self) -> None:
        [task_id] = add_tasks(1)
        assert pools(task_id) == {"total"}

        assert record(task_id, "call-1", "no_answer") == "recorded"
        second_call = FIRST_CALL + TWO_DAYS
        assert pools(task_id) == {"total", "second"}
        assert task(task_id)["due_at"] == second_call
        assert task(task_id)["status"] == "open"
        assert task(task_id)["agent_id"] == "A1"

        assert record(task_id, "call-2", "busy", called_at=second_call) == "recorded"
        third_call = second_call + TWO_DAYS
        assert pools(task_id) == {"total", "third"}
        assert task(task_id)["due_at"] == third_call
        assert task(task_id)["agent_id"] == "A1"

        assert record(task_id, "call-3", "switched_off", called_at=third_call) == "recorded"
        closed = task(task_id)
        assert pools(task_id) == {"total", "failed"}
        assert (closed["status"], closed["closed_at"]) == ("failed", third_call)
        assert [row["attempt_number"] for row in attempts(task_id)] == [1, 2, 3]
        assert [row["next_call_at"] for row in attempts(task_id)] == [second_call, third_call, None]

        assert record(task_id, "call-4", "accepted", called_at=third_call + TWO_DAYS) == (
            "task_closed"
        )
        assert task(task_id) == closed
        assert len(attempts(task_id)) == 3

    @pytest.mark.parametrize("outcome", ["accepted", "refused"])
    def test_a_reached_customer_is_a_success_whatever_the_answer(self, outcome: str) -> None:
        [task_id] = add_tasks(1)
        record(task_id, "call-1", "no_answer")
        called_at = FIRST_CALL + TWO_DAYS
        assert record(task_id, "call-2", outcome, called_at=called_at, talk_seconds=60) == (
            "recorded"
        )
        assert pools(task_id) == {"total", "success"}
        assert (task(task_id)["status"], task(task_id)["closed_at"]) == ("succeeded", called_at)
        [success] = database.fetch_all(Role.DIALER, "select * from dialer.pool_success")
        assert (success["outcome_code"], success["called_at"]) == (outcome, called_at)

    def test_the_agent_may_choose_the_next_time(self) -> None:
        [task_id] = add_tasks(1)
        chosen = FIRST_CALL + timedelta(days=1, hours=3)
        record(task_id, "call-1", "busy", next_call_at=chosen)
        assert task(task_id)["due_at"] == chosen
        assert attempts(task_id)[0]["next_call_at"] == chosen

    def test_a_next_time_before_the_call_gives_way_to_the_default(self) -> None:
        [task_id] = add_tasks(1)
        record(task_id, "call-1", "busy", next_call_at=FIRST_CALL)
        assert task(task_id)["due_at"] == FIRST_CALL + TWO_DAYS

    def test_the_same_call_twice_changes_nothing(self) -> None:
        [task_id] = add_tasks(1)
        record(task_id, "call-1", "no_answer")
        before = task(task_id), attempts(task_id)
        assert record(task_id, "call-1", "accepted", called_at=FIRST_CALL + TWO_DAYS) == "duplicate"
        assert (task(task_id), attempts(task_id)) == before

    def test_the_call_that_closed_a_task_is_still_a_duplicate(self) -> None:
        [task_id] = add_tasks(1)
        record(task_id, "call-1", "accepted")
        assert record(task_id, "call-1", "accepted") == "duplicate"

    def test_what_does_not_fit_is_named_and_changes_nothing(self) -> None:
        first, second = add_tasks(2)
        record(first, "call-1", "no_answer")
        before = task(second)
        midnight = datetime(2020, 3, 3, tzinfo=SHANGHAI)
        assert record(999, "call-2", "no_answer") == "unknown_task"
        assert record(second, "call-2", "on_holiday") == "unknown_outcome"
        assert record(second, "call-1", "no_answer") == "call_id_of_other_task"
        assert record(second, "call-2", "busy", talk_seconds=-1) == "incomplete"
        assert record(second, "call-2", "busy", agent_id=None) == "incomplete"
        assert record(second, "", "busy") == "incomplete"
        assert record(second, "call-2", "busy", called_at=None) == "incomplete"
        too_early = midnight - timedelta(seconds=1)
        assert record(second, "call-2", "busy", called_at=too_early) == "called_before_list"
        assert task(second) == before
        assert attempts(second) == []
        assert record(second, "call-2", "busy", called_at=midnight) == "recorded"

    def test_a_late_delivered_call_counts_and_leaves_the_due_time(self) -> None:
        [task_id] = add_tasks(1)
        later = FIRST_CALL + timedelta(hours=5)
        record(task_id, "call-2", "no_answer", called_at=later)
        record(task_id, "call-1", "no_answer", called_at=FIRST_CALL)
        assert task(task_id)["due_at"] == later + TWO_DAYS
        assert task(task_id)["attempt_count"] == 2
        last = later + timedelta(minutes=-1)
        record(task_id, "call-3", "no_answer", called_at=last)
        assert (task(task_id)["status"], task(task_id)["closed_at"]) == ("failed", later)

    def test_the_limits_are_rules_and_not_code(self) -> None:
        [task_id] = add_tasks(1)
        as_admin("update dialer.call_rule set rule_value = 2 where rule_name = 'max_attempts'")
        as_admin("update dialer.call_rule set rule_value = 7 where rule_name = 'retry_after_days'")
        record(task_id, "call-1", "no_answer")
        assert task(task_id)["due_at"] == FIRST_CALL + timedelta(days=7)
        record(task_id, "call-2", "no_answer", called_at=FIRST_CALL + timedelta(days=7))
        assert task(task_id)["status"] == "failed"

    def test_another_agents_call_counts_but_the_task_stays_with_the_first(self) -> None:
        [task_id] = add_tasks(1)
        record(task_id, "call-1", "no_answer", agent_id="A1")
        record(task_id, "call-2", "no_answer", agent_id="A2", called_at=FIRST_CALL + TWO_DAYS)
        assert task(task_id)["agent_id"] == "A1"
        assert [row["agent_id"] for row in attempts(task_id)] == ["A1", "A2"]


@pytest.mark.usefixtures("dialer")
class TestClaiming:
    def test_due_tasks_come_in_the_order_of_the_list_and_only_once(self) -> None:
        tasks = add_tasks(5)
        assert claim("A1", 2) == tasks[:2]
        assert claim("A2", 2) == tasks[2:4]
        assert claim("A1") == tasks[4:]
        assert claim("A1") == []
        assert task(tasks[0])["status"] == "claimed"
        assert task(tasks[0])["agent_id"] == "A1"

    def test_no_limit_is_no_task_and_nobody_cannot_claim(self) -> None:
        add_tasks(1)
        assert claim("A1", 0) == claim("A1", -1) == claim("A1", None) == []
        for nobody in (None, ""):
            with pytest.raises(psycopg.errors.CheckViolation):
                claim(nobody)

    def test_a_task_that_is_not_due_stays(self) -> None:
        tomorrow = datetime.now(SHANGHAI).date() + timedelta(days=1)
        add_tasks(1, business_date=tomorrow)
        assert claim("A1") == []

    def test_after_a_call_only_its_agent_gets_the_task_and_first(self) -> None:
        fresh, called = add_tasks(2)
        record(called, "call-1", "no_answer", agent_id="A1")
        assert claim("A2") == [fresh]
        as_admin("update dialer.call_task set status = 'open', lease_expires_at = null")
        assert claim("A1", 1) == [called]

    def test_customers_are_called_from_the_first_hour_up_to_the_last(self) -> None:
        set_calling_hours(9, 21)
        row = database.fetch_all(
            Role.DIALER,
            """
            select
                dialer.is_calling_hour('2026-11-20 08:59:59.999999+08') as too_early,
                dialer.is_calling_hour('2026-11-20 09:00+08') as first,
                dialer.is_calling_hour('2026-11-20 20:59:59.999999+08') as last,
                dialer.is_calling_hour('2026-11-20 21:00+08') as too_late,
                dialer.is_calling_hour('2026-11-20 01:00+00') as first_elsewhere
            """,
        )[0]
        assert [name for name, may_call in row.items() if may_call] == [
            *("first", "last", "first_elsewhere"),
        ]

    def test_in_quiet_hours_nobody_gets_a_task(self) -> None:
        tasks = add_tasks(2)
        claim("A1", 1)
        as_admin("update dialer.call_task set lease_expires_at = now() where status = 'claimed'")
        set_calling_hours(0, 0)
        assert claim("A1") == []
        set_calling_hours(0, 24)
        assert claim("A1") == tasks

    def test_within_a_rank_the_order_is_random_and_stays(self) -> None:
        tasks = add_tasks(30, rank=1)
        first_of_next_rank = add_tasks(1, rank=2, tag="churn_warning", prefix="D")
        order = claim("A1")
        assert sorted(order[:-1]) == tasks
        assert order[:-1] != tasks
        assert order[-1:] == first_of_next_rank
        as_admin("update dialer.call_task set lease_expires_at = now()")
        assert [claim("A2", 1)[0] for _ in order] == order

    def test_another_list_of_the_same_customers_has_another_order(self) -> None:
        orders = []
        for days in range(2):
            add_tasks(30, rank=1, business_date=BUSINESS_DATE + timedelta(days=days))
            orders.append([task(task_id)["customer_id"] for task_id in claim("A1")])
            as_admin(
                "update dialer.call_task"
                " set status = 'withdrawn', closed_at = now(), lease_expires_at = null"
            )
        assert sorted(orders[0]) == sorted(orders[1])
        assert orders[0] != orders[1]

    def test_who_asks_for_a_kind_gets_no_other(self) -> None:
        [ordinary] = add_tasks(1)
        [best] = add_tasks(1, prefix="D", tag="churn_warning", grade="mid_high_end", region="south")
        assert claim("A1", region="east") == []
        assert claim("A1", customer_grade="mid_high_end", revisit_tag="risk_soothing") == []
        assert claim("A1", customer_grade="mid_high_end", region="south") == [best]
        record(best, "call-1", "no_answer", agent_id="A1")
        assert claim("A1", customer_grade="other", revisit_tag="risk_soothing") == [best, ordinary]

    def test_recording_ends_the_claim(self) -> None:
        [task_id] = add_tasks(1)
        claim("A1")
        record(task_id, "call-1", "no_answer")
        assert task(task_id)["status"] == "open"
        assert task(task_id)["lease_expires_at"] is None

    def test_a_lease_lasts_as_long_as_the_rule_says_and_then_returns_the_task(self) -> None:
        [task_id] = add_tasks(1)
        as_admin("update dialer.call_rule set rule_value = 45 where rule_name = 'lease_minutes'")
        claim("A1")
        left = task(task_id)["lease_expires_at"] - datetime.now(SHANGHAI)
        assert timedelta(minutes=44) < left <= timedelta(minutes=45)
        assert claim("A2") == []
        as_admin("update dialer.call_task set lease_expires_at = now()")
        assert claim("A2") == [task_id]
        assert task(task_id)["agent_id"] == "A2"

    def test_an_expired_lease_of_a_called_task_returns_to_its_agent_alone(self) -> None:
        [task_id] = add_tasks(1)
        record(task_id, "call-1", "no_answer", agent_id="A1")
        assert claim("A1") == [task_id]
        as_admin("update dialer.call_task set lease_expires_at = now()")
        assert claim("A2") == []
        assert claim("A1") == [task_id]

    def test_fifty_agents_at_once_get_every_task_once(self) -> None:
        tasks = add_tasks(TASK_COUNT)
        start = Barrier(THREADS)

        def work_until_empty(agent_number: int) -> list[int]:
            claimed: list[int] = []
            with database.connect(Role.DIALER) as connection:
                connection.commit()
                start.wait(timeout=60)
                while True:
                    rows = connection.execute(
                        "select call_task_id from dialer.claim_tasks(%s, %s)",
                        [f"A{agent_number}", TASKS_PER_CLAIM],
                    ).fetchall()
                    connection.commit()
                    if not rows:
                        return claimed
                    claimed += [row["call_task_id"] for row in rows]

        with ThreadPoolExecutor(THREADS) as pool:
            by_agent = list(pool.map(work_until_empty, range(THREADS)))
        assert sorted(task_id for claimed in by_agent for task_id in claimed) == tasks
        assert sum(bool(claimed) for claimed in by_agent) > 1, "only one agent got anything"

    def test_who_waits_for_nobody_skips_what_another_holds(self) -> None:
        first, second = add_tasks(2)
        with database.connect(Role.DIALER) as connection:
            held = connection.execute(
                "select call_task_id from dialer.claim_tasks('A1', 1)"
            ).fetchall()
            assert [row["call_task_id"] for row in held] == [first]
            assert claim("A2", 1) == [second]  # while the first transaction is still open

    def test_a_client_killed_while_it_claims_leaves_nothing_behind(self) -> None:
        tasks = add_tasks(2)
        with contextlib.suppress(psycopg.OperationalError), database.connect(Role.DIALER) as client:
            held = client.execute("select * from dialer.claim_tasks('A1', 2)").fetchall()
            assert [row["call_task_id"] for row in held] == tasks
            kill(client)
            client.commit()
        assert claim("A2") == tasks

    def test_a_client_killed_while_it_holds_tasks_gives_them_back_after_the_lease(self) -> None:
        tasks = add_tasks(3)
        with contextlib.suppress(psycopg.OperationalError), database.connect(Role.DIALER) as client:
            client.execute("select * from dialer.claim_tasks('A1', 2)")
            client.commit()
            kill(client)
        assert claim("A2") == tasks[2:]
        as_admin("update dialer.call_task set lease_expires_at = now() where agent_id = 'A1'")
        assert claim("A2") == tasks[:2]

    def test_the_same_call_from_two_sides_at_once_is_one_attempt(self) -> None:
        [task_id] = add_tasks(1)
        start = Barrier(THREADS)

        def report(_: int) -> str:
            start.wait(timeout=60)
            return record(task_id, "call-1", "no_answer")

        with ThreadPoolExecutor(THREADS) as pool:
            verdicts = list(pool.map(report, range(THREADS)))
        assert sorted(verdicts) == ["duplicate"] * (THREADS - 1) + ["recorded"]
        assert task(task_id)["attempt_count"] == 1


@pytest.mark.usefixtures("dialer")
class TestWhatCanNeverBeStored:
    def test_a_state_that_cannot_be(self) -> None:
        add_tasks(1)
        changes = [
            "attempt_count = 4",
            "attempt_count = -1",
            "attempt_count = 3, agent_id = 'A1'",  # still open
            "attempt_count = 1",  # called by nobody
            "closed_at = now()",
            "status = 'withdrawn'",
            "status = 'succeeded', closed_at = now()",  # without a call
            "status = 'failed', closed_at = now()",
            "status = 'claimed', agent_id = 'A1'",  # without a lease
            "status = 'claimed', lease_expires_at = now()",  # by nobody
            "lease_expires_at = now()",
            "status = 'lost'",
            "phone_number = ''",
            "priority_rank = 0",
            "customer_grade = 'best'",
            "assigned_agent_id = ''",
        ]
        for change in changes:
            with pytest.raises(psycopg.errors.CheckViolation):
                as_admin(f"update dialer.call_task set {change}")
                pytest.fail(f"stored: {change}")

    def test_a_called_task_keeps_its_agent(self) -> None:
        [task_id] = add_tasks(1)
        record(task_id, "call-1", "no_answer")
        with pytest.raises(psycopg.errors.CheckViolation, match="keeps the task"):
            as_admin("update dialer.call_task set agent_id = 'A2'")

    def test_a_decision_that_the_calls_do_not_bear_out(self) -> None:
        missed, reached = add_tasks(2)
        record(missed, "call-1", "no_answer")
        record(reached, "call-2", "refused")
        for task_id, status in ((missed, "succeeded"), (reached, "failed")):
            with pytest.raises(psycopg.errors.CheckViolation, match="not what its calls say"):
                as_admin(
                    f"update dialer.call_task set status = '{status}', closed_at = now()"
                    f" where call_task_id = {task_id}"
                )

    def test_two_open_tasks_of_one_customer(self) -> None:
        add_tasks(1)
        with pytest.raises(psycopg.errors.UniqueViolation):
            add_tasks(1, business_date=BUSINESS_DATE + timedelta(days=1))

    def test_a_closed_task_makes_room_for_the_next(self) -> None:
        [task_id] = add_tasks(1)
        record(task_id, "call-1", "accepted")
        assert add_tasks(1, business_date=BUSINESS_DATE + timedelta(days=1))

    def test_a_task_of_another_night_than_its_list(self) -> None:
        add_tasks(1)
        with pytest.raises(psycopg.errors.ForeignKeyViolation):
            as_admin("update dialer.call_task set business_date = business_date + 1")

    def test_a_fourth_attempt(self) -> None:
        [task_id] = add_tasks(1)
        with pytest.raises(psycopg.errors.CheckViolation):
            as_admin(
                "insert into dialer.call_attempt (call_task_id, attempt_number, call_id, agent_id,"
                " called_at, outcome_code, talk_seconds)"
                f" values ({task_id}, 4, 'call-4', 'A1', now(), 'busy', 0)"
            )


@pytest.mark.usefixtures("warehouse_db")
def test_everything_in_the_schema_says_what_a_row_is() -> None:
    relations = database.fetch_all(
        None,
        """
        select relname, obj_description(oid) as description
        from pg_class
        where relnamespace = 'dialer'::regnamespace and relkind in ('r', 'v')
        """,
    )
    assert len(relations) >= 11
    for relation in relations:
        assert (relation["description"] or "").startswith("One row per "), relation["relname"]
