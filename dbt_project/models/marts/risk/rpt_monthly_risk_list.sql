{{ config(unique_key='business_date') }}

with order_state as (
    select * from {{ ref('fct_remediation_order_state') }}
),

opened as (
    select * from {{ ref('int_remediation_order_opened') }}
),

soothing as (
    select * from {{ ref('int_soothing_due') }}
),

action as (
    select * from {{ ref('remediation_action') }}
),

deadline as (
    select * from {{ ref('answer_deadline') }}
),

order_standing as (
    select
        opened.*,
        order_state.order_state
    from order_state
    inner join opened on order_state.remediation_order_id = opened.remediation_order_id
    where
        {{ in_force(business_date(), 'order_state') }}
        and {{ is_order_to_be_done('order_state') }}
        and {{ is_last_of_month(business_date()) }}
),

-- Who puts it right, and who calms the customers meanwhile.
listed as (
    select
        order_standing.owner_team as department,
        order_standing.remediation_order_id,
        order_standing.subject_id,
        order_standing.subject_kind,
        case order_standing.subject_kind when 'line' then order_standing.subject_id end
            as subscription_id,
        order_standing.customer_id,
        action.action_name_zh as task_zh
    from order_standing
    inner join action
        on
            order_standing.action_code = action.action_code
            and {{ in_force('order_standing.opened_date', 'action') }}
    union all
    select
        soothing.soothing_team as department,
        soothing.remediation_order_id,
        soothing.customer_id as subject_id,
        'customer' as subject_kind,
        soothing.subscription_id,
        soothing.customer_id,
        soothing.guidance_zh as task_zh
    from soothing
    inner join order_standing on soothing.remediation_order_id = order_standing.remediation_order_id
),

final as (
    select
        {{ business_date() }} as business_date,
        listed.department,
        listed.remediation_order_id,
        listed.subject_id,
        listed.subject_kind,
        date_trunc('month', {{ business_date() }})::date as risk_month,
        order_standing.cause_code,
        listed.subscription_id,
        listed.customer_id,
        order_standing.cross_connect_area_id,
        order_standing.highest_risk_level,
        order_standing.priority,
        listed.task_zh,
        order_standing.order_state,
        order_standing.opened_date,
        coalesce(
            (date_trunc('month', {{ business_date() }}) + interval '1 month')::date
            + deadline.due_day - 1,
            order_standing.due_date
        ) as answer_due_date
    from listed
    inner join order_standing on listed.remediation_order_id = order_standing.remediation_order_id
    left join deadline
        on
            listed.department = deadline.department
            and {{ in_force(business_date(), 'deadline') }}
)

select * from final
