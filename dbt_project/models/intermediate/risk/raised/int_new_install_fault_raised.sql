with rule as (
    select * from {{ ref('risk_rule') }}
    where measure = 'install_to_fault_days'
),

service_order as (
    select * from {{ ref('stg_service_order__service_order') }}
    where order_kind = 'install' and order_state = 'completed'
),

ticket as (
    select * from {{ ref('int_tickets_timed') }}
    where is_fault and is_operator_cause
),

rule_in_force as (
    {{ rules_with_window('rule') }}
),

-- The first fault after each installation that the operator caused.
first_fault as (
    select distinct on (service_order.order_id)
        service_order.order_id,
        service_order.subscription_id,
        ticket.ticket_id,
        ticket.reported_at,
        extract(epoch from ticket.reported_at - service_order.completed_at) / 86400 as days
    from service_order
    inner join ticket
        on
            service_order.subscription_id = ticket.subscription_id
            and service_order.completed_at <= ticket.reported_at
    where service_order.completed_at < {{ end_of(business_date()) }}
    order by service_order.order_id asc, ticket.reported_at asc, ticket.ticket_id asc
),

final as (
    select distinct on (first_fault.subscription_id, rule_in_force.rule_code)
        first_fault.subscription_id,
        rule_in_force.rule_code,
        trim_scale(first_fault.days) as measured_value,
        jsonb_build_object(
            'order_id', first_fault.order_id,
            'ticket_id', first_fault.ticket_id
        ) as evidence
    from rule_in_force
    inner join first_fault on rule_in_force.window_start_at <= first_fault.reported_at
    where {{ raises('first_fault.days') }}
    order by
        first_fault.subscription_id asc,
        rule_in_force.rule_code asc,
        first_fault.days asc
)

select * from final
