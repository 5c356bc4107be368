"""Add customers to a planned call list, or take them out, before it is released; on record.

    python -m scripts.adjust_call_list --business-date 2026-11-20
        [--revisit-tag TAG --by STAFF_ID --reason TEXT [--add CUSTOMER …] [--take-out CUSTOMER …]]

Without a customer it shows the lists that wait (marts.rpt_pending_task). Whoever is added was a
candidate of the list's campaign in the same night, and nothing spoke against the call but that
there was no place: what the decision excluded stays excluded, and so do the control groups. One
customer who cannot be added or taken out refuses them all. Then the plan is built again and gate 2
checks it; an approval that was given before holds no longer.
"""

from __future__ import annotations

import argparse
import io
import logging
import sys
from collections.abc import Sequence
from datetime import date
from typing import LiteralString

from rich.console import Console

from scripts import database, nightly_steps, run_dbt
from scripts.arguments import step_parser
from scripts.database import Connection
from scripts.preview_call_list import night_that_stands
from scripts.publish_call_list import PUBLISH_LOCK, PublishRefusedError, refuse_unknown_staff
from scripts.summarize_run import WIDTH, print_table
from scripts.warehouse import Role

# Why a customer cannot be added to the list or taken out of it; null: he can.
OBJECTIONS: LiteralString = """
    with asked as (
        select unnest(%(added)s::text []) as customer_id, true as is_added
        union all
        select unnest(%(taken_out)s::text []), false
    )

    select
        asked.customer_id,
        asked.is_added,
        case
            when not asked.is_added and planned.revisit_tag is distinct from %(revisit_tag)s
                then 'is not on the list'
            when not asked.is_added then null
            when planned.revisit_tag is not null then 'is on the list ' || planned.revisit_tag
            when decision.customer_id is null then 'is no candidate of its campaign'
            when cardinality(decision.exclusion_reasons) > 0
                then 'is excluded: ' || array_to_string(decision.exclusion_reasons, ', ')
            when
                campaign.is_held_out
                and (decision.is_global_control or decision.is_campaign_control)
                then 'belongs to a control group'
            when open_task.customer_id is not null then 'has an open task'
        end as objection
    from asked
    left join intermediate.planned_call_task as planned
        on asked.customer_id = planned.customer_id and planned.business_date = %(business_date)s
    left join marts.fct_retention_decision as decision
        on
            asked.customer_id = decision.customer_id
            and decision.business_date = %(business_date)s
            and decision.revisit_tag = %(revisit_tag)s
    left join intermediate.int_campaigns_in_force as campaign
        on decision.campaign_code = campaign.campaign_code
    left join dialer.call_task as open_task
        on
            asked.customer_id = open_task.customer_id
            and open_task.status in ('open', 'claimed')
    order by asked.customer_id
"""
PENDING: LiteralString = """
    select
        revisit_tag as "list",
        task_name as "in the operator's words",
        task_state as "state",
        customer_count as "customers",
        added_count as "added",
        taken_out_count as "taken out",
        to_char(first_call_at at time zone 'Asia/Shanghai', 'YYYY-MM-DD HH24:MI') as "from",
        coalesce(array_to_string(policy_codes, ' '), '') as "policies"
    from marts.rpt_pending_task
    where business_date = %(business_date)s
    order by revisit_tag
"""

log = logging.getLogger(__name__)


