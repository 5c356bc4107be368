with rule as (
    select * from {{ ref('risk_rule') }}
    where measure = 'open_fault_days'
),

ticket as (
    select * from {{ ref('int_tickets_timed') }}
),

rule_in_force as (
    select * from rule
    where {{ in_force(business_date(), 'rule') }}
),

ticket_open as (
    select
        ticket_id,
        subscription_id,
        extract(epoch from {{ end_of(business_date()) }} - reported_at) / 86400 as fault_days
    from ticket
    where
        is_fault
        and closed_at is null
),

ticket_over_long as (
    select
        ticket_open.ticket_id,
        ticket_open.subscription_id,
        ticket_open.fault_days,
        rule_in_force.rule_code
    from rule_in_force
    cross join ticket_open
    where {{ raises('ticket_open.fault_days') }}
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
