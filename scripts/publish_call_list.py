"""Hand the planned call list of one night to the dialer: into dialer.call_list and call_task.

    python -m scripts.publish_call_list --business-date 2026-11-20
        [--release | --approve TAG --by STAFF_ID | --pull-back TAG --by STAFF_ID --reason TEXT]
        [--revisit-tag TAG] [--try NAME=VALUE]

Without a further word it shows the preview (scripts/preview_call_list.py) and makes a dry run,
which checks and counts as `--release` does and writes nothing.

One transaction: all of the night's lists appear, or none. Refuses a list that gate 2 has not
passed, and one longer than `call_list_capacity`. A list that asks for an approval waits for it, and
is published when `--release` is repeated; an approval holds for the customers who were planned when
it was given. Otherwise a night that is already published stays as it is; what the plan says
differently now is counted. A customer whose task of another night is still open is left out and
counted. A list is pulled back as long as nobody of it was called and no agent has a task of it.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import psycopg

from scripts import database
from scripts.arguments import step_parser
from scripts.preview_call_list import (
    PreviewError,
    add_preview_arguments,
    parse_tried,
    preview,
)
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
    `waiting_counts`: planned customers per revisit tag whose list waits for an approval.
    """

    business_date: date
    is_dry_run: bool
    is_already_published: bool
    planned_count: int
    published_count: int
    open_task_count: int
    difference_count: int = 0
    list_counts: Mapping[str, int] = field(default_factory=dict)
    waiting_counts: Mapping[str, int] = field(default_factory=dict)


class PublishRefusedError(RuntimeError):
    """The planned list must not reach the dialer, or not be approved or pulled back."""


def publish(business_date: date, *, is_dry_run: bool = False) -> PublishResult:
    """Publish the plan of `business_date`; PublishRefusedError says why it must not be."""
    with database.connect(Role.TRANSFORMER) as connection:
        if is_dry_run:
            connection.execute("set transaction read only")
        connection.execute("select pg_advisory_xact_lock(%s)", [PUBLISH_LOCK])
        _refuse_unless_gate_passed(connection, business_date)
        plan = _planned_lists(connection, business_date)
        _refuse_above_capacity(connection, business_date, plan)
        published = _published_counts(connection, business_date)
        released, waiting = _released_and_waiting(connection, business_date, plan, published)
        written = (
            _to_publish(connection, business_date, released)
            if is_dry_run
            else _write(connection, business_date, released)
        )
        planned = {row["revisit_tag"]: row["task_count"] for row in plan}
        open_task_count = sum(planned[tag] for tag in released) - sum(written.values())
        difference_count = 0
        if published:
            open_before, difference_count = _compare(
                connection, business_date, [*released, *waiting]
            )
            open_task_count += open_before
        result = PublishResult(
            business_date=business_date,
            is_dry_run=is_dry_run,
            is_already_published=bool(published),
            planned_count=sum(planned.values()),
            published_count=0 if is_dry_run else sum(written.values()),
            open_task_count=open_task_count,
            difference_count=difference_count,
            list_counts=dict(sorted({**published, **written}.items())),
            waiting_counts=waiting,
        )
    _log(result)
    return result


def approve(business_date: date, revisit_tag: str, approved_by: str) -> int:
    """Let a planned list go that waits for it; return how many customers it has.

    To approve the same plan again changes nothing. PublishRefusedError: there is no such list, it
    asks for no approval, it is published, or nobody on duty has that staff id.
    """
    with database.connect(Role.TRANSFORMER) as connection:
        connection.execute("select pg_advisory_xact_lock(%s)", [PUBLISH_LOCK])
        plan = {row["revisit_tag"]: row for row in _planned_lists(connection, business_date)}
        if revisit_tag not in plan:
            raise PublishRefusedError(f"no list {revisit_tag} is planned for {business_date}")
        if not plan[revisit_tag]["needs_approval"]:
            raise PublishRefusedError(f"the list {revisit_tag} asks for no approval")
        if revisit_tag in _published_counts(connection, business_date):
            raise PublishRefusedError(f"the list {revisit_tag} of {business_date} is published")
        refuse_unknown_staff(connection, approved_by)
        task_count = int(plan[revisit_tag]["task_count"])
        connection.execute(
            "insert into dialer.list_approval"
            " (business_date, revisit_tag, task_count, plan_digest, approved_by)"
            " values (%s, %s, %s, %s, %s) on conflict (business_date, revisit_tag) do update"
            " set task_count = excluded.task_count, plan_digest = excluded.plan_digest,"
            " approved_by = excluded.approved_by, approved_at = default"
            " where list_approval.plan_digest <> excluded.plan_digest",
            [
                business_date,
                revisit_tag,
                task_count,
                plan[revisit_tag]["plan_digest"],
                approved_by,
            ],
        )
    log.info(
        "%s: list %s with %d customers approved by %s; publish it with --release",
        business_date,
        revisit_tag,
        task_count,
        approved_by,
    )
    return task_count