def adjust(
    business_date: date,
    revisit_tag: str,
    *,
    added: Sequence[str],
    taken_out: Sequence[str],
    adjusted_by: str,
    reason: str,
) -> None:
    """Note the changes of a list that is not released, build the plan again and check it.

    Raises:
        PublishRefusedError: The list is released, another night was decided since, nobody on duty
            has that staff id, or a customer cannot be added or taken out; nothing is changed.
    """
    with database.connect(Role.TRANSFORMER) as connection:
        connection.execute("select pg_advisory_xact_lock(%s)", [PUBLISH_LOCK])
        refuse_unknown_staff(connection, adjusted_by)
        _refuse_unless_pending(connection, business_date, revisit_tag)
        changes = connection.execute(
            OBJECTIONS,
            {
                "business_date": business_date,
                "revisit_tag": revisit_tag,
                "added": list(added),
                "taken_out": list(taken_out),
            },
        ).fetchall()
        objections = [
            f"{change['customer_id']} {change['objection']}"
            for change in changes
            if change["objection"]
        ]
        if objections:
            raise PublishRefusedError(f"the list {revisit_tag} stays: {'; '.join(objections)}")
        connection.cursor().executemany(
            "insert into dialer.list_adjustment"
            " (business_date, revisit_tag, customer_id, is_added, adjusted_by, reason)"
            " values (%s, %s, %s, %s, %s, %s)",
            [
                (
                    business_date,
                    revisit_tag,
                    change["customer_id"],
                    change["is_added"],
                    adjusted_by,
                    reason,
                )
                for change in changes
            ],
        )
    build_plan(business_date)
    nightly_steps.check_call_list(business_date)
    log.info(
        "%s: list %s adjusted by %s: %d added, %d taken out",
        business_date,
        revisit_tag,
        adjusted_by,
        len(added),
        len(taken_out),
    )


def build_plan(business_date: date) -> None:
    """Build the planned list and what shows it: the decision that it rests on stays as it is."""
    command = ["build", "--select", "planned_call_task+", "--exclude-resource-type", "unit_test"]
    run_dbt.run(command, {"business_date": business_date.isoformat()})


def pending(business_date: date) -> str:
    """Return the lists that wait for their release as text."""
    page = io.StringIO()
    rows = database.fetch_all(Role.TRANSFORMER, PENDING, business_date=business_date)
    print_table(Console(file=page, width=WIDTH), f"Lists of {business_date} that wait", rows)
    return page.getvalue()


def _refuse_unless_pending(connection: Connection, business_date: date, revisit_tag: str) -> None:
    night = night_that_stands(connection)
    if night != business_date:
        raise PublishRefusedError(
            f"the plan that stands is of {night or 'no night'}, not of {business_date}"
        )
    decided = connection.execute(
        "select 1 from marts.fct_retention_decision"
        " where business_date = %s and revisit_tag = %s and is_eligible limit 1",
        [business_date, revisit_tag],
    ).fetchone()
    if decided is None:
        raise PublishRefusedError(f"no list {revisit_tag} is planned for {business_date}")
    published = connection.execute(
        "select 1 from dialer.call_list where business_date = %s and revisit_tag = %s",
        [business_date, revisit_tag],
    ).fetchone()
    if published is not None:
        raise PublishRefusedError(f"the list {revisit_tag} of {business_date} is published")


def _parser() -> argparse.ArgumentParser:
    parser = step_parser(__doc__)
    parser.add_argument("--revisit-tag", metavar="TAG", help="the list to adjust")
    parser.add_argument("--add", metavar="CUSTOMER", nargs="+", default=[], help="whom to call too")
    parser.add_argument(
        "--take-out", metavar="CUSTOMER", nargs="+", default=[], help="whom not to call"
    )
    parser.add_argument("--by", metavar="STAFF_ID", help="who adjusts the list")
    parser.add_argument("--reason", metavar="TEXT", help="why")
    return parser


def main() -> int:
    parser = _parser()
    options = parser.parse_args()
    is_change = bool(options.add or options.take_out)
    if is_change and not (options.revisit_tag and options.by and options.reason):
        parser.error("--add and --take-out need --revisit-tag, --by and --reason")
    if not is_change:
        sys.stdout.write(pending(options.business_date))
        return 0
    try:
        adjust(
            options.business_date,
            options.revisit_tag,
            added=options.add,
            taken_out=options.take_out,
            adjusted_by=options.by,
            reason=options.reason,
        )
    except (PublishRefusedError, nightly_steps.StepFailed) as refusal:
        log.error("refused: %s", refusal)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
