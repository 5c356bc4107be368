{{ config(materialized='view') }}

with order_known as (
    select distinct remediation_order_id from {{ ref('fct_remediation_order_state') }}
),

-- A past night that is built again takes back what later ones opened.
due as (
    select * from {{ ref('int_soothing_due') }}
    where remediation_order_id in (select order_known.remediation_order_id from order_known)
),

action as (
    select * from {{ ref('stg_retention__soothing_action') }}
),

call_task as (
    select * from {{ ref('stg_dialer__call_task') }}
    where revisit_tag in ('risk_soothing', 'fault_explanation')
),

-- The measure that names the order, else the first taken for the customer since.
acted as (
    select distinct on (due.remediation_order_id, due.customer_id)
        due.remediation_order_id,
        due.customer_id,
        action.acted_at,
        action.action_kind,
        action.compensation_amount,
        action.result_code
    from due
    inner join action
        on
            due.customer_id = action.customer_id
            and {{ start_of('due.opened_date') }} <= action.acted_at
    where
        action.remediation_order_id is null
        or action.remediation_order_id = due.remediation_order_id
    order by
        due.remediation_order_id asc,
        due.customer_id asc,
        action.remediation_order_id is null asc,
        action.acted_at asc
),

called as (
    select distinct on (due.remediation_order_id, due.customer_id)
        due.remediation_order_id,
        due.customer_id,
        call_task.call_task_id
    from due
    inner join call_task
        on
            due.customer_id = call_task.customer_id
            and due.opened_date <= call_task.business_date
    order by
        due.remediation_order_id asc,
        due.customer_id asc,
        call_task.business_date asc,
        call_task.call_task_id asc
),

final as (
    select
        remediation_order_id,
        customer_id,
        due.opened_date,
        due.subscription_id,
        due.cause_code,
        due.soothing_kind,
        due.soothing_team,
        due.guidance_zh,
        due.star_level,
        due.is_operator_cause,
        due.policy_code,
        due.action_kind as granted_action_kind,
        due.subsidy_amount as granted_amount,
        called.call_task_id,
        acted.acted_at,
        acted.action_kind,
        acted.compensation_amount,
        acted.result_code
    from due
    left join acted using (remediation_order_id, customer_id)
    left join called using (remediation_order_id, customer_id)
)

select * from final
