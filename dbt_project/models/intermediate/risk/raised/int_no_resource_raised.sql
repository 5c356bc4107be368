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

timed as (
    select
        *,
        extract(epoch from coalesce(answered_at, {{ end_of(business_date()) }}) - raised_at) / 3600
            as answer_hours
    from reported
),

order_late as (
    select
        timed.order_id,
        timed.subscription_id,
        rule_in_force.rule_code,
        timed.answer_hours
    from rule_in_force
    inner join timed
        on
            timed.answered_at is null
            or rule_in_force.window_start_at <= timed.raised_at
    where {{ raises('timed.answer_hours') }}
),

-- The longest wait is measured; the evidence names every order that waited for too long.
final as (
    select
        subscription_id,
        rule_code,
        trim_scale(max(answer_hours)) as measured_value,
        jsonb_build_object(
            'order_ids', jsonb_agg(order_id order by order_id)
        ) as evidence
    from order_late
    group by subscription_id, rule_code
)

select * from final
