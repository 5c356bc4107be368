with rule as (
    select * from {{ ref('risk_rule') }}
    where measure = 'traffic_per_online_hour'
),

subscription as (
    select * from {{ ref('int_subscription_active') }}
    where as_of_date = {{ business_date() }}
),

usage as (
    select * from {{ ref('int_broadband_usage_daily') }}
),

rule_in_force as (
    select
        rule.rule_code,
        rule.minimum_online_hours,
        ({{ business_date() }} + 1 - rule.window_value * ('1 ' || rule.window_unit)::interval)::date
            as window_start_date
    from rule
    where {{ in_force(business_date(), 'rule') }}
),

subscription_used as (
    select
        usage.subscription_id,
        rule_in_force.rule_code,
        rule_in_force.minimum_online_hours,
        sum(usage.download_bytes + usage.upload_bytes) as total_bytes,
        sum(usage.online_minutes)::numeric as online_minutes
    from rule_in_force
    inner join usage on rule_in_force.window_start_date <= usage.usage_date
    inner join subscription on usage.subscription_id = subscription.subscription_id
    where
        subscription.product_type = 'broadband'
        and usage.usage_date <= {{ business_date() }}
    group by usage.subscription_id, rule_in_force.rule_code, rule_in_force.minimum_online_hours
),

-- Few online hours make any traffic look heavy, so below the minimum nothing is measured.
final as (
    select
        subscription_id,
        rule_code,
        trim_scale(total_bytes * 60 / online_minutes / 1024 ^ 3::numeric) as measured_value,
        jsonb_build_object(
            'total_bytes', total_bytes,
            'online_minutes', online_minutes
        ) as evidence
    from subscription_used
    where
        online_minutes > 0
        and online_minutes >= minimum_online_hours * 60
)

select * from final
