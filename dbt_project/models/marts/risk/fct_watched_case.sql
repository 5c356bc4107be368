{{ config(unique_key='business_date') }}

with measured as (
    select * from {{ ref('int_case_watched') }}
),

rule as (
    select * from {{ ref('escalation_rule') }}
),

subscription as (
    select * from {{ ref('int_subscription_active') }}
    where as_of_date = {{ business_date() }}
),

area as (
    select * from {{ ref('stg_line__access_resource') }}
    where as_of_date = {{ business_date() }}
),

rule_in_force as (
    select * from rule
    where {{ in_force(business_date(), 'rule') }}
),

-- The highest level that is reached holds.
escalated as (
    select distinct on (measured.watch_kind, measured.case_id)
        measured.*,
        rule_in_force.escalation_level,
        rule_in_force.threshold_value,
        rule_in_force.escalate_to,
        rule_in_force.instruction_zh
    from measured
    inner join rule_in_force on measured.watch_kind = rule_in_force.watch_kind
    where
        {{ compares(
            'measured.measured_value', 'rule_in_force.operator', 'rule_in_force.threshold_value'
        ) }}
    order by
        measured.watch_kind asc,
        measured.case_id asc,
        rule_in_force.escalation_level desc
),

final as (
    select
        {{ business_date() }} as business_date,
        escalated.watch_kind,
        escalated.case_id,
        escalated.subscription_id,
        escalated.customer_id,
        escalated.measured_value,
        escalated.threshold_value,
        escalated.escalation_level,
        escalated.escalate_to,
        escalated.instruction_zh,
        escalated.staff_id,
        area.field_manager_staff_id as manager_staff_id
    from escalated
    left join subscription on escalated.subscription_id = subscription.subscription_id
    left join area on subscription.cross_connect_area_id = area.cross_connect_area_id
)

select * from final
