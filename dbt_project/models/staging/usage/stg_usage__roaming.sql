-- An event cannot be delivered before it takes place: older deliveries change nothing tonight.
with source as (
    select * from {{ source('usage', 'roaming') }}
    where
        business_date >= {{ changed_from('usage.roaming') }}
        and business_date <= {{ business_date() }}
),

final as (
    select distinct on (trim(roaming_id))
        trim(roaming_id) as roaming_id,
        trim(subscription_id) as subscription_id,
        started_at,
        ended_at,
        roaming_kind,
        trim(visited_province) as visited_province,
        nullif(trim(visited_city), '') as visited_city,
        nullif(trim(base_station_id), '') as base_station_id,
        voice_minutes,
        sms_count,
        data_kb,
        roaming_fee_amount,
        business_date as delivered_date
    from source
    order by trim(roaming_id) asc, business_date desc, extract_load_id desc
)

select * from final
