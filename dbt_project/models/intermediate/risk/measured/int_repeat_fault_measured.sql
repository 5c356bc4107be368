with rule as (
    select * from {{ ref('risk_rule') }}
    where measure = 'dispatch_count'
),

dispatch as (
    select * from {{ ref('int_dispatches_attributed') }}
),

rule_in_force as (
    {{ rules_with_window('rule') }}
),

-- What counts is how often somebody had to be sent (障碍派单), not how often the customer reported.
final as (
    select
        dispatch.subscription_id,
        rule_in_force.rule_code,
        count(distinct dispatch.dispatch_id)::numeric as measured_value,
        jsonb_build_object(
            'dispatch_count', count(distinct dispatch.dispatch_id),
            'ticket_count', count(distinct dispatch.ticket_id),
            'ticket_ids', jsonb_agg(distinct dispatch.ticket_id order by dispatch.ticket_id)
        ) as evidence
    from rule_in_force
    inner join dispatch on rule_in_force.window_start_at <= dispatch.dispatched_at
    where dispatch.dispatched_at < {{ end_of(business_date()) }}
    group by dispatch.subscription_id, rule_in_force.rule_code
)

select * from final
