"""What a night's decision reads, drawn inside PostgreSQL for any number of customers.

Shares are plausible, and every campaign, control and drop reason occurs but that of a holiday's
eve. The nights before have called half of what the teams can take on.
"""

from __future__ import annotations

from datetime import date
from typing import LiteralString

from scripts.database import Connection
from scripts.raw_tables import settle
from tests.bench.operator_rows import deliver

# %(day)s is the business date, %(customers)s how many there are.
DELIVERED: dict[str, LiteralString] = {
    "crm.do_not_call": """
        insert into raw.crm__do_not_call
        select
            '161' || lpad(customer::text, 8, '0'),
            case when customer %% 3 = 0 then 'marketing' else 'all' end, 'C' || customer, 'hotline',
            '2026-01-01'::timestamptz, case when customer %% 4 = 0 then '2026-10-01'::date end,
            %(day)s::date, 1
        from generate_series(1, %(customers)s, 70) as customer
    """,
    "crm.contract": """
        insert into raw.crm__contract
        select
            'K' || line, 'B' || line, 'C' || line,
            (array['minimum_term', 'device_subsidy', 'prepaid_discount'])[1 + line / 2 %% 3],
            case when line %% 32 = 0 and version > 1 then 'terminated' else 'active' end,
            term.start_date::timestamptz, term.start_date, term.start_date + 730, null, 99, 0, 0,
            term.start_date::timestamptz + (version - 1) * interval '1 day', %(day)s::date, version
        from generate_series(2, %(customers)s, 2) as line
        cross join generate_series(1, 2) as version
        cross join lateral (
            select %(day)s::date - (line * 7919::bigint %% 729)::integer as start_date
        ) as term
        where version = 1 or line %% 8 = 0
    """,
    "channel.offer": """
        insert into raw.channel__offer
        select
            'E' || number || '-' || wave, 'P' || number %% 9, '优惠', shown.offer_class,
            'C' || 1 + number * 7919::bigint %% %(customers)s, null,
            case when number / 7 %% 3 > 0 then 'sms' else 'app' end, wave, shown.shown_at,
            shown.response,
            case when shown.response <> 'none' then shown.shown_at + interval '1 hour' end, 10,
            null, null, null, %(day)s::date, 1
        from generate_series(1, %(customers)s) as number
        cross join lateral generate_series(1, case when number %% 10 = 0 then 4 else 1 end) as wave
        cross join lateral (
            select
                %(day)s::date - number / 10 %% 90
                + interval '9 hours' + wave * interval '1 hour' as shown_at,
                (array[
                    'contract_renewal', 'plan', 'data_package', 'ring_back_tone', 'roaming_package'
                ])[1 + number %% 5] as offer_class,
                case number / 5 %% 10 when 0 then 'accepted' when 1 then 'refused' else 'none' end
                    as response
        ) as shown
    """,
    "retention.soothing_action": """
        insert into raw.retention__soothing_action
            (action_id, customer_id, acted_at, action_kind, result_code, department, business_date,
            extract_load_id)
        select
            'S' || customer, 'C' || customer, %(day)s::date::timestamptz + interval '9 hours',
            'explanation_call',
            case when customer %% 400 = 0 then 'unreachable' else 'accepted' end, 'channel',
            %(day)s::date, 1
        from generate_series(1, %(customers)s) as customer
        where customer %% 200 = 0
    """,
}

