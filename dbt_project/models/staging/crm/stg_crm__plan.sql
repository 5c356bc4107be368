-- Not materialised: the newest delivery of each day is found in the index on business_date.
with source as not materialized (
    select * from {{ source('crm', 'plan') }}
),

delivery as (
    {{ newest_deliveries('source') }}
),

final as (
    select distinct on (delivery.as_of_date, trim(source.plan_id), source.valid_from)
        delivery.as_of_date,
        trim(source.plan_id) as plan_id,
        trim(source.plan_name) as plan_name,
        source.product_type,
        source.monthly_rent_amount,
        source.bandwidth_mbps,
        source.valid_from,
        source.valid_to,
        delivery.delivered_date
    from delivery
    inner join source on delivery.delivered_date = source.business_date
    order by
        delivery.as_of_date asc,
        trim(source.plan_id) asc,
        source.valid_from asc,
        source.extract_load_id desc
)

select * from final
