"""Hand the planned call list of one night to the dialer: into dialer.call_list and call_task.

    python -m scripts.publish_call_list --business-date 2026-11-20 [--dry-run]

One transaction: all of the night's lists appear, or none. Refuses a list that gate 2 has not
passed, and one longer than `call_list_capacity`. A night that is already published stays as it
is; what the plan says differently now is counted. A customer whose task of another night is still
open is left out and counted. The dry run checks and counts the same, and writes nothing.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import psycopg

from scripts import database
from scripts.arguments import step_parser
from scripts.warehouse import Role

PUBLISH_LOCK = 20260431
GATE = "call_list"

log = logging.getLogger(__name__)

Connection = psycopg.Connection[dict[str, Any]]


@dataclass(frozen=True)
class PublishResult:
    """Counts of one night's publication.

    `open_task_count`: planned customers left out because another task of theirs is open.
    `difference_count`: only for a night published before; tasks that the plan has and the
    published lists lack, or the reverse, customers with another open task not counted.
    `list_counts`: tasks per revisit tag, as published now or before (dry run: as they would be).
    """

    business_date: date
    is_dry_run: bool
    is_already_published: bool
    planned_count: int
    published_count: int
    open_task_count: int
    difference_count: int = 0
    list_counts: Mapping[str, int] = field(default_factory=dict)


class PublishRefusedError(RuntimeError):
    """The planned list must not reach the dialer."""


def publish(business_date: date, *, is_dry_run: bool = False) -> PublishResult:
    """Publish the plan of `business_date`; PublishRefusedError says why it must not be."""
    with database.connect(Role.TRANSFORMER) as connection:
        if is_dry_run:
            connection.execute("set transaction read only")
        connection.execute("select pg_advisory_xact_lock(%s)", [PUBLISH_LOCK])
        _refuse_unless_gate_passed(connection, business_date)
        planned_count = _count_planned(connection, business_date)
        _refuse_above_capacity(connection, business_date, planned_count)
        published = _published_counts(connection, business_date)
        if published:
            result = _compare(connection, business_date, is_dry_run, planned_count, published)
        elif is_dry_run:
            result = _result(
                business_date, True, planned_count, _to_publish(connection, business_date)
            )
        else:
            result = _result(business_date, False, planned_count, _write(connection, business_date))
    _log(result)
    return result


def retention_parameter(connection: Connection, name: str) -> int:
    """Return a whole-number parameter of the decision (seeds/retention_parameter.csv)."""
    row = connection.execute(
        "select parameter_value::numeric::integer as parameter_value"
        " from marts.retention_parameter where parameter_name = %s",
        [name],
    ).fetchone()
    if row is None:
        raise LookupError(f"marts.retention_parameter has no row {name}")
    return int(row["parameter_value"])


def _refuse_unless_gate_passed(connection: Connection, business_date: date) -> None:
    verdicts = connection.execute(
        "select subject, expectation, is_success or severity <> 'error' as is_passed"
        " from ops.gate_result where gate = %s and business_date = %s"
        " order by subject, expectation",
        [GATE, business_date],
    ).fetchall()
    if not verdicts:
        raise PublishRefusedError(
            f"gate {GATE} has not checked the plan of {business_date}; "
            f"run: python -m expectations.gate_call_list --business-date {business_date}"
        )
    failed = [f"{row['subject']}: {row['expectation']}" for row in verdicts if not row["is_passed"]]
    if failed:
        raise PublishRefusedError(
            f"gate {GATE} did not pass the plan of {business_date}: {'; '.join(failed)}"
        )


def _count_planned(connection: Connection, business_date: date) -> int:
    [row] = connection.execute(
        "select count(*) as row_count from intermediate.planned_call_task where business_date = %s",
        [business_date],
    ).fetchall()
    return int(row["row_count"])


def _refuse_above_capacity(connection: Connection, business_date: date, planned_count: int) -> None:
    capacity = retention_parameter(connection, "call_list_capacity")
    if planned_count > capacity:
        raise PublishRefusedError(
            f"the plan of {business_date} has {planned_count} tasks, more than "
            f"call_list_capacity = {capacity} allows; nothing was published"
        )


def _published_counts(connection: Connection, business_date: date) -> dict[str, int]:
    rows = connection.execute(
        "select revisit_tag, task_count from dialer.call_list where business_date = %s"
        " order by revisit_tag",
        [business_date],
    )
    return {row["revisit_tag"]: row["task_count"] for row in rows}


def _compare(
    connection: Connection,
    business_date: date,
    is_dry_run: bool,
    planned_count: int,
    published: Mapping[str, int],
) -> PublishResult:
    """Count how far the plan and what was published before lie apart."""
    [row] = connection.execute(
        """
        with planned as (
            select customer_id, revisit_tag
            from intermediate.planned_call_task
            where business_date = %(business_date)s
        ),

        published as (
            select customer_id, revisit_tag
            from dialer.call_task
            where business_date = %(business_date)s
        ),

        open_elsewhere as (
            select customer_id
            from dialer.call_task
            where status in ('open', 'claimed') and business_date <> %(business_date)s
        ),

        not_published as (
            (select * from planned except select * from published)
        ),

        not_planned as (
            (select * from published except select * from planned)
        )

        select
            count(*) filter (where customer_id in (select customer_id from open_elsewhere))
                as open_task_count,
            count(*) filter (where customer_id not in (select customer_id from open_elsewhere))
                + (select count(*) from not_planned) as difference_count
        from not_published
        """,
        {"business_date": business_date},
    ).fetchall()
    return PublishResult(
        business_date=business_date,
        is_dry_run=is_dry_run,
        is_already_published=True,
        planned_count=planned_count,
        published_count=0,
        open_task_count=row["open_task_count"],
        difference_count=row["difference_count"],
        list_counts=published,
    )


def _to_publish(connection: Connection, business_date: date) -> dict[str, int]:
    rows = connection.execute(
        """
        select
            planned_call_task.revisit_tag,
            count(*) filter (where open_task.customer_id is null) as task_count
        from intermediate.planned_call_task
        left join dialer.call_task as open_task
            on
                planned_call_task.customer_id = open_task.customer_id
                and open_task.status in ('open', 'claimed')
        where planned_call_task.business_date = %s
        group by planned_call_task.revisit_tag
        order by planned_call_task.revisit_tag
        """,
        [business_date],
    )
    return {row["revisit_tag"]: row["task_count"] for row in rows}


def _write(connection: Connection, business_date: date) -> dict[str, int]:
    """Write the lists and their tasks; return how many tasks each list got.

    A task that the open-task index refuses is left out by `on conflict do nothing`, so that one
    customer never costs the others their call.
    """
    values = {"business_date": business_date}
    connection.execute(
        """
        insert into dialer.call_list (business_date, revisit_tag)
        select distinct business_date, revisit_tag
        from intermediate.planned_call_task
        where business_date = %(business_date)s
        order by revisit_tag
        """,
        values,
    )
    tasks = connection.execute(
        """
        insert into dialer.call_task (
            call_list_id, business_date, customer_id, subscription_id, revisit_tag, phone_number,
            customer_name, region, priority_rank, agent_hint, due_at
        )
        select
            call_list.call_list_id,
            planned_call_task.business_date,
            planned_call_task.customer_id,
            planned_call_task.subscription_id,
            planned_call_task.revisit_tag,
            planned_call_task.phone_number,
            planned_call_task.customer_name,
            planned_call_task.region,
            planned_call_task.priority_rank,
            planned_call_task.agent_hint,
            (planned_call_task.business_date + 1 + make_interval(hours => first_call.hour))
                at time zone 'Asia/Shanghai'
        from intermediate.planned_call_task
        cross join (
            select rule_value::integer as hour from dialer.call_rule
            where rule_name = 'first_call_hour'
        ) as first_call
        inner join dialer.call_list
            on
                planned_call_task.business_date = call_list.business_date
                and planned_call_task.revisit_tag = call_list.revisit_tag
        where planned_call_task.business_date = %(business_date)s
        order by planned_call_task.priority_rank, planned_call_task.customer_id
        on conflict do nothing
        returning revisit_tag
        """,
        values,
    ).fetchall()
    task_counts = Counter(task["revisit_tag"] for task in tasks)
    connection.cursor().executemany(
        "update dialer.call_list set task_count = %s where business_date = %s and revisit_tag = %s",
        [(count, business_date, tag) for tag, count in task_counts.items()],
    )
    return _published_counts(connection, business_date)


def _result(
    business_date: date, is_dry_run: bool, planned_count: int, list_counts: Mapping[str, int]
) -> PublishResult:
    published_count = sum(list_counts.values())
    return PublishResult(
        business_date=business_date,
        is_dry_run=is_dry_run,
        is_already_published=False,
        planned_count=planned_count,
        published_count=0 if is_dry_run else published_count,
        open_task_count=planned_count - published_count,
        list_counts=list_counts,
    )


def _log(result: PublishResult) -> None:
    lists = ", ".join(f"{tag} {count}" for tag, count in result.list_counts.items()) or "none"
    if result.is_already_published:
        log.info(
            "%s was published before, nothing added: lists %s; %d differences to the plan",
            result.business_date,
            lists,
            result.difference_count,
        )
        return
    log.info(
        "%s: %s lists %s; %d planned, %d left out because the customer has an open task",
        result.business_date,
        "dry run, would publish" if result.is_dry_run else "published",
        lists,
        result.planned_count,
        result.open_task_count,
    )


def main() -> int:
    parser = step_parser(__doc__)
    parser.add_argument("--dry-run", action="store_true", help="check and count, write nothing")
    arguments = parser.parse_args()
    try:
        publish(arguments.business_date, is_dry_run=arguments.dry_run)
    except PublishRefusedError as refusal:
        log.error("refused: %s", refusal)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
