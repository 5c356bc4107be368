-- No test is delivered before it is made: the bound on the delivery spares reading old ones.
with source as (
    select * from {{ source('line', 'copper_test') }}
    where business_date between {{ earliest_as_of_date() }} - 30 and {{ business_date() }}
),

-- Not de-duplicated: whoever reads it wants the newest delivery of the latest test anyway.
final as (
    select
        trim(subscription_id) as subscription_id,
        has_loose_joint,
        has_high_energy_noise,
        has_line_imbalance,
        noise_margin_db,
        attainable_rate_mbps,
        tested_at,
        business_date as delivered_date,
        extract_load_id
    from source
)

select * from final
