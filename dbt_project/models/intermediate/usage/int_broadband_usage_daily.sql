-- Kept by day: the windows of the night are sums of days that are already free of duplicates.
{{
    config(
        materialized='incremental',
        incremental_strategy='replace_from',
        unique_key='usage_date',
    )
}}

with usage as (
    select * from {{ ref('stg_usage__broadband_daily') }}
    where usage_date >= {{ changed_from('usage.broadband_hourly') }}
),

final as (
    select
        usage_date,
        subscription_id,
        download_bytes,
        upload_bytes,
        online_minutes,
        online_hours,
        peak_hour
    from usage
)

select * from final
