with as_of as (
    {{ as_of_dates() }}
),

reading as (
    select * from {{ ref('stg_line__optical_reading') }}
),

-- Readings in dBm are no losses and are passed over, also when they are the newest.
final as (
    select distinct on (as_of.as_of_date, reading.subscription_id)
        as_of.as_of_date,
        reading.subscription_id,
        reading.attenuation_db as optical_loss_db,
        reading.measured_at
    from as_of
    inner join reading on reading.measured_at < {{ end_of('as_of.as_of_date') }}
    where
        reading.direction = 'downstream'
        and reading.attenuation_db is not null
    order by as_of.as_of_date asc, reading.subscription_id asc, reading.measured_at desc
)

select * from final
