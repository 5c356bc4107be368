-- No test is delivered before it is made: the bound on the delivery spares reading old ones.
with source as (
    select * from {{ source('line', 'copper_test') }}
    where business_date between {{ earliest_as_of_date() }} - 30 and {{ business_date() }}
),

-- A test that is delivered twice counts once: the newest delivery holds.
final as (
    select distinct on (trim(subscription_id), tested_at)
        trim(subscription_id) as subscription_id,
        has_loose_joint,
        has_high_energy_noise,
        has_line_imbalance,
        noise_margin_db,
        attainable_rate_mbps,
        tested_at,
        business_date as delivered_date
    from source
    order by
        trim(subscription_id) asc,
        tested_at asc,
        business_date desc,
        extract_load_id desc
)

select * from final
