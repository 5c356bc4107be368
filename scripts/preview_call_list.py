"""Show the night's lists, why the others are not called, and what other parameters would change.

    python -m scripts.preview_call_list --business-date 2026-11-20
        [--revisit-tag ring_back_tone] [--try call_cost_amount=8 --try retention.other.1=90]

Tonight is compared with the night before it. A value that is tried is read by the decision itself,
a chain of views (macros/tried.sql), in a transaction that writes nothing. Values to try are
those of seeds/retention_parameter.csv by name, of contact_limit.csv by limit_code, capacities by
team.grade.days, and of campaigns by <campaign>.propensity, .value_amount, .value_months,
.context_weight, .lever, .control_share and .is_enabled (0 or 1).
"""

from __future__ import annotations

import argparse
import io
import json
import sys
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any, LiteralString

from rich.console import Console

from scripts import database
from scripts.arguments import step_parser
from scripts.database import Connection
from scripts.summarize_run import WIDTH, print_table
from scripts.warehouse import Role

LISTS: LiteralString = """
    with tonight as (
        select
            campaign_code,
            max(revisit_tag) as revisit_tag,
            count(*) as candidate_count,
            count(*) filter (where is_eligible) as listed_count,
            count(*) filter (where drop_reason in ('global_control', 'campaign_control'))
                as control_count,
            round(sum(expected_profit_amount) filter (where is_eligible)) as profit_amount
        from marts.fct_retention_decision
        where business_date = %(business_date)s
        group by campaign_code
    ),

    last_night as (
        select
            campaign_code,
            count(*) filter (where is_eligible) as listed_count
        from marts.fct_retention_decision
        where business_date = %(last_night)s
        group by campaign_code
    )

    select
        campaign_code as "campaign",
        coalesce(tag_name_zh, '') as "in the operator's words",
        coalesce(tonight.candidate_count, 0) as "candidates",
        coalesce(tonight.listed_count, 0) as "to be called",
        coalesce(tonight.control_count, 0) as "controls",
        coalesce(last_night.listed_count, 0) as "last night",
        coalesce(tonight.profit_amount, 0) as "yuan expected"
    from tonight
    full join last_night using (campaign_code)
    left join marts.revisit_tag using (revisit_tag)
    where %(revisit_tag)s::text is null or revisit_tag = %(revisit_tag)s
    order by campaign_code
"""
REASONS: LiteralString = """
    with reason as (
        select
            drop_reason,
            count(*) filter (where business_date = %(business_date)s) as tonight,
            count(*) filter (where business_date = %(last_night)s) as last_night
        from marts.fct_retention_decision
        where
            business_date in (%(business_date)s, %(last_night)s)
            and not is_eligible
            and (%(revisit_tag)s::text is null or revisit_tag = %(revisit_tag)s)
        group by drop_reason
    )

    select
        drop_reason as "not called because",
        reason_zh as "in the operator's words",
        description as "which means",
        reason.tonight as "tonight",
        reason.last_night as "last night"
    from reason
    inner join marts.drop_reason using (drop_reason)
    order by reason_rank
"""
TRIED: LiteralString = """
    with decided as (
        select campaign_code, customer_id, is_eligible, expected_profit_amount
        from marts.fct_retention_decision
        where
            business_date = %(business_date)s
            and (%(revisit_tag)s::text is null or revisit_tag = %(revisit_tag)s)
    ),

    tried as (
        select campaign_code, customer_id, is_eligible, expected_profit_amount
        from intermediate.int_candidates_decided
        where %(revisit_tag)s::text is null or revisit_tag = %(revisit_tag)s
    )

    select
        campaign_code as "campaign",
        count(*) filter (where decided.is_eligible) as "to be called",
        count(*) filter (where tried.is_eligible) as "then",
        count(*) filter (where tried.is_eligible and decided.is_eligible is not true) as "added",
        count(*) filter (where decided.is_eligible and tried.is_eligible is not true)
            as "left out",
        coalesce(round(sum(decided.expected_profit_amount) filter (where decided.is_eligible)), 0)
            as "yuan expected",
        coalesce(round(sum(tried.expected_profit_amount) filter (where tried.is_eligible)), 0)
            as "yuan then"
    from decided
    full join tried using (campaign_code, customer_id)
    group by campaign_code
    order by campaign_code
"""
TRIABLE: LiteralString = """
    select parameter_name as name from marts.retention_parameter
    union all
    select limit_code from marts.contact_limit
    union all
    select concat_ws('.', team_code, customer_grade, window_days) from marts.team_capacity
    union all
    select campaign_code || '.' || attribute
    from marts.campaign
    cross join unnest(array[
        'propensity', 'value_amount', 'value_months', 'context_weight', 'lever', 'control_share',
        'is_enabled'
    ]) as attribute
"""
# These bound what is published or reported, which no preview does.
NOT_DECIDED_BY = {"call_list_capacity", "call_list_minimum_size", "task_trend_days"}