# The marts and models of the night's transform, its scores, and what earlier nights have published.
BUILT: dict[str, LiteralString] = {
    "intermediate.int_customer_dated": """
        insert into intermediate.int_customer_dated
            (as_of_date, customer_id, customer_name, contact_phone, region, star_level,
            is_birthday_tomorrow, is_do_not_call, registered_date)
        select
            %(day)s::date, 'C' || customer, '客户' || customer,
            -- One in fifty is called on the number of somebody else, one in fifty on none.
            case
                when customer %% 50 > 1 then '161' || lpad(customer::text, 8, '0')
                when customer %% 50 = 1 then '161' || lpad((customer / 2)::text, 8, '0')
            end,
            '城' || customer %% 9, customer %% 8, customer %% 365 = 0, customer %% 90 = 0,
            %(day)s::date - customer %% 3000
        from generate_series(1, %(customers)s) as customer
    """,
    "intermediate.int_customer_consents_summarised": """
        insert into intermediate.int_customer_consents_summarised
        select
            %(day)s::date, 'C' || customer, true, true, customer %% 2 = 0,
            case
                when customer %% 10 = 0 then null
                when customer %% 3 = 0 then %(day)s::date + customer %% 60
                else 'infinity'
            end
        from generate_series(1, %(customers)s) as customer
        where customer %% 8 < 5
    """,
    "intermediate.int_soothing_due": """
        insert into intermediate.int_soothing_due
        select
            %(day)s::date - customer / 60 %% 20, 'O' || customer, 'C' || customer, 'B' || customer,
            rule.cause_code, rule.soothing_kind, rule.soothing_team, rule.guidance_zh, 3, true,
            rule.policy_code, null, customer %% 4 * 10
        from generate_series(60, %(customers)s, 60) as customer
        inner join (
            select soothing_rule.*, row_number() over (order by cause_code) as number
            from marts.soothing_rule
        ) as rule on customer / 60 %% 12 + 1 = rule.number
    """,
    "marts.fct_customer_risk": """
        insert into marts.fct_customer_risk
        select
            %(day)s::date, 'C' || customer,
            (array['high', 'medium', 'low'])[1 + customer / 30 %% 3], 'B' || customer,
            'long_fault_open', '{long_fault_open,optical_loss}', '在途超长障碍、下行光衰', 2, 1,
            %(day)s::date, true
        from generate_series(30, %(customers)s, 30) as customer
    """,
    "marts.fct_customer_tier": """
        insert into marts.fct_customer_tier
        select
            'C' || customer, 'value',
            case
                when customer %% 20 = 7 then 'high'
                when customer %% 5 = 2 then 'mid'
                else 'low'
            end,
            customer %% 100, '2026-01-01', null
        from generate_series(1, %(customers)s) as customer
    """,
    "ml.churn_score": """
        insert into ml.churn_score
        select
            %(day)s::date, 'C' || customer, '1', round((random() ^ 12 / 2)::numeric, 6),
            reason.codes[1 + customer %% cardinality(reason.codes)],
            reason.codes[1 + customer / 2 %% cardinality(reason.codes)],
            case when customer %% 3 > 0 then reason.codes[1] end, 'hash', %(day)s::date
        from generate_series(1, %(customers)s) as customer
        cross join (
            select array_agg(distinct reason_code) as codes from marts.churn_reason
        ) as reason
        where customer %% 50 > 0
    """,
    "ml.uplift_score": """
        insert into ml.uplift_score
        select
            %(day)s::date, 'C' || customer, '1', drawn.uplift,
            drawn.uplift < 0 and customer %% 2 = 0, 'hash', %(day)s::date
        from generate_series(1, %(customers)s) as customer
        cross join lateral (
            select (customer * 7919::bigint %% 50021 - 5000) / 1000000.0 as uplift
        ) as drawn
        where customer %% 50 > 0
    """,
    "ml.uplift_verdict": """
        insert into ml.uplift_verdict
            (business_date, experiment_hash, ranking, reason, model_version, treated_count,
            control_count)
        values (%(day)s::date, 'hash', 'uplift', 'drawn', '1', 1000, 1000)
    """,
    "dialer.call_list": """
        insert into dialer.call_list (business_date, revisit_tag, task_count)
        select %(day)s::date - age, revisit_tag, 9
        from generate_series(1, 89) as age
        cross join marts.campaign
    """,
    "dialer.call_task": """
        insert into dialer.call_task
            (call_list_id, business_date, customer_id, revisit_tag, phone_number, priority_rank,
            status, agent_id, attempt_count, due_at, closed_at)
        select
            list.call_list_id, list.business_date, task.customer_id, list.revisit_tag,
            '16100000000', number, task.status, case when task.is_called then 'A1' end,
            task.is_called::integer, list.business_date + 1,
            case when task.status <> 'open' then list.business_date + 1 + interval '8 hours' end
        from dialer.call_list as list
        cross join generate_series(1, 9) as number
        cross join lateral (
            select list.call_list_id * 31 + number * 17 as draw
        ) as drawn
        cross join lateral (
            select
                'C' || 1 + draw * 104729 %% %(customers)s as customer_id,
                case
                    when %(day)s::date - list.business_date < 30 and draw %% 7 = 0 then 'open'
                    when draw %% 20 = 1 then 'withdrawn'
                    when draw %% 2 = 0 then 'succeeded'
                    else 'failed'
                end as status
        ) as fate
        cross join lateral (
            select fate.customer_id, fate.status, fate.status in ('succeeded', 'failed')
        ) as task (customer_id, status, is_called)
        on conflict do nothing
    """,
    "dialer.call_attempt": """
        insert into dialer.call_attempt
            (call_task_id, attempt_number, call_id, agent_id, called_at, outcome_code, talk_seconds)
        select
            call_task_id, 1, 'X' || call_task_id, 'A1', closed_at,
            case
                when status = 'failed' then 'no_answer'
                when call_task_id %% 20 = 0 then 'do_not_call'
                else 'accepted'
            end,
            60
        from dialer.call_task
        where attempt_count > 0
    """,
    "ops.gate_result": """
        insert into ops.gate_result
            (gate, business_date, subject, expectation, severity, is_success)
        values ('call_list', %(day)s::date, 'planned_call_task', 'drawn', 'error', true)
    """,
}

