-- Stored, unlike its neighbours: the insert of fct_customer_month would read by one worker alone.
{{ config(materialized='table') }}

with subscription as (
    select * from {{ ref('int_subscription_dated') }}
    where as_of_date = {{ business_date() }}
),

mobile_month as (
    select * from {{ ref('int_mobile_month_used') }}
),

broadband_month as (
    select * from {{ ref('int_broadband_month_used') }}
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
