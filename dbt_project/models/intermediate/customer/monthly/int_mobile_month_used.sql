with daily as (
    select * from {{ ref('int_mobile_usage_daily') }}
),

windowed as (
    select * from {{ ref('int_mobile_usage_windowed') }}
    where as_of_date = {{ business_date() }}
),

-- The month of each day: looked up, since to find it anew for every row costs more than to read it.
-- Only of months that are over; the one that runs is added up already.
calendar as (
    select
        day::date as usage_date,
        date_trunc('month', day)::date as calendar_month
    from
        generate_series(
            {{ changed_from(var('customer_month_extracts'), 'month') }}::timestamp,
            date_trunc('month', {{ business_date() }}) - interval '1 day',
            interval '1 day'
        ) as day
),

this_month as (
    select date_trunc('month', {{ business_date() }})::date as calendar_month
    where
        {{ changed_from(var('customer_month_extracts'), 'month') }}
        <= date_trunc('month', {{ business_date() }})
),

final as (
    select
        calendar.calendar_month,
        daily.subscription_id,
        sum(daily.cmnet_kb::bigint + daily.cmwap_kb) as mobile_data_kb,
        sum(daily.voice_minutes) as voice_minutes,
        sum(daily.sms_count) as sms_count,
        sum(daily.mms_count) as mms_count,
        count(*) filter (where daily.cmnet_kb > 0 or daily.cmwap_kb > 0) as mobile_data_day_count
    from calendar
    inner join daily on calendar.usage_date = daily.usage_date
    group by calendar.calendar_month, daily.subscription_id
    union all
    select
        this_month.calendar_month,
        windowed.subscription_id,
        windowed.cmnet_kb_month + windowed.cmwap_kb_month as mobile_data_kb,
        windowed.voice_minutes_month as voice_minutes,
        windowed.sms_count_month as sms_count,
        windowed.mms_count_month as mms_count,
        windowed.data_day_count_month as mobile_data_day_count
    from this_month
    inner join windowed on this_month.calendar_month <= windowed.last_used_date
)

select * from final