# Of the customer view the columns that decide; each other has a value of its type.
DECIDING: dict[str, LiteralString] = {
    "customer_id": "'C' || customer",
    "business_date": "%(day)s::date",
    "masked_phone": (
        "case when customer %% 50 > 0 then '161****' || lpad(customer::text, 4, '0') end"
    ),
    "active_subscription_count": "(random() < 0.95)::integer",
    "broadband_subscription_count": "(random() < 0.5)::integer",
    "mobile_subscription_count": "(random() < 0.7)::integer",
    "newest_subscription_days": "(random() * 2000)::integer",
    "registered_date": "%(day)s::date - customer %% 3000",
    "tenure_days": "customer %% 3000",
    "last_mobile_use_date": "%(day)s::date - (random() ^ 30 * 90)::integer",
    "days_since_last_online": "(random() ^ 30 * 90)::integer",
    "competitor_call_count_30d": "(random() ^ 30 * 30)::integer",
    "last_leaving_sign_date": (
        "case when random() < 0.02 then %(day)s::date - (random() * 90)::integer end"
    ),
    "is_birthday_tomorrow": "customer %% 365 = 0",
    "planned_suspension_date": (
        "case when random() < 0.02 then %(day)s::date + (random() * 9)::integer end"
    ),
    "overdue_amount": (
        "case when random() < 0.05 then round((random() * 100)::numeric, 2) else 0 end"
    ),
    "monthly_rent_amount": "29 + customer %% 9 * 20",
    "invoice_amount_90d": "round((random() ^ 3 * 300)::numeric, 2)",
    "voice_minutes_30d": "(random() ^ 3 * 600)::integer",
    "has_ring_back_tone": "random() < 0.4",
    "suitable_service_code": (
        "case when random() < 0.2 then"
        " (array['larger_data_package', 'smaller_data_package', 'roaming_package', 'plan'])"
        "[1 + customer %% 4] end"
    ),
    "complaint_sensitivity_band": "case when random() < 0.1 then 'high' else 'low' end",
    "fee_sensitivity_band": "case when random() < 0.1 then 'high' else 'medium' end",
    "last_complaint_date": (
        "case when random() < 0.2 then %(day)s::date - (random() * 300)::integer end"
    ),
    "value_tier": (
        "case when customer %% 20 = 7 then 'high' when customer %% 5 = 2 then 'mid' else 'low' end"
    ),
    "is_do_not_call": "customer %% 90 = 0",
    "is_on_black_list": "random() < 0.01",
    "churn_probability": "score.churn_probability::numeric",
    "warning_count": "coalesce(risk.warning_count, 0)",
    "highest_risk_level": "risk.highest_risk_level",
    "rule_codes": "coalesce(risk.rule_codes, '{}')",
}
OF_TYPE: dict[str, LiteralString] = {
    "boolean": "customer %% 5 = 0",
    "date": "%(day)s::date - customer %% 400",
    "integer": "customer %% 90",
    "jsonb": "null",
    "numeric": "customer %% 20000 / 100.0",
    "text": "'城' || customer %% 90",
    "timestamp with time zone": "%(day)s::date - customer %% 400 * interval '1 day'",
    "ARRAY": "'{}'",
}
# What the decision reads.
TABLES = (
    *(f"raw.{extract.replace('.', '__')}" for extract in DELIVERED),
    *(table for table in BUILT if table not in ("dialer.call_list", "ops.gate_result")),
    "marts.customer_360",
)


def fill(connection: Connection, customers: int, night: date) -> None:
    """Fill what the decision of a night reads; dbt has made the tables, which are empty."""
    connection.execute("select setseed(0.5)")
    deliver(connection, DELIVERED, customers, night)
    for extract in DELIVERED:
        settle(connection, extract.replace(".", "__"), [night])
    for table, statement in (BUILT | {"marts.customer_360": _view_statement(connection)}).items():
        connection.execute(statement, {"customers": customers, "day": night})
        connection.execute(f"analyze {table}")


def _view_statement(connection: Connection) -> str:
    columns = connection.execute(
        "select column_name, data_type from information_schema.columns"
        " where table_schema = 'marts' and table_name = 'customer_360' order by ordinal_position"
    ).fetchall()
    values = [DECIDING.get(row["column_name"], OF_TYPE[row["data_type"]]) for row in columns]
    return (
        f"insert into marts.customer_360 select {', '.join(values)}"
        " from generate_series(1, %(customers)s) as customer"
        " left join marts.fct_customer_risk as risk on 'C' || customer = risk.customer_id"
        " left join ml.churn_score as score on 'C' || customer = score.customer_id"
    )
