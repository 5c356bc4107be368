{{ config(materialized='view') }}

with listed as (
    select * from {{ ref('rpt_monthly_risk_list') }}
),

feedback as (
    select * from {{ ref('stg_retention__risk_feedback') }}
    where feedback_kind = 'result'
),

listed_named as (
    select
        listed.*,
        named.answer_key
    from listed
    cross join
        lateral (
            values
            (listed.remediation_order_id),
            ({{ risk_answer_key('listed.subscription_id', 'listed.risk_month') }})
        ) as named (answer_key)
),

-- An answer names the order, or the line and the month of the list.
feedback_named as (
    select
        *,
        {{ local_date('fed_back_at') }} as answered_date,
        coalesce(
            remediation_order_id, {{ risk_answer_key('subscription_id', 'risk_month') }}
        ) as answer_key
    from feedback
),

-- The first answer counts.
answered as (
    select distinct on (
        listed_named.business_date,
        department,
        listed_named.remediation_order_id,
        listed_named.subject_id
    )
        listed_named.business_date,
        department,
        listed_named.remediation_order_id,
        listed_named.subject_id,
        feedback_named.answered_date,
        feedback_named.result_code
    from listed_named
    inner join feedback_named using (department, answer_key)
    where listed_named.opened_date <= feedback_named.answered_date
    order by
        listed_named.business_date asc,
        department asc,
        listed_named.remediation_order_id asc,
        listed_named.subject_id asc,
        feedback_named.fed_back_at asc,
        feedback_named.feedback_id asc
),

final as (
    select
        listed.risk_month,
        department,
        remediation_order_id,
        subject_id,
        listed.subscription_id,
        listed.customer_id,
        listed.cause_code,
        listed.answer_due_date,
        answered.answered_date,
        answered.result_code,
        coalesce(
            answered.answered_date > listed.answer_due_date,
            listed.answer_due_date <= {{ business_date() }}
        ) as is_late
    from listed
    left join answered using (business_date, department, remediation_order_id, subject_id)
)

select * from final
