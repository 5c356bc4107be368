"""Which tasks may be called on the day after a business date."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from scripts import database
from scripts.export_call_list.lines import Task
from scripts.warehouse import Role


def due_tasks(business_date: date, *, is_open_only: bool) -> Sequence[Task]:
    """Return the tasks to call on the day after `business_date`, in calling order.

    A list id is the date and a number of the tag (its place among all tags ever published), so it
    is the same whenever the night is written and never that of another night. A task's agent is
    the first person who called: a dialer's own user has no workplace to send it back to.
    """
    return database.fetch_all(
        Role.DIALER,
        """
        with night as (
            select
                (%(business_date)s::date + 1)::timestamp at time zone 'Asia/Shanghai' as end_at,
                (%(business_date)s::date + 2)::timestamp at time zone 'Asia/Shanghai'
                    as call_day_end_at
        ),

        numbered_tag as (
            select
                revisit_tag,
                row_number() over (order by min(call_list_id)) as tag_number
            from dialer.call_list
            group by revisit_tag
        ),

        attempt_until_night as (
            select
                call_attempt.call_task_id,
                count(*) as attempt_count,
                max(call_attempt.next_call_at) as next_call_at
            from dialer.call_attempt
            cross join night
            where call_attempt.called_at < night.end_at
            group by call_attempt.call_task_id
        ),

        first_person as (
            select distinct on (call_attempt.call_task_id)
                call_attempt.call_task_id,
                call_attempt.agent_id
            from dialer.call_attempt
            cross join night
            left join dialer.automatic_agent using (agent_id)
            where call_attempt.called_at < night.end_at and automatic_agent.agent_id is null
            order by call_attempt.call_task_id, call_attempt.called_at, call_attempt.attempt_number
        )

        select
            call_task.call_task_id,
            call_task.call_list_id,
            call_task.revisit_tag,
            to_char(%(business_date)s::date, 'YYYYMMDD')
                || lpad(numbered_tag.tag_number::text, 2, '0') as list_id,
            call_task.phone_number,
            call_task.customer_name,
            call_task.region,
            call_task.priority_rank,
            call_task.agent_hint,
            coalesce(attempt_until_night.attempt_count, 0) as attempt_count,
            case
                when attempt_until_night.attempt_count is null then call_task.assigned_agent_id
                when automatic_agent.agent_id is null then call_task.agent_id
                else first_person.agent_id
            end as agent_id
        from dialer.call_task
        cross join night
        inner join numbered_tag on call_task.revisit_tag = numbered_tag.revisit_tag
        left join attempt_until_night
            on call_task.call_task_id = attempt_until_night.call_task_id
        left join first_person on call_task.call_task_id = first_person.call_task_id
        left join dialer.automatic_agent on call_task.agent_id = automatic_agent.agent_id
        where
            call_task.business_date <= %(business_date)s
            and call_task.status <> 'withdrawn'
            and (call_task.closed_at is null or call_task.closed_at >= night.end_at)
            and (
                attempt_until_night.next_call_at is null
                or attempt_until_night.next_call_at < night.call_day_end_at
            )
            and (
                not %(is_open_only)s
                or (
                    call_task.attempt_count = coalesce(attempt_until_night.attempt_count, 0)
                    and (
                        call_task.status = 'open'
                        or (call_task.status = 'claimed' and call_task.lease_expires_at <= now())
                    )
                )
            )
        order by
            coalesce(attempt_until_night.attempt_count, 0) > 0 desc,
            call_task.business_date desc,
            call_task.priority_rank,
            call_task.call_task_id
        """,
        business_date=business_date,
        is_open_only=is_open_only,
    )