def pull_back(business_date: date, revisit_tag: str, pulled_back_by: str, reason: str) -> int:
    """Withdraw the tasks of a published list of which nothing was called; return how many.

    To pull back the same list again changes nothing and returns 0. Files that were exported before
    have to be taken out of the dialer. PublishRefusedError: there is no such list, a customer of it
    was called or is in an agent's hands, or nobody on duty has that staff id.
    """
    with database.connect(Role.TRANSFORMER) as connection:
        connection.execute("select pg_advisory_xact_lock(%s)", [PUBLISH_LOCK])
        refuse_unknown_staff(connection, pulled_back_by)
        tasks = connection.execute(
            "select call_list_id, attempt_count,"
            " status = 'claimed' and lease_expires_at > now() as is_claimed"
            " from dialer.call_task where business_date = %s and revisit_tag = %s"
            " order by call_task_id for update",
            [business_date, revisit_tag],
        ).fetchall()
        if not tasks:
            raise PublishRefusedError(f"no list {revisit_tag} of {business_date} is published")
        called = sum(task["attempt_count"] > 0 for task in tasks)
        claimed = sum(task["is_claimed"] for task in tasks)
        if called or claimed:
            raise PublishRefusedError(
                f"of the list {revisit_tag} of {business_date} {called} customers were called and"
                f" {claimed} are in agents' hands; it stays"
            )
        withdrawn_count = connection.execute(
            "update dialer.call_task"
            " set status = 'withdrawn', closed_at = now(), lease_expires_at = null"
            " where business_date = %s and revisit_tag = %s and status in ('open', 'claimed')",
            [business_date, revisit_tag],
        ).rowcount
        connection.execute(
            "insert into dialer.list_pull_back (call_list_id, task_count, pulled_back_by, reason)"
            " values (%s, %s, %s, %s) on conflict do nothing",
            [tasks[0]["call_list_id"], withdrawn_count, pulled_back_by, reason],
        )
    log.info("%s: list %s pulled back, %d tasks", business_date, revisit_tag, withdrawn_count)
    return withdrawn_count


def retention_parameter(connection: Connection, name: str, business_date: date) -> int:
    """Return a whole-number parameter of the decision (seeds/retention_parameter.csv)."""
    row = connection.execute(
        "select parameter_value::numeric::integer as parameter_value"
        " from marts.retention_parameter where parameter_name = %(name)s"
        " and valid_from <= %(day)s and (valid_to is null or %(day)s < valid_to)",
        {"name": name, "day": business_date},
    ).fetchone()
    if row is None:
        raise LookupError(f"marts.retention_parameter has no row {name} for {business_date}")
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


def _refuse_above_capacity(
    connection: Connection, business_date: date, plan: list[dict[str, Any]]
) -> None:
    capacity = retention_parameter(connection, "call_list_capacity", business_date)
    planned_count = sum(row["task_count"] for row in plan)
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


def _planned_lists(connection: Connection, business_date: date) -> list[dict[str, Any]]:
    """Return the planned lists, with a digest of whom each would call."""
    return connection.execute(
        "select revisit_tag, bool_or(needs_approval) as needs_approval, count(*) as task_count,"
        " md5(string_agg(customer_id, '|' order by customer_id)) as plan_digest"
        " from intermediate.planned_call_task where business_date = %s"
        " group by revisit_tag order by revisit_tag",
        [business_date],
    ).fetchall()


def _released_and_waiting(
    connection: Connection,
    business_date: date,
    plan: list[dict[str, Any]],
    published: Collection[str],
) -> tuple[list[str], dict[str, int]]:
    """Return the tags whose lists may be written now, and what waits for an approval.

    Once a night is published, only what was approved since is added.
    """
    approved = {
        (row["revisit_tag"], row["plan_digest"])
        for row in connection.execute(
            "select revisit_tag, plan_digest from dialer.list_approval where business_date = %s",
            [business_date],
        )
    }
    released: list[str] = []
    waiting: dict[str, int] = {}
    for row in plan:
        tag = row["revisit_tag"]
        if tag in published:
            continue
        if not row["needs_approval"]:
            released += [] if published else [tag]
        elif (tag, row["plan_digest"]) in approved:
            released.append(tag)
        else:
            waiting[tag] = row["task_count"]
    return released, waiting


def refuse_unknown_staff(connection: Connection, staff_id: str) -> None:
    """Refuse who is no supervisor or service manager: a decision about a list needs a name."""
    found = connection.execute(
        "select 1 from staging.stg_crm__staff"
        " where staff_id = %s and staff_role in ('agent_supervisor', 'service_manager')"
        " and (left_date is null or left_date > as_of_date)",
        [staff_id],
    ).fetchone()
    if found is None:
        raise PublishRefusedError(f"{staff_id} is no supervisor or service manager in the CRM")


