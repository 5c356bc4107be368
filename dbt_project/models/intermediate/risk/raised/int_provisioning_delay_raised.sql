with rule as (
    select * from {{ ref('risk_rule') }}
    where measure = 'operator_delay_days'
),

service_order as (
    select * from {{ ref('stg_service_order__service_order') }}
),

rule_in_force as (
    {{ rules_with_window('rule') }}
),

order_delayed as (
    select
        service_order.order_id,
        service_order.subscription_id,
        service_order.operator_delay_minutes / 1440.0 as delay_days,
        service_order.delay_cause,
        rule_in_force.rule_code
    from rule_in_force
    inner join service_order
        on
            service_order.order_state <> 'completed'
            or rule_in_force.window_start_at <= service_order.completed_at
    where
        service_order.operator_delay_minutes > 0
        and service_order.order_state not in ('cancelled', 'rejected')
        and {{ raises('service_order.operator_delay_minutes / 1440.0') }}
),

-- The longest delay is measured; the evidence names every order that was held up for too long.
final as (
    select
        subscription_id,
        rule_code,
        trim_scale(max(delay_days)) as measured_value,
        jsonb_build_object(
            'order_ids', jsonb_agg(order_id order by order_id),
            'causes', jsonb_agg(distinct delay_cause)
        ) as evidence
    from order_delayed
    group by subscription_id, rule_code
)

select * from final
