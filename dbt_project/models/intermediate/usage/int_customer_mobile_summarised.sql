with as_of as (
    {{ as_of_dates() }}
),

subscription as (
    select * from {{ ref('int_subscription_active') }}
    where product_type = 'mobile'
),

-- The calendar month to date and the last 30 days: what reaches further back. Bounded by literals,
-- which all workers read by.
usage as (
    select * from {{ ref('int_mobile_usage_daily') }}
    where
        usage_date
        >= least(
            date_trunc('month', {{ earliest_as_of_date() }})::date, {{ earliest_as_of_date() }} - 29
        )
        and usage_date <= {{ business_date() }}
),

as_of_window as (
    select
        as_of_date,
        date_trunc('month', as_of_date)::date as month_start_date,
        least(date_trunc('month', as_of_date)::date, as_of_date - 29) as window_start_date
    from as_of
),

usage_seen as (
    select
        as_of_window.as_of_date,
        usage.subscription_id,
        usage.usage_date,
        usage.cmnet_kb::bigint as cmnet_kb,
        usage.cmwap_kb::bigint as cmwap_kb,
        usage.voice_minutes,
        usage.sms_count,
        usage.mms_count,
        usage.competitor_call_count,
        usage.usage_date = as_of_window.as_of_date as is_today,
        usage.usage_date >= as_of_window.month_start_date as is_this_month,
        usage.usage_date > as_of_window.as_of_date - 30 as is_within_30d
    from as_of_window
    inner join usage
        on
            as_of_window.window_start_date <= usage.usage_date
            and as_of_window.as_of_date >= usage.usage_date
),

subscription_used as (
    select
        as_of_date,
        subscription_id,
        sum(cmnet_kb) filter (where is_today) as cmnet_kb_today,
        sum(cmwap_kb) filter (where is_today) as cmwap_kb_today,
        sum(cmnet_kb) filter (where is_this_month) as cmnet_kb_month,
        sum(cmwap_kb) filter (where is_this_month) as cmwap_kb_month,
        sum(cmnet_kb + cmwap_kb) filter (where is_within_30d) as data_kb_30d,
        sum(voice_minutes) filter (where is_within_30d) as voice_minutes_30d,
        sum(sms_count) filter (where is_within_30d) as sms_count_30d,
        sum(mms_count) filter (where is_within_30d) as mms_count_30d,
        sum(competitor_call_count) filter (where is_within_30d) as competitor_call_count_30d,
        count(*) filter (where is_within_30d and cmnet_kb + cmwap_kb > 0) as data_day_count_30d,
        count(*) filter (where is_within_30d and voice_minutes > 0) as voice_day_count_30d,
        max(usage_date) as last_mobile_use_date
    from usage_seen
    group by as_of_date, subscription_id
),

-- Days without any usage of anybody are days without the source: nothing is known then.
as_of_measured as (
    select distinct as_of_date
    from subscription_used
),

-- A mobile line without a row was not used: zero, not unknown. Of several lines the busiest counts
-- the days.
final as (
    select
        subscription.as_of_date,
        subscription.customer_id,
        round(coalesce(sum(subscription_used.cmnet_kb_today), 0) / 1024, 3) as cmnet_mb_today,
        round(coalesce(sum(subscription_used.cmwap_kb_today), 0) / 1024, 3) as cmwap_mb_today,
        round(coalesce(sum(subscription_used.cmnet_kb_month), 0) / 1024, 3) as cmnet_mb_month,
        round(coalesce(sum(subscription_used.cmwap_kb_month), 0) / 1024, 3) as cmwap_mb_month,
        round(coalesce(sum(subscription_used.data_kb_30d), 0) / 1024, 3) as data_mb_30d,
        coalesce(sum(subscription_used.voice_minutes_30d), 0)::integer as voice_minutes_30d,
        coalesce(sum(subscription_used.sms_count_30d), 0)::integer as sms_count_30d,
        coalesce(sum(subscription_used.mms_count_30d), 0)::integer as mms_count_30d,
        coalesce(sum(subscription_used.competitor_call_count_30d), 0)::integer
            as competitor_call_count_30d,
        coalesce(max(subscription_used.data_day_count_30d), 0)::integer as data_day_count_30d,
        coalesce(max(subscription_used.voice_day_count_30d), 0)::integer as voice_day_count_30d,
        max(subscription_used.last_mobile_use_date) as last_mobile_use_date
    from subscription
    inner join as_of_measured on subscription.as_of_date = as_of_measured.as_of_date
    left join subscription_used
        on
            subscription.as_of_date = subscription_used.as_of_date
            and subscription.subscription_id = subscription_used.subscription_id
    group by subscription.as_of_date, subscription.customer_id
)

select * from final
