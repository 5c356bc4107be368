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

windowed as (
    select * from {{ ref('int_broadband_usage_windowed') }}
    where as_of_date = {{ business_date() }}
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

-- Thirty days are added up already; of any other window the days are read.
line_used as (
    select
        windowed.subscription_id,
        rule_in_force.rule_code,
        rule_in_force.minimum_online_hours,
        windowed.download_bytes_30d::numeric + windowed.upload_bytes_30d as total_bytes,
        windowed.online_minutes_30d::numeric as online_minutes
    from rule_in_force
    inner join windowed on rule_in_force.window_start_date = windowed.as_of_date - 29
    union all
    select
        usage.subscription_id,
        rule_in_force.rule_code,
        rule_in_force.minimum_online_hours,
        sum(usage.download_bytes + usage.upload_bytes) as total_bytes,
        sum(usage.online_minutes)::numeric as online_minutes
    from rule_in_force
    inner join usage on rule_in_force.window_start_date <= usage.usage_date
    where
        rule_in_force.window_start_date <> {{ business_date() }} - 29
        and usage.usage_date <= {{ business_date() }}
    group by usage.subscription_id, rule_in_force.rule_code, rule_in_force.minimum_online_hours
),

subscription_used as (
    select line_used.*
    from line_used
    inner join subscription on line_used.subscription_id = subscription.subscription_id
    where subscription.product_type = 'broadband'
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
