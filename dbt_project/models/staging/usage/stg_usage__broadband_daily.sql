-- A day cannot be delivered before it is over: the bound on the delivery spares reading old ones.
with source as (
    select * from {{ source('usage', 'broadband_daily') }}
    where
        business_date between {{ changed_from('usage.broadband_hourly') }} and {{ business_date() }}
        and usage_date <= business_date
),

-- A day that is delivered twice counts once: the fuller delivery holds, since a late part of a day
-- must not replace the whole of it.
-- By date first: so the rows come in the order of the key of the daily tables.
final as (
    select distinct on (usage_date, trim(subscription_id))
        trim(subscription_id) as subscription_id,
        usage_date,
        download_bytes,
        upload_bytes,
        online_minutes,
        online_hours,
        peak_hour,
        business_date as delivered_date
    from source
    order by
        usage_date asc,
        trim(subscription_id) asc,
        online_minutes desc,
        download_bytes + upload_bytes desc,
        business_date desc
)

select * from final
