-- Incremental: stays of past days do not change, but for those that a delivery brings.
{{
    config(
        materialized='incremental',
        incremental_strategy='replace_from',
        unique_key='started_date',
    )
}}

with roaming as (
    select * from {{ ref('stg_usage__roaming') }}
    where {{ local_date('started_at') }} >= {{ changed_from('usage.roaming') }}
),

-- Who holds the line is not stored: it may change, and a day is not written again.
final as (
    select
        roaming_id,
        subscription_id,
        {{ local_date('started_at') }} as started_date,
        roaming_kind,
        visited_province,
        visited_city,
        base_station_id,
        round(extract(epoch from ended_at - started_at) / 60.0, 1) as stay_minutes,
        voice_minutes,
        sms_count,
        round(data_kb / 1024.0, 3) as data_mb,
        roaming_fee_amount,
        started_at,
        ended_at
    from roaming
    where started_at < {{ end_of(business_date()) }}
)

select * from final
