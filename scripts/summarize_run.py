"""Say in one page what a night did: loads, gates, warnings, model, call list, time per step.

python -m scripts.summarize_run --business-date 2026-11-20
"""

from __future__ import annotations

import io
import sys
from collections.abc import Iterable
from datetime import date
from typing import Any, LiteralString

from rich.console import Console
from rich.padding import Padding
from rich.table import Table

from scripts.arguments import step_parser
from scripts.assess_staleness import tell
from scripts.database import fetch_all
from scripts.export_folder import export_dir
from scripts.warehouse import Role, data_dir, is_embedded

WIDTH = 118
FIRST_TASKS = 10

LOADS: LiteralString = """
    select
        source || '.' || extract as "extract",
        count(distinct business_date) as "deliveries",
        sum(rows_read) as "rows read",
        sum(rows_loaded) as "loaded",
        sum(rows_rejected) as "rejected",
        sum(rows_loaded) filter (where business_date = %(business_date)s) as "loaded tonight",
        coalesce(string_agg(error, '; ') filter (where status = 'failed'), '') as "not loaded"
    from ops.extract_load
    where business_date <= %(business_date)s and status in ('loaded', 'failed')
    group by source, extract
    order by source, extract
"""
# Extracts of a source that are equally old and affect the same stand in one row.
STALE: LiteralString = """
    with resting as (
        select source, extract, string_agg(relation, ', ' order by relation) as relations
        from ops.stale_relation
        where business_date = %(business_date)s
        group by source, extract
    )

    select
        source || ' (' || string_agg(extract, ', ' order by extract) || ')' as subject,
        cause,
        last_loaded_date,
        relations
    from ops.extract_staleness
    left join resting using (source, extract)
    where business_date = %(business_date)s and is_stale
    group by source, last_loaded_date, cause, relations
    order by relations is null, source, last_loaded_date
"""
# What was not delivered stands among what is stale.
NOT_MET: LiteralString = """
    select gate, severity, subject, expectation, coalesce(observed, '') as observed
    from ops.gate_result
    where
        business_date = %(business_date)s and not is_success
        and expectation <> 'delivered tonight'
    order by gate desc, severity, subject, expectation
"""
WARNINGS: LiteralString = """
    select
        rule_code as "rule",
        risk_level as "level",
        count(*) as "subscriptions",
        count(*) filter (where is_new) as "new tonight"
    from marts.fct_risk_warning
    where business_date = %(business_date)s
    group by rule_code, risk_level
    order by rule_code
"""
ORDERS: LiteralString = """
    select
        opened.owner_team as "department",
        count(*) filter (where opened.opened_date = %(business_date)s) as "opened tonight",
        count(*) filter (where held.order_state in ('open', 'dispatched')) as "to be done",
        count(*) filter (where held.order_state = 'reopened') as "reopened",
        count(*) filter (where held.order_state = 'done') as "to be verified",
        count(*) filter (
            where held.order_state = 'verified' and held.valid_from = %(business_date)s
        ) as "verified tonight",
        count(*) filter (
            where
            held.order_state in ('open', 'dispatched', 'reopened')
            and opened.due_date < %(business_date)s
        ) as "overdue"
    from marts.fct_remediation_order_state as held
    inner join intermediate.int_remediation_order_opened as opened using (remediation_order_id)
    where
        held.valid_from <= %(business_date)s
        and (held.valid_to is null or held.valid_to > %(business_date)s)
    group by opened.owner_team
    order by opened.owner_team
"""
# What is refused on tonight's or a later day; what is over is of no use to anybody.
REFUSED_POLICIES: LiteralString = """
    select
        policy_code || ' ' || policy_name as "policy refused",
        conflicting_policy_code || ' ' || conflicting_policy_name as "clashes with",
        string_agg(distinct star_level::text, ' ' order by star_level::text) as "star levels",
        min(valid_from)::text as "from"
    from marts.dim_retention_policy
    where not is_accepted and coalesce(valid_to, 'infinity') > %(business_date)s
    group by policy_code, policy_name, conflicting_policy_code, conflicting_policy_name
    order by policy_code
"""
# Of several models that have scored the night, the one that did so last.
DRIFT: LiteralString = """
    select
        feature as "feature or score",
        round(stability_index::numeric, 2) as "stability index",
        drift_level as "level"
    from ml.feature_drift
    where
        business_date = %(business_date)s
        and drift_level <> 'stable'
        and model_version = (
            select newest.model_version
            from ml.feature_drift as newest
            where newest.business_date = %(business_date)s
            order by newest.measured_at desc
            limit 1
        )
    order by stability_index desc, feature
"""
DECISIONS: LiteralString = """
    select
        revisit_tag as "revisit tag",
        case when is_eligible then 'on the list' else 'dropped: ' || drop_reason end as "decision",
        count(*) as "customers"
    from marts.fct_retention_decision
    where business_date = %(business_date)s
    group by revisit_tag, is_eligible, drop_reason
    order by revisit_tag, is_eligible desc, drop_reason
"""
TASKS: LiteralString = """
    select
        call_task_id as "task",
        revisit_tag as "revisit tag",
        customer_id as "customer",
        left(phone_number, 3) || '****' || right(phone_number, 4) as "phone",
        priority_rank as "rank",
        agent_hint as "hint for the agent"
    from dialer.call_task
    where business_date = %(business_date)s
    order by priority_rank, call_task_id
    limit %(limit)s
"""
POOLS: LiteralString = """
    select
        count(*) as "total",
        count(*) filter (where status = 'succeeded') as "succeeded",
        count(*) filter (where status = 'failed') as "failed",
        count(*) filter (where status in ('open', 'claimed') and attempt_count = 0) as "not called",
        count(*) filter (where status in ('open', 'claimed') and attempt_count = 1) as "second",
        count(*) filter (where status in ('open', 'claimed') and attempt_count = 2) as "third"
    from dialer.call_task
    where business_date = %(business_date)s
"""
OUTCOMES: LiteralString = """
    select
        outcome_name as "outcome",
        outcome_name_zh as "in the operator's words",
        count(*) as "calls",
        round(avg(talk_seconds)) as "seconds on average"
    from dialer.call_attempt
    inner join dialer.call_task using (call_task_id)
    inner join dialer.outcome_code using (outcome_code)
    where business_date = %(business_date)s
    group by outcome_name, outcome_name_zh
    order by count(*) desc, outcome_name
"""
STEPS: LiteralString = """
    select distinct on (step)
        step,
        status,
        round(extract(epoch from finished_at - started_at), 1) as seconds,
        coalesce(message, '') as message,
        counts,
        started_at
    from ops.step_run
    where business_date = %(business_date)s
    order by step, step_run_id desc
"""


