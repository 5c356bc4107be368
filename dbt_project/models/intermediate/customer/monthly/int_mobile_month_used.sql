with daily as (
    select * from {{ ref('int_mobile_usage_daily') }}
),

windowed as (
    select * from {{ ref('int_mobile_usage_windowed') }}
    where as_of_date = {{ business_date() }}
),

-- The days of months that are over are read; the month that runs is added up already.
calendar as (
    {{ days_of_months_over() }}
),

this_month as (
    {{ month_that_runs() }}
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