class PreviewError(ValueError):
    """What was asked for cannot be previewed; the message says why."""


def preview(
    business_date: date,
    *,
    revisit_tag: str | None = None,
    tried: Mapping[str, Decimal] | None = None,
) -> str:
    """Return the preview of a night as text; with `tried`, beside the decision with those values.

    Raises:
        PreviewError: Nothing was decided for the night, a parameter is unknown, or other values
            are to be tried for a night that was not the last to be decided.
    """
    with database.connect(Role.TRANSFORMER) as connection:
        connection.execute("set transaction read only")
        values = {
            "business_date": business_date,
            "last_night": _last_night(connection, business_date),
            "revisit_tag": revisit_tag,
        }
        lists = connection.execute(LISTS, values).fetchall()
        if not lists:
            raise PreviewError(
                f"nothing was decided for {revisit_tag or 'any tag'} on {business_date}"
            )
        reasons = connection.execute(REASONS, values).fetchall()
        compared = _try(connection, tried, values) if tried else []
    return _page(values, lists, reasons, tried or {}, compared)


def parse_tried(texts: Sequence[str]) -> dict[str, Decimal]:
    """Return name and value of each NAME=VALUE; PreviewError names one that is not."""
    tried = {}
    for text in texts:
        name, _, value = text.partition("=")
        try:
            tried[name.strip()] = Decimal(value.strip())
        except InvalidOperation:
            raise PreviewError(f"{text!r} is not NAME=NUMBER") from None
    return tried


def add_preview_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what a preview can be asked."""
    parser.add_argument("--revisit-tag", metavar="TAG", help="only the list of this revisit tag")
    parser.add_argument(
        "--try",
        dest="tried",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="compare with the decision that this parameter would give; may be repeated",
    )


def _last_night(connection: Connection, business_date: date) -> date | None:
    [row] = connection.execute(
        "select max(business_date) as last_night from marts.fct_retention_decision"
        " where business_date < %s",
        [business_date],
    ).fetchall()
    last_night: date | None = row["last_night"]
    return last_night


def _try(
    connection: Connection, tried: Mapping[str, Decimal], values: Mapping[str, Any]
) -> list[dict[str, Any]]:
    known = {row["name"] for row in connection.execute(TRIABLE)} - NOT_DECIDED_BY
    unknown = sorted(set(tried) - known)
    if unknown:
        raise PreviewError(
            f"there is no parameter {', '.join(unknown)}; there are: {', '.join(sorted(known))}"
        )
    night = night_that_stands(connection)
    if night != values["business_date"]:
        raise PreviewError(
            f"the views of the decision stand on {night or 'no night'}; to try other values decide"
            f" again: python -m scripts.run_dbt --stage decide"
            f" --business-date {values['business_date']}"
        )
    connection.execute(
        "select set_config('retention.tried', %s, true)",
        [json.dumps({name: str(value) for name, value in tried.items()})],
    )
    return connection.execute(TRIED, values).fetchall()


def night_that_stands(connection: Connection) -> date | None:
    """Return the night that the views of the decision are for; None if there are none now."""
    [row] = connection.execute(
        "select to_regclass('intermediate.int_candidates_decided') is not null as is_there"
    ).fetchall()
    if not row["is_there"]:
        return None
    [stands] = connection.execute(
        "select business_date from intermediate.int_retention_parameters_pivoted"
    ).fetchall()
    night: date = stands["business_date"]
    return night


def _page(
    values: Mapping[str, Any],
    lists: list[dict[str, Any]],
    reasons: list[dict[str, Any]],
    tried: Mapping[str, Decimal],
    compared: list[dict[str, Any]],
) -> str:
    page = io.StringIO()
    console = Console(file=page, width=WIDTH)
    console.rule(f"Call lists of {values['business_date']}")
    compared_with = values["last_night"] or "none"
    print_table(console, f"What is called (last night: {compared_with})", lists)
    print_table(console, "Why the others are not", reasons)
    if tried:
        changes = ", ".join(f"{name} = {value}" for name, value in tried.items())
        print_table(console, f"With {changes}", compared)
    return page.getvalue()


def main() -> int:
    parser = step_parser(__doc__)
    add_preview_arguments(parser)
    options = parser.parse_args()
    try:
        page = preview(
            options.business_date,
            revisit_tag=options.revisit_tag,
            tried=parse_tried(options.tried),
        )
    except PreviewError as problem:
        sys.stderr.write(f"{problem}\n")
        return 1
    sys.stdout.write(page)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
