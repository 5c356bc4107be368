with rule as (
    select * from {{ ref('risk_rule') }}
    where measure = 'closed_fault_days'
),

ticket as (
    select * from {{ ref('int_tickets_timed') }}
),

rule_in_force as (
    {{ rules_with_window('rule') }}
),

ticket_closed as (
    select
        ticket_id,
        subscription_id,
        closed_at,
        extract(epoch from closed_at - reported_at) / 86400 as fault_days
    from ticket
    where
        is_fault
        and closed_at < {{ end_of(business_date()) }}
),

ticket_over_long as (
    select
        ticket_closed.ticket_id,
        ticket_closed.subscription_id,
        ticket_closed.fault_days,
        rule_in_force.rule_code
    from rule_in_force
    inner join ticket_closed on rule_in_force.window_start_at <= ticket_closed.closed_at
    where {{ raises('ticket_closed.fault_days') }}
),

-- The longest fault is measured; the evidence names every over-long one.
final as (
    select
        subscription_id,
        rule_code,
        trim_scale(max(fault_days)) as measured_value,
        jsonb_build_object(
            'ticket_count', count(*),
            'ticket_ids', jsonb_agg(ticket_id order by ticket_id)
        ) as evidence
    from ticket_over_long
    group by subscription_id, rule_code
)

select * from final
