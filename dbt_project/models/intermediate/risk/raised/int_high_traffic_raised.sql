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
        rule.*,
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
        windowed.download_bytes_30d::numeric + windowed.upload_bytes_30d as total_bytes,
        windowed.online_minutes_30d::numeric as online_minutes
    from rule_in_force
    cross join windowed
    where rule_in_force.window_start_date = {{ business_date() }} - 29
    union all
    select
        usage.subscription_id,
        rule_in_force.rule_code,
        sum(usage.download_bytes + usage.upload_bytes) as total_bytes,
        sum(usage.online_minutes)::numeric as online_minutes
    from rule_in_force
    inner join usage on rule_in_force.window_start_date <= usage.usage_date
    where
        rule_in_force.window_start_date <> {{ business_date() }} - 29
        and usage.usage_date <= {{ business_date() }}
    group by usage.subscription_id, rule_in_force.rule_code
),

-- Few online hours make any traffic look heavy, so below the minimum nothing is measured.
line_measured as (
    select
        line_used.*,
        rule_in_force.operator,
        rule_in_force.threshold_value,
        line_used.total_bytes * 60 / line_used.online_minutes / 1024 ^ 3::numeric as gib_per_hour
    from line_used
    inner join rule_in_force on line_used.rule_code = rule_in_force.rule_code
    where
        line_used.online_minutes > 0
        and line_used.online_minutes >= rule_in_force.minimum_online_hours * 60
),

final as (
    select
        line_measured.subscription_id,
        line_measured.rule_code,
        trim_scale(line_measured.gib_per_hour) as measured_value,
        jsonb_build_object(
            'total_bytes', line_measured.total_bytes,
            'online_minutes', line_measured.online_minutes
        ) as evidence
    from line_measured
    inner join subscription on line_measured.subscription_id = subscription.subscription_id
    where
        subscription.product_type = 'broadband'
        and {{ compares(
            'line_measured.gib_per_hour', 'line_measured.operator', 'line_measured.threshold_value'
        ) }}
)

select * from final
