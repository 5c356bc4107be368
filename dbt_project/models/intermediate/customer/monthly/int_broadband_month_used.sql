with daily as (
    select * from {{ ref('int_broadband_usage_daily') }}
),

windowed as (
    select * from {{ ref('int_broadband_usage_windowed') }}
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
        sum(daily.download_bytes) as download_bytes,
        sum(daily.upload_bytes) as upload_bytes,
        sum(daily.online_minutes) as online_minutes
    from calendar
    inner join daily on calendar.usage_date = daily.usage_date
    group by calendar.calendar_month, daily.subscription_id
    union all
    select
        this_month.calendar_month,
        windowed.subscription_id,
        windowed.download_bytes_month as download_bytes,
        windowed.upload_bytes_month as upload_bytes,
        windowed.online_minutes_month as online_minutes
    from this_month
    inner join windowed on this_month.calendar_month <= windowed.last_used_date
)

select * from final
