-- Not materialised: the newest delivery of each day is found in the index on business_date.
with source as not materialized (
    select * from {{ source('crm', 'customer') }}
),

delivery as (
    {{ newest_deliveries('source') }}
),

final as (
    select distinct on (delivery.as_of_date, trim(source.customer_id))
        delivery.as_of_date,
        trim(source.customer_id) as customer_id,
        nullif(trim(source.customer_name), '') as customer_name,
        -- Only a mobile number can be called by the agents; raw keeps what was delivered.
        case
            when trim(source.contact_phone) ~ '^1[3-9]\d{9}$' then trim(source.contact_phone)
        end as contact_phone,
        source.gender,
        source.birth_date,
        trim(source.region) as region,
        nullif(trim(source.county), '') as county,
        source.star_level,
        source.is_do_not_call,
        source.registered_date,
        delivery.delivered_date
    from delivery
    inner join source on delivery.delivered_date = source.business_date
    order by
        delivery.as_of_date asc,
        trim(source.customer_id) asc,
        source.extract_load_id desc
)

select * from final