def _compare(
    connection: Connection, business_date: date, later_tags: Collection[str]
) -> tuple[int, int]:
    """Return what the plan has beyond the published lists because a task is open, and how far they
    lie apart otherwise; lists that are published now or later are not looked at.
    """
    [row] = connection.execute(
        """
        with planned as (
            select customer_id, revisit_tag
            from intermediate.planned_call_task
            where business_date = %(business_date)s and revisit_tag <> all(%(later_tags)s)
        ),

        published as (
            select customer_id, revisit_tag
            from dialer.call_task
            where business_date = %(business_date)s and revisit_tag <> all(%(later_tags)s)
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
        {"business_date": business_date, "later_tags": list(later_tags)},
    ).fetchall()
    return row["open_task_count"], row["difference_count"]


def _to_publish(
    connection: Connection, business_date: date, released: Collection[str]
) -> dict[str, int]:
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
        where
            planned_call_task.business_date = %(business_date)s
            and planned_call_task.revisit_tag = any(%(released)s)
        group by planned_call_task.revisit_tag
        order by planned_call_task.revisit_tag
        """,
        {"business_date": business_date, "released": list(released)},
    )
    return {row["revisit_tag"]: row["task_count"] for row in rows}


def _write(
    connection: Connection, business_date: date, released: Collection[str]
) -> dict[str, int]:
    """Write the lists and their tasks; return how many tasks each list got.

    A task that the open-task index refuses is left out by `on conflict do nothing`, so that one
    customer never costs the others their call.
    """
    values = {"business_date": business_date, "released": list(released)}
    connection.execute(
        """
        insert into dialer.call_list (business_date, revisit_tag)
        select distinct business_date, revisit_tag
        from intermediate.planned_call_task
        where business_date = %(business_date)s and revisit_tag = any(%(released)s)
        order by revisit_tag
        """,
        values,
    )
    tasks = connection.execute(
        """
        insert into dialer.call_task (
            call_list_id, business_date, customer_id, subscription_id, revisit_tag, phone_number,
            customer_name, region, customer_grade, priority_rank, agent_hint, due_at
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
            planned_call_task.customer_grade,
            planned_call_task.priority_rank,
            planned_call_task.agent_hint,
            (
                planned_call_task.business_date + 1
                + make_interval(hours => greatest(first_call.hour, planned_call_task.first_hour))
            ) at time zone 'Asia/Shanghai'
        from intermediate.planned_call_task
        cross join (
            select rule_value::integer as hour from dialer.call_rule
            where rule_name = 'first_call_hour'
        ) as first_call
        inner join dialer.call_list
            on
                planned_call_task.business_date = call_list.business_date
                and planned_call_task.revisit_tag = call_list.revisit_tag
        where
            planned_call_task.business_date = %(business_date)s
            and planned_call_task.revisit_tag = any(%(released)s)
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
    return {tag: task_counts[tag] for tag in released}


def _log(result: PublishResult) -> None:
    lists = ", ".join(f"{tag} {count}" for tag, count in result.list_counts.items()) or "none"
    if result.waiting_counts:
        waiting = ", ".join(f"{tag} {count}" for tag, count in result.waiting_counts.items())
        log.warning("%s: waiting for an approval: %s", result.business_date, waiting)
    if result.is_already_published and not result.published_count:
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


def _parser() -> argparse.ArgumentParser:
    parser = step_parser(__doc__)
    action = parser.add_mutually_exclusive_group()
    action.add_argument("--release", action="store_true", help="publish; without it nothing is")
    action.add_argument("--approve", metavar="TAG", help="let the list of this revisit tag go")
    action.add_argument(
        "--pull-back", metavar="TAG", help="withdraw the list of this revisit tag, if uncalled"
    )
    parser.add_argument("--by", metavar="STAFF_ID", help="who approves or pulls back")
    parser.add_argument("--reason", help="why the list is pulled back")
    add_preview_arguments(parser)
    return parser


def main() -> int:
    parser = _parser()
    options = parser.parse_args()
    if (options.approve or options.pull_back) and not options.by:
        parser.error("--approve and --pull-back need --by STAFF_ID")
    if options.pull_back and not options.reason:
        parser.error("--pull-back needs --reason TEXT")
    try:
        _act(options)
    except (PublishRefusedError, PreviewError) as refusal:
        log.error("refused: %s", refusal)
        return 1
    return 0


def _act(options: argparse.Namespace) -> None:
    night = options.business_date
    if options.approve:
        approve(night, options.approve, options.by)
    elif options.pull_back:
        pull_back(night, options.pull_back, options.by, options.reason)
    elif options.release:
        publish(night)
    else:
        tried = parse_tried(options.tried)
        sys.stdout.write(preview(night, revisit_tag=options.revisit_tag, tried=tried))
        publish(night, is_dry_run=True)


if __name__ == "__main__":
    raise SystemExit(main())
