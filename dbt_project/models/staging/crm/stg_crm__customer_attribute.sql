with as_of as (
    {{ as_of_dates() }}
),

source as (
    select * from {{ source('crm', 'customer_attribute') }}
    where business_date <= {{ business_date() }}
),

version as (
    {{ delta_versions('source', 'trim(source.customer_id), source.attribute_code') }}
),

final as (
    select
        as_of.as_of_date,
        trim(version.customer_id) as customer_id,
        version.attribute_code,
        nullif(trim(version.attribute_value), '') as attribute_value,
        version.changed_at,
        version.business_date as delivered_date
    from as_of
    inner join version on {{ holds_at_end_of('as_of.as_of_date', 'version') }}
)

select * from final
