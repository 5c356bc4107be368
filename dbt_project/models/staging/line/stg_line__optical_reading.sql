with source as (
    select * from {{ source('line', 'optical_reading') }}
    where business_date <= {{ business_date() }}
),

final as (
    select distinct on (trim(subscription_id), measured_at, direction)
        trim(subscription_id) as subscription_id,
        direction,
        reading_unit,
        reading_value,
        -- dBm is received power, not a loss.
        case when reading_unit = 'dB' then reading_value end as attenuation_db,
        measured_at,
        business_date as delivered_date
    from source
    order by
        trim(subscription_id) asc,
        measured_at asc,
        direction asc,
        business_date desc,
        extract_load_id desc
)

select * from final
