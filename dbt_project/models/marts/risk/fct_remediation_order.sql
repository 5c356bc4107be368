{{ config(materialized='view') }}

with opened as (
    select * from {{ ref('int_remediation_order_opened') }}
),

order_state as (
    select * from {{ ref('fct_remediation_order_state') }}
),

counted as (
    select
        remediation_order_id,
        min(valid_from) filter (where order_state = 'dispatched') as dispatched_date,
        (count(*) filter (where order_state = 'reopened'))::integer as reopened_count
    from order_state
    group by remediation_order_id
),

final as (
    select
        remediation_order_id,
        opened.opened_date,
        order_state.order_state,
        order_state.valid_from as state_date,
        opened.subject_kind,
        opened.subject_id,
        opened.customer_id,
        opened.cross_connect_area_id,
        opened.cause_code,
        opened.rule_codes,
        opened.highest_risk_level,
        opened.route_code,
        opened.owner_team,
        opened.handler_role,
        opened.handler_staff_id,
        opened.priority,
        opened.action_code,
        opened.first_raised_date,
        opened.subscription_count,
        opened.customer_count,
        counted.dispatched_date,
        opened.due_date,
        order_state.done_at,
        order_state.result_code,
        counted.reopened_count
    from opened
    inner join order_state using (remediation_order_id)
    inner join counted using (remediation_order_id)
    where order_state.valid_to is null
)

select * from final
