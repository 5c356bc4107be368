"""The claim under load: fifty clients of the dialer empty a list of ten thousand tasks at once.

Every client is a connection of its own that asks again as soon as it has its answer, without the
minutes in which an agent would call. A task that two got, or nobody, is an error.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections import Counter
from datetime import date
from functools import cache
from pathlib import Path

from scripts.database import Connection, connect, fetch_all
from scripts.warehouse import Role
from tests.bench.claiming_client import START_LOCK, TASKS_PER_CLAIM, Claims
from tests.bench.histories import drop_database, use_database
from tests.bench.measure import Limit, Measure

CLIENTS = 50
PROCESSES = 10  # so that clients wait for the server, not for each other's interpreter
TASKS = 10_000
LIST_DATE = date(2020, 3, 2)  # long past, so that its tasks are due
PERCENTILE_MS = 50.0
START_SECONDS = 120


def measures(folder: Path) -> list[Measure]:
    """Return the limit of the slowest claims but one in a hundred."""
    return [
        Limit(
            f"{CLIENTS} clients claim {TASKS:,} tasks, each {TASKS_PER_CLAIM} at a time: p99 ms",
            _percentile_ms,
            PERCENTILE_MS,
        )
    ]


@cache
def _percentile_ms() -> float:
    use_database("claim")
    try:
        with connect(None) as connection:
            _publish(connection)
        claims = _claim_all()
        _assert_each_once(claims)
        return statistics.quantiles((seconds for _, seconds, _ in claims), n=100)[98] * 1000
    finally:
        drop_database("claim")


def _publish(connection: Connection) -> None:
    """Publish one list; every hour is one to call in."""
    connection.execute("truncate dialer.call_list, dialer.call_task cascade")
    connection.execute(
        "update dialer.call_rule set rule_value = case rule_name"
        " when 'first_call_hour' then 0 else 24 end"
        " where rule_name in ('first_call_hour', 'last_call_hour')"
    )
    connection.execute(
        """
        with list as (
            insert into dialer.call_list (business_date, revisit_tag, task_count)
            values (%(list_date)s, 'churn_warning', %(count)s)
            returning *
        )

        insert into dialer.call_task (
            call_list_id, business_date, customer_id, revisit_tag, phone_number, priority_rank,
            due_at
        )
        select call_list_id, business_date, 'C' || rank, revisit_tag, '13900000000', rank,
            published_at
        from list
        cross join generate_series(1, %(count)s) as rank
        """,
        {"list_date": LIST_DATE, "count": TASKS},
    )
    connection.execute("analyze dialer.call_task")


def _claim_all() -> Claims:
    """Let all clients start at the same moment; return agent, seconds and tasks of every claim."""
    each = CLIENTS // PROCESSES
    with connect(None) as gate:
        gate.execute("select pg_advisory_lock(%s)", [START_LOCK])
        gate.commit()
        processes = [
            subprocess.Popen(
                [sys.executable, "-m", "tests.bench.claiming_client", str(first), str(each)],
                stdout=subprocess.PIPE,
                text=True,
            )
            for first in range(0, CLIENTS, each)
        ]
        _wait_for_clients()
        gate.execute("select pg_advisory_unlock(%s)", [START_LOCK])
        gate.commit()
        answers = [process.communicate()[0] for process in processes]
    if any(process.returncode for process in processes):
        raise RuntimeError("a client of the dialer has failed")
    return [
        (agent, seconds, tasks)
        for answer in answers
        for agent, seconds, tasks in json.loads(answer)
    ]


def _wait_for_clients() -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        [row] = fetch_all(
            None,
            "select count(*) as waiting from pg_locks"
            " where locktype = 'advisory' and objid = %(lock)s and not granted",
            lock=START_LOCK,
        )
        if row["waiting"] == CLIENTS:
            return
        time.sleep(0.1)
    raise RuntimeError(f"not all {CLIENTS} clients came within {START_SECONDS} seconds")


def _assert_each_once(claims: Claims) -> None:
    got = Counter(task for _, _, tasks in claims for task in tasks)
    if len(got) != TASKS or set(got.values()) != {1}:
        raise RuntimeError(f"{len(got)} of {TASKS} tasks claimed, one up to {max(got.values())} ×")
    holders = {task: agent for agent, _, tasks in claims for task in tasks}
    rows = fetch_all(
        Role.DIALER, "select call_task_id, agent_id from dialer.call_task where status = 'claimed'"
    )
    if {row["call_task_id"]: row["agent_id"] for row in rows} != holders:
        raise RuntimeError("the dialer's tables do not say who got which task")
    if len({agent for agent, _, tasks in claims if tasks}) != CLIENTS:
        raise RuntimeError("a client got nothing, so the clients did not work at the same time")
