-- Not materialised: the newest delivery of each day is found in the index on business_date.
with source as not materialized (
    select * from {{ source('crm', 'do_not_call') }}
),

delivery as (
    {{ newest_deliveries('source') }}
),

final as (
    select distinct on (delivery.as_of_date, trim(source.phone_number), source.block_scope)
        delivery.as_of_date,
        trim(source.phone_number) as phone_number,
        source.block_scope,
        nullif(trim(source.customer_id), '') as customer_id,
        source.block_source,
        source.registered_at,
        source.expiry_date,
        delivery.delivered_date
    from delivery
    inner join source on delivery.delivered_date = source.business_date
    order by
        delivery.as_of_date asc,
        trim(source.phone_number) asc,
        source.block_scope asc,
        source.extract_load_id desc
)

select * from final
