with rule as (
    select * from {{ ref('risk_rule') }}
    where measure = 'no_resource_hours'
),

service_order as (
    select * from {{ ref('stg_service_order__service_order') }}
),

rule_in_force as (
    {{ rules_with_window('rule') }}
),

-- What was answered after the business date was still unanswered on it.
reported as (
    select
        order_id,
        subscription_id,
        no_resource_raised_at as raised_at,
        case
            when no_resource_answered_at < {{ end_of(business_date()) }}
                then no_resource_answered_at
        end as answered_at
    from service_order
    where
        no_resource_raised_at < {{ end_of(business_date()) }}
        and order_state not in ('cancelled', 'rejected')
),

order_waited as (
    select
        reported.order_id,
        reported.subscription_id,
        rule_in_force.rule_code,
        rule_in_force.operator,
        rule_in_force.threshold_value,
        extract(
            epoch from coalesce(reported.answered_at, {{ end_of(business_date()) }})
            - reported.raised_at
        ) / 3600 as answer_hours
    from rule_in_force
    inner join reported
        on
            reported.answered_at is null
            or rule_in_force.window_start_at <= reported.raised_at
),

order_judged as (
    select
        *,
        {{ compares('answer_hours', 'operator', 'threshold_value') }} as is_late
    from order_waited
),

-- The longest wait is measured; the evidence names every order that waited for too long.
final as (
    select
        subscription_id,
        rule_code,
        trim_scale(max(answer_hours)) as measured_value,
        jsonb_build_object(
            'order_ids', jsonb_agg(order_id order by order_id) filter (where is_late)
        ) as evidence
    from order_judged
    group by subscription_id, rule_code
)

select * from final
