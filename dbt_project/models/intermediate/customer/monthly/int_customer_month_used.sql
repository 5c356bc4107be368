-- Stored, unlike its neighbours: the insert of fct_customer_month would read by one worker alone.
{{ config(materialized='table') }}

with subscription as (
    select * from {{ ref('int_subscription_dated') }}
    where as_of_date = {{ business_date() }}
),

-- The month of each day: looked up, since to find it anew for every row costs more than to read it.
calendar as (
    select
        day::date as usage_date,
        date_trunc('month', day)::date as calendar_month
    from
        generate_series(
            {{ changed_from(var('customer_month_extracts'), 'month') }}::timestamp,
            {{ business_date() }},
            interval '1 day'
        ) as day
),

mobile as (
    select * from {{ ref('int_mobile_usage_daily') }}
    where
        usage_date >= {{ changed_from(var('customer_month_extracts'), 'month') }}
        and usage_date <= {{ business_date() }}
),

broadband as (
    select * from {{ ref('int_broadband_usage_daily') }}
    where
        usage_date >= {{ changed_from(var('customer_month_extracts'), 'month') }}
        and usage_date <= {{ business_date() }}
),

mobile_month as (
    select
        calendar.calendar_month,
        mobile.subscription_id,
        sum(mobile.cmnet_kb::bigint + mobile.cmwap_kb) as mobile_data_kb,
        sum(mobile.voice_minutes) as voice_minutes,
        sum(mobile.sms_count) as sms_count,
        sum(mobile.mms_count) as mms_count,
        count(*) filter (where mobile.cmnet_kb > 0 or mobile.cmwap_kb > 0) as mobile_data_day_count
    from mobile
    inner join calendar on mobile.usage_date = calendar.usage_date
    group by calendar.calendar_month, mobile.subscription_id
),

broadband_month as (
    select
        calendar.calendar_month,
        broadband.subscription_id,
        sum(broadband.download_bytes) as download_bytes,
        sum(broadband.upload_bytes) as upload_bytes,
        sum(broadband.online_minutes) as online_minutes
    from broadband
    inner join calendar on broadband.usage_date = calendar.usage_date
    group by calendar.calendar_month, broadband.subscription_id
),

subscription_month as (
    select
        calendar_month,
        subscription_id,
        mobile_data_kb,
        voice_minutes,
        sms_count,
        mms_count,
        mobile_data_day_count,
        null::numeric as download_bytes,
        null::numeric as upload_bytes,
        null::bigint as online_minutes
    from mobile_month
    union all
    select
        calendar_month,
        subscription_id,
        null as mobile_data_kb,
        null as voice_minutes,
        null as sms_count,
        null as mms_count,
        null as mobile_data_day_count,
        download_bytes,
        upload_bytes,
        online_minutes
    from broadband_month
),

final as (
    select
        subscription_month.calendar_month,
        subscription.customer_id,
        round(sum(subscription_month.mobile_data_kb) / 1024, 3) as mobile_data_mb,
        sum(subscription_month.voice_minutes)::integer as voice_minutes,
        sum(subscription_month.sms_count)::integer as sms_count,
        sum(subscription_month.mms_count)::integer as mms_count,
        max(subscription_month.mobile_data_day_count)::integer as mobile_data_day_count,
        round(sum(subscription_month.download_bytes) / 1024 ^ 3::numeric, 3) as download_gib,
        round(sum(subscription_month.upload_bytes) / 1024 ^ 3::numeric, 3) as upload_gib,
        round(sum(subscription_month.online_minutes) / 60.0, 2) as online_hours
    from subscription_month
    inner join subscription on subscription_month.subscription_id = subscription.subscription_id
    group by subscription_month.calendar_month, subscription.customer_id
)

select * from final
