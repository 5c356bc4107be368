with subscription as (
    select * from {{ ref('int_subscription_active') }}
    where product_type = 'mobile'
),

windowed as (
    select * from {{ ref('int_mobile_usage_windowed') }}
),

-- Days without any usage of anybody are days without the source: nothing is known then.
as_of_measured as (
    select distinct as_of_date
    from windowed
),

-- A mobile line without a row was not used: zero, not unknown. Of several lines the busiest counts
-- the days.
final as (
    select
        subscription.as_of_date,
        subscription.customer_id,
        round(coalesce(sum(windowed.cmnet_kb_today), 0) / 1024, 3) as cmnet_mb_today,
        round(coalesce(sum(windowed.cmwap_kb_today), 0) / 1024, 3) as cmwap_mb_today,
        round(coalesce(sum(windowed.cmnet_kb_month), 0) / 1024, 3) as cmnet_mb_month,
        round(coalesce(sum(windowed.cmwap_kb_month), 0) / 1024, 3) as cmwap_mb_month,
        round(coalesce(sum(windowed.data_kb_30d), 0) / 1024, 3) as data_mb_30d,
        coalesce(sum(windowed.voice_minutes_30d), 0)::integer as voice_minutes_30d,
        coalesce(sum(windowed.sms_count_30d), 0)::integer as sms_count_30d,
        coalesce(sum(windowed.mms_count_30d), 0)::integer as mms_count_30d,
        coalesce(sum(windowed.competitor_call_count_30d), 0)::integer
            as competitor_call_count_30d,
        coalesce(max(windowed.data_day_count_30d), 0)::integer as data_day_count_30d,
        coalesce(max(windowed.voice_day_count_30d), 0)::integer as voice_day_count_30d,
        max(windowed.last_used_date) as last_mobile_use_date
    from subscription
    inner join as_of_measured on subscription.as_of_date = as_of_measured.as_of_date
    left join windowed
        on
            subscription.as_of_date = windowed.as_of_date
            and subscription.subscription_id = windowed.subscription_id
    group by subscription.as_of_date, subscription.customer_id
)

select * from final
