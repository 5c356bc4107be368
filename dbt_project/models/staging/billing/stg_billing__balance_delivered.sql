-- Not materialised: the newest delivery of each day is found in the index on business_date.
with source as not materialized (
    select business_date from {{ source('billing', 'balance') }}
),

delivery as (
    {{ newest_deliveries('source') }}
),

final as (
    select
        as_of_date,
        delivered_date,
        coalesce(delivered_date > as_of_date - {{ var('balance_age_days') }}, false) as is_recent
    from delivery
)

select * from final