def summarize(business_date: date) -> str:
    """Return the summary of a night as text; what has not run yet is left out."""
    page = io.StringIO()
    console = Console(file=page, width=WIDTH)
    console.rule(f"Night of {business_date}")
    steps = sorted(_rows(STEPS, business_date), key=lambda step: step["started_at"])
    done = {step["step"] for step in steps if step["status"] == "success"}
    print_table(console, "Extracts", _rows(LOADS, business_date))
    if "assess_staleness" in done:
        _print_stale(console, _rows(STALE, business_date), is_marked="transform" in done)
    print_table(console, "Expectations not met", _rows(NOT_MET, business_date))
    if "transform" in done:
        print_table(console, "Risk warnings", _rows(WARNINGS, business_date))
        print_table(console, "Remediation orders", _rows(ORDERS, business_date))
        print_table(console, "Policies refused", _rows(REFUSED_POLICIES, business_date))
    _print_model(console, steps)
    if "score" in done:
        print_table(console, "Moved since the model was made", _rows(DRIFT, business_date))
    if "decide" in done:
        print_table(console, "Decisions", _rows(DECISIONS, business_date))
    if "publish_call_list" in done:
        print_table(console, "Call tasks by pool", _rows(POOLS, business_date))
        print_table(console, f"First {FIRST_TASKS} tasks", _rows(TASKS, business_date))
    print_table(console, "Steps", [_step_row(step) for step in steps])
    _print_places(console, business_date)
    return page.getvalue()


def summarize_calls(business_date: date) -> str:
    """Return what became of a night's list so far as text: tasks by pool, attempts by outcome."""
    page = io.StringIO()
    console = Console(file=page, width=WIDTH)
    console.rule(f"Calls from the list of {business_date}")
    print_table(console, "Calls by outcome", _rows(OUTCOMES, business_date))
    print_table(console, "Call tasks by pool", _rows(POOLS, business_date))
    return page.getvalue()


def _rows(query: LiteralString, business_date: date) -> list[dict[str, Any]]:
    return fetch_all(Role.TRANSFORMER, query, business_date=business_date, limit=FIRST_TASKS)


def print_table(console: Console, title: str, rows: list[dict[str, Any]]) -> None:
    if not rows:
        console.print(f"{title}: none\n")
        return
    table = Table(title=title, title_justify="left", title_style="bold")
    for name, value in rows[0].items():
        table.add_column(name, justify="left" if isinstance(value, str) else "right")
    for row in rows:
        table.add_row(*(_cell(value) for value in row.values()))
    console.print(table)


def _print_stale(console: Console, rows: list[dict[str, Any]], *, is_marked: bool) -> None:
    """Print what is old tonight, and which relations show it; before the models run: unknown."""
    if not rows:
        console.print("Stale tonight: nothing\n")
        return
    unaffected = "nothing rests on it" if is_marked else "the models have not run"
    console.print("Stale tonight:", style="bold")
    for row in rows:
        affected = f"affects {row['relations']}" if row["relations"] else unaffected
        told = tell(row["cause"], row["last_loaded_date"])
        console.print(Padding(f"{row['subject']}: {told}; {affected}", (0, 0, 0, 2)))
    console.print()


def _cell(value: object) -> str:
    if value is None:
        return "-"
    return value if isinstance(value, str) else f"{value:,}"


def _print_model(console: Console, steps: Iterable[dict[str, Any]]) -> None:
    by_name = {step["step"]: step for step in steps}
    champion = by_name.get("ensure_champion", {}).get("counts") or {}
    scoring = by_name.get("score", {})
    if champion:
        console.print(
            f"Churn model: version {champion['model_version']}, out-of-time AUC "
            f"{champion['out_of_time_auc']:.3f} on {champion['out_of_time_customers']:,} "
            f"customers; {scoring.get('counts', {}).get('customers_scored', 0):,} scored tonight\n"
        )
    elif "ensure_champion" in by_name:
        console.print(f"Churn model: none. {by_name['ensure_champion']['message']}\n")


def _step_row(step: dict[str, Any]) -> dict[str, Any]:
    return {name: step[name] for name in ("step", "status", "seconds", "message")}


def _print_places(console: Console, business_date: date) -> None:
    place = str(data_dir()) if is_embedded() else "the server in WAREHOUSE_URL"
    console.print(f"Warehouse: {place} (make psql)", soft_wrap=True)
    console.print(
        f"Exported files: {export_dir() / business_date.isoformat()}",
        soft_wrap=True,
    )


def main() -> int:
    options = step_parser(__doc__).parse_args()
    sys.stdout.write(summarize(options.business_date))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
