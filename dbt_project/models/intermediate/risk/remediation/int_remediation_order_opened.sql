{{ config(
    materialized='incremental',
    incremental_strategy='replace_dates',
    unique_key='opened_date',
) }}

with order_state as (
    select * from {{ ref('fct_remediation_order_state') }}
    where opened_date = {{ business_date() }} and valid_from = {{ business_date() }}
),

needed as (
    select * from {{ ref('int_remediation_needed') }}
),

-- What an order is about is written once, on the night that opens it.
final as (
    select
        order_state.opened_date,
        order_state.remediation_order_id,
        needed.subject_kind,
        order_state.subject_id,
        order_state.cause_code,
        order_state.route_code,
        needed.customer_id,
        needed.cross_connect_area_id,
        needed.owner_team,
        needed.handler_role,
        needed.handler_staff_id,
        needed.priority,
        needed.action_code,
        needed.highest_risk_level,
        needed.rule_codes,
        needed.first_raised_date,
        needed.subscription_count,
        needed.customer_count,
        needed.due_date
    from order_state
    inner join needed
        on
            order_state.subject_id = needed.subject_id
            and order_state.cause_code = needed.cause_code
)

select * from final
