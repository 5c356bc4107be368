with source as (
    select * from {{ source('line', 'optical_reading') }}
    where business_date <= {{ business_date() }}
),

-- Not de-duplicated: there are too many to sort each night, and whoever reads them wants the newest
-- delivery of the latest reading anyway.
final as (
    select
        trim(subscription_id) as subscription_id,
        direction,
        reading_unit,
        reading_value,
        -- dBm is received power, not a loss.
        case when reading_unit = 'dB' then reading_value end as attenuation_db,
        measured_at,
        business_date as delivered_date,
        extract_load_id
    from source
)

select * from final
