with rule as (
    select * from {{ ref('risk_rule') }}
    where measure = 'dispatch_count'
),

dispatch as (
    select * from {{ ref('int_dispatches_attributed') }}
    where dispatched_at < {{ end_of(business_date()) }}
),

rule_in_force as (
    {{ rules_with_window('rule') }}
),

-- What counts is how often somebody had to be sent (障碍派单), not how often the customer reported.
line_sent_to as (
    select
        dispatch.subscription_id,
        rule_in_force.rule_code,
        count(*) as dispatch_count
    from rule_in_force
    inner join dispatch on rule_in_force.window_start_at <= dispatch.dispatched_at
    group by dispatch.subscription_id, rule_in_force.rule_code
),

line_repeating as (
    select
        line_sent_to.*,
        rule_in_force.window_start_at
    from line_sent_to
    inner join rule_in_force on line_sent_to.rule_code = rule_in_force.rule_code
    where {{ raises('line_sent_to.dispatch_count') }}
),

final as (
    select
        line_repeating.subscription_id,
        line_repeating.rule_code,
        line_repeating.dispatch_count::numeric as measured_value,
        jsonb_build_object(
            'dispatch_count', line_repeating.dispatch_count,
            'ticket_count', count(distinct dispatch.ticket_id),
            'ticket_ids', jsonb_agg(distinct dispatch.ticket_id order by dispatch.ticket_id)
        ) as evidence
    from line_repeating
    inner join dispatch
        on
            line_repeating.subscription_id = dispatch.subscription_id
            and line_repeating.window_start_at <= dispatch.dispatched_at
    group by
        line_repeating.subscription_id, line_repeating.rule_code, line_repeating.dispatch_count
)

select * from final
